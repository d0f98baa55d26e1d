#include "harness/interop/read_inspect.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"

namespace assay::host::interop {
namespace fs = std::filesystem;
namespace {

using inspect::Log;
using inspect::Score;

constexpr std::size_t kNamesShown = 5;  // names in one warning

// What the first pass keeps of a sample.
struct Known {
  std::size_t at = 0;  // number in the log
  std::string id;
  std::int64_t epoch = -1;
  std::size_t place = 0;  // of the id in the data set
  std::vector<std::pair<std::string, double>> scores;
};

// Shortens "a, b, c, ..." for one sentence.
std::string some(const std::set<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) {
    if (shown.size() == kNamesShown) {
      shown.emplace_back("...");
      break;
    }
    shown.push_back("'" + printable(name) + "'");
  }
  return join(shown, ", ");
}

class InspectReader {
 public:
  InspectReader(Log& log, const ImportOptions& options, ImportSink& sink, ImportSummary& summary)
      : log_(log), options_(options), sink_(sink), summary_(summary), eval_(*peek(log.header, "eval")) {}

  Result<void> run() {
    if (auto done = collect(); !done) return done;
    describe_columns();
    describe_task();
    report();
    if (auto done = sink_.run(describe_run()); !done) return done;
    if (auto done = sink_.task(task_); !done) return done;
    return rows();
  }

 private:
  Result<void> collect();
  void describe_columns();
  void describe_task();
  void report();
  [[nodiscard]] ImportedRun describe_run() const;
  Result<void> rows();
  [[nodiscard]] std::optional<double> mean(const std::string& column) const;
  [[nodiscard]] int column_of(const std::string& name, const std::string& scorer) const;
  [[nodiscard]] const Tree* recorded() const {
    const Tree* scores = peek(log_.header, "results", "scores");
    return scores != nullptr && scores->is_array() ? scores : nullptr;
  }

  Log& log_;
  const ImportOptions& options_;
  ImportSink& sink_;
  ImportSummary& summary_;
  const Tree& eval_;
  std::string single_scorer_ = "score";
  std::vector<Known> known_;
  ImportedTask task_;
  std::map<std::string, std::size_t> columns_;
};

// First pass: which samples there are and which columns their scores need.
Result<void> InspectReader::collect() {
  std::map<std::string, std::size_t> places;
  if (const Tree* ids = peek(eval_, "dataset", "sample_ids"); ids != nullptr && ids->is_array()) {
    for (const Tree& id : *ids) places.emplace(plain_text(id), places.size());
  }
  if (const Tree* scores = recorded(); scores != nullptr && !scores->empty()) {
    if (const std::string name = peek_text(scores->front(), "scorer"); !name.empty()) single_scorer_ = name;
  }
  std::map<std::pair<std::string, std::int64_t>, std::size_t> seen;
  for (std::size_t i = 0; i < log_.count(); ++i) {
    std::vector<std::string> warnings;
    auto sample = log_.get(i, warnings);
    for (const std::string& one : warnings) sink_.warning("W_JSON", one);
    if (!sample) {
      if (options_.salvage && !options_.skip_bad_lines) {
        sink_.warning("W_SALVAGED", sample.error().text + "; left out");
        ++summary_.rejected;
      } else if (auto done = reject(options_, summary_, sample.error()); !done) {
        return done;
      }
      continue;
    }
    const Tree& tree = **sample;
    Known known;
    known.at = i;
    if (const Tree* id = peek(tree, "id"); id != nullptr && (id->is_string() || id->is_number())) {
      known.id = plain_text(*id);
    } else if (tree.is_object() && options_.number_lines) {
      known.id = std::to_string(i + 1);
    } else {
      Error error{
          Code::kData, log_.name(i) + ": the sample has no id; --number-lines gives it its number", {}};
      if (auto done = reject(options_, summary_, std::move(error)); !done) return done;
      continue;
    }
    known.epoch = peek_count(tree, "epoch");
    if (known.epoch < 1 || known.epoch > 1'000'000'000) known.epoch = -1;
    known.place = places.emplace(known.id, places.size()).first->second;
    for (const Score& score : inspect::scores_of(tree, single_scorer_)) {
      known.scores.emplace_back(score.column, score.number);
      columns_.emplace(score.column, 0);
    }
    const auto [at, fresh] =
        seen.emplace(std::pair(known.id, std::max<std::int64_t>(known.epoch, 1)), known_.size());
    if (fresh) {
      known_.push_back(std::move(known));
    } else {
      sink_.warning("W_DUPLICATE", log_.name(i) + ": the sample '" + printable(known.id) +
                                       "' is there twice in the same epoch; the last one counts");
      known_[at->second] = std::move(known);
    }
  }
  // An archive holds the samples in the order they were finished; the order of the data set does not depend
  // on timing.
  std::stable_sort(known_.begin(), known_.end(), [](const Known& a, const Known& b) {
    return a.place != b.place ? a.place < b.place : a.epoch < b.epoch;
  });
  return {};
}

// The column an entry of the results speaks of: its own name, or a key of the scorer's dictionary.
int InspectReader::column_of(const std::string& name, const std::string& scorer) const {
  for (const std::string& candidate : {name, scorer + "." + name}) {
    if (const auto at = columns_.find(candidate); at != columns_.end()) return static_cast<int>(at->second);
  }
  return -1;
}

void InspectReader::describe_columns() {
  std::vector<std::string> order;
  if (const Tree* scores = recorded()) {
    for (const Tree& score : *scores) {
      const std::string name = peek_text(score, "name"), scorer = peek_text(score, "scorer");
      if (name.empty()) continue;
      const std::string inner = scorer + "." + name;
      const bool dotted =
          !columns_.contains(name) && (columns_.contains(inner) || (!scorer.empty() && scorer != name));
      // A scorer whose values are dictionaries has its columns under their keys, and may repeat itself here.
      const auto keys = columns_.lower_bound(name + ".");
      if (!dotted && !columns_.contains(name) && keys != columns_.end() &&
          keys->first.starts_with(name + "."))
        continue;
      columns_.emplace(dotted ? inner : name, 0);
      order.push_back(dotted ? inner : name);
    }
  }
  for (const auto& [name, unused] : columns_) order.push_back(name);
  std::set<std::string> taken;
  for (const std::string& name : order) {
    if (!taken.insert(name).second) continue;
    columns_[name] = task_.values.size();
    ImportedValue value;
    value.metric = name;
    value.doc = "recorded by Inspect's scorer '" + name + "' (C 1, P 0.5, I and N 0)";
    task_.values.push_back(std::move(value));
  }
  std::vector<int> finite(task_.values.size(), 0), others(task_.values.size(), 0);
  for (const Known& known : known_) {
    for (const auto& [column, number] : known.scores) {
      if (std::isnan(number)) continue;
      const std::size_t at = columns_.at(column);
      ++(number == 0 || number == 1 ? finite : others)[at];
    }
  }
  for (std::size_t i = 0; i < task_.values.size(); ++i)
    task_.values[i].proportion = finite[i] > 0 && others[i] == 0;
}

void InspectReader::describe_task() {
  task_.name = peek_text(eval_, "task");
  if (task_.name.empty()) task_.name = "unknown";
  task_.version = peek_text(eval_, "task_version");
  const std::string status = peek_text(log_.header, "status");
  task_.status = log_.closed ? status : "started";
  task_.complete = log_.closed && (status.empty() || status == "success");

  std::int64_t epochs = std::max<std::int64_t>(
      1, peek(eval_, "config") == nullptr ? 1 : peek_count(*peek(eval_, "config"), "epochs"));
  task_.repeats = log_.scores_only ? 1 : epochs;
  for (const Known& known : known_) task_.repeats = std::max(task_.repeats, known.epoch);

  const Tree* results = peek(log_.header, "results");
  const std::int64_t total = results == nullptr ? -1 : peek_count(*results, "total_samples");
  const std::int64_t completed = results == nullptr ? -1 : peek_count(*results, "completed_samples");
  const Tree* ids = peek(eval_, "dataset", "sample_ids");
  // total_samples counts every epoch. Without results the ids of the data set say what was planned.
  if (total > 0) {
    task_.planned = log_.scores_only ? total / epochs : total;
  } else if (ids != nullptr && ids->is_array() && !ids->empty()) {
    task_.planned = static_cast<std::int64_t>(ids->size()) * task_.repeats;
  }
  const auto found = static_cast<std::int64_t>(known_.size());
  if (task_.planned < found || found == 0) task_.planned = -1;
  if (total > 0 && completed >= 0 && completed < total) {
    sink_.warning("W_INCOMPLETE", task_.name + ": the log states that " + std::to_string(completed) + " of " +
                                      std::to_string(total) + " samples were completed; " +
                                      std::to_string(total - completed) + " are missing");
  }
  if (!task_.complete) {
    std::string why;
    if (const Tree* error = peek(log_.header, "error")) why = ": " + printable(peek_text(*error, "message"));
    sink_.warning("W_INCOMPLETE", task_.name + ": the run did not end well (status '" +
                                      printable(task_.status) + "'" + why + "); " + std::to_string(found) +
                                      " samples are in the log");
  }
  if (const Tree* invalid = peek(log_.header, "invalidated");
      invalid != nullptr && invalid->is_boolean() && invalid->get<bool>()) {
    sink_.warning("W_INVALIDATED", task_.name + ": somebody marked this log as invalid");
  }

  // What makes the task; what belongs to this one run is in the run's settings.
  Tree config = Tree::object();
  for (const char* key :
       {"task_args", "task_registry_name", "task_attribs", "solver", "solver_args", "scorers"}) {
    if (const Tree* value = peek(eval_, key)) config[key] = *value;
  }
  for (const char* key : {"limit", "sample_id", "sample_shuffle", "epochs", "epochs_reducer"}) {
    if (const Tree* value = peek(eval_, "config", key)) config["config"][key] = *value;
  }
  if (const Tree* dataset = peek(eval_, "dataset"); dataset != nullptr && dataset->is_object()) {
    config["dataset"] = *dataset;
    config["dataset"].erase("sample_ids");
  }
  if (const Tree* steps = peek(log_.header, "plan", "steps")) config["steps"] = *steps;
  task_.config_json = compact(config);
}

// Mean over the questions of the mean over their epochs, as Inspect's reducer has it.
std::optional<double> InspectReader::mean(const std::string& column) const {
  std::map<std::string, std::pair<double, int>> questions;
  for (const Known& known : known_) {
    for (const auto& [name, number] : known.scores) {
      if (name != column || std::isnan(number)) continue;
      auto& [sum, count] = questions[known.id];
      sum += number;
      ++count;
    }
  }
  if (questions.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& [id, question] : questions) sum += question.first / question.second;
  return sum / static_cast<double>(questions.size());
}

void InspectReader::report() {
  const Tree* scores = recorded();
  if (scores == nullptr) return;
  const bool whole = task_.complete && summary_.rejected == 0 && !known_.empty() &&
                     (task_.planned < 0 || task_.planned == static_cast<std::int64_t>(known_.size()));
  std::string only_reducer;
  if (const Tree* config = peek(eval_, "config")) {
    if (const auto names = peek_texts(*config, "epochs_reducer"); names.size() == 1)
      only_reducer = names.front();
  }
  std::set<std::string> taken;
  for (const Tree& score : *scores) {
    std::string name = peek_text(score, "name");
    const std::string scorer = peek_text(score, "scorer"), own = peek_text(score, "reducer");
    const std::string reducer = own.empty() ? only_reducer : own;
    const Tree* metrics = peek(score, "metrics");
    if (name.empty()) name = scorer.empty() ? "score" : scorer;
    if (metrics == nullptr || !metrics->is_object()) continue;
    const int column = column_of(name, scorer);
    if (!taken.insert(name).second) name += "@" + (reducer.empty() ? std::to_string(taken.size()) : reducer);
    for (const auto& [key, metric] : metrics->items()) {
      ReportedNumber reported;
      reported.metric = name + "/" + key;
      reported.statistic = key;
      reported.n = peek_count(score, "scored_samples");
      const Tree* value = metric.is_object() ? peek(metric, "value") : &metric;
      if (value == nullptr) {
        reported.text = "null";
      } else if (!read_number(*value, reported.number, true) || !std::isfinite(reported.number)) {
        reported.text = value->is_number() ? number_text(reported.number) : plain_text(*value);
        reported.number = kAbsent;
      }
      const std::string plain = key.substr(key.rfind('/') + 1);
      if ((plain == "accuracy" || plain == "mean") && (reducer.empty() || reducer == "mean") && column >= 0) {
        reported.value = column;
        const auto computed = mean(task_.values[static_cast<std::size_t>(column)].metric);
        if (whole && computed && !std::isnan(reported.number) && disagree(reported.number, *computed)) {
          sink_.warning("W_REPORTED", task_.name + ": " + reported.metric + " is recorded as " +
                                          number_text(reported.number) + ", but the mean of the rows is " +
                                          number_text(*computed));
        }
      }
      task_.reported.push_back(std::move(reported));
    }
  }
}

ImportedRun InspectReader::describe_run() const {
  ImportedRun run;
  run.format = "inspect";
  run.model = peek_text(eval_, "model");
  if (run.model.empty() || run.model == "none/none")
    run.model = options_.model.empty() ? "unknown" : options_.model;
  Tree model = Tree::object();
  for (const char* key : {"model", "model_args", "model_base_url", "model_generate_config", "model_roles"}) {
    if (const Tree* value = peek(eval_, key)) model[key] = *value;
  }
  run.model_json = compact(model);
  run.suite = task_.name;
  run.created = peek_text(eval_, "created");
  const Tree* stats = peek(log_.header, "stats");
  if (run.created.empty() && stats != nullptr) run.created = peek_text(*stats, "started_at");
  if (const Tree* packages = peek(eval_, "packages")) {
    if (const std::string version = peek_text(*packages, "inspect_ai"); !version.empty())
      run.harness_version = "inspect_ai " + version;
  }
  Tree config = Tree::object();
  for (const char* key : {"eval_id", "run_id", "eval_set_id", "task_id", "task_file", "config", "sandbox",
                          "revision", "metadata", "tags"}) {
    if (const Tree* value = peek(eval_, key)) config[key] = *value;
  }
  for (const char* key : {"version", "tags", "metadata"}) {
    if (const Tree* value = peek(log_.header, key)) config[key] = *value;
  }
  for (const char* key : {"total_samples", "completed_samples"}) {
    if (const Tree* value = peek(log_.header, "results", key)) config["results"][key] = *value;
  }
  if (const Tree* plan = peek(log_.header, "plan", "config")) config["plan_config"] = *plan;
  run.config_json = compact(config);
  if (stats != nullptr) {
    if (const Tree* usage = peek(*stats, "model_usage")) run.usage_json = compact(*usage);
  }
  return run;
}

// Second pass: the rows, one in memory at a time.
Result<void> InspectReader::rows() {
  inspect::Settings settings = inspect::settings_of(log_.header);
  settings.scores_only = log_.scores_only;
  std::set<std::string> unknown;
  for (const Known& known : known_) {
    std::vector<std::string> ignored;  // said in the first pass
    auto sample = log_.get(known.at, ignored);
    if (!sample) return sample.error();
    ImportedRow row;
    row.id = known.id;
    row.repeat = known.epoch < 1 ? 0 : static_cast<std::uint32_t>(known.epoch - 1);
    row.source_repeat = known.epoch;
    inspect::fill_row(**sample, settings, row, unknown);
    row.scores.assign(task_.values.size(), kAbsent);
    row.notes.assign(task_.values.size(), {});
    for (Score& score : inspect::scores_of(**sample, single_scorer_)) {
      const auto column = columns_.find(score.column);
      if (column == columns_.end()) continue;
      row.scores[column->second] = score.number;
      row.notes[column->second] = std::move(score.note);
      row.non_finite = row.non_finite || score.non_finite;
    }
    ++summary_.rows;
    if (auto done = sink_.row(std::move(row)); !done) return done;
  }
  if (!unknown.empty()) {
    sink_.warning("W_ATTACHMENT",
                  task_.name + ": " + std::to_string(unknown.size()) +
                      " attachments are not in the log, their references stay as they are: " + some(unknown));
  }
  return {};
}

}  // namespace

Result<void> read_inspect(const fs::path& path, const ImportOptions& options, ImportSink& sink,
                          ImportSummary& summary) {
  summary.format = "inspect";
  Log log;
  if (auto opened = log.open(path, options, sink); !opened) return opened;
  return InspectReader(log, options, sink, summary).run();
}

}  // namespace assay::host::interop
