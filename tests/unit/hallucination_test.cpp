// Planted answers, uncertainties and calibration on records made by hand.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numeric>

#include "plugins/metrics/hallucination/calibration_metrics.hpp"
#include "plugins/metrics/hallucination/planted_metrics.hpp"
#include "plugins/metrics/hallucination/uncertainty_metrics.hpp"
#include "tests/support/plugin_params.hpp"
#include "tests/support/record_box.hpp"

using namespace assay;                 // NOLINT: a test
using namespace assay::hallucination;  // NOLINT
using test::RecordBox;

namespace {

struct Fact : RecordBox {
  explicit Fact(std::string_view answer, double k = 0) {
    target("Koune").field("k", k).field("attribute", "city").field("pool", "Bal\nKoune\nPla");
    generated("answer", {answer}, {{-0.5, -0.25}});
  }
};

std::vector<double> aggregate(Metric& metric, const std::vector<double>& values, std::size_t width,
                              std::vector<std::uint32_t> picks, std::size_t custom) {
  const std::size_t n = values.size() / width;
  const std::vector<std::int32_t> labels(n, -1);
  assay_sample raw{};
  raw.struct_size = sizeof raw;
  raw.item_count = n;
  raw.value_count = width;
  raw.values = values.data();
  raw.labels = labels.data();
  std::vector<double> out(custom, kMissing);
  REQUIRE(metric.aggregate(Sample(&raw), picks, out).ok());
  return out;
}

}  // namespace

TEST_CASE("hallucination: answers are correct, made up, abstained or outside the domain") {
  PlantedAnswers metric;
  const auto values = [&](std::string_view answer) { return Fact(answer).score(metric, 4).values; };
  CHECK(values(" Koune .") == std::vector<double>{1, 0, 0, 1});
  CHECK(values("Pla") == std::vector<double>{0, 1, 0, 1});
  CHECK(values("unknown") == std::vector<double>{0, 0, 1, 0});
  CHECK(values("Koun") == std::vector<double>{0, 0, 0, 0});
  CHECK(values("Pla Koune") == std::vector<double>{0, 0, 0, 0});
  const auto empty = Fact(" . Koune").score(metric, 4);
  CHECK(empty.outcome.state == State::kEmpty);  // neither wrong nor abstained
  CHECK(std::isnan(empty.values[0]));
}

TEST_CASE("hallucination: a tie for the best candidate is wrong") {
  PlantedMultipleChoice metric;
  RecordBox tie;
  tie.scored("choice/0", " a", 1, -2).scored("choice/1", " b", 0, -2).scored("choice/2", " c", 0, -9);
  CHECK(tie.score(metric, 2).values[0] == 0);
  CHECK(tie.score(metric, 2).outcome.note == "tie");
  RecordBox right;
  right.scored("choice/0", " b", 0, std::log(0.1)).scored("choice/1", " a", 1, std::log(0.3));
  CHECK(right.score(metric, 2).values[0] == 1);
  CHECK(std::abs(right.score(metric, 2).values[1] - 0.75) < 1e-15);
  RecordBox missing;
  missing.scored("choice/0", " b", 0, kMissing).scored("choice/1", " a", 1, -1);
  CHECK(missing.score(metric, 2).outcome.state == State::kUnparsed);
}

TEST_CASE("hallucination: -log p sums the tokens of the answer; without them there is no value") {
  NegLogp metric;
  const auto scored = Fact("Koune", 4).score(metric, kFirstExtra);
  CHECK(scored.values[kUncertainty] == 0.75);
  CHECK(scored.values[kIncorrect] == 0);
  CHECK(scored.values[kExposures] == 4);
  RecordBox bare;
  bare.target("a").generated("answer", {"a"});
  const auto none = bare.score(metric, kFirstExtra);
  CHECK(none.outcome.state == State::kUnsupported);
  CHECK(std::isnan(none.values[kUncertainty]));
}

TEST_CASE("hallucination: aggregates rank wrong answers and unseen facts, resamples included") {
  NegLogp metric;
  // uncertainty, incorrect, exposures
  const std::vector<double> values = {0.1, 0, 16, 0.2, 0, 2, 0.9, 1, 0, 0.2, 1, 1, kMissing, 1, 0};
  const auto all = aggregate(metric, values, kFirstExtra, {0, 1, 2, 3, 4}, 8);
  CHECK(all[kAuroc] == (1 + 1 + 1 + 0.5) / 4);  // pairs wrong over right: 0.9 twice, 0.2 over 0.1, a tie
  CHECK(all[kAurocUnseen] == 1.0);              // k = 1 takes part in neither class
  const auto one_class = aggregate(metric, values, kFirstExtra, {0, 1, 0}, 8);
  CHECK(std::isnan(one_class[kAuroc]));
  CHECK(one_class[kAuarc] == 1.0);
  const auto nothing = aggregate(metric, values, kFirstExtra, {4}, 8);
  CHECK(std::isnan(nothing[kAuarc]));
}

TEST_CASE("hallucination: semantic entropy of samples") {
  SemanticEntropy discrete, normalised, rao;
  test::give(normalised, "equivalence", "normalised");
  test::give(rao, "variant", "se_rao");
  RecordBox box;
  box.target("Koune").field("k", 0.0).generated("answer", {"Koune"});
  box.generated("samples", {"Koune .", "koune", "Pla", "Koune"});
  CHECK(std::abs(box.score(discrete, kFirstExtra).values[0] -
                 (0.5 * std::log(2.0) + 2 * 0.25 * std::log(4.0))) < 1e-15);
  CHECK(std::abs(box.score(normalised, kFirstExtra).values[0] -
                 (-0.75 * std::log(0.75) - 0.25 * std::log(0.25))) < 1e-15);
  CHECK(box.score(rao, kFirstExtra).outcome.state == State::kUnsupported);
  RecordBox with_likelihood;
  with_likelihood.target("a").generated("answer", {"a"});
  with_likelihood.generated("samples", {"a", "b"}, {{std::log(0.9)}, {std::log(0.1)}});
  CHECK(std::abs(with_likelihood.score(rao, kFirstExtra).values[0] -
                 (-0.9 * std::log(0.9) - 0.1 * std::log(0.1))) < 1e-15);
  RecordBox single;
  single.target("a").generated("answer", {"a"});
  CHECK(single.score(discrete, kFirstExtra).outcome.state == State::kUnsupported);
}

TEST_CASE("hallucination: ensemble disagreement from the members' rows") {
  Epistemic metric;
  RecordBox box;
  box.target("a").generated("answer", {"b"}).distributions("first", {{1, 0}, {0, 1}});
  const auto scored = box.score(metric, kFirstExtra + 2);
  CHECK(std::abs(scored.values[kUncertainty] - std::log(2.0)) < 1e-15);
  CHECK(scored.values[kFirstExtra + 1] == 0);
  RecordBox different;
  different.target("a").generated("answer", {"b"}).distributions("first", {{1, 0}, {0, 1, 0}});
  CHECK(different.score(metric, kFirstExtra + 2).outcome.state == State::kUnsupported);
  RecordBox one;
  one.target("a").generated("answer", {"b"}).distributions("first", {{0.5, 0.5}});
  CHECK(one.score(metric, kFirstExtra + 2).values[kUncertainty] == 0);
}

TEST_CASE("hallucination: bin edges belong where the variant says") {
  const std::vector<double> confidence = {0.1, 0.1}, correct = {1, 0};
  const std::vector<double> edge = {0.2, 0.25}, outcome = {1, 0};
  // closed on the right, 0.2 lies in (0.1, 0.2] and 0.25 in the next bin; closed on the left both share one
  CHECK(std::abs(ece(edge, outcome, Bins::kW10) - (0.5 * 0.8 + 0.5 * 0.25)) < 1e-15);
  CHECK(std::abs(ece(edge, outcome, Bins::kW10Left) - 0.275) < 1e-15);
  CHECK(std::abs(ece(confidence, correct, Bins::kW10) - 0.4) < 1e-15);
  CHECK(std::isnan(ece({}, {}, Bins::kW15)));
  const std::vector<double> ends = {0.0, 1.0}, right = {0, 1};
  for (const Bins bins : {Bins::kW10, Bins::kW15, Bins::kW20, Bins::kW10Left, Bins::kM10})
    CHECK(ece(ends, right, bins) == 0);
}

TEST_CASE("hallucination: calibration of choices through the metric") {
  ChoiceCalibration metric;
  RecordBox box;
  box.scored("choice/0", " b", 0, std::log(0.2)).scored("choice/1", " a", 1, std::log(0.6));
  const auto scored = box.score(metric, 3);
  CHECK(std::abs(scored.values[0] - 0.75) < 1e-15);
  CHECK(scored.values[1] == 1);
  CHECK(std::abs(scored.values[2] - 0.0625) < 1e-15);
  const auto errors = aggregate(metric, scored.values, 3, {0}, 2);
  CHECK(std::abs(errors[0] - 0.25) < 1e-15);
}

TEST_CASE("hallucination: distributions of every form become probabilities") {
  const std::vector<float> logits = {0.0F, 0.0F};
  const std::vector<double> logs = {std::log(0.25), std::log(0.75)};
  std::vector<double> p;
  assay_row row{};
  row.vocabulary = 2;
  row.form = ASSAY_ROW_LOGITS;
  row.dtype = ASSAY_F32;
  row.data = logits.data();
  probabilities_of(row, p);
  CHECK(p == std::vector<double>{0.5, 0.5});
  row.form = ASSAY_ROW_LOGPROBS;
  row.dtype = ASSAY_F64;
  row.data = logs.data();
  probabilities_of(row, p);
  CHECK(std::abs(p[1] - 0.75) < 1e-15);
}
