#include "sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace assay::ngram {
namespace {

std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

bool in_range(double value, double low, double high) {
  return value >= low && value <= high;
}

Error out_of_range(const char* name, const char* range) {
  return Error{Code::kInvalidArgument,
               std::string("The sampling parameter ") + name + " must be " + range + ".", name};
}

bool changes(const SamplingParams& params) {
  return params.temperature != 1.0 || params.top_k != 0 || params.top_p < 1.0 || params.min_p > 0.0;
}

void normalise(std::span<double> p) {
  double sum = 0.0;
  for (const double value : p) sum += value;
  for (double& value : p) value /= sum;
}

/// Keeps the most probable tokens: at most top_k, then the fewest that reach top_p of what top_k kept.
void keep_most_probable(std::span<double> p, const SamplingParams& params) {
  std::vector<Id> order(p.size());
  std::iota(order.begin(), order.end(), Id{0});
  std::sort(order.begin(), order.end(), [&](Id a, Id b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  std::size_t keep = order.size();
  if (params.top_k != 0) keep = std::min<std::size_t>(keep, params.top_k);
  if (params.top_p < 1.0) {
    double mass = 0.0;
    for (std::size_t i = 0; i < keep; ++i) mass += p[order[i]];
    double reached = 0.0;
    for (std::size_t i = 0; i < keep; ++i) {
      reached += p[order[i]];
      if (reached >= params.top_p * mass) keep = i + 1;
    }
  }
  for (std::size_t i = keep; i < order.size(); ++i) p[order[i]] = 0.0;
}

}  // namespace

std::uint64_t sample_seed(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t state = seed + 0x9E3779B97F4A7C15ULL * index;
  return split_mix(state);
}

Rng::Rng(std::uint64_t seed) {
  for (std::uint64_t& word : s_) word = split_mix(seed);
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(s_[1] * 5U, 7) * 9U;
  const std::uint64_t shifted = s_[1] << 17U;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= shifted;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

double Rng::uniform() {
  return static_cast<double>(next() >> 11U) * 0x1.0p-53;
}

Result<void> check(const SamplingParams& params) {
  if (!in_range(params.temperature, 0.0, 1e6)) return out_of_range("temperature", "from 0 to 1e6");
  if (!in_range(params.top_p, 0.0, 1.0) || params.top_p == 0.0)
    return out_of_range("top_p", "above 0 and at most 1");
  if (!in_range(params.min_p, 0.0, 1.0)) return out_of_range("min_p", "from 0 to 1");
  return {};
}

void reshape(std::span<double> p, const SamplingParams& params) {
  if (params.temperature != 1.0) {
    const double largest = std::log(*std::max_element(p.begin(), p.end()));
    for (double& value : p) value = std::exp((std::log(value) - largest) / params.temperature);
  }
  if (params.top_k != 0 || params.top_p < 1.0) keep_most_probable(p, params);
  if (params.min_p > 0.0) {
    const double least = params.min_p * *std::max_element(p.begin(), p.end());
    for (double& value : p) value = value < least ? 0.0 : value;
  }
  normalise(p);
}

Id pick(std::span<const double> weights, double u) {
  double sum = 0.0;
  for (const double weight : weights) sum += weight;
  const double goal = u * sum;
  double reached = 0.0;
  Id last = 0;
  for (std::size_t id = 0; id < weights.size(); ++id) {
    if (!(weights[id] > 0.0)) continue;
    last = static_cast<Id>(id);
    reached += weights[id];
    if (reached > goal) break;
  }
  return last;
}

Result<Generation> generate(const Model& model, std::span<const Id> context, const GenerateParams& params) {
  if (auto checked = check(params.sampling); !checked) return std::move(checked).error();
  for (const std::string& stop : params.stop) {
    if (!stop.empty()) continue;
    return Error{Code::kInvalidArgument, "A stop string is empty, which would stop every text; remove it.",
                 "stop"};
  }
  auto state = model.begin(context);
  if (!state) return std::move(state).error();
  Rng rng(params.seed);
  std::vector<double> p(model.vocab_size());
  std::vector<Id> ids;
  Generation out;
  while (out.tokens.size() < params.max_tokens) {
    if (params.stopped && params.stopped()) {
      return Error{Code::kCancelled,
                   "Generation was stopped after " + std::to_string(out.tokens.size()) + " tokens.", ""};
    }
    Id id = 0;
    if (params.sampling.temperature > 0.0) {
      state->distribution(p);
      if (changes(params.sampling)) reshape(p, params.sampling);
      id = pick(p, rng.uniform());
    } else {
      id = state->top1();
    }
    out.tokens.push_back(state->stats(id, params.mask));
    if (id == model.tokenizer().eos()) {
      out.finish = Finish::kEos;
      return out;
    }
    ids.push_back(id);
    if (model.tokenizer().kind() == TokenizerKind::kSpace && ids.size() > 1) out.text.push_back(' ');
    out.text += model.tokenizer().piece(id);
    std::size_t cut = std::string::npos;
    for (const std::string& stop : params.stop) cut = std::min(cut, out.text.find(stop));
    if (cut != std::string::npos) {
      out.text.resize(cut);
      out.finish = Finish::kStop;
      return out;
    }
    state->advance(id);
  }
  return out;
}

Result<Generation> generate(const Model& model, std::string_view context, const GenerateParams& params) {
  std::vector<Id> tokens;
  model.tokenizer().encode_ids(context, tokens);
  return generate(model, tokens, params);
}

}  // namespace assay::ngram
