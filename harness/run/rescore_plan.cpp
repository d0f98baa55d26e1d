#include "harness/run/rescore_plan.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace assay::host {
namespace {

// What the stored answers of one evaluation hold.
struct Survey {
  std::uint64_t held = 0;
  std::int64_t kept = 0;  ///< results whose item is stored
  bool reference = false;
};

// The row a metric would get. Which models play its slots is not part of the row, so a metric with slots is
// never taken for a known one.
MetricRow row_of(const Binding& binding) {
  MetricRow row;
  row.name = binding.display();
  row.plugin_id = binding.spec().id;
  row.library_sha256 = binding.plugin->library->sha256;
  row.params_json = canonical(binding.identity()["params"]);
  row.baseline = binding.spec().has(ASSAY_FLAG_BASELINE);
  return row;
}

bool same(const MetricRow& a, const MetricRow& b) {
  return a.plugin_id == b.plugin_id && a.library_sha256 == b.library_sha256 && a.params_json == b.params_json;
}

// Which evaluations lack the metric. One of the run's own is never computed again; one of a score set is when
// its aggregates do not cover every result, because it was cut off or the run was continued since.
void find_gaps(const RescoreTask& task, const std::vector<AggregateLine>& lines, RescoreWork& work) {
  work.reasons.resize(task.evaluations.size());
  work.wanted.assign(task.evaluations.size(), true);
  if (work.row.id == 0) return;
  for (std::size_t e = 0; e < task.evaluations.size(); ++e) {
    const EvaluationRow& evaluation = task.evaluations[e];
    const AggregateLine* first = nullptr;
    std::int64_t covered = 0;
    for (const AggregateLine& line : lines) {
      if (line.row.evaluation != evaluation.id || line.metric != work.row.name) continue;
      if (first == nullptr) first = &line;
      if (line.row.value == first->row.value && line.row.statistic == first->row.statistic)
        covered += line.row.n_total;
    }
    work.wanted[e] = work.row.score_set != 0 && (first == nullptr || covered < evaluation.results());
  }
}

// Why what is stored does not suffice; empty when it does.
std::string reason(const EvaluationRow& evaluation, const Binding& binding, const Survey& found) {
  const std::uint64_t live = ASSAY_CAP_TOKENIZE | ASSAY_CAP_TRAIN | ASSAY_CAP_EXACT_UNLEARN;
  const std::uint64_t needed = binding.spec().requires_caps;
  if (evaluation.results() == 0) {
    return "the run has no results of model '" + evaluation.model_name + "'" +
           (evaluation.reason.empty() ? "" : ": " + evaluation.reason);
  }
  if (found.kept == 0) return "the items of the run are not stored, so it must be run again";
  if ((needed & live) != 0)
    return "it needs a live model (" + capability_names(needed & live) + "), so it must be run";
  if ((needed & ~found.held) != 0)
    return "the stored answers hold no " + capability_names(needed & ~found.held);
  if (binding.spec().has(ASSAY_FLAG_NEEDS_REFERENCE) && !found.reference)
    return "missing_reference: no answers of a retain_reference model are stored";
  return {};
}

// Looks through what is stored until everything that is needed has been seen.
Result<void> survey(RecordReader& records, RescoreTask& task, std::size_t e) {
  std::uint64_t needed = 0;
  bool reference = false, any = false;
  for (const RescoreWork& work : task.metrics) {
    if (!work.wanted[e]) continue;
    any = true;
    needed |= work.binding->spec().requires_caps;
    reference = reference || work.binding->spec().has(ASSAY_FLAG_NEEDS_REFERENCE);
  }
  if (!any) return {};
  Survey found;
  Result<void> seen =
      records.each(task.evaluations[e].id, true, 1,
                   [&](std::vector<StoredRecord>& some, const std::shared_ptr<Arena>&) -> Result<bool> {
                     for (const StoredRecord& record : some) {
                       found.held |= record.held;
                       found.kept += record.kept ? 1 : 0;
                       found.reference = found.reference || record.record.reference != nullptr;
                     }
                     return (needed & ~found.held) != 0 || (reference && !found.reference) || found.kept == 0;
                   });
  if (!seen) return seen;
  for (RescoreWork& work : task.metrics) {
    if (work.wanted[e]) work.reasons[e] = reason(task.evaluations[e], *work.binding, found);
  }
  return {};
}

}  // namespace

bool RescoreWork::anywhere() const {
  for (std::size_t e = 0; e < wanted.size(); ++e) {
    if (wanted[e] && reasons[e].empty()) return true;
  }
  return false;
}

Result<void> RecordReader::each(RowId evaluation, bool answers, std::size_t size, const See& see) {
  std::vector<StoredRecord> records;
  records.reserve(size);  // records point into themselves, so they must not move
  auto arena = std::make_shared<Arena>();
  bool ended = false;
  const auto hand_over = [&]() -> Result<bool> {
    Result<bool> more = see(records, arena);
    records.clear();
    arena = std::make_shared<Arena>();
    ended = more && !*more;
    return more;
  };
  Result<void> read = reader_.each_whole(evaluation, {}, true, [&](const WholeItem& item) -> Result<bool> {
    std::vector<ItemResponse> tokens;
    if (answers && !item.body.empty()) {
      Result<std::vector<ItemResponse>> found = tokens_.responses(item.line.result);
      if (!found) return std::move(found).error();
      tokens = *std::move(found);
    }
    StoredRecord& record = records.emplace_back();
    if (Result<void> ok = record.restore(item, answers ? &tokens : nullptr, *arena); !ok)
      return std::move(ok).error();
    if (records.size() < size) return true;
    return hand_over();
  });
  if (!read || ended || records.empty()) return read;
  Result<bool> last = hand_over();
  if (!last) return std::move(last).error();
  return {};
}

Result<void> plan_rescoring(Reader& reader, RecordReader& records, const std::vector<Binding>& bindings,
                            const std::string& label, const std::vector<AggregateLine>& lines,
                            RescoreTask& task) {
  Result<std::vector<MetricRow>> there = reader.metrics(task.recipe.id);
  if (!there) return std::move(there).error();
  std::vector<std::string> names;
  for (const MetricRow& row : *there) names.push_back(row.name);
  for (const Binding& binding : bindings) {
    RescoreWork work;
    work.binding = &binding;
    work.row = row_of(binding);
    const auto is_same = [&](const MetricRow& row) { return binding.slots.empty() && same(row, work.row); };
    const bool twice = std::any_of(task.metrics.begin(), task.metrics.end(),
                                   [&](const RescoreWork& other) { return is_same(other.row); });
    if (twice) continue;
    const auto known = std::find_if(there->begin(), there->end(), is_same);
    if (known != there->end()) {
      work.row = *known;
    } else {
      const auto taken = [&] { return std::find(names.begin(), names.end(), work.row.name) != names.end(); };
      if (taken()) work.row.name += " [" + label + "]";
      if (taken()) {
        return Error{Code::kInvalidArgument,
                     "there is a score set '" + label + "' already, with another metric '" +
                         binding.display() + "'; choose another label with --as",
                     "label"};
      }
      names.push_back(work.row.name);
    }
    find_gaps(task, lines, work);
    task.metrics.push_back(std::move(work));
  }
  for (std::size_t e = 0; e < task.evaluations.size(); ++e) {
    if (Result<void> ok = survey(records, task, e); !ok) return ok;
  }
  return {};
}

}  // namespace assay::host
