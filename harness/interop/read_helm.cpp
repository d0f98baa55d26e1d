#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "harness/base/files.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"

// A HELM run folder: run_spec.json names the run, per_instance_stats.json has the scores of the instances,
// scenario_state.json their texts (often not published), stats.json the recorded aggregates.

namespace assay::host::interop {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{2} << 30;

// "robustness.worst", "typos", or "" for what was not perturbed.
std::string perturbation_of(const Tree& tree) {
  const Tree* perturbation = peek(tree, "perturbation");
  if (perturbation == nullptr) return {};
  if (!perturbation->is_object()) return plain_text(*perturbation);
  std::string name = peek_text(*perturbation, "name");
  if (name.empty()) name = "perturbed";
  if (const std::string on = peek_text(*perturbation, "computed_on"); !on.empty()) name += "." + on;
  return name;
}

// The metric, its perturbation and its split, from the name of a stat (an object; a text in very old runs).
struct StatName {
  std::string metric, split;
};
StatName stat_name(const Tree& stat) {
  const Tree* name = peek(stat, "name");
  if (name == nullptr) return {};
  if (!name->is_object()) return {plain_text(*name), {}};
  StatName found{peek_text(*name, "name"), peek_text(*name, "split")};
  if (const std::string perturbation = perturbation_of(*name);
      !perturbation.empty() && !found.metric.empty()) {
    found.metric += "~" + perturbation;
  }
  if (const std::string sub = peek_text(*name, "sub_split"); !sub.empty()) found.split += "/" + sub;
  return found;
}

// "mmlu:subject=philosophy,model=openai_gpt2" without its model, so that runs of two models have one task.
std::string without_model(const std::string& name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos) return name;
  std::vector<std::string> kept;
  for (std::string& argument : split(std::string_view(name).substr(colon + 1), ',')) {
    if (!argument.starts_with("model=") && !argument.starts_with("model_deployment="))
      kept.push_back(std::move(argument));
  }
  return name.substr(0, colon) + (kept.empty() ? "" : ":" + join(kept, ","));
}

// The mean of a stat; sum and count where the writer left the mean out.
double stat_mean(const Tree& stat) {
  const double mean = peek_real(stat, "mean");
  const double sum = peek_real(stat, "sum"), count = peek_real(stat, "count");
  return std::isnan(mean) && count > 0 ? sum / count : mean;
}

struct Row {
  ImportedRow row;
  std::string split;
  std::vector<std::pair<std::size_t, double>> scores;  // column, value
};

class HelmReader {
 public:
  HelmReader(fs::path folder, const ImportOptions& options, ImportSink& sink, ImportSummary& summary)
      : folder_(std::move(folder)), options_(options), sink_(sink), summary_(summary) {}

  Result<void> run();

 private:
  Result<std::optional<Tree>> load(const char* name);
  Result<std::optional<Tree>> load_list(const char* name);
  Row* row_of(const std::string& id, const std::string& perturbation, std::int64_t trial);
  Result<void> states(const Tree& list);
  void state(const Tree& state, Row& row);
  Result<void> stats_of_instances(const Tree& list);
  std::size_t column(const std::string& metric);
  void report(const Tree& stats);
  void describe_values(const Tree& spec);
  Result<void> hand_over(const Tree& spec, const Tree& scenario);

  fs::path folder_;
  const ImportOptions& options_;
  ImportSink& sink_;
  ImportSummary& summary_;
  std::string model_;
  bool choice_ = false;     // multiple choice: the references are the choices
  bool perturbed_ = false;  // some instances have perturbed copies
  ImportedTask task_;
  std::vector<Row> rows_;
  std::map<std::tuple<std::string, std::string, std::int64_t>, std::size_t> index_;
  std::unordered_map<std::string, std::size_t> columns_;
};

Result<std::optional<Tree>> HelmReader::load(const char* name) {
  std::error_code failure;
  if (!fs::exists(folder_ / name, failure)) return std::optional<Tree>();
  auto text = read_file(folder_ / name, kFileBytesMax);
  if (!text) return text.error();
  std::vector<std::string> warnings;
  auto tree = parse_tolerant(*text, name, warnings);
  for (const std::string& one : warnings) sink_.warning("W_JSON", one);
  if (!tree) return tree.error();
  return std::optional<Tree>(std::move(*tree));
}

Result<std::optional<Tree>> HelmReader::load_list(const char* name) {
  auto tree = load(name);
  if (tree && *tree && !(*tree)->is_array()) {
    return Error{
        Code::kData, "'" + (folder_ / name).string() + "' holds no list; a list of stats was expected", {}};
  }
  return tree;
}

// One row for an instance, its perturbation and the trial; the first mention decides the order.
Row* HelmReader::row_of(const std::string& id, const std::string& perturbation, std::int64_t trial) {
  const auto [at, fresh] = index_.try_emplace({id, perturbation, trial}, rows_.size());
  if (fresh) {
    Row row;
    row.row.id = perturbation.empty() ? id : id + "~" + perturbation;
    row.row.variant = perturbation;
    row.row.repeat = trial < 0 ? 0 : static_cast<std::uint32_t>(trial);
    row.row.source_repeat = trial;
    row.row.state = ASSAY_STATE_OK;
    // The copies of one instance are no independent items.
    if (!perturbation.empty()) {
      row.row.group = id;
      row.row.fields.emplace_back("perturbation", perturbation);
      perturbed_ = true;
    }
    rows_.push_back(std::move(row));
  }
  return &rows_[at->second];
}

std::int64_t trial_of(const Tree& tree) {
  const std::int64_t trial = peek_count(tree, "train_trial_index");
  return trial > 1'000'000'000 ? -1 : trial;
}

void HelmReader::state(const Tree& state, Row& target) {
  ImportedRow& row = target.row;
  const bool first = row.exchanges.empty();
  const Tree none = Tree::object();
  const auto part = [&](const char* key) -> const Tree& {
    const Tree* found = peek(state, key);
    return found == nullptr ? none : *found;
  };
  const Tree& instance = part("instance");
  const Tree& request = part("request");
  const Tree& result = part("result");
  const Tree* references = peek(instance, "references");
  const std::int64_t reference = peek_count(state, "reference_index");
  int label = -1;
  if (first) {
    target.split = peek_text(instance, "split");
    if (const std::string sub = peek_text(instance, "sub_split"); !sub.empty()) target.split += "/" + sub;
    if (const Tree* input = peek(instance, "input"))
      row.input = input->is_string() ? input->get<std::string>() : peek_text(*input, "text");
  }
  if (references != nullptr && references->is_array()) {
    std::int64_t number = 0;
    for (const Tree& one : *references) {
      const Tree* output = peek(one, "output");
      const std::string text = output == nullptr     ? std::string()
                               : output->is_string() ? output->get<std::string>()
                                                     : peek_text(*output, "text");
      const auto tags = peek_texts(one, "tags");
      const bool correct = std::find(tags.begin(), tags.end(), "correct") != tags.end();
      if (first && correct) row.targets.push_back(text);
      if (first && choice_) row.choices.push_back(text);
      if (number++ == reference) label = correct ? 1 : 0;
    }
  }
  if (const Tree* mapping = peek(state, "output_mapping");
      first && mapping != nullptr && mapping->is_object()) {
    std::vector<std::string> letters;
    for (const auto& [letter, text] : mapping->items()) letters.push_back(letter);
    row.fields.emplace_back("choice_letters", join(letters, " "));
  }

  ImportedExchange exchange;
  exchange.name = reference < 0 ? "answer" : "choice/" + std::to_string(reference);
  if (const std::string mode = peek_text(state, "request_mode"); !mode.empty() && mode != "original")
    exchange.name += "/" + mode;
  for (int again = 2; std::any_of(row.exchanges.begin(), row.exchanges.end(),
                                  [&](const auto& one) { return one.name == exchange.name; });
       ++again) {
    exchange.name = exchange.name.substr(0, exchange.name.find('#')) + "#" + std::to_string(again);
  }
  exchange.choice_label = label;
  if (const Tree* messages = peek(request, "messages")) exchange.messages = chat_messages(*messages);
  if (exchange.messages.empty()) exchange.prompt = peek_text(request, "prompt");
  exchange.stop = peek_texts(request, "stop_sequences");
  exchange.max_tokens = peek_count(request, "max_tokens");
  exchange.temperature = peek_real(request, "temperature");
  exchange.top_p = peek_real(request, "top_p");

  const Tree* completions = peek(result, "completions");
  const Tree* answer = completions != nullptr && completions->is_array() && !completions->empty()
                           ? &completions->front()
                           : nullptr;
  exchange.answered = answer != nullptr;
  if (answer != nullptr) {
    for (const Tree& one : *completions) exchange.texts.push_back(peek_text(one, "text"));
    const Tree* reason = peek(*answer, "finish_reason");
    if (reason != nullptr)
      exchange.finish = finish_of(reason->is_object() ? peek_text(*reason, "reason") : plain_text(*reason));
    if (const Tree* tokens = peek(*answer, "tokens"); tokens != nullptr && tokens->is_array()) {
      for (const Tree& token : *tokens) exchange.token_logprobs.push_back(peek_real(token, "logprob"));
    }
    // The prompt came back with log-probabilities and nothing was generated: its text was scored.
    const Tree* echo = peek(request, "echo_prompt");
    if (echo != nullptr && echo->is_boolean() && echo->get<bool>() && exchange.max_tokens == 0 &&
        exchange.messages.empty()) {
      exchange.kind = ASSAY_REQUEST_SCORE;
      exchange.continuation = std::move(exchange.prompt);
      exchange.prompt.clear();
      exchange.sum_logprob = peek_real(*answer, "logprob");
      exchange.finish = ASSAY_FINISH_NONE;
    }
  }
  const Tree* success = peek(result, "success");
  const bool failed = success != nullptr && success->is_boolean() && !success->get<bool>();
  if (const Tree* error = peek(result, "error")) exchange.error = plain_text(*error);
  if (failed && exchange.error.empty())
    exchange.error = "the run records that this request failed, without a reason";
  if (const std::string model = peek_text(request, "model"); model != model_) exchange.model = model;
  exchange.seconds = peek_real(result, "request_time");

  // The worst state of an item's requests is the state of the item: an error, then what is missing.
  const int own = state_of(exchange);
  const auto rank = [](int state_number) {
    return state_number == ASSAY_STATE_ERROR ? 3
           : state_number == kMissing        ? 2
           : state_number == ASSAY_STATE_OK  ? 0
                                             : 1;
  };
  if (first || rank(own) > rank(row.state)) {
    row.state = own;
    row.message = exchange.error;
  }
  row.exchanges.push_back(std::move(exchange));
}

Result<void> HelmReader::states(const Tree& file) {
  const Tree* list = peek(file, "request_states");
  if (list == nullptr || !list->is_array()) return {};
  std::size_t number = 0;
  for (const Tree& one : *list) {
    ++number;
    const Tree* instance = peek(one, "instance");
    std::string id = instance == nullptr ? std::string() : peek_text(*instance, "id");
    if (id.empty() && options_.number_lines) id = std::to_string(number);
    if (id.empty()) {
      Error error{Code::kData,
                  "scenario_state.json: request state " + std::to_string(number) +
                      " has no instance id; --number-lines gives it its number",
                  {}};
      if (auto done = reject(options_, summary_, std::move(error)); !done) return done;
      continue;
    }
    state(one, *row_of(id, instance == nullptr ? std::string() : perturbation_of(*instance), trial_of(one)));
  }
  return {};
}

std::size_t HelmReader::column(const std::string& metric) {
  const auto [at, fresh] = columns_.try_emplace(metric, task_.values.size());
  if (fresh) {
    ImportedValue value;
    value.metric = metric;
    value.doc = "HELM's '" + metric + "' of the instance";
    task_.values.push_back(std::move(value));
  }
  return at->second;
}

Result<void> HelmReader::stats_of_instances(const Tree& list) {
  std::size_t number = 0;
  for (const Tree& one : list) {
    ++number;
    const std::string id = peek_text(one, "instance_id");
    if (id.empty()) {
      Error error{Code::kData,
                  "per_instance_stats.json: entry " + std::to_string(number) + " has no instance_id",
                  {}};
      if (auto done = reject(options_, summary_, std::move(error)); !done) return done;
      continue;
    }
    const std::string perturbation = perturbation_of(one);
    Row& row = *row_of(id, perturbation, trial_of(one));
    const Tree* stats = peek(one, "stats");
    if (stats == nullptr || !stats->is_array()) continue;
    for (const Tree& stat : *stats) {
      StatName name = stat_name(stat);
      if (row.split.empty()) row.split = name.split;
      const double mean = stat_mean(stat);
      if (name.metric.empty()) continue;
      // A perturbed copy must not enter the mean of the originals, also where its stats do not repeat the
      // name.
      if (!perturbation.empty() && name.metric.find('~') == std::string::npos)
        name.metric += "~" + perturbation;
      if (const Tree* recorded = peek(stat, "mean"); recorded != nullptr && std::isnan(mean))
        row.row.non_finite = true;
      if (!std::isnan(mean)) row.scores.emplace_back(column(name.metric), mean);
    }
  }
  return {};
}

// The metrics of the specification first, then the bookkeeping (tokens, run times) in the order of the file.
void HelmReader::describe_values(const Tree& spec) {
  std::map<std::string, std::size_t> wanted;
  if (const Tree* metrics = peek(spec, "metric_specs"); metrics != nullptr && metrics->is_array()) {
    for (const Tree& metric : *metrics) {
      if (const Tree* arguments = peek(metric, "args")) {
        for (const std::string& name : peek_texts(*arguments, "names")) wanted.emplace(name, wanted.size());
      }
    }
  }
  const auto place = [&](const ImportedValue& value) {
    const auto at = wanted.find(value.metric);
    return at == wanted.end() ? wanted.size() : at->second;
  };
  std::stable_sort(task_.values.begin(), task_.values.end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
  std::vector<std::size_t> moved(task_.values.size());
  for (std::size_t i = 0; i < task_.values.size(); ++i) {
    moved[columns_.at(task_.values[i].metric)] = i;
  }
  for (auto& [name, at] : columns_) at = moved[at];
  for (ImportedValue& value : task_.values) {
    // Counts that happen to be 0 or 1 are no proportions.
    value.proportion = !value.metric.starts_with("num_") && value.metric != "batch_size";
  }
  for (Row& row : rows_) {
    for (auto& [at, number] : row.scores) {
      at = moved[at];
      if (number != 0 && number != 1) task_.values[at].proportion = false;
    }
  }
}

void HelmReader::report(const Tree& stats) {
  std::map<std::string, double> instances;  // per split
  for (const Tree& stat : stats) {
    const StatName name = stat_name(stat);
    if (name.metric == "num_instances") instances[name.split] = stat_mean(stat);
  }
  // Per column and split: sum and number of the rows that have a value.
  std::map<std::pair<std::size_t, std::string>, std::pair<double, double>> sums;
  for (const Row& row : rows_) {
    for (const auto& [at, number] : row.scores) {
      auto& [sum, count] = sums[{at, row.split}];
      sum += number;
      ++count;
    }
  }
  for (const Tree& stat : stats) {
    const StatName name = stat_name(stat);
    const Tree* mean = peek(stat, "mean");
    if (name.metric.empty() || mean == nullptr) continue;  // not computed: the writer omits the mean
    ReportedNumber reported;
    reported.metric = name.metric;
    reported.statistic = "mean";
    reported.split = name.split;
    if (!read_number(*mean, reported.number) || !std::isfinite(reported.number)) {
      reported.text = mean->is_number() ? number_text(reported.number) : plain_text(*mean);
      reported.number = kAbsent;
    }
    const auto at = columns_.find(name.metric);
    const auto sum = at == columns_.end() ? sums.end() : sums.find({at->second, name.split});
    if (sum != sums.end()) {
      reported.value = static_cast<int>(at->second);
      const double computed = sum->second.first / sum->second.second;
      if (summary_.rejected == 0 && !std::isnan(reported.number) && disagree(reported.number, computed)) {
        sink_.warning("W_REPORTED", task_.name + ": " + name.metric +
                                        (name.split.empty() ? "" : " on split '" + name.split + "'") +
                                        " is recorded as " + number_text(reported.number) +
                                        ", but the mean of the rows is " + number_text(computed));
      }
    }
    if (const auto count = instances.find(name.split);
        count != instances.end() && count->second >= 0 && count->second < 9e15) {
      reported.n = static_cast<std::int64_t>(count->second);
    }
    task_.reported.push_back(std::move(reported));
  }
}

Result<void> HelmReader::hand_over(const Tree& spec, const Tree& scenario) {
  ImportedRun run;
  run.format = "helm";
  run.model = !model_.empty() ? model_ : !options_.model.empty() ? options_.model : "unknown";
  run.suite = peek_text(spec, "name").empty() ? task_.name : peek_text(spec, "name");
  Tree model = Tree::object();
  const Tree* adapter = peek(spec, "adapter_spec");
  if (adapter != nullptr) {
    for (const char* key :
         {"model", "model_deployment", "temperature", "max_tokens", "stop_sequences", "random"}) {
      if (const Tree* value = peek(*adapter, key)) model[key] = *value;
    }
  }
  run.model_json = compact(model);
  run.config_json = compact(spec);
  Tree config = Tree::object();
  for (const char* key : {"scenario_spec", "adapter_spec", "metric_specs", "data_augmenter_spec", "groups"}) {
    if (const Tree* value = peek(spec, key)) config[key] = *value;
  }
  if (scenario.is_object()) config["scenario"] = scenario;
  // The task is the same whichever model answered it.
  if (config.contains("adapter_spec") && config["adapter_spec"].is_object()) {
    for (const char* key : {"model", "model_deployment"}) config["adapter_spec"].erase(key);
  }
  task_.config_json = compact(config);
  if (auto done = sink_.run(run); !done) return done;
  if (auto done = sink_.task(task_); !done) return done;
  for (Row& row : rows_) {
    ImportedRow& out = row.row;
    if (out.variant.empty()) out.variant = row.split;
    if (perturbed_ && out.group.empty()) out.group = out.id;
    if (!row.split.empty()) out.fields.emplace_back("split", row.split);
    out.scores.assign(task_.values.size(), kAbsent);
    for (const auto& [at, number] : row.scores) out.scores[at] = number;
    ++summary_.rows;
    if (auto done = sink_.row(std::move(out)); !done) return done;
  }
  return {};
}

Result<void> HelmReader::run() {
  auto spec = load("run_spec.json");
  if (!spec) return spec.error();
  auto scenario = load("scenario.json");
  if (!scenario) return scenario.error();
  auto stats = load_list("stats.json");
  if (!stats) return stats.error();
  auto per_instance = load_list("per_instance_stats.json");
  if (!per_instance) return per_instance.error();
  if (!*stats && !*per_instance) {
    return Error{Code::kData,
                 "'" + folder_.string() +
                     "' is not a HELM run folder: neither stats.json nor per_instance_stats.json is in it",
                 {}};
  }
  auto state_file = load("scenario_state.json");
  if (!state_file) return state_file.error();

  const Tree none = Tree::object();
  const Tree& spec_tree = *spec ? **spec : none;
  const Tree* adapter = peek(spec_tree, "adapter_spec");
  if (adapter == nullptr && *state_file) adapter = peek(**state_file, "adapter_spec");
  if (adapter != nullptr) {
    model_ = peek_text(*adapter, "model");
    choice_ = peek_text(*adapter, "method").starts_with("multiple_choice");
  }
  task_.name = without_model(peek_text(spec_tree, "name"));
  if (task_.name.empty()) task_.name = folder_.filename().string();
  if (task_.name.empty()) task_.name = "unknown";

  if (*state_file) {
    if (auto done = states(**state_file); !done) return done;
    state_file = std::optional<Tree>();  // the largest of the files
  }
  if (*per_instance) {
    if (auto done = stats_of_instances(**per_instance); !done) return done;
  }
  for (const Row& row : rows_)
    task_.repeats = std::max<std::int64_t>(task_.repeats, std::int64_t{row.row.repeat} + 1);
  if (!rows_.empty()) task_.planned = static_cast<std::int64_t>(rows_.size()) + summary_.rejected;
  describe_values(spec_tree);
  if (*stats) report(**stats);
  return hand_over(spec_tree, *scenario ? **scenario : none);
}

}  // namespace

Result<void> read_helm(const fs::path& path, const ImportOptions& options, ImportSink& sink,
                       ImportSummary& summary) {
  summary.format = "helm";
  std::error_code failure;
  if (!fs::exists(path, failure)) return Error{Code::kNotFound, "'" + path.string() + "' does not exist", {}};
  fs::path folder = fs::is_directory(path, failure) ? path : path.parent_path();
  if (!folder.empty() && !folder.has_filename()) folder = folder.parent_path();  // "run/"
  return HelmReader(folder.empty() ? fs::path(".") : folder, options, sink, summary).run();
}

}  // namespace assay::host::interop
