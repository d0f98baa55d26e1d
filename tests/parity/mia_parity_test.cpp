// Membership-inference scores against the fixtures of mia.md, section 12: from logits to scores, and token
// counts.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "mia_formulas.hpp"
#include "tests/support/data.hpp"

using namespace assay;
using nlohmann::json;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double number(const json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.get<std::string>();
  return text == "inf" ? kInfinity : text == "-inf" ? -kInfinity : std::numeric_limits<double>::quiet_NaN();
}

bool same(double got, double expected, double tolerance = 1e-9) {
  if (std::isnan(expected)) return std::isnan(got);
  if (std::isinf(expected)) return got == expected;
  return std::abs(got - expected) <= tolerance;
}

/// Per-token statistics, computed here from the logits, independently of the program.
struct Stats {
  std::vector<double> l, mu, var, entropy, top, uniform_mean, uniform_var;
};

Stats stats_of(const json& sequence) {
  Stats s;
  const auto ids = sequence["token_ids"].get<std::vector<std::size_t>>();
  for (std::size_t i = 0; i < sequence["logits"].size(); ++i) {
    std::vector<double> lp;
    for (const json& x : sequence["logits"][i]) lp.push_back(x.is_null() ? -kInfinity : number(x));
    const double top = *std::max_element(lp.begin(), lp.end());
    double total = 0;
    for (const double x : lp) total += std::exp(x - top);
    for (double& x : lp) x = x - top - std::log(total);
    double mean = 0;
    double second = 0;
    double sum = 0;
    double squares = 0;
    for (const double x : lp) {
      if (std::exp(x) > 0) mean += std::exp(x) * x;
      sum += x;
    }
    const double v = static_cast<double>(lp.size());
    for (const double x : lp) {
      if (std::exp(x) > 0) second += std::exp(x) * (x - mean) * (x - mean);
      squares += (x - sum / v) * (x - sum / v);
    }
    s.l.push_back(lp[ids[i + 1]]);
    s.mu.push_back(mean);
    s.var.push_back(second);
    s.entropy.push_back(-mean);
    s.top.push_back(*std::max_element(lp.begin(), lp.end()));
    s.uniform_mean.push_back(sum / v);
    s.uniform_var.push_back(squares / v);
  }
  return s;
}

double parsed(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The score a fixture key such as "minkpp_raw@0.2" or "gapk@0.2_w3" names; NaN and false if it is not ours.
struct Computed {
  double value;
  bool known = true;
};
Computed score_of(const std::string& key, const Stats& s, std::uint64_t vocabulary) {
  const std::size_t at = key.find('@');
  const std::string name = key.substr(0, at);
  const std::string argument = at == std::string::npos ? "" : key.substr(at + 1);
  if (name == "loss") return {mia::loss(s.l).value};
  if (name == "ppl") return {std::exp(-mia::loss(s.l).value)};
  if (name == "count") return {static_cast<double>(mia::kept_count(s.l.size(), parsed(argument)))};
  if (name == "surp") {
    const std::size_t split = argument.find("_h");
    return {
        mia::surp(s.l, s.entropy, parsed(argument.substr(1, split - 1)), parsed(argument.substr(split + 2)))
            .value};
  }
  if (name == "gapk") {
    const std::size_t split = argument.find("_w");
    return {mia::gapk(s.l, s.top, s.var, parsed(argument.substr(0, split)),
                      static_cast<std::size_t>(parsed(argument.substr(split + 2))))
                .value};
  }
  const double k = parsed(argument);
  if (name == "mink_shi") return {mia::mink(s.l, k, mia::MinkVariant::kShi).value};
  if (name == "mink_guard") return {mia::mink(s.l, k, mia::MinkVariant::kGuard).value};
  if (name == "maxk_prob") return {mia::maxk(s.l, k).value};
  if (name == "minkpp_floor") return {mia::minkpp(s.l, s.mu, s.var, k, mia::MinkppVariant::kFloor).value};
  if (name == "minkpp_raw") return {mia::minkpp(s.l, s.mu, s.var, k, mia::MinkppVariant::kRaw).value};
  if (name == "minkpp_unweighted") {
    return {mia::minkpp(s.l, s.uniform_mean, s.uniform_var, k, mia::MinkppVariant::kUnweighted, vocabulary)
                .value};
  }
  return {0, false};
}

json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE(in.good());
  return json::parse(in);
}

}  // namespace

TEST_CASE("scores from tiny logits equal the fixture", "[parity][mia]") {
  ASSAY_NEEDS_DATA(root);
  const json fixture = read_json(root / "mia/fixtures/tiny_logits.json");
  std::size_t compared = 0;
  std::size_t undefined = 0;
  for (const json& sequence : fixture["sequences"]) {
    const Stats s = stats_of(sequence);
    const json& expected = sequence["expected"];
    INFO(sequence["name"]);
    REQUIRE(s.l.size() == expected["n_scored"].get<std::size_t>());
    for (std::size_t i = 0; i < s.l.size(); ++i) {
      CHECK(same(s.l[i], number(expected["logp"][i])));
      CHECK(same(s.mu[i], number(expected["mu"][i])));
      CHECK(same(s.var[i], number(expected["var"][i])));
      CHECK(same(s.entropy[i], number(expected["entropy"][i])));
      CHECK(same(s.top[i], number(expected["top1_logp"][i])));
    }
    for (const auto& [key, value] : sequence["scores"].items()) {
      const Computed got = score_of(key, s, fixture["vocab_size"].get<std::uint64_t>());
      if (!got.known) continue;
      INFO(key << ": " << got.value << " instead of " << value);
      CHECK(same(got.value, number(value)));
      if (std::isnan(number(value))) ++undefined;
      ++compared;
    }
  }
  // 12 texts: 7 families over 11 ratios, 3 SURP and 3 Gap-K settings, loss and perplexity.
  CHECK(compared == 12 * (7 * 11 + 3 + 3 + 2));
  CHECK(undefined > 80);
}

TEST_CASE("the number of kept tokens follows IEEE double truncation", "[parity][mia]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream table(root / "mia/fixtures/k_counts.csv");
  REQUIRE(table.good());
  std::string line;
  std::getline(table, line);
  std::vector<std::string> columns;
  for (std::istringstream in(line); std::getline(in, line, ',');) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
    columns.push_back(line);
  }
  std::size_t rows = 0;
  std::size_t differs_from_exact = 0;
  while (std::getline(table, line)) {
    std::vector<double> cells;
    std::string cell;
    for (std::istringstream in(line); std::getline(in, cell, ',');) cells.push_back(parsed(cell));
    REQUIRE(cells.size() == columns.size());
    ++rows;
    for (std::size_t c = 1; c < cells.size(); ++c) {
      const bool exact = columns[c].starts_with("exactfloor_");
      const double k = parsed(columns[c].substr(columns[c].find('_') + 1));
      const auto got = static_cast<double>(mia::kept_count(static_cast<std::size_t>(cells[0]), k));
      if (exact) {
        if (got != cells[c]) ++differs_from_exact;
      } else {
        INFO(columns[c] << " of " << cells[0]);
        CHECK(got == cells[c]);
      }
    }
  }
  CHECK(rows == 400);
  CHECK(differs_from_exact == 7);  // n in {90, 170, 180, 330, 340, 350, 360} at k = 0.7
}
