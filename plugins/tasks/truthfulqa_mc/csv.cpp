#include "plugins/tasks/truthfulqa_mc/csv.hpp"

namespace assay::truthfulqa {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::vector<CsvRow>> read() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      CsvRow row;
      row.line = line_;
      for (;;) {
        std::string field;
        if (Result<void> read = read_field(field); !read) return std::move(read).error();
        row.fields.push_back(std::move(field));
        if (at_ < text_.size() && text_[at_] == ',') {
          ++at_;
          continue;
        }
        break;
      }
      end_line();
      if (row.fields.size() > 1 || !row.fields[0].empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  Result<void> read_field(std::string& field) {
    if (at_ < text_.size() && text_[at_] == '"') return read_quoted(field);
    const std::size_t end = text_.find_first_of(",\r\n", at_);
    field = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    at_ = end == std::string_view::npos ? text_.size() : end;
    return {};
  }
  Result<void> read_quoted(std::string& field) {
    const std::size_t opened = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (c != '"') {
        field += c;
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        field += '"';
        ++at_;
      } else {
        ++at_;
        if (at_ == text_.size() || text_[at_] == ',' || text_[at_] == '\r' || text_[at_] == '\n') return {};
        return Error{Code::kData, "line " + std::to_string(line_) + ": text follows a closing quote", {}};
      }
    }
    return Error{Code::kData, "line " + std::to_string(opened) + ": a quoted field is not closed", {}};
  }
  void end_line() {
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] == '\n') ++at_, ++line_;
  }

  std::string_view text_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace

Result<std::vector<CsvRow>> read_csv_rows(std::string_view text) {
  return Reader(text).read();
}

}  // namespace assay::truthfulqa
