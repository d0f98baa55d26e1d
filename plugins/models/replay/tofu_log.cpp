// Result logs of TOFU (locuslab/tofu), WPU (UCSB-NLP-Chang/causal_unlearn) and the dp2 study
// (tamimalmahmud/LLM-Unlearning): sections of field -> {row number -> value}.
#include <simdjson.h>

#include <array>
#include <optional>
#include <unordered_map>

#include "plugins/models/replay/recording.hpp"
#include "plugins/models/replay/source_file.hpp"

namespace assay::replay {
namespace {

namespace dom = simdjson::dom;

struct SectionName {
  std::string_view in_file, variant;
};
constexpr std::array<SectionName, 5> kSections = {
    {{"eval_log.json", "retain"},
     {"eval_real_author_wo_options.json", "real_authors"},
     {"eval_real_world_wo_options.json", "world_facts"},
     {"eval_log_forget.json", "forget"},
     {"eval_log_forget_paraphrased.json", "forget_paraphrased"}}};

struct Row {
  double gold = kMissing, para = kMissing;  // mean losses per token
  std::int64_t gold_tokens = 0, para_tokens = 0;
  std::vector<double> pert;
  std::vector<std::int64_t> pert_tokens;
  double rouge1 = kMissing, rouge_l = kMissing;
  std::optional<std::string> text;
};
using Section = std::unordered_map<std::string, Row>;

class TofuLog final : public Recording {
 public:
  explicit TofuLog(std::string path) : path_(std::move(path)) {}

  Result<void> load() {
    const Result<SourceFile> file = SourceFile::open(path_);
    if (!file) return file.error();
    try {
      dom::parser parser;
      const std::string_view text = file->text();
      const dom::object top = parser.parse(text.data(), text.size(), true);
      for (std::size_t s = 0; s < kSections.size(); ++s) {
        dom::object section;
        if (top[kSections[s].in_file].get(section) == simdjson::SUCCESS) read_section(section, sections_[s]);
      }
    } catch (const simdjson::simdjson_error& error) {
      return Error{Code::kData,
                   "'" + path_ + "' is not a TOFU result log (" + error.what() + "); expected " + kShape,
                   {}};
    }
    for (const Section& section : sections_) {
      if (!section.empty()) return {};
    }
    return Error{
        Code::kData, "'" + path_ + "' has none of the sections of a TOFU result log; expected " + kShape, {}};
  }

  [[nodiscard]] std::uint64_t capabilities() const override {
    return ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN;
  }

  Result<void> answer(const assay_request& request, ResponseWriter& out) const override {
    const Row* row = locate(request);
    if (row == nullptr) return no_record(request, path_);
    if (request.repeat != 0 || request.n > 1) return no_record(request, path_);
    const std::string_view name = view(request.name);
    if (request.kind == ASSAY_REQUEST_GENERATE && name == "answer") return generated(request, *row, out);
    if (request.kind != ASSAY_REQUEST_SCORE) return no_record(request, path_);
    if (name == "gold") return scored(request, row->gold, row->gold_tokens, out);
    if (name == "para") return scored(request, row->para, row->para_tokens, out);
    for (std::size_t j = 0; j < row->pert.size(); ++j) {
      if (name == "pert/" + std::to_string(j)) {
        return scored(request, row->pert[j], j < row->pert_tokens.size() ? row->pert_tokens[j] : 0, out);
      }
    }
    return no_record(request, path_);
  }

 private:
  static constexpr const char* kShape =
      "an object of sections such as eval_log.json, each mapping a field to {row number: value}";

  static void read_section(const dom::object& section, Section& rows);
  [[nodiscard]] const Row* locate(const assay_request& request) const {
    for (std::size_t s = 0; s < kSections.size(); ++s) {
      if (kSections[s].variant != view(request.variant)) continue;
      const auto found = sections_[s].find(std::string(view(request.item)));
      return found == sections_[s].end() ? nullptr : &found->second;
    }
    return nullptr;
  }
  static Error lacks(const assay_request& request, std::string_view what) {
    return {Code::kUnsupported, "the log holds no " + std::string(what) + " for " + describe(request), {}};
  }
  static Result<void> generated(const assay_request& request, const Row& row, ResponseWriter& out) {
    if (!row.text && std::isnan(row.rouge1) && std::isnan(row.rouge_l)) return lacks(request, "generation");
    if (row.text) out.choice(*row.text, Finish::kNone);
    if (!std::isnan(row.rouge1)) out.series("rouge1_recall", std::span<const double>(&row.rouge1, 1));
    if (!std::isnan(row.rouge_l)) out.series("rougeL_recall", std::span<const double>(&row.rouge_l, 1));
    return {};
  }
  static Result<void> scored(const assay_request& request, double loss, std::int64_t tokens,
                             ResponseWriter& out) {
    if (std::isnan(loss)) return lacks(request, "loss");
    out.mean_logprob(0.0 - loss, tokens);  // not -loss: a loss of 0 shall not become -0
    return {};
  }

  std::string path_;
  std::array<Section, kSections.size()> sections_;
};

double real_or_nan(const dom::element& value) {
  double number = kMissing;
  return value.get(number) == simdjson::SUCCESS ? number : kMissing;
}

std::int64_t count_or_zero(const dom::element& value) {
  std::int64_t number = 0;
  return value.get(number) == simdjson::SUCCESS ? number : 0;
}

void TofuLog::read_section(const dom::object& section, Section& rows) {
  for (const auto& [field, values] : section) {
    dom::object by_row;
    if (values.get(by_row) != simdjson::SUCCESS) continue;
    for (const auto& [number, value] : by_row) {
      Row& row = rows[std::string(number)];
      if (field == "avg_gt_loss") {
        row.gold = real_or_nan(value);
      } else if (field == "num_token_gt") {
        row.gold_tokens = count_or_zero(value);
      } else if (field == "avg_paraphrased_loss") {
        row.para = real_or_nan(value);
      } else if (field == "num_token_paraphrased") {
        row.para_tokens = count_or_zero(value);
      } else if (field == "average_perturb_loss") {
        for (const dom::element loss : value.get_array()) row.pert.push_back(real_or_nan(loss));
      } else if (field == "num_token_perturb") {
        for (const dom::element tokens : value.get_array()) row.pert_tokens.push_back(count_or_zero(tokens));
      } else if (field == "rouge1_recall") {
        row.rouge1 = real_or_nan(value);
      } else if (field == "rougeL_recall") {
        row.rouge_l = real_or_nan(value);
      } else if (field == "generated_text") {
        std::string_view text;  // [prompt, generation, gold]
        if (value.at(1).get(text) == simdjson::SUCCESS) row.text = std::string(text);
      }
    }
  }
}

}  // namespace

Result<std::unique_ptr<Recording>> open_tofu_log(const std::string& path) {
  auto log = std::make_unique<TofuLog>(path);
  if (Result<void> loaded = log->load(); !loaded) return std::move(loaded).error();
  return std::unique_ptr<Recording>(std::move(log));
}

}  // namespace assay::replay
