// What the files of this folder ask of bytes. Internal to assay_sdk_text.
#pragma once

#include <string_view>

namespace assay::text {

/// True if the bytes of `part` occur in `text`.
inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace assay::text
