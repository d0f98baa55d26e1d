// Generated texts of `assay.llama`.
#include <algorithm>
#include <cmath>

#include "assay/sdk/sampling.hpp"
#include "assay/text/utf8.hpp"
#include "llama_model.hpp"

namespace assay::llama {

/// How tokens are drawn, checked.
struct LlamaModel::Sampling {
  double temperature = 0;
  std::int32_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  std::size_t max_tokens = 0;
  std::vector<std::string_view> stops;
};

struct LlamaModel::Sample {
  std::vector<llama_token> ids;
  std::vector<TokenFacts> tokens;
  std::string text;
  Finish finish = Finish::kLength;
  bool ended = false;  ///< by a token that ends texts
};

namespace {

/// The seed of the index-th sample, folded to the 32 bits libllama takes; the one value that stands for
/// "random" is left out.
std::uint32_t folded_seed(std::uint64_t seed, std::uint64_t index) {
  const std::uint64_t z = sample_seed(seed, index);
  const auto folded = static_cast<std::uint32_t>(z ^ (z >> 32U));
  return folded == LLAMA_DEFAULT_SEED ? 0 : folded;
}

/// libllama's sampler chain over a row of logits.
class Drawer {
 public:
  Drawer(double temperature, std::int32_t top_k, double top_p, double min_p, std::uint32_t seed)
      : chain_(llama_sampler_chain_init(llama_sampler_chain_default_params()), llama_sampler_free) {
    const auto add = [&](llama_sampler* one) { llama_sampler_chain_add(chain_.get(), one); };
    add(llama_sampler_init_temp(static_cast<float>(temperature)));
    if (top_k > 0) add(llama_sampler_init_top_k(top_k));
    if (top_p < 1) add(llama_sampler_init_top_p(static_cast<float>(top_p), 1));
    if (min_p > 0) add(llama_sampler_init_min_p(static_cast<float>(min_p), 1));
    add(llama_sampler_init_dist(seed));
  }
  llama_token draw(std::span<const float> logits) {
    candidates_.resize(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      candidates_[i] = {static_cast<llama_token>(i), logits[i], 0.0F};
    }
    llama_token_data_array list = {candidates_.data(), candidates_.size(), -1, false};
    llama_sampler_apply(chain_.get(), &list);
    const llama_token drawn =
        list.selected < 0 ? list.data[0].id : list.data[static_cast<std::size_t>(list.selected)].id;
    llama_sampler_accept(chain_.get(), drawn);
    return drawn;
  }

 private:
  std::unique_ptr<llama_sampler, void (*)(llama_sampler*)> chain_;
  std::vector<llama_token_data> candidates_;
};

/// Bytes that are not UTF-8 become U+FFFD, once per maximal ill-formed part.
std::string readable(std::string_view bytes) {
  return text::to_utf8(text::to_code_points(bytes));
}

Result<void> check_sampling(const RequestView& request) {
  const assay_request& raw = request.raw();
  const auto wrong = [](std::string_view name, std::string_view range) {
    return Error{
        Code::kInvalidArgument, "the request's " + std::string(name) + " must be " + std::string(range), {}};
  };
  if (raw.max_tokens < 0) return wrong("max_tokens", "at least 0 (0: the default)");
  if (!(raw.temperature >= 0 && raw.temperature <= 1e6)) return wrong("temperature", "from 0 to 1e6");
  if (raw.top_k < 0) return wrong("top_k", "at least 0 (0: off)");
  if (!(raw.top_p >= 0 && raw.top_p <= 1)) return wrong("top_p", "from 0 to 1");
  if (!(raw.min_p >= 0 && raw.min_p <= 1)) return wrong("min_p", "from 0 to 1");
  for (const std::string_view stop : request.stops()) {
    if (stop.empty()) return wrong("stop strings", "not empty, or every text would stop at once");
  }
  return {};
}

}  // namespace

Result<LlamaModel::Sample> LlamaModel::sample(std::span<const llama_token> prompt, const Sampling& sampling,
                                              std::uint64_t seed, const RequestView& request,
                                              const Call& call) {
  auto decoder = pool_->lease(prompt);
  if (!decoder) return std::move(decoder).error();
  auto row = (*decoder)->begin(prompt, call);
  if (!row) return row.error();
  const bool greedy = sampling.temperature == 0;
  std::optional<Drawer> drawer;
  if (!greedy) {
    drawer.emplace(sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p,
                   static_cast<std::uint32_t>(seed));
  }
  const TokenWish wish = wish_of(request);
  const std::size_t room = rule_.cells - prompt.size() + 1;  // the last token need not be decoded
  const std::size_t most = std::min(sampling.max_tokens, room);
  Sample made;
  while (made.ids.size() < most) {
    llama_token id = -1;
    if (greedy) {
      const auto top = token_stats(*row, ASSAY_ROW_LOGITS, -1, kTokenTop1);
      if (!top) return top.error();
      id = static_cast<llama_token>(top->top1);
    } else {
      id = drawer->draw(*row);
    }
    auto facts = facts_of(*row, id, wish);
    if (!facts) return std::move(facts).error();
    made.ids.push_back(id);
    made.tokens.push_back(std::move(*facts));
    if (llama_vocab_is_eog(weights_->vocab(), id)) {
      made.finish = Finish::kStop;
      made.ended = true;
      return made;
    }
    const std::size_t before = made.text.size();
    made.text += weights_->piece(id);
    std::size_t cut = std::string::npos;
    for (const std::string_view stop : sampling.stops) {
      // Only a stop string that ends in the new piece is new.
      const std::size_t from = before - std::min(before, stop.size() - 1);
      cut = std::min(cut, made.text.find(stop, from));
    }
    if (cut != std::string::npos) {
      made.text.resize(cut);
      made.finish = Finish::kStop;
      return made;
    }
    if (made.ids.size() == most) break;
    row = (*decoder)->step(id, call);
    if (!row) return row.error();
  }
  return made;
}

Result<void> LlamaModel::generate(const RequestView& request, ResponseWriter& out, Call& call) {
  const Stopwatch watch(out);
  if (auto checked = check_sampling(request); !checked) return checked;
  const assay_request& raw = request.raw();
  Sampling sampling{raw.temperature,
                    raw.top_k,
                    raw.top_p == 0 ? 1 : raw.top_p,
                    raw.min_p,
                    static_cast<std::size_t>(raw.max_tokens == 0 ? kDefaultMaxTokens : raw.max_tokens),
                    request.stops()};
  auto prompt = prompt_tokens(request);
  if (!prompt) return std::move(prompt).error();
  if (prompt->empty()) {
    return Error{Code::kInvalidArgument,
                 "there is nothing to continue: the prompt is empty and no token begins a text (bos=" +
                     bos_.get().text + ")",
                 {}};
  }
  if (prompt->size() > rule_.cells) {
    if (rule_.overflow == Overflow::kError)
      return plan_windows(prompt->size() + 1, prompt->size(), rule_).error();
    // The end of the prompt, with room for the answer but at least half of the context.
    const std::size_t lead = add_bos_ ? 1 : 0;
    const std::size_t keep =
        std::max(rule_.cells - std::min(sampling.max_tokens, rule_.cells), rule_.cells / 2) - lead;
    const std::size_t dropped = prompt->size() - lead - keep;
    const auto begin = prompt->begin() + static_cast<std::ptrdiff_t>(lead);
    prompt->erase(begin, begin + static_cast<std::ptrdiff_t>(dropped));
    const auto number = static_cast<double>(dropped);
    out.series("llama.dropped_tokens", {&number, 1});
  }
  std::optional<Sample> made;
  std::int64_t drawn = 0;
  for (int i = 0; i < request.samples(); ++i) {
    if (!made || sampling.temperature != 0) {  // greedy samples are all the same
      auto next =
          sample(*prompt, sampling, folded_seed(raw.seed, static_cast<std::uint64_t>(i)), request, call);
      if (!next) return std::move(next).error();
      made.emplace(std::move(*next));
    }
    const bool valid = text::is_valid_utf8(made->text);
    const assay_tokens* tokens = nullptr;
    double sum = 0;
    for (const TokenFacts& token : made->tokens) sum += token.stats.logprob;
    if (request.wants(ASSAY_CAP_GENERATE_STATS)) {
      FactsWriter writer(out, made->ids.size(), raw.want, wish_of(request), valid);
      const TokensWriter& arrays = writer.arrays();
      arrays.raw->flags =
          (add_bos_ ? ASSAY_TOKENS_BOS_ADDED : 0U) | (made->ended ? ASSAY_TOKENS_EOS_APPENDED : 0U);
      arrays.raw->vocabulary = vocabulary();
      std::size_t at = 0;
      for (std::size_t t = 0; t < made->ids.size(); ++t) {
        arrays.ids[t] = made->ids[t];
        writer.put(t, made->tokens[t]);
        if (arrays.begin.empty()) continue;
        // A token that completed a stop string reaches beyond the text that is left of it.
        arrays.begin[t] = static_cast<std::uint32_t>(std::min(at, made->text.size()));
        at += made->ended && t + 1 == made->ids.size() ? 0 : weights_->piece(made->ids[t]).size();
        arrays.end[t] = static_cast<std::uint32_t>(std::min(at, made->text.size()));
      }
      tokens = arrays.raw;
    }
    drawn += static_cast<std::int64_t>(made->ids.size());
    const double mean = made->tokens.empty() ? kMissing : sum / static_cast<double>(made->tokens.size());
    out.choice(valid ? made->text : readable(made->text), made->finish, mean, tokens);
  }
  out.usage(static_cast<std::int64_t>(prompt->size()), drawn);
  return {};
}

}  // namespace assay::llama
