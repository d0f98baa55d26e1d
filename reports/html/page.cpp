#include "reports/html/page.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cmath>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "reports/html/escape.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

std::string base64(const Digest& digest) {
  unsigned char out[4 * ((sizeof(Digest) + 2) / 3) + 1] = {};
  const int length = EVP_EncodeBlock(out, digest.data(), static_cast<int>(digest.size()));
  return {out, out + length};
}

}  // namespace

Cell Cell::of(std::string_view raw) {
  return {raw.empty() ? std::string() : "<bdi>" + text(raw) + "</bdi>", {}};
}

Cell Cell::of(double number) {
  return {score_text(number), std::isfinite(number) ? number_text(number) : std::string("n/a")};
}

Cell Cell::of(std::int64_t count) {
  return {std::to_string(count), std::to_string(count)};
}

void Table::column(std::string title, Kind kind) {
  columns_.push_back({std::move(title), kind});
}

void Table::row(std::vector<Cell> cells, std::string row_class) {
  cells.resize(columns_.size());
  rows_.push_back({std::move(cells), std::move(row_class)});
}

std::string Table::html() const {
  std::vector<bool> used(columns_.size(), false);
  for (const Row& row : rows_) {
    for (std::size_t c = 0; c < columns_.size(); ++c) used[c] = used[c] || !row.cells[c].html.empty();
  }
  if (!used.empty()) used[0] = true;
  std::string out = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                    attribute(caption_) + "\"><table" + (sortable_ ? " class=\"sortable\"" : "") +
                    "><caption>" + text(caption_) + "</caption>\n<thead><tr>";
  const auto css = [&](std::size_t c) {
    return columns_[c].kind == Kind::kNumber ? std::string(" class=\"n\"") : std::string();
  };
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (used[c]) out += "<th scope=\"col\"" + css(c) + ">" + text(columns_[c].title) + "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const Row& row : rows_) {
    out += row.row_class.empty() ? "<tr>" : "<tr class=\"" + attribute(row.row_class) + "\">";
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (!used[c]) continue;
      const Cell& cell = row.cells[c];
      const std::string key = cell.key.empty() || cell.key == cell.html
                                  ? std::string()
                                  : " data-v=\"" + attribute(cell.key) + "\"";
      out += c == 0 ? "<th scope=\"row\"" + css(c) + key + ">" + cell.html + "</th>"
                    : "<td" + css(c) + key + ">" + cell.html + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) out += "<dt>" + text(name) + "</dt><dd><bdi>" + text(value) + "</bdi></dd>\n";
  }
  return out.empty() ? out : "<dl class=\"facts\">\n" + out + "</dl>\n";
}

std::string details(std::string_view summary, const std::string& body, bool open) {
  return std::string("<details") + (open ? " open=\"open\"" : "") + "><summary>" + text(summary) +
         "</summary>\n" + body + "</details>\n";
}

std::string quoted(std::string_view raw, std::size_t points_max) {
  // A line feed after <pre> would be swallowed by HTML, so one of the text's own would get lost.
  return "<pre dir=\"auto\">\n" + text(shortened(raw, points_max)) + "</pre>\n";
}

void Page::section(std::string_view heading, const std::string& markup) {
  headings_.push_back(text(heading));
  sections_ +=
      fmt::format("<section aria-labelledby=\"s{0}\">\n<h2 id=\"s{0}\"><bdi>{1}</bdi></h2>\n{2}</section>\n",
                  headings_.size(), headings_.back(), markup);
}

std::string Page::html() const {
  std::string contents;
  for (std::size_t i = 0; i < headings_.size(); ++i)
    contents += fmt::format("<li><a href=\"#s{}\"><bdi>{}</bdi></a></li>\n", i + 1, headings_[i]);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
      "<meta name=\"referrer\" content=\"no-referrer\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
      base64(sha256(script())) + "'\"/>\n";
  out +=
      "<title>" + text(title_) + "</title>\n<style>" + std::string(style()) + "</style>\n</head>\n<body>\n";
  out += "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n<h1><bdi>" + text(title_) +
         "</bdi></h1>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n" + lead_;
  if (headings_.size() > 1)
    out += "<nav aria-label=\"Contents\"><h2>Contents</h2>\n<ul>\n" + contents + "</ul></nav>\n";
  out += sections_ +
         "</main>\n<footer><p>Made by assay. One file; nothing is fetched.</p></footer>\n<script>" +
         std::string(script()) + "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace assay::host::html
