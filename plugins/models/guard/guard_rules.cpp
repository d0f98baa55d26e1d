#include "guard_rules.hpp"

#include <algorithm>
#include <set>

#include "assay/text/utf8.hpp"
#include "row_file.hpp"

namespace assay::guard {

Matcher::Matcher(const std::vector<std::string>& texts, bool case_sensitive, bool fold_spaces)
    : case_sensitive_(case_sensitive), fold_spaces_(fold_spaces) {
  for (const std::string& text : texts) {
    std::string wanted = normalised(text);
    if (text::trim(wanted).empty()) continue;
    if (std::find(texts_.begin(), texts_.end(), wanted) == texts_.end()) texts_.push_back(std::move(wanted));
  }
}

std::string Matcher::normalised(std::string_view text) const {
  std::string out = fold_spaces_ ? text::collapse_white_space(text) : std::string(text);
  return case_sensitive_ ? out : text::lower(out);
}

bool Matcher::matches(std::string_view text) const {
  const std::string all = normalised(text);
  return std::any_of(texts_.begin(), texts_.end(),
                     [&](const std::string& part) { return all.find(part) != std::string::npos; });
}

Result<std::vector<std::string>> read_list(const std::string& path, std::string_view field,
                                           const std::vector<std::string>& roles) {
  Result<std::vector<std::string>> lines = unlearning::read_lines(path);
  if (!lines) return lines;
  const std::string_view first = lines->empty() ? std::string_view{} : text::trim(lines->front());
  if (!first.starts_with("{") && !first.starts_with("[")) return lines;

  std::vector<std::string> found;
  std::set<std::string> seen;
  std::string bad;
  const auto visit = [&](const unlearning::Row& row) {
    std::string role;
    std::string text;
    row.text("role", role);
    if (!roles.empty() && std::find(roles.begin(), roles.end(), role) == roles.end()) return;
    if (!row.text(field, text)) {
      bad = row.place() + ": the text field '" + std::string(field) + "' is missing";
    } else if (seen.insert(text).second) {
      found.push_back(std::move(text));
    }
  };
  Result<void> read = unlearning::each_row(path, visit, [&](std::string text) { bad = std::move(text); });
  if (!read) return std::move(read).error();
  if (!bad.empty()) return Error{Code::kData, bad + "; a guard's list must be complete", {}};
  return found;
}

std::string without_full_stop(std::string_view text) {
  text = text::trim_end(text);
  if (text.ends_with('.')) text.remove_suffix(1);
  return std::string(text::trim_end(text));
}

std::string fill_subject(std::string_view text, std::string_view subject) {
  return text::replace_all(text, "{subject}", subject);
}

}  // namespace assay::guard
