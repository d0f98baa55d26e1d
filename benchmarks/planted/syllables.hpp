// Invented words. Every word of a world is unique across all its pools, so that a name is never also a value.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "benchmarks/planted/random.hpp"

namespace assay::planted {

/// How a pool's words look.
struct WordShape {
  int syllables_min = 2;
  int syllables_max = 3;
  bool capital = true;
  std::vector<std::string> endings;  ///< one is appended to each word; empty: none
};

class WordMaker {
 public:
  explicit WordMaker(Random random) : random_(random) {}
  /// `count` new words, all different from every word made before.
  std::vector<std::string> make(std::size_t count, const WordShape& shape);

 private:
  Random random_;
  std::set<std::string> used_;
};

}  // namespace assay::planted
