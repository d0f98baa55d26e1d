// Whether two evaluations measured the same: every part that must be equal, before any number.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "assay/plugin.h"
#include "db/answer_value.hpp"
#include "harness/base/strings.hpp"
#include "reports/compare/detail.hpp"

namespace assay::host {

const char* part_state_name(PartState state) {
  switch (state) {
    case PartState::kSame:
      return "same";
    case PartState::kNote:
      return "note";
    case PartState::kWarning:
      return "warning";
    case PartState::kUnknown:
      return "unknown";
    default:
      return "differs";
  }
}

bool ComparedTask::comparable() const {
  return std::none_of(parts.begin(), parts.end(),
                      [](const ComparedPart& part) { return part.state == PartState::kDiffers; });
}

namespace compare_detail {
namespace {

constexpr double kUnmatchedWarning = 0.01;  // share of the union of ids
constexpr double kUnmatchedMax = 0.20;

// What the matched rows of two evaluations have in common.
struct Tally {
  std::int64_t answers = 0;  // matched rows with a stored request on both sides
  std::int64_t prompts = 0, generations = 0, kinds = 0, seeds = 0, same_answers = 0;
  std::int64_t contents = 0;     // items whose content differs
  std::int64_t unexplained = 0;  // of them, with equal prompts
  std::int64_t unknown_contents = 0, labels = 0, groups = 0;
  std::string first_prompt, first_content;
  const SideRow *generation_a = nullptr, *generation_b = nullptr, *kind_a = nullptr, *kind_b = nullptr;
};

void tally_item(const Side& a, const Side& b, const Match& match, Tally& tally) {
  bool prompt_differs = false, asked = false;
  std::size_t j = match.b_begin;
  for (std::size_t i = match.a_begin; i < match.a_end; ++i) {
    const SideRow& x = a.rows[i];
    while (j < match.b_end && b.rows[j].repeat < x.repeat) ++j;
    if (j == match.b_end || b.rows[j].repeat != x.repeat || !x.asked || !b.rows[j].asked) continue;
    const SideRow& y = b.rows[j];
    asked = true;
    ++tally.answers;
    if (!(x.prompt == y.prompt)) {
      if (tally.prompts++ == 0) tally.first_prompt = x.id;
      prompt_differs = true;
    }
    if (x.kinds != y.kinds) {
      if (tally.kinds++ == 0) tally.kind_a = &x, tally.kind_b = &y;
    } else if (x.generation != y.generation) {
      if (tally.generations++ == 0) tally.generation_a = &x, tally.generation_b = &y;
    }
    if (!(x.seeds == y.seeds)) ++tally.seeds;
    if (x.answer == y.answer) ++tally.same_answers;
  }
  const SideRow &x = a.rows[match.a_begin], &y = b.rows[match.b_begin];
  if (x.label != y.label) ++tally.labels;
  if (x.group != y.group) ++tally.groups;
  if (x.content == 0 || y.content == 0) {
    ++tally.unknown_contents;
  } else if (x.content != y.content) {
    ++tally.contents;
    // The hash of an item covers its prompts, so other prompts alone make another hash.
    if (asked && !prompt_differs) {
      if (tally.unexplained++ == 0) tally.first_content = x.id;
    }
  }
}

ComparedPart items_part(const Side& a, const Side& b, const Matches& matches, const Tally& tally,
                        bool prompts_differ) {
  ComparedPart part{"items", PartState::kSame, {}};
  const auto matched = static_cast<double>(matches.items.size());
  const auto unmatched = static_cast<double>(matches.only_a.size() + matches.only_b.size());
  part.text = fmt::format("{} in both, {} only in the baseline, {} only in the candidate",
                          matches.items.size(), matches.only_a.size(), matches.only_b.size());
  if (matches.items.empty()) {
    part.state = PartState::kDiffers;
    part.text = fmt::format("no item is in both runs ({} and {} items)", matches.only_a.size(),
                            matches.only_b.size());
    return part;
  }
  const double share = unmatched / (matched + unmatched);
  if (share > 0) part.text += fmt::format(" ({:.1f} % unmatched)", 100 * share);
  // Without stored requests a differing hash may come from the prompts, if those differ.
  const std::int64_t changed = prompts_differ ? tally.unexplained : tally.contents;
  if (changed != 0) {
    part.state = PartState::kDiffers;
    part.text += fmt::format(
        "; {} of them say something else under the same id{}", changed,
        tally.first_content.empty() ? "" : ", first '" + printable(tally.first_content, 60) + "'");
  } else if (tally.labels != 0) {
    part.state = PartState::kDiffers;
    part.text += fmt::format("; {} of them have another label", tally.labels);
  } else if (share > kUnmatchedMax) {
    part.state = PartState::kDiffers;
    part.text += ", more than 20 %";
  } else if (share > kUnmatchedWarning) {
    part.state = PartState::kWarning;
    part.text += ", more than 1 %; only the common items are compared";
  } else if (tally.unknown_contents == static_cast<std::int64_t>(matches.items.size())) {
    part.state = PartState::kUnknown;
    part.text += "; a run did not record what its items say, so equal ids are taken as equal items";
  } else if (share > 0 || tally.contents != 0 || a.recipe.data_hash != b.recipe.data_hash ||
             tally.groups != 0) {
    part.state = PartState::kNote;
  }
  const std::string hashes = a.recipe.data_hash.empty() || b.recipe.data_hash.empty()
                                 ? std::string()
                                 : " (data hashes " + a.recipe.data_hash.substr(0, 8) + " and " +
                                       b.recipe.data_hash.substr(0, 8) + ")";
  if (part.state == PartState::kDiffers) {
    if (a.recipe.data_hash != b.recipe.data_hash) part.text += hashes;
  } else {
    if (tally.contents != 0)
      part.text += "; their content hashes differ together with the prompts";
    else if (tally.unknown_contents == 0)
      part.text += ", content equal";
    if (a.recipe.data_hash != b.recipe.data_hash) part.text += "; the data files differ elsewhere" + hashes;
    if (tally.groups != 0)
      part.text += fmt::format("; {} items have another group, the baseline's is used", tally.groups);
  }
  return part;
}

ComparedPart prompt_part(const Side& a, const Side& b, const Matches& matches, const Tally& tally) {
  ComparedPart part{"prompt", PartState::kSame, {}};
  if (tally.prompts != 0) {
    part.state = PartState::kDiffers;
    part.text = fmt::format(
        "the prompts of {} of {} answers differ (template, examples or system text), first item '{}'",
        tally.prompts, tally.answers, printable(tally.first_prompt, 60));
    return part;
  }
  if (tally.answers != 0) {
    part.text = fmt::format("{} prompts equal", tally.answers);
    return part;
  }
  const std::string &x = a.evaluation.prompt_hash, &y = b.evaluation.prompt_hash;
  if (!x.empty() && x == y) {
    part.text = "recorded hashes equal";
  } else if (!x.empty() && !y.empty() && matches.only_a.empty() && matches.only_b.empty()) {
    part.state = PartState::kDiffers;
    part.text = "recorded hashes " + x.substr(0, 8) + " and " + y.substr(0, 8);
  } else {
    part.state = PartState::kUnknown;
    part.text = "the prompts of the common items are not recorded in both runs; they are taken as equal";
  }
  return part;
}

// "temperature 0 and 0.7; max_tokens 12 and none"
std::string generation_text(const std::string& a, const std::string& b) {
  const Json x = Json::parse(a, nullptr, false), y = Json::parse(b, nullptr, false);
  if (!x.is_array() || !y.is_array()) return "unreadable";
  if (x.size() != y.size()) return fmt::format("{} and {} requests an item", x.size(), y.size());
  std::set<std::string> seen;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::set<std::string> names;
    for (const auto& [key, value] : x[i].items()) names.insert(key);
    for (const auto& [key, value] : y[i].items()) names.insert(key);
    for (const std::string& name : names) {
      const bool in_x = x[i].contains(name), in_y = y[i].contains(name);
      if (in_x && in_y && x[i][name] == y[i][name]) continue;
      if (!seen.insert(name).second) continue;
      parts.push_back(name + " " + (in_x ? canonical(x[i][name]) : "unset") + " and " +
                      (in_y ? canonical(y[i][name]) : "unset"));
    }
  }
  return printable(join(parts, "; "), 300);
}

ComparedPart generation_part(const Tally& tally, const Texts& texts) {
  ComparedPart part{"generation", PartState::kSame, "generation parameters equal"};
  if (tally.generations != 0) {
    part.state = PartState::kDiffers;
    part.text = generation_text(texts.generations[tally.generation_a->generation],
                                texts.generations[tally.generation_b->generation]);
  } else if (tally.answers == 0) {
    part.state = PartState::kUnknown;
    part.text = "requests are not recorded in both runs";
  } else if (tally.seeds != 0) {
    part.state = PartState::kNote;
    part.text += fmt::format("; {} answers were sampled with another seed", tally.seeds);
  }
  return part;
}

std::string kinds_text(std::uint32_t kinds) {
  static constexpr const char* kNames[] = {"other", "generate", "score", "rows", "classify", "embed"};
  std::vector<std::string> names;
  for (unsigned k = 0; k < 6; ++k) {
    if ((kinds >> k & 1U) != 0) names.emplace_back(kNames[k]);
  }
  return names.empty() ? "none" : join(names, "+");
}

ComparedPart kind_part(const Tally& tally) {
  ComparedPart part{"request kind", PartState::kSame, "equal"};
  if (tally.kinds != 0) {
    part.state = PartState::kDiffers;
    part.text = kinds_text(tally.kind_a->kinds) + " and " + kinds_text(tally.kind_b->kinds);
  } else if (tally.answers == 0) {
    part.state = PartState::kUnknown;
    part.text = "requests are not recorded in both runs";
  }
  return part;
}

Json parts_of(const Side& side) {
  Json parts = Json::parse(side.recipe.parts_json, nullptr, false);
  return parts.is_object() ? parts : Json::object();
}

std::int64_t repeats_of(const Side& side, const Json& parts) {
  const auto at = parts.find("repeats");
  return at != parts.end() && at->is_number_integer() ? at->get<std::int64_t>() : side.run.repeats;
}

ComparedPart repeats_part(const Side& a, const Side& b, const Json& x, const Json& y) {
  const std::int64_t m = repeats_of(a, x), n = repeats_of(b, y);
  if (m != n) return {"repeats", PartState::kDiffers, fmt::format("{} and {} answers an item", m, n)};
  return {"repeats", PartState::kSame,
          m == 1 ? "one answer an item" : fmt::format("{} answers an item, reduced to their mean", m)};
}

ComparedPart roles_part(const Side& a, const Side& b, const Json& x, const Json& y) {
  std::set<std::string> roles;
  for (const auto& [role, models] : a.roles) roles.insert(role);
  for (const auto& [role, models] : b.roles) roles.insert(role);
  const Json planned_a = x.value("roles", Json::object()), planned_b = y.value("roles", Json::object());
  for (const auto& [role, model] : planned_a.items()) roles.insert(role);
  for (const auto& [role, model] : planned_b.items()) roles.insert(role);
  std::vector<std::string> differing;
  for (const std::string& role : roles) {
    const auto in_a = a.roles.find(role), in_b = b.roles.find(role);
    const bool answered = in_a != a.roles.end() && in_b != b.roles.end();
    const bool same =
        answered ? in_a->second == in_b->second
                 : planned_a.value(role, Json()) == planned_b.value(role, Json()) && planned_a.contains(role);
    if (!same) differing.push_back("'" + role + "'");
  }
  if (!differing.empty()) return {"roles", PartState::kDiffers, "other models as " + join(differing, ", ")};
  return {"roles", PartState::kSame,
          roles.empty()
              ? "no judge or reference model"
              : "the same models as " + join(std::vector<std::string>(roles.begin(), roles.end()), ", ")};
}

// What may differ, and is worth a line.
void add_notes(const Side& a, const Side& b, const Json& x, const Json& y, std::vector<ComparedPart>& parts) {
  const auto note = [&](const char* name, std::string text) {
    parts.push_back({name, PartState::kNote, std::move(text)});
  };
  if (a.recipe.task_id != b.recipe.task_id)
    note("task plugin", a.recipe.task_id + " and " + b.recipe.task_id);
  const Json task_a = x.value("task", Json::object()), task_b = y.value("task", Json::object());
  if (task_a.is_object() && task_b.is_object() &&
      task_a.value("params", Json()) != task_b.value("params", Json()))
    note("task parameters", "differ");
  if (a.recipe.selection_json != b.recipe.selection_json)
    note("selection",
         printable(a.recipe.selection_json, 80) + " and " + printable(b.recipe.selection_json, 80));
  if (x.contains("seed") && y.contains("seed") && x["seed"] != y["seed"])
    note("seed", canonical(x["seed"]) + " and " + canonical(y["seed"]));
  const std::string tokens_a = tokenizer_of(a.model), tokens_b = tokenizer_of(b.model);
  if (!tokens_a.empty() && !tokens_b.empty() && tokens_a != tokens_b)
    note("tokenizer",
         tokens_a.substr(0, 8) + " and " + tokens_b.substr(0, 8) + "; values per token are not comparable");
  if (a.model.fingerprint == b.model.fingerprint) note("model", "the same model in both (A/A)");
  for (const Side* side : {&a, &b}) {
    const EvaluationRow& evaluation = side->evaluation;
    if (evaluation.status == "complete" || evaluation.status.empty()) continue;
    parts.push_back({"status", PartState::kWarning,
                     std::string("the ") + (side == &a ? "baseline" : "candidate") + " is " +
                         evaluation.status +
                         (evaluation.reason.empty() ? "" : ": " + printable(evaluation.reason, 200))});
  }
}

}  // namespace

void check_parts(const Side& a, const Side& b, const Matches& matches, const Texts& texts,
                 ComparedTask& task) {
  Tally tally;
  for (const Match& match : matches.items) tally_item(a, b, match, tally);
  const Json x = parts_of(a), y = parts_of(b);
  ComparedPart prompt = prompt_part(a, b, matches, tally);
  task.parts.push_back(items_part(a, b, matches, tally, prompt.state == PartState::kDiffers));
  task.parts.push_back(std::move(prompt));
  task.parts.push_back(generation_part(tally, texts));
  task.parts.push_back(kind_part(tally));
  task.parts.push_back(repeats_part(a, b, x, y));
  task.parts.push_back(roles_part(a, b, x, y));
  add_notes(a, b, x, y, task.parts);
  task.matched = static_cast<std::int64_t>(matches.items.size());
  task.only_baseline = matches.only_a;
  task.only_candidate = matches.only_b;
  task.baseline_version = a.recipe.hash.substr(0, 8);
  task.candidate_version = b.recipe.hash.substr(0, 8);
  task.baseline_fingerprint = a.model.fingerprint;
  task.candidate_fingerprint = b.model.fingerprint;
  std::copy(std::begin(a.evaluation.states), std::end(a.evaluation.states), task.baseline_states.begin());
  std::copy(std::begin(b.evaluation.states), std::end(b.evaluation.states), task.candidate_states.begin());
  const auto missing = [](const EvaluationRow& e) {
    return e.planned_items < 0 ? 0 : std::max<std::int64_t>(0, e.planned_items - e.results());
  };
  task.baseline_missing = missing(a.evaluation);
  task.candidate_missing = missing(b.evaluation);
  task.answers = tally.answers;
  if (tally.answers != 0)
    task.identical = static_cast<double>(tally.same_answers) / static_cast<double>(tally.answers);
  task.baseline_cost = a.cost;
  task.candidate_cost = b.cost;
}

}  // namespace compare_detail
}  // namespace assay::host
