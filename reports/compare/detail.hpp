// What the files of this folder share: the rows of one evaluation, and the match of two.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"
#include "reports/compare/compare.hpp"

namespace assay::host::compare_detail {

/// One stored result.
struct SideRow {
  RowId result = 0;
  std::string id, variant, group;
  std::uint32_t repeat = 0;
  int label = -1, state = 0;
  std::int64_t position = 0;
  std::uint64_t content = 0;  ///< 0: not recorded
  std::size_t table_row = 0;  ///< its row in every MetricTable of the evaluation
  // From the stored requests and answers:
  bool asked = false;  ///< at least one request to the model under test is stored
  Key128 prompt, seeds, answer;
  std::uint32_t generation = 0;  ///< index into Texts::generations
  std::uint32_t kinds = 0;       ///< bit set of enum assay_request_kind
};

/// Distinct generation parameters of both runs, as canonical JSON.
struct Texts {
  std::vector<std::string> generations;
  std::map<std::string, std::uint32_t, std::less<>> known;
};

/// One evaluation of one run.
struct Side {
  RunRow run;
  EvaluationRow evaluation;
  RecipeRow recipe;
  ModelRow model;
  std::vector<MetricRow> metrics;
  std::vector<SideRow> rows;                        ///< by id, variant, repeat
  std::map<std::string, std::vector<RowId>> roles;  ///< role -> models that answered in it
  SideCost cost;
};

/// Items of both runs with equal id and variant: rows [a_begin, a_end) of the baseline and [b_begin, b_end)
/// of the candidate.
struct Match {
  std::size_t a_begin = 0, a_end = 0, b_begin = 0, b_end = 0;
};
struct Matches {
  std::vector<Match> items;  ///< in the order of ids
  std::vector<std::string> only_a, only_b;
};

/// Rows and texts of an evaluation whose other members are set.
Result<void> load_rows(Reader& reader, Side& side, Texts& texts);
Matches match_rows(const Side& a, const Side& b);
/// Fills parts, states, shares and costs of the task.
void check_parts(const Side& a, const Side& b, const Matches& matches, const Texts& texts,
                 ComparedTask& task);
/// Fills the values of the task. Called with `numbers` false, only metrics' names and reasons are filled.
Result<void> compare_values(Reader& reader, const Side& a, const Side& b, const Matches& matches,
                            const CompareOptions& options, bool numbers, ComparedTask& task);
/// Texts of the changed items.
Result<void> fill_changed(Reader& reader, RowId baseline, RowId candidate, ChangedItem& item);

/// Adjusted p, verdicts and sentences.
void judge(Comparison& comparison);
void add_totals(Comparison& comparison);
void add_two_axis(Comparison& comparison);

/// Text of the first choice of a stored answer, or the answer itself.
std::string answer_text(const std::string& answer_json);
/// Prompt (or messages and continuation) of a stored request.
std::string prompt_text(const std::string& request_json);

}  // namespace assay::host::compare_detail
