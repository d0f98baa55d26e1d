#include "sampler.hpp"

#include <algorithm>

namespace assay::ngram {
namespace {

bool in_range(double value, double low, double high) {
  return value >= low && value <= high;
}

Error out_of_range(const char* name, const char* range) {
  return Error{Code::kInvalidArgument,
               std::string("The sampling parameter ") + name + " must be " + range + ".", name};
}

}  // namespace

Result<void> check(const Sampling& params) {
  if (!in_range(params.temperature, 0.0, 1e6)) return out_of_range("temperature", "from 0 to 1e6");
  if (!in_range(params.top_p, 0.0, 1.0) || params.top_p == 0.0)
    return out_of_range("top_p", "above 0 and at most 1");
  if (!in_range(params.min_p, 0.0, 1.0)) return out_of_range("min_p", "from 0 to 1");
  return {};
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
  Xoshiro256 rng(params.seed);
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
      if (params.sampling.changes()) reshape(p, params.sampling);
      id = static_cast<Id>(pick(p, rng.uniform()));
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
