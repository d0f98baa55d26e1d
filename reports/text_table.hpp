// Plain tables for terminals: columns as wide as their widest cell, aligned, optionally coloured.
#pragma once

#include <string>
#include <vector>

namespace assay::host {

/// Number of terminal columns of UTF-8 text (code points; combining and wide characters are not special).
std::size_t display_width(const std::string& text);

class TextTable {
 public:
  enum class Align { kLeft, kRight };
  /// One column; `dim` columns are shown faint when colours are on.
  void column(std::string title, Align align = Align::kLeft, bool dim = false);
  void row(std::vector<std::string> cells);
  /// The table with `indent` spaces before each line. Columns that are empty in every row are left out.
  [[nodiscard]] std::string text(std::size_t indent, bool color) const;

 private:
  struct Column {
    std::string title;
    Align align;
    bool dim;
  };
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace assay::host
