// Text from data as text of a page. Whatever a model answered or a file said is hostile: it must neither
// become markup nor change how the text beside it is read. The result is valid in HTML and in XML. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

namespace assay::host::html {

/// The text without what is not text: terminal sequences (ESC [ ..., ESC ] ...) and control characters but
/// line feed and tab are left out, invalid UTF-8 becomes U+FFFD, and characters that change the direction of
/// reading become visible: "[U+202E]". CR and CR LF become a line feed.
std::string cleaned(std::string_view raw);

/// Content of an element: cleaned, with & < > " ' as references.
std::string text(std::string_view raw);

/// Value of an attribute between double quotes: as text(), and line feeds and tabs become spaces.
std::string attribute(std::string_view raw);

/// The first `points_max` code points of the cleaned text, followed by how many were left out; not escaped.
std::string shortened(std::string_view raw, std::size_t points_max);

}  // namespace assay::host::html
