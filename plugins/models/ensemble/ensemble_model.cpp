#include "ensemble_model.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "assay/sdk/sampling.hpp"
#include "assay/text/utf8.hpp"

namespace assay::ensemble {
namespace {

/// How a request wants its tokens drawn. Errors: kInvalidArgument naming the value out of range.
Result<Sampling> sampling_of(const assay_request& request) {
  const auto wrong = [](const char* name, const char* range) {
    return Error{Code::kInvalidArgument,
                 std::string("the sampling parameter ") + name + " of the request must be " + range,
                 {}};
  };
  if (!(request.temperature >= 0 && request.temperature <= 1e6)) return wrong("temperature", "from 0 to 1e6");
  if (request.top_k < 0) return wrong("top_k", "at least 0");
  if (!(request.top_p >= 0 && request.top_p <= 1)) return wrong("top_p", "from 0 to 1");
  if (!(request.min_p >= 0 && request.min_p <= 1)) return wrong("min_p", "from 0 to 1");
  return Sampling{request.temperature, static_cast<std::uint32_t>(request.top_k),
                  request.top_p == 0 ? 1 : request.top_p, request.min_p};
}

/// Memory for one call to a tokenizer, whose functions want an arena.
class Scratch {
 public:
  Scratch() {
    raw_.struct_size = sizeof raw_;
    raw_.ctx = this;
    raw_.req_size = sizeof(assay_request);
    raw_.res_size = sizeof(assay_response);
    raw_.alloc = [](void* ctx, std::size_t size, std::size_t align) noexcept -> void* {
      try {
        auto& blocks = static_cast<Scratch*>(ctx)->blocks_;
        blocks.push_back(std::make_unique<std::byte[]>(size + align));
        void* at = blocks.back().get();
        std::size_t room = size + align;
        return std::align(align, size, at, room);
      } catch (...) {
        return nullptr;
      }
    };
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const assay_call* raw() const { return &raw_; }

 private:
  assay_call raw_{};
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

/// The members' difference: what the mixture does not know beyond what each member does not know.
double epistemic_of(double total, double aleatoric) {
  const double difference = total - aleatoric;
  return difference < 0 && difference > -1e-12 ? 0 : difference;
}

std::uint32_t wanted_stats(std::uint64_t want) {
  std::uint32_t mask = 0;
  if ((want & ASSAY_CAP_RANK) != 0) mask |= kTokenRank;
  if ((want & (ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS)) != 0) mask |= kTokenMoments;
  if ((want & ASSAY_CAP_TOP1) != 0) mask |= kTokenTop1;
  return mask;
}

void write_token(const TokensWriter& out, std::size_t i, const TokenStatistics& token) {
  const auto put = [&](assay_stat which, double value) {
    if (!out.stat[which].empty()) out.stat[which][i] = value;
  };
  put(ASSAY_STAT_LOGPROB, token.logprob);
  put(ASSAY_STAT_ENTROPY, token.entropy);
  put(ASSAY_STAT_MEAN_LP, token.mean_lp);
  put(ASSAY_STAT_VAR_LP, token.var_lp);
  put(ASSAY_STAT_TOP1_LOGPROB, token.top1_logprob);
  if (token.top1 >= 0) put(ASSAY_STAT_TOP1_ID, static_cast<double>(token.top1));
  if (token.rank == 0) return;
  put(ASSAY_STAT_RANK, static_cast<double>(token.rank));
  put(ASSAY_STAT_RANK_TIES, static_cast<double>(token.ties));
}

Result<TokenStatistics> stats_of(const MixedRow& row, std::int32_t target, std::uint32_t want) {
  auto stats = token_stats(std::span<const double>(row.values), row.form, target, want);
  if (stats && std::isinf(stats->logprob)) {
    return Error{Code::kData,
                 "token " + std::to_string(target) +
                     " has the probability 0 in the ensemble, so that its "
                     "log-probability is infinite; use members that give every token a probability",
                 {}};
  }
  return stats;
}

/// Mean of the values that are there; NaN without any.
double mean_of(const std::vector<TokenStatistics>& tokens, std::int64_t& count) {
  double sum = 0;
  count = 0;
  for (const TokenStatistics& token : tokens) {
    if (std::isnan(token.logprob)) continue;
    sum += token.logprob;
    ++count;
  }
  return count == 0 ? kMissing : sum / static_cast<double>(count);
}

assay_request rows_request(const RequestView& request) {
  assay_request inner = request.raw();
  inner.struct_size = sizeof inner;
  inner.kind = ASSAY_REQUEST_ROWS;
  inner.flags = 0;
  inner.want = 0;
  return inner;
}

}  // namespace

struct EnsembleModel::Scored {
  std::vector<std::int32_t> ids;
  std::vector<TokenStatistics> tokens;
  std::vector<double> total, aleatoric, epistemic;
  std::vector<std::uint32_t> begin, end;
  std::uint32_t flags = 0;
};

struct EnsembleModel::Sample {
  std::vector<std::int32_t> ids;
  std::vector<TokenStatistics> tokens;
  std::string text;
  Finish finish = Finish::kLength;
};

Result<void> EnsembleModel::configure() {
  const std::size_t count = of_.size();
  if (count == 0 || count > kMostMembers) {
    return Error{Code::kInvalidArgument,
                 "an ensemble has from 1 to " + std::to_string(kMostMembers) + " members, but " +
                     std::to_string(count) + " were given; write of=[a, b, ...]",
                 "of"};
  }
  std::vector<ModelRef> members;
  for (std::size_t i = 0; i < count; ++i) {
    members.push_back(of_[i]);
    const ModelRef& member = members.back();
    const std::string name = "member " + std::to_string(i + 1) + " (" + member.identity().substr(0, 12) + ")";
    if (!member.offers(ASSAY_CAP_ROWS | ASSAY_CAP_TOKENIZE) || member.tokenizer().empty()) {
      return Error{Code::kUnsupported,
                   name + " does not offer next-token distributions and a tokenizer, which an ensemble mixes",
                   "of"};
    }
    if (member.tokenizer() == members.front().tokenizer()) continue;
    return Error{
        Code::kUnsupported,
        "the tokenizer of " + name + " is " + member.tokenizer() + ", that of member 1 (" +
            members.front().identity().substr(0, 12) + ") is " + members.front().tokenizer() +
            "; distributions over different vocabularies cannot be mixed, use models with one tokenizer",
        "of"};
  }
  fingerprint_ = members.front().tokenizer();
  tokenizer_ = members.front().tokenize(&tokenizer_instance_);
  if (tokenizer_ == nullptr) {
    return Error{Code::kUnsupported, "member 1 offers a tokenizer but does not hand it out", "of"};
  }
  const Combine combine = combine_.get() == "geometric" ? Combine::kGeometric : Combine::kMean;
  mixer_.emplace(std::move(members), combine, static_cast<std::size_t>(window_.get()));
  return {};
}

Result<EnsembleModel::Scored> EnsembleModel::score_tokens(const RequestView& request,
                                                          const Call& call) const {
  assay_request inner = rows_request(request);
  const bool with_eos = request.has(ASSAY_REQ_APPEND_EOS);
  if (with_eos && eos() < 0) {
    return Error{Code::kUnsupported,
                 "the score of the end of text was asked for, but the members' tokenizer has no such token",
                 {}};
  }
  if (with_eos) inner.flags = ASSAY_REQ_INCLUDE_LAST;
  Scored scored;
  const std::uint32_t want = wanted_stats(request.raw().want) | kTokenMoments;
  for (std::size_t first = 0;;) {
    auto window = mixer_->collect(inner, first, false, call);
    if (!window) return std::move(window).error();
    for (std::size_t i = 0; i < window->rows.size(); ++i) {
      const MixedRow& row = window->rows[i];
      const bool last = !window->more && i + 1 == window->rows.size();
      const std::int32_t id = last && with_eos ? eos() : row.target;
      auto stats = stats_of(row, id, want);
      if (!stats) return std::move(stats).error().within("token " + std::to_string(first + i + 1));
      scored.ids.push_back(id);
      scored.tokens.push_back(*stats);
      scored.total.push_back(stats->entropy);
      scored.aleatoric.push_back(row.aleatoric);
      scored.epistemic.push_back(epistemic_of(stats->entropy, row.aleatoric));
    }
    first += window->rows.size();
    if (!window->more) break;
    if (window->rows.empty()) return Error{Code::kInternal, "a window of positions stayed empty", {}};
  }
  if (with_eos) scored.flags |= ASSAY_TOKENS_EOS_APPENDED;
  return scored;
}

bool EnsembleModel::locate(const RequestView& request, Scored& scored) {
  const bool with_eos = (scored.flags & ASSAY_TOKENS_EOS_APPENDED) != 0;
  const std::size_t count = scored.ids.size() - (with_eos ? 1 : 0);
  const auto length = static_cast<std::uint32_t>(request.continuation().size());
  // The tokens are the tail of the joined text, or (joined separately, or by a tokenizer of words) those of
  // the continuation alone. Whichever gives the members' ids is right; a guess is not made.
  for (const bool joined : {true, false}) {
    if (joined && (request.raw().message_count != 0 || request.raw().join == ASSAY_JOIN_SEPARATE)) continue;
    const std::string prefix(joined ? request.prompt() : std::string_view{});
    const auto encoded = encode(prefix + std::string(request.continuation()));
    if (!encoded || encoded->ids.size() < count || encoded->begin.size() != encoded->ids.size()) continue;
    const std::size_t skip = encoded->ids.size() - count;
    if (!joined && skip != 0) continue;
    if (!std::equal(scored.ids.begin(), scored.ids.begin() + static_cast<std::ptrdiff_t>(count),
                    encoded->ids.begin() + static_cast<std::ptrdiff_t>(skip))) {
      continue;
    }
    const auto start = static_cast<std::uint32_t>(prefix.size());
    for (std::size_t i = skip; i < encoded->ids.size(); ++i) {
      if (encoded->begin[i] < start && encoded->end[i] > start) scored.flags |= ASSAY_TOKENS_BOUNDARY_MERGED;
      scored.begin.push_back(encoded->begin[i] - std::min(encoded->begin[i], start));
      scored.end.push_back(encoded->end[i] - std::min(encoded->end[i], start));
    }
    if (with_eos) {
      scored.begin.push_back(length);
      scored.end.push_back(length);
    }
    return true;
  }
  return false;
}

Result<void> EnsembleModel::score(const RequestView& request, ResponseWriter& out, Call& call) {
  auto scored = score_tokens(request, call);
  if (!scored) return std::move(scored).error();
  const bool located = locate(request, *scored);
  const TokensWriter writer =
      out.make_tokens(scored->ids.size(), token_stat_mask(request.raw().want), true, located);
  writer.raw->flags = scored->flags;
  writer.raw->vocabulary = vocabulary();
  for (std::size_t i = 0; i < scored->ids.size(); ++i) {
    writer.ids[i] = scored->ids[i];
    write_token(writer, i, scored->tokens[i]);
    if (!located) continue;
    writer.begin[i] = scored->begin[i];
    writer.end[i] = scored->end[i];
  }
  std::int64_t count = 0;
  const double mean = mean_of(scored->tokens, count);
  out.tokens(writer).mean_logprob(mean, count);
  out.series("ensemble.total_entropy", scored->total);
  out.series("ensemble.aleatoric", scored->aleatoric);
  out.series("ensemble.epistemic", scored->epistemic);
  return {};
}

Result<void> EnsembleModel::rows(const RequestView& request, RowSink& sink, Call& call) {
  assay_request inner = rows_request(request);
  inner.flags = request.raw().flags & ASSAY_REQ_INCLUDE_LAST;
  const bool members = request.has(ASSAY_REQ_MEMBERS);
  std::vector<double> p;
  for (std::size_t first = 0;;) {
    auto window = mixer_->collect(inner, first, members, call);
    if (!window) return std::move(window).error();
    for (std::size_t i = 0; i < window->rows.size(); ++i) {
      const MixedRow& row = window->rows[i];
      const auto position = static_cast<std::int64_t>(first + i);
      if (auto done = row_probabilities(std::span<const double>(row.values), row.form, p); !done) return done;
      if (!sink.probabilities(position, row.target, p)) return {};
      for (std::size_t m = 0; m < row.members.size(); ++m) {
        if (!sink.probabilities(position, row.target, row.members[m], static_cast<int>(m))) return {};
      }
    }
    first += window->rows.size();
    if (!window->more || window->rows.empty()) return {};
  }
}

Result<EnsembleModel::Sample> EnsembleModel::sample(const assay_request& raw, std::uint64_t seed,
                                                    const Call& call) {
  const auto sampling = sampling_of(raw);
  if (!sampling) return sampling.error();
  Xoshiro256 generator(seed);
  const std::uint32_t want = wanted_stats(raw.want);
  const std::int32_t most = raw.max_tokens == 0 ? kDefaultMaxTokens : raw.max_tokens;
  Sample made;
  std::vector<double> p;
  while (static_cast<std::int64_t>(made.ids.size()) < most) {
    if (call.late()) return Error{Code::kTimeout, "the deadline passed before the answer was complete", {}};
    assay_request inner = rows_request(RequestView(&raw));
    inner.continuation = str(made.text);
    const auto row = mixer_->last(inner, call);
    if (!row) return row.error();
    std::size_t id = 0;
    if (sampling->temperature > 0) {
      if (auto done = row_probabilities(std::span<const double>(row->values), row->form, p); !done) {
        return std::move(done).error();
      }
      if (sampling->changes()) reshape(p, *sampling);
      id = pick(p, generator.uniform());
    } else {
      const auto top = token_stats(std::span<const double>(row->values), row->form, -1, kTokenTop1);
      if (!top) return top.error();
      id = static_cast<std::size_t>(top->top1);
    }
    const auto stats = stats_of(*row, static_cast<std::int32_t>(id), want);
    if (!stats) return stats.error();
    made.ids.push_back(static_cast<std::int32_t>(id));
    made.tokens.push_back(*stats);
    if (made.ids.back() == eos()) {
      made.finish = Finish::kStop;
      return made;
    }
    auto text = decode(made.ids);
    if (!text) return std::move(text).error();
    made.text = std::move(*text);
    std::size_t cut = std::string::npos;
    for (const std::string_view stop : RequestView(&raw).stops()) cut = std::min(cut, made.text.find(stop));
    if (cut != std::string::npos) {
      made.text.resize(cut);
      made.finish = Finish::kStop;
      return made;
    }
  }
  return made;
}

Result<void> EnsembleModel::generate(const RequestView& request, ResponseWriter& out, Call& call) {
  const assay_request& raw = request.raw();
  if (raw.max_tokens < 0) {
    return Error{
        Code::kInvalidArgument,
        "the request has max_tokens = " + std::to_string(raw.max_tokens) + "; at least 0 is expected",
        {}};
  }
  for (const std::string_view stop : request.stops()) {
    if (stop.empty()) {
      return Error{
          Code::kInvalidArgument, "a stop string is empty, which would stop every text; remove it", {}};
    }
  }
  std::optional<Sample> made;
  std::int64_t drawn = 0;
  for (int i = 0; i < request.samples(); ++i) {
    if (!made || raw.temperature != 0) {  // greedy samples are all the same
      auto next = sample(raw, sample_seed(raw.seed, static_cast<std::uint64_t>(i)), call);
      if (!next) return std::move(next).error();
      made.emplace(std::move(*next));
    }
    const assay_tokens* tokens = nullptr;
    if (request.wants(ASSAY_CAP_GENERATE_STATS)) {
      const TokensWriter writer = out.make_tokens(made->ids.size(), token_stat_mask(raw.want), true, false);
      for (std::size_t t = 0; t < made->ids.size(); ++t) {
        writer.ids[t] = made->ids[t];
        write_token(writer, t, made->tokens[t]);
      }
      writer.raw->vocabulary = vocabulary();
      tokens = writer.raw;
    }
    drawn += static_cast<std::int64_t>(made->ids.size());
    // Bytes that are not UTF-8 become U+FFFD, once per maximal ill-formed part.
    const std::string text = text::to_utf8(text::to_code_points(made->text));
    std::int64_t count = 0;
    const double mean = mean_of(made->tokens, count);
    out.choice(text, made->finish, mean, tokens);
  }
  out.usage(0, drawn);
  return {};
}

Result<Encoding> EnsembleModel::encode(std::string_view text) {
  const Scratch scratch;
  const std::int32_t* ids = nullptr;
  const std::uint32_t* begin = nullptr;
  const std::uint32_t* end = nullptr;
  std::size_t count = 0;
  const std::int32_t code =
      tokenizer_->encode(tokenizer_instance_, str(text), &ids, &begin, &end, &count, scratch.raw());
  if (code != ASSAY_OK)
    return Error{static_cast<Code>(code), "the tokenizer of member 1 failed on a text", {}};
  Encoding out;
  if (count == 0) return out;
  out.ids.assign(ids, ids + count);
  if (begin != nullptr) out.begin.assign(begin, begin + count);
  if (end != nullptr) out.end.assign(end, end + count);
  return out;
}

Result<std::string> EnsembleModel::decode(std::span<const std::int32_t> ids) {
  const Scratch scratch;
  assay_str text{};
  const std::int32_t code =
      tokenizer_->decode(tokenizer_instance_, ids.data(), ids.size(), &text, scratch.raw());
  if (code != ASSAY_OK) {
    return Error{static_cast<Code>(code), "the tokenizer of member 1 could not turn ids into text", {}};
  }
  return std::string(view(text));
}

std::uint64_t EnsembleModel::vocabulary() const {
  return tokenizer_->vocabulary(tokenizer_instance_);
}
std::int32_t EnsembleModel::bos() const {
  return tokenizer_->bos(tokenizer_instance_);
}
std::int32_t EnsembleModel::eos() const {
  return tokenizer_->eos(tokenizer_instance_);
}
Result<std::string> EnsembleModel::tokenizer_fingerprint() {
  return fingerprint_;
}
std::uint32_t EnsembleModel::member_count() const {
  return static_cast<std::uint32_t>(mixer_ ? mixer_->size() : 0);
}

}  // namespace assay::ensemble
