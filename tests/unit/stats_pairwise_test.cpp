// The fast tests of many pairs against the comparison of each pair alone: equal to the last bit.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "harness/stats/pairwise.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/sign_flip.hpp"
#include "harness/stats/summary.hpp"

using namespace assay::stats;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Models of one planted benchmark.
struct Field {
  std::vector<std::vector<double>> values, denominators;
  std::vector<std::uint8_t> labels;
  std::vector<std::string> groups;
};

enum class Kind { kBinary, kReal, kTenths };

Field field(Kind kind, std::size_t models, std::size_t items, std::size_t group_size, double missing,
            std::uint64_t seed) {
  Field f;
  std::uint32_t draw = 0;
  const auto next = [&] { return random_uniform(seed, kStreamSelect, 0, draw++); };
  for (std::size_t i = 0; i < items; ++i) {
    f.labels.push_back(i % 3 == 0 ? 1 : 0);
    if (group_size > 0) f.groups.push_back(i % 17 == 5 ? "" : "g" + std::to_string(i / group_size));
  }
  std::vector<double> ease;
  for (std::size_t i = 0; i < items; ++i) ease.push_back(next());
  for (std::size_t m = 0; m < models; ++m) {
    std::vector<double>& v = f.values.emplace_back();
    std::vector<double>& d = f.denominators.emplace_back();
    for (std::size_t i = 0; i < items; ++i) {
      const double x = 0.5 * ease[i] + 0.5 * next() + 0.03 * static_cast<double>(m);
      double value = x;
      if (kind == Kind::kBinary) value = x > 0.5 ? 1.0 : 0.0;
      if (kind == Kind::kTenths) value = std::floor(10 * x) / 10;
      v.push_back(next() < missing ? kNaN : value);
      d.push_back(std::isnan(v.back()) ? kNaN : 1.0 + std::floor(4 * next()));
    }
  }
  // Two models with the same scores: differences without variance.
  f.values.push_back(f.values.front());
  f.denominators.push_back(f.denominators.front());
  return f;
}

bool same(const std::optional<double>& a, const std::optional<double>& b) {
  return a.has_value() == b.has_value() && (!a || *a == *b);
}

// Compares every pair in both orders; returns how many had a p.
std::size_t check(Rule rule, const Field& f) {
  PairedOptions options;
  options.seed = 11;
  options.permutation_seed = 12;
  options.replicates = 300;
  options.sign_flips = 499;
  options.companions = false;
  std::vector<ModelScores> models;
  for (std::size_t m = 0; m < f.values.size(); ++m) models.push_back({f.values[m], f.denominators[m]});
  Pairwise pairwise(rule, models, f.labels, f.groups, options);
  std::size_t tested = 0, wrong = 0;
  for (std::size_t a = 0; a < models.size(); ++a) {
    for (std::size_t b = 0; b < models.size(); ++b) {
      if (a == b) continue;
      PairedSample sample;
      sample.rule = rule;
      sample.baseline = f.values[a];
      sample.candidate = f.values[b];
      sample.baseline_denominators = f.denominators[a];
      sample.candidate_denominators = f.denominators[b];
      sample.labels = f.labels;
      sample.groups = f.groups;
      const Difference whole = compare(sample, options);
      const PairTest fast = pairwise.test(a, b);
      tested += fast.p ? 1U : 0U;
      wrong += same(whole.delta, fast.delta) && same(whole.p, fast.p) ? 0U : 1U;
      const Difference again = pairwise.difference(a, b);
      wrong += same(whole.mde, again.mde) && same(whole.lo, again.lo) && whole.test == again.test ? 0U : 1U;
    }
  }
  CHECK(wrong == 0);
  return tested;
}

}  // namespace

TEST_CASE("stats: tests of all pairs are those of each pair, bit for bit", "[stats][pairwise]") {
  struct Case {
    Rule rule;
    Kind kind;
  };
  const Case cases[] = {{Rule::kProportion, Kind::kBinary}, {Rule::kProportion, Kind::kReal},
                        {Rule::kMean, Kind::kReal},         {Rule::kMean, Kind::kTenths},
                        {Rule::kExpMean, Kind::kReal},      {Rule::kAuroc, Kind::kReal},
                        {Rule::kAuroc, Kind::kTenths},      {Rule::kRatio, Kind::kReal}};
  for (const Case& one : cases) {
    for (const std::size_t items : {1U, 2U, 20U, 50U, 51U, 130U}) {
      for (const std::size_t group_size : {0U, 1U, 4U}) {
        for (const double missing : {0.0, 0.15, 1.0}) {
          INFO(rule_name(one.rule) << ", " << items << " items, groups of " << group_size << ", missing "
                                   << missing);
          const Field f = field(one.kind, 4, items, group_size, missing, 100 + items);
          const std::size_t tested = check(one.rule, f);
          if (items >= 50 && missing < 1 && one.kind != Kind::kBinary) CHECK(tested > 0);
        }
      }
    }
  }
}

TEST_CASE("stats: a variant's items are few among those of a board, and still complete",
          "[stats][pairwise]") {
  // As when a column holds one variant of a task: all models lack the same half of the items.
  for (const Rule rule : {Rule::kAuroc, Rule::kRatio, Rule::kMean}) {
    Field f = field(Kind::kReal, 4, 120, 0, 0, 5);
    for (std::size_t m = 0; m < f.values.size(); ++m) {
      for (std::size_t i = 0; i < 60; ++i) f.values[m][i] = f.denominators[m][i] = kNaN;
    }
    CHECK(check(rule, f) > 0);
  }
}

TEST_CASE("stats: sign flips by tables count what adding one by one counts", "[stats][pairwise]") {
  for (const std::size_t n : {1U, 7U, 8U, 9U, 40U, 64U, 65U, 200U, 5000U}) {
    std::vector<double> real, tenths;
    for (std::uint32_t i = 0; i < n; ++i) {
      real.push_back(random_uniform(3, kStreamSelect, 1, i) - 0.45);
      tenths.push_back(std::floor(20 * random_uniform(3, kStreamSelect, 2, i) - 9) / 10);
    }
    for (const std::vector<double>& d : {real, tenths}) {
      const SignFlip fast = sign_flip_mc(d, 77, 400);
      const double observed = std::fabs(sum(d)), limit = observed - 1e-12 * std::max(1.0, observed);
      std::uint64_t count = 0;
      for (std::uint32_t b = 0; b < 400; ++b) {
        double total = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
          const bool minus = ((random_u64(77, kStreamSigns, b, i / 64) >> (i % 64)) & 1U) != 0;
          total += minus ? -d[i] : d[i];
        }
        count += std::fabs(total) >= limit ? 1U : 0U;
      }
      INFO(n);
      CHECK(fast.count == count);
    }
  }
}
