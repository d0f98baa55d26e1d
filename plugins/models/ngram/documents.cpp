#include "documents.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

namespace assay::ngram {
namespace {

using Object = simdjson::dom::object;

Error bad_row(std::string text) {
  return Error{Code::kData, std::move(text), {}};
}

/// The text of a field; empty with `found` = false when it is absent or null.
Result<std::string_view> text_field(const Object& row, std::string_view key, bool& found) {
  found = false;
  simdjson::dom::element value;
  if (row.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::string_view{};
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) {
    return bad_row("the field \"" + std::string(key) +
                   "\" is not a text; write it in quotes or leave it out");
  }
  found = true;
  return text;
}

Result<void> read_copies(const Object& row, Document& out) {
  simdjson::dom::element value;
  if (row.at_key("copies").get(value) != simdjson::SUCCESS || value.is_null()) return {};
  std::uint64_t copies = 0;
  if (value.get(copies) != simdjson::SUCCESS || copies == 0) {
    return bad_row("the field \"copies\" is " + simdjson::minify(value) +
                   "; a whole number of at least 1 is expected");
  }
  out.copies = copies;
  return {};
}

Result<void> read_row(simdjson::dom::parser& parser, std::string_view line, const std::string& role_field,
                      Document& out) {
  simdjson::dom::element root;
  // The file's bytes have the parser's padding behind them, so that no line is copied.
  const auto failed = parser.parse(line.data(), line.size(), false).get(root);
  if (failed != simdjson::SUCCESS) {
    return bad_row(std::string("the line is not valid JSON (") + simdjson::error_message(failed) +
                   "); one JSON object per line is expected");
  }
  Object row;
  if (root.get(row) != simdjson::SUCCESS)
    return bad_row("the line is not a JSON object; {\"text\": ...} is expected");
  bool has_text = false;
  bool has_prompt = false;
  bool has_answer = false;
  bool ignored = false;
  const auto take = [&](std::string_view key, std::string_view& into, bool& found) -> Result<void> {
    Result<std::string_view> value = text_field(row, key, found);
    if (!value) return std::move(value).error();
    if (found) into = *value;
    return {};
  };
  std::string_view answer;
  if (auto done = take("text", out.text, has_text); !done) return done;
  if (auto done = take("prompt", out.prompt, has_prompt); !done) return done;
  if (auto done = take("answer", answer, has_answer); !done) return done;
  if (auto done = take(role_field, out.role, ignored); !done) return done;
  if (auto done = take("form", out.form, ignored); !done) return done;
  if (has_text && (has_prompt || has_answer)) {
    return bad_row(
        "the row has \"text\" and also \"prompt\" or \"answer\", so its document is not clear; give one or "
        "the other");
  }
  if (!has_text) {
    if (!has_prompt || !has_answer) {
      return bad_row(std::string("the row has no \"text\" and no ") +
                     (has_prompt ? "\"answer\"" : "\"prompt\"") + "; give a text, or a prompt and an answer");
    }
    out.text = answer;
  }
  return read_copies(row, out);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "\"" : ", \"") + name + "\"";
  return text;
}

bool among(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string whole_text(std::string_view prompt, std::string_view text) {
  std::string whole(prompt);
  if (!prompt.empty()) whole += ' ';
  whole += text;
  return whole;
}

bool DocumentFilter::keeps(const Document& document) const {
  return among(roles, document.role) && among(forms, document.form);
}

Error DocumentFile::at(std::size_t line, Error error) const {
  return std::move(error).within(path_ + ":" + std::to_string(line));
}

Result<DocumentFile> DocumentFile::open(const std::string& path, std::string role_field) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::string reason = in ? "it is not a regular file" : std::generic_category().message(errno);
  std::error_code ignored;
  const bool regular = std::filesystem::is_regular_file(path, ignored);
  const std::streamoff size = in && regular ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (size < 0) {
    return Error{Code::kNotFound, path + ": the file cannot be read (" + reason + "); check the path", {}};
  }
  DocumentFile file;
  file.path_ = path;
  file.role_field_ = std::move(role_field);
  file.bytes_.reserve(static_cast<std::size_t>(size) + simdjson::SIMDJSON_PADDING);
  file.bytes_.resize(static_cast<std::size_t>(size));
  in.seekg(0);
  if (size != 0 && !in.read(file.bytes_.data(), size)) {
    return Error{Code::kData, path + ": reading failed; give a regular, readable file", {}};
  }
  const std::string_view bytes = file.bytes_;
  if (bytes.starts_with("\x1f\x8b")) {
    return Error{Code::kData, path + ": this is gzip data; unpack it first, training reads plain files", {}};
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) file.begin_ = 3;
  const std::size_t first = bytes.find_first_not_of(" \t\r\n\f\v", file.begin_);
  file.json_ = first != std::string_view::npos && bytes[first] == '{';
  return file;
}

Result<void> DocumentFile::each(const Visit& visit) const {
  simdjson::dom::parser parser;
  const std::string_view bytes = bytes_;
  std::size_t line_number = 0;
  for (std::size_t begin = begin_; begin < bytes.size();) {
    ++line_number;
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string_view line = bytes.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t\r\f\v") == std::string_view::npos) continue;
    Document document;
    document.line = line_number;
    if (json_) {
      if (auto read = read_row(parser, line, role_field_, document); !read) {
        return at(line_number, std::move(read).error());
      }
    } else {
      document.text = line;
    }
    if (auto done = visit(document); !done) return at(line_number, std::move(done).error());
  }
  return {};
}

Result<void> DocumentFile::each_kept(const DocumentFilter& filter, const Visit& visit) const {
  std::size_t kept = 0;
  std::set<std::string> seen;  // "role" or "role/form", for the message
  auto done = each([&](const Document& document) -> Result<void> {
    if (!filter.keeps(document)) {
      if (seen.size() < 20) {
        std::string label(document.role);
        if (!filter.forms.empty()) label.append(1, '/').append(document.form);
        seen.insert(std::move(label));
      }
      return {};
    }
    ++kept;
    return visit(document);
  });
  if (!done) return done;
  if (kept != 0 || filter.keeps_all()) return {};
  std::string text = path_ + ": no row has ";
  if (!filter.roles.empty()) text += "the role " + listed(filter.roles);
  if (!filter.roles.empty() && !filter.forms.empty()) text += " and ";
  if (!filter.forms.empty()) text += "the form " + listed(filter.forms);
  text += "; the file has ";
  text += seen.empty() ? std::string("no rows") : listed({seen.begin(), seen.end()});
  return Error{Code::kInvalidArgument, std::move(text), {}};
}

}  // namespace assay::ngram
