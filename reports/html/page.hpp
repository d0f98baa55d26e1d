// One self-contained page: style and script are inline, nothing is fetched, and without JavaScript everything
// is readable. A content policy forbids every other script, so a text that got past the escaping cannot run
// either. The same input gives the same bytes. Plain values; one thread at a time per object.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace assay::host::html {

/// A cell of a table. `html` is markup that the caller made with text() and attribute().
struct Cell {
  std::string html;
  std::string key;  ///< sorts by this number ("0.25") or text; empty: by what the cell shows

  Cell() = default;
  Cell(std::string markup, std::string sort_key) : html(std::move(markup)), key(std::move(sort_key)) {}
  /// Escaped text.
  static Cell of(std::string_view raw);
  /// "0.4917", "n/a" when not finite; sorts by the unrounded number.
  static Cell of(double number);
  static Cell of(std::int64_t count);
  /// A count of what is rarely there: nothing for none.
  static Cell rare(std::int64_t count) { return count == 0 ? Cell({}, "0") : of(count); }
};

/// A table with a caption, column headers and row headers (the first column), in a region that scrolls by
/// itself.
class Table {
 public:
  enum class Kind { kText, kNumber };
  explicit Table(std::string caption) : caption_(std::move(caption)) {}
  void column(std::string title, Kind kind = Kind::kText);
  /// Missing cells are empty; `row_class` is a word of this file's style ("blind") or empty.
  void row(std::vector<Cell> cells, std::string row_class = {});
  /// With JavaScript, column headers become buttons, and from six rows on there is a field for filtering.
  void make_sortable() { sortable_ = true; }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  /// Columns that are empty in every row are left out.
  [[nodiscard]] std::string html() const;

 private:
  struct Column {
    std::string title;
    Kind kind;
  };
  struct Row {
    std::vector<Cell> cells;
    std::string row_class;
  };
  std::string caption_;
  std::vector<Column> columns_;
  std::vector<Row> rows_;
  bool sortable_ = false;
};

/// Facts as name and value, one below the other; values are escaped, empty ones left out.
std::string facts(const std::vector<std::pair<std::string, std::string>>& pairs);

/// A folded block. `summary` is escaped, `body` is markup.
std::string details(std::string_view summary, const std::string& body, bool open = false);

/// Text of data, kept as it is and apart from what surrounds it; at most `points_max` code points.
std::string quoted(std::string_view raw, std::size_t points_max);

/// The document.
class Page {
 public:
  /// `title` is escaped.
  explicit Page(std::string title) : title_(std::move(title)) {}
  /// Markup between the heading and the contents.
  void lead(const std::string& markup) { lead_ += markup; }
  /// A section with its heading, listed in the contents. Ids are given by order: "s1", "s2", ...
  void section(std::string_view heading, const std::string& markup);
  /// Bytes of the sections so far.
  [[nodiscard]] std::size_t size() const { return lead_.size() + sections_.size(); }
  [[nodiscard]] std::string html() const;

 private:
  std::string title_, lead_, sections_;
  std::vector<std::string> headings_;
};

/// The style of every page; the test of contrast reads its colours.
std::string_view style();
/// The script of every page. Has no character that XML would want escaped.
std::string_view script();

}  // namespace assay::host::html
