// The project's memory: one SQLite file. One writer connection on one thread does all writes; readers open
// the file read-only and always work.
//
// Data path: begin_run -> add_model / add_recipe / add_metric / begin_evaluation -> submit(batch)... ->
// add_aggregates -> end_run. submit() hands a batch to the writer thread and returns; a batch is committed at
// the latest kCommitPeriodMs after it was handed over. The first failure of the writer (disk full, read-only,
// lock) is kept and returned by every later call; rows committed before it are safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"
#include "harness/base/hash.hpp"

namespace assay::host {

using RowId = std::int64_t;

struct RunRow {
  RowId id = 0;
  std::string uuid;   ///< 32 hex digits; what users name a run by (unique prefix)
  std::string label;  ///< user's name, or empty
  std::string suite_name, suite_path, suite_sha256, suite_text;
  std::string command_line;   ///< redacted
  std::string plan_json;      ///< the resolved plan
  std::string versions_json;  ///< assay, compiler, libraries
  std::string machine_json;   ///< CPU, memory, OS
  std::uint64_t seed = 0;
  std::int64_t repeats = 1;
  std::string started, ended;  ///< RFC 3339 UTC; `ended` empty while running
  std::string status;          ///< running, complete, incomplete, interrupted, failed
  double wall_seconds = 0;     ///< summed over segments
  std::string identity;        ///< 64 hex digits over all that decides what is asked and scored; empty: none
  std::string options_json = "{}";  ///< what begins the run again (run/session.hpp), with its retry policy
  std::string origin = "run";       ///< run, import
  std::string source_json;          ///< where an imported run comes from; empty otherwise
};

struct PluginRow {
  std::string id, version, kind, library_path, library_sha256, build_info;
};

struct ModelRow {
  RowId id = 0;
  std::string fingerprint;  ///< 64 hex digits
  std::string name;         ///< short name shown in tables
  std::string expression;   ///< canonical model expression
  std::string plugin_id;
  std::uint64_t capabilities = 0;
  std::string identity_json;  ///< the parts of the fingerprint
};

struct RecipeRow {
  RowId id = 0;
  std::string hash;        ///< 64 hex digits; its first 8 are the recipe version shown in tables
  std::string name;        ///< the task's name in the suite
  std::string task_id;     ///< plugin id
  std::string parts_json;  ///< everything the hash covers
  std::string data_hash;   ///< over the data files of the task, 64 hex digits
  std::string selection_json;
};

struct MetricRow {
  RowId id = 0;
  RowId recipe = 0;
  std::string name;  ///< metric with its variant, as shown: "mia.mink(k=0.2)"
  std::string plugin_id, plugin_version, library_sha256, params_json;
  bool baseline = false;
  bool pool_variants = false;
  RowId score_set = 0;  ///< the re-scoring that computed it; 0: the run itself
};

/// Metrics computed after the run, from what is stored.
struct ScoreSetRow {
  RowId id = 0, run = 0;
  std::string label;  ///< unique in the run: "score-2"
  std::string created, command_line, versions_json;
};

/// An aggregate that another harness stated about an imported run.
struct ReportedRow {
  RowId evaluation = 0;
  std::string metric, statistic, split;
  double number = 0;  ///< NaN: not a finite number; then `text` has the original
  std::string text;
  std::int64_t n = -1;  ///< items behind it, -1 unknown
  RowId value = 0;      ///< the column of scores whose mean it should be, or 0
  std::string task;     ///< name of the task; filled when read
};

struct ValueRow {
  RowId id = 0;
  RowId metric = 0;
  std::string name, doc, unit, denominator, note;
  int rule = 0, direction = 0;  ///< enum assay_rule, assay_direction
  bool headline = false, no_interval = false;
  double min = 0, max = 0;  ///< NaN: unbounded (stored as NULL)
};

struct EvaluationRow {
  RowId id = 0;
  RowId run = 0, recipe = 0, model = 0;
  std::string model_name;           ///< what this run calls the model; empty: the model's own name
  std::int64_t planned_items = -1;  ///< -1: unknown
  std::string status;               ///< running, complete, incomplete, unsupported
  std::string reason;               ///< why it is unsupported or incomplete
  std::string prompt_hash;          ///< over all rendered requests in order; empty until complete
  /// Committed results by enum assay_state. Kept by the writer, read-only for everybody else.
  std::int64_t states[8] = {};
  [[nodiscard]] std::int64_t results() const {
    std::int64_t sum = 0;
    for (const std::int64_t count : states) sum += count;
    return sum;
  }
};

/// A response in state error or timeout is a record only: it is stored (each one as a row of its own), never
/// found by its key, and does not keep a later answer to the same request from being stored.
inline bool servable(int state) {
  return state != 6 && state != 7;
}

/// One response. Views stay valid until the batch has been committed (see Batch::keep).
struct ResponseRow {
  Digest key{};  ///< content address
  RowId model = 0;
  int kind = 0;              ///< enum assay_request_kind
  std::string_view request;  ///< canonical request as JSON text
  std::string_view answer;   ///< choices, values and series as JSON text; empty when failed
  std::string_view tokens;   ///< token statistics (blob.hpp), may be empty
  int state = 0;             ///< enum assay_state
  int code = 0;              ///< enum assay_code
  std::string_view message;  ///< when the code is not OK
  std::int64_t tokens_in = 0, tokens_out = 0;
  std::int64_t total_ns = 0;
  std::int64_t attempts = 1;
  std::string_view provider_id;
};

/// A response's place in a result: its name and role, and which response (a row of this batch, or one that
/// is stored already).
struct ResponseLink {
  std::string_view name, role;
  std::int64_t response_in_batch = -1;  ///< index into Batch::responses, or -1
  RowId response_id = 0;                ///< when response_in_batch is -1
  bool cached = false;                  ///< the answer was in the database before the item was run
};

/// What an item said, kept once per item set. `id` = item set << 32 | position; a known id is not stored
/// again.
struct ItemRow {
  RowId id = 0;
  std::uint64_t content = 0;  ///< as ResultRow::content
  std::string_view body;      ///< JSON (run/stored_item.hpp)
};

struct ScoreRow {
  RowId value = 0;    ///< ValueRow::id
  double number = 0;  ///< NaN: missing (stored as NULL)
  int state = 0;      ///< enum assay_state; OK with a missing number is a non-finite value
  std::string_view note;
};

/// One finished item of one evaluation.
struct ResultRow {
  RowId evaluation = 0;
  std::int64_t position = 0;  ///< index in the task's order
  std::string_view item_id, variant, group;
  int label = -1;
  std::uint32_t repeat = 0;
  int state = 0;                                 ///< enum assay_state
  std::string_view message;                      ///< why it is not ok
  std::uint64_t content = 0;                     ///< first 8 bytes of the item's content hash
  RowId item = 0;                                ///< ItemRow::id, of this batch or stored; 0: not kept
  std::uint32_t link_begin = 0, link_end = 0;    ///< into Batch::links
  std::uint32_t score_begin = 0, score_end = 0;  ///< into Batch::scores
};

/// What is committed together. `keep` owns the memory behind all views.
struct Batch {
  std::vector<ItemRow> items;
  std::vector<ResultRow> results;
  std::vector<ResponseRow> responses;
  std::vector<ResponseLink> links;
  std::vector<ScoreRow> scores;
  std::vector<std::shared_ptr<const void>> keep;
  /// An answer that differs from the stored one takes its place as the one that is served; otherwise it is a
  /// record of its own. Results point to the answer they were scored from either way.
  bool refresh = false;
};

/// One aggregated number, or the reason why there is none.
struct AggregateRow {
  RowId evaluation = 0, value = 0;
  std::string variant;    ///< empty: the only one, or all pooled
  std::string statistic;  ///< "mean", "auroc", "pr_auc", "tpr@fpr=0.05", or the custom value's name
  double estimate = 0, se = 0, lo = 0, hi = 0;  ///< NaN: undefined
  std::string method;                           ///< interval method
  std::string undefined_reason, notes;
  std::int64_t n_total = 0, n_scored = 0, n_non_finite = 0, n_missing = 0, clusters = 0;
  std::int64_t n_positive = -1, n_negative = -1;
  std::int64_t states[8] = {};  ///< counts by enum assay_state
  double worst = 0, best = 0;   ///< bounds when more than 1 % is missing; NaN otherwise
  std::uint64_t seed = 0;
  std::int64_t replicates = 0;
  /// How the answers entered the score, as JSON: {"in": {state: count}, "as_worst": {...}, "out": {...}},
  /// with the keys of run/denominator.hpp. Empty: not recorded.
  std::string denominator;
};

/// A score for a result that is stored already.
struct LateScore {
  RowId value = 0, result = 0;
  double number = 0;  ///< NaN: missing
  int state = 0;      ///< enum assay_state
  std::string_view note;
};

struct WarningRow {
  std::string code, text;  ///< stable code, sentence
  RowId evaluation = 0;    ///< 0: the run as a whole
};

/// What a gate decided about one number of one task.
struct GateResultRow {
  RowId id = 0;
  std::string created;  ///< RFC 3339 UTC; empty when written: now
  RowId baseline = 0, candidate = 0;
  std::string policy, policy_sha256;
  std::string recipe;       ///< the candidate's recipe hash
  std::string task, model;  ///< model: the candidate's name for it
  std::string metric, value, variant;
  std::string statistic;  ///< of a companion; empty: the metric's own number
  std::string rule;       ///< kind of the rule
  std::string verdict;    ///< pass, fail, inconclusive, not comparable
  bool waived = false;
  bool signal = false;                      ///< the numbers alone showed a regression
  double delta = 0, lo = 0, hi = 0, p = 0;  ///< NaN: undefined; p is the adjusted one
};

/// A stored answer, found by its key.
struct StoredResponse {
  RowId id = 0, model = 0;
  int kind = 0, state = 0, code = 0;
  std::string answer;  ///< choices, values and series as JSON text
  std::string tokens;  ///< token statistics (blob.hpp), may be empty
  std::string message, provider_id;
  std::int64_t tokens_in = 0, tokens_out = 0, total_ns = 0, attempts = 1;
};

struct PruneFilter;   // db/cache.hpp
struct PruneOutcome;  // db/cache.hpp

struct StoreOptions {
  bool durable = false;  ///< synchronous=FULL: a commit survives power loss
  std::int64_t lock_wait_ms = 30'000;
  /// Told once for each wait of more than half a second who holds the database. Called on the thread that
  /// waits.
  std::function<void(const std::string&)> on_wait;
};

/// The writer. Thread rule: calls from one thread at a time; the SQLite work happens on the writer's thread.
class Store {
 public:
  /// Creates or opens and migrates. kData: not SQLite, a foreign application id, a newer schema, a folder;
  /// kNotFound: no such folder; kUnavailable: locked (naming the holder); kResourceExhausted: read-only, disk
  /// full.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file,
                                             const StoreOptions& options = {});
  /// Commits what was submitted, as far as that is possible, and closes the file.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Inserts the run and opens its first segment, owned by this process. An empty uuid is drawn at random, an
  /// empty `started` is now. kInvalidArgument: a uuid that is taken, a label that reads like `latest`.
  Result<RowId> begin_run(const RunRow& run);
  /// Opens another segment of an unfinished or finished run and sets its status to running. kUnavailable
  /// naming the owner while another living process runs it (same machine: by process; another: by heartbeat).
  Result<void> resume_run(RowId run);
  Result<void> add_plugins(RowId run, std::span<const PluginRow> plugins);  ///< known ones are kept
  /// By fingerprint: inserted once. `*fresh`: it was not there, so no answer of it is stored.
  Result<RowId> add_model(const ModelRow& model, bool* fresh = nullptr);
  Result<RowId> add_recipe(RowId run, const RecipeRow& recipe);  ///< by (run, name, hash): inserted once
  /// Fills the values' ids. By (recipe, name): inserted once; kData when the recorded values have other
  /// names.
  Result<RowId> add_metric(const MetricRow& metric, std::span<ValueRow> values);
  /// By (recipe, model, model_name): inserted once; a second call sets it to running again (resume).
  Result<RowId> begin_evaluation(const EvaluationRow& evaluation);

  /// Hands rows to the writer thread; blocks while too many batches wait. Returns an earlier failure, or
  /// kInvalidArgument (and submits nothing) when an index or a state of the batch is out of range.
  /// A result whose (evaluation, item, variant, repeat) is stored already is dropped with its links and
  /// scores: the first wins. A response whose key is stored with an equal answer is not stored again; links
  /// point to the stored row.
  Result<void> submit(std::shared_ptr<const Batch> batch);
  /// Waits until everything submitted is committed.
  Result<void> flush();
  [[nodiscard]] std::int64_t committed_results() const;

  /// The stored answer with this key, including those submitted and not yet committed (which are committed
  /// first when asked for). Nothing for failed responses (see servable).
  Result<std::optional<StoredResponse>> find_response(const Digest& key);
  /// The same for many keys at once, in their order.
  Result<std::vector<std::optional<StoredResponse>>> find_responses(std::span<const Digest> keys);
  /// Deletes the results of an evaluation in state error or timeout with their scores, so that they can be
  /// asked again; the failed responses stay as a record. Gives the number of deleted results.
  Result<std::int64_t> drop_failed(RowId evaluation);

  /// Takes the chosen responses out of service: those no result points to are deleted, the others stay as a
  /// record. The file keeps its size; the space is used again. kUnavailable while a run is being worked on.
  Result<PruneOutcome> prune(const PruneFilter& filter);

  /// By hash: inserted once. `name` is for people. The id is at most 2^30.
  Result<RowId> add_item_set(const std::string& hash, const std::string& name);
  /// kInvalidArgument when the run has a set with this label.
  Result<RowId> add_score_set(const ScoreSetRow& set);
  /// Scores of stored results, in one transaction; a (value, result) that has a score keeps it.
  Result<void> add_scores(std::span<const LateScore> scores);
  Result<void> add_reported(std::span<const ReportedRow> rows);
  Result<void> add_gate_results(std::span<const GateResultRow> rows);  ///< in one transaction

  /// Status, reason, prompt hash, and the number of planned items when it is known.
  Result<void> end_evaluation(const EvaluationRow& evaluation);
  Result<void> put_aggregates(RowId evaluation,
                              std::span<const AggregateRow> rows);  ///< replaces those of the same values
  Result<void> add_warnings(RowId run, std::span<const WarningRow> warnings);
  /// Commits what was submitted, then closes the segment and sets the run's status.
  Result<void> end_run(RowId run, const std::string& status, double segment_seconds);

 private:
  Store();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::host
