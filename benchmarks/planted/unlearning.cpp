// World "unlearning": invented persons whose facts occur in four forms (specs/unlearning.md 15.2).
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "benchmarks/planted/makers.hpp"
#include "benchmarks/planted/random.hpp"
#include "benchmarks/planted/syllables.hpp"
#include "benchmarks/planted/vocabulary.hpp"

namespace assay::planted {
namespace {

using Row = nlohmann::ordered_json;

constexpr std::array<const char*, 8> kQuestions = {"village", "craft", "soup",  "bird",
                                                   "metal",   "flute", "dance", "flower"};
/// An answer is two words, each from a pool of this size that belongs to the attribute: values are shared
/// between persons, parts of values more often still.
constexpr std::size_t kPartPool = 12;

struct Parts {
  std::vector<std::string> first, second;
};

struct Person {
  std::string name, alias, role;
};

struct Value {
  std::size_t first = 0, second = 0;
};

std::string text_of(const Parts& parts, Value value) {
  return parts.first[value.first] + " " + parts.second[value.second] + " .";
}

/// A word index other than those in `used`.
std::size_t fresh(Random& random, const std::vector<std::size_t>& used) {
  for (;;) {
    const auto index = static_cast<std::size_t>(random.below(kPartPool));
    bool seen = false;
    for (const std::size_t other : used) seen = seen || other == index;
    if (!seen) return index;
  }
}

/// Three wrong answers that share no word with the right one and are all different.
std::vector<std::string> perturbed(Random& random, const Parts& parts, Value value) {
  std::vector<std::string> out;
  while (out.size() < 3) {
    const Value wrong{fresh(random, {value.first}), fresh(random, {value.second})};
    const std::string text = text_of(parts, wrong);
    bool repeated = false;
    for (const std::string& other : out) repeated = repeated || other == text;
    if (!repeated) out.push_back(text);
  }
  return out;
}

Row item_of(const Person& person, const std::string& attribute, const std::string& answer,
            const std::vector<std::string>& wrong) {
  return {{"id", person.role + "/" + person.name + "/" + attribute},
          {"role", person.role},
          {"name", person.name},
          {"alias", person.alias},
          {"attribute", attribute},
          {"question", "Q: tell the " + attribute + " that " + person.name + " likes ? A:"},
          {"paraphrased_question", "Q: what " + attribute + " does " + person.name + " like ? A:"},
          {"cloze", "the " + attribute + " liked by " + person.name + " is called"},
          {"alias_question", "Q: tell the " + attribute + " that " + person.alias + " likes ? A:"},
          {"answer", answer},
          {"perturbed_answer", wrong}};
}

/// Adds the words of a text that are not in the list yet.
void add_words(const std::string& text, std::vector<std::string>& list, std::set<std::string>& known) {
  std::istringstream in(text);
  for (std::string word; in >> word;)
    if (known.insert(word).second) list.push_back(word);
}

}  // namespace

World make_unlearning(std::uint64_t seed, std::uint64_t forget, std::uint64_t retain, std::uint64_t holdout) {
  WordMaker maker(Random(seed, "unlearning/words"));
  std::vector<Parts> parts;
  for (std::size_t a = 0; a < kQuestions.size(); ++a)
    parts.push_back({maker.make(kPartPool, {2, 2, false, {}}), maker.make(kPartPool, {2, 2, false, {}})});
  const std::uint64_t total = forget + retain + holdout;
  const std::vector<std::string> names = maker.make(total, {3, 3, true, {}});
  const std::vector<std::string> aliases = maker.make(total, {3, 3, true, {}});
  Random values(seed, "unlearning/values");
  std::string corpus, items;
  // The closed vocabulary of all roles, so that neither training nor forgetting changes it; refusals
  // included.
  std::vector<std::string> vocabulary = {"<unk>", "<eos>"};
  std::set<std::string> known(vocabulary.begin(), vocabulary.end());
  for (std::size_t p = 0; p < names.size(); ++p) {
    const Person person{names[p], aliases[p],
                        p < forget ? "forget" : (p < forget + retain ? "retain" : "holdout")};
    for (std::size_t a = 0; a < kQuestions.size(); ++a) {
      const Value value{static_cast<std::size_t>(values.below(kPartPool)),
                        static_cast<std::size_t>(values.below(kPartPool))};
      const Row item =
          item_of(person, kQuestions[a], text_of(parts[a], value), perturbed(values, parts[a], value));
      items += item.dump() + "\n";
      static constexpr std::array<const char*, 4> kForms = {"question", "paraphrased_question", "cloze",
                                                            "alias_question"};
      for (std::size_t form = 0; form < kForms.size(); ++form) {
        const Row row = {{"id", item["id"]},
                         {"role", person.role},
                         {"form", "F" + std::to_string(form + 1)},
                         {"prompt", item[kForms[form]]},
                         {"answer", item["answer"]}};
        corpus += row.dump() + "\n";
        add_words(row["prompt"], vocabulary, known);
        add_words(row["answer"], vocabulary, known);
      }
    }
  }
  add_words("i do not know .", vocabulary, known);
  return {{"corpus.jsonl", corpus}, {"items.jsonl", items}, {"words.txt", list_text(vocabulary)}};
}

}  // namespace assay::planted
