// The parts of the Inspect reader: samples to rows, scores to columns. Not for use outside this folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/interop/imported.hpp"
#include "harness/interop/tolerant_json.hpp"
#include "harness/interop/zip.hpp"

namespace assay::host::interop::inspect {

/// A log in either container: the header, and samples that can be fetched one by one and again.
class Log {
 public:
  Tree header;
  bool closed = true;  // false: the writer never came to its end
  bool scores_only = false;

  Result<void> open(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink);
  [[nodiscard]] std::size_t count() const { return zip_ ? members_.size() : list_.size(); }
  /// Where sample `i` stands, for messages.
  [[nodiscard]] std::string name(std::size_t i) const;
  /// The sample; valid until the next call. `warnings` receives what the parser had to mend.
  Result<Tree*> get(std::size_t i, std::vector<std::string>& warnings);

 private:
  Result<void> open_archive(const std::filesystem::path& path, const ImportOptions& options,
                            ImportSink& sink);
  Result<void> open_json(const std::filesystem::path& path, ImportSink& sink);
  Result<void> use_reductions(const Tree* reductions);
  Result<Tree> member(const ZipMember& member, ImportSink& sink) const;

  std::string file_;
  std::optional<ZipFile> zip_;
  std::vector<ZipMember> members_;
  std::vector<Tree> list_;
  Tree current_;
};

/// One number of one sample: the column, its value (NaN: none) and the text that goes with it.
struct Score {
  std::string column;  ///< scorer, or scorer.key for values that are dictionaries or lists
  double number = kAbsent;
  bool non_finite = false;
  std::string note;
};

/// The scores of a sample in the order of the file. `scorer` names the single score of very old logs.
std::vector<Score> scores_of(const Tree& sample, const std::string& scorer);

/// Settings that hold for every sample of a log.
struct Settings {
  std::string model;
  std::vector<std::string> stop;
  std::int64_t max_tokens = -1;
  double temperature = kAbsent, top_p = kAbsent;
  bool scores_only = false;  ///< rows from reductions: there are no texts and no outputs
};
Settings settings_of(const Tree& header);

/// Everything of the row but its id, repeat and scores. Replaces attachment references in `sample`; hashes
/// that are not found go to `unknown`.
void fill_row(Tree& sample, const Settings& settings, ImportedRow& row, std::set<std::string>& unknown);

/// Empties the lists of events (most of a log's bytes, not needed) so that they are not parsed. `depth` is
/// the number of brackets around a sample's members: 1 in an archive, 3 in a JSON log. Offsets of all other
/// bytes stay. A text that is not well formed stays as it is, so that the parser says what is wrong.
void blank_events(std::string& text, int depth);

}  // namespace assay::host::interop::inspect
