// One row an item: what JSONL and CSV have in common. The keys are those of db/README.md and of the mapping
// that `import --as jsonl --map FILE` takes.
#pragma once

#include <string>
#include <vector>

#include "harness/interop/export/item_texts.hpp"
#include "harness/interop/export/selection.hpp"

namespace assay::host::exporting {

/// An item of an evaluation, while it is being written.
struct RowView {
  const Selected& of;
  const WholeItem& item;
  const ItemTexts& texts;
};

/// Why a value has no number, or the state beside its number: a state's name, "non_finite" for a value that
/// came out as no finite number, "not_scored" when the metric was not asked.
const char* score_state(const WholeItem& item, const WholeScore& score);
/// Items that failed: then the message is the row's error.
bool failed(int state);

/// Appends the row as one line of JSON.
void append_jsonl(const RowView& row, std::string& out);

/// The header line: the fixed fields, then three fields (metric, state, note) for each column of the run.
void append_csv_header(const std::vector<std::string>& columns, std::string& out);
inline constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);
/// Appends the row. `places` has an entry for each column of the header: its index among the columns of the
/// row's task, or kNoColumn.
void append_csv_row(const RowView& row, const std::vector<std::size_t>& places, std::string& out);

/// The mapping file with which the rows are imported again, as JSON. `outputs`: names of the requests beside
/// the first; a table has them in one field.
std::string mapping_json(const std::vector<std::string>& columns, const std::vector<std::string>& outputs,
                         bool csv);

}  // namespace assay::host::exporting
