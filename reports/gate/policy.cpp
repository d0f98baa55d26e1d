#include "reports/gate/policy.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

constexpr std::array<const char*, 5> kKinds = {"no_regression", "non_inferior", "equivalent", "improved",
                                               "absolute"};
constexpr std::array<const char*, 3> kFamilies = {"holm", "bh", "none"};
constexpr std::array<const char*, 3> kBounds = {"point", "lower", "upper"};
constexpr std::int64_t kConfirmMax = 100;  ///< gates that a confirmation may look back

// Reads one file; the first problem ends it.
class PolicyReader {
 public:
  PolicyReader(std::string file, std::string today, Policy& out)
      : file_(std::move(file)), today_(std::move(today)), out_(out) {}

  Result<void> read(const toml::table& root) {
    Result<void> ok = known(root, {"policy", "rule", "waive"}, "the policy file");
    if (!ok) return ok;
    const toml::node* head = root.get("policy");
    if (head == nullptr || head->as_table() == nullptr)
      return fail(root, "a table [policy] with a name is missing");
    ok = read_head(*head->as_table());
    if (ok) ok = each(root, "rule", &PolicyReader::read_rule);
    if (ok) ok = each(root, "waive", &PolicyReader::read_waiver);
    if (ok && out_.rules.empty()) return fail(root, "there is no [[rule]]; a policy needs at least one");
    return ok;
  }

 private:
  [[nodiscard]] std::string place(const toml::node& node) const {
    const toml::source_position at = node.source().begin;
    return file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  }
  [[nodiscard]] Error fail(const toml::node& node, const std::string& sentence) const {
    return {Code::kInvalidArgument, place(node) + ": " + sentence, {}};
  }

  [[nodiscard]] Result<void> known(const toml::table& table, const std::vector<std::string>& keys,
                                   const std::string& what) const {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
      const toml::source_position at = key.source().begin;
      return Error{Code::kInvalidArgument,
                   file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                       ": unknown key '" + printable(name) + "' in " + what + did_you_mean(name, keys) +
                       " (known: " + join(keys, ", ") + ")",
                   name};
    }
    return {};
  }

  Result<void> text(const toml::table& table, const char* key, std::string& out,
                    bool required = false) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (required) return fail(table, std::string("the key '") + key + "' is missing");
      return {};
    }
    const auto value = node->value_exact<std::string>();
    if (!value || value->empty())
      return fail(*node, std::string("'") + key + "' must be a text in quotes that is not empty");
    out = *value;
    return {};
  }

  Result<void> truth(const toml::table& table, const char* key, bool& out) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const auto value = node->value_exact<bool>();
    if (!value) return fail(*node, std::string("'") + key + "' must be true or false");
    out = *value;
    return {};
  }

  template <class Fits>
  Result<void> number(const toml::table& table, const char* key, std::optional<double>& out, Fits fits,
                      const char* expected) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const auto value = node->value<double>();
    if (!value || node->is_boolean() || !std::isfinite(*value) || !fits(*value))
      return fail(*node, std::string("'") + key + "' must be " + expected);
    out = *value;
    return {};
  }

  /// The index of the text among `names`.
  template <std::size_t N>
  Result<void> choice(const toml::table& table, const char* key, const std::array<const char*, N>& names,
                      std::size_t& out) const {
    std::string word;
    Result<void> ok = text(table, key, word);
    if (!ok || word.empty()) return ok;
    const std::vector<std::string> list(names.begin(), names.end());
    const auto found = std::find(list.begin(), list.end(), word);
    if (found == list.end()) {
      return fail(*table.get(key), std::string("'") + key + "' cannot be '" + printable(word) + "'" +
                                       did_you_mean(word, list) + " (expected " + join(list, ", ") + ")");
    }
    out = static_cast<std::size_t>(found - list.begin());
    return {};
  }

  Result<void> each(const toml::table& root, const char* key,
                    Result<void> (PolicyReader::*reader)(const toml::table&)) {
    const toml::node* node = root.get(key);
    if (node == nullptr) return {};
    const toml::array* list = node->as_array();
    if (list == nullptr)
      return fail(*node, std::string("write [[") + key + "]]: a list of tables is expected");
    for (const toml::node& element : *list) {
      const toml::table* table = element.as_table();
      if (table == nullptr) return fail(element, std::string("each ") + key + " must be a table");
      if (Result<void> ok = (this->*reader)(*table); !ok) return ok;
    }
    return {};
  }

  Result<void> read_head(const toml::table& table) {
    Result<void> ok =
        known(table, {"name", "alpha", "family", "on_inconclusive", "max_missing", "min_n"}, "[policy]");
    if (ok) ok = text(table, "name", out_.name, true);
    std::optional<double> alpha, missing;
    if (ok)
      ok = number(
          table, "alpha", alpha, [](double x) { return x > 0 && x <= 0.5; },
          "a number above 0 and at most 0.5");
    if (ok)
      ok = number(
          table, "max_missing", missing, [](double x) { return x >= 0 && x <= 1; },
          "a share between 0 and 1");
    std::size_t family = 0, inconclusive = 0;
    if (ok) ok = choice(table, "family", kFamilies, family);
    if (ok) ok = choice(table, "on_inconclusive", std::array<const char*, 2>{"pass", "fail"}, inconclusive);
    if (!ok) return ok;
    if (const toml::node* node = table.get("min_n")) {
      const auto value = node->value_exact<std::int64_t>();
      if (!value || *value < 0) return fail(*node, "'min_n' must be a whole number, at least 0");
      out_.min_n = *value;
    }
    out_.alpha = alpha.value_or(out_.alpha);
    out_.max_missing = missing.value_or(out_.max_missing);
    out_.family = static_cast<Family>(family);
    out_.inconclusive_fails = inconclusive == 1;
    return {};
  }

  template <class Patterns>
  Result<void> patterns(const toml::table& table, Patterns& out) const {
    out.where = place(table);
    Result<void> ok = text(table, "task", out.task, true);
    if (ok) ok = text(table, "metric", out.metric);
    if (ok) ok = text(table, "variant", out.variant);
    if (ok) ok = text(table, "model", out.model);
    return ok;
  }

  Result<void> read_confirm(const toml::table& table, GateRule& rule) const {
    std::string word;
    Result<void> ok = text(table, "confirm", word);
    if (!ok || word.empty()) return ok;
    Confirm confirm;
    confirm.e_value = word == "e-value";
    if (!confirm.e_value) {
      const std::size_t of = word.find(" of ");
      const auto k = of == std::string::npos ? std::nullopt : parse_int(std::string_view(word).substr(0, of));
      const auto m =
          of == std::string::npos ? std::nullopt : parse_int(std::string_view(word).substr(of + 4));
      if (!k || !m || *k < 1 || *m < *k || *m > kConfirmMax) {
        return fail(*table.get("confirm"),
                    "'confirm' must be \"e-value\" or \"k of m\" with 1 <= k <= m <= " +
                        std::to_string(kConfirmMax) + ", such as \"2 of 3\"");
      }
      confirm.needed = *k;
      confirm.of = *m;
    }
    rule.confirm = confirm;
    return {};
  }

  /// A key that has no meaning for the rule's kind would be a wish that nobody fulfils.
  [[nodiscard]] Result<void> fits_kind(const toml::table& table, const GateRule& rule) const {
    const bool absolute = rule.kind == RuleKind::kAbsolute;
    struct Rule {
      const char* key;
      bool allowed;
      const char* kinds;
    };
    const bool tests_worse = rule.kind == RuleKind::kNoRegression || rule.kind == RuleKind::kNonInferior;
    for (const Rule& one :
         {Rule{"min", absolute, "absolute"}, Rule{"max", absolute, "absolute"},
          Rule{"bound", absolute, "absolute"}, Rule{"margin", !absolute, "the kinds that compare"},
          Rule{"relative_margin", !absolute, "the kinds that compare"},
          Rule{"confirm", tests_worse, "no_regression and non_inferior"},
          Rule{"noise_floor", rule.kind == RuleKind::kNoRegression || rule.kind == RuleKind::kImproved,
               "no_regression and improved"}}) {
      const toml::node* node = table.get(one.key);
      if (node != nullptr && !one.allowed)
        return fail(*node, std::string("'") + one.key + "' belongs to " + one.kinds + ", not to kind '" +
                               rule_kind_name(rule.kind) + "'");
    }
    if (rule.margin && rule.relative_margin)
      return fail(*table.get("relative_margin"), "give 'margin' or 'relative_margin', not both");
    const bool margin = rule.margin || rule.relative_margin;
    if (!margin && (rule.kind == RuleKind::kNonInferior || rule.kind == RuleKind::kEquivalent))
      return fail(table, std::string("kind '") + rule_kind_name(rule.kind) +
                             "' needs 'margin' (in units of the metric) or 'relative_margin'");
    if (absolute && !rule.min && !rule.max) return fail(table, "kind 'absolute' needs 'min' or 'max'");
    if (rule.min && rule.max && *rule.min > *rule.max) return fail(*table.get("min"), "'min' is above 'max'");
    if (rule.confirm && rule.confirm->e_value && rule.kind != RuleKind::kNoRegression)
      return fail(*table.get("confirm"), "an e-value confirms a regression: use it with kind no_regression");
    return {};
  }

  Result<void> read_rule(const toml::table& table) {
    GateRule rule;
    Result<void> ok = known(table,
                            {"task", "metric", "variant", "model", "kind", "margin", "relative_margin", "min",
                             "max", "bound", "confirm", "noise_floor"},
                            "[[rule]]");
    if (ok) ok = patterns(table, rule);
    std::size_t kind = 0, bound = 0;
    if (ok && table.get("kind") == nullptr) {
      return fail(table,
                  "the key 'kind' is missing (no_regression, non_inferior, equivalent, improved or "
                  "absolute)");
    }
    if (ok) ok = choice(table, "kind", kKinds, kind);
    if (ok) ok = choice(table, "bound", kBounds, bound);
    const auto positive = [](double x) { return x > 0; };
    const auto any = [](double) { return true; };
    if (ok) ok = number(table, "margin", rule.margin, positive, "a number above 0, in units of the metric");
    if (ok)
      ok = number(table, "relative_margin", rule.relative_margin, positive,
                  "a number above 0, as share of the baseline (0.05 is 5 %)");
    if (ok) ok = number(table, "min", rule.min, any, "a number");
    if (ok) ok = number(table, "max", rule.max, any, "a number");
    if (ok) ok = read_confirm(table, rule);
    if (ok) ok = truth(table, "noise_floor", rule.noise_floor);
    if (!ok) return ok;
    rule.kind = static_cast<RuleKind>(kind);
    rule.bound = static_cast<Bound>(bound);
    ok = fits_kind(table, rule);
    if (ok) out_.rules.push_back(std::move(rule));
    return ok;
  }

  Result<void> read_waiver(const toml::table& table) {
    Waiver waiver;
    Result<void> ok = known(table, {"task", "metric", "variant", "model", "until", "reason"}, "[[waive]]");
    if (ok) ok = patterns(table, waiver);
    if (ok) ok = text(table, "reason", waiver.reason, true);
    if (!ok) return ok;
    const toml::node* node = table.get("until");
    if (node == nullptr) return fail(table, "the key 'until' is missing: the last day, as 2027-01-31");
    const auto day = node->value_exact<toml::date>();
    if (!day) return fail(*node, "'until' must be a day without quotes, as 2027-01-31");
    std::string text = std::to_string(10000 + day->year).substr(1) + "-" +
                       std::to_string(100 + day->month).substr(1) + "-" +
                       std::to_string(100 + day->day).substr(1);
    waiver.until = std::move(text);
    if (waiver.until < today_) {
      return fail(*node, "the waiver for '" + printable(waiver.task) + "' ended on " + waiver.until +
                             " (today is " + today_ + "): remove it, or decide anew (" +
                             printable(waiver.reason) + ")");
    }
    out_.waivers.push_back(std::move(waiver));
    return {};
  }

  std::string file_, today_;
  Policy& out_;
};

}  // namespace

const char* rule_kind_name(RuleKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}
const char* family_name(Family family) {
  return kFamilies[static_cast<std::size_t>(family)];
}
const char* bound_name(Bound bound) {
  return kBounds[static_cast<std::size_t>(bound)];
}

Result<Policy> parse_policy(const std::string& text, const std::filesystem::path& path,
                            const std::string& today) {
  Policy policy;
  policy.path = path;
  policy.sha256 = sha256_hex(text);
  const std::string file = printable(path.filename().string());
  try {
    const toml::table root = toml::parse(text, file);
    if (Result<void> ok = PolicyReader(file, today, policy).read(root); !ok) return std::move(ok).error();
  } catch (const toml::parse_error& failure) {
    const toml::source_position at = failure.source().begin;
    return Error{Code::kInvalidArgument,
                 file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                     ": this is not valid TOML: " + printable(failure.description()),
                 {}};
  }
  return policy;
}

Result<Policy> read_policy(const std::filesystem::path& path, const std::string& today) {
  Result<std::string> bytes = read_file(path, limits::kConfigBytesMax);
  if (!bytes) {
    Error error = std::move(bytes).error();
    error.code = Code::kInvalidArgument;
    error.text += "; the policy of a gate is a TOML file, given with --policy";
    return error;
  }
  return parse_policy(*bytes, path, today);
}

}  // namespace assay::host
