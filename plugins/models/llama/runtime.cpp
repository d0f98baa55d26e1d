#include "runtime.hpp"

#include <dlfcn.h>
#include <ggml-backend.h>
#include <llama.h>

#include <atomic>
#include <filesystem>
#include <mutex>

#include "assay/sdk/abi.hpp"

namespace assay::llama {
namespace {

struct LogTarget {
  const assay_host_log_v1* log = nullptr;
  void* ctx = nullptr;
};
// Written once, read by libllama's threads; a host lives as long as the process that loaded the plugin.
std::atomic<const LogTarget*> log_target{nullptr};
thread_local std::string last_error;

/// What libllama calls an error is reported in a sentence of this plugin, so that nothing of its log is more
/// than information.
void to_host(ggml_log_level level, const char* text, void*) {
  try {
    std::string_view line(text == nullptr ? "" : text);
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty()) return;
    if (level == GGML_LOG_LEVEL_ERROR) last_error = line;
    const LogTarget* target = log_target.load(std::memory_order_acquire);
    if (target == nullptr) return;
    const int host_level = level == GGML_LOG_LEVEL_ERROR || level == GGML_LOG_LEVEL_WARN ? ASSAY_LOG_INFO
                           : level == GGML_LOG_LEVEL_INFO                                ? ASSAY_LOG_DEBUG
                                                                                         : ASSAY_LOG_TRACE;
    target->log->write(target->ctx, host_level, str(line));
  } catch (...) {  // libllama must not see an exception
  }
}

Result<void> start() {
  llama_log_set(to_host, nullptr);
  if (std::string_view(llama_version()) != ASSAY_LLAMA_VERSION) {
    return Error{
        Code::kUnsupported,
        std::string("the llama plugin was compiled for libllama " ASSAY_LLAMA_VERSION ", but version ") +
            llama_version() + " was loaded; build assay again with the library it shall use",
        {}};
  }
  if (ggml_backend_reg_count() == 0) {
    // A library with its back ends in files of their own; its own folder comes first, then what it was built
    // with.
    Dl_info found{};
    if (dladdr(reinterpret_cast<const void*>(&llama_version), &found) != 0 && found.dli_fname != nullptr) {
      ggml_backend_load_all_from_path(std::filesystem::path(found.dli_fname).parent_path().c_str());
    }
    if (ggml_backend_reg_count() == 0) ggml_backend_load_all();
  }
  if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) {
    return Error{Code::kUnsupported,
                 "libllama " ASSAY_LLAMA_VERSION
                 " found none of its processor back ends (libggml-cpu); its installation is incomplete, "
                 "`scripts/setup-llama` makes another one",
                 {}};
  }
  llama_backend_init();
  return {};
}

}  // namespace

Result<void> start_library(const assay_host* host) {
  static std::mutex mutex;
  static bool started = false;
  static Result<void> outcome;
  const std::scoped_lock lock(mutex);
  if (host != nullptr && log_target.load(std::memory_order_relaxed) == nullptr) {
    const auto* log =
        static_cast<const assay_host_log_v1*>(host->get_extension(host->ctx, str("assay.host.log/1")));
    if (log != nullptr) log_target.store(new LogTarget{log, host->ctx}, std::memory_order_release);
  }
  if (!started) outcome = start();
  started = true;
  return outcome;
}

void log_warning(const std::string& text) {
  const LogTarget* target = log_target.load(std::memory_order_acquire);
  if (target != nullptr) target->log->write(target->ctx, ASSAY_LOG_WARNING, str(text));
}

std::string library_version() {
  return std::string(llama_version()) + " build " ASSAY_LLAMA_BUILD;
}

std::string take_last_error() {
  return std::exchange(last_error, {});
}

}  // namespace assay::llama
