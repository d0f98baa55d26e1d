// Fails when the fast token statistics have become slow: compares, in one process and in turn, the kernel
// with a plain read of the same bytes and with the path in double. Run by hand or nightly: kernel_guard
// [READ_RATIO DOUBLE_RATIO]
//
// Rows of 128,256 logits, 256 of them (131 MB), each method on every row, the lower quartile of its times.
// The bars are ratios of one sitting and leave a factor of about two for a busy machine:
//   kernel time / read time      at most 10
//   double time / kernel time    at least 8
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "harness/sdk/kernel/instruction_set.hpp"
#include "kernel_rows.hpp"

namespace {

double microseconds() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double lower_quartile(std::vector<double>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace

int main(int argc, char** argv) {
  if (assay::kernel::best() == assay::kernel::InstructionSet::kPortable) {
    std::puts("kernel_guard: no AVX2 here; the bars hold for processors that have it");
    return 0;
  }
  const double most_reads = argc > 1 ? std::atof(argv[1]) : 10;
  const double least_double = argc > 2 ? std::atof(argv[2]) : 8;
  constexpr std::size_t kRows = 256;
  const std::vector<float> rows = kernel_rows::make(kRows);
  std::vector<double> read, kernel, reference;
  std::uint64_t read_sum = 0;
  double worst = 0;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < kRows; ++i) {
      // Each method meets a row that the others have not just read.
      const auto row = [&](std::size_t offset) {
        return std::span<const float>(rows).subspan((i + offset) % kRows * kernel_rows::kVocabulary,
                                                    kernel_rows::kVocabulary);
      };
      const auto target = static_cast<std::int64_t>(i * 7919 % kernel_rows::kVocabulary);
      double start = microseconds();
      read_sum += kernel_rows::read_only(row(0));
      read.push_back(microseconds() - start);
      start = microseconds();
      const auto fast = assay::stats_from_logits(row(kRows / 3), target);
      kernel.push_back(microseconds() - start);
      start = microseconds();
      const auto slow = assay::token_stats(row(kRows / 3), ASSAY_ROW_LOGITS, target);
      reference.push_back(microseconds() - start);
      if (!fast || !slow) return 2;
      worst = std::max(worst, std::abs(fast->entropy - slow->entropy));
    }
  }
  const double a = lower_quartile(read);
  const double b = lower_quartile(kernel);
  const double c = lower_quartile(reference);
  std::printf(
      "%s: read %.1f us, kernel %.1f us, double %.1f us; kernel/read %.2f (at most %.2f), double/kernel %.1f "
      "(at least %.1f); largest difference of entropy %.2g [%llu]\n",
      assay::kernel::name_of(assay::kernel::best()), a, b, c, b / a, most_reads, c / b, least_double, worst,
      static_cast<unsigned long long>(read_sum & 7U));
  return b / a <= most_reads && c / b >= least_double && worst < 1e-5 ? 0 : 1;
}
