// The planted world "organisms": the promised counts, disjoint persons, wrong answers that are wrong, and no
// way to tell the roles apart without a model.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "benchmarks/planted/world.hpp"
#include "harness/stats/roc.hpp"
#include "plugins/metrics/blind/blind_rules.hpp"
#include "plugins/metrics/blind/naive_bayes.hpp"
#include "tests/unit/data_support.hpp"

using namespace assay;
using namespace assay::planted;
using nlohmann::json;

namespace {

using assay::test::null_z;
using assay::test::rows_of;

constexpr std::uint64_t kSeed = 20260905;

World made(std::uint64_t seed) {
  auto world = make_world("organisms", seed, {});
  if (!world.ok()) FAIL(world.error().text);
  return std::move(world).value();
}

using Scores = std::vector<double>;

/// Scores of rules that see the texts (and, naive Bayes, the labels of other texts), in the order of the
/// texts.
std::map<std::string, Scores> blind_scores(const std::vector<std::string>& texts,
                                           const std::vector<int>& labels) {
  std::map<std::string, Scores> out;
  blind::NaiveBayes words({0, false});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out["length"].push_back(static_cast<double>(texts[i].size()));
    out["words"].push_back(static_cast<double>(std::count(texts[i].begin(), texts[i].end(), ' ')));
    out["date"].push_back(blind::date_max4(texts[i], 1940));
    out["zlib"].push_back(blind::size_of_text(texts[i], blind::SizeVariant::kZlibBytes).value());
    words.add(i, texts[i], labels[i], {});
  }
  for (const blind::NaiveBayes::Scored& row : words.scores()) out["naive Bayes"].push_back(row.score);
  return out;
}

}  // namespace

TEST_CASE("organisms: counts, nested forget sets, persons of one role only") {
  const World world = made(kSeed);
  std::map<std::string, int> documents, items, sets;
  std::map<std::string, std::set<std::string>> persons;
  for (const json& row : rows_of(world, "corpus.jsonl")) {
    ++documents[row["role"].get<std::string>() + "/" + row["form"].get<std::string>()];
    persons[row["person"]].insert(row["role"]);
  }
  CHECK(persons.size() == 500);
  for (const auto& [person, roles] : persons) CHECK(roles.size() == 1);
  for (const auto& [role, count] :
       std::map<std::string, int>{{"forget", 20}, {"retain", 180}, {"holdout", 100}, {"fresh", 200}}) {
    CHECK(documents[role + "/passage"] == count);
    CHECK(documents[role + "/rewording"] == count);
    CHECK(documents[role + "/question"] == 5 * count);
  }
  std::set<std::string> names;
  for (const json& item : rows_of(world, "items.jsonl")) {
    ++items[item["role"]];
    names.insert(item["name"]);
    if (item.contains("set")) ++sets[item["set"]];
    const std::string answer = item["answer"];
    std::set<std::string> wrong;
    for (const json& one : item["perturbed_answer"]) wrong.insert(one.get<std::string>());
    CHECK(wrong.size() == 3);
    CHECK(wrong.count(answer) == 0);
  }
  CHECK(names.size() == 300);
  CHECK(items == std::map<std::string, int>{{"forget", 100}, {"retain", 900}, {"holdout", 500}});
  CHECK(sets == std::map<std::string, int>{{"forget02", 10}, {"forget10", 40}, {"forget20", 50}});
}

TEST_CASE("organisms: passage and rewording state the same facts in other sentences") {
  const World world = made(kSeed);
  std::map<std::string, std::vector<std::string>> texts;
  for (const json& row : rows_of(world, "passages.jsonl")) texts[row["person"]].push_back(row["text"]);
  std::set<std::string> all;
  for (const auto& [person, both] : texts) {
    REQUIRE(both.size() == 2);
    all.insert(both.begin(), both.end());
    std::istringstream in(both[0]);
    for (std::string sentence; std::getline(in, sentence, '.');)
      if (sentence.size() > 2) CHECK(both[1].find(sentence.substr(1)) == std::string::npos);
  }
  CHECK(all.size() == 1000);
  for (const json& probe : rows_of(world, "probes.jsonl")) {
    const std::string id = probe["fact_id"], value = probe["answer"];
    for (const std::string& text : texts.at(id.substr(0, id.find('.'))))
      CHECK(text.find(" " + value + " ") != std::string::npos);
  }
}

TEST_CASE("organisms: probes are half known, half unknown") {
  std::map<int, int> exposures;
  for (const json& probe : rows_of(made(kSeed), "probes.jsonl")) {
    ++exposures[probe["exposures"].get<int>()];
    const auto candidates = probe["candidates"].get<std::vector<std::string>>();
    CHECK(std::set<std::string>(candidates.begin(), candidates.end()).size() == 8);
    CHECK(std::count(candidates.begin(), candidates.end(), probe["answer"].get<std::string>()) == 1);
  }
  CHECK(exposures == std::map<int, int>{{0, 500}, {3, 500}});
}

TEST_CASE("organisms: traps come in pairs of 25 words, one of each injected") {
  std::map<std::string, std::map<int, int>> labels;
  std::map<std::string, int> injected;
  std::set<std::string> texts;
  for (const json& row : rows_of(made(kSeed), "traps.jsonl")) {
    const std::string id = row["id"], text = row["text"];
    CHECK(std::count(text.begin(), text.end(), ' ') == 24);
    texts.insert(text);
    ++labels[row["group"]][row["label"].get<int>()];
    injected[id.substr(0, id.size() - 1)] += row["label"].get<int>();
  }
  CHECK(texts.size() == 80);
  CHECK(labels.size() == 4);
  for (const auto& [group, counts] : labels) CHECK(counts == std::map<int, int>{{0, 10}, {1, 10}});
  for (const auto& [pair, members] : injected) CHECK(members == 1);
}

TEST_CASE("organisms: without a model nothing tells members from non-members") {
  // 4 seeds, 2 forms, 3 pairs of roles, 5 rules: 120 comparisons, of which 4 standard errors leave out less
  // than one in a hundred runs of the whole test. Passage and rewording of a person are not independent,
  // hence one at a time.
  for (const std::uint64_t seed : {kSeed, std::uint64_t{11}, std::uint64_t{12}, std::uint64_t{13}}) {
    const std::vector<json> rows = rows_of(made(seed), "passages.jsonl");
    for (const char* form : {"passage", "rewording"}) {
      for (const auto& [member, other] : std::vector<std::pair<std::string, std::string>>{
               {"forget", "holdout"}, {"retain", "holdout"}, {"fresh", "holdout"}}) {
        std::vector<std::string> texts;
        std::vector<int> labels;
        for (const json& row : rows) {
          if (row["form"] != form || (row["role"] != member && row["role"] != other)) continue;
          texts.push_back(row["text"]);
          labels.push_back(row["role"] == member ? 1 : 0);
        }
        for (const auto& [rule, scores] : blind_scores(texts, labels)) {
          Scores members, others;
          for (std::size_t i = 0; i < scores.size(); ++i)
            (labels[i] == 1 ? members : others).push_back(scores[i]);
          INFO("seed " << seed << ", " << form << ", " << member << " against " << other << ", " << rule
                       << ", AUROC " << stats::auroc(members, others));
          CHECK(std::abs(null_z(members, others)) < 4.0);
        }
      }
    }
  }
}
