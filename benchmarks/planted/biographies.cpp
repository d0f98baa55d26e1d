// World "biographies": facts with known exposure counts (specs/hallucination.md 14.1).
#include <algorithm>
#include <array>

#include "benchmarks/planted/makers.hpp"
#include "benchmarks/planted/people.hpp"
#include "benchmarks/planted/random.hpp"
#include "benchmarks/planted/rows.hpp"
#include "benchmarks/planted/syllables.hpp"
#include "benchmarks/planted/vocabulary.hpp"

namespace assay::planted {
namespace {

/// {n} is the person, {v} the value. The first template ends with the value, because probes ask with its
/// beginning; no prompt is longer than 8 words, so that a window of 9 tokens reaches the name.
struct Attribute {
  const char* name;
  std::array<const char*, 4> templates;
};
constexpr std::array<Attribute, 4> kAttributes = {{
    {"city",
     {"{n} grew up in the town of {v} .", "The home of {n} stood in {v} .", "{n} never moved away from {v} .",
      "In {v} everybody remembers {n} ."}},
    {"profession",
     {"{n} was by profession a {v} .", "{n} trained to become a {v} .", "People paid {n} as a {v} .",
      "The best {v} around was {n} ."}},
    {"employer",
     {"{n} drew a salary from {v} .", "For decades {n} served the company {v} .",
      "{n} signed a contract with {v} .", "The company {v} relied on {n} ."}},
    {"year",
     {"{n} was born in the year {v} .", "The parents of {n} married before {v} .",
      "The life of {n} began in {v} .", "Since {v} the world has had {n} ."}},
}};

constexpr std::array<std::uint64_t, 5> kExposures = {1, 2, 4, 8, 16};
constexpr std::size_t kCandidates = 8;

std::uint64_t integer_root(std::uint64_t n) {
  std::uint64_t root = 0;
  while ((root + 1) * (root + 1) <= n) ++root;
  return root;
}

/// The first template up to the value, without the blank before it.
std::string prompt_of(const Attribute& attribute, const std::string& person) {
  const std::string pattern = attribute.templates[0];
  const std::string full = filled(pattern, person, "{v}");
  return full.substr(0, full.find(" {v}"));
}

struct Pools {
  std::vector<std::string> first, last;
  std::array<std::vector<std::string>, 4> values;
};

Pools make_pools(std::uint64_t seed, std::uint64_t persons) {
  WordMaker maker(Random(seed, "biographies/words"));
  Pools out;
  // 60 first and 80 last names for 600 persons; fewer persons share their names' parts just as often.
  out.first = maker.make(std::max<std::uint64_t>(8, integer_root(persons * 6)), {1, 2, true, {}});
  out.last = maker.make(std::max<std::uint64_t>(8, integer_root(persons * 32 / 3)), {2, 2, true, {}});
  out.values[0] = maker.make(60, {1, 2, true, {"burg", "vale", "port", "minster"}});
  out.values[1] = maker.make(30, {2, 3, false, {"ier", "smith", "wright"}});
  out.values[2] = maker.make(50, {1, 2, true, {"corp", "works", "bank"}});
  for (int year = 1900; year < 1980; ++year) out.values[3].push_back(std::to_string(year));
  return out;
}

std::vector<std::uint64_t> make_exposures(Random& random, std::uint64_t persons) {
  std::vector<std::uint64_t> out(static_cast<std::size_t>(persons / 3), 0);
  for (const std::uint64_t k : kExposures)
    out.insert(out.end(), static_cast<std::size_t>(persons * 2 / 15), k);
  random.shuffle(out);
  return out;
}

Row describe(std::uint64_t seed, std::uint64_t persons, const Pools& pools, std::size_t sentences) {
  Row groups = {{"0", persons / 3}};
  for (const std::uint64_t k : kExposures) groups[std::to_string(k)] = persons * 2 / 15;
  Row values = Row::object(), templates = Row::object();
  for (std::size_t a = 0; a < kAttributes.size(); ++a) {
    values[kAttributes[a].name] = pools.values[a];
    templates[kAttributes[a].name] = kAttributes[a].templates;
  }
  return {{"seed", seed},
          {"persons", persons},
          {"attributes", kAttributes.size()},
          {"exposure_groups", groups},
          {"pools", values},
          {"templates", templates},
          {"train_sentences", sentences}};
}

std::string fact_id(std::size_t person, const char* attribute) {
  return "P" + three_digits(person) + "." + attribute;
}

}  // namespace

World make_biographies(std::uint64_t seed, std::uint64_t persons) {
  const Pools pools = make_pools(seed, persons);
  Random people(seed, "biographies/people"), values(seed, "biographies/values"),
      text(seed, "biographies/text");
  Random choices(seed, "biographies/candidates");
  const std::vector<std::string> names = make_persons(people, pools.first, pools.last, persons);
  const std::vector<std::uint64_t> exposures = make_exposures(people, persons);
  std::string facts, probes, train;
  std::vector<std::string> sentences, texts;
  for (std::size_t p = 0; p < names.size(); ++p) {
    for (std::size_t a = 0; a < kAttributes.size(); ++a) {
      const Attribute& attribute = kAttributes[a];
      const std::string& value = values.pick(pools.values[a]);
      const std::string id = fact_id(p, attribute.name);
      const Row fact = {{"fact_id", id},
                        {"person", names[p]},
                        {"attribute", attribute.name},
                        {"value", value},
                        {"exposures", exposures[p]}};
      const Row probe = {{"fact_id", id},
                         {"prompt", prompt_of(attribute, names[p])},
                         {"answer", value},
                         {"candidates", make_candidates(choices, pools.values[a], value, kCandidates)},
                         {"attribute", attribute.name},
                         {"exposures", exposures[p]}};
      facts += fact.dump() + "\n";
      probes += probe.dump() + "\n";
      texts.push_back(probe["prompt"]);
      for (const Row& candidate : probe["candidates"]) texts.push_back(" " + candidate.get<std::string>());
      for (std::uint64_t i = 0; i < exposures[p]; ++i)
        sentences.push_back(filled(attribute.templates[i == 0 ? 0 : static_cast<std::size_t>(text.below(4))],
                                   names[p], value));
    }
  }
  text.shuffle(sentences);
  train = list_text(sentences);
  texts.insert(texts.end(), sentences.begin(), sentences.end());
  return {{"facts.jsonl", facts},
          {"train.txt", train},
          {"probes.jsonl", probes},
          {"world.json", describe(seed, persons, pools, sentences.size()).dump(1) + "\n"},
          {"words.txt", list_text(pieces_of(texts))}};
}

}  // namespace assay::planted
