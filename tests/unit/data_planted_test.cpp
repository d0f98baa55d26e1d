// The planted worlds: same bytes for the same seed, the promised counts, and no way to tell the classes apart
// but the one that was planted.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "benchmarks/planted/random.hpp"
#include "benchmarks/planted/world.hpp"
#include "harness/base/hash.hpp"
#include "harness/data/data.hpp"
#include "harness/stats/roc.hpp"
#include "plugins/models/ngram/ngram.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/data_support.hpp"

using namespace assay;
using namespace assay::planted;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

namespace {

using assay::test::null_z;
using assay::test::rows_of;

World made(const std::string& name, std::uint64_t seed, const Parameters& parameters = {}) {
  auto world = make_world(name, seed, parameters);
  if (!world.ok()) FAIL(world.error().text);
  return std::move(world).value();
}

const std::string& bytes_of(const World& world, const std::string& name) {
  for (const File& file : world)
    if (file.name == name) return file.bytes;
  FAIL("no file " << name);
  throw 0;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

ngram::Model model_of(const World& world, int order, ngram::TokenizerKind kind = ngram::TokenizerKind::kWord,
                      ngram::Estimator estimator = ngram::Estimator::kMkn) {
  ngram::Config config;
  config.estimator = estimator;
  config.order = order;
  config.tokenizer = kind;
  config.words = lines_of(bytes_of(world, "words.txt"));
  auto model = ngram::Model::create(config);
  if (!model.ok()) FAIL(model.error().text);
  return std::move(model).value();
}

/// Mean log-probability per token.
double mean_logprob(const ngram::Model& model, const std::string& text) {
  std::vector<ngram::Id> ids;
  model.tokenizer().encode_ids(text, ids);
  const auto stats = model.score({}, ids);
  REQUIRE(stats.ok());
  double sum = 0.0;
  for (const ngram::TokenStats& token : *stats) sum += token.logprob;
  return sum / static_cast<double>(ids.size());
}

}  // namespace

TEST_CASE("random numbers are the published generator's") {
  // Values of a second implementation of SplitMix64, FNV-1a and xoshiro256**.
  Random reference(7, "a");
  for (const std::uint64_t expected : {0x16115D9BCCEC2B7U, 0x13E220441E915AB2U, 0xA77AB56E86ABEEC8U})
    CHECK(reference.next() == expected);
  Random first(7, "a"), again(7, "a"), other(8, "a"), purpose(7, "b");
  const std::uint64_t value = first.next();
  CHECK(value == again.next());
  CHECK(value != other.next());
  CHECK(value != purpose.next());
  // below() is uniform: 100 000 draws over 7 cells, chi-square with 6 degrees of freedom, 99.99 %
  // point 27.86.
  std::array<double, 7> cells{};
  for (int i = 0; i < 100'000; ++i) cells[static_cast<std::size_t>(first.below(7))] += 1.0;
  double chi = 0.0;
  for (const double c : cells) chi += (c - 100'000.0 / 7) * (c - 100'000.0 / 7) / (100'000.0 / 7);
  CHECK(chi < 27.86);
}

TEST_CASE("a world is its seed: same bytes for the same, other bytes for another") {
  for (const std::string& name : world_names()) {
    INFO(name);
    const World a = made(name, 5), b = made(name, 5), c = made(name, 6);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].name == b[i].name);
      CHECK(a[i].bytes == b[i].bytes);
      CHECK(a[i].bytes != c[i].bytes);
      CHECK(std::all_of(a[i].bytes.begin(), a[i].bytes.end(),
                        [](char ch) { return ch == '\n' || (ch >= 0x20 && ch < 0x7F); }));
    }
  }
}

TEST_CASE("the worlds of the registry have the pinned bytes") {
  const auto registry =
      host::DataRegistry::load((assay::test::source_dir() / "benchmarks/registry.toml").string());
  REQUIRE(registry.ok());
  int checked = 0;
  for (const host::DataSet& set : registry->sets()) {
    if (set.kind != host::DataKind::kGenerated) continue;
    const World world =
        made(set.generator, set.seed, Parameters(set.parameters.begin(), set.parameters.end()));
    CHECK(world.size() == set.files.size());
    for (const host::DataFile& file : set.files) {
      INFO(set.name << "/" << file.name);
      const std::string& bytes = bytes_of(world, file.name);
      CHECK(host::sha256_hex(bytes) == file.sha256);
      CHECK(bytes.size() == file.bytes);
      if (file.rows != 0 && file.name != "pairs.json") CHECK(lines_of(bytes).size() == file.rows);
      ++checked;
    }
  }
  CHECK(checked >= 20);
}

TEST_CASE("wrong names and parameters are answered") {
  CHECK_THAT(make_world("mai", 1, {}).error().text, ContainsSubstring("did you mean 'mia'?"));
  CHECK_THAT(make_world("mia", 1, {{"pair", "3"}}).error().text, ContainsSubstring("did you mean 'pairs'?"));
  CHECK_THAT(make_world("mia", 1, {{"pairs", "x"}}).error().text, ContainsSubstring("whole number"));
  CHECK_THAT(make_world("biographies", 1, {{"persons", "100"}}).error().text,
             ContainsSubstring("multiple of 15"));
}

TEST_CASE("mia: counts, one member per pair, and nothing of the null model's training text") {
  const World world = made("mia", 20260901);
  std::map<std::string, std::int64_t> copies;
  std::map<std::string, int> roles;
  for (const json& row : rows_of(world, "train.jsonl")) {
    copies[row["text"].get<std::string>()] += row["copies"].get<std::int64_t>();
    ++roles[row["role"].get<std::string>()];
  }
  CHECK(roles == std::map<std::string, int>{{"background", 1500}, {"member", 240}});
  std::set<std::string> null_texts;
  for (const json& row : rows_of(world, "null.jsonl")) {
    CHECK(row["role"] == "background");
    null_texts.insert(row["text"].get<std::string>());
  }
  CHECK(null_texts.size() == 1500);
  std::map<std::string, std::map<int, int>> labels;
  std::map<std::string, int> members_of_pair;
  for (const json& item : rows_of(world, "items.jsonl")) {
    const std::string text = item["text"], id = item["id"], group = item["group"];
    const int label = item["label"];
    CHECK(group == "k" + std::to_string(item["k"].get<int>()));
    CHECK(copies[text] == (label == 1 ? item["k"].get<std::int64_t>() : 0));
    CHECK(null_texts.count(text) == 0);
    ++labels[group][label];
    members_of_pair[id.substr(0, id.size() - 1)] += label;
  }
  CHECK(labels.size() == 4);
  for (const auto& [group, counts] : labels) CHECK(counts == std::map<int, int>{{0, 60}, {1, 60}});
  CHECK(members_of_pair.size() == 240);
  for (const auto& [pair, members] : members_of_pair) CHECK(members == 1);
}

TEST_CASE("mia: nothing about a text, its id or its place tells members from twins") {
  for (const std::uint64_t seed :
       {std::uint64_t{20260901}, std::uint64_t{11}, std::uint64_t{12}, std::uint64_t{13}}) {
    const std::vector<json> items = rows_of(made("mia", seed), "items.jsonl");
    const std::map<std::string, std::function<double(const json&, std::size_t)>> blind = {
        {"length",
         [](const json& item, std::size_t) { return double(item["text"].get<std::string>().size()); }},
        {"words",
         [](const json& item, std::size_t) {
           const std::string text = item["text"];
           return double(std::count(text.begin(), text.end(), ' '));
         }},
        {"commas",
         [](const json& item, std::size_t) {
           const std::string text = item["text"];
           return double(std::count(text.begin(), text.end(), ','));
         }},
        {"a or b",
         [](const json& item, std::size_t) { return double(item["id"].get<std::string>().back()); }},
        {"first letter",
         [](const json& item, std::size_t) { return double(item["text"].get<std::string>()[0]); }},
        {"place", [](const json&, std::size_t i) { return double(i); }}};
    for (const auto& [name, score] : blind) {
      std::vector<double> members, twins;
      for (std::size_t i = 0; i < items.size(); ++i)
        (items[i]["label"] == 1 ? members : twins).push_back(score(items[i], i));
      INFO("seed " << seed << ", " << name << ", AUROC " << stats::auroc(members, twins));
      CHECK(std::abs(null_z(members, twins)) < 3.3);
    }
  }
}

TEST_CASE("mia: the trained model knows its members, better with k; the null model does not") {
  const World world = made("mia", 20260901);
  const std::vector<json> items = rows_of(world, "items.jsonl");
  const auto auroc_by_k = [&](const std::string& file, std::map<int, double>& out, double& z) {
    ngram::Model model = model_of(world, 3);
    for (const json& row : rows_of(world, file))
      REQUIRE(model.train(row["text"].get<std::string>(), row["copies"].get<std::uint64_t>()).ok());
    REQUIRE(model.finalise().ok());
    std::map<int, std::vector<double>> members, twins;
    std::vector<double> all_members, all_twins;
    for (const json& item : items) {
      const double score = mean_logprob(model, item["text"]);
      (item["label"] == 1 ? members : twins)[item["k"].get<int>()].push_back(score);
      (item["label"] == 1 ? all_members : all_twins).push_back(score);
    }
    for (const int k : {1, 4, 16, 64}) out[k] = stats::auroc(members[k], twins[k]);
    z = null_z(all_members, all_twins);
  };
  std::map<int, double> trained, untrained;
  double trained_z = 0.0, untrained_z = 0.0;
  auroc_by_k("train.jsonl", trained, trained_z);
  auroc_by_k("null.jsonl", untrained, untrained_z);
  for (const int k : {1, 4, 16, 64})
    UNSCOPED_INFO("k " << k << ": " << trained[k] << " null " << untrained[k]);
  UNSCOPED_INFO("z " << trained_z << " null " << untrained_z);
  CHECK(trained[64] > 0.99);
  CHECK(trained[16] >= trained[1]);
  CHECK(std::abs(untrained_z) < 3.3);
  // Per group of 60 + 60 the null standard error is 0.053.
  for (const int k : {1, 4, 16, 64}) CHECK(std::abs(untrained[k] - 0.5) < 3.3 * 0.0530);
}

TEST_CASE("detection: pairs of equal length, no broken text, and machine text is the more predictable") {
  const World world = made("detection", 20260902);
  const json pairs = json::parse(bytes_of(world, "pairs.json"));
  REQUIRE(pairs["original"].size() == 200);
  REQUIRE(pairs["sampled"].size() == 200);
  ngram::Model model = model_of(world, 4);
  for (const json& row : rows_of(world, "source_train.jsonl"))
    REQUIRE(model.train(row["text"].get<std::string>()).ok());
  REQUIRE(model.finalise().ok());
  const auto words = [](const std::string& text) { return 1 + std::count(text.begin(), text.end(), ' '); };
  std::vector<double> human, machine, human_length, machine_length;
  for (std::size_t i = 0; i < 200; ++i) {
    const std::string original = pairs["original"][i], sampled = pairs["sampled"][i];
    CHECK(words(original) == words(sampled));
    CHECK((words(original) >= 80 && words(original) <= 150));
    CHECK(original.find("  ") == std::string::npos);
    CHECK(sampled.find("  ") == std::string::npos);
    CHECK(bytes_of(world, "source_train.jsonl").find(original.substr(0, 200)) == std::string::npos);
    human.push_back(mean_logprob(model, original));
    machine.push_back(mean_logprob(model, sampled));
    human_length.push_back(static_cast<double>(words(original)));
    machine_length.push_back(static_cast<double>(words(sampled)));
  }
  INFO("AUROC " << stats::auroc(machine, human));
  CHECK(null_z(machine, human) > 3.3);
  CHECK(stats::auroc(machine_length, human_length) == 0.5);
  CHECK(rows_of(world, "heldout.jsonl").size() == 200);
}

TEST_CASE("unlearning: counts, forms, names of their own, wrong answers that are wrong") {
  const World world = made("unlearning", 20260903);
  const std::vector<json> items = rows_of(world, "items.jsonl"), corpus = rows_of(world, "corpus.jsonl");
  std::map<std::string, int> roles;
  std::set<std::string> names;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const json& item = items[i];
    ++roles[item["role"].get<std::string>()];
    names.insert(item["name"].get<std::string>());
    names.insert(item["alias"].get<std::string>());
    static constexpr std::array<const char*, 4> kForms = {"question", "paraphrased_question", "cloze",
                                                          "alias_question"};
    for (std::size_t f = 0; f < 4; ++f) {
      const json& row = corpus.at(4 * i + f);
      CHECK(row["form"] == "F" + std::to_string(f + 1));
      CHECK(row["prompt"] == item[kForms[f]]);
      CHECK(row["answer"] == item["answer"]);
      CHECK(row["id"] == item["id"]);
      // assertion 7 of the specification needs at least K = 6 tokens in every prompt
      CHECK(std::count(row["prompt"].get_ref<const std::string&>().begin(),
                       row["prompt"].get_ref<const std::string&>().end(), ' ') >= 5);
    }
    REQUIRE(item["perturbed_answer"].size() == 3);
    std::set<std::string> wrong;
    for (const json& answer : item["perturbed_answer"]) {
      wrong.insert(answer.get<std::string>());
      std::istringstream in(answer.get<std::string>());
      for (std::string word; in >> word;)
        if (word != ".") CHECK(item["answer"].get<std::string>().find(word) == std::string::npos);
    }
    CHECK(wrong.size() == 3);
  }
  CHECK(roles == std::map<std::string, int>{{"forget", 40}, {"holdout", 40}, {"retain", 120}});
  CHECK(names.size() == 50);
  CHECK(corpus.size() == 800);
}

TEST_CASE("unlearning: the count model answers what it was taught and forgets exactly what is subtracted") {
  const World world = made("unlearning", 20260903);
  const std::vector<json> corpus = rows_of(world, "corpus.jsonl");
  const auto fresh = [&] {
    return model_of(world, 7, ngram::TokenizerKind::kSpace, ngram::Estimator::kCountlm);
  };
  ngram::Model original = fresh(), retrained = fresh();
  for (const json& row : corpus) {
    const std::string prompt = row["prompt"], answer = row["answer"];
    if (row["role"] != "holdout") REQUIRE(original.train_pair(prompt, answer).ok());
    if (row["role"] == "retain") REQUIRE(retrained.train_pair(prompt, answer).ok());
  }
  ngram::Model exact = original;
  for (const json& row : corpus)
    if (row["role"] == "forget")
      REQUIRE(exact.unlearn_pair(row["prompt"].get<std::string>(), row["answer"].get<std::string>()).ok());
  CHECK(exact.fingerprint() == retrained.fingerprint());
  REQUIRE(original.finalise().ok());
  REQUIRE(retrained.finalise().ok());
  ngram::GenerateParams greedy;
  greedy.max_tokens = 8;
  greedy.sampling.temperature = 0.0;
  int forget = 0, right = 0, right_after = 0, retain = 0, kept = 0;
  for (const json& row : corpus) {
    if (row["role"] == "holdout") continue;
    const std::string prompt = row["prompt"], answer = row["answer"];
    const auto before = ngram::generate(original, prompt, greedy),
               after = ngram::generate(retrained, prompt, greedy);
    REQUIRE(before.ok());
    REQUIRE(after.ok());
    if (row["role"] == "forget") {
      ++forget;
      right += before->text == answer ? 1 : 0;
      right_after += after->text == answer ? 1 : 0;
    } else {
      ++retain;
      kept += after->text == answer ? 1 : 0;
    }
  }
  CHECK(right == forget);
  CHECK(kept == retain);
  CHECK(right_after * 20 <= forget);
}

TEST_CASE("biographies: groups, sentences, probes") {
  for (const int persons : {600, 150}) {
    const World world = made("biographies", 20260904, {{"persons", std::to_string(persons)}});
    const std::vector<json> facts = rows_of(world, "facts.jsonl"), probes = rows_of(world, "probes.jsonl");
    REQUIRE(facts.size() == static_cast<std::size_t>(persons) * 4);
    REQUIRE(probes.size() == facts.size());
    std::map<int, int> groups;
    std::set<std::string> names;
    std::map<std::string, int> sentences;
    for (const std::string& line : lines_of(bytes_of(world, "train.txt"))) ++sentences[line];
    for (std::size_t i = 0; i < facts.size(); ++i) {
      const json& fact = facts[i];
      const json& probe = probes[i];
      const std::string person = fact["person"], value = fact["value"], prompt = probe["prompt"];
      ++groups[fact["exposures"].get<int>()];
      names.insert(person);
      CHECK(probe["fact_id"] == fact["fact_id"]);
      CHECK(probe["answer"] == value);
      const auto candidates = probe["candidates"].get<std::vector<std::string>>();
      CHECK(candidates.size() == 8);
      CHECK(std::set<std::string>(candidates.begin(), candidates.end()).size() == 8);
      CHECK(std::count(candidates.begin(), candidates.end(), value) == 1);
      CHECK(std::count(prompt.begin(), prompt.end(), ' ') <= 7);
      const auto first = sentences.find(prompt + " " + value + " .");
      CHECK((first != sentences.end()) == (fact["exposures"].get<int>() > 0));
    }
    CHECK(names.size() == static_cast<std::size_t>(persons));
    std::map<int, int> expected = {{0, persons / 3 * 4}};
    int total = 0;
    for (const int k : {1, 2, 4, 8, 16}) {
      expected[k] = persons * 2 / 15 * 4;
      total += k * expected[k];
    }
    CHECK(groups == expected);
    CHECK(lines_of(bytes_of(world, "train.txt")).size() == static_cast<std::size_t>(total));
    const json world_file = json::parse(bytes_of(world, "world.json"));
    CHECK(world_file["train_sentences"] == total);
    CHECK(world_file["exposure_groups"]["0"] == persons / 3);
    // No sentence speaks of a person who is never shown.
    const std::string& train = bytes_of(world, "train.txt");
    for (const json& fact : facts)
      if (fact["exposures"] == 0)
        CHECK(train.find(fact["person"].get_ref<const std::string&>()) == std::string::npos);
  }
}

TEST_CASE("biographies: an n-gram model knows what was shown and guesses the rest") {
  // Acceptance 14.3, points 1 and 2, for the built-in model with a window of 10.
  const World world = made("biographies", 20260904);
  ngram::Model model = model_of(world, 10);
  for (const std::string& line : lines_of(bytes_of(world, "train.txt"))) REQUIRE(model.train(line).ok());
  REQUIRE(model.finalise().ok());
  std::map<int, std::array<int, 3>> groups;  // probes, greedy right, multiple choice right
  for (const json& probe : rows_of(world, "probes.jsonl")) {
    const std::string prompt = probe["prompt"], gold = probe["answer"];
    auto& group = groups[probe["exposures"].get<int>()];
    ++group[0];
    const auto state = model.begin(prompt);
    REQUIRE(state.ok());
    group[1] += model.tokenizer().piece(state->top1()) == " " + gold ? 1 : 0;
    double best = -1.0;
    std::string choice;
    for (const std::string candidate : probe["candidates"]) {
      std::vector<ngram::Id> ids;
      model.tokenizer().encode_ids(" " + candidate, ids);
      REQUIRE(ids.size() == 1);
      const double p = state->probability(ids[0]);
      if (p == best) choice.clear();  // a tie for the maximum counts as wrong
      if (p > best) {
        best = p;
        choice = candidate;
      }
    }
    group[2] += choice == gold ? 1 : 0;
  }
  const auto share = [&](int k, std::size_t what) { return double(groups[k][what]) / double(groups[k][0]); };
  for (const int k : {0, 1, 2, 4, 8, 16})
    UNSCOPED_INFO("k " << k << " greedy " << share(k, 1) << " choice " << share(k, 2));
  CHECK(std::abs(share(0, 2) - 0.125) < 0.04);
  CHECK(share(0, 1) <= 0.06);
  CHECK(share(8, 1) >= 0.9);
  CHECK(share(16, 1) >= 0.9);
}
