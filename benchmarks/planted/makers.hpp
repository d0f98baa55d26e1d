// The single worlds behind make_world().
#pragma once

#include <cstdint>

#include "benchmarks/planted/world.hpp"

namespace assay::planted {

World make_membership(std::uint64_t seed, std::uint64_t background, std::uint64_t pairs);
/// Errors: those of the n-gram model, which mean a defect.
Result<World> make_detection(std::uint64_t seed, std::uint64_t source, std::uint64_t pairs,
                             std::uint64_t nucleus);
World make_unlearning(std::uint64_t seed, std::uint64_t forget, std::uint64_t retain, std::uint64_t holdout);
/// Precondition: persons is a multiple of 15.
World make_biographies(std::uint64_t seed, std::uint64_t persons);

}  // namespace assay::planted
