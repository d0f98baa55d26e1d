// Truth ratios, cells, memorisation and membership scores on numbers worked out by hand.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "unlearning_formulas.hpp"

using namespace assay::unlearning;  // NOLINT: a test of this namespace

namespace {
bool near(double a, double b, double tolerance = 1e-14) {
  return std::abs(a - b) <= tolerance;
}
const double kNan = std::numeric_limits<double>::quiet_NaN();
}  // namespace

TEST_CASE("truth ratio: variants differ in mean, epsilon and shape") {
  const double ln2 = std::log(2.0);
  const std::vector<double> wrong = {3 * ln2, 1 * ln2};  // probabilities 1/8 and 1/2
  const double para = 1 * ln2;                           // probability 1/2
  CHECK(near(ln_truth_ratio(para, wrong), ln2));         // geometric mean 1/4: R = 2
  CHECK(near(truth_ratio_term(TofuVariant::kTofu2024, Section::kRetain, para, wrong), 0.5));
  CHECK(near(truth_ratio_term(TofuVariant::kTofu2024, Section::kForget, para, wrong), 0.5));
  CHECK(near(truth_ratio_term(TofuVariant::kCloserLook, Section::kForget, para, wrong), 0.5));
  // Arithmetic mean of the wrong ones 5/16: 1 - (5/16) / (1/2).
  CHECK(near(truth_ratio_term(TofuVariant::kTofu2024Arith, Section::kWorldFacts, para, wrong), 0.375));
  CHECK(std::isnan(truth_ratio_term(TofuVariant::kTofu2024Arith, Section::kForget, para, wrong)));
  CHECK(near(open_unlearning_ratio(para, wrong), 0.25 / (0.5 + 1e-10)));
  CHECK(near(truth_ratio_term(TofuVariant::kProbMean, Section::kForget, para, wrong), 0.5 / (0.75 + 1e-10)));
  // Where the paraphrase is less likely than the wrong answers, a retain item gives 0, a forget item not.
  CHECK(truth_ratio_term(TofuVariant::kTofu2024, Section::kRetain, 5 * ln2, wrong) == 0.0);
  CHECK(near(truth_ratio_term(TofuVariant::kTofu2024, Section::kForget, 5 * ln2, wrong), 0.125));
}

TEST_CASE("truth ratio: no perturbed answer, no value; collapsed models overflow nowhere") {
  CHECK(std::isnan(ln_truth_ratio(1.0, {})));
  for (const TofuVariant variant :
       {TofuVariant::kTofu2024, TofuVariant::kOpenUnlearning, TofuVariant::kProbMean,
        TofuVariant::kTofu2024Arith, TofuVariant::kCloserLook}) {
    CHECK(std::isnan(truth_ratio_term(variant, Section::kRetain, 1.0, {})));
    CHECK(std::isnan(truth_ratio_term(variant, Section::kRetain, kNan, std::vector<double>{1.0})));
    CHECK(std::isnan(probability_term(variant, Section::kRetain, kNan, {})));
  }
  const std::vector<double> far = {2000.0, 3000.0};
  CHECK(truth_ratio_term(TofuVariant::kTofu2024, Section::kRetain, 1000.0, far) == 1.0);
  CHECK(truth_ratio_term(TofuVariant::kTofu2024Arith, Section::kRetain, 1000.0, far) == 1.0);
  CHECK(probability_term(TofuVariant::kTofu2024, Section::kWorldFacts, 2000.0, far) == 0.5);
  CHECK(probability_term(TofuVariant::kOpenUnlearning, Section::kWorldFacts, 2000.0, far) == 0.0);
}

TEST_CASE("harmonic mean: zero wins, missing and negative values leave none") {
  CHECK(near(harmonic_mean(std::vector<double>{1.0, 0.5, 0.25}), 3.0 / 7.0));
  CHECK(harmonic_mean(std::vector<double>{1.0, 0.0, 0.25}) == 0.0);
  CHECK(std::isnan(harmonic_mean(std::vector<double>{1.0, kNan, 0.0})));
  CHECK(std::isnan(harmonic_mean(std::vector<double>{1.0, -0.1})));
  CHECK(std::isnan(harmonic_mean({})));
}

TEST_CASE("min-k keeps at least one token unless the MUSE rule is asked for") {
  const std::vector<double> lp = {-3, -1, -2};
  CHECK(min_k_loss(lp, 0.7, true) == 2.5);
  CHECK(min_k_loss(lp, 0.1, true) == 3.0);
  CHECK(std::isnan(min_k_loss(lp, 0.1, false)));
  CHECK(std::isnan(min_k_loss({}, 0.4, true)));
}

TEST_CASE("auc and privleak without two classes or without a reference have no value") {
  std::vector<std::pair<double, bool>> one = {{1.0, true}, {2.0, true}};
  CHECK(std::isnan(auc(one)));
  std::vector<std::pair<double, bool>> none;
  CHECK(std::isnan(auc(none)));
  CHECK(std::isnan(privleak(0.5, kNan, 0.0)));
  CHECK(std::isnan(privleak(0.5, 1.0, 0.0)));  // A_ref = 0: the ratio is undefined
}
