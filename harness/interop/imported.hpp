// What another harness recorded, in this project's words: the one shape between all readers of foreign logs
// and the database. A reader describes the run, then hands over rows one by one, so that a file of any size
// needs little memory. Nothing is invented: what a log does not say is absent (empty, -1, NaN as stated
// below).
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"

namespace assay::host::interop {

/// Rows of one file that are complained of by number; what is beyond is counted.
inline constexpr std::size_t kWarningsShown = 20;
inline constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

/// One number per item that the log records: a column of scores.
struct ImportedValue {
  std::string metric;          ///< as assay names it: "acc@none", "match", "exact_match~robustness.worst"
  std::string name = "score";  ///< value inside the metric
  std::string doc;             ///< one line: where the number comes from
  int direction = ASSAY_NO_DIRECTION;  ///< enum assay_direction, as the log says
  bool proportion = false;             ///< all values are 0 or 1 (binary): the interval is Wilson's
};

/// An aggregate the log itself states. Kept as reported beside what is computed from the rows.
struct ReportedNumber {
  std::string metric;       ///< the source's own name: "match/accuracy", "acc,none"
  std::string statistic;    ///< "mean", "stderr", ... as the source calls it; "value" when it has no name
  std::string split;        ///< "test", or empty
  double number = kAbsent;  ///< NaN: the log holds NaN, an infinity or a text; `text` has it
  std::string text;         ///< the original when it is not a finite number, else empty
  std::int64_t n = -1;      ///< items behind it, -1 unknown
  int value = -1;  ///< index into ImportedTask::values when it is the plain mean of that column, else -1
};

/// One request of an item and what came back.
struct ImportedExchange {
  std::string name = "answer";        ///< unique in the item: "answer", "choice/2"
  int kind = ASSAY_REQUEST_GENERATE;  ///< enum assay_request_kind
  std::string prompt, continuation;
  std::vector<std::pair<std::string, std::string>> messages;  ///< role, content; instead of prompt
  std::vector<std::string> stop;
  std::int64_t max_tokens = -1;  ///< -1: not said
  double temperature = kAbsent, top_p = kAbsent;
  int choice_label = -1;  ///< truth of a choice: 1 right, 0 wrong, -1 none

  bool answered = false;           ///< false: nothing came back (with an empty `error`: the item is missing)
  std::vector<std::string> texts;  ///< GENERATE: the samples, usually one
  int finish = ASSAY_FINISH_NONE;  ///< enum assay_finish of the first text
  double sum_logprob = kAbsent;    ///< SCORE: log-probability of the continuation
  int greedy = -1;                 ///< SCORE: the continuation is the most probable one: 1, 0, -1 unknown
  std::vector<double> token_logprobs;  ///< of the text or the continuation; empty: not recorded
  std::string error;                   ///< the recorded error; not empty: state error
  bool retryable = false;
  std::string model;    ///< the model the endpoint named, when it differs from the one asked
  bool cached = false;  ///< the log says that the answer was there before and not asked for
  std::int64_t tokens_in = -1, tokens_out = -1, tokens_cached = -1, tokens_total = -1;
  double seconds = kAbsent;
  std::string provider_id;
};

/// One item in one repeat.
struct ImportedRow {
  std::string id;                   ///< the number 1 and the text "1" are the same id
  std::string variant, group;       ///< perturbation or split; cluster
  int label = -1;                   ///< class: 1, 0, -1 none
  std::uint32_t repeat = 0;         ///< from 0
  std::int64_t source_repeat = -1;  ///< the number in the log (Inspect epochs from 1); -1: the log has none
  int state = ASSAY_STATE_OK;  ///< enum assay_state by interop.md section 1; kMissing: planned, no response
  std::string message;         ///< error or reason
  std::string input;           ///< the question as text
  std::vector<std::string> targets, choices;
  std::vector<std::pair<std::string, std::string>>
      fields;  ///< further named texts: subject, split, choice letters ...
  std::vector<ImportedExchange> exchanges;
  std::vector<double> scores;  ///< parallel to ImportedTask::values; NaN: missing
  std::vector<std::string>
      notes;                ///< parallel or empty: explanation, extracted answer, or the text of a label
  bool non_finite = false;  ///< a recorded score was NaN or infinite (as opposed to absent)
  /// Parallel or empty: enum assay_state of each score, where the log states it beside the number; kMissing:
  /// the metric was not asked; kUnstated: it follows from the row.
  std::vector<int> score_states;
};
inline constexpr int kUnstated = -1;
inline constexpr int kMissing =
    -2;  ///< ImportedRow::state: listed by the log, never answered; stored as no result

/// One task of the log; becomes a recipe and an evaluation.
struct ImportedTask {
  std::string name;
  std::string model;                 ///< who did it; empty: the run's. Tasks of one name differ in it
  std::string version, config_json;  ///< the source's task version and settings as JSON, may be empty
  std::int64_t planned = -1;  ///< items (times repeats) the log set out to do; -1: as many as there are rows
  std::int64_t repeats = 1;
  std::string prompt_hash, data_hash;  ///< as recorded, may be empty
  std::vector<ImportedValue> values;
  std::vector<ReportedNumber> reported;
  bool complete = true;  ///< false: the log says it was cancelled, interrupted or failed
  std::string status;    ///< the source's own word: "success", "cancelled", ...
};

/// The run as a whole.
struct ImportedRun {
  std::string format;           ///< lm-eval, inspect, helm, jsonl, csv, batch
  std::string model;            ///< name as recorded, the first of several; "unknown" without any
  std::string model_json;       ///< what the log says of the model: arguments, revision, base URL ...
  std::string suite;            ///< shown as the suite's name
  std::string created;          ///< RFC 3339 or empty
  std::string harness_version;  ///< "lm_eval 0.4.2", may be empty
  std::string config_json;      ///< settings of the whole run as JSON
  std::string usage_json;       ///< recorded token totals per model as JSON, may be empty
};

/// Receives what a reader finds, in this order: run() once; then for each task task() followed by its rows.
class ImportSink {
 public:
  virtual ~ImportSink() = default;
  virtual Result<void> run(const ImportedRun& run) = 0;
  virtual Result<void> task(const ImportedTask& task) = 0;
  virtual Result<void> row(ImportedRow&& row) = 0;
  /// A sentence for the user: hash that differs, unknown attachment, aggregate that does not agree.
  virtual void warning(const std::string& code, const std::string& text) = 0;
};

struct ImportOptions {
  std::string format;              ///< empty: detected
  std::filesystem::path map;       ///< --map FILE (jsonl, csv)
  std::filesystem::path requests;  ///< the batch input file (batch), may be empty
  std::string model;               ///< --model NAME: name for logs that have none
  bool skip_bad_lines = false;
  bool number_lines = false;  ///< rows without id get their line number
  bool salvage = false;       ///< an archive without directory is scanned for members
};

/// What read() did besides filling the sink.
struct ImportSummary {
  std::string format;
  std::string source_name,
      source_sha256;  ///< file name without folders; over the bytes of all files, in name order
  std::int64_t rows = 0, rejected = 0;
  std::vector<std::string> rejections;  ///< the first 20 reasons, with file and line
};

/// The format of a file or folder. kInvalidArgument when it is not clear, naming the candidates for --as.
Result<std::string> detect_format(const std::filesystem::path& path);

/// Reads a log into the sink. kNotFound, kData with file, line and byte offset for damage. Reads nothing but
/// the given path (and what lies in it). Memory does not grow with the number of rows of a line-based file.
Result<ImportSummary> read(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink);

// The readers behind read(), one a format, each in a file of its own.
Result<void> read_lm_eval(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                          ImportSummary& summary);
Result<void> read_inspect(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                          ImportSummary& summary);
Result<void> read_helm(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                       ImportSummary& summary);
Result<void> read_rows(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                       ImportSummary& summary);  ///< jsonl, csv
Result<void> read_batch(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                        ImportSummary& summary);

}  // namespace assay::host::interop
