// Recorded cases: KS p-values from rational arithmetic, memorisation, Min-K, AUC, PrivLeak, published tables.
#include <simdjson.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "ks.hpp"
#include "tests/support/data.hpp"
#include "tests/support/simdjson_number.hpp"
#include "unlearning_formulas.hpp"

using namespace assay::unlearning;  // NOLINT: a test of this namespace

namespace {

using assay::test::number;

namespace dom = simdjson::dom;

std::vector<double> numbers(dom::element list) {
  std::vector<double> out;
  for (const dom::element element : list.get_array()) out.push_back(number(element));
  return out;
}

void check_p(const KsP& got, double p, double log10_p) {
  INFO(got.p << " " << got.log10_p << " wanted " << p << " " << log10_p);
  CHECK(std::abs(got.log10_p - log10_p) <= 1e-9);
  if (p > 1e-300) CHECK(std::abs(got.p - p) <= 1e-9 * p);
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else if (c != '\r') {
      fields.back().push_back(c);
    }
  }
  return fields;
}

double parsed(const std::string& text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

TEST_CASE("unlearning parity: KS p-values of the fixture") {
  ASSAY_NEEDS_DATA(root);
  dom::parser parser;
  const dom::element cases = parser.load((root / "unlearning/fixtures/ks_cases.json").string());
  std::size_t checked = 0;
  for (const char* list : {"equal_n", "unequal_n"}) {
    for (const dom::element one : cases[list].get_array()) {
      KsStatistic s{one["n"].get_int64().value(), one["m"].get_int64().value(), one["h"].get_int64().value(),
                    one["lcm"].get_int64().value()};
      INFO(list << " " << s.n << " " << s.m << " " << s.h);
      CHECK(std::abs(s.d() - number(one["D"])) <= 1e-15);
      check_p(ks_p_value(s), number(one["p"]), number(one["log10_p"]));
      check_p(ks_p_value_by_paths(s), number(one["p"]), number(one["log10_p"]));
      ++checked;
    }
  }
  CHECK(checked == 125);
  for (const dom::element one : cases["samples"].get_array()) {
    std::vector<double> a = numbers(one["a"]);
    std::vector<double> b = numbers(one["b"]);
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    const auto s = ks_statistic(a, b);
    REQUIRE(s);
    CHECK(s->h == one["h"].get_int64().value());
    CHECK(s->lcm == one["lcm"].get_int64().value());
    check_p(ks_p_value(*s), number(one["p"]), std::log10(number(one["p"])));
    ++checked;
  }
  CHECK(checked == 130);
}

TEST_CASE("unlearning parity: memorisation, Min-K, AUC and PrivLeak of the fixture") {
  ASSAY_NEEDS_DATA(root);
  dom::parser parser;
  const dom::element cases = parser.load((root / "unlearning/fixtures/small_metrics.json").string());
  const auto same = [](double got, double wanted) {
    INFO(got << " wanted " << wanted);
    CHECK((std::isnan(wanted) ? std::isnan(got) : std::abs(got - wanted) <= 1e-12));
  };
  for (const dom::element one : cases["extraction_strength"].get_array()) {
    std::vector<unsigned char> matches;
    for (const double flag : numbers(one["match_flags"])) matches.push_back(flag != 0 ? 1 : 0);
    const Memorisation got = memorisation(matches);
    same(got.exact, number(one["EM"]));
    same(got.extraction, number(one["ES_openunlearning"]));
    same(got.extraction_strict, number(one["ES_strict"]));
  }
  for (const dom::element one : cases["min_k"].get_array()) {
    same(min_k_loss(numbers(one["logprobs"]), number(one["k"]), true), number(one["score_loss_like"]));
  }
  for (const dom::element one : cases["auc"].get_array()) {
    std::vector<std::pair<double, bool>> scored;
    for (const double value : numbers(one["forget_scores_loss_like"])) scored.emplace_back(value, false);
    for (const double value : numbers(one["holdout_scores_loss_like"])) scored.emplace_back(value, true);
    const double got = auc(scored);
    same(got, number(one["auc_ou"]));
    same(1.0 - got, number(one["auc_muse"]));
  }
  std::size_t ratios = 0;
  for (const dom::element one : cases["privleak"].get_array()) {
    const double a = number(one["auc_ou_model"]);
    const double r = number(one["auc_ou_reference"]);
    CHECK(std::abs(privleak(a, r, 0.0) - number(one["privleak_muse"])) <= 1e-9);
    CHECK(std::abs(privleak(a, r, 1e-10) - number(one["privleak_openunlearning"])) <= 1e-9);
    ++ratios;
  }
  CHECK(ratios > 5);
}

TEST_CASE("unlearning parity: model utility of published tables is the harmonic mean of their cells") {
  ASSAY_NEEDS_DATA(root);
  dom::parser parser;
  const dom::element tables = parser.load((root / "unlearning/expected/published_tables.json").string());
  dom::element block;
  for (const auto& [name, table] : tables.get_object()) {
    if (name.find("PR #72") != std::string_view::npos) block = table;
  }
  const dom::element row = block["rows"]["CE-U llama2 forget05"];
  const auto cells = [&](const char* rouge, const char* prob, const char* truth) {
    return Cells{number(row[rouge]), number(row[prob]), number(row[truth])};
  };
  const std::array<Cells, 3> sections = {cells("retain_Q_A_ROUGE", "retain_Q_A_Prob", "retain_Truth_Ratio"),
                                         cells("ra_Q_A_ROUGE", "ra_Q_A_Prob_normalised", "ra_Truth_Ratio"),
                                         cells("wf_Q_A_ROUGE", "wf_Q_A_Prob_normalised", "wf_Truth_Ratio")};
  CHECK(std::abs(model_utility(sections) - 0.4612301673662931) <= 1e-12);
  CHECK(std::abs(model_utility(sections) - number(row["model_utility"])) <= 1e-12);

  std::ifstream csv(root / "unlearning/expected/dp2_published_aggregates.csv");
  std::string line;
  REQUIRE(std::getline(csv, line));
  const std::vector<std::string> header = fields_of(line);
  const auto column = [&](const std::string& name) {
    const auto at = std::find(header.begin(), header.end(), name);
    REQUIRE(at != header.end());
    return static_cast<std::size_t>(at - header.begin());
  };
  std::size_t exact = 0;
  while (std::getline(csv, line)) {
    const std::vector<std::string> fields = fields_of(line);
    if (fields.size() != header.size() || fields[column("utility_status")] != "exact") continue;
    std::array<Cells, 3> nine;
    const char* const names[] = {"Retain", "Real Authors", "Real World"};
    for (std::size_t s = 0; s < 3; ++s) {
      const std::string section = names[s];
      nine[s] = {parsed(fields[column("published:ROUGE " + section)]),
                 parsed(fields[column("published:Prob. " + section)]),
                 parsed(fields[column("published:Truth Ratio " + section)])};
    }
    INFO(line);
    CHECK(std::abs(model_utility(nine) - parsed(fields[column("published:Model Utility")])) <= 1e-9);
    ++exact;
  }
  CHECK(exact == 132);
}
