// Files of documents to count: one document per line, or JSON Lines with roles and prompts.
//
// Unlike the rows of a task, a row that cannot be read is an error: a model trained on part of its text would
// be another model than the one the parameters describe.
// Thread rule: const after open(), shareable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::ngram {

/// One document of a file. The views are valid during the visit only.
struct Document {
  std::string_view prompt;  ///< empty: the document is `text` alone
  std::string_view text;    ///< the document, or the answer to `prompt`
  std::string_view role;
  std::string_view form;
  std::uint64_t copies = 1;
  std::size_t line = 0;  ///< from 1
};

/// The document as it is counted: the text, or prompt, one blank, answer.
std::string whole_text(std::string_view prompt, std::string_view text);

/// Keeps rows by role and form; an empty list keeps every value.
struct DocumentFilter {
  std::vector<std::string> roles;
  std::vector<std::string> forms;
  [[nodiscard]] bool keeps(const Document& document) const;
  [[nodiscard]] bool keeps_all() const { return roles.empty() && forms.empty(); }
};

class DocumentFile {
 public:
  /// Reads the file into memory. `role_field` is the JSON key compared with DocumentFilter::roles. Errors:
  /// kNotFound when it cannot be opened, kData for gzip data or a failed read.
  static Result<DocumentFile> open(const std::string& path, std::string role_field);

  using Visit = std::function<Result<void>(const Document&)>;
  /// Visits all documents in file order; blank lines are no documents. Errors: kData "FILE:LINE: ..." for a
  /// row that is not an object with a text or a prompt and an answer, and whatever `visit` returns (prefixed
  /// with FILE:LINE).
  Result<void> each(const Visit& visit) const;
  /// The same for kept rows. Errors also: kInvalidArgument when a filter keeps none of the file's rows.
  Result<void> each_kept(const DocumentFilter& filter, const Visit& visit) const;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// True for JSON Lines: the first byte that is not white space is '{'.
  [[nodiscard]] bool is_json() const { return json_; }

 private:
  DocumentFile() = default;
  [[nodiscard]] Error at(std::size_t line, Error error) const;

  std::string path_, role_field_;
  std::string bytes_;  // with reserved room behind it, as the JSON parser wants
  std::size_t begin_ = 0;
  bool json_ = false;
};

}  // namespace assay::ngram
