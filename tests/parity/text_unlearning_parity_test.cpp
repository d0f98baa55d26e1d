// Stemmer and ROUGE against recorded values (unlearning.md 3 and 16).
#include <zlib.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "assay/text/refusal.hpp"
#include "assay/text/rouge.hpp"
#include "assay/text/stem.hpp"
#include "tests/support/data.hpp"

using namespace assay::text;
using nlohmann::json;

namespace {

constexpr double kTolerance = 1e-12;

// Reads a file, decompressed if it is gzip (zlib passes plain files through).
std::string read_all(const std::filesystem::path& path) {
  std::string out;
  gzFile file = gzopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  std::array<char, 65536> buffer{};
  for (int n = 0; (n = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  REQUIRE(gzclose(file) == Z_OK);
  return out;
}

std::vector<json> read_jsonl(const std::filesystem::path& path) {
  std::ifstream in(path);
  REQUIRE(in.good());
  std::vector<json> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) out.push_back(json::parse(line));
  }
  return out;
}

bool near(double got, double want) {
  return std::abs(got - want) <= kTolerance;
}

bool near(const RougeScore& got, const json& want) {
  return near(got.precision, want.at("p")) && near(got.recall, want.at("r")) && near(got.f, want.at("f"));
}

}  // namespace

TEST_CASE("stems of the recorded word list", "[parity][text][stem]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream in(root / "unlearning/fixtures/stems.tsv");
  REQUIRE(in.good());
  std::string line;
  std::getline(in, line);
  REQUIRE(line == "word\tstem");
  int words = 0;
  while (std::getline(in, line)) {
    const std::size_t tab = line.find('\t');
    REQUIRE(tab != std::string::npos);
    INFO(line);
    CHECK(porter_stem(line.substr(0, tab)) == line.substr(tab + 1));
    ++words;
  }
  CHECK(words == 1626);
}

TEST_CASE("ROUGE fixtures of both packages", "[parity][text][rouge]") {
  ASSAY_NEEDS_DATA(root);
  const auto rows = read_jsonl(root / "unlearning/fixtures/rouge_cases.jsonl");
  CHECK(rows.size() == 212);
  int pypi_rows = 0;
  for (const json& row : rows) {
    const std::string reference = row.at("reference");
    const std::string hypothesis = row.at("hypothesis");
    INFO("reference: " << reference << "\nhypothesis: " << hypothesis);
    CHECK(near(rouge_google(reference, hypothesis, RougeKind::kRougeL, true), row.at("rougeL_stem")));
    CHECK(near(rouge_google(reference, hypothesis, RougeKind::kRougeL, false), row.at("rougeL_nostem")));
    CHECK(near(rouge_google(reference, hypothesis, RougeKind::kRouge1, true), row.at("rouge1_stem")));
    CHECK(near(rouge_google(reference, hypothesis, RougeKind::kRouge1, false), row.at("rouge1_nostem")));
    const RougePypi pypi = rouge_pypi_l(reference, hypothesis);
    const json& want = row.at("pypi_rouge_l");
    if (want.is_object() && want.contains("p")) {
      CHECK(near(pypi.score, want));
      ++pypi_rows;
    } else {
      CHECK(pypi.empty);  // an error upstream
    }
  }
  CHECK(pypi_rows >= 200);
}

TEST_CASE("recorded ROUGE recalls of TOFU and WPU runs", "[parity][text][rouge]") {
  ASSAY_NEEDS_DATA(root);
  const std::array<std::pair<const char*, int>, 4> runs{{{"tofu/llama2-7b_full.json", 817},
                                                         {"tofu/llama2-7b_retain90.json.gz", 817},
                                                         {"tofu/llama2-7b_retain99.json.gz", 557},
                                                         {"wpu/retain_forget10.json.gz", 1417}}};
  for (const auto& [name, expected_items] : runs) {
    INFO(name);
    const json run = json::parse(read_all(root / "unlearning/runs" / name));
    int items = 0;
    int differences_stemmed = 0;
    int differences_unstemmed = 0;
    for (const auto& section : run.items()) {
      const json& fields = section.value();
      if (!fields.is_object() || !fields.contains("generated_text")) continue;
      for (const auto& item : fields.at("generated_text").items()) {
        const std::string generation = item.value().at(1);
        const std::string gold = item.value().at(2);
        const double want_1 = fields.at("rouge1_recall").at(item.key());
        const double want_l = fields.at("rougeL_recall").at(item.key());
        differences_stemmed +=
            near(rouge_google(gold, generation, RougeKind::kRouge1, true).recall, want_1) ? 0 : 1;
        differences_stemmed +=
            near(rouge_google(gold, generation, RougeKind::kRougeL, true).recall, want_l) ? 0 : 1;
        differences_unstemmed +=
            near(rouge_google(gold, generation, RougeKind::kRougeL, false).recall, want_l) ? 0 : 1;
        ++items;
      }
    }
    CHECK(items == expected_items);
    CHECK(differences_stemmed == 0);
    CHECK(differences_unstemmed > 0);  // the comparison notices a missing stemmer
  }
}

TEST_CASE("every shipped refusal is recognised", "[parity][text][refusal]") {
  ASSAY_NEEDS_DATA(root);
  const std::string file = read_all(root / "unlearning/probes/refusals.txt");
  const auto detector = RefusalDetector::from_text(file);
  CHECK(detector.size() <= 100);
  std::size_t lines = 0;
  for (std::size_t start = 0; start < file.size();) {
    const std::size_t end = std::min(file.find('\n', start), file.size());
    const std::string line = file.substr(start, end - start);
    INFO(line);
    CHECK(detector.is_refusal(line));
    CHECK(detector.is_refusal("Hm. " + line + " Sorry about that."));
    ++lines;
    start = end + 1;
  }
  CHECK(lines == 100);
  // Gold answers of the forget set are statements, not refusals.
  std::size_t false_alarms = 0;
  for (const json& row : read_jsonl(root / "unlearning/tofu/forget10_perturbed.jsonl")) {
    false_alarms += detector.is_refusal(row.at("answer").get<std::string>()) ? 1U : 0U;
  }
  CHECK(false_alarms == 0);
}
