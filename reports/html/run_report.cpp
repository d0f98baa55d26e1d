#include "reports/html/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/html/run_parts.hpp"

namespace assay::host::html {
namespace {

template <class T>
const T* by_id(const std::vector<T>& rows, RowId id) {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const T& row) { return row.id == id; });
  return at == rows.end() ? nullptr : &*at;
}

template <class T>
Result<void> take(T& to, Result<T> from) {
  if (!from) return std::move(from).error();
  to = *std::move(from);
  return {};
}

Result<RunData> read(Reader& reader, const RunSummary& run) {
  RunData data;
  data.run = run;
  const RowId id = run.run.id;
  std::vector<AggregateLine> lines;
  for (Result<void> done :
       {take(data.models, reader.models(id)), take(data.recipes, reader.recipes(id)),
        take(data.evaluations, reader.evaluations(id)), take(data.plugins, reader.plugins(id)),
        take(data.warnings, reader.warnings(id)), take(data.segments, reader.segments(id)),
        take(data.score_sets, reader.score_sets(id)), take(data.reported, reader.reported(id)),
        take(lines, reader.aggregates(id))}) {
    if (!done) return std::move(done).error();
  }
  for (AggregateLine& line : lines) {
    if (const EvaluationRow* of = data.evaluation(line.row.evaluation); of != nullptr)
      data.lines[of->recipe].push_back(std::move(line));
  }
  return data;
}

// `scores` are shown whatever their size; plots and items share `share` bytes.
Result<std::string> task_section(Reader& reader, const RunData& data, const RecipeRow& recipe,
                                 const std::string& scores, const RunReportOptions& options,
                                 std::size_t share) {
  std::string out = "<p class=\"soft\">" + text(recipe.task_id) + ", recipe " +
                    text(recipe.hash.substr(0, 8)) + "</p>\n" + scores;
  Bounded plots(share * 3 / 5);
  score_plots(data, recipe, plots);
  grid_plots(data, recipe, plots);
  if (Result<void> done = curve_plots(reader, data, recipe, plots); !done) return std::move(done).error();
  out += plots.html("plots", "the tables have their scores");
  Bounded items(share * 2 / 5);
  if (Result<void> done = item_samples(reader, data, recipe, options, items); !done)
    return std::move(done).error();
  const std::string samples = items.html("groups of items", "`assay show RUN --items` lists them");
  if (!samples.empty()) out += "<h3>Items</h3>\n" + samples;
  return out;
}

}  // namespace

const EvaluationRow* RunData::evaluation(RowId id) const {
  return by_id(evaluations, id);
}
const RecipeRow* RunData::recipe(RowId id) const {
  return by_id(recipes, id);
}
const ModelRow* RunData::model(RowId id) const {
  return by_id(models, id);
}
const std::vector<AggregateLine>& RunData::lines_of(const RecipeRow& of) const {
  static const std::vector<AggregateLine> kNone;
  const auto at = lines.find(of.id);
  return at == lines.end() ? kNone : at->second;
}
std::string RunData::model_name(const EvaluationRow& evaluation) const {
  if (!evaluation.model_name.empty()) return evaluation.model_name;
  const ModelRow* found = model(evaluation.model);
  return found == nullptr ? std::string() : found->name;
}

Result<std::string> run_report(Reader& reader, const RunSummary& run, const RunReportOptions& options) {
  Result<RunData> read_data = read(reader, run);
  if (!read_data) return std::move(read_data).error();
  const RunData& data = *read_data;
  Page page(run.run.suite_name + ", run " + run.run.uuid.substr(0, 8));
  page.lead(facts_of(data) + warnings_of(data));
  page.section("Answers", states_of(data));
  // What must be in the page comes first, so that the rest can share what is left.
  const std::string provenance = details_of(data), reported = reported_of(data);
  std::size_t fixed = page.size() + provenance.size() + reported.size();
  std::vector<std::string> scores;
  for (const RecipeRow& recipe : data.recipes)
    fixed += scores.emplace_back(score_tables(data, recipe)).size();
  const std::size_t free = options.bytes_max > fixed ? options.bytes_max - fixed : 0;
  const std::size_t share = data.recipes.empty() ? 0 : free / data.recipes.size();
  for (std::size_t i = 0; i < data.recipes.size(); ++i) {
    const RecipeRow& recipe = data.recipes[i];
    Result<std::string> section = task_section(reader, data, recipe, scores[i], options, share);
    if (!section) return std::move(section).error();
    page.section(recipe.name, *section);
  }
  if (!reported.empty()) page.section("Reported by the log", reported);
  page.section("How this run was made", provenance);
  page.section(
      "How to read this page",
      "<p>Every score stands with its 95 % interval and the number of items behind it (positives+negatives "
      "for AUROC); the method column names how the interval was computed. The best blind rule is the "
      "model-free rule of the same task that comes nearest to the score or beats it: a score inside or "
      "below the blind rule's interval shows nothing about the model. Answers that are empty, refused, "
      "truncated, unparsed or failed are counted apart and never silently scored; the lines below each "
      "table say how they entered the scores. n/a means that a number does not exist, never zero.</p>\n");
  return page.html();
}

}  // namespace assay::host::html
