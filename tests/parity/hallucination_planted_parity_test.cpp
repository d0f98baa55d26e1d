// The planted-truth experiment over the reference world: the real task, the n-gram model and the real metric
// classes, against the recorded figures of an independent implementation (EXPECTED.json, ngram_word_n10) and
// the acceptance points of hallucination.md 14.3.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <numeric>

#include "plugins/metrics/hallucination/calibration_metrics.hpp"
#include "plugins/metrics/hallucination/planted_metrics.hpp"
#include "plugins/metrics/hallucination/uncertainty_metrics.hpp"
#include "plugins/models/ngram/ngram_model.hpp"
#include "plugins/tasks/planted_facts/planted_facts.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/data.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/plugin_params.hpp"

using namespace assay;                 // NOLINT: a test
using namespace assay::hallucination;  // NOLINT

namespace {

using test::give;
using test::ready;

/// All items of a task with one model's answers.
class Run {
 public:
  Run(planted::PlantedFacts& task, ngram::NgramModel& model)
      : total_(static_cast<std::size_t>(task.count())) {
    Call call = arena_.call();
    items_.resize(total_);
    records_.resize(total_);
    responses_.resize(total_);
    for (std::size_t i = 0; i < total_; ++i) {
      ItemWriter writer(items_[i], arena_.call());
      REQUIRE(task.item(i, writer).ok());
      writer.finish();
      auto* requests = const_cast<assay_request*>(items_[i].requests);
      for (std::size_t r = 0; r < items_[i].request_count; ++r) {
        requests[r].seed = 1000 * i + r;
        responses_[i].push_back(test::empty_response());
        ResponseWriter out(responses_[i].back(), arena_.call());
        const RequestView request(&requests[r]);
        const auto done = request.raw().kind == ASSAY_REQUEST_SCORE ? model.score(request, out, call)
                                                                    : model.generate(request, out, call);
        REQUIRE(done.ok());
        out.finish();
        responses_[i].back().status.code = ASSAY_OK;
      }
      records_[i].struct_size = sizeof(assay_record);
      records_[i].index = i;
      records_[i].item = &items_[i];
      records_[i].responses = responses_[i].data();
      records_[i].response_count = responses_[i].size();
      records_[i].response_size = sizeof(assay_response);
    }
  }
  [[nodiscard]] std::size_t size() const { return total_; }
  [[nodiscard]] Record record(std::size_t i) const { return Record(&records_[i]); }

  /// Per-item values of a metric, row by row.
  std::vector<double> score(Metric& metric, std::size_t width) {
    std::vector<double> values(total_ * width, kMissing);
    Call call = arena_.call();
    for (std::size_t i = 0; i < total_; ++i) {
      const auto outcome = metric.score(record(i), std::span(values).subspan(i * width, width), call);
      REQUIRE(outcome.ok());
      REQUIRE(outcome->state == State::kOk);
    }
    return values;
  }

 private:
  test::Arena arena_;
  std::size_t total_;
  std::vector<assay_item> items_;
  std::vector<assay_record> records_;
  std::vector<std::vector<assay_response>> responses_;
};

template <class M>
std::vector<double> aggregate(M& metric, const std::vector<double>& values, std::size_t width) {
  const std::size_t n = values.size() / width;
  std::vector<std::int32_t> labels(n, -1);
  std::vector<std::uint32_t> picks(n);
  std::iota(picks.begin(), picks.end(), 0U);
  assay_sample raw{};
  raw.struct_size = sizeof raw;
  raw.item_count = n;
  raw.value_count = width;
  raw.values = values.data();
  raw.labels = labels.data();
  std::size_t custom = 0;
  for (const ValueInfo& info : M::values) custom += info.rule == Rule::kCustom ? 1U : 0U;
  std::vector<double> out(custom, kMissing);
  REQUIRE(metric.aggregate(Sample(&raw), picks, out).ok());
  return out;
}

/// Mean of value `v` over the items with k exposures.
std::map<std::int64_t, double> by_exposure(const Run& run, const std::vector<double>& values,
                                           std::size_t width, std::size_t v) {
  std::map<std::int64_t, double> sum, count;
  for (std::size_t i = 0; i < run.size(); ++i) {
    const auto k = static_cast<std::int64_t>(run.record(i).number("k"));
    sum[k] += values[i * width + v];
    count[k] += 1;
  }
  for (auto& [k, value] : sum) value /= count[k];
  return sum;
}

struct Setting {
  const char* estimator;
  bool trained;
};

std::unique_ptr<ngram::NgramModel> make_model(const std::filesystem::path& world, const Setting& setting) {
  auto model = std::make_unique<ngram::NgramModel>();
  const std::string train = (world / "train.txt").string();
  give(*model, "estimator", setting.estimator);
  give(*model, "order", 10);
  give(*model, "tokenizer", "word");
  give(*model, setting.trained ? "train" : "vocabulary", train);
  ready(*model);
  return model;
}

std::unique_ptr<planted::PlantedFacts> make_task(const std::filesystem::path& world) {
  auto task = std::make_unique<planted::PlantedFacts>();
  give(*task, "data", (world / "probes.jsonl").string());
  ready(*task);
  const test::Arena arena;
  Call call = arena.call();
  REQUIRE(task->open(call).ok());
  CHECK(task->problems().empty());
  return task;
}

constexpr double kAurocTolerance = 0.001;  // hallucination.md 14.3
constexpr double kSampledTolerance = 0.03;

template <class M>
std::pair<std::vector<double>, std::vector<double>> measure(Run& run, M& metric,
                                                            std::size_t width = kFirstExtra) {
  const std::vector<double> values = run.score(metric, width);
  return {values, aggregate(metric, values, width)};
}

}  // namespace

TEST_CASE("hallucination planted parity: the n-gram model on the reference world") {
  ASSAY_NEEDS_DATA(root);
  const auto world = root / "hallucination/planted/world_A";
  const auto task = make_task(world);
  REQUIRE(task->count() == 2400);
  simdjson::dom::parser parser;
  const test::Json all = parser.load((root / "hallucination/EXPECTED.json").string());
  for (const char* estimator : {"mkn", "abs"}) {
    INFO(estimator);
    const test::Json expected = all["planted/world_A"]["ngram_word_n10"][estimator];
    const auto model = make_model(world, {estimator, true});
    CHECK(model->vocabulary() == std::uint64_t(all["planted/world_A"]["ngram_word_n10"]["vocabulary_size"]));
    Run run(*task, *model);

    PlantedAnswers answers;
    const auto answered = run.score(answers, 4);
    PlantedMultipleChoice choice;
    const auto chosen = run.score(choice, 2);
    NegLogp neg_logp;
    const auto [u_neg, a_neg] = measure(run, neg_logp);
    NextTokenEntropy next_entropy;
    const auto [u_next, a_next] = measure(run, next_entropy);
    CandidateEntropy candidates;
    const auto [u_cand, a_cand] = measure(run, candidates);
    SemanticEntropy semantic;
    const auto [u_sem, a_sem] = measure(run, semantic);

    const auto correct = by_exposure(run, answered, 4, 0), made_up = by_exposure(run, answered, 4, 1);
    const auto abstained = by_exposure(run, answered, 4, 2), in_domain = by_exposure(run, answered, 4, 3);
    const auto picked = by_exposure(run, chosen, 2, 0);
    const auto entropy = by_exposure(run, u_next, kFirstExtra, 0),
               neg = by_exposure(run, u_neg, kFirstExtra, 0);
    for (const auto& [k, accuracy] : correct) {
      INFO("k = " << k);
      const test::Json group = expected["by_exposure"][std::to_string(k)];
      CHECK(accuracy == test::real(group["greedy_accuracy"]));
      CHECK(picked.at(k) == test::real(group["mc_accuracy"]));
      CHECK(in_domain.at(k) == test::real(group["answer_in_domain"]));
      CHECK(test::close(entropy.at(k), test::real(group["mean_next_entropy"])));
      CHECK(test::close(neg.at(k), test::real(group["mean_neglogp_top"])));
      CHECK(test::close(accuracy + made_up.at(k), in_domain.at(k)));
    }
    const test::Json wrong = expected["auroc"]["incorrect_vs_uncertainty"];
    const test::Json unseen = expected["auroc"]["never_seen_vs_seen_at_least_2"];
    for (const auto& [name, custom, tolerance] :
         {std::tuple{"neg_logp_top", a_neg, kAurocTolerance},
          {"next_token_entropy", a_next, kAurocTolerance},
          {"candidate_entropy", a_cand, kAurocTolerance},
          {"discrete_semantic_entropy_10", a_sem, kSampledTolerance}}) {
      INFO(name << ": " << custom[kAuroc] << ", " << custom[kAurocUnseen]);
      CHECK(std::abs(custom[kAuroc] - test::real(wrong[name])) <= tolerance);
      CHECK(std::abs(custom[kAurocUnseen] - test::real(unseen[name])) <= tolerance);
    }

    // The acceptance points.
    CHECK(std::abs(picked.at(0) - 0.125) <= 0.04);
    CHECK(correct.at(0) <= 0.06);
    CHECK(correct.at(8) >= 0.9);
    CHECK(correct.at(16) >= correct.at(8) - 0.03);
    CHECK(made_up.at(0) + abstained.at(0) + (1 - in_domain.at(0)) >= 0.94);
    CHECK(a_neg[kAuroc] > 0.9);
    CHECK(a_cand[kAurocUnseen] > 0.9);
    double above = 1e9;
    for (const auto& [k, value] : entropy) {
      CHECK(value < above);
      above = value;
    }
    ChoiceCalibration calibration;
    const auto confidence = run.score(calibration, 3);
    const auto errors = aggregate(calibration, confidence, 3);
    CHECK((errors[0] >= 0 && errors[0] <= errors[1]));
  }
}

TEST_CASE("hallucination planted parity: an untrained model knows nothing") {
  ASSAY_NEEDS_DATA(root);
  const auto world = root / "hallucination/planted/world_A";
  const auto task = make_task(world);
  const auto model = make_model(world, {"mkn", false});
  Run run(*task, *model);
  PlantedMultipleChoice choice;
  const auto chosen = run.score(choice, 2);
  CHECK(by_exposure(run, chosen, 2, 0).at(0) <= 0.165);
  CandidateEntropy candidates;
  const std::vector<double> values = run.score(candidates, kFirstExtra);
  const std::vector<double> custom = aggregate(candidates, values, kFirstExtra);
  CHECK(std::isnan(custom[kAuroc]));  // no answer is correct: undefined, not 0.5
  CHECK(std::abs(custom[kAurocUnseen] - 0.5) <= 0.1);
}

TEST_CASE("hallucination planted parity: the best constant answer per attribute") {
  ASSAY_NEEDS_DATA(root);
  const auto world = root / "hallucination/planted/world_A";
  const auto task = make_task(world);
  const auto model = make_model(world, {"mkn", false});
  Run run(*task, *model);
  std::vector<Record> items;
  std::map<std::string, std::map<std::string, std::size_t>> counts;
  for (std::size_t i = 0; i < run.size(); ++i) {
    items.push_back(run.record(i));
    ++counts[std::string(*items[i].field("attribute"))][std::string(items[i].targets()[0])];
  }
  std::size_t best = 0;
  for (const auto& [attribute, values] : counts) {
    std::size_t top = 0;
    for (const auto& [value, count] : values) top = std::max(top, count);
    best += top;
  }
  MajorityValue majority;
  for (int pass = 0; pass < 2; ++pass) {  // a second selection begins anew
    REQUIRE(majority.fit(std::span(items).first(100), false).ok());
    REQUIRE(majority.fit(std::span(items).subspan(100), true).ok());
    const auto values = run.score(majority, 1);
    CHECK(std::accumulate(values.begin(), values.end(), 0.0) == static_cast<double>(best));
  }
  UniformChoice uniform;
  for (const double value : run.score(uniform, 1)) CHECK(value == 0.125);
}
