// Read-only questions to the database. Readers never block the writer and never write; each call sees one
// consistent state of the file. Thread rule: one thread at a time per Reader, except interrupt().
#pragma once

#include <functional>

#include "assay/plugin.h"
#include "db/cache.hpp"
#include "db/store.hpp"

namespace assay::host {

struct RunSummary {
  RunRow run;  ///< wall_seconds is the sum of the segments
  std::int64_t models = 0, recipes = 0, results = 0;
};

/// One stretch of work on a run, by one process.
struct SegmentRow {
  std::string started, ended;  ///< RFC 3339 UTC; `ended` empty while open
  double seconds = 0;
  std::int64_t pid = 0;
  std::string host;
};

/// "ok", "empty", ... by enum assay_state; "unknown" for another number.
const char* state_name(int state);
/// True for the states without an answer that could be scored: unsupported, error, timeout.
inline bool state_failed(int state) {
  return state >= ASSAY_STATE_UNSUPPORTED;
}

inline constexpr std::uint8_t kNotScored = 255;  ///< MetricTable::score_states: the metric was not asked

/// One line of the result table: an aggregate with its surroundings.
struct AggregateLine {
  std::string recipe, recipe_hash, model, metric, value, unit, doc;
  bool baseline = false, headline = false, no_interval = false;
  int rule = 0, direction = 0;
  AggregateRow row;
};

/// All per-item values of one metric in one evaluation, in task order.
struct MetricTable {
  std::vector<ValueRow> values;      ///< per-item values and custom ones
  std::vector<std::size_t> columns;  ///< indices into `values` of the per-item ones
  std::vector<double> numbers;       ///< row-major items x columns, NaN missing
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> groups;    ///< numbered by first appearance; UINT32_MAX: none
  std::vector<std::uint32_t> variants;  ///< index into variant_names (order of first appearance)
  std::vector<std::string> variant_names;
  std::vector<std::uint64_t> positions;
  std::vector<std::uint8_t> result_states;  ///< enum assay_state of the item
  std::vector<std::uint8_t> score_states;   ///< enum assay_state the metric gave (of its first value);
                                            ///< without a score the item's state if not ok, else kNotScored
  std::vector<std::uint32_t> repeats;
  std::vector<std::uint64_t> items;  ///< numbers items: equal = same item in another repeat
};

struct ItemLine {
  RowId result = 0;
  std::string recipe, model, item_id, variant, group, message;
  std::int64_t position = 0;
  int label = -1, state = 0;
  std::uint32_t repeat = 0;
};

/// A result while it is being visited; views end with the visit.
struct ItemView {
  RowId result = 0;
  std::string_view item_id, variant, group, message;
  std::int64_t position = 0;
  int label = -1, state = 0;
  std::uint32_t repeat = 0;
  std::uint64_t content = 0;
  RowId item = 0;         ///< ItemRow::id; 0: the item is not kept (runs of the first schema)
  std::string_view body;  ///< ItemRow::body when asked for and kept
};

/// A stored item without its body.
struct ItemKey {
  std::int64_t position = 0;
  std::uint64_t content = 0;
};

struct ItemResponse {
  std::string name, role, model, request, answer, tokens, message;
  int kind = 0, state = 0, code = 0;
  std::int64_t tokens_in = 0, tokens_out = 0, total_ns = 0;
};

struct ItemScore {
  std::string metric, value, note;
  double number = 0;  ///< NaN: missing
  int state = 0;
};

/// An answer with its request, as WholeItem holds it.
struct WholeResponse {
  std::string name, role, request, answer, message;
  RowId model = 0;
  int kind = 0, state = 0, code = 0;
  std::int64_t tokens_in = 0, tokens_out = 0, total_ns = 0;  ///< tokens 0: unknown
  bool cached = false;                                       ///< ResponseLink::cached
};

struct WholeScore {
  bool present = false;  ///< false: the metric was not asked about this item
  double number = 0;     ///< NaN: missing
  int state = 0;
  std::string note;
};

/// A result with everything that belongs to it, while it is being visited.
struct WholeItem {
  ItemLine line;                         ///< recipe and model stay empty
  std::string body;                      ///< ItemRow::body; empty when it is not kept
  std::vector<WholeResponse> responses;  ///< in the order of the requests
  std::vector<WholeScore> scores;        ///< parallel to the values asked for
};

/// One aggregate of a complete evaluation of one recipe by one model.
struct RepeatedScore {
  RowId run = 0;
  std::string identity;  ///< RunRow::identity
  bool cached = false;   ///< an answer was in the database before, so the evaluation is no new measurement
  std::string metric, value, variant, statistic;
  double estimate = 0;  ///< NaN: undefined
};

class Reader {
 public:
  /// kNotFound without a file, kData when it is not an assay database or its schema is newer.
  static Result<std::unique_ptr<Reader>> open(const std::filesystem::path& file);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<std::vector<RunSummary>> runs();
  /// By id, unique uuid prefix, label, `latest`, `latest~N`. Ambiguous names are refused with the candidates.
  /// `latest:MODEL` is the newest run with a model of that name or fingerprint prefix. A uuid prefix needs at
  /// least 4 digits. kNotFound with a hint, kInvalidArgument when several runs fit.
  Result<RunSummary> find_run(const std::string& name);
  /// Runs that ask and score exactly the same, newest first; abandoned ones are shown as interrupted.
  Result<std::vector<RunSummary>> runs_with(const std::string& identity);
  Result<std::vector<SegmentRow>> segments(RowId run);
  Result<std::vector<ScoreSetRow>> score_sets(RowId run);
  Result<std::vector<ReportedRow>> reported(RowId run);
  /// What gates decided about candidates with this recipe hash, newest first.
  Result<std::vector<GateResultRow>> gate_results(const std::string& recipe_hash);
  /// Aggregates of the newest 20 complete evaluations of a recipe by a model (64 hex digits each), of runs
  /// with an identity: what the same measurement gave at other times.
  Result<std::vector<RepeatedScore>> repeated_scores(const std::string& recipe_hash,
                                                     const std::string& fingerprint);
  /// The items of a set that are kept, by position.
  Result<std::vector<ItemKey>> items_of(RowId item_set);
  Result<std::vector<EvaluationRow>> evaluations(RowId run);
  Result<std::vector<RecipeRow>> recipes(RowId run);
  Result<std::vector<ModelRow>> models(RowId run);
  Result<std::vector<MetricRow>> metrics(RowId recipe);
  Result<std::vector<PluginRow>> plugins(RowId run);
  Result<std::vector<WarningRow>> warnings(RowId run);
  Result<std::vector<AggregateLine>> aggregates(RowId run);
  Result<MetricTable> metric_table(RowId evaluation, RowId metric);
  /// Items of a run, evaluation by evaluation in task order, filtered by state name and by the recipe's name
  /// (a pattern with * and ?); empty: all. limit 0: all.
  Result<std::vector<ItemLine>> items(RowId run, const std::string& state, const std::string& task,
                                      std::int64_t limit);
  Result<std::vector<ItemLine>> find_item(RowId run, const std::string& item_id);
  Result<std::vector<ItemResponse>> responses(RowId result);
  Result<std::vector<ItemScore>> scores(RowId result);
  /// Streams the results of one evaluation in the order of storage (not the task's), until `visit` gives
  /// false. For resuming and exporting: memory stays flat.
  Result<void> each_item(RowId evaluation, const std::function<bool(const ItemView&)>& visit,
                         bool bodies = false);
  Result<std::vector<ValueRow>> values(RowId metric);
  /// Visits the results of one evaluation in task order with the scores of `values`, and with body and
  /// responses when `texts`; until `visit` gives false or an error, which is returned. For exporting: one
  /// state of the file is seen throughout; memory is 16 bytes a result and the texts of 512. `visit` must not
  /// ask this reader.
  Result<void> each_whole(RowId evaluation, std::span<const RowId> values, bool texts,
                          const std::function<Result<bool>(const WholeItem&)>& visit);
  /// One pass over all responses.
  Result<CacheStats> cache_stats();
  /// The responses that a result points to, in the order of its requests.
  Result<std::vector<KeyedResponse>> keyed_responses(RowId result);
  /// Responses to items with this id in the newest 500 evaluations, newest evaluation first, about 400 at
  /// most.
  Result<std::vector<KeyedResponse>> responses_to_item(const std::string& item_id);
  /// Up to 200 responses of the same model that were stored shortly before or after this one, nearest first.
  Result<std::vector<KeyedResponse>> responses_beside(RowId response);
  /// Models by name, by the name that a run gave them, or by at least 4 digits of the fingerprint. kNotFound
  /// with a hint.
  Result<std::vector<ModelRow>> find_models(const std::string& name);
  /// What Store::prune would do.
  Result<PruneOutcome> prunable(const PruneFilter& filter);
  /// integrity_check and foreign_key_check: sentences of what is wrong, empty when sound.
  Result<std::vector<std::string>> integrity();
  Result<int> schema_version();
  /// Ends the running question with kCancelled. Any thread.
  void interrupt();

 private:
  Reader();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::host
