#include "harness/suite/plan.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

// "NAME=EXPR" when NAME is a plain word in front of a '=' that is not inside the expression.
std::pair<std::string, std::string> split_name(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t open = text.find('(');
  if (equals == std::string::npos || (open != std::string::npos && open < equals)) return {{}, text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Result<PlannedModel> plan_model(const BindContext& context, const std::string& name, const std::string& text,
                                const std::string& where) {
  Result<Expression> expression = parse_expression(text);
  if (!expression)
    return where.empty() ? std::move(expression).error() : std::move(expression).error().within(where);
  Result<Binding> binding = bind_model(context, *expression);
  if (!binding) return where.empty() ? std::move(binding).error() : std::move(binding).error().within(where);
  PlannedModel model;
  model.binding = *std::move(binding);
  model.name = name.empty() ? model.binding.expression : name;
  return model;
}

Result<void> plan_models(const BindContext& context, const PlanOptions& options, Plan& plan) {
  if (!options.models.empty()) {
    for (const std::string& given : options.models) {
      const auto [name, text] = split_name(given);
      Result<PlannedModel> model = plan_model(context, name, text, {});
      if (!model) return std::move(model).error();
      plan.models.push_back(*std::move(model));
    }
  } else {
    for (const SuiteModel& given : plan.suite.models) {
      Result<PlannedModel> model = plan_model(context, given.name, given.expression, given.where);
      if (!model) return std::move(model).error();
      plan.models.push_back(*std::move(model));
    }
  }
  if (plan.models.empty()) {
    return Error{Code::kInvalidArgument,
                 "no model: the suite names none, so give one with --model 'ngram(order=5, train=\"FILE\")' "
                 "(`assay list models` shows what there is)",
                 {}};
  }
  for (std::size_t i = 0; i < plan.models.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (plan.models[i].name == plan.models[j].name) {
        return Error{Code::kInvalidArgument,
                     "two models are called '" + plan.models[i].name + "'; name them with --model NAME=EXPR",
                     {}};
      }
    }
  }
  return {};
}

Result<void> plan_metrics(const BindContext& context, const std::vector<SuiteMetric>& given, bool baseline,
                          PlannedTask& task) {
  for (const SuiteMetric& metric : given) {
    Result<Binding> binding = bind_plugin(context, ASSAY_METRIC, metric.id, metric.params, metric.where);
    if (!binding) return std::move(binding).error();
    PlannedMetric planned{*std::move(binding), {}, baseline};
    planned.name = planned.binding.display();
    for (const PlannedMetric& other : task.metrics) {
      if (other.name == planned.name) {
        return Error{
            Code::kInvalidArgument,
            metric.where + ": metric '" + planned.name + "' is named twice in task '" + task.name + "'",
            {}};
      }
    }
    task.metrics.push_back(std::move(planned));
  }
  return {};
}

// Role models may be named as models of the suite or written as expressions.
Result<void> plan_roles(const BindContext& context, const SuiteTask& given, const Suite& suite,
                        PlannedTask& task) {
  for (const auto& [role, text] : given.roles) {
    const SuiteModel* named = nullptr;
    for (const SuiteModel& model : suite.models) {
      if (model.name == text) named = &model;
    }
    Result<PlannedModel> model = named != nullptr
                                     ? plan_model(context, named->name, named->expression, named->where)
                                     : plan_model(context, {}, text, given.where);
    if (!model) return std::move(model).error();
    task.roles.emplace_back(role, *std::move(model));
  }
  return {};
}

Json metric_parts(const PlannedTask& task) {
  Json list = Json::array();
  for (const PlannedMetric& metric : task.metrics) {
    Json one = metric.binding.identity();
    one["baseline"] = metric.baseline;
    list.push_back(std::move(one));
  }
  return list;
}

void finish_recipe(const Plan& plan, PlannedTask& task) {
  Sha256 data;
  for (const ParamValue& value : task.binding.params) {
    if (value.type == ASSAY_PARAM_PATH && value.is_set) data.field(value.key).field(value.identity);
  }
  task.data_hash = hex(data.finish());
  Json roles = Json::object();
  for (const auto& [role, model] : task.roles) roles[role] = model.binding.identity();
  task.parts = canonical(Json{{"task", task.binding.identity()},
                              {"data", task.data_hash},
                              {"metrics", metric_parts(task)},
                              {"roles", roles},
                              {"seed", plan.seed},
                              {"repeats", plan.repeats},
                              {"selection", plan.selection.to_json()}});
  task.recipe_hash = sha256_hex(task.parts);
}

PlannedEvaluation plan_evaluation(const Plan& plan, std::size_t t, std::size_t m) {
  const PlannedTask& task = plan.tasks[t];
  const std::uint64_t offered = plan.models[m].binding.spec().provides;
  PlannedEvaluation out;
  out.task = t;
  out.model = m;
  bool any = false;
  for (const PlannedMetric& metric : task.metrics) {
    const std::uint64_t missing = missing_capabilities(task, metric, offered);
    std::string reason;
    if (missing != 0) {
      reason = "model '" + plan.models[m].name + "' does not offer " + capability_names(missing);
    } else if (metric.binding.spec().has(ASSAY_FLAG_NEEDS_REFERENCE) &&
               task.role("retain_reference") == nullptr) {
      reason = "missing_reference: bind the role retain_reference of task '" + task.name + "'";
    }
    out.supported.push_back(reason.empty());
    any = any || (reason.empty() && !metric.baseline);
    out.reasons.push_back(std::move(reason));
  }
  if (!any) out.unsupported = "no metric of task '" + task.name + "' can be computed: " + out.reasons.front();
  return out;
}

// Expectations must speak of something the suite has.
Result<void> check_expectations_of(const Plan& plan) {
  for (const SuiteExpectation& e : plan.suite.expectations) {
    std::vector<std::string> tasks, metrics, models;
    const PlannedTask* task = nullptr;
    for (const PlannedTask& one : plan.tasks) {
      tasks.push_back(one.name);
      if (one.name == e.task) task = &one;
    }
    if (task == nullptr) {
      return Error{Code::kInvalidArgument,
                   e.where + ": the expectation names the task '" + e.task +
                       "', which the suite does not have" + did_you_mean(e.task, tasks),
                   {}};
    }
    for (const PlannedMetric& metric : task->metrics) metrics.push_back(metric.name);
    if (std::find(metrics.begin(), metrics.end(), e.metric) == metrics.end()) {
      return Error{Code::kInvalidArgument,
                   e.where + ": the expectation names the metric '" + e.metric + "'; task '" + e.task +
                       "' has " + join(metrics, ", ") + did_you_mean(e.metric, metrics),
                   {}};
    }
    for (const SuiteModel& model : plan.suite.models) models.push_back(model.name);
    if (!e.model.empty() && std::find(models.begin(), models.end(), e.model) == models.end()) {
      return Error{Code::kInvalidArgument,
                   e.where + ": the expectation names the model '" + e.model +
                       "', which the suite does not have" + did_you_mean(e.model, models),
                   {}};
    }
  }
  return {};
}

}  // namespace

Result<void> check_support(const Plan& plan, bool strict) {
  bool any = false;
  std::string first;
  for (const PlannedEvaluation& evaluation : plan.evaluations) {
    any = any || evaluation.unsupported.empty();
    for (std::size_t i = 0; i < evaluation.reasons.size(); ++i) {
      if (evaluation.reasons[i].empty() || !first.empty()) continue;
      first = "task '" + plan.tasks[evaluation.task].name + "', metric '" +
              plan.tasks[evaluation.task].metrics[i].name + "': " + evaluation.reasons[i];
    }
  }
  if (!any) return Error{Code::kInvalidArgument, "nothing is left to run: " + first, {}};
  if (strict && !first.empty()) return Error{Code::kInvalidArgument, "--strict: " + first, {}};
  return {};
}

void limit_to_capabilities(Plan& plan, std::size_t m, std::uint64_t offered) {
  for (PlannedEvaluation& evaluation : plan.evaluations) {
    if (evaluation.model != m) continue;
    const PlannedTask& task = plan.tasks[evaluation.task];
    bool any = false;
    for (std::size_t i = 0; i < task.metrics.size(); ++i) {
      const std::uint64_t missing = missing_capabilities(task, task.metrics[i], offered);
      if (evaluation.supported[i] && missing != 0) {
        evaluation.supported[i] = false;
        evaluation.reasons[i] =
            "model '" + plan.models[m].name + "' does not offer " + capability_names(missing);
      }
      any = any || (evaluation.supported[i] && !task.metrics[i].baseline);
    }
    if (!any && evaluation.unsupported.empty()) {
      evaluation.unsupported =
          "no metric of task '" + task.name + "' can be computed: " + evaluation.reasons.front();
    }
  }
}

Json Selection::to_json() const {
  if (everything()) return "all";
  Json tree = Json::object();
  if (first != 0) tree["first"] = first;
  if (last != UINT64_MAX) tree["last"] = last;
  if (share < 1.0) tree["share"] = share;
  if (shuffle) tree["shuffle"] = true;
  if (!items.empty()) tree["items"] = items;
  return tree;
}

Result<Selection> parse_limit(const std::string& text) {
  const Error wrong{Code::kInvalidArgument,
                    "--limit " + text + ": expected a count (100), positions (10-20) or a share (5%)",
                    {}};
  Selection out;
  if (!text.empty() && text.back() == '%') {
    const auto share = parse_double(std::string_view(text).substr(0, text.size() - 1));
    if (!share || !(*share > 0) || *share > 100) return wrong;
    out.share = *share / 100.0;
    return out;
  }
  const std::size_t dash = text.find('-');
  const auto first = parse_int(std::string_view(text).substr(0, dash));
  if (!first || *first < 0) return wrong;
  if (dash == std::string::npos) {
    if (*first == 0) return wrong;
    out.last = static_cast<std::uint64_t>(*first);
    return out;
  }
  const auto last = parse_int(std::string_view(text).substr(dash + 1));
  if (!last || *last <= *first) return wrong;
  out.first = static_cast<std::uint64_t>(*first);
  out.last = static_cast<std::uint64_t>(*last);
  return out;
}

std::uint64_t missing_capabilities(const PlannedTask& task, const PlannedMetric& metric,
                                   std::uint64_t offered) {
  if (metric.baseline && metric.binding.spec().requires_caps == 0) return 0;
  return (task.binding.spec().requires_caps | metric.binding.spec().requires_caps) & ~offered;
}

Result<Plan> make_plan(Suite suite, const BindContext& context, const PlanOptions& options) {
  Plan plan;
  plan.suite = std::move(suite);
  plan.selection = options.selection;
  plan.seed = options.seed.value_or(plan.suite.seed);
  plan.repeats = options.repeats.value_or(plan.suite.repeats);
  plan.as_written = options.models.empty() && options.selection.everything() &&
                    plan.suite.overrides.empty() && plan.seed == plan.suite.seed &&
                    plan.repeats == plan.suite.repeats;
  if (Result<void> ok = plan_models(context, options, plan); !ok) return std::move(ok).error();
  for (const SuiteTask& given : plan.suite.tasks) {
    Result<Binding> binding = bind_plugin(context, ASSAY_TASK, given.plugin, given.params, given.where);
    if (!binding) return std::move(binding).error();
    PlannedTask task;
    task.name = given.name;
    task.binding = *std::move(binding);
    if (Result<void> ok = plan_metrics(context, given.metrics, false, task); !ok)
      return std::move(ok).error();
    if (Result<void> ok = plan_metrics(context, given.baselines, true, task); !ok)
      return std::move(ok).error();
    if (Result<void> ok = plan_roles(context, given, plan.suite, task); !ok) return std::move(ok).error();
    finish_recipe(plan, task);
    plan.tasks.push_back(std::move(task));
  }
  for (std::size_t t = 0; t < plan.tasks.size(); ++t) {
    const std::vector<std::string>& wanted = plan.suite.tasks[t].models;
    for (std::size_t m = 0; m < plan.models.size(); ++m) {
      const bool chosen = wanted.empty() || !options.models.empty() ||
                          std::find(wanted.begin(), wanted.end(), plan.models[m].name) != wanted.end();
      if (chosen) plan.evaluations.push_back(plan_evaluation(plan, t, m));
    }
    for (const std::string& name : wanted) {
      std::vector<std::string> names;
      for (const SuiteModel& model : plan.suite.models) names.push_back(model.name);
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        return Error{Code::kInvalidArgument,
                     plan.suite.tasks[t].where + ": task '" + plan.tasks[t].name + "' names the model '" +
                         name + "', which the suite does not define" + did_you_mean(name, names),
                     {}};
      }
    }
  }
  if (Result<void> ok = check_expectations_of(plan); !ok) return std::move(ok).error();
  if (Result<void> ok = check_support(plan, options.strict); !ok) return std::move(ok).error();
  return plan;
}

Json Plan::to_json() const {
  Json tree = {{"suite", suite.name}, {"suite_sha256", suite.sha256},     {"seed", seed},
               {"repeats", repeats},  {"selection", selection.to_json()}, {"overrides", suite.overrides}};
  for (const PlannedModel& model : models) {
    tree["models"].push_back({{"name", model.name},
                              {"expression", model.binding.expression},
                              {"provides", capability_names(model.binding.spec().provides)}});
  }
  for (const PlannedTask& task : tasks) {
    Json one = {{"name", task.name}, {"recipe", task.recipe_hash}, {"parts", Json::parse(task.parts)}};
    for (const PlannedMetric& metric : task.metrics) one["metrics"].push_back(metric.name);
    tree["tasks"].push_back(std::move(one));
  }
  for (const PlannedEvaluation& evaluation : evaluations) {
    Json one = {{"task", tasks[evaluation.task].name}, {"model", models[evaluation.model].name}};
    if (!evaluation.unsupported.empty()) one["unsupported"] = evaluation.unsupported;
    for (std::size_t i = 0; i < evaluation.reasons.size(); ++i) {
      if (!evaluation.reasons[i].empty()) {
        one["unsupported_metrics"][tasks[evaluation.task].metrics[i].name] = evaluation.reasons[i];
      }
    }
    tree["evaluations"].push_back(std::move(one));
  }
  return tree;
}

}  // namespace assay::host
