// Multiplicity, power, aggregation, repeats, ranks, agreement, sequential evidence.
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/aggregate.hpp"
#include "harness/stats/agreement.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/multiplicity.hpp"
#include "harness/stats/power.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/rank.hpp"
#include "harness/stats/repeats.hpp"
#include "harness/stats/sequential.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::Doubles;
using assay::test::near;

namespace {

double choose_count(int n, int k) {
  if (k < 0 || k > n) return 0.0;
  double value = 1.0;
  for (int i = 1; i <= k; ++i) value = value * (n - k + i) / i;
  return std::round(value);
}

}  // namespace

TEST_CASE("undefined p-values stay undefined and leave the family", "[stats][multiplicity]") {
  const Adjusted h = holm(Doubles{0.01, kUndefined, 0.04});
  CHECK(h.family == 2);
  CHECK(h.p[0] == 0.02);
  CHECK(std::isnan(h.p[1]));
  CHECK(h.p[2] == 0.04);
  const Adjusted b = benjamini_hochberg(Doubles{kUndefined, 0.5, 0.02});
  CHECK(b.family == 2);
  CHECK(b.p[1] == 0.5);
  CHECK(b.p[2] == 0.04);
  CHECK(holm(Doubles{}).family == 0);
  CHECK(holm(Doubles{0.9, 0.8, 0.7}).p[0] == 1.0);
}

TEST_CASE("required numbers of the specification's table", "[stats][power]") {
  const auto n = [](double delta, double rho) {
    return required_items(delta, 0.21, 0.21, rho, 0.05, 0.8).items;
  };
  CHECK(n(0.03, 0.0) == 3663);
  CHECK(n(0.03, 0.5) == 1832);
  CHECK(n(0.03, 0.7) == 1099);
  CHECK(n(0.01, 0.0) == 32966);
  CHECK(n(0.01, 0.5) == 16483);
  CHECK(n(0.01, 0.7) == 9890);
  // A difference that the test finds with the planned power is the MDE at that n.
  const double exact = required_items(0.03, 0.21, 0.21, 0.5, 0.05, 0.8).exact;
  CHECK(near(minimum_detectable_effect(std::sqrt(0.21 / exact), 0.05, 0.8), 0.03, 1e-12));
  CHECK(std::isnan(required_items(0.0, 0.2, 0.2, 0.0, 0.05, 0.8).exact));
  // Repeats without answer noise change nothing, with noise they help.
  CHECK(near(required_items_repeats(0.03, 0.21, 0.0, 1, 0.0, 1, 0.05, 0.8).exact, exact, 1e-9));
  CHECK(required_items_repeats(0.03, 0.1, 0.2, 4, 0.2, 4, 0.05, 0.8).exact <
        required_items_repeats(0.03, 0.1, 0.2, 1, 0.2, 1, 0.05, 0.8).exact);
}

TEST_CASE("aggregates carry their own errors", "[stats][aggregate]") {
  const TaskAggregate equal = aggregate(std::vector<TaskMean>{{0.2, 0.03, 50}, {0.6, 0.04, 50}});
  CHECK(near(equal.macro, equal.micro, 1e-15));
  CHECK(near(equal.macro_se, 0.025, 1e-15));
  CHECK(near(equal.micro_se_stratified, 0.025, 1e-15));
  const TaskAggregate unequal = aggregate(std::vector<TaskMean>{{0.2, 0.03, 10}, {0.6, 0.04, 990}});
  CHECK(std::fabs(unequal.macro - unequal.micro) > 0.1);
  CHECK(std::fabs(unequal.macro_se - unequal.micro_se_stratified) > 0.01);
  const TaskAggregate undefined = aggregate(std::vector<TaskMean>{{0.2, 0.03, 10}, {0.6, kUndefined, 1}});
  CHECK(undefined.undefined_task == 1U);
  CHECK(near(undefined.macro, 0.4, 1e-15));
  CHECK(std::isnan(undefined.macro_se));
  CHECK(std::isnan(undefined.micro_se_stratified));
  CHECK(std::isnan(aggregate({}).macro));
  CHECK_FALSE(normal_interval(0.4, kUndefined, 0.95).defined());
  CHECK(near(normal_interval(0.0, 1.0, 0.95).hi, 1.959963984540054, 1e-12));
}

TEST_CASE("the pooled error is that of all items as one sample", "[stats][aggregate]") {
  const Doubles a{0, 1, 1, 0, 1};
  const Doubles b{1, 1, 1, 0.5};
  const auto task = [](const Doubles& x) {
    const auto n = static_cast<double>(x.size());
    return TaskMean{mean(x), std::sqrt(variance(x) / n), n};
  };
  Doubles all = a;
  all.insert(all.end(), b.begin(), b.end());
  const TaskAggregate r = aggregate(std::vector<TaskMean>{task(a), task(b)});
  CHECK(near(r.micro_se_pooled, std::sqrt(variance(all) / 9.0), 1e-14));
}

TEST_CASE("tasks that share documents are resampled jointly", "[stats][aggregate]") {
  Doubles x(60);
  std::vector<std::string> shared(60);
  std::vector<std::string> apart(60);
  for (std::uint32_t i = 0; i < 60; ++i) {
    x[i] = random_uniform(31, 80, 0, i);
    shared[i] = std::to_string(i);
    apart[i] = "other" + shared[i];
  }
  const BootstrapPlan plan{4, 1, 2000, 0.95};
  // The same scores on the same documents: the average of two copies is no better than one.
  const std::vector<TaskItems> copies{{x, shared}, {x, shared}};
  const AggregateBootstrap joint = aggregate_bootstrap(copies, plan);
  CHECK(joint.units == 60);
  CHECK(near(joint.macro.se, bootstrap(x, Statistic::kMean, plan).se, 1e-12));
  CHECK(near(joint.macro.estimate, mean(x), 1e-14));
  // On documents of their own the error falls by about sqrt(2).
  const AggregateBootstrap separate =
      aggregate_bootstrap(std::vector<TaskItems>{{x, shared}, {x, apart}}, plan);
  CHECK(separate.units == 120);
  CHECK(near(separate.macro.se, joint.macro.se / std::sqrt(2.0), 0.06 * joint.macro.se));
  CHECK_FALSE(aggregate_bootstrap({}, plan).macro.percentile.defined());
}

TEST_CASE("missing scores bound the mean", "[stats][aggregate]") {
  const MissingBounds none = missing_bounds({}, 0, 0, 1);
  CHECK(none.n_total == 0);
  CHECK(std::isnan(none.as_min));
  const MissingBounds all = missing_bounds({}, 3, 0, 1);
  CHECK(std::isnan(all.excluding));
  CHECK(all.as_min == 0.0);
  CHECK(all.as_max == 1.0);
}

TEST_CASE("reducers leave missing answers out", "[stats][repeats]") {
  const Reduced r = reduce(Doubles{1, kUndefined, 0, 1, kUndefined});
  CHECK(r.n_scored == 3);
  CHECK(r.n_missing == 2);
  CHECK(near(r.mean, 2.0 / 3.0, 1e-15));
  CHECK(r.mode == 1.0);
  CHECK_FALSE(r.mode_tied);
  const Reduced tied = reduce(Doubles{3, 1, 3, 1, 2});
  CHECK(tied.mode == 1.0);
  CHECK(tied.mode_tied);
  CHECK(std::isnan(reduce(Doubles{kUndefined}).mean));
  CHECK(reduce(Doubles{0, 1}).median == 0.5);
  CHECK(reduce(Doubles{0, 1}).median_high == 1.0);
  CHECK(at_least_k(Doubles{1, 0, 1}, 2) == 1.0);
  CHECK(at_least_k(Doubles{1, 0, 0}, 2) == 0.0);
  CHECK(std::isnan(at_least_k(Doubles{1, 0, kUndefined}, 2)));
  CHECK(std::isnan(at_least_k(Doubles{1}, 2)));
}

TEST_CASE("pass@k, pass^k and G-Pass@k equal counting", "[stats][repeats]") {
  for (int n = 1; n <= 12; ++n) {
    for (int c = 0; c <= n; ++c) {
      for (int k = 1; k <= n; ++k) {
        const auto un = static_cast<std::uint64_t>(n);
        const auto uc = static_cast<std::uint64_t>(c);
        const auto uk = static_cast<std::uint64_t>(k);
        const double all = choose_count(n, k);
        CHECK(near(pass_at_k(un, uc, uk), 1.0 - choose_count(n - c, k) / all, 1e-14));
        CHECK(near(pass_hat_k(un, uc, uk), choose_count(c, k) / all, 1e-14));
        for (const double tau : {0.25, 0.5, 0.75, 1.0}) {
          double expected = 0.0;
          for (int j = 0; j <= k; ++j) {
            if (j >= std::ceil(tau * k - 1e-9))
              expected += choose_count(c, j) * choose_count(n - c, k - j) / all;
          }
          CHECK(near(g_pass_at_k(un, uc, uk, tau), expected, 1e-13));
        }
      }
    }
  }
  // Fewer answers than k: undefined, never 1.
  CHECK(std::isnan(pass_at_k(3, 3, 4)));
  CHECK(std::isnan(pass_hat_k(3, 3, 4)));
  CHECK(std::isnan(g_pass_at_k(3, 3, 4, 0.5)));
  CHECK(std::isnan(pass_at_k(0, 0, 1)));
  CHECK(std::isnan(pass_at_k(5, 2, 0)));
}

TEST_CASE("pass@k stays exact for 10,000 answers", "[stats][repeats]") {
  // c = 1: exactly k/n; c = n - k + 1: exactly 1 minus 0.
  CHECK(near(pass_at_k(10000, 1, 100), 0.01, 1e-13));
  CHECK(pass_at_k(10000, 9901, 100) == 1.0);
  CHECK(near(pass_hat_k(10000, 9999, 100), 0.99, 1e-13));
  CHECK(near(g_pass_at_k(10000, 9999, 100, 1.0), 0.99, 1e-12));
  CHECK(near(g_pass_at_k(10000, 5000, 101, 51.0 / 101.0), 0.5, 1e-11));
}

TEST_CASE("majority votes", "[stats][repeats]") {
  const std::vector<std::uint32_t> answers{7, 3, 3, 7, 1};
  const Doubles scores{1, 0, 0, 1, 0};
  CHECK(maj_at_k(answers, scores, 3, VoteTie::kFirst).score == 0.0);
  const Vote tied = maj_at_k(answers, scores, 4, VoteTie::kFirst);
  CHECK(tied.tied);
  CHECK(tied.score == 1.0);
  CHECK(maj_at_k(answers, scores, 4, VoteTie::kFractional).score == 0.5);
  CHECK(std::isnan(maj_at_k(answers, scores, 6, VoteTie::kFirst).score));
  // A missing answer has no vote.
  CHECK(maj_at_k(answers, Doubles{kUndefined, 0, 0, 1, 0}, 2, VoteTie::kFirst).score == 0.0);
}

TEST_CASE("variance parts of repeats", "[stats][repeats]") {
  // Unequal K: the mean of W_q/K_q over questions with at least two answers; missing answers do not count.
  const std::vector<Doubles> scores{{1, 0}, {1, 0, 1, 0}, {1, kUndefined}, {kUndefined}};
  const RepeatVariance r = repeat_variance(scores);
  CHECK(r.questions == 3);
  CHECK(near(r.within_over_k, 0.5 * (0.5 / 2 + (1.0 / 3) / 4), 1e-15));
  CHECK(near(r.mean, 2.0 / 3.0, 1e-15));
  CHECK(repeat_variance(std::vector<Doubles>{{1, 0}, {0, 1}}).between == 0.0);
  CHECK(std::isnan(repeat_variance(std::vector<Doubles>{}).mean));
}

TEST_CASE("ranks: resolved and unresolved models", "[stats][rank]") {
  const std::vector<Doubles> delta{{0, 0.1, 0.3}, {-0.1, 0, 0.2}, {-0.3, -0.2, 0}};
  const std::vector<Doubles> p{{1, 0.04, 1e-6}, {0.04, 1, 0.001}, {1e-6, 0.001, 1}};
  // Holm over three pairs: 3e-6, 0.002, 0.04.
  const auto ranks = rank_significance({delta, p}, 0.05);
  CHECK((ranks[0].best == 1 && ranks[0].worst == 1));
  CHECK((ranks[2].best == 3 && ranks[2].worst == 3));
  const auto strict = rank_significance({delta, p}, 0.01);
  CHECK((strict[0].best == 1 && strict[0].worst == 2));
  CHECK((strict[1].best == 1 && strict[1].worst == 2));
  const auto lower = rank_significance({delta, p}, 0.05, false);
  CHECK(lower[2].worst == 1);
  const std::vector<std::size_t> order{0, 1, 2};
  CHECK(resolution_letters(significantly_better({delta, p}, 0.01), order) ==
        std::vector<std::string>{"a", "a", "b"});
  CHECK(resolution_letters(significantly_better({delta, p}, 0.05), order) ==
        std::vector<std::string>{"a", "b", "c"});
  // 0 and 2 are resolved, the middle model is resolved from neither.
  std::vector<std::vector<bool>> chain(3, std::vector<bool>(3, false));
  chain[0][2] = true;
  CHECK(resolution_letters(chain, order) == std::vector<std::string>{"a", "ab", "b"});
}

TEST_CASE("letters of random tables: shared iff not resolved, none superfluous, also for many models",
          "[stats][rank]") {
  for (const std::size_t m : {5U, 9U, 70U, 200U}) {
    std::vector<std::vector<bool>> better(m, std::vector<bool>(m, false));
    std::vector<std::size_t> order(m);
    std::uint32_t draw = 0;
    for (std::size_t i = 0; i < m; ++i) order[i] = i;
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = i + 1; j < m; ++j) {
        // Small tables are arbitrary; in large ones models far apart are resolved, near ones mostly not.
        const double u = random_uniform(3, kStreamSelect, static_cast<std::uint32_t>(m), draw++);
        better[i][j] = m < 20 ? u < 0.4 : j - i > m / 6 || (j - i > m / 8 && u < 0.02);
      }
    }
    const std::vector<std::string> letters = resolution_letters(better, order);
    INFO(m);
    // Beyond z letters have two characters, so only small tables can be read character by character.
    if (m >= 20) {
      for (const std::string& one : letters) CHECK_FALSE(one.empty());
      CHECK(letters.front().front() == 'a');
      continue;
    }
    std::string all;
    for (std::size_t i = 0; i < m; ++i) {
      for (const char c : letters[i]) all += all.find(c) == std::string::npos ? std::string(1, c) : "";
      for (std::size_t j = i + 1; j < m; ++j) {
        const bool shared = letters[i].find_first_of(letters[j]) != std::string::npos;
        CHECK(shared == !better[i][j]);
      }
    }
    // No letter's models are a part of another letter's.
    for (const char x : all) {
      for (const char y : all) {
        if (x == y) continue;
        bool inside = true;
        for (const std::string& one : letters)
          inside = inside && (one.find(x) == std::string::npos || one.find(y) != std::string::npos);
        CHECK_FALSE(inside);
      }
    }
  }
}

TEST_CASE("bootstrap ranks of equal and of separated models", "[stats][rank]") {
  const Doubles good(20, 1.0);
  const Doubles bad(20, 0.0);
  const auto same = rank_bootstrap(std::vector<Doubles>{good, good}, {1, 1, 200, 0.95});
  CHECK((same[0].best == 1 && same[1].worst == 1));  // ties share the better rank
  const auto apart = rank_bootstrap(std::vector<Doubles>{bad, good}, {1, 1, 200, 0.95});
  CHECK((apart[0].best == 2 && apart[1].worst == 1));
  const auto lower = rank_bootstrap(std::vector<Doubles>{bad, good}, {1, 1, 200, 0.95}, nullptr, false);
  CHECK(lower[0].worst == 1);
  CHECK(rank_bootstrap({}, {}).empty());
}

TEST_CASE("bootstrap ranks are rounded outwards", "[stats][rank]") {
  int fractional = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    std::vector<Doubles> scores(3, Doubles(15));
    for (std::uint32_t m = 0; m < 3; ++m) {
      for (std::uint32_t i = 0; i < 15; ++i) {
        scores[m][i] = random_uniform(seed, 81, m, i) + 0.15 * static_cast<double>(m);
      }
    }
    const BootstrapPlan plan{seed, 1, 200, 0.95};
    std::vector<Doubles> ranks(3);
    for (std::uint32_t b = 0; b < 200; ++b) {
      Doubles total(3, 0.0);
      for (std::uint32_t i = 0; i < 15; ++i) {
        for (std::size_t m = 0; m < 3; ++m) total[m] += scores[m][random_index(seed, 1, b, i, 15)];
      }
      for (std::size_t m = 0; m < 3; ++m) {
        double rank = 1.0;
        for (const double other : total) rank += other > total[m] ? 1.0 : 0.0;
        ranks[m].push_back(rank);
      }
    }
    const auto result = rank_bootstrap(scores, plan);
    for (std::size_t m = 0; m < 3; ++m) {
      const double low = quantile(ranks[m], 0.025);
      const double high = quantile(ranks[m], 0.975);
      fractional += low != std::floor(low) || high != std::floor(high) ? 1 : 0;
      CHECK(static_cast<double>(result[m].best) == std::floor(low));
      CHECK(static_cast<double>(result[m].worst) == std::ceil(high));
    }
  }
  CHECK(fractional > 0);
}

TEST_CASE("agreement: perfect, chance and undefined", "[stats][agreement]") {
  using Codes = std::vector<std::uint32_t>;
  CHECK(cohen_kappa(Codes{1, 2, 1}, Codes{1, 2, 1}) == 1.0);
  CHECK(near(*cohen_kappa(Codes{0, 0, 1, 1}, Codes{0, 1, 0, 1}), 0.0, 1e-15));
  CHECK_FALSE(cohen_kappa(Codes{4, 4}, Codes{4, 4}).has_value());
  CHECK_FALSE(cohen_kappa(Codes{}, Codes{}).has_value());
  using Units = std::vector<std::vector<std::optional<std::uint32_t>>>;
  CHECK(krippendorff_nominal(Units{{1, 1}, {2, 2}}) == 1.0);
  CHECK_FALSE(krippendorff_nominal(Units{{1, 1}, {1, 1}}).has_value());
  CHECK_FALSE(krippendorff_nominal(Units{{1}, {std::nullopt, 2}}).has_value());
  // The published four-coder example (Krippendorff 2011): alpha 0.743 nominal.
  const auto n = std::optional<std::uint32_t>();
  const Units coders{{1, 1, n, 1}, {2, 2, 3, 2}, {3, 3, 3, 3}, {3, 3, 3, 3}, {2, 2, 2, 2}, {1, 2, 3, 4},
                     {4, 4, 4, 4}, {1, 1, 2, 1}, {2, 2, 2, 2}, {n, 5, 5, 5}, {n, n, 1, 1}, {n, n, 3, n}};
  CHECK(near(*krippendorff_nominal(coders), 0.743, 5e-4));
}

TEST_CASE("the e-value has expectation 1 under the null", "[stats][sequential]") {
  for (const std::uint64_t n : {1U, 5U, 40U}) {
    double expectation = 0.0;
    for (std::uint64_t c = 0; c <= n; ++c) {
      expectation += binomial_pmf(static_cast<std::int64_t>(c), static_cast<std::int64_t>(n), 0.5) *
                     std::exp(log_e_mcnemar(n - c, c));
    }
    CHECK(near(expectation, 1.0, 1e-12));
  }
  CHECK(log_e_mcnemar(0, 30) > std::log(20.0));
  CHECK(log_e_mcnemar(15, 15) < 0.0);
}
