// Time of the fast token statistics for rows of 128,256 logits, on every instruction set of the machine.
//
// "hot": one row again and again. "streamed": 1,024 rows (525 MB) in turn, which no cache holds.
#include <benchmark/benchmark.h>

#include "harness/sdk/kernel/instruction_set.hpp"
#include "kernel_rows.hpp"

namespace {

using assay::kernel::InstructionSet;
using Row = std::span<const float>;

struct Rows {
  std::vector<float> all = kernel_rows::make(1024);
  std::vector<std::int64_t> targets;
  Rows() {
    for (std::size_t i = 0; i < 1024; ++i) targets.push_back(kernel_rows::target_of(row(i), i));
  }
  [[nodiscard]] Row row(std::size_t i) const {
    return Row(all).subspan(i * kernel_rows::kVocabulary, kernel_rows::kVocabulary);
  }
};
const Rows& rows() {
  static const Rows kRows;
  return kRows;
}

/// Calls `use(row, target)` on row after row; argument 0 of the benchmark is the number of rows.
template <class Use>
void over_rows(benchmark::State& state, Use use) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::size_t i = 0;
  for (auto _ : state) {
    use(rows().row(i), rows().targets[i]);
    i = i + 1 == count ? 0 : i + 1;
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(kernel_rows::kVocabulary * sizeof(float)));
}

void memory_read(benchmark::State& state) {
  over_rows(state, [](Row row, std::int64_t) { benchmark::DoNotOptimize(kernel_rows::read_only(row)); });
}

void token_stats_double(benchmark::State& state) {
  over_rows(state, [](Row row, std::int64_t target) {
    benchmark::DoNotOptimize(assay::token_stats(row, ASSAY_ROW_LOGITS, target));
  });
}

void kernel(benchmark::State& state, InstructionSet which, std::uint32_t want, std::size_t k) {
  if (!assay::kernel::available(which)) {
    state.SkipWithError("this processor does not have the instruction set");
    return;
  }
  std::vector<assay::TopToken> top(k);
  over_rows(state, [&](Row row, std::int64_t target) {
    benchmark::DoNotOptimize(assay::kernel::stats_from_logits_on(which, row, target, want, top));
  });
}

void cross(benchmark::State& state, InstructionSet which) {
  if (!assay::kernel::available(which)) {
    state.SkipWithError("this processor does not have the instruction set");
    return;
  }
  const auto count = static_cast<std::size_t>(state.range(0));
  std::size_t i = 0;
  over_rows(state, [&](Row row, std::int64_t target) {
    i = i + 1 == count ? 0 : i + 1;
    benchmark::DoNotOptimize(assay::kernel::cross_stats_from_logits_on(which, row, rows().row(i), target, 0));
  });
  state.SetBytesProcessed(2 * state.iterations() *
                          static_cast<std::int64_t>(kernel_rows::kVocabulary * sizeof(float)));
}

void hot_and_streamed(benchmark::internal::Benchmark* bench) {
  bench->ArgName("rows")->Arg(1)->Arg(1024)->Unit(benchmark::kMicrosecond);
}

}  // namespace

BENCHMARK(memory_read)->Apply(hot_and_streamed);
BENCHMARK(token_stats_double)->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(kernel, avx512_all, InstructionSet::kAvx512, assay::kTokenAll, 0)->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(kernel, avx2_all, InstructionSet::kAvx2, assay::kTokenAll, 0)->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(kernel, avx2_logprob, InstructionSet::kAvx2, 0, 0)->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(kernel, avx2_all_top20, InstructionSet::kAvx2, assay::kTokenAll, 20)
    ->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(kernel, portable_all, InstructionSet::kPortable, assay::kTokenAll, 0)
    ->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(cross, avx512, InstructionSet::kAvx512)->Apply(hot_and_streamed);
BENCHMARK_CAPTURE(cross, avx2, InstructionSet::kAvx2)->Apply(hot_and_streamed);

BENCHMARK_MAIN();
