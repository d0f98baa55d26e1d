// The model-free baselines against the golden AUROCs of WikiMIA and Gutenberg (mia.md, sections 4 and 12).
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/text/zlib_length.hpp"
#include "blind_rules.hpp"
#include "naive_bayes.hpp"
#include "tests/support/data.hpp"

using namespace assay;
using nlohmann::json;

namespace {

double parsed(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Labelled {
  std::string text;
  int label;
};

std::vector<Labelled> read_rows(const std::filesystem::path& file, const char* text_key) {
  std::ifstream in(file);
  REQUIRE(in.good());
  std::vector<Labelled> rows;
  for (std::string line; std::getline(in, line);) {
    const json row = json::parse(line);
    rows.push_back({row[text_key], row["label"]});
  }
  return rows;
}

/// Share of (positive, negative) pairs in the right order, ties one half; by mid-ranks.
double auroc(const std::vector<double>& scores, const std::vector<Labelled>& rows) {
  std::vector<std::pair<double, int>> sorted;
  for (std::size_t i = 0; i < rows.size(); ++i) sorted.emplace_back(scores[i], rows[i].label);
  std::sort(sorted.begin(), sorted.end());
  double ranks = 0;
  double positives = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    std::size_t end = i;
    while (end < sorted.size() && sorted[end].first == sorted[i].first) ++end;
    const double middle = static_cast<double>(i + 1 + end) / 2;
    for (; i < end; ++i) {
      if (sorted[i].second == 1) {
        ranks += middle;
        ++positives;
      }
    }
  }
  const double negatives = static_cast<double>(rows.size()) - positives;
  return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

std::vector<double> baseline(const std::string& name, const std::vector<Labelled>& rows) {
  std::vector<double> scores;
  if (name.starts_with("nb_")) {
    blind::NaiveBayes bayes({.vocabulary = name == "nb_top34" ? std::size_t{34} : 0, .by_group = false});
    for (std::size_t i = 0; i < rows.size(); ++i) bayes.add(i, rows[i].text, rows[i].label, {});
    for (const auto& scored : bayes.scores()) scores.push_back(scored.score);
    return scores;
  }
  using blind::SizeVariant;
  const SizeVariant size = name == "neg_zlib_bytes"    ? SizeVariant::kNegZlibBytes
                           : name == "zlib_bytes"      ? SizeVariant::kZlibBytes
                           : name == "chars"           ? SizeVariant::kChars
                           : name == "zlib_over_bytes" ? SizeVariant::kZlibOverBytes
                                                       : SizeVariant::kUtf8Bytes;
  for (const Labelled& row : rows) {
    scores.push_back(name == "date_max4" ? blind::date_max4(row.text, 2023)
                                         : *blind::size_of_text(row.text, size));
  }
  return scores;
}

std::size_t check_golden(const json& golden, const std::vector<Labelled>& rows) {
  REQUIRE(golden["n"].get<std::size_t>() == rows.size());
  std::size_t compared = 0;
  for (const auto& [name, expected] : golden["baselines"].items()) {
    static const std::vector<std::string> kOurs = {"date_max4", "neg_zlib_bytes",  "zlib_bytes", "utf8_bytes",
                                                   "chars",     "zlib_over_bytes", "nb_all",     "nb_top34"};
    INFO(name);
    REQUIRE(std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end());
    const double got = auroc(baseline(name, rows), rows);
    const double wanted = expected["auc"].get<double>();
    INFO(got << " instead of " << wanted);
    CHECK(std::abs(got - wanted) <= 1e-9);
    ++compared;
  }
  return compared;
}

json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE(in.good());
  return json::parse(in);
}

}  // namespace

TEST_CASE("baselines of WikiMIA equal the golden AUROCs", "[parity][blind]") {
  ASSAY_NEEDS_DATA(root);
  const json golden = read_json(root / "mia/wikimia/golden_blind.json");
  for (const char* length : {"32", "64", "128"}) {
    INFO("WikiMIA length " << length);
    const auto rows =
        read_rows(root / ("mia/wikimia/WikiMIA_length" + std::string(length) + ".jsonl"), "input");
    CHECK(check_golden(golden[length], rows) == 8);
  }
}

TEST_CASE("baselines of Gutenberg equal the golden AUROCs", "[parity][blind]") {
  ASSAY_NEEDS_DATA(root);
  const auto rows = read_rows(root / "mia/gutenberg_blind/gutenberg.jsonl", "text");
  CHECK(check_golden(read_json(root / "mia/gutenberg_blind/golden_blind.json"), rows) == 7);
}

TEST_CASE("sizes and date scores of WikiMIA equal the golden ones row by row", "[parity][blind]") {
  ASSAY_NEEDS_DATA(root);
  REQUIRE(text::zlib_flavour().parity);
  std::size_t compared = 0;
  for (const char* length : {"32", "64", "128"}) {
    const auto rows =
        read_rows(root / ("mia/wikimia/WikiMIA_length" + std::string(length) + ".jsonl"), "input");
    std::ifstream golden(root / ("mia/wikimia/golden_zlib_length" + std::string(length) + ".csv"));
    REQUIRE(golden.good());
    std::string line;
    std::getline(golden, line);
    for (const Labelled& row : rows) {
      REQUIRE(std::getline(golden, line));
      std::vector<std::string> cells;
      std::string cell;
      for (std::istringstream in(line); std::getline(in, cell, ',');) cells.push_back(cell);
      REQUIRE(cells.size() == 6);
      CHECK(parsed(cells[1]) == row.label);
      CHECK(parsed(cells[2]) == *blind::size_of_text(row.text, blind::SizeVariant::kUtf8Bytes));
      CHECK(parsed(cells[3]) == *blind::size_of_text(row.text, blind::SizeVariant::kZlibBytes));
      CHECK(parsed(cells[5]) == blind::date_max4(row.text, 2023));
      ++compared;
    }
  }
  CHECK(compared == 1568);
}
