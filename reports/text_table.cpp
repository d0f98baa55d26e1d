#include "reports/text_table.hpp"

#include <algorithm>

#include "harness/base/strings.hpp"

namespace assay::host {

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

void TextTable::column(std::string title, Align align, bool dim) {
  columns_.push_back({std::move(title), align, dim});
}

void TextTable::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  // Names come from suites and foreign logs: no control sequence of theirs reaches the terminal.
  for (std::string& cell : cells) cell = printable(cell, 3 * cell.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::text(std::size_t indent, bool color) const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = 0;
    for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
    widths.push_back(width == 0 ? 0 : std::max(width, display_width(columns_[c].title)));
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells, bool head) {
    std::string text(indent, ' ');
    bool first = true;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      if (widths[c] == 0) continue;
      if (!first) text += "  ";
      first = false;
      const std::string pad(widths[c] - display_width(cells[c]), ' ');
      const bool faint = color && (head || columns_[c].dim);
      const std::string body = faint ? "\x1b[2m" + cells[c] + "\x1b[0m" : cells[c];
      text += columns_[c].align == Align::kRight ? pad + body : body + pad;
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out += text + "\n";
  };
  std::vector<std::string> head;
  for (const Column& column : columns_) head.push_back(column.title);
  line(head, true);
  for (const auto& row : rows_) line(row, false);
  return out;
}

}  // namespace assay::host
