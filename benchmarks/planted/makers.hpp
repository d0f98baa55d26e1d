// The single worlds behind make_world().
#pragma once

#include <array>
#include <cstdint>

#include "benchmarks/planted/world.hpp"

namespace assay::planted {

/// How often members of known number are trained on.
inline constexpr std::array<int, 4> kCopies = {1, 4, 16, 64};

World make_membership(std::uint64_t seed, std::uint64_t background, std::uint64_t pairs);
/// Errors: those of the n-gram model, which mean a defect.
Result<World> make_detection(std::uint64_t seed, std::uint64_t source, std::uint64_t pairs,
                             std::uint64_t nucleus);
World make_unlearning(std::uint64_t seed, std::uint64_t forget, std::uint64_t retain, std::uint64_t holdout);
/// Precondition: persons is a multiple of 15.
World make_biographies(std::uint64_t seed, std::uint64_t persons);
/// Persons of each role, and pairs of traps.
struct OrganismSizes {
  std::uint64_t forget, retain, holdout, fresh, traps;
};
World make_organisms(std::uint64_t seed, const OrganismSizes& sizes);

}  // namespace assay::planted
