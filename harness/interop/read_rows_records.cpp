// Rows as cells: JSON lines (simdjson, and the tolerant parser for what it refuses) and tables with a header.
#include <simdjson.h>

#include <algorithm>

#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/lines.hpp"
#include "harness/interop/peek.hpp"
#include "harness/interop/read_rows.hpp"

namespace assay::host::interop::rows {
namespace {

// simdjson wants some fourteen bytes for each byte of a line, so very long lines go the other way.
constexpr std::size_t kFastBytesMax = std::size_t{4} << 20;
constexpr std::size_t kDepthMax = 512;

using Element = simdjson::dom::element;

Tree to_tree(const Element& element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      Tree list = Tree::array();
      for (const Element one : simdjson::dom::array(element)) list.push_back(to_tree(one));
      return list;
    }
    case simdjson::dom::element_type::OBJECT: {
      Tree object = Tree::object();
      for (const auto& [key, value] : simdjson::dom::object(element))
        object[std::string(key)] = to_tree(value);
      return object;
    }
    case simdjson::dom::element_type::INT64:
      return std::int64_t(element);
    case simdjson::dom::element_type::UINT64:
      return std::uint64_t(element);
    case simdjson::dom::element_type::DOUBLE:
      return double(element);
    case simdjson::dom::element_type::STRING:
      return std::string(std::string_view(element));
    case simdjson::dom::element_type::BOOL:
      return bool(element);
    case simdjson::dom::element_type::NULL_VALUE:
      return nullptr;
  }
  return nullptr;
}

Error bad_line(const std::string& where, const std::string& what) {
  return Error{Code::kData, where + ": " + what, where};
}

class JsonLines : public Records {
 public:
  JsonLines(LineReader&& lines, const Mapping& mapping, std::string name)
      : lines_(std::move(lines)), mapping_(mapping), name_(std::move(name)) {
    fast_ = parser_.allocate(std::size_t{1} << 20, kDepthMax) == simdjson::SUCCESS;
  }

  Result<bool> next(Record& record) override {
    Line line;
    for (;;) {
      const auto more = lines_.next(line);
      if (!more || !*more) return more;
      if (line.too_long || !trimmed(line.text).empty()) break;
    }
    record = {};
    record.line = line.number;
    record.offset = line.offset;
    record.cells.resize(mapping_.sources.size());
    if (line.too_long) {
      record.problem = bad_line(
          where(line), "the line is longer than " + std::to_string(limits::kTextBytesMax) + " bytes");
    } else if (!fast_ || line.text.size() > kFastBytesMax || !read_fast(line, record)) {
      read_tolerant(line, record);
    }
    return true;
  }

  Result<void> seek(std::uint64_t offset, std::uint64_t line) override { return lines_.seek(offset, line); }

 private:
  [[nodiscard]] std::string where(const Line& line) const {
    return name_ + ":" + std::to_string(line.number);
  }

  /// False when simdjson refuses the line, or it needs a warning.
  bool read_fast(const Line& line, Record& record) {
    simdjson::dom::object object;
    if (parser_.parse(line.text.data(), line.text.size(), false).get(object) != simdjson::SUCCESS)
      return false;
    seen_.clear();
    for (const auto& [key, value] : object) {
      if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) return false;  // a key twice
      seen_.push_back(key);
      bool mapped = false;
      for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
        const auto& path = mapping_.sources[i].path;
        if (path.front() != key) continue;
        mapped = true;
        Element inner = value;
        bool unique = true;
        if (descend(inner, path, unique)) record.cells[i] = to_tree(inner);
        if (!unique) return false;
      }
      if (!mapped && (!mapping_.given || mapping_.open))
        record.others.emplace_back(std::string(key), to_tree(value));
    }
    return true;
  }

  /// Follows the rest of a path; false when something on it is absent.
  static bool descend(Element& at, const std::vector<std::string>& path, bool& unique) {
    for (std::size_t k = 1; k < path.size(); ++k) {
      if (at.is_array()) {
        const auto index = parse_int(path[k]);
        if (!index || *index < 0 ||
            simdjson::dom::array(at).at(static_cast<std::size_t>(*index)).get(at) != simdjson::SUCCESS) {
          return false;
        }
        continue;
      }
      simdjson::dom::object object;
      if (at.get(object) != simdjson::SUCCESS) return false;
      int found = 0;
      for (const auto& [key, value] : object) {
        if (key == path[k]) at = value, ++found;
      }
      if (found > 1) unique = false;
      if (found == 0) return false;
    }
    return true;
  }

  void read_tolerant(const Line& line, Record& record) {
    record.cells.assign(mapping_.sources.size(), std::nullopt);
    record.others.clear();
    auto tree = parse_tolerant(line.text, where(line), record.warnings);
    if (!tree) {
      record.problem = std::move(tree).error();
      return;
    }
    if (!tree->is_object()) {
      record.problem = bad_line(where(line), "expected an object, found " + std::string(tree->type_name()));
      return;
    }
    for (const auto& [key, value] : tree->items()) {
      bool mapped = false;
      for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
        const auto& path = mapping_.sources[i].path;
        if (path.front() != key) continue;
        mapped = true;
        if (const Tree* const inner = descend(value, path)) record.cells[i] = *inner;
      }
      if (!mapped && (!mapping_.given || mapping_.open)) record.others.emplace_back(key, value);
    }
  }

  static const Tree* descend(const Tree& from, const std::vector<std::string>& path) {
    const Tree* at = &from;
    for (std::size_t k = 1; k < path.size(); ++k) {
      if (at->is_array()) {
        const auto index = parse_int(path[k]);
        if (!index || *index < 0 || static_cast<std::size_t>(*index) >= at->size()) return nullptr;
        at = &(*at)[static_cast<std::size_t>(*index)];
        continue;
      }
      const auto found = at->is_object() ? at->find(path[k]) : at->end();
      if (found == at->end()) return nullptr;
      at = &*found;
    }
    return at;
  }

  LineReader lines_;
  const Mapping& mapping_;
  std::string name_;
  simdjson::dom::parser parser_;
  bool fast_ = false;
  std::vector<std::string_view> seen_;
};

/// Rows of a table (RFC 4180): quoted fields may hold separators, doubled quotes and line breaks.
class Table : public Records {
 public:
  Table(LineReader&& lines, const Mapping& mapping, const std::filesystem::path& path)
      : lines_(std::move(lines)),
        mapping_(mapping),
        name_(path.filename().string()),
        tabs_(path.extension() == ".tsv") {}

  /// Reads the header.
  Result<void> begin() {
    Line line;
    for (;;) {
      const auto more = lines_.next(line);
      if (!more) return more.error();
      if (!*more) return Error{Code::kData, name_ + ": the file has no header line", name_};
      if (!trimmed(line.text).empty()) break;
    }
    if (line.text.find('\t') != std::string_view::npos && line.text.find(',') == std::string_view::npos)
      tabs_ = true;
    std::string problem;
    const auto whole = fields(line, header_, problem);
    if (!whole) return whole.error();
    if (!problem.empty()) return bad_line(name_ + ":" + std::to_string(line.number), problem);
    for (std::size_t i = 0; i < header_.size(); ++i) {
      header_[i] = std::string(trimmed(header_[i]));
      if (std::find(header_.begin(), header_.begin() + static_cast<std::ptrdiff_t>(i), header_[i]) !=
          header_.begin() + static_cast<std::ptrdiff_t>(i)) {
        return Error{Code::kData,
                     name_ + ": the header names the column '" + printable(header_[i]) + "' twice", name_};
      }
    }
    return {};
  }

  Result<bool> next(Record& record) override {
    Line line;
    for (;;) {
      const auto more = lines_.next(line);
      if (!more || !*more) return more;
      if (line.too_long || !trimmed(line.text).empty()) break;
    }
    record = {};
    record.line = line.number;
    record.offset = line.offset;
    record.cells.resize(mapping_.sources.size());
    std::string problem;
    std::vector<std::string> row;
    if (line.too_long) {
      problem = "the line is longer than " + std::to_string(limits::kTextBytesMax) + " bytes";
    } else {
      const auto whole = fields(line, row, problem);
      if (!whole) return whole.error();
      if (problem.empty() && row.size() != header_.size()) {
        problem =
            std::to_string(row.size()) + " fields, but the header has " + std::to_string(header_.size());
      }
    }
    if (!problem.empty()) {
      record.problem = bad_line(name_ + ":" + std::to_string(record.line), problem);
      return true;
    }
    for (std::size_t c = 0; c < row.size(); ++c) {
      const Tree cell =
          row[c].empty() ? Tree() : Tree(std::move(row[c]));  // a table cannot tell empty from absent
      bool mapped = false;
      for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
        const Source& source = mapping_.sources[i];
        if (source.written != header_[c] && (source.path.size() != 1 || source.path[0] != header_[c]))
          continue;
        mapped = true;
        record.cells[i] = cell;
      }
      if (!mapped && (!mapping_.given || mapping_.open)) record.others.emplace_back(header_[c], cell);
    }
    return true;
  }

  Result<void> seek(std::uint64_t offset, std::uint64_t line) override { return lines_.seek(offset, line); }

 private:
  /// Splits the record that begins with `line`, reading further lines inside quotes. `problem`: why it is
  /// bad.
  Result<void> fields(const Line& line, std::vector<std::string>& out, std::string& problem) {
    const char separator = tabs_ ? '\t' : ',';
    enum class In { kStart, kPlain, kQuoted, kAfterQuote } in = In::kStart;
    std::string field;
    std::size_t bytes = 0;
    Line piece = line;
    for (;;) {
      const std::string_view text = piece.text;
      if (problem.empty() && !simdjson::validate_utf8(text.data(), text.size())) {
        problem = "invalid UTF-8 at byte " + std::to_string(invalid_utf8_at(text));
      }
      bytes += text.size();
      for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in == In::kQuoted) {
          if (c != '"') {
            field += c;
          } else if (i + 1 < text.size() && text[i + 1] == '"') {
            field += '"', ++i;
          } else {
            in = In::kAfterQuote;
          }
        } else if (c == separator) {
          out.push_back(std::move(field));
          field.clear();
          in = In::kStart;
        } else if (c == '\r' && i + 1 == text.size()) {
          break;
        } else if (c == '"' && in == In::kStart) {
          in = In::kQuoted;
        } else {
          if (in == In::kAfterQuote && problem.empty()) problem = "text after the closing quote of a field";
          field += c;
          in = In::kPlain;
        }
      }
      if (in != In::kQuoted) break;
      field += '\n';
      const auto more = lines_.next(piece);
      if (!more) return more.error();
      if (!*more) problem = "truncated, the quote of a field is not closed before the end of the file";
      if (*more && (piece.too_long || bytes > limits::kTextBytesMax))
        problem = "a row is longer than " + std::to_string(limits::kTextBytesMax) + " bytes";
      if (!*more || piece.too_long || bytes > limits::kTextBytesMax) return {};
    }
    out.push_back(std::move(field));
    return {};
  }

  LineReader lines_;
  const Mapping& mapping_;
  std::string name_;
  bool tabs_;
  std::vector<std::string> header_;
};

}  // namespace

Result<std::unique_ptr<Records>> open_jsonl(const std::filesystem::path& path, const Mapping& mapping) {
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  return std::unique_ptr<Records>(
      std::make_unique<JsonLines>(std::move(*lines), mapping, path.filename().string()));
}

Result<std::unique_ptr<Records>> open_table(const std::filesystem::path& path, const Mapping& mapping) {
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  auto table = std::make_unique<Table>(std::move(*lines), mapping, path);
  auto begun = table->begin();
  if (!begun) return begun.error();
  return std::unique_ptr<Records>(std::move(table));
}

}  // namespace assay::host::interop::rows
