// The misbehaving metric: two values per item and one for the whole.
#include "garbage.hpp"

namespace garbage {
namespace {

std::int32_t eval(void* instance, const assay_record*, std::size_t n, assay_score* scores,
                  const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "batch_fails") return ASSAY_UNAVAILABLE;
  if (mode == "batch_cancelled") return ASSAY_CANCELLED;
  if (mode == "batch_unknown") return 77;
  for (std::size_t i = 0; i < n; ++i) {
    assay_score& score = scores[i];
    score.values[0] = 0.25;
    score.values[1] = 4.0;
    score.state = ASSAY_STATE_OK;
    if (bad_status(mode, score.status, call)) continue;  // with numbers already written
    score.status.code = ASSAY_OK;
    if (mode == "state_unset") score.state = ASSAY_STATE_UNSET;
    if (mode == "state_unknown") score.state = 99;
    if (mode == "note_static") score.note = kStatic;
    if (mode == "note_wild") score.note = {wild(), 10};
    if (mode == "note_bad_utf8") score.note = copy(kBadUtf8, call);
    if (mode == "value_infinite") score.values[0] = kInfinity;
    // The array belongs to the host, and so does the knowledge of how long it is.
    if (mode == "values_moved") score.values = nullptr, score.value_count = 1000;
    if (mode == "values_moved_and_bad") {
      score.values = reinterpret_cast<double*>(const_cast<char*>(wild()));
      score.value_count = 1000;
      score.state = ASSAY_STATE_UNSET;
    }
  }
  return ASSAY_OK;
}

std::int32_t fit(void* instance, const assay_record*, std::size_t, std::int32_t, assay_status* status,
                 const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "fit_silent") return ASSAY_DATA;
  if (mode == "fit_wild") {
    status->message = {wild(), 20};
    return ASSAY_DATA;
  }
  if (mode == "fit_bad_utf8") {
    status->message = copy(kBadUtf8, call);
    return ASSAY_DATA;
  }
  status->code = ASSAY_OK;
  return ASSAY_OK;
}

std::int32_t aggregate(void* instance, const assay_sample*, const std::uint32_t* const*, const std::size_t*,
                       std::size_t n, double* results, const assay_call*) noexcept {
  const std::string& mode = mode_of(instance);
  for (std::size_t i = 0; i < n; ++i) results[i] = mode == "aggregate_infinite" ? kInfinity : 1.0;
  return mode == "aggregate_fails" ? ASSAY_INTERNAL : ASSAY_OK;
}

}  // namespace

const void* metric_extension(const std::string& mode, std::string_view id) {
  static const assay_metric_eval_v1 kEval = {sizeof(assay_metric_eval_v1), 0, eval};
  static const assay_metric_fit_v1 kFit = {sizeof(assay_metric_fit_v1), 0, fit};
  static const assay_metric_aggregate_v1 kAggregate = {sizeof(assay_metric_aggregate_v1), 0, aggregate};
  static const assay_metric_eval_v1 kNoEval = {sizeof(assay_metric_eval_v1), 0, nullptr};
  static const assay_metric_fit_v1 kNoFit = {sizeof(assay_metric_fit_v1), 0, nullptr};
  static const assay_metric_aggregate_v1 kNoAggregate = {sizeof(assay_metric_aggregate_v1), 0, nullptr};
  if (id == "assay.metric.eval/1") return mode == "eval_empty" ? &kNoEval : &kEval;
  if (id == "assay.metric.fit/1") return mode == "fit_empty" ? &kNoFit : &kFit;
  if (id == "assay.metric.aggregate/1") return mode == "aggregate_empty" ? &kNoAggregate : &kAggregate;
  return nullptr;
}

}  // namespace garbage
