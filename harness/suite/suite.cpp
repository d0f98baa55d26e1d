#include "harness/suite/suite.hpp"

#include <toml++/toml.h>

#include <algorithm>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

// Reads the tables of one file; the first problem ends it.
class SuiteReader {
 public:
  SuiteReader(std::string file, Suite& out) : file_(std::move(file)), out_(out) {}

  Result<void> read(toml::table& root) {
    if (Result<void> ok = known(root, {"suite", "model", "task", "expect"}, "the suite file"); !ok) return ok;
    const toml::table* head = root["suite"].as_table();
    if (head == nullptr) return fail(root, "a table [suite] with a name is missing");
    if (Result<void> ok = read_head(*head); !ok) return ok;
    if (Result<void> ok = each(root, "model", &SuiteReader::read_model); !ok) return ok;
    if (Result<void> ok = each(root, "task", &SuiteReader::read_task); !ok) return ok;
    if (Result<void> ok = each(root, "expect", &SuiteReader::read_expectation); !ok) return ok;
    if (out_.tasks.empty()) return fail(root, "there is no [[task]]; a suite needs at least one");
    return {};
  }

  std::string place(const toml::node& node) const {
    const toml::source_position at = node.source().begin;
    // A value without a line did not come from the file.
    if (at.line == 0) return out_.overrides.empty() ? file_ : "--set " + join(out_.overrides, " --set ");
    return file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  }
  Error fail(const toml::node& node, const std::string& sentence) const {
    return {Code::kInvalidArgument, place(node) + ": " + sentence, {}};
  }

 private:
  Result<void> known(const toml::table& table, const std::vector<std::string>& keys,
                     const std::string& what) const {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (std::find(keys.begin(), keys.end(), name) == keys.end()) {
        return Error{Code::kInvalidArgument,
                     place(node) + ": unknown key '" + name + "' in " + what + did_you_mean(name, keys) +
                         " (known: " + join(keys, ", ") + ")",
                     name};
      }
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
    if (!value) return fail(*node, std::string("'") + key + "' must be a text in quotes");
    out = *value;
    return {};
  }

  Result<void> number(const toml::table& table, const char* key, std::optional<double>& out) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const auto value = node->value<double>();
    if (!value || node->is_boolean()) return fail(*node, std::string("'") + key + "' must be a number");
    out = *value;
    return {};
  }

  Result<void> each(toml::table& root, const char* key,
                    Result<void> (SuiteReader::*reader)(const toml::table&)) {
    toml::node* node = root.get(key);
    if (node == nullptr) return {};
    toml::array* list = node->as_array();
    if (list == nullptr)
      return fail(*node, std::string("write [[") + key + "]]: a list of tables is expected");
    for (toml::node& element : *list) {
      const toml::table* table = element.as_table();
      if (table == nullptr) return fail(element, std::string("each ") + key + " must be a table");
      if (Result<void> ok = (this->*reader)(*table); !ok) return ok;
    }
    return {};
  }

  Result<void> read_head(const toml::table& table) {
    if (Result<void> ok = known(table, {"name", "title", "description", "seed", "repeats"}, "[suite]"); !ok)
      return ok;
    if (Result<void> ok = text(table, "name", out_.name, true); !ok) return ok;
    if (Result<void> ok = text(table, "title", out_.title); !ok) return ok;
    if (Result<void> ok = text(table, "description", out_.description); !ok) return ok;
    for (const char* key : {"seed", "repeats"}) {
      const toml::node* node = table.get(key);
      if (node == nullptr) continue;
      const auto value = node->value_exact<std::int64_t>();
      if (!value || *value < (key[0] == 'r' ? 1 : 0)) {
        return fail(*node, std::string("'") + key + "' must be a whole number, at least " +
                               (key[0] == 'r' ? "1" : "0"));
      }
      if (key[0] == 'r')
        out_.repeats = *value;
      else
        out_.seed = static_cast<std::uint64_t>(*value);
    }
    return {};
  }

  Result<void> read_model(const toml::table& table) {
    SuiteModel model;
    model.where = place(table);
    if (Result<void> ok = known(table, {"name", "expr"}, "[[model]]"); !ok) return ok;
    if (Result<void> ok = text(table, "name", model.name); !ok) return ok;
    if (Result<void> ok = text(table, "expr", model.expression, true); !ok) return ok;
    for (const SuiteModel& other : out_.models) {
      if (!model.name.empty() && other.name == model.name) {
        return fail(table,
                    "the model name '" + model.name + "' is used twice (first at " + other.where + ")");
      }
    }
    out_.models.push_back(std::move(model));
    return {};
  }

  Result<Argument> argument(const toml::node& node) const {
    Argument out;
    out.where = place(node);
    if (const auto truth = node.value_exact<bool>())
      out.value = *truth;
    else if (const auto integer = node.value_exact<std::int64_t>())
      out.value = *integer;
    else if (const auto real = node.value_exact<double>())
      out.value = *real;
    else if (const auto words = node.value_exact<std::string>())
      out.value = *words;
    else if (const toml::array* list = node.as_array()) {
      Argument::List items;
      for (const toml::node& element : *list) {
        Result<Argument> item = argument(element);
        if (!item) return item;
        items.push_back(*std::move(item));
      }
      out.value = std::move(items);
    } else {
      return fail(node, "a text, number, truth value or list is expected here");
    }
    return out;
  }

  Result<void> arguments(const toml::table& table, const char* key, Arguments& out) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const toml::table* inner = node->as_table();
    if (inner == nullptr)
      return fail(*node, std::string("'") + key + "' must be a table: { name = value, ... }");
    for (const auto& [name, value] : *inner) {
      Result<Argument> one = argument(value);
      if (!one) return std::move(one).error();
      out.emplace_back(std::string(name.str()), *std::move(one));
    }
    return {};
  }

  Result<void> metrics(const toml::table& table, const char* key, std::vector<SuiteMetric>& out) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) return {};
    const toml::array* list = node->as_array();
    if (list == nullptr)
      return fail(*node, std::string("'") + key + "' must be a list of metric ids or {id, params}");
    for (const toml::node& element : *list) {
      SuiteMetric metric;
      metric.where = place(element);
      if (const auto id = element.value_exact<std::string>()) {
        metric.id = *id;
      } else if (const toml::table* inner = element.as_table()) {
        if (Result<void> ok = known(*inner, {"id", "params"}, "a metric"); !ok) return ok;
        if (Result<void> ok = text(*inner, "id", metric.id, true); !ok) return ok;
        if (Result<void> ok = arguments(*inner, "params", metric.params); !ok) return ok;
      } else {
        return fail(element, "a metric is an id in quotes or { id = \"...\", params = {...} }");
      }
      out.push_back(std::move(metric));
    }
    return {};
  }

  Result<void> read_task(const toml::table& table) {
    SuiteTask task;
    task.where = place(table);
    if (Result<void> ok =
            known(table, {"plugin", "name", "params", "metrics", "baselines", "roles", "models"}, "[[task]]");
        !ok) {
      return ok;
    }
    if (Result<void> ok = text(table, "plugin", task.plugin, true); !ok) return ok;
    task.name = task.plugin;
    if (Result<void> ok = text(table, "name", task.name); !ok) return ok;
    if (Result<void> ok = arguments(table, "params", task.params); !ok) return ok;
    if (Result<void> ok = metrics(table, "metrics", task.metrics); !ok) return ok;
    if (Result<void> ok = metrics(table, "baselines", task.baselines); !ok) return ok;
    if (task.metrics.empty()) return fail(table, "task '" + task.name + "' has no metrics");
    Arguments roles;
    if (Result<void> ok = arguments(table, "roles", roles); !ok) return ok;
    for (const auto& [role, value] : roles) {
      const auto* expression = std::get_if<std::string>(&value.value);
      if (expression == nullptr) {
        return Error{Code::kInvalidArgument,
                     value.where + ": a role is bound to a model name or expression in quotes", role};
      }
      task.roles.emplace_back(role, *expression);
    }
    if (const toml::node* node = table.get("models")) {
      Result<Argument> list = argument(*node);
      if (!list) return std::move(list).error();
      const auto* names = std::get_if<Argument::List>(&list->value);
      if (names == nullptr) return fail(*node, "'models' must be a list of model names of this suite");
      for (const Argument& name : *names) {
        if (!name.is_text())
          return Error{Code::kInvalidArgument, name.where + ": a model name in quotes is expected", {}};
        task.models.push_back(std::get<std::string>(name.value));
      }
    }
    for (const SuiteTask& other : out_.tasks) {
      if (other.name == task.name) {
        return fail(table, "the task name '" + task.name + "' is used twice (first at " + other.where +
                               "); give one a 'name'");
      }
    }
    out_.tasks.push_back(std::move(task));
    return {};
  }

  Result<void> read_expectation(const toml::table& table) {
    SuiteExpectation e;
    e.where = place(table);
    const std::vector<std::string> keys = {"task", "model", "metric", "statistic", "variant",
                                           "why",  "min",   "max",    "contains",  "equals"};
    if (Result<void> ok = known(table, keys, "[[expect]]"); !ok) return ok;
    struct Field {
      const char* key;
      std::string* out;
      bool required;
    };
    for (const Field& field : {Field{"task", &e.task, true}, Field{"model", &e.model, false},
                               Field{"metric", &e.metric, true}, Field{"statistic", &e.statistic, false},
                               Field{"variant", &e.variant, false}, Field{"why", &e.why, true}}) {
      if (Result<void> ok = text(table, field.key, *field.out, field.required); !ok) return ok;
    }
    if (Result<void> ok = number(table, "min", e.min); !ok) return ok;
    if (Result<void> ok = number(table, "max", e.max); !ok) return ok;
    if (Result<void> ok = number(table, "contains", e.contains); !ok) return ok;
    if (Result<void> ok = number(table, "equals", e.equals); !ok) return ok;
    if (!e.min && !e.max && !e.contains && !e.equals)
      return fail(table, "an expectation needs min, max, contains or equals");
    out_.expectations.push_back(std::move(e));
    return {};
  }

  std::string file_;
  Suite& out_;
};

// The element of an array of tables that `step` names: its "name" (or "plugin"), or its number from 0.
toml::node* array_element(toml::array& list, const std::string& step) {
  for (toml::node& element : list) {
    if (toml::table* table = element.as_table()) {
      for (const char* key : {"name", "plugin", "id"}) {
        if (const auto name = (*table)[key].value_exact<std::string>(); name && *name == step)
          return &element;
      }
    }
  }
  const auto index = parse_int(step);
  return index && *index >= 0 ? list.get(static_cast<std::size_t>(*index)) : nullptr;
}

Result<void> apply_override(toml::table& root, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  const auto bad = [&](const std::string& why) {
    return Error{Code::kInvalidArgument,
                 "--set " + setting + ": " + why +
                     "; expected PATH=VALUE such as suite.seed=3 or task.NAME.params.k=0.3",
                 {}};
  };
  if (equals == std::string::npos || equals == 0) return bad("there is no '='");
  const std::vector<std::string> steps = split(setting.substr(0, equals), '.');
  const std::string written = setting.substr(equals + 1);
  // Names of tasks may contain dots, so the longest run of steps that names an element wins.
  toml::node* at = &root;
  for (std::size_t i = 0; i + 1 < steps.size();) {
    if (toml::array* list = at->as_array()) {
      toml::node* next = nullptr;
      std::size_t used = 0;
      for (std::size_t count = steps.size() - 1 - i; count >= 1 && next == nullptr; --count) {
        std::vector<std::string> part(steps.begin() + static_cast<std::ptrdiff_t>(i),
                                      steps.begin() + static_cast<std::ptrdiff_t>(i + count));
        next = array_element(*list, join(part, "."));
        used = count;
      }
      if (next == nullptr) return bad("nothing is called '" + steps[i] + "'");
      at = next;
      i += used;
      continue;
    }
    toml::table* table = at->as_table();
    if (table == nullptr) return bad("'" + steps[i] + "' lies below a value");
    if (!table->contains(steps[i])) {
      if (steps[i] != "params" && steps[i] != "roles") return bad("there is no '" + steps[i] + "'");
      table->insert(steps[i], toml::table{});
    }
    at = table->get(steps[i]);
    ++i;
  }
  toml::table* table = at->as_table();
  if (table == nullptr) return bad("the path does not end in a table");
  toml::parse_result value = [&]() -> toml::parse_result {
    try {
      return toml::parse("x = " + written);
    } catch (const toml::parse_error&) {
      toml::table plain;  // a bare word is a text
      plain.insert("x", written);
      return toml::parse_result(std::move(plain));
    }
  }();
  table->insert_or_assign(steps.back(), *value.get("x"));
  return {};
}

}  // namespace

Result<Suite> read_suite(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  Result<std::string> bytes = read_file(path, limits::kConfigBytesMax);
  if (!bytes) {
    Error error = std::move(bytes).error();
    error.code = Code::kInvalidArgument;
    error.text += "; `assay list suites` shows the suites that come with assay";
    return error;
  }
  return parse_suite(*std::move(bytes), path, overrides);
}

Result<Suite> parse_suite(std::string text, const std::filesystem::path& path,
                          const std::vector<std::string>& overrides) {
  Suite suite;
  suite.path = path;
  suite.text = std::move(text);
  suite.sha256 = sha256_hex(suite.text);
  suite.overrides = overrides;
  const std::string file = path.filename().string();
  toml::table root;
  try {
    root = toml::parse(suite.text, file);
  } catch (const toml::parse_error& failure) {
    const toml::source_position at = failure.source().begin;
    return Error{Code::kInvalidArgument,
                 file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                     ": this is not valid TOML: " + printable(failure.description()),
                 {}};
  }
  for (const std::string& setting : overrides) {
    if (Result<void> ok = apply_override(root, setting); !ok) return std::move(ok).error();
  }
  if (Result<void> ok = SuiteReader(file, suite).read(root); !ok) return std::move(ok).error();
  return suite;
}

}  // namespace assay::host
