// The parts of the reader of plain rows (JSONL, CSV, TSV): which field is what, and the rows as cells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/interop/imported.hpp"
#include "harness/interop/tolerant_json.hpp"

namespace assay::host::interop::rows {

/// What a field can be. Those from kMetric on have a name of their own (Source::name).
enum class Role : std::uint8_t {
  kId,
  kInput,
  kOutput,
  kTarget,
  kRepeat,
  kCluster,
  kError,
  kState,
  kModel,
  kTokensIn,
  kTokensOut,
  kLatency,
  kLogprobs,
  kTask,
  kVariant,
  kLabel,
  kMessage,
  kCached,
  kOtherOutputs,  ///< the texts of further requests in one cell: a JSON object of lists, by request name
  kMetric,        ///< a column of scores
  kScoreState,    ///< the state beside a score
  kNote,          ///< the note beside a score
  kFurtherOutput  ///< the texts of a further request
};

/// One place where a role is looked for.
struct Source {
  Role role = Role::kId;
  std::string name;               ///< of the metric or the request
  std::string written;            ///< as the mapping has it
  std::vector<std::string> path;  ///< keys from the row's object down; one for a plain field
};

struct Mapping {
  bool given = false;           ///< fields have the stated meaning and no other: bad contents are errors
  bool open = false;            ///< fields "metric:NAME", "state:NAME", ... are added to `sources` when met
  std::vector<Source> sources;  ///< without a file several for a role, in order of preference
  [[nodiscard]] bool has(Role role) const;
};
inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

/// Reads a mapping file (TOML by its ending, else JSON); without a path, the names that are usual.
/// kInvalidArgument with the key for unknown roles, values that are no field names, and a mapping without id.
Result<Mapping> load_mapping(const std::filesystem::path& file, bool number_lines);
/// The fields of a file that `assay export` wrote.
Mapping exported_mapping();
/// True when these are the names of all fields that `assay export` writes in every row.
bool is_exported(const std::vector<std::string>& fields);
/// What a field called "metric:NAME", "state:NAME", "note:NAME" or "output:NAME" is; nothing for other names.
std::optional<Source> by_prefix(const std::string& field);

/// One row: its cells, parallel to Mapping::sources, and what the mapping does not name.
struct Record {
  std::uint64_t line = 0;    ///< its first line, from 1
  std::uint64_t offset = 0;  ///< of that line in the file
  std::vector<std::optional<Tree>> cells;
  std::vector<std::pair<std::string, Tree>> others;  ///< only without a mapping file, or when it is open
  std::vector<std::string> warnings;
  std::optional<Error> problem;  ///< the row cannot be used; everything else is then unset
};

/// Hands over the rows of a file in order. Not shared between threads.
class Records {
 public:
  virtual ~Records() = default;
  /// The next row; false at the end. An error ends the reading; a bad row is Record::problem.
  virtual Result<bool> next(Record& record) = 0;
  /// next() goes on with this row; both as an earlier record had them.
  virtual Result<void> seek(std::uint64_t offset, std::uint64_t line) = 0;
};
Result<std::unique_ptr<Records>> open_jsonl(const std::filesystem::path& path, const Mapping& mapping);
/// CSV or TSV with a header line.
Result<std::unique_ptr<Records>> open_table(const std::filesystem::path& path, const Mapping& mapping);

/// Where a task finds a metric: indices into Mapping::sources.
struct Column {
  std::size_t score = kNowhere, state = kNowhere, note = kNowhere;
};

/// Makes rows of records. The mapping may grow meanwhile.
class RowMaker {
 public:
  RowMaker(const Mapping& mapping, const ImportOptions& options, std::string file);

  /// Everything of a row that does not depend on the other rows, checked. kData with file and line.
  [[nodiscard]] Result<ImportedRow> make(const Record& record) const;
  /// Scores, state and the fields nobody asked for. `outputs`: the task records texts.
  void finish(const Record& record, const std::vector<Column>& columns, bool outputs, ImportedRow& row) const;

  /// The cell of a role that is there and not null; nullptr when there is none.
  [[nodiscard]] const Tree* cell(const Record& record, Role role) const;
  [[nodiscard]] Error problem(const Record& record, const std::string& what) const;
  /// A score as it is written; false for what is no number. Null and "" are NaN.
  static bool score(const Tree& cell, double& number);

 private:
  [[nodiscard]] std::size_t place(const Record& record, Role role) const;
  [[nodiscard]] Result<void> check(const Record& record) const;
  [[nodiscard]] Result<void> answer(const Record& record, ImportedRow& row) const;
  [[nodiscard]] Result<void> further_outputs(const Record& record, ImportedRow& row) const;
  [[nodiscard]] std::vector<std::string> texts(const Tree& cell) const;
  bool count(const Record& record, Role role, std::int64_t& tokens) const;
  bool logprobs(const Record& record, std::vector<double>& out) const;
  void settle(const Record& record, bool outputs, bool scored, ImportedRow& row) const;
  void unused(const Record& record, const std::vector<Column>& columns, ImportedRow& row) const;

  const Mapping& mapping_;
  const ImportOptions& options_;
  std::string file_;
};

}  // namespace assay::host::interop::rows
