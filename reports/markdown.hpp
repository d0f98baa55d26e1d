// Text of data inside markdown.
#pragma once

#include <cstddef>
#include <string>

namespace assay::host {

/// At most `bytes_max` bytes of `raw` (as `printable`) for a table or a list: nothing of it acts as markup.
std::string markdown_text(const std::string& raw, std::size_t bytes_max);

}  // namespace assay::host
