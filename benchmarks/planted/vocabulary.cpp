#include "benchmarks/planted/vocabulary.hpp"

#include <set>
#include <string_view>

#include "plugins/models/ngram/tokenizer.hpp"

namespace assay::planted {

std::vector<std::string> pieces_of(const std::vector<std::string>& texts) {
  std::set<std::string> out;
  for (const std::string& text : texts)
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t length = ngram::piece_length(rest);
      if (length > 1) out.insert(std::string(rest.substr(0, length)));
      rest.remove_prefix(length);
    }
  return {out.begin(), out.end()};
}

std::string list_text(const std::vector<std::string>& entries) {
  std::string out;
  for (const std::string& entry : entries) out += entry + "\n";
  return out;
}

}  // namespace assay::planted
