// A suite file as written: TOML read strictly, every key known, every value with its place in the file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/suite/bind.hpp"

namespace assay::host {

/// A metric (or baseline) of a task, as written.
struct SuiteMetric {
  std::string id, where;
  Arguments params;
};

struct SuiteTask {
  std::string plugin, name, where;
  Arguments params;
  std::vector<SuiteMetric> metrics, baselines;
  std::vector<std::pair<std::string, std::string>> roles;  ///< role -> model name of the suite, or expression
  std::vector<std::string> models;                         ///< names of the models to run; empty: all
};

struct SuiteModel {
  std::string name, expression, where;
};

/// A statement about a result that must hold on planted truth.
struct SuiteExpectation {
  std::string task, model, metric, statistic, variant, why, where;
  std::optional<double> min, max;  ///< bounds of the estimate
  std::optional<double> contains;  ///< the interval must contain this value
  std::optional<double> equals;    ///< the estimate must be exactly this
};

struct Suite {
  std::filesystem::path path;
  std::string name, title, description;
  std::string text, sha256;  ///< the file's bytes
  std::uint64_t seed = 1;
  std::int64_t repeats = 1;
  std::vector<SuiteModel> models;
  std::vector<SuiteTask> tasks;
  std::vector<SuiteExpectation> expectations;
  std::vector<std::string> overrides;  ///< the --set arguments, in order
};

/// Reads `path`; each override "key=value" (`suite.seed=3`, `task.NAME.params.k=0.3`) replaces a value first.
/// kInvalidArgument with file:line:column, the nearest known key, and what was expected.
Result<Suite> read_suite(const std::filesystem::path& path, const std::vector<std::string>& overrides);
/// The same of a text that was read before (a stored run's); `path` names it in messages.
Result<Suite> parse_suite(std::string text, const std::filesystem::path& path,
                          const std::vector<std::string>& overrides);

}  // namespace assay::host
