#include "row_file.hpp"

#include <simdjson.h>
#include <zlib.h>

#include <memory>

namespace assay::unlearning {
namespace {

namespace dom = simdjson::dom;

class DomRow final : public Row {
 public:
  DomRow(const dom::object& object, std::string place) : object_(object), place_(std::move(place)) {}

  bool text(std::string_view key, std::string& out) const override {
    std::string_view found;
    if (object_.at_key(key).get(found) != simdjson::SUCCESS) return false;
    out = std::string(found);
    return true;
  }
  bool texts(std::string_view key, std::vector<std::string>& out) const override {
    dom::array list;
    if (object_.at_key(key).get(list) != simdjson::SUCCESS) {
      std::string single;
      if (!text(key, single)) return false;
      out.assign(1, std::move(single));
      return true;
    }
    std::vector<std::string> found;
    for (const dom::element element : list) {
      std::string_view one;
      if (element.get(one) != simdjson::SUCCESS) return false;
      found.emplace_back(one);
    }
    out = std::move(found);
    return true;
  }
  [[nodiscard]] std::string place() const override { return place_; }

 private:
  dom::object object_;
  std::string place_;
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

// Takes the next line off the front of `rest`, without its line end.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

Result<std::size_t> visit_array(const std::string& path, const std::string& text,
                                const std::function<void(const Row&)>& visit,
                                const std::function<void(std::string)>& problem) {
  dom::parser parser;
  dom::array rows;
  if (const auto error = parser.parse(text).get(rows); error != simdjson::SUCCESS) {
    return Error{Code::kData,
                 "'" + path + "' begins like a JSON array but is not one (" + simdjson::error_message(error) +
                     "); expected [{...}, ...] or one JSON object per line",
                 {}};
  }
  std::size_t number = 0;
  std::size_t good = 0;
  for (const dom::element element : rows) {
    const std::string place = path + ", row " + std::to_string(++number);
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) {
      problem(place + ": the row is not a JSON object; it is left out");
      continue;
    }
    visit(DomRow(object, place));
    ++good;
  }
  return good;
}

std::size_t visit_lines(const std::string& path, std::string_view rest,
                        const std::function<void(const Row&)>& visit,
                        const std::function<void(std::string)>& problem) {
  dom::parser parser;
  std::size_t number = 0;
  std::size_t good = 0;
  while (!rest.empty()) {
    const std::string_view line = next_line(rest);
    const std::string place = path + ":" + std::to_string(++number);
    if (is_blank(line)) continue;
    dom::object object;
    if (const auto error = parser.parse(line.data(), line.size(), true).get(object);
        error != simdjson::SUCCESS) {
      problem(place + ": the line is not a JSON object (" + simdjson::error_message(error) +
              "); it is left out");
      continue;
    }
    visit(DomRow(object, place));
    ++good;
  }
  return good;
}

}  // namespace

Result<std::string> read_text(const std::string& path) {
  // zlib reads plain files unchanged and recognises gzip by its magic bytes.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) return Error{Code::kNotFound, "'" + path + "' cannot be opened", {}};
  std::string text;
  std::string buffer(std::size_t{1} << 16U, '\0');
  while (true) {
    const int got = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    if (got < 0) {
      int code = 0;
      return Error{
          Code::kData, "'" + path + "' cannot be read: " + std::string(gzerror(file.get(), &code)), {}};
    }
    if (got == 0) break;
    text.append(buffer, 0, static_cast<std::size_t>(got));
  }
  int code = Z_OK;
  gzerror(file.get(), &code);
  if (code != Z_OK && code != Z_STREAM_END) {
    return Error{Code::kData, "'" + path + "' is a damaged gzip file: it ends too early", {}};
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

Result<void> each_row(const std::string& path, const std::function<void(const Row&)>& visit,
                      const std::function<void(std::string)>& problem) {
  Result<std::string> text = read_text(path);
  if (!text) return std::move(text).error();
  const std::size_t first = text->find_first_not_of(" \t\r\n");
  Result<std::size_t> good = first != std::string::npos && (*text)[first] == '['
                                 ? visit_array(path, *text, visit, problem)
                                 : visit_lines(path, *text, visit, problem);
  if (!good) return std::move(good).error();
  if (*good == 0) {
    return Error{
        Code::kData, "'" + path + "' holds no row; expected JSON Lines or a JSON array of objects", {}};
  }
  return {};
}

Result<std::vector<std::string>> read_lines(const std::string& path) {
  Result<std::string> text = read_text(path);
  if (!text) return std::move(text).error();
  std::vector<std::string> lines;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = next_line(rest);
    if (!is_blank(line)) lines.emplace_back(line);
  }
  return lines;
}

}  // namespace assay::unlearning
