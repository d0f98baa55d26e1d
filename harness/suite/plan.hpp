// The plan: the complete, validated list of work before any model is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/suite/suite.hpp"

namespace assay::host {

/// Which items of each task are run. Part of the recipe.
struct Selection {
  std::uint64_t first = 0, last = UINT64_MAX;  ///< positions [first, last)
  double share = 1.0;                          ///< of the items, rounded up; 1: all
  bool shuffle = false;                        ///< Fisher-Yates on stream 3 before first/last/share
  std::vector<std::string> items;              ///< exactly these ids; empty: all

  [[nodiscard]] bool everything() const {
    return first == 0 && last == UINT64_MAX && share >= 1.0 && !shuffle && items.empty();
  }
  [[nodiscard]] Json to_json() const;
};
/// "100", "10-20" (positions 10..19), "5%".
Result<Selection> parse_limit(const std::string& text);

struct PlannedMetric {
  Binding binding;
  std::string name;  ///< Binding::display()
  bool baseline = false;
};

struct PlannedModel {
  std::string name;  ///< shown in tables
  Binding binding;
};

struct PlannedTask {
  std::string name;
  Binding binding;
  std::vector<PlannedMetric> metrics;                       ///< metrics, then baselines
  std::vector<std::pair<std::string, PlannedModel>> roles;  ///< role -> model (not target)
  std::string recipe_hash;                                  ///< 64 hex digits
  std::string parts;                                        ///< canonical JSON of what the hash covers
  std::string data_hash;                                    ///< over the task's data files
  [[nodiscard]] const PlannedModel* role(const std::string& key) const {
    for (const auto& [name_of, model] : roles) {
      if (name_of == key) return &model;
    }
    return nullptr;
  }
};

/// One (task, model): which metrics can be computed, and why the others cannot.
struct PlannedEvaluation {
  std::size_t task = 0, model = 0;
  std::vector<bool> supported;       ///< per metric of the task
  std::vector<std::string> reasons;  ///< per metric; empty when supported
  std::string unsupported;           ///< why nothing can be run; empty when there is something
};

struct Plan {
  Suite suite;
  Selection selection;
  std::uint64_t seed = 1;
  std::int64_t repeats = 1;
  bool as_written = true;  ///< the suite's own models, values, seed and all items: its expectations apply
  std::vector<PlannedModel> models;
  std::vector<PlannedTask> tasks;
  std::vector<PlannedEvaluation> evaluations;

  [[nodiscard]] Json to_json() const;
};

struct PlanOptions {
  std::vector<std::string> models;  ///< --model expressions (NAME=EXPR names one); empty: the suite's
  Selection selection;
  std::optional<std::uint64_t> seed;
  std::optional<std::int64_t> repeats;
  bool strict = false;  ///< anything unsupported is an error
};

/// kInvalidArgument, kNotFound (data: what to run), kData. Nothing is loaded.
Result<Plan> make_plan(Suite suite, const BindContext& context, const PlanOptions& options);

/// Marks what model `m` of the plan cannot serve once its instance is known to offer `offered` (at most what
/// its plugin could).
void limit_to_capabilities(Plan& plan, std::size_t m, std::uint64_t offered);
/// kInvalidArgument when nothing is left to run or, with `strict`, when anything is unsupported.
Result<void> check_support(const Plan& plan, bool strict);

/// The capability bits `evaluation` lacks for metric `m` given what the model really offers.
std::uint64_t missing_capabilities(const PlannedTask& task, const PlannedMetric& metric,
                                   std::uint64_t offered);

}  // namespace assay::host
