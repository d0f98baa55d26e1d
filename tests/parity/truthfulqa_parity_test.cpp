// TruthfulQA: golden vectors of the formulas, and the facts about both data versions.
#include <catch2/catch_test_macros.hpp>

#include "plugins/metrics/truthfulqa/candidate_scores.hpp"
#include "plugins/metrics/truthfulqa/surface_rules.hpp"
#include "plugins/tasks/truthfulqa_mc/questions.hpp"
#include "tests/support/data.hpp"
#include "tests/support/golden.hpp"

using namespace assay::truthfulqa;  // NOLINT: a test of this namespace
using namespace assay::test;        // NOLINT

namespace {

Questions questions(const std::filesystem::path& root, const char* name, bool keep_empty = true) {
  auto read = read_questions((root / "hallucination/truthfulqa" / name).string(), Format::kAuto, keep_empty);
  REQUIRE(read.ok());
  return std::move(*read);
}

std::size_t trues(const std::vector<Candidate>& list) {
  std::size_t n = 0;
  for (const Candidate& c : list) n += c.truth ? 1U : 0U;
  return n;
}

}  // namespace

TEST_CASE("truthfulqa parity: multiple-choice formulas") {
  ASSAY_NEEDS_DATA(root);
  const auto cases = for_each_golden(root / "hallucination/golden/tqa_mc.jsonl",
                                     [](const std::string& name, Json in, Json expected) {
                                       INFO(name);
                                       const auto t = reals(in["scores_true"]), f = reals(in["scores_false"]);
                                       const double best = t[std::size_t(std::uint64_t(in["best_index"]))];
                                       CHECK(mc1_strict(best, f) == real(expected["mc1"]));
                                       CHECK(close(mc3(t, f), real(expected["mc3"])));
                                       CHECK(close(max_true(t), real(expected["max"])));
                                       CHECK(close(max_difference(t, f), real(expected["diff"])));
                                       CHECK(close(mc2_lse(t, f), real(expected["mc2_lse"])));
                                       CHECK(close(mc2_naive(t, f), real(expected["mc2_naive"])));
                                       CHECK(close(mc2_dola(t, f), real(expected["mc2_dola"])));
                                     });
  CHECK(cases == 8);
  CHECK(for_each_golden(root / "hallucination/golden/tqa_mc0.jsonl",
                        [](const std::string& name, Json in, Json expected) {
                          INFO(name);
                          CHECK(mc0(real(in["score_best"]), real(in["score_best_incorrect"])) ==
                                real(expected["mc0_logprob"]));
                        }) == 2);
}

TEST_CASE("truthfulqa parity: candidates of the table") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(root / "hallucination/golden/tqa_candidates.jsonl", [](const std::string& name,
                                                                               Json in, Json expected) {
          INFO(name);
          std::vector<std::string> wanted;
          for (const Json text : expected["list"].get_array()) wanted.emplace_back(std::string_view(text));
          CHECK(split_answers(std::string_view(in["answers"])) == wanted);
          CHECK(finish_answer(std::string_view(in["best"])) == std::string_view(expected["best"]));
        }) == 6);
}

TEST_CASE("truthfulqa parity: facts about the data sets as written") {
  ASSAY_NEEDS_DATA(root);
  simdjson::dom::parser parser;
  const Json expected = parser.load((root / "hallucination/EXPECTED.json").string());
  for (const auto& [file, key] :
       {std::pair{"mc_task_v1.json", "truthfulqa_v1"}, {"mc_task_v2_2025.json", "truthfulqa_v2"}}) {
    INFO(file);
    const Json facts = expected[key];
    const Questions data = questions(root, file);
    CHECK(data.problems.empty());
    double mc1_sizes = 0, mc2_sizes = 0, chance = 0, uniform = 0;
    std::uint64_t candidates = 0, with_stop = 0;
    std::vector<std::string> unsorted;
    for (const Question& q : data.list) {
      mc1_sizes += static_cast<double>(q.mc1.size());
      mc2_sizes += static_cast<double>(q.mc2.size());
      chance += 1.0 / static_cast<double>(q.mc1.size());
      uniform += static_cast<double>(trues(q.mc2)) / static_cast<double>(q.mc2.size());
      candidates += q.mc2.size();
      bool seen_false = false, mixed = false;
      for (const Candidate& c : q.mc2) {
        with_stop += c.text.ends_with('.') ? 1U : 0U;
        mixed = mixed || (c.truth && seen_false);
        seen_false = seen_false || !c.truth;
      }
      if (mixed) unsorted.push_back(q.question);
    }
    const auto n = static_cast<double>(data.list.size());
    CHECK(data.list.size() == std::uint64_t(facts["rows"]));
    CHECK(close(mc1_sizes / n, real(facts["mean_mc1_choices"])));
    CHECK(close(mc2_sizes / n, real(facts["mean_mc2_choices"])));
    CHECK(close(chance / n, real(facts["mc1_chance"])));
    CHECK(close(uniform / n, real(facts["mc2_uniform"])));
    CHECK(candidates == std::uint64_t(facts["mc2_candidates"]));
    CHECK(with_stop == std::uint64_t(facts["mc2_candidates_ending_with_period"]));
    CHECK(data.empty_mc1 == std::uint64_t(facts["mc1_empty_candidates"]));
    CHECK(data.empty_mc2 == std::uint64_t(facts["mc2_empty_candidates"]));
    std::vector<std::string> wanted;
    for (const Json text : facts["mc2_unsorted_questions"].get_array())
      wanted.emplace_back(std::string_view(text));
    CHECK(unsorted == wanted);
  }
}

TEST_CASE("truthfulqa parity: empty candidates are dropped unless asked for") {
  ASSAY_NEEDS_DATA(root);
  const Questions kept = questions(root, "mc_task_v2_2025.json", true);
  const Questions dropped = questions(root, "mc_task_v2_2025.json", false);
  REQUIRE(kept.list.size() == dropped.list.size());
  std::size_t fewer = 0;
  for (std::size_t i = 0; i < kept.list.size(); ++i)
    fewer += kept.list[i].mc2.size() - dropped.list[i].mc2.size();
  CHECK(fewer == 22);
  CHECK(dropped.has_pairs);
}

TEST_CASE("truthfulqa parity: table and JSON hold the same candidates but for the known questions") {
  ASSAY_NEEDS_DATA(root);
  for (const auto& [csv, json, different] :
       {std::tuple{"TruthfulQA_v1_2021oct.csv", "mc_task_v1.json", std::size_t{2}},
        {"TruthfulQA_v2_2025.csv", "mc_task_v2_2025.json", std::size_t{24}}}) {
    INFO(csv);
    const Questions table = questions(root, csv), object = questions(root, json);
    REQUIRE(table.list.size() == object.list.size());
    CHECK(table.problems.empty());
    CHECK_FALSE(table.list[0].category.empty());
    const auto as_set = [](const Question& q) {
      std::vector<std::pair<std::string, bool>> set;
      for (const Candidate& c : q.mc2) {
        std::string text = c.text;
        while (text.ends_with('.')) text.pop_back();  // the final full stop is unified
        set.emplace_back(std::move(text), c.truth);
      }
      std::sort(set.begin(), set.end());
      set.erase(std::unique(set.begin(), set.end()), set.end());
      return set;
    };
    std::size_t count = 0;
    for (const Question& q : table.list) {
      const auto found = std::find_if(object.list.begin(), object.list.end(),
                                      [&](const Question& o) { return o.question == q.question; });
      if (found == object.list.end() || as_set(*found) != as_set(q)) ++count;
    }
    CHECK(count == different);
  }
}

TEST_CASE("truthfulqa parity: what length and negation give away in the pairs of 2025") {
  ASSAY_NEEDS_DATA(root);
  simdjson::dom::parser parser;
  const Json facts = parser.load((root / "hallucination/EXPECTED.json").string())["truthfulqa_v2"];
  const Questions data = questions(root, "TruthfulQA_v2_2025.csv");
  const auto length = [](const std::string& text) {
    double n = 0;
    for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1.0 : 0.0;
    return n;
  };
  double longer = 0, negation = 0;
  for (const Question& q : data.list) {
    const std::string& good = q.best->text;
    const std::string& bad = q.best_incorrect->text;
    const double lengths[2] = {length(good), length(bad)};
    longer += chance_of(lengths, 0);
    const double negations[2] = {has_negation(good) ? 1.0 : 0.0, has_negation(bad) ? 1.0 : 0.0};
    negation += chance_of(negations, 0);
  }
  const auto n = static_cast<double>(data.list.size());
  CHECK(close(longer / n, real(facts["baseline_longer_wins"])));
  CHECK(close(negation / n, real(facts["baseline_negation_wins_tie_half"])));
}
