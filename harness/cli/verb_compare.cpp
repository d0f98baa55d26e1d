// `assay compare BASELINE CANDIDATE`: what changed between two stored runs, and whether it is more than
// noise.
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/cli/custom_source.hpp"
#include "reports/compare/format.hpp"
#include "reports/html/compare_report.hpp"

namespace assay::host::cli {
namespace {

Result<CompareOptions> read_options(const po::variables_map& values) {
  CompareOptions options;
  options.task = get<std::string>(values, "task");
  options.metric = get<std::string>(values, "metric");
  options.alpha = get<double>(values, "alpha", options.alpha);
  if (values.count("margin") != 0) options.margin = values["margin"].as<double>();
  options.force = values.count("force") != 0;
  options.all_values = values.count("all-values") != 0;
  const auto top = get<std::int64_t>(values, "top-flips", static_cast<std::int64_t>(options.top_items));
  constexpr std::int64_t kTopMax = 10'000;
  if (top < 0 || top > kTopMax) {
    return Error{
        Code::kInvalidArgument,
        "--top-flips " + std::to_string(top) + ": expected a number from 0 to " + std::to_string(kTopMax),
        "top-flips"};
  }
  options.top_items = static_cast<std::size_t>(top);
  Result<std::vector<std::pair<std::string, std::string>>> models = model_pairs(values);
  if (!models) return std::move(models).error();
  options.models = *std::move(models);
  return options;
}

}  // namespace

po::options_description compare_options() {
  po::options_description options("Options");
  options.add_options()("margin", po::value<double>()->value_name("M"),
                        "differences below M (in units of the metric) are as good as none")(
      "alpha", po::value<double>()->value_name("A"),
      "level of tests, and 1 - level of intervals (default 0.05)")(
      "top-flips", po::value<std::int64_t>()->value_name("N"), "changed items shown per value (default 3)")(
      "task", po::value<std::string>()->value_name("PATTERN"), "only tasks with such a name (* and ?)")(
      "metric", po::value<std::string>()->value_name("PATTERN"), "only metrics with such a name (* and ?)")(
      "model", po::value<std::vector<std::string>>()->value_name("A=B"),
      "compare the baseline's model A with the candidate's B (repeatable; default: equal names)")(
      "all-values", "also values that are not headlines, companion statistics and model-free rules")(
      "markdown", "print GitHub markdown")(
      "html", po::value<std::string>()->value_name("FILE"),
      "also write the comparison as one HTML file; - is standard output, and nothing else there")(
      "force", "numbers even where nothing can be compared, marked FORCED and without a verdict");
  return options;
}

int compare_verb(const Globals& globals, const po::variables_map& values) {
  const auto baseline = get<std::string>(values, "baseline");
  const auto candidate = get<std::string>(values, "candidate");
  if (baseline.empty() || candidate.empty()) {
    return report(globals,
                  {Code::kInvalidArgument,
                   "two runs are needed: assay compare BASELINE CANDIDATE, each by id, label, `latest` or "
                   "`latest~1` (`assay list runs` shows them)",
                   "baseline"});
  }
  Result<CompareOptions> options = read_options(values);
  if (!options) return report(globals, options.error());
  if (globals.json && values.count("markdown") != 0)
    return report(globals, {Code::kInvalidArgument, "--json and --markdown exclude each other", "markdown"});
  const auto page = get<std::string>(values, "html");
  if (page == "-" && (globals.json || values.count("markdown") != 0))
    return report(globals, {Code::kInvalidArgument,
                            "--html - wants standard output for itself; give --html a file", "html"});
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  options->custom = custom_source(globals);
  Result<Comparison> comparison = compare_runs(**reader, baseline, candidate, *options);
  if (!comparison) return report(globals, comparison.error());
  const int code = comparison->anything() ? kDone : kNotComparable;
  if (!page.empty()) {
    if (Result<void> done = put(page, html::compare_report(*comparison)); !done)
      return report(globals, done.error());
    if (page == "-") return code;
  }
  if (globals.json) {
    Json tree = compare_json(*comparison);
    tree["exit_code"] = code;
    print(canonical(tree) + "\n");
  } else if (values.count("markdown") != 0) {
    print(compare_markdown(*comparison));
  } else {
    print(compare_text(*comparison, globals.color_out, globals.verbose));
  }
  return code;
}

}  // namespace assay::host::cli
