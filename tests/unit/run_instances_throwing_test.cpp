// Exceptions inside a plugin written with the SDK: its trampolines turn each into a status, for that request
// alone.
#include <array>
#include <cmath>

#include "tests/support/garbage/host.hpp"

namespace {

using assay::Code;
using assay::Result;
using assay::view;
using assay::host::Arena;
using assay::host::MetricInstance;
using assay::host::ModelInstance;
using assay::host::TaskInstance;
using assay::test::check_sound;
using assay::test::GarbageHost;

struct Thrown {
  const char* suffix;
  int code;
  std::string text;
};

// What `where` + suffix throws, and what must be said of it.
std::vector<Thrown> thrown(const std::string& where) {
  return {{"", ASSAY_INTERNAL, "thrown in " + where},
          {"_number", ASSAY_INTERNAL, "unknown exception"},
          {"_memory", ASSAY_RESOURCE_EXHAUSTED, "out of memory"}};
}

Result<const ModelInstance*> model(const std::string& where) {
  return GarbageHost::get().model(where, "test.throwing_model", "where");
}

struct Provoked {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  std::array<assay_response, 2> responses{};
};

Provoked provoke(const std::string& where, int kind) {
  Provoked asked;
  Result<const ModelInstance*> made = model(where);
  REQUIRE(made);
  std::array<assay_request, 2> requests{};
  for (assay_request& request : requests) {
    request.struct_size = sizeof request;
    request.kind = kind;
    request.prompt = assay::str("good");
  }
  requests[1].prompt = assay::str("bad");
  (*made)->run(kind, requests, asked.responses, asked.arena, nullptr, 0);
  return asked;
}

}  // namespace

TEST_CASE("an exception while answering fails that answer alone", "[run][instances]") {
  for (const Thrown& one : thrown("generate")) {
    const Provoked asked = provoke(std::string("generate") + one.suffix, ASSAY_REQUEST_GENERATE);
    CHECK(asked.responses[0].status.code == ASSAY_OK);
    CHECK(asked.responses[0].choice_count == 1);
    CHECK(asked.responses[1].status.code == one.code);
    CHECK(std::string(view(asked.responses[1].status.message)).find(one.text) != std::string::npos);
  }
  for (const char* where : {"score", "rows"}) {
    const int kind = std::string(where) == "score" ? ASSAY_REQUEST_SCORE : ASSAY_REQUEST_ROWS;
    for (const Thrown& one : thrown(where)) {
      const Provoked asked = provoke(std::string(where) + one.suffix, kind);
      CHECK(asked.responses[0].status.code == one.code);
      CHECK(std::string(view(asked.responses[0].status.message)).find(one.text) != std::string::npos);
    }
  }
  const Provoked returned = provoke("", ASSAY_REQUEST_SCORE);
  CHECK(returned.responses[0].status.code == ASSAY_UNAVAILABLE);
  CHECK(view(returned.responses[0].status.message) == "scoring is closed");
}

TEST_CASE("a sentence that is too long is cut between characters", "[run][instances]") {
  const Provoked asked = provoke("long_sentence", ASSAY_REQUEST_GENERATE);
  check_sound(asked.responses[0].status);
  CHECK(asked.responses[0].status.code == ASSAY_DATA);
  CHECK(view(asked.responses[0].status.message).size() >= 4093);
}

TEST_CASE("an exception while a plugin is set up is an error with its text", "[run][instances]") {
  Result<const ModelInstance*> configured = model("configure");
  REQUIRE_FALSE(configured);
  CHECK(configured.error().code == Code::kInternal);
  CHECK(configured.error().text == "plugin 'test.throwing_model' could not be set up: thrown in configure");
  Result<const ModelInstance*> number = model("configure_number");
  REQUIRE_FALSE(number);
  CHECK(number.error().text.find("unknown exception") != std::string::npos);
  for (const char* where : {"capabilities", "capabilities_number", "identity", "identity_memory"}) {
    Result<const ModelInstance*> made = model(where);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Code::kPluginMisbehaving);
    CHECK(made.error().text.find("'test.throwing_model'") != std::string::npos);
  }
}

TEST_CASE("an exception in a task fails the task or one item", "[run][instances]") {
  Result<std::unique_ptr<TaskInstance>> opened =
      GarbageHost::get().task("open", "test.throwing_task", "where");
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::kInternal);
  CHECK(opened.error().text == "task 'test.throwing_task': thrown in open");
  for (const Thrown& one : thrown("item")) {
    Result<std::unique_ptr<TaskInstance>> task =
        GarbageHost::get().task(std::string("item") + one.suffix, "test.throwing_task", "where");
    REQUIRE(task);
    std::vector<assay_item> items;
    const auto arena = std::make_shared<Arena>();
    REQUIRE((*task)->fetch(0, 10, items, arena, nullptr));
    REQUIRE(items.size() == 3);
    CHECK(items[0].status.code == ASSAY_OK);
    CHECK(items[1].status.code == one.code);
    CHECK(view(items[1].id) == "item 1");
    CHECK(std::string(view(items[1].status.message)).find(one.text) != std::string::npos);
    CHECK(items[2].status.code == ASSAY_OK);
  }
}

TEST_CASE("a task whose count throws cannot be fetched", "[run][instances]") {
  Result<std::unique_ptr<TaskInstance>> task =
      GarbageHost::get().task("count", "test.throwing_task", "where");
  REQUIRE(task);
  CHECK((*task)->count() == -1);
  std::vector<assay_item> items;
  const Result<void> got = (*task)->fetch(0, 10, items, std::make_shared<Arena>(), nullptr);
  REQUIRE_FALSE(got);
  CHECK(got.error().text.find("'test.throwing_task'") != std::string::npos);
}

TEST_CASE("an exception in a metric leaves no number", "[run][instances]") {
  const auto metric = [](const std::string& where) {
    Result<std::unique_ptr<MetricInstance>> made =
        GarbageHost::get().metric(where, "test.throwing_metric", "where");
    REQUIRE(made);
    return *std::move(made);
  };
  for (const Thrown& one : thrown("eval")) {
    assay_item item{};
    assay_record record{};
    record.struct_size = sizeof record;
    record.item = &item;
    double value = std::nan("");
    assay_score score{};
    score.values = &value;
    score.value_count = 1;
    metric(std::string("eval") + one.suffix)
        ->eval({&record, 1}, {&score, 1}, std::make_shared<Arena>(), nullptr);
    CHECK(score.status.code == one.code);
    CHECK(std::isnan(value));
  }
  for (const Thrown& one : thrown("fit")) {
    const Result<void> done = metric(std::string("fit") + one.suffix)->fit({}, true);
    REQUIRE_FALSE(done);
    CHECK(done.error().text.find(one.text) != std::string::npos);
  }
  for (const char* where : {"aggregate", "aggregate_number", "aggregate_memory"}) {
    const std::span<const std::uint32_t> pick;
    double out = 7;
    CHECK_FALSE(metric(where)->aggregate({}, {&pick, 1}, {&out, 1}));
    CHECK(std::isnan(out));
  }
}
