// Cost of the estimates a run makes: the bootstrap of a mean, of a ROC curve, and the clustered area.
#include <benchmark/benchmark.h>

#include <vector>

#include "harness/stats/choose.hpp"
#include "harness/stats/random.hpp"

namespace {

using assay::stats::Options;
using assay::stats::Rule;
using assay::stats::Sample;

std::vector<double> values(std::size_t n) {
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double u = assay::stats::random_uniform(7, 1, 0, static_cast<std::uint32_t>(i));
    out[i] = u * u * u * u;  // skewed, so that the mean takes the bootstrap
  }
  return out;
}

void mean_bootstrap(benchmark::State& state) {
  const std::vector<double> x = values(static_cast<std::size_t>(state.range(0)));
  Sample sample;
  sample.rule = Rule::kMean;
  sample.values = x;
  Options options;
  options.replicates = static_cast<std::uint32_t>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(assay::stats::estimate(sample, options));
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}
BENCHMARK(mean_bootstrap)
    ->Args({1000, 2000})
    ->Args({10000, 2000})
    ->Args({10000, 100000})
    ->Unit(benchmark::kMillisecond);

void auroc_with_companions(benchmark::State& state) {
  const std::vector<double> x = values(static_cast<std::size_t>(state.range(0)));
  std::vector<std::uint8_t> labels(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 2);
  Sample sample;
  sample.rule = Rule::kAuroc;
  sample.values = x;
  sample.labels = labels;
  for (auto _ : state) benchmark::DoNotOptimize(assay::stats::estimate(sample, Options{}));
}
BENCHMARK(auroc_with_companions)->Arg(300)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
