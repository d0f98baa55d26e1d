#include "harness/run/host_services.hpp"

#include <cstdio>
#include <string>

#include "assay/sdk/abi.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/instances.hpp"

namespace assay::host {
namespace {

const ModelInstance* model_of(const assay_model_handle* handle) {
  return reinterpret_cast<const ModelInstance*>(handle);
}

const std::vector<ModelInstance*>* slot_of(const assay_env* env, assay_str slot) {
  for (const auto& [key, models] : static_cast<const SlotModels*>(env->bindings)->slots) {
    if (key == view(slot)) return &models;
  }
  return nullptr;
}

std::size_t host_model_count(const assay_env* env, assay_str slot) noexcept {
  const auto* models = slot_of(env, slot);
  return models == nullptr ? 0 : models->size();
}

const assay_model_handle* host_model_get(const assay_env* env, assay_str slot, std::size_t index) noexcept {
  const auto* models = slot_of(env, slot);
  if (models == nullptr || index >= models->size()) return nullptr;
  return reinterpret_cast<const assay_model_handle*>((*models)[index]);
}

std::int32_t host_model_run(const assay_model_handle* handle, const assay_request* requests, std::size_t n,
                            assay_response* responses, const assay_call* parent,
                            std::int32_t (*row)(void*, std::size_t, const assay_row*) noexcept,
                            void* row_ctx) noexcept {
  try {
    if (n == 0) return ASSAY_OK;
    CallScope& scope = CallScope::of(parent);
    RowVisitor visit;
    if (row != nullptr) {
      visit = [row, row_ctx](std::size_t request, const assay_row& seen) {
        return row(row_ctx, request, &seen) == 0;
      };
    }
    model_of(handle)->run(requests->kind, {requests, n}, {responses, n}, scope.shared_arena(), parent->cancel,
                          parent->deadline_ns, visit);
    return ASSAY_OK;
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

const assay_host_models_v1 kModels = {
    sizeof(assay_host_models_v1),
    0,
    host_model_count,
    host_model_get,
    [](const assay_model_handle* m) noexcept -> std::uint64_t { return model_of(m)->capabilities(); },
    [](const assay_model_handle* m) noexcept -> assay_str { return str(model_of(m)->fingerprint()); },
    [](const assay_model_handle* m) noexcept -> assay_str { return str(model_of(m)->tokenizer()); },
    [](const assay_model_handle* m, void** instance) noexcept -> const assay_model_tokenize_v1* {
      return model_of(m)->tokenize(instance);
    },
    host_model_run};

const assay_host_log_v1 kLog = {sizeof(assay_host_log_v1), 0,
                                [](void*, std::int32_t level, assay_str message) noexcept {
                                  if (level < ASSAY_LOG_WARNING) return;
                                  try {
                                    const std::string text = printable(view(message), 1000);
                                    std::fprintf(stderr, "plugin: %s\n", text.c_str());
                                  } catch (...) {
                                  }
                                }};

}  // namespace

const void* host_extension(void*, assay_str id) noexcept {
  if (view(id) == "assay.host.models/1") return &kModels;
  if (view(id) == "assay.host.log/1") return &kLog;
  return nullptr;
}

}  // namespace assay::host
