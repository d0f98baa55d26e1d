#include "recorded_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "json_values.hpp"

namespace assay::recorded_scores {
namespace {

double number_or_nan(const rows::Object& object, const char* key) {
  double value = 0;
  if (object.at_key(key).get(value) == simdjson::SUCCESS) return value;
  return std::numeric_limits<double>::quiet_NaN();
}

std::string without_json(std::string_view name) {
  if (name.ends_with(".json")) name.remove_suffix(5);
  return std::string(name);
}

std::string file_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name.ends_with(".gz")) name.remove_suffix(3);
  return without_json(name);
}

/// Positions of the finite numbers of a list; false if there is no list.
bool positions(const rows::Object& object, const char* key, std::vector<std::uint32_t>& out,
               std::uint32_t& skipped) {
  simdjson::dom::array list;
  if (object.at_key(key).get(list) != simdjson::SUCCESS) return false;
  std::uint32_t i = 0;
  for (const rows::Element one : list) {
    if (one.is_number()) {
      out.push_back(i);
    } else {
      ++skipped;
    }
    ++i;
  }
  return true;
}

/// The run of one row; error without the place.
Result<Run> read_run(const rows::Object& object, const std::string& name_of_file) {
  Run run{};
  rows::Object scores = object;
  const bool native = object.at_key("predictions").get(scores) == simdjson::SUCCESS;
  std::string scratch;
  const auto file = rows::text_member(object, "file", scratch);
  if (!native && !file) return Error{Code::kData, "the row has no field 'file' that names the run", {}};
  // A recorded file may carry a wrong internal name, so the file name is the run's name.
  run.name = file ? without_json(*file) : name_of_file;
  if (!positions(scores, "real", run.human, run.skipped) ||
      !positions(scores, "samples", run.machine, run.skipped)) {
    return Error{
        Code::kData,
        "the run has no lists 'real' and 'samples' of scores (fields: " + rows::keys_of(object) + ")",
        {}};
  }
  run.roc_auc = number_or_nan(object, "roc_auc");
  run.pr_auc = number_or_nan(object, "pr_auc");
  rows::Object inner;
  if (native && object.at_key("metrics").get(inner) == simdjson::SUCCESS)
    run.roc_auc = number_or_nan(inner, "roc_auc");
  if (native && object.at_key("pr_metrics").get(inner) == simdjson::SUCCESS) {
    run.pr_auc = number_or_nan(inner, "pr_auc");
  }
  return run;
}

}  // namespace

bool matches(std::string_view text, std::string_view pattern) {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;
  std::size_t restart = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      restart = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++restart;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<RunFile> read_runs(const std::string& path) {
  Result<rows::RowFile> source = rows::RowFile::open(path);
  if (!source) return std::move(source).error();
  RunFile file;
  std::set<std::string> names;
  simdjson::dom::parser parser;
  const auto take = [&](const rows::Object& object, const std::string& place) {
    Result<Run> run = read_run(object, file_name(path));
    if (!run) return file.problems.add(place + run.error().text);
    if (!names.insert(run->name).second)
      return file.problems.add(place + "the run '" + run->name + "' occurs twice");
    if (run->skipped != 0) {
      file.problems.add(place + std::to_string(run->skipped) + " scores of the run '" + run->name +
                        "' are not numbers and are left out");
    }
    file.runs.push_back(std::move(*run));
  };
  // A result file is one object, often on many lines; rows of JSON Lines begin with an object that ends on
  // its line.
  const std::string_view bytes = source->bytes();
  if (bytes.starts_with('{') &&
      bytes.substr(0, bytes.find('\n')).find("\"samples\"") == std::string_view::npos) {
    if (const Result<rows::Object> object = rows::parse_object(parser, bytes)) {
      take(*object, path + ": ");
      return file;
    }
  }
  Result<void> scanned = source->scan([&](std::string_view row, std::uint64_t line) {
    const std::string place = path + ":" + std::to_string(line) + ": ";
    const Result<rows::Object> object = rows::parse_object(parser, row);
    if (object) {
      take(*object, place);
    } else {
      file.problems.add(place + object.error().text);
    }
    return false;
  });
  if (!scanned) return std::move(scanned).error();
  return file;
}

Result<void> RecordedScores::open(Call& /*call*/) {
  Result<RunFile> file = read_runs(data.get().text);
  if (!file) return std::move(file).error();
  const std::vector<std::string> sentences = file->problems.finish(data.get().text);
  if (file->runs.empty()) {
    return Error{Code::kData,
                 data.get().text + ": no run can be used" +
                     (sentences.empty() ? std::string() : " (" + sentences.front() + ")") +
                     "; rows {file, real, samples} are expected",
                 "data"};
  }
  for (const std::string& sentence : sentences) problem(sentence);
  for (const std::string& pattern : runs.get()) {
    if (std::none_of(file->runs.begin(), file->runs.end(),
                     [&](const Run& r) { return matches(r.name, pattern); })) {
      return Error{Code::kInvalidArgument,
                   "no run of " + data.get().text + " fits '" + pattern + "'; the first one is '" +
                       file->runs.front().name + "'",
                   "runs"};
    }
  }
  begin_.assign(1, 0);
  for (Run& run : file->runs) {
    const auto fits = [&](const std::string& pattern) { return matches(run.name, pattern); };
    if (!runs.get().empty() && std::none_of(runs.get().begin(), runs.get().end(), fits)) continue;
    begin_.push_back(begin_.back() + run.human.size() + run.machine.size());
    runs_.push_back(std::move(run));
  }
  return {};
}

Result<void> RecordedScores::item(std::uint64_t index, ItemWriter& out) {
  const auto after = std::upper_bound(begin_.begin(), begin_.end(), index);
  const auto which = static_cast<std::size_t>(after - begin_.begin()) - 1;
  const Run& run = runs_[which];
  const std::size_t offset = index - begin_[which];
  const bool machine = offset >= run.human.size();
  const std::string number =
      std::to_string(machine ? run.machine[offset - run.human.size()] : run.human[offset]);
  out.id((machine ? "machine/" : "human/") + number).variant(run.name).label(machine ? 1 : 0);
  if (paired) out.group(number);
  if (!std::isnan(run.roc_auc)) out.field("reported.roc_auc", run.roc_auc);
  if (!std::isnan(run.pr_auc)) out.field("reported.pr_auc", run.pr_auc);
  out.request({.kind = ASSAY_REQUEST_CLASSIFY, .name = "score"});
  return {};
}

}  // namespace assay::recorded_scores
