// Word lists for the n-gram model, whose vocabulary is closed and given as a file.
#pragma once

#include <string>
#include <vector>

namespace assay::planted {

/// The distinct pieces of the texts under the cutting rule of the `word` tokenizer, in byte order. Single
/// bytes are left out: that tokenizer has them anyway.
std::vector<std::string> pieces_of(const std::vector<std::string>& texts);
/// One entry per line.
std::string list_text(const std::vector<std::string>& entries);

}  // namespace assay::planted
