// Recorded scores of detectors of machine-written text: compact lines {file, name, real[], samples[]}, or
// native results {name, predictions: {real[], samples[]}} (baoguangsheng/fast-detect-gpt and its successors).
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <unordered_map>

#include "plugins/models/replay/recording.hpp"
#include "plugins/models/replay/source_file.hpp"

namespace assay::replay {
namespace {

namespace dom = simdjson::dom;

struct Scores {
  std::vector<double> human, machine;
  std::string place;  // where it was read
};

std::string without_json(std::string_view name) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (name.ends_with(".json")) name.remove_suffix(5);
  return std::string(name);
}

/// Python writes NaN and infinities bare, which is not JSON, or as texts; neither is a score.
void read_scores(dom::element list, std::vector<double>& out) {
  for (const dom::element value : list.get_array()) {
    double number = kMissing;
    if (value.get(number) != simdjson::SUCCESS) number = kMissing;
    out.push_back(number);
  }
}

class DetectorScores final : public Recording {
 public:
  DetectorScores(std::string path, std::string run) : path_(std::move(path)), run_(std::move(run)) {}

  Result<void> load() {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path_, ignored)) return check(load_file(path_));
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
      const std::string name = entry.path().string();
      if (name.find(".json") != std::string::npos) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (Result<void> loaded = load_file(name); !loaded) return loaded;
    }
    return check({});
  }

  [[nodiscard]] std::uint64_t capabilities() const override { return ASSAY_CAP_CLASSIFY; }
  [[nodiscard]] std::vector<std::string> class_names() const override { return {"machine_score"}; }

  Result<void> answer(const assay_request& request, ResponseWriter& out) const override {
    const auto found = runs_.find(std::string(view(request.variant)));
    if (found == runs_.end() || request.repeat != 0 || request.kind != ASSAY_REQUEST_CLASSIFY) {
      return no_record(request, path_);
    }
    std::string_view item = view(request.item);
    const std::size_t slash = item.find('/');
    if (slash == std::string_view::npos) return no_record(request, path_);
    const std::string_view side = item.substr(0, slash);
    item.remove_prefix(slash + 1);
    std::size_t i = 0;
    const auto parsed = std::from_chars(item.data(), item.data() + item.size(), i);
    const bool human = side == "human";
    if (parsed.ec != std::errc() || parsed.ptr != item.data() + item.size() ||
        (!human && side != "machine")) {
      return no_record(request, path_);
    }
    const std::vector<double>& scores = human ? found->second.human : found->second.machine;
    if (i >= scores.size()) return no_record(request, path_);
    out.values(std::span<const double>(&scores[i], 1));
    return {};
  }

 private:
  Result<void> check(Result<void> loaded) const {
    if (!loaded) return loaded;
    if (!runs_.empty()) return {};
    return Error{Code::kData,
                 "'" + path_ + "' holds no detector scores" + (run_.empty() ? "" : " of run '" + run_ + "'") +
                     "; expected lines with \"file\", \"real\" and \"samples\", or native result files",
                 {}};
  }
  Result<void> load_file(const std::string& path) {
    Result<SourceFile> opened = SourceFile::open(path);
    if (!opened) return std::move(opened).error();
    const SourceFile file = std::move(*opened);
    const std::string_view text = file.text();
    dom::parser parser;
    try {
      dom::element whole;
      if (parser.parse(text.data(), text.size(), true).get(whole) == simdjson::SUCCESS) {
        return add(whole, without_json(std::filesystem::path(path).filename().string()), path);
      }
    } catch (const simdjson::simdjson_error& error) {
      return malformed(path, error.what());
    }
    for (std::size_t at = 0, next = 0; at < text.size(); at = next) {
      const std::string_view line = line_at(text, at, next);
      if (is_blank(line)) continue;
      try {
        if (Result<void> added = add(parser.parse(line.data(), line.size(), true), {}, file.place(at));
            !added)
          return added;
      } catch (const simdjson::simdjson_error& error) {
        return malformed(file.place(at), error.what());
      }
    }
    return {};
  }
  static Error malformed(const std::string& place, const char* reason) {
    return {Code::kData,
            place + ": not a record of detector scores (" + reason +
                "); expected \"real\" and \"samples\" as lists of numbers",
            {}};
  }
  Result<void> add(dom::element record, const std::string& file_name, const std::string& place) {
    std::string_view name;
    std::string variant = file_name;
    if (record["file"].get(name) == simdjson::SUCCESS) variant = without_json(name);
    if (variant.empty()) return malformed(place, "no \"file\"");
    if (!run_.empty() && variant != run_) return {};
    dom::element predictions;
    if (record["predictions"].get(predictions) != simdjson::SUCCESS) predictions = record;
    Scores scores;
    read_scores(predictions["real"], scores.human);
    read_scores(predictions["samples"], scores.machine);
    scores.place = place;
    const auto [at, fresh] = runs_.emplace(variant, std::move(scores));
    if (!fresh) {
      return Error{
          Code::kData,
          place + ": a second set of scores of '" + variant + "'; the first is at " + at->second.place,
          {}};
    }
    return {};
  }

  std::string path_, run_;
  std::unordered_map<std::string, Scores> runs_;
};

}  // namespace

Result<std::unique_ptr<Recording>> open_detector_scores(const std::string& path, const std::string& run) {
  auto recording = std::make_unique<DetectorScores>(path, run);
  if (Result<void> loaded = recording->load(); !loaded) return std::move(loaded).error();
  return std::unique_ptr<Recording>(std::move(recording));
}

}  // namespace assay::replay
