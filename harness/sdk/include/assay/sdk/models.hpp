// Models a plugin obtains from the host: slots and the handles behind them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/plugin.hpp"
#include "assay/sdk/record.hpp"

namespace assay {
inline namespace sdk_v1 {

/// A borrowed model; valid until the owning plugin is destroyed. Calls may come from any thread.
class ModelRef {
 public:
  ModelRef(const assay_host_models_v1* api, const assay_model_handle* handle) : api_(api), handle_(handle) {}

  [[nodiscard]] std::uint64_t capabilities() const { return api_->capabilities(handle_); }
  [[nodiscard]] bool offers(std::uint64_t caps) const { return (capabilities() & caps) == caps; }
  /// Fingerprint of the model, 64 hex digits.
  [[nodiscard]] std::string identity() const { return std::string(view(api_->identity(handle_))); }
  /// Fingerprint of its tokenizer; empty when it has none.
  [[nodiscard]] std::string tokenizer() const { return std::string(view(api_->tokenizer(handle_))); }
  /// The tokenizer's functions and the instance to call them with; NULL when there is none.
  [[nodiscard]] const assay_model_tokenize_v1* tokenize(void** instance) const {
    return api_->tokenize(handle_, instance);
  }

  using RowVisitor = std::function<bool(std::size_t request, const assay_row& row)>;

  /// Asks `requests` (all of one kind) and fills `responses`; texts live in the arena of `call`.
  Result<void> run(std::span<const assay_request> requests, std::span<assay_response> responses,
                   const Call& call, const RowVisitor& visit = {}) const {
    for (assay_response& response : responses) {
      response = {};
      response.struct_size = sizeof(assay_response);
      response.mean_logprob = kMissing;
      response.status.code = ASSAY_UNSET;
    }
    const auto row = [](void* ctx, std::size_t request, const assay_row* seen) noexcept -> std::int32_t {
      try {
        return (*static_cast<const RowVisitor*>(ctx))(request, *seen) ? 0 : 1;
      } catch (...) {
        return 1;
      }
    };
    const std::int32_t code = api_->run(
        handle_, requests.data(), requests.size(), responses.data(), call.raw(),
        visit ? static_cast<std::int32_t (*)(void*, std::size_t, const assay_row*) noexcept>(row) : nullptr,
        const_cast<RowVisitor*>(&visit));
    if (code != ASSAY_OK) {
      return Error{static_cast<Code>(code), "the inner model failed on the whole batch", {}};
    }
    return {};
  }

 private:
  const assay_host_models_v1* api_;
  const assay_model_handle* handle_;
};

/// A slot for other models, declared as a member of a plugin class: `Slot of{*this, "of", "target", caps,
/// "doc"};`
class Slot {
 public:
  Slot(Plugin& owner, std::string_view key, std::string_view role, std::uint64_t caps, std::string_view doc,
       std::uint32_t min_count = 1, std::uint32_t max_count = 1)
      : owner_(owner), key_(key), role_(role), doc_(doc) {
    raw_.struct_size = sizeof raw_;
    raw_.key = str(key_);
    raw_.role = str(role_);
    raw_.doc = str(doc_);
    raw_.requires_caps = caps;
    raw_.min_count = min_count;
    raw_.max_count = max_count;
    owner.add(&raw_);
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  [[nodiscard]] std::size_t size() const {
    const assay_host_models_v1* api = models();
    return api == nullptr ? 0 : api->count(owner_.env(), raw_.key);
  }
  /// The i-th bound model. Precondition: i < size().
  [[nodiscard]] ModelRef operator[](std::size_t i) const {
    return {models(), models()->get(owner_.env(), raw_.key, i)};
  }

 private:
  [[nodiscard]] const assay_host_models_v1* models() const {
    const assay_env* env = owner_.env();
    if (env == nullptr || env->host == nullptr || env->host->get_extension == nullptr) return nullptr;
    return static_cast<const assay_host_models_v1*>(
        env->host->get_extension(env->host->ctx, str("assay.host.models/1")));
  }
  Plugin& owner_;
  std::string key_, role_, doc_;
  assay_slot raw_{};
};

}  // namespace sdk_v1
}  // namespace assay
