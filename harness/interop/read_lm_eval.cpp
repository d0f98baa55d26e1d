// lm-eval logs: a results file, a samples file, or a folder in which they are paired by the time in their
// names.
#include "harness/interop/read_lm_eval.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"

namespace assay::host::interop {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kResultsBytesMax = std::size_t{1} << 30;

/// "results_2026-01-21T03-44-18.458309.json" -> "2026-01-21T03-44-18.458309"; empty without a time.
std::string stamp_of(const fs::path& file) {
  const std::string stem = file.stem().string();
  const std::size_t bar = stem.rfind('_');
  if (bar == std::string::npos) return {};
  std::string stamp = stem.substr(bar + 1);
  const auto digit = [&](std::size_t i) { return std::isdigit(static_cast<unsigned char>(stamp[i])) != 0; };
  const bool time =
      stamp.size() >= 11 && digit(0) && digit(3) && stamp[4] == '-' && stamp[7] == '-' && stamp[10] == 'T';
  return time ? stamp : std::string();
}

/// "samples_TASK_TIME.jsonl" -> "TASK".
std::string task_of_file(const fs::path& file) {
  std::string name = file.stem().string();
  const std::string stamp = stamp_of(file);
  if (!stamp.empty()) name.resize(name.size() - stamp.size() - 1);
  if (name.starts_with("samples_")) name.erase(0, 8);
  return name.empty() ? file.stem().string() : name;
}

/// What one call of lm-eval wrote.
struct Batch {
  fs::path results;
  std::vector<fs::path> samples;
  Tree tree;  ///< of the results file; null without one
};

Result<std::vector<Batch>> find(const fs::path& path) {
  std::error_code failed;
  std::vector<Batch> batches;
  if (!fs::is_directory(path, failed)) {
    Batch only;
    if (path.extension() == ".jsonl" || path.extension() == ".ndjson") {
      only.samples.push_back(path);
    } else {
      only.results = path;
    }
    batches.push_back(std::move(only));
    return batches;
  }
  std::map<std::pair<std::string, fs::path>, Batch> found;  // by time, then folder
  for (fs::recursive_directory_iterator at(path, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code ignored;
    if (!at->is_regular_file(ignored)) continue;
    const fs::path& file = at->path();
    const std::string name = file.filename().string();
    const std::pair key{stamp_of(file), file.parent_path()};
    if (name.starts_with("results") && name.ends_with(".json")) {
      Batch& batch = found[key];
      if (!batch.results.empty()) {
        return Error{Code::kData,
                     "'" + file.string() + "' and '" + batch.results.string() +
                         "' are results of the same time; import one of them",
                     path.string()};
      }
      batch.results = file;
    } else if (name.starts_with("samples_") && name.ends_with(".jsonl")) {
      found[key].samples.push_back(file);
    }
  }
  if (failed)
    return Error{Code::kData, "the folder '" + path.string() + "' cannot be read: " + failed.message(),
                 path.string()};
  for (auto& [key, batch] : found) {
    std::sort(batch.samples.begin(), batch.samples.end());
    batches.push_back(std::move(batch));
  }
  if (batches.empty()) {
    return Error{
        Code::kNotFound,
        "the folder '" + path.string() + "' holds neither results_*.json nor samples_*.jsonl of lm-eval",
        path.string()};
  }
  return batches;
}

Result<void> load(Batch& batch, std::vector<std::string>& warnings) {
  if (batch.results.empty()) return {};
  const auto text = read_file(batch.results, kResultsBytesMax);
  if (!text) return text.error();
  const std::string name = batch.results.filename().string();
  auto tree = parse_tolerant(*text, name, warnings);
  if (!tree) return tree.error();
  const Tree* const results = peek(*tree, "results");
  if (results == nullptr || !results->is_object()) {
    return Error{Code::kData, name + ": expected an object with the key 'results', as lm-eval writes it",
                 name};
  }
  batch.tree = std::move(*tree);
  return {};
}

/// The description of the run: that of the newest results file, provided that all are of one model.
Result<ImportedRun> describe(const std::vector<Batch>& batches, const ImportOptions& options) {
  ImportedRun run;
  std::vector<std::string> names;
  for (const Batch& batch : batches) {
    if (!batch.tree.is_null()) {
      ImportedRun next = lm_eval::run_of(batch.tree);
      if (!run.model.empty() && !next.model.empty() && next.model != run.model) {
        return Error{Code::kInvalidArgument,
                     "the folder holds results of several models, '" + printable(run.model) + "' and '" +
                         printable(next.model) + "'; import the folder of one model",
                     "model"};
      }
      if (next.model.empty()) next.model = run.model;
      run = std::move(next);
      for (std::string& name : lm_eval::task_names(batch.tree)) names.push_back(std::move(name));
    }
    for (const fs::path& file : batch.samples) {
      if (batch.tree.is_null()) names.push_back(task_of_file(file));
    }
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return Error{
        Code::kInvalidArgument,
        "the folder holds the task '" + printable(*twice) +
            "' of several times; put the files of one time into a folder of their own and import that",
        "task"};
  }
  run.format = "lm-eval";
  run.suite = names.size() == 1 ? names.front() : "lm-eval";
  if (run.model.empty()) run.model = options.model.empty() ? "unknown" : options.model;
  return run;
}

Result<void> hand_over(const Batch& batch, const ImportOptions& options, ImportSink& sink,
                       ImportSummary& summary) {
  std::vector<fs::path> left = batch.samples;
  for (const std::string& name : lm_eval::task_names(batch.tree)) {
    const auto file = std::find_if(left.begin(), left.end(),
                                   [&](const fs::path& one) { return task_of_file(one) == name; });
    if (file == left.end()) {
      auto told = sink.task(lm_eval::task_of(batch.tree, name));
      if (!told) return told;
      continue;
    }
    const fs::path samples = *file;
    left.erase(file);
    auto read = lm_eval::read_samples(samples, name, batch.tree, options, sink, summary);
    if (!read) return read;
  }
  for (const fs::path& file : left) {
    auto read = lm_eval::read_samples(file, task_of_file(file), batch.tree, options, sink, summary);
    if (!read) return read;
  }
  return {};
}

}  // namespace

Result<void> read_lm_eval(const fs::path& path, const ImportOptions& options, ImportSink& sink,
                          ImportSummary& summary) {
  auto batches = find(path);
  if (!batches) return batches.error();
  std::vector<std::string> warnings;
  for (Batch& batch : *batches) {
    auto loaded = load(batch, warnings);
    if (!loaded) return loaded;
  }
  auto run = describe(*batches, options);
  if (!run) return run.error();
  auto told = sink.run(*run);
  if (!told) return told;
  for (const std::string& text : warnings) sink.warning("W_JSON", text);
  if (batches->size() > 1) {
    sink.warning("W_SEVERAL",
                 "the folder holds the files of " + std::to_string(batches->size()) +
                     " calls of lm-eval; they are imported as one run with the settings of the newest");
  }
  for (const Batch& batch : *batches) {
    auto done = hand_over(batch, options, sink, summary);
    if (!done) return done;
  }
  return {};
}

}  // namespace assay::host::interop
