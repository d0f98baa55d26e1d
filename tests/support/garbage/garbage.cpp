// The entry of the library: one model, one task and one metric that misbehave on request. Written against the
// C interface, because the SDK would prevent most of it.
#include "garbage.hpp"

namespace garbage {
namespace {

// STRING rather than ENUM, so that the list of modes lives only in the code that acts on it and in the tests.
constexpr assay_param kParam = {sizeof(assay_param),
                                ASSAY_PARAM_STRING,
                                ASSAY_PARAM_AFFECTS_RESULT,
                                0,
                                text("mode"),
                                text("how to misbehave"),
                                text("\"good\""),
                                kNan,
                                kNan,
                                {},
                                {},
                                {}};

constexpr assay_value_info value_info(std::string_view name, int rule, std::uint32_t flags) {
  assay_value_info info{};
  info.struct_size = sizeof info;
  info.rule = rule;
  info.direction = ASSAY_HIGHER_IS_BETTER;
  info.flags = flags;
  info.name = text(name);
  info.doc = text("a number");
  info.min = kNan;
  info.max = kNan;
  return info;
}
constexpr assay_value_info kValues[] = {value_info("first", ASSAY_RULE_MEAN, ASSAY_VALUE_HEADLINE),
                                        value_info("second", ASSAY_RULE_MEAN, 0),
                                        value_info("whole", ASSAY_RULE_CUSTOM, 0)};

constexpr assay_descriptor describe(int kind, std::string_view id) {
  assay_descriptor d{};
  d.struct_size = sizeof d;
  d.kind = kind;
  d.concurrency = ASSAY_CONCURRENCY_PER_INSTANCE;
  d.flags = ASSAY_FLAG_DETERMINISTIC;
  d.id = text(id);
  d.version = text("1.0.0");
  d.title = text("Garbage");
  d.doc = text("Misbehaves on request");
  d.licence = text("Apache-2.0");
  d.params = &kParam;
  d.param_count = 1;
  d.param_size = sizeof kParam;
  if (kind == ASSAY_MODEL) {
    d.provides = ASSAY_CAP_GENERATE | ASSAY_CAP_LOGPROB | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_ROWS |
                 ASSAY_CAP_CLASSIFY | ASSAY_CAP_TOKENIZE;
  }
  if (kind == ASSAY_METRIC) {
    d.values = kValues;
    d.value_count = 3;
    d.value_size = sizeof kValues[0];
  }
  return d;
}

std::int32_t init(const assay_host*) noexcept {
  return ASSAY_OK;
}
std::uint32_t count() noexcept {
  return 3;
}
const assay_descriptor* descriptor(std::uint32_t i) noexcept {
  constexpr const assay_descriptor* kAll[] = {&kModel, &kTask, &kMetric};
  return i < 3 ? kAll[i] : nullptr;
}

std::int32_t create(assay_str id, const assay_params* params, const assay_env*, assay_error* error,
                    void** instance) noexcept {
  const std::string mode(view(params->values[0].text));
  if (mode == "create_silent") return ASSAY_INVALID_ARGUMENT;
  if (mode == "create_nothing") return ASSAY_OK;
  if (mode == "create_unknown") return 77;
  if (mode == "create_overlong") {
    error->message_len = error->message_capacity + 1;
    error->key_len = error->key_capacity + 1;
    return ASSAY_DATA;
  }
  if (mode == "create_bad_utf8") {
    std::memcpy(error->message, kBadUtf8.data(), kBadUtf8.size());
    error->message_len = kBadUtf8.size();
    return ASSAY_DATA;
  }
  if (mode == "create_moved") {
    error->message = const_cast<char*>(wild());
    error->message_len = 20;
    error->key = const_cast<char*>(wild());
    error->key_len = 20;
    return ASSAY_DATA;
  }
  const int kind = view(id) == view(kModel.id)  ? ASSAY_MODEL
                   : view(id) == view(kTask.id) ? ASSAY_TASK
                                                : ASSAY_METRIC;
  *instance = new Instance{kind, mode};
  return ASSAY_OK;
}

std::int32_t capabilities(void* instance, std::uint64_t* caps) noexcept {
  if (mode_of(instance) == "capabilities_fail") return ASSAY_INTERNAL;
  *caps = mode_of(instance) == "capabilities_all" ? ~std::uint64_t{0} : kModel.provides;
  return ASSAY_OK;
}
void destroy(void* instance) noexcept {
  delete static_cast<Instance*>(instance);
}
const void* get_extension(void* instance, assay_str id) noexcept {
  const auto& self = *static_cast<Instance*>(instance);
  if (self.mode == "no_extensions") return nullptr;
  switch (self.kind) {
    case ASSAY_MODEL:
      return model_extension(self.mode, view(id));
    case ASSAY_TASK:
      return task_extension(self.mode, view(id));
    default:
      return metric_extension(self.mode, view(id));
  }
}

}  // namespace

constexpr assay_descriptor kModel = describe(ASSAY_MODEL, "test.garbage_model");
constexpr assay_descriptor kTask = describe(ASSAY_TASK, "test.garbage_task");
constexpr assay_descriptor kMetric = describe(ASSAY_METRIC, "test.garbage_metric");

}  // namespace garbage

extern "C" {
ASSAY_MARKERS(1, 1, 1);
const assay_entry assay_plugin_entry = {sizeof(assay_entry),
                                        ASSAY_ABI_MAJOR,
                                        ASSAY_ABI_MINOR,
                                        1,
                                        "garbage",
                                        garbage::init,
                                        nullptr,
                                        garbage::count,
                                        garbage::descriptor,
                                        garbage::create,
                                        garbage::capabilities,
                                        garbage::destroy,
                                        garbage::get_extension};
}
