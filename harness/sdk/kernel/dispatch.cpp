#include "dispatch.hpp"

namespace assay {
namespace kernel {

bool available(InstructionSet which) {
#if defined(__x86_64__)
  // The built-in asks the operating system as well: it must save the wide registers.
  if (which == InstructionSet::kAvx512) return __builtin_cpu_supports("avx512f") != 0;
  if (which == InstructionSet::kAvx2) {
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  }
#endif
  return which == InstructionSet::kPortable;
}

const LoopTable& loops_of(InstructionSet which) {
#if defined(__x86_64__)
  if (which == InstructionSet::kAvx512) return kAvx512Loops;
  if (which == InstructionSet::kAvx2) return kAvx2Loops;
#endif
  static_cast<void>(which);
  return kPortableLoops;
}

const char* name_of(InstructionSet which) {
  return loops_of(which).name;
}

InstructionSet best() {
  for (const InstructionSet which : {InstructionSet::kAvx512, InstructionSet::kAvx2}) {
    if (available(which)) return which;
  }
  return InstructionSet::kPortable;
}

Result<TokenStatistics> stats_from_logits_on(InstructionSet which, std::span<const float> logits,
                                             std::int64_t target, std::uint32_t want,
                                             std::span<TopToken> top) {
  return row_statistics(loops_of(which), logits, target, want, top);
}

Result<CrossStatistics> cross_stats_from_logits_on(InstructionSet which, std::span<const float> a,
                                                   std::span<const float> b, std::int64_t target,
                                                   std::size_t vocab_limit) {
  return cross_statistics(loops_of(which), a, b, target, vocab_limit);
}

}  // namespace kernel

inline namespace sdk_v1 {

Result<TokenStatistics> stats_from_logits(std::span<const float> logits, std::int64_t target,
                                          std::uint32_t want) {
  return kernel::row_statistics(kernel::best_loops(), logits, target, want, {});
}

Result<TokenStatistics> stats_from_logits(std::span<const float> logits, std::int64_t target,
                                          std::uint32_t want, std::span<TopToken> top) {
  return kernel::row_statistics(kernel::best_loops(), logits, target, want, top);
}

Result<CrossStatistics> cross_stats_from_logits(std::span<const float> a, std::span<const float> b,
                                                std::int64_t target, std::size_t vocab_limit) {
  return kernel::cross_statistics(kernel::best_loops(), a, b, target, vocab_limit);
}

}  // namespace sdk_v1
}  // namespace assay
