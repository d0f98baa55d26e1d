// ROC statistics against direct pair counting, and their edge cases.
#include <cmath>
#include <limits>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/delong.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/roc.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::Doubles;
using assay::test::near;

namespace {

Doubles draws(std::uint32_t n, std::uint32_t b, double shift, double grid) {
  Doubles x(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    x[i] = std::floor((random_uniform(4, 50, b, i) + shift) / grid) * grid;
  }
  return x;
}

double psi(double x, double y) {
  return x > y ? 1.0 : x == y ? 0.5 : 0.0;
}

double pair_count(const Doubles& pos, const Doubles& neg) {
  double total = 0.0;
  for (const double x : pos) {
    for (const double y : neg) total += psi(x, y);
  }
  return total / static_cast<double>(pos.size() * neg.size());
}

// DeLong's variance straight from its definition.
double direct_variance(const Doubles& pos, const Doubles& neg) {
  Doubles v10;
  Doubles v01(neg.size(), 0.0);
  for (const double x : pos) {
    double total = 0.0;
    for (std::size_t j = 0; j < neg.size(); ++j) {
      total += psi(x, neg[j]);
      v01[j] += psi(x, neg[j]) / static_cast<double>(pos.size());
    }
    v10.push_back(total / static_cast<double>(neg.size()));
  }
  return variance(v10) / static_cast<double>(pos.size()) + variance(v01) / static_cast<double>(neg.size());
}

}  // namespace

TEST_CASE("AUROC equals the pair count, with and without ties", "[stats][roc]") {
  for (std::uint32_t b = 0; b < 60; ++b) {
    const double grid = b % 3 == 0 ? 1e-9 : b % 3 == 1 ? 0.1 : 0.5;
    const Doubles pos = draws(1 + b % 17, 2 * b, 0.2, grid);
    const Doubles neg = draws(1 + b % 13, 2 * b + 1, 0.0, grid);
    const RocCurve full = roc_curve(pos, neg);
    const double expected = pair_count(pos, neg);
    CHECK(near(auroc(full), expected, 1e-12));
    CHECK(near(auroc(drop_intermediate(full)), expected, 1e-12));
    CHECK(near(placements(pos, neg).auroc, expected, 1e-12));
    CHECK(near(auroc(neg, pos), 1.0 - expected, 1e-12));
    if (pos.size() > 1 && neg.size() > 1) {
      CHECK(near(delong(pos, neg).se, std::sqrt(direct_variance(pos, neg)), 1e-12));
    }
  }
}

TEST_CASE("a missing class is undefined, not 0 and not 0.5", "[stats][roc]") {
  const Doubles none;
  const Doubles some{1.0, 2.0};
  for (const auto& [pos, neg] : {std::pair(none, some), std::pair(some, none), std::pair(none, none)}) {
    const RocCurve c = roc_curve(pos, neg);
    CHECK_FALSE(c.defined());
    CHECK(std::isnan(auroc(c)));
    CHECK(std::isnan(pr_auc(c)));
    CHECK(std::isnan(average_precision(c)));
    CHECK(std::isnan(equal_error_rate(c)));
    CHECK(std::isnan(best_f1(c).value));
    CHECK(std::isnan(youden(c).value));
    CHECK(std::isnan(tpr_at_fpr(c, 0.1).tpr));
    CHECK(std::isnan(fpr_at_tpr(c, 0.95)));
    CHECK(std::isnan(hanley_mcneil_se(auroc(c), pos.size(), neg.size())));
    CHECK(delong(pos, neg).reason == "one class is missing");
    CHECK_FALSE(delong_logit(delong(pos, neg), 0.95).defined());
    CHECK_FALSE(auroc_score(auroc(c), pos.size(), neg.size(), 0.95).defined());
  }
}

TEST_CASE("one item per class and all scores tied", "[stats][roc]") {
  const Doubles one{1.0};
  const Doubles two{2.0};
  const AurocEstimate top = delong(two, one);
  CHECK(top.auroc == 1.0);
  CHECK(std::isnan(top.se));
  const Interval score = delong_logit(top, 0.95);
  CHECK(score.method == "auroc.score");
  CHECK(score.hi == 1.0);
  CHECK((score.lo > 0.0 && score.lo < 1.0));
  const AurocEstimate bottom = delong(one, two);
  CHECK(delong_logit(bottom, 0.95).lo == 0.0);

  const Doubles tied(5, 3.0);
  const RocCurve c = roc_curve(tied, tied);
  CHECK(c.points.size() == 2);
  CHECK(auroc(c) == 0.5);
  CHECK(tied_scores(c) == 9);
  const AurocEstimate flat = delong(tied, tied);
  CHECK(flat.se == 0.0);
  CHECK(delong_logit(flat, 0.95).method == "auroc.score");
  CHECK(tpr_at_fpr(c, 0.05).tpr == 0.0);
  CHECK(near(tpr_at_fpr(c, 0.05, TprRule::kInterp).tpr, 0.05, 1e-15));
}

TEST_CASE("the score interval contains the area and solves its equation", "[stats][roc]") {
  const double z = normal_critical(0.95);
  for (const double a : {0.05, 0.5, 0.9, 0.999}) {
    for (const auto& [m, n] :
         {std::pair<std::size_t, std::size_t>(3, 40), std::pair<std::size_t, std::size_t>(25, 25)}) {
      const Interval i = auroc_score(a, m, n, 0.95);
      const double big_n = 0.5 * static_cast<double>(m + n);
      for (const double t : {i.lo, i.hi}) {
        const double v = t * (1 - t) * (2 * big_n - 1 - 3 * (big_n - 1) / ((2 - t) * (1 + t)));
        CHECK(near((a - t) * (a - t), z * z * v / static_cast<double>(m * n), 1e-12));
      }
      CHECK((i.lo < a && a < i.hi));
    }
  }
}

TEST_CASE("conventions of TPR at FPR on a curve with a known shape", "[stats][roc]") {
  // Vertices (0,0) (0,.5) (.5,.5) (.5,1) (1,1), thresholds inf 4 3 2 1.
  const RocCurve c = roc_curve(Doubles{4, 2}, Doubles{3, 1});
  const TprAtFpr at_half = tpr_at_fpr(c, 0.5);
  CHECK(at_half.tpr == 1.0);
  CHECK(at_half.fpr == 0.5);
  CHECK(at_half.threshold == 2.0);
  CHECK(at_half.tp == 2);
  CHECK(tpr_at_fpr(c, 0.5, TprRule::kLt).tpr == 0.5);
  CHECK(tpr_at_fpr(c, 0.5, TprRule::kInterp).tpr == 1.0);
  CHECK(tpr_at_fpr(c, 0.25, TprRule::kInterp).tpr == 0.5);
  CHECK(tpr_at_fpr(c, 0.75, TprRule::kInterp).tpr == 1.0);
  CHECK(tpr_at_fpr(c, 0.75).fpr == 0.5);
  CHECK(std::isnan(tpr_at_fpr(c, 0.0, TprRule::kLt).tpr));
  CHECK(tpr_at_fpr(c, 0.0).tpr == 0.5);
  CHECK(tpr_at_fpr(c, 0.4).below_resolution);
  CHECK_FALSE(tpr_at_fpr(c, 0.5).below_resolution);
  // Of equally near points the first: (0,0) and (.5,.5) are equally far from .25.
  CHECK(tpr_at_fpr(c, 0.25, TprRule::kNearest).fpr == 0.0);
  CHECK(tpr_at_fpr(c, 0.25, TprRule::kNearest).tpr == 0.0);
  CHECK(fpr_at_tpr(c, 0.95) == 0.5);
  CHECK(tpr_at_fpr(c, 1.0).tpr == 1.0);
  const RocCurve hopeless = roc_curve(Doubles{0, 0}, Doubles{1, 1});
  CHECK(std::isinf(tpr_at_fpr(hopeless, 0.5).threshold));
}

TEST_CASE("precision-recall, EER, F1 and Youden in closed form", "[stats][roc]") {
  const RocCurve perfect = roc_curve(Doubles{3, 4}, Doubles{1, 2});
  CHECK(pr_auc(perfect) == 1.0);
  CHECK(average_precision(perfect) == 1.0);
  CHECK(equal_error_rate(perfect) == 0.0);
  CHECK(best_f1(perfect).value == 1.0);
  CHECK(best_f1(perfect).threshold == 3.0);
  CHECK(youden(perfect).value == 1.0);
  CHECK(best_balanced_accuracy(perfect) == 1.0);
  const RocCurve inverted = roc_curve(Doubles{1, 2}, Doubles{3, 4});
  CHECK(std::isinf(youden(inverted).threshold));
  CHECK(youden(inverted).value == 0.0);
  CHECK(equal_error_rate(inverted) == 1.0);
  CHECK(near(average_precision(inverted), 0.5 / 3 + 0.5 * 2 / 4, 1e-15));
  // The cut curve has the same area.
  const RocCurve c = roc_curve(Doubles{5, 3}, Doubles{4, 2, 1});
  CHECK(pr_curve(c, true).size() < pr_curve(c).size());
}

TEST_CASE("clustered DeLong with one item per group is DeLong", "[stats][roc]") {
  const Doubles pos = draws(15, 100, 0.2, 0.05);
  const Doubles neg = draws(20, 101, 0.0, 0.05);
  std::vector<std::uint32_t> gp;
  std::vector<std::uint32_t> gn;
  for (std::uint32_t i = 0; i < 15; ++i) gp.push_back(i);
  for (std::uint32_t i = 0; i < 20; ++i) gn.push_back(15 + i);
  const AurocEstimate clustered = delong_clustered(pos, neg, {gp, gn});
  CHECK(near(clustered.se, delong(pos, neg).se, 1e-14));
  CHECK(clustered.groups == 35);
  CHECK(delong_logit(clustered, 0.95).method == "delong_clustered_logit");
  const Doubles pos_b = draws(15, 102, 0.3, 0.05);
  const Doubles neg_b = draws(20, 103, 0.0, 0.05);
  const PairedAuroc plain = delong_paired(pos, neg, pos_b, neg_b, 0.95);
  const PairedAuroc grouped = delong_clustered_paired(pos, neg, pos_b, neg_b, {gp, gn}, 0.95);
  CHECK(near(grouped.se, plain.se, 1e-14));
  CHECK(near(grouped.p, plain.p, 1e-12));
  CHECK(near(grouped.cov, plain.cov, 1e-15));
}

TEST_CASE("copies of a data set inside groups do not shrink the clustered error", "[stats][roc]") {
  const Doubles pos = draws(12, 110, 0.2, 1e-9);
  const Doubles neg = draws(14, 111, 0.0, 1e-9);
  Doubles pos4;
  Doubles neg4;
  std::vector<std::uint32_t> gp;
  std::vector<std::uint32_t> gn;
  for (std::uint32_t copy = 0; copy < 4; ++copy) {
    for (std::uint32_t i = 0; i < 12; ++i) pos4.push_back(pos[i]), gp.push_back(i);
    for (std::uint32_t i = 0; i < 14; ++i) neg4.push_back(neg[i]), gn.push_back(12 + i);
  }
  CHECK(near(delong_clustered(pos4, neg4, {gp, gn}).se, delong(pos, neg).se, 1e-13));
  CHECK(delong(pos4, neg4).se < 0.6 * delong(pos, neg).se);
}

TEST_CASE("the clustered error is right when groups hold both classes", "[stats][roc]") {
  // Planted truth: a shared effect moves a group's positives and negatives together. The mean of the
  // estimated variances must be the variance of the areas over many data sets; the plain formula is far off.
  constexpr std::uint32_t kSets = 1500;
  constexpr std::uint32_t kGroups = 40;
  Doubles areas;
  CompensatedSum clustered;
  CompensatedSum plain;
  for (std::uint32_t set = 0; set < kSets; ++set) {
    Doubles pos;
    Doubles neg;
    std::vector<std::uint32_t> gp;
    std::vector<std::uint32_t> gn;
    std::uint32_t next = 0;
    const auto normal = [&] { return normal_quantile(random_uniform(8, 51, set, next++) + 0x1.0p-54); };
    for (std::uint32_t g = 0; g < kGroups; ++g) {
      const double shared = 1.5 * normal();
      for (std::uint32_t i = 0; i < 1 + g % 3; ++i) pos.push_back(shared + normal() + 0.7), gp.push_back(g);
      for (std::uint32_t i = 0; i < 1 + g % 2; ++i) neg.push_back(shared + normal()), gn.push_back(g);
    }
    const AurocEstimate e = delong_clustered(pos, neg, {gp, gn});
    areas.push_back(e.auroc);
    clustered.add(e.se * e.se / kSets);
    const double se = delong(pos, neg).se;
    plain.add(se * se / kSets);
  }
  const double truth = variance(areas);
  CHECK(near(clustered.value() / truth, 1.0, 0.15));  // the variance of 1,500 areas is known to about 4 %
  CHECK(plain.value() / truth > 1.3);
}

TEST_CASE("clustered DeLong needs two groups in each class", "[stats][roc]") {
  const Doubles pos{1, 2, 4};
  const Doubles neg{0, 3};
  const std::vector<std::uint32_t> same{0, 0, 0};
  const std::vector<std::uint32_t> two{1, 2};
  const AurocEstimate e = delong_clustered(pos, neg, {same, two});
  CHECK(std::isnan(e.se));
  CHECK(e.reason == "fewer than two groups in a class");
  CHECK_FALSE(delong_logit(e, 0.95).defined());
  CHECK_FALSE(delong_clustered_paired(pos, neg, pos, neg, {same, two}, 0.95).interval.defined());
}

TEST_CASE("a detector against itself: variance 0, p = 1", "[stats][roc]") {
  const Doubles pos = draws(10, 120, 0.2, 0.01);
  const Doubles neg = draws(10, 121, 0.0, 0.01);
  const PairedAuroc same = delong_paired(pos, neg, pos, neg, 0.95);
  CHECK(same.delta == 0.0);
  CHECK(same.p == 1.0);
  CHECK(same.se == 0.0);
  // Perfect against inverted: a difference of 1 without variance has no p.
  const Doubles high{3, 4};
  const Doubles low{1, 2};
  const PairedAuroc opposite = delong_paired(low, high, high, low, 0.95);
  CHECK(opposite.delta == 1.0);
  CHECK(std::isnan(opposite.p));
}

TEST_CASE("Hanley-McNeil at area 1/2 is the Mann-Whitney null error", "[stats][roc]") {
  // A = 1/2: q1 - 1/4 = q2 - 1/4 = 1/12, so var = (m + n + 1)/(12 m n).
  CHECK(near(hanley_mcneil_se(0.5, 7, 11), std::sqrt(19.0 / (12.0 * 77.0)), 1e-15));
}
