#include "benchmarks/planted/syllables.hpp"

namespace assay::planted {
namespace {

const std::vector<std::string>& onsets() {
  static const std::vector<std::string> pool = {"b",  "d",  "f",  "g",  "h",  "j",  "k",  "l",  "m",
                                                "n",  "p",  "r",  "s",  "t",  "v",  "w",  "z",  "br",
                                                "ch", "dr", "fl", "gr", "kl", "pr", "sh", "sk", "tr"};
  return pool;
}

const std::vector<std::string>& vowels() {
  static const std::vector<std::string> pool = {"a", "e", "i",  "o",  "u",  "a",
                                                "e", "o", "ai", "ea", "io", "oa"};
  return pool;
}

const std::vector<std::string>& codas() {
  static const std::vector<std::string> pool = {"", "", "", "n", "l", "r", "s", "m", "nd", "lt"};
  return pool;
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

}  // namespace

std::vector<std::string> WordMaker::make(std::size_t count, const WordShape& shape) {
  std::vector<std::string> out;
  out.reserve(count);
  const auto spread = static_cast<std::uint64_t>(shape.syllables_max - shape.syllables_min + 1);
  while (out.size() < count) {
    const int syllables = shape.syllables_min + static_cast<int>(random_.below(spread));
    std::string word;
    for (int i = 0; i < syllables; ++i) {
      word += random_.pick(onsets());
      word += random_.pick(vowels());
      if (i + 1 == syllables && shape.endings.empty()) word += random_.pick(codas());
    }
    if (!shape.endings.empty()) word += random_.pick(shape.endings);
    if (!used_.insert(word).second) continue;
    if (shape.capital) word.front() = upper(word.front());
    out.push_back(std::move(word));
  }
  return out;
}

}  // namespace assay::planted
