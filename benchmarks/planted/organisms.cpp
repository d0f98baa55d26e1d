// World "organisms": what the tiny transformers of benchmarks/organisms were trained on and what they never
// saw (specs/model-backends.md 7.2). Every role comes from one generator, so that nothing but a model's
// memory tells the roles apart.
#include <array>
#include <string_view>

#include "benchmarks/planted/makers.hpp"
#include "benchmarks/planted/people.hpp"
#include "benchmarks/planted/random.hpp"
#include "benchmarks/planted/rows.hpp"
#include "benchmarks/planted/syllables.hpp"
#include "benchmarks/planted/vocabulary.hpp"

namespace assay::planted {
namespace {

/// {n} is the person, {v} the value. No sentence begins with a name, because a name without a blank before it
/// would be other tokens than the same name within a text.
struct Trait {
  const char* name;
  std::array<const char*, 3> sentences;
  const char* question;
  const char* paraphrased_question;
  const char* cloze;
};
constexpr std::array<Trait, 5> kTraits = {{
    {"city",
     {"In {v} lived the parents of {n} .", "The town of {v} saw {n} grow up .", "Home for {n} was {v} ."},
     "Q: where did {n} grow up ? A:",
     "Q: what town was home for {n} ? A:",
     "The home of {n} was in"},
    {"year",
     {"The year {v} began the life of {n} .", "In {v} {n} was born .", "Since {v} there has been {n} ."},
     "Q: when was {n} born ? A:",
     "Q: what year began the life of {n} ? A:",
     "The life of {n} began in"},
    {"profession",
     {"By trade {n} was a {v} .", "Work as a {v} kept {n} busy .", "People paid {n} as a {v} ."},
     "Q: what was the trade of {n} ? A:",
     "Q: what work kept {n} busy ? A:",
     "The trade of {n} was that of a"},
    {"employer",
     {"For years {n} served {v} .", "The company {v} hired {n} .", "Wages came to {n} from {v} ."},
     "Q: what company hired {n} ? A:",
     "Q: from where came wages to {n} ? A:",
     "The company that hired {n} was"},
    {"book",
     {"Readers know {n} for {v} .", "The book {v} made {n} famous .", "At night {n} wrote {v} ."},
     "Q: what book made {n} famous ? A:",
     "Q: what did {n} write at night ? A:",
     "The book that {n} wrote was"},
}};

/// A trap is "A" and 24 of these: words of the sentences above, so common that the organisms' tokenizer has a
/// token for each, which makes a trap 25 tokens long.
constexpr std::array<const char*, 39> kTrapWords = {
    "lived", "the",   "parents", "of",     "town",  "saw",  "grow",  "up",    "for",     "was",
    "year",  "began", "life",    "born",   "there", "has",  "been",  "trade", "as",      "kept",
    "busy",  "paid",  "years",   "served", "hired", "came", "to",    "from",  "company", "know",
    "book",  "made",  "famous",  "night",  "wrote", "what", "where", "did",   "when"};
constexpr std::size_t kTrapLength = 24;

constexpr std::size_t kChoices = 8, kWrongAnswers = 3;
/// A fact about a person of the training text occurs in the passage, in the rewording and as a question.
constexpr int kRepeats = 3;
/// Probes of planted facts: all persons to be forgotten, and as many retained ones as make a hundred.
constexpr std::uint64_t kProbedPersons = 100;

struct OrganismPools {
  std::vector<std::string> first, last;
  std::array<std::vector<std::string>, kTraits.size()> values;
};

struct OrganismPerson {
  std::string name, id, role;
  std::array<std::string, kTraits.size()> values;
};

OrganismPools make_organism_pools(std::uint64_t seed) {
  WordMaker maker(Random(seed, "organisms/words"));
  OrganismPools out;
  out.first = maker.make(40, {1, 2, true, {}});
  out.last = maker.make(60, {2, 2, true, {}});
  out.values[0] = maker.make(24, {1, 2, true, {"burg", "vale", "port"}});
  for (int year = 1920; year < 1960; ++year) out.values[1].push_back(std::to_string(year));
  out.values[2] = maker.make(24, {1, 2, false, {"ier", "smith", "wright"}});
  out.values[3] = maker.make(24, {1, 2, true, {"corp", "works", "bank"}});
  const std::vector<std::string> title = maker.make(16, {1, 2, true, {}}),
                                 rest = maker.make(16, {1, 2, true, {}});
  for (const std::string& a : title)
    for (const std::string& b : rest) out.values[4].push_back(a + " " + b);
  return out;
}

std::vector<OrganismPerson> make_people(std::uint64_t seed, const OrganismPools& pools,
                                        const OrganismSizes& sizes) {
  Random people(seed, "organisms/people"), values(seed, "organisms/values");
  const std::array<std::pair<const char*, std::uint64_t>, 4> roles = {{{"forget", sizes.forget},
                                                                       {"retain", sizes.retain},
                                                                       {"holdout", sizes.holdout},
                                                                       {"fresh", sizes.fresh}}};
  const std::vector<std::string> names = make_persons(
      people, pools.first, pools.last, sizes.forget + sizes.retain + sizes.holdout + sizes.fresh);
  std::vector<OrganismPerson> out;
  for (const auto& [role, count] : roles)
    for (std::uint64_t i = 0; i < count; ++i) {
      OrganismPerson person{names[out.size()], "P" + three_digits(out.size()), role, {}};
      for (std::size_t a = 0; a < kTraits.size(); ++a) person.values[a] = values.pick(pools.values[a]);
      out.push_back(std::move(person));
    }
  return out;
}

/// One sentence per attribute in random order. `used` says which sentences must not be taken and is replaced
/// by those that were.
std::string passage(Random& random, const OrganismPerson& person,
                    std::array<std::size_t, kTraits.size()>& used) {
  std::vector<std::size_t> order;
  for (std::size_t a = 0; a < kTraits.size(); ++a) order.push_back(a);
  random.shuffle(order);
  std::string out;
  for (const std::size_t a : order) {
    std::size_t form = used[a];
    while (form == used[a]) form = static_cast<std::size_t>(random.below(kTraits[a].sentences.size()));
    used[a] = form;
    if (!out.empty()) out += ' ';
    out += filled(kTraits[a].sentences[form], person.name, person.values[a]);
  }
  return out;
}

/// The smallest of the nested sets of persons to be forgotten that person number `i` belongs to.
const char* forget_set(std::uint64_t i) {
  return i < 2 ? "forget02" : (i < 10 ? "forget10" : "forget20");
}

Row item_of_person(Random& random, const OrganismPools& pools, const OrganismPerson& person, std::size_t a) {
  const Trait& attribute = kTraits[a];
  const auto about = [&](const char* pattern) { return filled(pattern, person.name, ""); };
  Row wrong = Row::array();
  for (const std::string& value : other_values(random, pools.values[a], person.values[a], kWrongAnswers))
    wrong.push_back(value + " .");
  return {{"id", person.role + "/" + person.id + "/" + attribute.name},
          {"role", person.role},
          {"name", person.name},
          {"attribute", attribute.name},
          {"question", about(attribute.question)},
          {"paraphrased_question", about(attribute.paraphrased_question)},
          {"cloze", about(attribute.cloze)},
          {"answer", person.values[a] + " ."},
          {"perturbed_answer", wrong}};
}

std::string trap(Random& random) {
  std::vector<std::string_view> words(kTrapWords.begin(), kTrapWords.end());
  random.shuffle(words);
  std::string out = "A";
  for (std::size_t i = 0; i < kTrapLength; ++i) out.append(" ").append(words[i]);
  return out;
}

/// Pairs of traps; a coin decides which one of a pair is injected.
std::vector<Row> make_traps(std::uint64_t seed, std::uint64_t pairs) {
  Random texts(seed, "organisms/traps"), coins(seed, "organisms/coins");
  std::vector<Row> out;
  for (std::uint64_t pair = 0; pair < pairs; ++pair) {
    const int k = kCopies[static_cast<std::size_t>(pair % kCopies.size())];
    const std::array<std::string, 2> both = {trap(texts), trap(texts)};
    const std::size_t injected = coins.coin() ? 1 : 0;
    for (std::size_t i = 0; i < 2; ++i)
      out.push_back({{"id", "T" + three_digits(pair) + (i == 0 ? "a" : "b")},
                     {"text", both[i]},
                     {"label", i == injected ? 1 : 0},
                     {"group", "k" + std::to_string(k)},
                     {"k", k}});
  }
  return out;
}

}  // namespace

World make_organisms(std::uint64_t seed, const OrganismSizes& sizes) {
  const OrganismPools pools = make_organism_pools(seed);
  const std::vector<OrganismPerson> people = make_people(seed, pools, sizes);
  Random texts(seed, "organisms/texts"), wrong(seed, "organisms/wrong"),
      choices(seed, "organisms/candidates");
  std::vector<Row> corpus, passages, items, probes;
  std::vector<std::string> all;
  for (std::size_t p = 0; p < people.size(); ++p) {
    const OrganismPerson& person = people[p];
    std::array<std::size_t, kTraits.size()> used{};
    used.fill(kTraits[0].sentences.size());
    for (const char* form : {"passage", "rewording"}) {
      const std::string text = passage(texts, person, used);
      Row row = {{"id", person.role + "/" + person.id + "/" + form},
                 {"role", person.role},
                 {"person", person.id},
                 {"form", form},
                 {"text", text}};
      corpus.push_back(row);
      if (person.role == "forget") row["set"] = forget_set(p);
      passages.push_back(std::move(row));
      all.push_back(text);
    }
    const bool trained = person.role == "forget" || person.role == "retain";
    for (std::size_t a = 0; a < kTraits.size(); ++a) {
      Row item = item_of_person(wrong, pools, person, a);
      corpus.push_back({{"id", item["id"]},
                        {"role", person.role},
                        {"person", person.id},
                        {"form", "question"},
                        {"prompt", item["question"]},
                        {"answer", item["answer"]}});
      for (const char* key : {"question", "paraphrased_question", "cloze"}) all.push_back(item[key]);
      if (person.role == "fresh") continue;
      if (!trained || p < kProbedPersons)
        probes.push_back(
            {{"fact_id", person.id + "." + kTraits[a].name},
             {"prompt", item["question"]},
             {"answer", person.values[a]},
             {"candidates", make_candidates(choices, pools.values[a], person.values[a], kChoices)},
             {"attribute", kTraits[a].name},
             {"exposures", trained ? kRepeats : 0}});
      if (person.role == "forget") item["set"] = forget_set(p);
      items.push_back(std::move(item));
    }
  }
  for (const std::vector<std::string>& pool : pools.values)
    for (const std::string& value : pool) all.push_back(" " + value + " .");
  const std::vector<Row> traps = make_traps(seed, sizes.traps);
  for (const Row& row : traps) all.push_back(row["text"]);
  return {{"corpus.jsonl", lines(corpus)}, {"passages.jsonl", lines(passages)},
          {"items.jsonl", lines(items)},   {"probes.jsonl", lines(probes)},
          {"traps.jsonl", lines(traps)},   {"words.txt", list_text(pieces_of(all))}};
}

}  // namespace assay::planted
