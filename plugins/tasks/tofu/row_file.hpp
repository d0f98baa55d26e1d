// Files of rows as unlearning data sets come: JSON Lines or one JSON array, plain or gzip, with or without a
// byte order mark. The name of the file does not matter.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::unlearning {

/// One row: text fields and lists of texts, looked up by name. Valid during the visit only.
class Row {
 public:
  virtual ~Row() = default;
  /// True with the text if the field is there and is a text; `out` is unchanged otherwise.
  virtual bool text(std::string_view key, std::string& out) const = 0;
  /// True with the texts if the field is a list of texts, or a single text (a list of one).
  virtual bool texts(std::string_view key, std::vector<std::string>& out) const = 0;
  /// "FILE:LINE" (JSON Lines) or "FILE, row N" (array), for messages.
  [[nodiscard]] virtual std::string place() const = 0;
};

/// Calls `visit` for every row in file order. Lines that are not JSON objects go to `problem` as a sentence
/// and do not end the reading. Errors: kNotFound (cannot be opened), kData (damaged gzip, no row at all).
Result<void> each_row(const std::string& path, const std::function<void(const Row&)>& visit,
                      const std::function<void(std::string)>& problem);

/// Lines of a text file without their line ends; empty ones are left out. Plain or gzip. Error: kNotFound,
/// kData.
Result<std::vector<std::string>> read_lines(const std::string& path);

/// The bytes of a file, inflated if they begin with the gzip magic, without a UTF-8 byte order mark.
Result<std::string> read_text(const std::string& path);

}  // namespace assay::unlearning
