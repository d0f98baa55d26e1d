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

/// What a field can be. kMetric: a column of scores.
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
  kMetric
};

/// One place where a role is looked for.
struct Source {
  Role role = Role::kId;
  std::string metric;             ///< kMetric: its name
  std::string written;            ///< as the mapping has it
  std::vector<std::string> path;  ///< keys from the row's object down; one for a plain field
};

struct Mapping {
  bool given = false;           ///< by a file: then nothing else is looked at
  std::vector<Source> sources;  ///< without a file several for a role, in order of preference
  [[nodiscard]] bool has(Role role) const;
};

/// Reads a mapping file (TOML by its ending, else JSON); without a path, the names that are usual.
/// kInvalidArgument with the key for unknown roles, values that are no field names, and a mapping without id.
Result<Mapping> load_mapping(const std::filesystem::path& file, bool number_lines);

/// One row: its cells, parallel to Mapping::sources, and what the mapping does not name.
struct Record {
  std::uint64_t line = 0;
  std::vector<std::optional<Tree>> cells;
  std::vector<std::pair<std::string, Tree>> others;  ///< only without a mapping file
  std::vector<std::string> warnings;
  std::optional<Error> problem;  ///< the row cannot be used; everything else is then unset
};

/// Hands over the rows of a file in order. Not shared between threads.
class Records {
 public:
  virtual ~Records() = default;
  /// The next row; false at the end. An error ends the reading; a bad row is Record::problem.
  virtual Result<bool> next(Record& record) = 0;
};
Result<std::unique_ptr<Records>> open_jsonl(const std::filesystem::path& path, const Mapping& mapping);
/// CSV or TSV with a header line.
Result<std::unique_ptr<Records>> open_table(const std::filesystem::path& path, const Mapping& mapping);

}  // namespace assay::host::interop::rows
