// A host for the tests of live instances: the two libraries of this folder, loaded through the real registry.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "assay/sdk/abi.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/instances.hpp"
#include "tests/support/places.hpp"

namespace assay::test {

/// Registry and factory over test_garbage.so and test_throwing.so, made at first use and kept.
class GarbageHost {
 public:
  static GarbageHost& get() {
    static GarbageHost host;
    return host;
  }

  host::Binding bind(int kind, const std::string& name, const std::string& key, const std::string& value) {
    host::BindContext context;
    context.registry = registry_.get();
    host::Argument argument;
    argument.value = value;
    Result<host::Binding> bound = host::bind_plugin(context, kind, name, {{key, argument}}, "test");
    INFO((bound ? std::string() : bound.error().text));
    REQUIRE(bound);
    return *std::move(bound);
  }
  Result<const host::ModelInstance*> model(const std::string& mode, const char* name = "test.garbage_model",
                                           const char* key = "mode") {
    return factory_->model(bind(ASSAY_MODEL, name, key, mode));
  }
  Result<std::unique_ptr<host::TaskInstance>> task(const std::string& mode,
                                                   const char* name = "test.garbage_task",
                                                   const char* key = "mode") {
    return factory_->task(bind(ASSAY_TASK, name, key, mode));
  }
  Result<std::unique_ptr<host::MetricInstance>> metric(const std::string& mode,
                                                       const char* name = "test.garbage_metric",
                                                       const char* key = "mode") {
    return factory_->metric(bind(ASSAY_METRIC, name, key, mode));
  }

 private:
  GarbageHost() {
    host::RegistryOptions options;
    for (const char* file : {"test_garbage.so", "test_throwing.so"})
      options.files.emplace_back((build_dir() / "tests/garbage/").string() + file);
    options.use_environment = options.use_program_folders = options.use_cache = false;
    options.worker = build_dir() / "bin/assay-worker";
    options.scan_limit_ms = 60'000;
    Result<std::unique_ptr<host::Registry>> found = host::Registry::discover(options);
    INFO((found ? std::string() : found.error().text));
    REQUIRE(found);
    registry_ = *std::move(found);
    for (const host::LibraryRecord& library : registry_->libraries()) {
      INFO(library.path.string() << ": " << library.reason);
      REQUIRE(library.state == host::ScanState::kOk);
    }
    factory_ = std::make_unique<host::InstanceFactory>(*registry_);
  }
  std::unique_ptr<host::Registry> registry_;
  std::unique_ptr<host::InstanceFactory> factory_;
};

/// Whether a status is what a reader may rely on: a failure has a sentence, in the arena or the host's own.
inline void check_sound(const assay_status& status) {
  CHECK(status.code >= ASSAY_OK);
  CHECK(status.code <= ASSAY_PLUGIN_MISBEHAVING);
  if (status.code == ASSAY_OK) return;
  REQUIRE(status.message.len > 0);
  REQUIRE(status.message.len <= 4096);
  CHECK(host::valid_utf8(view(status.message)));
}

/// "plugin 'ID' broke its contract: COMPLAINT" with the code that only the host gives.
inline void check_misbehaving(const assay_status& status, const std::string& id,
                              const std::string& complaint) {
  check_sound(status);
  CHECK(status.code == ASSAY_PLUGIN_MISBEHAVING);
  const std::string sentence(view(status.message));
  INFO(sentence);
  CHECK(sentence.find("'" + id + "'") != std::string::npos);
  CHECK(sentence.find(complaint) != std::string::npos);
}

}  // namespace assay::test
