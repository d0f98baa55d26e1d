// The results file of lm-eval, of today and of version 0.3.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "harness/interop/peek.hpp"
#include "harness/interop/read_lm_eval.hpp"

namespace assay::host::interop::lm_eval {
namespace {

/// Parts of the file that belong to one task each; everything else describes the run.
constexpr std::array<std::string_view, 9> kPerTask{"results",   "groups",   "group_subtasks",
                                                   "configs",   "versions", "higher_is_better",
                                                   "n-samples", "n-shot",   "task_hashes"};
constexpr std::string_view kError = "_stderr";

std::string time_text(double seconds) {
  if (!(seconds > 0 && seconds < 253402300800.0)) return {};
  const auto millis = static_cast<std::int64_t>(std::floor(seconds * 1000));
  const auto whole = static_cast<std::time_t>(millis / 1000);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 96> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(millis % 1000));
  return buffer.data();
}

/// The numbers of a task or group; null when there are none.
const Tree* numbers_of(const Tree& results, const std::string& name) {
  const Tree* const found = peek(results, "results", name);
  return found != nullptr ? found : peek(results, "groups", name);
}

/// "acc_stderr,none": what is measured, whether it is an error, and the filter ("none" for legacy keys).
struct Key {
  std::string metric, filter = "none", base;
  bool error = false;
};
Key key_of(const std::string& written, const Tree& numbers) {
  Key key;
  const std::size_t comma = written.rfind(',');
  key.metric = written.substr(0, comma);
  const std::string tail = comma == std::string::npos ? "" : written.substr(comma);
  if (comma != std::string::npos) key.filter = written.substr(comma + 1);
  key.base = written;
  if (key.metric.size() > kError.size() && key.metric.ends_with(kError)) {
    // A metric may be called so itself; it is an error only of something that is there.
    const std::string metric = key.metric.substr(0, key.metric.size() - kError.size());
    if (numbers.contains(metric + tail)) {
      key.error = true;
      key.metric = metric;
      key.base = metric + tail;
    }
  }
  return key;
}

ReportedNumber reported(const std::string& written, const Tree& value, const Tree& numbers) {
  const Key key = key_of(written, numbers);
  ReportedNumber number;
  number.metric = key.base;
  number.statistic = key.error ? "stderr" : "value";
  if (value.is_number()) number.number = value.get<double>();
  if (std::isfinite(number.number)) return number;
  number.text = std::isnan(number.number) ? "NaN" : number.number > 0 ? "Infinity" : "-Infinity";
  if (!value.is_number()) number.text = plain_text(value);
  number.number = kAbsent;
  return number;
}

std::string text_of(const Tree* value) {
  return value == nullptr ? std::string() : plain_text(*value);
}

const Tree* metric_entry(const Tree& results, const std::string& task, const std::string& metric) {
  const Tree* const list = peek(results, "configs", task, "metric_list");
  if (list == nullptr || !list->is_array()) return nullptr;
  for (const Tree& one : *list) {
    if (peek_text(one, "metric") == metric) return &one;
  }
  return nullptr;
}

}  // namespace

ImportedRun run_of(const Tree& results) {
  ImportedRun run;
  run.model = peek_text(results, "model_name");
  if (run.model.empty()) run.model = text_of(peek(results, "config", "model_args"));
  Tree model = Tree::object(), config = Tree::object();
  for (const auto& [key, value] : results.items()) {
    if (std::find(kPerTask.begin(), kPerTask.end(), key) != kPerTask.end()) continue;
    (key.starts_with("model_") ? model : config)[key] = value;
  }
  if (const Tree* const settings = peek(results, "config"); settings != nullptr && settings->is_object()) {
    for (const auto& [key, value] : settings->items()) {
      if (key == "model" || key.starts_with("model_")) model["config"][key] = value;
    }
  }
  if (!model.empty()) run.model_json = compact(model);
  if (!config.empty()) run.config_json = compact(config);
  const double date = peek_real(results, "date");
  if (std::isfinite(date)) run.created = time_text(date);
  if (const std::string version = peek_text(results, "lm_eval_version"); !version.empty())
    run.harness_version = "lm_eval " + version;
  return run;
}

std::vector<std::string> task_names(const Tree& results) {
  std::vector<std::string> names;
  for (const char* const part : {"results", "groups"}) {
    const Tree* const tasks = peek(results, part);
    if (tasks == nullptr || !tasks->is_object()) continue;
    for (const auto& [name, numbers] : tasks->items()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

ImportedTask task_of(const Tree& results, const std::string& name) {
  ImportedTask task;
  task.name = name;
  task.version = text_of(peek(results, "versions", name));
  Tree config = Tree::object();
  if (const Tree* const own = peek(results, "configs", name); own != nullptr && own->is_object())
    config = *own;
  if (const Tree* const members = peek(results, "group_subtasks", name);
      members != nullptr && !members->empty()) {
    config["group_subtasks"] = *members;
  }
  if (const Tree* const shots = peek(results, "n-shot", name);
      shots != nullptr && !config.contains("num_fewshot")) {
    config["num_fewshot"] = *shots;
  }
  const Tree* const samples = peek(results, "n-samples", name);
  if (samples != nullptr) config["n-samples"] = *samples;
  if (!config.empty()) task.config_json = compact(config);
  task.data_hash = text_of(peek(results, "task_hashes", name));
  const Tree* const numbers = numbers_of(results, name);
  std::int64_t n = samples == nullptr ? -1 : peek_count(*samples, "effective");
  if (n < 0 && numbers != nullptr) n = peek_count(*numbers, "sample_len");
  if (numbers == nullptr || !numbers->is_object()) return task;
  for (const auto& [key, value] : numbers->items()) {
    if (key == "alias" || key == "name" || value.is_null()) continue;
    task.reported.push_back(reported(key, value, *numbers));
    if (key == "sample_len" || key == "sample_count") {
      task.reported.back().statistic = "count";
    } else {
      task.reported.back().n = n;
    }
  }
  return task;
}

std::vector<std::string> filters_of(const Tree& results, const std::string& name) {
  std::vector<std::string> filters;
  const Tree* const numbers = numbers_of(results, name);
  if (numbers == nullptr || !numbers->is_object()) return filters;
  for (const auto& [key, value] : numbers->items()) {
    if (key.find(',') == std::string::npos) continue;
    std::string filter = key_of(key, *numbers).filter;
    if (std::find(filters.begin(), filters.end(), filter) == filters.end())
      filters.push_back(std::move(filter));
  }
  return filters;
}

int direction_of(const Tree& results, const std::string& task, const std::string& metric) {
  const Tree* said = peek(results, "higher_is_better", task, metric);
  if (said == nullptr) {
    const Tree* const entry = metric_entry(results, task, metric);
    said = entry == nullptr ? nullptr : peek(*entry, "higher_is_better");
  }
  if (said == nullptr || !said->is_boolean()) return ASSAY_NO_DIRECTION;
  return said->get<bool>() ? ASSAY_HIGHER_IS_BETTER : ASSAY_LOWER_IS_BETTER;
}

bool is_mean(const Tree& results, const std::string& task, const std::string& metric) {
  const Tree* const entry = metric_entry(results, task, metric);
  const std::string aggregation = entry == nullptr ? "" : peek_text(*entry, "aggregation");
  if (!aggregation.empty()) return aggregation == "mean" || aggregation == "nanmean";
  return metric.find("perplexity") == std::string::npos && metric != "ppl";
}

}  // namespace assay::host::interop::lm_eval
