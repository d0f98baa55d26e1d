// Probes of a planted world: prompts whose true completion is known, about facts shown a known number of
// times (hallucination.md 14.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::planted {

struct Probe {
  std::string id;      ///< fact_id, "P000.city"
  std::string person;  ///< the part of the id before the last full stop
  std::string prompt, answer, attribute;
  std::vector<std::string> candidates;  ///< the answer and others of the same attribute
  std::int64_t exposures = 0;           ///< how often the fact was in the training text
};

struct Probes {
  std::vector<Probe> list;
  /// Per attribute the distinct values that occur as answers or candidates, in byte order.
  std::map<std::string, std::vector<std::string>> pools;
  std::vector<std::string> problems;  ///< rows left out: sentences with file and line
};

/// Reads JSON Lines or a JSON array with fact_id, prompt, answer, candidates, attribute, exposures. kData if
/// nothing is usable.
Result<Probes> read_probes(const std::string& path);

/// Values of a pool as one text, joined by line feeds.
std::string join_pool(const std::vector<std::string>& pool);

}  // namespace assay::planted
