// What the worlds of invented persons share: names, sentences about a person, and candidates for a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/planted/random.hpp"

namespace assay::planted {

/// `count` different full names of a first and a last name. Precondition: there are that many combinations.
std::vector<std::string> make_persons(Random& random, const std::vector<std::string>& first,
                                      const std::vector<std::string>& last, std::uint64_t count);

/// The pattern with {n} replaced by the person and {v}, if it occurs, by the value.
std::string filled(std::string pattern, const std::string& person, const std::string& value);

/// `count` different values of the pool other than `gold`, in random order. Precondition: there are as many.
std::vector<std::string> other_values(Random& random, const std::vector<std::string>& pool,
                                      const std::string& gold, std::size_t count);

/// Gold and `count` - 1 other values of the pool, shuffled.
std::vector<std::string> make_candidates(Random& random, const std::vector<std::string>& pool,
                                         const std::string& gold, std::size_t count);

}  // namespace assay::planted
