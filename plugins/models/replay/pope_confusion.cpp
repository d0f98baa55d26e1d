// Answers that realise a published confusion matrix over a list of yes/no questions. No answers of vision
// models to the POPE questions are public, but their counts are; from the counts the published figures must
// come out again.
#include <simdjson.h>

#include <array>
#include <charconv>
#include <unordered_map>

#include "plugins/models/replay/recording.hpp"
#include "plugins/models/replay/source_file.hpp"

namespace assay::replay {
namespace {

namespace dom = simdjson::dom;

Result<std::array<std::int64_t, 4>> read_counts(const std::vector<std::string>& texts) {
  std::array<std::int64_t, 4> counts{};
  bool good = texts.size() == counts.size();
  for (std::size_t i = 0; good && i < counts.size(); ++i) {
    const char* end = texts[i].data() + texts[i].size();
    const auto [stop, code] = std::from_chars(texts[i].data(), end, counts[i]);
    good = code == std::errc{} && stop == end && counts[i] >= 0;
  }
  if (!good) {
    return Error{
        Code::kInvalidArgument,
        "the format pope_confusion needs counts=[\"TP\", \"FP\", \"TN\", \"FN\"]: four whole numbers",
        "counts"};
  }
  return counts;
}

class PopeConfusion final : public Recording {
 public:
  /// The first TP yes-questions in file order are answered yes, the other yes-questions no; the first FP
  /// no-questions yes, the others no.
  Result<void> load(const SourceFile& file, const std::array<std::int64_t, 4>& counts) {
    path_ = file.path();
    std::int64_t yes_seen = 0, no_seen = 0;
    dom::parser parser;
    for (std::size_t at = 0, next = 0; at < file.text().size(); at = next) {
      const std::string_view line = line_at(file.text(), at, next);
      if (is_blank(line)) continue;
      dom::element row;
      std::string_view label;
      if (parser.parse(line.data(), line.size()).get(row) != simdjson::SUCCESS ||
          row["label"].get(label) != simdjson::SUCCESS || (label != "yes" && label != "no")) {
        return Error{Code::kData, file.place(at) + ": expected a question with the label \"yes\" or \"no\"",
                     "path"};
      }
      std::int64_t number = 0;
      std::string_view text;
      std::string id;
      if (row["question_id"].get(number) == simdjson::SUCCESS)
        id = std::to_string(number);
      else if (row["question_id"].get(text) == simdjson::SUCCESS)
        id = std::string(text);
      else
        return Error{Code::kData, file.place(at) + ": the question has no question_id", "path"};
      answers_[id] = label == "yes" ? yes_seen++ < counts[0] : no_seen++ < counts[1];
    }
    if (yes_seen != counts[0] + counts[3] || no_seen != counts[1] + counts[2]) {
      return Error{Code::kInvalidArgument,
                   file.path() + " holds " + std::to_string(yes_seen) + " yes- and " +
                       std::to_string(no_seen) + " no-questions; the counts speak of " +
                       std::to_string(counts[0] + counts[3]) + " and " +
                       std::to_string(counts[1] + counts[2]),
                   "counts"};
    }
    return {};
  }

  [[nodiscard]] std::uint64_t capabilities() const override { return ASSAY_CAP_GENERATE; }

  Result<void> answer(const assay_request& request, ResponseWriter& out) const override {
    const auto found = answers_.find(std::string(view(request.item)));
    if (found == answers_.end() || request.repeat != 0 || request.kind != ASSAY_REQUEST_GENERATE) {
      return no_record(request, path_);
    }
    out.choice(found->second ? "Yes" : "No", Finish::kStop);
    return {};
  }

 private:
  std::string path_;
  std::unordered_map<std::string, bool> answers_;
};

}  // namespace

Result<std::unique_ptr<Recording>> open_pope_confusion(const std::string& path,
                                                       const std::vector<std::string>& texts) {
  Result<std::array<std::int64_t, 4>> counts = read_counts(texts);
  if (!counts) return std::move(counts).error();
  Result<SourceFile> file = SourceFile::open(path);
  if (!file) return std::move(file).error();
  auto recording = std::make_unique<PopeConfusion>();
  if (Result<void> loaded = recording->load(*file, *counts); !loaded) return std::move(loaded).error();
  return std::unique_ptr<Recording>(std::move(recording));
}

}  // namespace assay::replay
