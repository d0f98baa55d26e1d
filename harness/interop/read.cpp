// Which reader a file belongs to, and what identifies it.
#include <algorithm>
#include <array>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/imported.hpp"
#include "harness/interop/lines.hpp"
#include "harness/interop/peek.hpp"

namespace assay::host::interop {
namespace {

namespace fs = std::filesystem;
using ReadFunction = Result<void> (*)(const fs::path&, const ImportOptions&, ImportSink&, ImportSummary&);

constexpr std::array<std::pair<std::string_view, ReadFunction>, 6> kReaders{{{"lm-eval", read_lm_eval},
                                                                             {"inspect", read_inspect},
                                                                             {"helm", read_helm},
                                                                             {"jsonl", read_rows},
                                                                             {"csv", read_rows},
                                                                             {"batch", read_batch}}};
constexpr std::size_t kHeadBytes = std::size_t{1} << 20;

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const auto& one : kReaders) names.emplace_back(one.first);
  return names;
}

Error unclear(const fs::path& path, const std::string& why) {
  return Error{Code::kInvalidArgument,
               "cannot tell the format of '" + path.string() + "': " + why + "; say it with --as " +
                   join(format_names(), "|"),
               "as"};
}

/// The regular files of a folder, below it too, by name relative to it. The order does not depend on the
/// system.
Result<std::vector<fs::path>> files_of(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code failed;
  if (!fs::is_directory(path, failed)) {
    files.push_back(path);
    return files;
  }
  for (fs::recursive_directory_iterator at(path, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) files.push_back(at->path());
  }
  if (failed)
    return Error{Code::kData, "the folder '" + path.string() + "' cannot be read: " + failed.message(),
                 path.string()};
  std::sort(files.begin(), files.end(), [&](const fs::path& a, const fs::path& b) {
    return a.lexically_relative(path) < b.lexically_relative(path);
  });
  return files;
}

/// SHA-256 over the bytes of the files, one after the other.
Result<std::string> hash_of(const std::vector<fs::path>& files) {
  if (files.size() == 1) return sha256_file(files.front());
  Sha256 hash;
  for (const fs::path& file : files) {
    auto lines = LineReader::open(file);
    if (!lines) return lines.error();
    std::error_code failed;
    const std::uint64_t size = fs::file_size(file, failed);
    if (failed)
      return Error{Code::kData, "'" + file.string() + "' cannot be read: " + failed.message(), file.string()};
    std::vector<char> buffer;
    for (std::uint64_t at = 0; at < size;) {
      const auto piece = lines->at(at, std::min<std::uint64_t>(kHeadBytes, size - at), buffer);
      if (!piece) return piece.error();
      hash.bytes(*piece);
      at += piece->size();
    }
  }
  return hex(hash.finish());
}

/// The first keys of the outermost object, as far as they lie in `head`, which may be cut off anywhere.
std::vector<std::string> outer_keys(std::string_view head) {
  std::vector<std::string> keys;
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  if (!trimmed(head).starts_with('{')) return keys;
  int depth = 0;
  bool key = false;
  for (std::size_t i = 0; i < head.size(); ++i) {
    const char c = head[i];
    if (c == '"') {
      const std::size_t start = ++i;
      while (i < head.size() && head[i] != '"') i += head[i] == '\\' ? std::size_t{2} : std::size_t{1};
      if (key && depth == 1 && i < head.size()) keys.emplace_back(head.substr(start, i - start));
      key = false;
    } else if (c == '{' || c == '[') {
      ++depth;
      key = c == '{';
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ',') {
      key = true;
    }
  }
  return keys;
}

/// The first line that is not blank, as an object; null when it is none.
Result<Tree> first_row(const fs::path& path) {
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  Line line;
  for (;;) {
    const auto more = lines->next(line);
    if (!more) return more.error();
    if (!*more) return Tree();
    if (line.too_long || !trimmed(line.text).empty()) break;
  }
  std::vector<std::string> ignored;
  auto tree = parse_tolerant(line.text, "", ignored);
  return tree && tree->is_object() ? std::move(*tree) : Tree();
}

std::string lines_format(const Tree& row) {
  if (row.contains("doc_id") &&
      (row.contains("resps") || row.contains("filtered_resps") || row.contains("arguments"))) {
    return "lm-eval";
  }
  if (row.contains("custom_id") && (row.contains("response") || row.contains("error"))) return "batch";
  return "jsonl";
}

Result<std::string> detect_file(const fs::path& path) {
  const std::string name = path.filename().string(), ending = path.extension().string();
  if (ending == ".csv" || ending == ".tsv") return std::string("csv");
  if (ending == ".eval") return std::string("inspect");
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  std::error_code failed;
  const std::uint64_t size = fs::file_size(path, failed);
  if (failed)
    return Error{Code::kData, "'" + path.string() + "' cannot be read: " + failed.message(), path.string()};
  std::vector<char> buffer;
  const auto head = lines->at(0, std::min<std::uint64_t>(kHeadBytes, size), buffer);
  if (!head) return head.error();
  if (trimmed(*head).empty() && size == head->size())
    return Error{Code::kData, "'" + path.string() + "' is empty", path.string()};
  if (head->starts_with("PK\x03\x04")) return std::string("inspect");
  if (ending == ".jsonl" || ending == ".ndjson") {
    const auto row = first_row(path);
    if (!row) return row.error();
    return lines_format(*row);
  }
  const std::vector<std::string> keys = outer_keys(*head);
  const auto has = [&](std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (name == "run_spec.json" || name == "scenario_state.json" || name == "stats.json" ||
      name == "per_instance_stats.json") {
    return unclear(path, "it looks like a part of a HELM run; give the folder it lies in");
  }
  if (has("eval")) return std::string("inspect");
  if (has("results")) return std::string("lm-eval");
  if (has("doc_id") || has("custom_id")) {
    const auto row = first_row(path);
    if (!row) return row.error();
    return lines_format(*row);
  }
  return unclear(path, "it has neither a known ending nor the keys of a known log");
}

Result<std::string> detect_folder(const fs::path& path) {
  std::error_code ignored;
  for (const char* const part : {"run_spec.json", "scenario_state.json", "per_instance_stats.json"}) {
    if (fs::is_regular_file(path / part, ignored)) return std::string("helm");
  }
  const auto files = files_of(path);
  if (!files) return files.error();
  std::vector<std::string> logs;
  bool batch = false;
  for (const fs::path& file : *files) {
    const std::string name = file.filename().string();
    if ((name.starts_with("results_") && name.ends_with(".json")) ||
        (name.starts_with("samples_") && name.ends_with(".jsonl"))) {
      return std::string("lm-eval");
    }
    if (name == "run_spec.json" || name.ends_with(".eval"))
      logs.push_back(file.lexically_relative(path).string());
    if (file.parent_path() == path && name.ends_with(".jsonl") && !batch) {
      const auto row = first_row(file);
      batch = row && row->is_object() && lines_format(*row) == "batch";
    }
  }
  if (batch) return std::string("batch");
  if (!logs.empty()) {
    return unclear(path, "it holds " + std::to_string(logs.size()) + " logs, the first is '" +
                             printable(logs.front()) + "'; a run is imported from one log");
  }
  return unclear(path, "no file in it belongs to a known log");
}

}  // namespace

Result<std::string> detect_format(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return Error{Code::kNotFound, "'" + path.string() + "' does not exist", path.string()};
  }
  return fs::is_directory(path, ignored) ? detect_folder(path) : detect_file(path);
}

Result<ImportSummary> read(const fs::path& path, const ImportOptions& options, ImportSink& sink) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return Error{Code::kNotFound, "'" + path.string() + "' does not exist", path.string()};
  }
  ImportOptions settled = options;
  if (settled.format.empty()) {
    auto format = detect_format(path);
    if (!format) return format.error();
    settled.format = std::move(*format);
  }
  const auto reader = std::find_if(kReaders.begin(), kReaders.end(),
                                   [&](const auto& one) { return one.first == settled.format; });
  if (reader == kReaders.end()) {
    return Error{Code::kInvalidArgument,
                 "unknown format '" + printable(settled.format) + "'" +
                     did_you_mean(settled.format, format_names()) + "; known are " +
                     join(format_names(), ", "),
                 "as"};
  }
  ImportSummary summary;
  summary.format = settled.format;
  // "folder/" has no file name of its own.
  summary.source_name = (path.has_filename() ? path : path.parent_path()).filename().string();
  const auto files = files_of(path);
  if (!files) return files.error();
  auto hash = hash_of(*files);
  if (!hash) return hash.error();
  summary.source_sha256 = std::move(*hash);
  auto done = reader->second(path, settled, sink, summary);
  if (!done) return done.error();
  return summary;
}

}  // namespace assay::host::interop
