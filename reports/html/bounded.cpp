#include "reports/html/bounded.hpp"

#include <fmt/format.h>

#include "reports/html/escape.hpp"

namespace assay::host::html {

void Bounded::add(const std::string& piece) {
  if (piece.empty()) return;
  if (piece.size() > left_) {
    ++left_out_;
    return;
  }
  left_ -= piece.size();
  out_ += piece;
}

std::string Bounded::html(const std::string& plural, const std::string& remedy) const {
  if (left_out_ == 0) return out_;
  return out_ + fmt::format("<p class=\"soft\">{} {} left out to keep this file small; {}.</p>\n", left_out_,
                            text(plural), text(remedy));
}

}  // namespace assay::host::html
