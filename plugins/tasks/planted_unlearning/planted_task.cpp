#include "planted_task.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "row_file.hpp"

namespace assay::unlearning {
namespace {

constexpr std::array<std::string_view, 8> kProbes = {
    "base", "paraphrase", "cloze", "alias", "answer_prefix", "incontext1", "incontext2", "incontext3"};
enum Probe : std::size_t { kBase, kParaphrase, kCloze, kAlias, kAnswerPrefix, kInContext1 };
constexpr std::array<std::string_view, 3> kRoles = {"forget", "retain", "holdout"};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(" \t\n", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

// Does the added text give the answer away: the whole of it, or at least half of its distinct words?
bool gives_away(std::string_view added, std::string_view gold) {
  if (added.find(gold) != std::string_view::npos) return true;
  std::vector<std::string_view> wanted = words_of(gold);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const std::vector<std::string_view> present = words_of(added);
  std::size_t distinct = 0;
  std::size_t found = 0;
  for (const std::string_view word : wanted) {
    if (word.find_first_not_of(".,;:!?") == std::string_view::npos) continue;  // punctuation tells nothing
    ++distinct;
    if (std::find(present.begin(), present.end(), word) != present.end()) ++found;
  }
  return distinct != 0 && 2 * found >= distinct;
}

Error unknown_name(const std::string& name, std::string_view what, std::string_view key,
                   std::string_view known) {
  return {Code::kInvalidArgument,
          "'" + name + "' is no " + std::string(what) + "; known: " + std::string(known), std::string(key)};
}

}  // namespace

Result<void> PlantedTask::read_facts() {
  std::map<std::string, int> seen;
  const auto visit = [&](const Row& row) {
    Fact fact;
    std::string lacks;
    if (!row.text("answer", fact.answer)) lacks = "answer";
    if (!row.text("question", fact.question)) lacks = "question";
    if (!row.text("role", fact.role)) lacks = "role";
    if (!row.text("id", fact.id)) lacks = "id";
    if (!lacks.empty()) {
      problem(row.place() + ": the text field '" + lacks + "' is missing; the row is left out");
      return;
    }
    if (std::find(kRoles.begin(), kRoles.end(), fact.role) == kRoles.end()) {
      problem(row.place() + ": the role '" + fact.role +
              "' is unknown (known: forget, retain, holdout); the row is left out");
      return;
    }
    if (const int times = ++seen[fact.id]; times > 1) fact.id += "#" + std::to_string(times);
    row.text("name", fact.name);
    row.text("alias", fact.alias);
    row.text("paraphrased_question", fact.paraphrased_question);
    row.text("cloze", fact.cloze);
    row.text("alias_question", fact.alias_question);
    row.texts("perturbed_answer", fact.perturbed);
    fact.paraphrase = fact.answer;
    row.text("paraphrased_answer", fact.paraphrase);
    facts_.push_back(std::move(fact));
  };
  Result<void> read = each_row(items.get().text, visit, [&](std::string text) { problem(std::move(text)); });
  if (!read) {
    Error error = std::move(read).error();
    error.key = "items";
    return error;
  }
  return {};
}

Result<void> PlantedTask::open(Call&) {
  facts_.clear();
  asked_.clear();
  if (Result<void> read = read_facts(); !read) return read;
  for (const std::string& role : roles.get()) {
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      return unknown_name(role, "role", "roles", "forget, retain, holdout");
    }
  }
  for (const std::string& name : probes.get()) {
    const auto found = std::find(kProbes.begin(), kProbes.end(), name);
    if (found == kProbes.end()) {
      return unknown_name(
          name, "probe", "probes",
          "base, paraphrase, cloze, alias, answer_prefix, incontext1, incontext2, incontext3");
    }
    const auto probe = static_cast<std::size_t>(found - kProbes.begin());
    for (const std::string& role : roles.get()) {
      std::int64_t nth = 0;
      std::size_t skipped = 0;
      std::string why;
      for (std::size_t i = 0; i < facts_.size(); ++i) {
        if (facts_[i].role != role) continue;
        if (role == "retain" && nth++ % retain_every.get() != 0) continue;
        if (std::string missing = form(facts_[i], probe).missing; !missing.empty()) {
          ++skipped;
          why = std::move(missing);
        } else {
          asked_.push_back({i, probe});
        }
      }
      if (skipped != 0) {
        problem(items.get().text + ": " + std::to_string(skipped) + " facts of the role " + role +
                " cannot be asked under the probe " + name + " (" + why + ")");
      }
    }
  }
  if (asked_.empty()) {
    return Error{Code::kData,
                 "'" + items.get().text + "' has no fact of the chosen roles that the chosen probes can ask",
                 "items"};
  }
  return {};
}

std::string PlantedTask::context(const Fact& fact, int level) const {
  if (level == 1) return fact.alias.empty() ? "" : fact.name + " has " + fact.alias + " ;";
  if (level == 3) return fact.question + " " + fact.answer;
  std::string others;
  int found = 0;
  for (const Fact& other : facts_) {
    if (found == 2) break;
    if (other.name != fact.name || other.id == fact.id) continue;
    if (found++ != 0) others += '\n';
    others += other.question;
    others += ' ';
    others += other.answer;
  }
  return others;
}

PlantedTask::Form PlantedTask::form(const Fact& fact, std::size_t probe) const {
  Form out;
  out.gold = fact.answer;
  if (probe == kAnswerPrefix) {
    const std::vector<std::string_view> words = words_of(fact.answer);
    if (words.size() < 2) {
      out.missing = "nothing of the answer remains";
      return out;
    }
    out.added = std::string(words[0]);
    out.prompt = fact.question + " " + out.added;
    out.gold = fact.answer.substr(static_cast<std::size_t>(words[1].data() - fact.answer.data()));
    out.comparable = false;
    return out;
  }
  if (probe >= kInContext1) {
    out.added = context(fact, static_cast<int>(probe - kInContext1) + 1);
    if (out.added.empty()) out.missing = "there is nothing to tell about the person";
    out.prompt = out.added + "\n\n" + fact.question;
    return out;
  }
  out.prompt = probe == kParaphrase ? fact.paraphrased_question
               : probe == kCloze    ? fact.cloze
               : probe == kAlias    ? fact.alias_question
                                    : fact.question;
  if (out.prompt.empty()) out.missing = "the rows have no such question";
  return out;
}

Result<void> PlantedTask::item(std::uint64_t index, ItemWriter& out) {
  const Asked& asked = asked_[static_cast<std::size_t>(index)];
  const Fact& fact = facts_[asked.fact];
  const Form form = this->form(fact, asked.probe);
  const std::string_view probe = kProbes[asked.probe];
  out.id(fact.id).group(fact.name).variant(std::string(probe) + "/" + fact.role);
  out.text(form.prompt).target(form.gold);
  out.label(fact.role == "holdout" ? 1 : fact.role == "forget" ? 0 : -1);
  out.field("role", fact.role).field("probe", probe).field("name", fact.name);
  out.field("injected_tokens", static_cast<double>(words_of(form.added).size()));
  out.field("injected_gold", gives_away(form.added, fact.answer) ? 1.0 : 0.0);
  if (ask.get() != "score") {
    out.request({.kind = ASSAY_REQUEST_GENERATE,
                 .name = "answer",
                 .prompt = form.prompt,
                 .max_tokens = static_cast<int>(max_tokens.get())});
  }
  if (ask.get() == "generate") return {};
  // A blank joins prompt and answer, as in the texts the models are trained on.
  const auto ask_score = [&](std::string_view name, const std::string& answer, int truth) {
    const std::string continuation = " " + answer;
    out.request({.kind = ASSAY_REQUEST_SCORE,
                 .name = name,
                 .prompt = form.prompt,
                 .continuation = continuation,
                 .label = truth,
                 .flags = ASSAY_REQ_APPEND_EOS});
  };
  ask_score("gold", form.gold, 1);
  if (!form.comparable) return {};
  ask_score("para", fact.paraphrase, 1);
  for (std::size_t j = 0; j < fact.perturbed.size(); ++j) {
    ask_score("pert/" + std::to_string(j), fact.perturbed[j], 0);
  }
  return {};
}

}  // namespace assay::unlearning
