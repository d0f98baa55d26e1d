// A grammar of invented prose: rich enough that two documents are never alike, the same for every document,
// so that nothing but the model's memory tells trained from untrained documents.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/planted/random.hpp"

namespace assay::planted {

class Prose {
 public:
  /// The names of people and towns are invented for this world from `seed`.
  explicit Prose(std::uint64_t seed);
  /// One document of whole sentences with at least `words_min` and fewer than words_min + spread + 20 words.
  std::string document(Random& random, std::uint64_t words_min, std::uint64_t spread) const;

 private:
  std::vector<std::string> people_, towns_;
};

/// Number of words (runs without blanks).
std::uint64_t word_count(const std::string& text);

}  // namespace assay::planted
