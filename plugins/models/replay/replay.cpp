// `assay.replay`: a model that gives the answers of a file, and none it does not hold.
#include "plugins/models/replay/recording.hpp"

namespace {

using namespace assay;  // NOLINT: the plugin's own file

class Replay final : public Model {
 public:
  static constexpr ModelInfo info = {
      .id = "assay.replay",
      .title = "Recorded answers",
      .doc =
          "Gives the answers recorded in a file; a request without a record is an error (no_record), never a "
          "default. Formats: jsonl, the project's own (a header line {\"format\":\"assay.replay/1\", "
          "\"model\", "
          "\"capabilities\":[...], \"key_mode\":\"item\"|\"request\", \"tokenizer\", \"class_names\"} and "
          "one record "
          "per line: {\"key\": item id or {task,item,variant,kind,name,repeat}, \"text\" or \"choices\", "
          "\"finish_reason\", \"tokens\", \"logprobs\", \"ranks\", \"entropy\", \"mu\", \"var\", "
          "\"max_logprob\", "
          "\"mean_logprob\", \"scored_count\", \"values\", \"series\", \"usage\", \"meta\"}; null is "
          "unscored); "
          "parts missing from a key match anything, except that a record without repeat answers repeat 0 "
          "only. "
          "tofu_log: result logs of TOFU, WPU and dp2 (locuslab/tofu). detector_scores: score files of "
          "baoguangsheng/fast-detect-gpt. pope_confusion: a list of POPE questions, answered so that the "
          "published counts of true and false answers come out (made up from the counts, for checking "
          "published figures). Plain or gzip.",
      .provides = ASSAY_CAP_GENERATE | ASSAY_CAP_CHAT | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB |
                  ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1 |
                  ASSAY_CAP_CLASSIFY | ASSAY_CAP_EMBED | ASSAY_CAP_GENERATE_STATS | ASSAY_CAP_IMAGE,
      .concurrency = ASSAY_CONCURRENCY_PARALLEL,
      .flags = ASSAY_FLAG_DETERMINISTIC | ASSAY_FLAG_BATCH_INVARIANT | ASSAY_FLAG_KEYED_BY_ITEM,
      .preferred_batch = 256};

  Result<void> configure() override {
    auto opened = format_.get() == "tofu_log"         ? replay::open_tofu_log(path_.get().text)
                  : format_.get() == "pope_confusion" ? replay::open_pope_confusion(path_.get().text, counts_)
                  : format_.get() == "detector_scores" ? replay::open_detector_scores(path_.get().text, run_)
                                                       : replay::open_rows(path_.get().text, run_);
    if (format_.get() == "tofu_log" && !run_.get().empty()) {
      return Error{Code::kInvalidArgument, "'run' selects among runs of one file; a TOFU log holds one run",
                   "run"};
    }
    if (!opened) {
      Error error = std::move(opened).error();
      if (error.key.empty()) error.key = "path";
      return error;
    }
    recording_ = std::move(*opened);
    return {};
  }

  [[nodiscard]] std::uint64_t capabilities(std::uint64_t declared) const override {
    return recording_ == nullptr ? 0 : recording_->capabilities() & declared;
  }
  std::vector<std::string> class_names() override {
    return recording_ == nullptr ? std::vector<std::string>() : recording_->class_names();
  }
  Result<void> generate(const RequestView& request, ResponseWriter& out, Call&) override {
    return answer(request, out);
  }
  Result<void> score(const RequestView& request, ResponseWriter& out, Call&) override {
    return answer(request, out);
  }
  Result<void> classify(const RequestView& request, ResponseWriter& out, Call&) override {
    return answer(request, out);
  }
  Result<void> embed(const RequestView& request, ResponseWriter& out, Call&) override {
    return answer(request, out);
  }

 private:
  Result<void> answer(const RequestView& request, ResponseWriter& out) const {
    return recording_->answer(request.raw(), out);
  }

  Param<Path> path_{*this, "path", std::nullopt,
                    "the file of recorded answers (a folder is possible for detector_scores)",
                    REQUIRED | AFFECTS_RESULT};
  Param<Choice> format_{*this, "format", Choice{"jsonl"}, "how the file is laid out",
                        ParamOptions{.flags = AFFECTS_RESULT,
                                     .choices = {"jsonl", "tofu_log", "detector_scores", "pope_confusion"}}};
  Param<std::string> run_{
      *this, "run", std::string(),
      "only the records whose \"run\" equals this (jsonl), or only this variant (detector_scores); "
      "empty: all",
      AFFECTS_RESULT};
  Param<std::vector<std::string>> counts_{*this, "counts", std::vector<std::string>{},
                                          "pope_confusion: the published counts TP, FP, TN, FN",
                                          AFFECTS_RESULT};
  std::unique_ptr<replay::Recording> recording_;
};

}  // namespace

ASSAY_PLUGIN(Replay);
