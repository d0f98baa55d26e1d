#include "reports/states.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "reports/table.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kNamesShown = 4;

// Counts by key, the states in their own order and first.
using Counts = std::map<std::string, std::int64_t>;

void add(Counts& to, const Json& denominator, const char* part) {
  if (!denominator.is_object() || !denominator.contains(part)) return;
  for (const auto& [key, count] : denominator[part].items()) {
    if (count.is_number_integer()) to[key] += count.get<std::int64_t>();
  }
}

std::string key_text(const std::string& key) {
  if (key == "non_finite") return "without a finite value";
  if (key == "metric_error") return "failed in the metric";
  if (key == "metric_unsupported") return "not for this metric";
  constexpr std::string_view kMetric = "metric_";
  if (key.starts_with(kMetric)) return key.substr(kMetric.size()) + " by the metric's word";
  std::string text = key;
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string counts_text(const Counts& counts) {
  std::vector<std::string> parts;
  const auto put = [&](const std::string& key, std::int64_t count) {
    if (count != 0) parts.push_back(std::to_string(count) + " " + key_text(key));
  };
  for (int state = 0; state < 8; ++state) {
    if (const auto at = counts.find(state_name(state)); at != counts.end()) put(at->first, at->second);
  }
  for (const auto& [key, count] : counts) {
    bool is_state = false;
    for (int state = 0; state < 8; ++state) is_state = is_state || key == state_name(state);
    if (!is_state) put(key, count);
  }
  return join(parts, ", ");
}

std::int64_t sum(const Counts& counts) {
  std::int64_t total = 0;
  for (const auto& [key, count] : counts) total += count;
  return total;
}

// The answers of one model in one metric, over all variants.
struct Tally {
  std::string metric;
  Counts states, in, worst, out;
  bool recorded = true;
};

std::string policy_text(const Tally& tally) {
  if (!tally.recorded) return {};
  Counts own = tally.in;
  for (const auto& [key, count] : tally.worst) own[key] -= count;
  if (sum(tally.out) == 0 && sum(tally.worst) == 0) return "all in the scores";
  std::vector<std::string> parts;
  if (sum(own) != 0) parts.push_back("in the scores: " + counts_text(own));
  if (sum(tally.worst) != 0) parts.push_back("as the worst value: " + counts_text(tally.worst));
  if (sum(tally.out) != 0) parts.push_back("out: " + counts_text(tally.out));
  return join(parts, "; ");
}

std::vector<Tally> tallies_of(const std::vector<const AggregateLine*>& lines, const std::string& model) {
  std::vector<Tally> tallies;
  for (const AggregateLine* line : lines) {
    // Companions repeat the counts of the score they belong to; an unsupported metric was not asked.
    if (line->model != model || line->baseline || !line->headline || companion(*line) ||
        line->row.undefined_reason.starts_with("unsupported: ")) {
      continue;
    }
    const std::string name = line->metric;
    auto at = std::find_if(tallies.begin(), tallies.end(), [&](const Tally& t) { return t.metric == name; });
    if (at == tallies.end()) {
      at = tallies.insert(tallies.end(), Tally());
      at->metric = name;
    }
    for (int state = 0; state < 8; ++state) at->states[state_name(state)] += line->row.states[state];
    at->states["not_run"] += line->row.n_missing;
    const Json denominator = denominator_json(line->row);
    at->recorded = at->recorded && denominator.is_object();
    add(at->in, denominator, "in");
    add(at->worst, denominator, "as_worst");
    add(at->out, denominator, "out");
  }
  return tallies;
}

std::string names_text(const std::vector<std::string>& names) {
  if (names.size() <= kNamesShown) return join(names, ", ");
  const std::vector<std::string> first(names.begin(), names.begin() + kNamesShown);
  return join(first, ", ") + " and " + std::to_string(names.size() - kNamesShown) + " more";
}

// Names under which a text was said, in the order of the first of each.
struct Grouped {
  std::vector<std::pair<std::string, std::vector<std::string>>> texts;
  void add(const std::string& text, const std::string& name) {
    for (auto& [known, names] : texts) {
      if (known != text) continue;
      names.push_back(name);
      return;
    }
    texts.push_back({text, {name}});
  }
};

// What is said of one model, without its name.
std::string model_text(const std::vector<Tally>& tallies) {
  Grouped policies;
  for (const Tally& tally : tallies) policies.add(policy_text(tally), tally.metric);
  std::string text = counts_text(tallies.front().states);
  if (text.empty()) text = "no answers";
  if (policies.texts.size() == 1) {
    const std::string& policy = policies.texts.front().first;
    return text +
           (policy.empty()                  ? ""
            : policy == "all in the scores" ? ", " + policy
                                            : " - " + policy) +
           "\n";
  }
  text += "\n";
  for (const auto& [policy, metrics] : policies.texts)
    text += "    " + names_text(metrics) + ": " + (policy.empty() ? "not recorded" : policy) + "\n";
  return text;
}

}  // namespace

Json denominator_json(const AggregateRow& row) {
  if (row.denominator.empty()) return {};
  Result<Json> tree = parse_json(row.denominator, "a stored denominator");
  return tree ? *std::move(tree) : Json();
}

std::string states_lines(const std::vector<const AggregateLine*>& lines) {
  std::vector<std::string> models;
  for (const AggregateLine* line : lines) {
    if (std::find(models.begin(), models.end(), line->model) == models.end()) models.push_back(line->model);
  }
  Grouped said;
  for (const std::string& model : models) {
    const std::vector<Tally> tallies = tallies_of(lines, model);
    if (!tallies.empty()) said.add(model_text(tallies), printable(model));
  }
  std::string out;
  for (const auto& [text, names] : said.texts) out += "  " + names_text(names) + ": " + text;
  return out;
}

}  // namespace assay::host
