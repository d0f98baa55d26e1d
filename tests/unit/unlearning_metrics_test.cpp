// Metric classes on records made by hand: what is missing stays missing, pooled metrics pick their items.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "membership_metrics.hpp"
#include "tests/unit/unlearning_support.hpp"
#include "unlearning_metrics.hpp"

using namespace assay;              // NOLINT: a test of the plugins
using namespace assay::unlearning;  // NOLINT
using namespace assay::test;        // NOLINT

namespace {

/// One question; the answers come from `Answer` below.
struct Question {
  std::string id = {}, variant = {}, answer = {};
  int label = -1;
  std::string role = {}, probe = {};
  int perturbed = 2;
};

class Questions final : public Task {
 public:
  explicit Questions(std::vector<Question> list) : list_(std::move(list)) {}
  Result<void> open(Call&) override { return {}; }
  [[nodiscard]] std::int64_t count() const override { return static_cast<std::int64_t>(list_.size()); }
  Result<void> item(std::uint64_t index, ItemWriter& out) override {
    const Question& q = list_[static_cast<std::size_t>(index)];
    out.id(q.id).variant(q.variant).text("what is the capital?").target(q.answer).label(q.label);
    if (!q.role.empty()) out.field("role", q.role);
    if (!q.probe.empty()) out.field("probe", q.probe);
    out.request({.kind = ASSAY_REQUEST_GENERATE, .name = "answer"});
    out.request({.kind = ASSAY_REQUEST_SCORE, .name = "gold"});
    out.request({.kind = ASSAY_REQUEST_SCORE, .name = "para"});
    for (int j = 0; j < q.perturbed; ++j) {
      out.request({.kind = ASSAY_REQUEST_SCORE, .name = "pert/" + std::to_string(j)});
    }
    return {};
  }

 private:
  std::vector<Question> list_;
};

struct Answer {
  std::string text = {};
  double gold = 1, para = 1, pert = 2;  ///< losses
};

/// Answers by item id.
Answerer by_id(const std::vector<std::pair<std::string, Answer>>& table) {
  return [table](const assay_request& request, ResponseWriter& out) -> Result<void> {
    for (const auto& [id, answer] : table) {
      if (id != view(request.item)) continue;
      const std::string_view name = view(request.name);
      if (name == "answer") {
        out.choice(answer.text, Finish::kStop);
      } else {
        out.mean_logprob(-(name == "gold" ? answer.gold : name == "para" ? answer.para : answer.pert), 3);
      }
      return {};
    }
    return Error{Code::kNotFound, "no_record", {}};
  };
}

/// Tokens 5 6 7 8 with the given most probable ones.
Answerer with_tokens(const std::vector<double>& top1, const std::vector<double>& logprob) {
  return [top1, logprob](const assay_request& request, ResponseWriter& out) -> Result<void> {
    if (request.kind == ASSAY_REQUEST_GENERATE) {
      out.choice("", Finish::kStop);
      return {};
    }
    const std::uint32_t mask =
        (logprob.empty() ? 0U : 1U << ASSAY_STAT_LOGPROB) | (top1.empty() ? 0U : 1U << ASSAY_STAT_TOP1_ID);
    const TokensWriter tokens = out.make_tokens(4, mask, true, false);
    for (std::size_t i = 0; i < 4; ++i) {
      tokens.ids[i] = static_cast<std::int32_t>(5 + i);
      if (!top1.empty()) tokens.stat[ASSAY_STAT_TOP1_ID][i] = top1[i];
      if (!logprob.empty()) tokens.stat[ASSAY_STAT_LOGPROB][i] = logprob[i];
    }
    out.tokens(tokens);
    return {};
  };
}

struct Asked {
  TestCall call;
  Answered answers, reference;
  Asked(std::vector<Question> questions, const Answerer& model, const Answerer* other = nullptr) {
    Questions task(std::move(questions));
    const auto items = items_of(task, call);
    answers = answers_of(items, model, call);
    if (other != nullptr) reference = answers_of(items, *other, call);
  }
};

bool as_written(double a, double b) {
  return std::abs(a - b) <= 1e-12;
}

}  // namespace

TEST_CASE("unlearning.rouge: empty answers are wrong answers, logs without texts give recorded recall only") {
  Asked asked({{"a", "", "The capital is Paris"}, {"b", "", "Rome"}},
              by_id({{"a", {.text = "Paris is it"}}, {"b", {.text = ""}}}));
  Rouge rouge;
  const Scored scored = scores_of(rouge, asked.answers);
  CHECK(as_written(scored.rows[0][0], 0.25));
  CHECK(scored.rows[1][0] == 0.0);
  CHECK(scored.states[1] == State::kOk);
  Rouge f;
  give(f, "stat", "f");
  give(f, "variant", "rouge1");
  CHECK(as_written(scores_of(f, asked.answers).rows[0][0], 2 * 2 / 7.0));  // "paris", "is" of 4 and of 3

  const Answerer recorded = [](const assay_request& request, ResponseWriter& out) -> Result<void> {
    const double recall = 0.75;
    if (request.kind == ASSAY_REQUEST_GENERATE) out.series("rougeL_recall", {&recall, 1});
    return {};
  };
  Asked log({{"a", "", "x"}}, recorded);
  CHECK(scores_of(rouge, log.answers).rows[0][0] == 0.75);
  const Scored none = scores_of(f, log.answers);
  CHECK(std::isnan(none.rows[0][0]));
  CHECK(none.states[0] == State::kUnsupported);
}

TEST_CASE("blind.prompt_copy: the overlap of question and answer needs no model") {
  Asked asked({{"a", "", "The capital is Paris"}}, by_id({{"a", {}}}));
  PromptCopy copy;
  CHECK(as_written(scores_of(copy, asked.answers).rows[0][0], 0.5));  // "the capital"
  CHECK(PromptCopy::info.requires_caps == 0);
}

TEST_CASE("tofu.utility: a section without items leaves no utility, a zero cell makes it zero") {
  const std::vector<std::pair<std::string, Answer>> table = {
      {"r", {.text = "Paris"}}, {"a", {.text = "Paris"}}, {"w", {.text = "nothing"}}};
  TofuUtility utility;
  Asked two({{"r", "retain", "Paris"}, {"a", "real_authors", "Paris"}}, by_id(table));
  const auto partial = aggregate_of(utility, scores_of(utility, two.answers));
  CHECK(as_written(custom<TofuUtility>(partial, "retain_prob"), std::exp(-1.0)));
  CHECK(std::isnan(custom<TofuUtility>(partial, "world_facts_prob")));
  CHECK(std::isnan(custom<TofuUtility>(partial, "model_utility")));

  Asked all({{"r", "retain", "Paris"},
             {"a", "real_authors", "Paris"},
             {"w", "world_facts", "Paris"},
             {"x", "elsewhere", "Paris"}},
            by_id({table[0], table[1], table[2], {"x", {}}}));
  const Scored scored = scores_of(utility, all.answers);
  CHECK(std::isnan(scored.rows[3][0]));
  const auto values = aggregate_of(utility, scored);
  CHECK(custom<TofuUtility>(values, "model_utility") == 0.0);
  CHECK(custom<TofuUtility>(values, "zero_cells") == 1.0);
  // A resample of items weighs them by how often they were drawn.
  const auto resampled = aggregate_of(utility, scored, {0, 0, 1, 2});
  CHECK(custom<TofuUtility>(resampled, "retain_prob") == custom<TofuUtility>(values, "retain_prob"));
  TofuUtility closer;
  give(closer, "variant", "closer-look");
  CHECK(
      std::isnan(custom<TofuUtility>(aggregate_of(closer, scores_of(closer, all.answers)), "model_utility")));
}

TEST_CASE("tofu.forget_quality: only forget items under the probe; what lacks a partner is never invented") {
  const std::vector<Question> questions = {{"a", "forget", "x", -1, "forget", "base"},
                                           {"b", "forget", "x", -1, "forget", "base"},
                                           {"c", "retain", "x"},
                                           {"d", "forget_paraphrased", "x", -1, "forget", "paraphrase"}};
  const Answerer model =
      by_id({{"a", {.pert = 2}}, {"b", {.pert = 3}}, {"c", {.pert = 9}}, {"d", {.pert = 5}}});
  const Answerer other = by_id({{"a", {.pert = 4}}, {"c", {.pert = 9}}, {"d", {.pert = 5}}});
  Asked asked(questions, model, &other);
  ForgetQuality quality;
  const Scored scored = scores_of(quality, asked.answers, &asked.reference);
  CHECK(as_written(scored.rows[0][0], 1.0));
  CHECK(as_written(scored.rows[0][1], 3.0));
  CHECK(std::isnan(scored.rows[1][1]));
  CHECK(scored.notes[1].starts_with("reference_mismatch"));
  CHECK(std::isnan(scored.rows[2][0]));
  const auto strict = aggregate_of(quality, scored);
  CHECK(std::isnan(custom<ForgetQuality>(strict, "forget_quality")));
  CHECK(custom<ForgetQuality>(strict, "n") == 2);
  CHECK(custom<ForgetQuality>(strict, "n_reference") == 1);
  give(quality, "reference_match", "intersect");
  const auto joined = aggregate_of(quality, scored);
  CHECK(custom<ForgetQuality>(joined, "n") == 1);
  CHECK(custom<ForgetQuality>(joined, "ks_d") == 1.0);
  CHECK(custom<ForgetQuality>(joined, "forget_quality") == 1.0);
  give(quality, "reference_match", "any");
  CHECK(custom<ForgetQuality>(aggregate_of(quality, scored), "ks_h") == 2.0);

  ForgetQuality paraphrased;
  give(paraphrased, "probe", "paraphrase");
  const Scored other_probe = scores_of(paraphrased, asked.answers, &asked.reference);
  CHECK(as_written(other_probe.rows[3][0], 4.0));
  CHECK(custom<ForgetQuality>(aggregate_of(paraphrased, other_probe), "forget_quality") == 1.0);
  // Without any reference there is no value at all.
  CHECK(std::isnan(custom<ForgetQuality>(aggregate_of(quality, scores_of(quality, asked.answers)), "ks_d")));
}

TEST_CASE("unlearning.truth_ratio: the role decides the shape, missing perturbations leave no value") {
  Asked asked({{"a", "forget", "x"}, {"b", "retain", "x"}, {"c", "retain", "x", -1, "", "", 0}},
              by_id({{"a", {}}, {"b", {}}, {"c", {}}}));
  TruthRatio ratio;
  const Scored scored = scores_of(ratio, asked.answers);
  CHECK(as_written(scored.rows[0][0], std::exp(-1.0)));
  CHECK(as_written(scored.rows[1][0], 1.0 - std::exp(-1.0)));
  CHECK(std::isnan(scored.rows[2][0]));
  CHECK(scored.states[2] == State::kUnsupported);
  give(ratio, "shape", "closer_to_1");
  CHECK(as_written(scores_of(ratio, asked.answers).rows[1][0], std::exp(-1.0)));
}

TEST_CASE("memorisation metrics drop the end of text and want token ids") {
  Asked asked({{"a", "", "x", -1, "", "", 0}}, with_tokens({5, 0, 7, 0}, {}));
  ExactMemorization em;
  ExtractionStrength es;
  CHECK(as_written(scores_of(em, asked.answers).rows[0][0], 2.0 / 3.0));
  CHECK(scores_of(em, asked.answers).rows[0][1] == 3.0);
  CHECK(as_written(scores_of(es, asked.answers).rows[0][0], 1.0 / 3.0));
  give(em, "positions", "all");
  give(es, "positions", "all");
  CHECK(as_written(scores_of(em, asked.answers).rows[0][0], 0.5));
  CHECK(as_written(scores_of(es, asked.answers).rows[0][0], 0.25));
  give(es, "variant", "strict");
  CHECK(scores_of(es, asked.answers).rows[0][0] == 0.0);
  Asked means({{"a", "", "x"}}, by_id({{"a", {}}}));
  CHECK(scores_of(em, means.answers).states[0] == State::kUnsupported);
}

TEST_CASE("membership: forget is class 0, holdout class 1, others and other probes stay out") {
  const std::vector<Question> questions = {{"f", "base/forget", "x", 0, "forget", "base"},
                                           {"g", "base/forget", "x", 0, "forget", "base"},
                                           {"h", "base/holdout", "x", 1, "holdout", "base"},
                                           {"r", "base/retain", "x", -1, "retain", "base"},
                                           {"p", "alias/forget", "x", 0, "forget", "alias"}};
  const Answerer model =
      by_id({{"f", {.gold = 1}}, {"g", {.gold = 3}}, {"h", {.gold = 3}}, {"r", {}}, {"p", {}}});
  const Answerer other =
      by_id({{"f", {.gold = 3}}, {"g", {.gold = 4}}, {"h", {.gold = 3.5}}, {"r", {}}, {"p", {}}});
  Asked asked(questions, model, &other);
  MiaLoss loss;
  const Scored losses = scores_of(loss, asked.answers);
  CHECK(losses.rows[0][0] == 1.0);
  CHECK(std::isnan(losses.rows[3][0]));
  CHECK(std::isnan(losses.rows[4][0]));
  PrivLeak leak;
  const auto values = aggregate_of(leak, scores_of(leak, asked.answers, &asked.reference));
  CHECK(as_written(custom<PrivLeak>(values, "auc"), 0.75));
  CHECK(as_written(custom<PrivLeak>(values, "auc_reference"), 0.5));
  CHECK(std::abs(custom<PrivLeak>(values, "privleak") + 50.0) < 1e-6);
  const auto alone = aggregate_of(leak, scores_of(leak, asked.answers));
  CHECK(std::isnan(custom<PrivLeak>(alone, "privleak")));
}

TEST_CASE("membership by Min-K: the MUSE rule gives short answers no score") {
  const Answerer model = with_tokens({}, {-1, -3, -2, -9});
  Asked asked({{"f", "", "x", 0, "", "", 0}}, model, &model);
  PrivLeakMinK leak;
  CHECK(scores_of(leak, asked.answers, &asked.reference).rows[0][0] == 3.0);  // floor(0.4 * 3) = 1 of 3
  give(leak, "positions", "all");
  CHECK(scores_of(leak, asked.answers, &asked.reference).rows[0][0] == 9.0);
  PrivLeakMinK muse;
  give(muse, "variant", "muse");
  assay_value k{};
  k.number = 0.2;
  give(muse, "k", k);
  const Scored scored = scores_of(muse, asked.answers, &asked.reference);
  CHECK(std::isnan(scored.rows[0][0]));
  CHECK(scored.notes[0].find("too_short") != std::string::npos);
}

TEST_CASE("refusals, empty generations and gibberish are told apart") {
  Asked asked({{"a", "", "x"}, {"b", "", "x"}, {"c", "", "x"}, {"d", "", "x"}},
              by_id({{"a", {.text = "I do not know ."}},
                     {"b", {.text = " \n"}},
                     {"c", {.text = "la la la la la la la la la la"}},
                     {"d", {.text = "The capital is Paris."}}}));
  RefusalRate refusals;
  REQUIRE(refusals.configure().ok());
  const Scored scored = scores_of(refusals, asked.answers);
  CHECK(scored.rows[0] == std::vector<double>{1, 0});
  CHECK(scored.rows[1] == std::vector<double>{0, 1});
  CHECK(scored.rows[3] == std::vector<double>{0, 0});
  GibberishRate gibberish;
  const Scored flagged = scores_of(gibberish, asked.answers);
  CHECK(flagged.rows[2][0] == 1.0);
  CHECK(flagged.rows[3] == std::vector<double>{0, 1});
  RefusalRate missing;
  give(missing, "phrases", "/no/such/file");
  CHECK(missing.configure().error().code == Code::kNotFound);
}
