// Requests of `assay.ngram`: scores, distributions, generated texts, tokens.
#include "ngram_model.hpp"

#include <algorithm>
#include <mutex>

#include "assay/text/utf8.hpp"

namespace assay::ngram {
namespace {

std::string prompt_of(const RequestView& request) {
  const assay_request& raw = request.raw();
  if (raw.message_count == 0) return std::string(request.prompt());
  std::string joined;
  for (std::size_t i = 0; i < raw.message_count; ++i) {
    if (i != 0) joined += '\n';
    joined += view(raw.messages[i].content);
  }
  return joined;
}

/// What the engine must compute for the wanted statistics.
std::uint32_t engine_mask(std::uint64_t want) {
  std::uint32_t mask = kLogprobOnly;
  if ((want & ASSAY_CAP_RANK) != 0) mask |= kRank;
  if ((want & (ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS)) != 0) mask |= kMoments;
  if ((want & ASSAY_CAP_TOP1) != 0) mask |= kTop1;
  return mask;
}

/// Which arrays the answer has; the log-probability always.
std::uint32_t stat_mask(std::uint64_t want) {
  std::uint32_t mask = 1U << ASSAY_STAT_LOGPROB;
  if ((want & ASSAY_CAP_RANK) != 0) mask |= 1U << ASSAY_STAT_RANK | 1U << ASSAY_STAT_RANK_TIES;
  if ((want & ASSAY_CAP_ENTROPY) != 0) mask |= 1U << ASSAY_STAT_ENTROPY;
  if ((want & ASSAY_CAP_MOMENTS) != 0) mask |= 1U << ASSAY_STAT_MEAN_LP | 1U << ASSAY_STAT_VAR_LP;
  if ((want & ASSAY_CAP_TOP1) != 0) mask |= 1U << ASSAY_STAT_TOP1_ID | 1U << ASSAY_STAT_TOP1_LOGPROB;
  return mask;
}

/// A word outside the vocabulary has no id.
std::int32_t outer_id(Id id, Id vocab_size) {
  return id < vocab_size ? static_cast<std::int32_t>(id) : -1;
}

void write_token(const TokensWriter& out, std::size_t i, const TokenStats& token, Id vocab_size) {
  out.ids[i] = outer_id(token.token, vocab_size);
  const auto put = [&](assay_stat which, double value) {
    if (!out.stat[which].empty()) out.stat[which][i] = value;
  };
  put(ASSAY_STAT_LOGPROB, token.logprob);
  put(ASSAY_STAT_RANK, static_cast<double>(token.rank));
  put(ASSAY_STAT_RANK_TIES, static_cast<double>(token.ties));
  put(ASSAY_STAT_ENTROPY, token.entropy);
  put(ASSAY_STAT_MEAN_LP, token.mean_lp);
  put(ASSAY_STAT_VAR_LP, token.var_lp);
  put(ASSAY_STAT_TOP1_ID, static_cast<double>(token.top1));
  put(ASSAY_STAT_TOP1_LOGPROB, token.top1_logprob);
}

double mean_of(std::span<const TokenStats> tokens) {
  if (tokens.empty()) return kMissing;
  double sum = 0;
  for (const TokenStats& token : tokens) sum += token.logprob;
  return sum / static_cast<double>(tokens.size());
}

Error stopped(const Call& call) {
  if (call.cancelled()) return Error{Code::kCancelled, "the request was stopped", {}};
  return Error{Code::kTimeout, "the deadline passed before the answer was complete", {}};
}

bool ended(const Call& call) {
  return call.cancelled() || call.late();
}

/// Tokens between two looks at the cancel word; far less than 100 ms of work.
constexpr std::size_t kPollEvery = 256;

}  // namespace

std::uint64_t NgramModel::capabilities(std::uint64_t declared) const {
  const bool exact = !words_learned_ && inexact_every_.get() <= 1;
  return exact ? declared : declared & ~ASSAY_CAP_EXACT_UNLEARN;
}

NgramModel::Split NgramModel::split(const RequestView& request) const {
  const Tokenizer& tokenizer = model_->tokenizer();
  const std::string prompt = prompt_of(request);
  Split out;
  if (request.raw().join == ASSAY_JOIN_SEPARATE || tokenizer.kind() == TokenizerKind::kSpace) {
    tokenizer.encode_ids(prompt, out.context);
    Encoded alone = tokenizer.encode(request.continuation());
    out.ids = std::move(alone.ids);
    out.spans = std::move(alone.spans);
    return out;
  }
  const Tail tail = tokenizer.encode_tail(prompt, request.continuation());
  const auto border = static_cast<std::ptrdiff_t>(tail.first);
  out.context.assign(tail.all.ids.begin(), tail.all.ids.begin() + border);
  out.ids.assign(tail.all.ids.begin() + border, tail.all.ids.end());
  out.spans.assign(tail.all.spans.begin() + border, tail.all.spans.end());
  for (ByteSpan& span : out.spans) {
    span.begin -= std::min(span.begin, prompt.size());
    span.end -= std::min(span.end, prompt.size());
  }
  out.merged = tail.boundary_merged;
  return out;
}

Result<void> NgramModel::score(const RequestView& request, ResponseWriter& out, Call& call) {
  const std::shared_lock lock(mutex_);
  Split tokens = split(request);
  std::uint32_t flags = model_->has_bos() ? ASSAY_TOKENS_BOS_ADDED : 0U;
  if (tokens.merged) flags |= ASSAY_TOKENS_BOUNDARY_MERGED;
  if (request.has(ASSAY_REQ_APPEND_EOS)) {
    if (eos() < 0) {
      return Error{
          Code::kUnsupported,
          "the score of the end of text was asked for, but the word list has no \"<eos>\"; add it to the "
          "list or create the model with special_words=unk_eos",
          {}};
    }
    tokens.ids.push_back(model_->tokenizer().eos());
    tokens.spans.push_back({request.continuation().size(), request.continuation().size()});
    flags |= ASSAY_TOKENS_EOS_APPENDED;
  }
  auto state = model_->begin(tokens.context);
  if (!state) return std::move(state).error();
  const std::uint32_t mask = engine_mask(request.raw().want);
  std::vector<TokenStats> scores;
  scores.reserve(tokens.ids.size());
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    if (i % kPollEvery == 0 && ended(call)) return stopped(call);
    scores.push_back(state->stats(tokens.ids[i], mask));
    if (i + 1 < tokens.ids.size()) state->advance(tokens.ids[i]);
  }
  const TokensWriter writer = out.make_tokens(scores.size(), stat_mask(request.raw().want));
  writer.raw->flags = flags;
  writer.raw->vocabulary = model_->vocab_size();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    write_token(writer, i, scores[i], model_->vocab_size());
    writer.begin[i] = static_cast<std::uint32_t>(tokens.spans[i].begin);
    writer.end[i] = static_cast<std::uint32_t>(tokens.spans[i].end);
  }
  const auto scored = static_cast<std::int64_t>(scores.size());
  out.tokens(writer).mean_logprob(mean_of(scores), scored);
  out.usage(static_cast<std::int64_t>(tokens.context.size()) + scored, 0);
  return {};
}

Result<void> NgramModel::rows(const RequestView& request, RowSink& sink, Call& call) {
  const std::shared_lock lock(mutex_);
  const Split tokens = split(request);
  auto state = model_->begin(tokens.context);
  if (!state) return std::move(state).error();
  std::vector<double> p(model_->vocab_size());
  const std::size_t count = tokens.ids.size() + (request.has(ASSAY_REQ_INCLUDE_LAST) ? 1 : 0);
  for (std::size_t i = 0; i < count; ++i) {
    if (ended(call)) return stopped(call);
    if (i != 0) state->advance(tokens.ids[i - 1]);
    state->distribution(p);
    const std::int32_t target = i < tokens.ids.size() ? outer_id(tokens.ids[i], model_->vocab_size()) : -1;
    if (!sink.probabilities(static_cast<std::int64_t>(i), target, p)) break;
  }
  return {};
}

namespace {

Result<GenerateParams> generate_params(const assay_request& raw, const RequestView& request,
                                       const Call& call) {
  GenerateParams params;
  if (raw.max_tokens < 0 || raw.top_k < 0) {
    return Error{Code::kInvalidArgument,
                 "the request has max_tokens = " + std::to_string(raw.max_tokens) + " and top_k = " +
                     std::to_string(raw.top_k) + "; both must be at least 0 (0: the default, and off)",
                 {}};
  }
  params.max_tokens =
      raw.max_tokens == 0 ? NgramModel::kDefaultMaxTokens : static_cast<std::uint32_t>(raw.max_tokens);
  params.sampling.temperature = raw.temperature;
  params.sampling.top_k = static_cast<std::uint32_t>(raw.top_k);
  params.sampling.top_p = raw.top_p == 0.0 ? 1.0 : raw.top_p;
  params.sampling.min_p = raw.min_p;
  for (const std::string_view stop : request.stops()) params.stop.emplace_back(stop);
  params.stopped = [&call] { return ended(call); };
  if (request.wants(ASSAY_CAP_GENERATE_STATS)) params.mask = engine_mask(raw.want);
  return params;
}

assay::Finish outer(Finish finish) {
  return finish == Finish::kLength ? assay::Finish::kLength : assay::Finish::kStop;
}

/// Bytes that are not UTF-8 become U+FFFD, once per maximal ill-formed part.
std::string readable(std::string_view bytes) {
  return text::to_utf8(text::to_code_points(bytes));
}

const assay_tokens* sample_tokens(const ResponseWriter& out, const ngram::Model& model,
                                  const Generation& made, std::uint64_t want, bool with_spans) {
  const TokensWriter writer = out.make_tokens(made.tokens.size(), stat_mask(want), true, with_spans);
  writer.raw->flags = (model.has_bos() ? ASSAY_TOKENS_BOS_ADDED : 0U) |
                      (made.finish == Finish::kEos ? ASSAY_TOKENS_EOS_APPENDED : 0U);
  writer.raw->vocabulary = model.vocab_size();
  const bool blanks = model.tokenizer().kind() == TokenizerKind::kSpace;
  std::size_t at = 0;
  for (std::size_t i = 0; i < made.tokens.size(); ++i) {
    write_token(writer, i, made.tokens[i], model.vocab_size());
    if (writer.begin.empty()) continue;
    const bool eos = made.tokens[i].token == model.tokenizer().eos();
    if (blanks && i != 0 && !eos) ++at;
    // A token that completed a stop string reaches beyond the text that is left of it.
    writer.begin[i] = static_cast<std::uint32_t>(std::min(at, made.text.size()));
    at += model.tokenizer().piece(made.tokens[i].token).size();
    writer.end[i] = static_cast<std::uint32_t>(std::min(at, made.text.size()));
  }
  return writer.raw;
}

}  // namespace

Result<void> NgramModel::generate(const RequestView& request, ResponseWriter& out, Call& call) {
  const std::shared_lock lock(mutex_);
  const assay_request& raw = request.raw();
  auto params = generate_params(raw, request, call);
  if (!params) return std::move(params).error();
  std::vector<Id> context;
  model_->tokenizer().encode_ids(prompt_of(request), context);
  std::int64_t drawn = 0;
  std::optional<Generation> made;
  for (int i = 0; i < request.samples(); ++i) {
    // Greedy samples are all the same.
    if (!made || params->sampling.temperature != 0.0) {
      params->seed = sample_seed(raw.seed, static_cast<std::uint64_t>(i));
      auto generation = ngram::generate(*model_, context, *params);
      if (!generation) {
        const bool late = generation.error().code == Code::kCancelled;
        return late ? stopped(call) : std::move(generation).error();
      }
      made.emplace(std::move(*generation));
    }
    drawn += static_cast<std::int64_t>(made->tokens.size());
    const bool valid = text::is_valid_utf8(made->text);
    const assay_tokens* tokens = nullptr;
    if (request.wants(ASSAY_CAP_GENERATE_STATS)) tokens = sample_tokens(out, *model_, *made, raw.want, valid);
    out.choice(valid ? made->text : readable(made->text), outer(made->finish), mean_of(made->tokens), tokens);
  }
  out.usage(static_cast<std::int64_t>(context.size()), drawn);
  return {};
}

Result<assay::Encoding> NgramModel::encode(std::string_view text) {
  const std::shared_lock lock(mutex_);
  const Encoded encoded = model_->tokenizer().encode(text);
  assay::Encoding out;
  for (std::size_t i = 0; i < encoded.ids.size(); ++i) {
    out.ids.push_back(outer_id(encoded.ids[i], model_->vocab_size()));
    out.begin.push_back(static_cast<std::uint32_t>(encoded.spans[i].begin));
    out.end.push_back(static_cast<std::uint32_t>(encoded.spans[i].end));
  }
  return out;
}

Result<std::string> NgramModel::decode(std::span<const std::int32_t> ids) {
  const std::shared_lock lock(mutex_);
  std::vector<Id> inner;
  inner.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<Id>(id) >= model_->vocab_size()) {
      return Error{Code::kInvalidArgument,
                   "token id " + std::to_string(id) + " is not in the vocabulary of " +
                       std::to_string(model_->vocab_size()) + " tokens",
                   {}};
    }
    inner.push_back(static_cast<Id>(id));
  }
  return model_->tokenizer().decode(inner);
}

std::uint64_t NgramModel::vocabulary() const {
  return model_->vocab_size();
}

std::int32_t NgramModel::eos() const {
  const Id id = model_->tokenizer().eos();
  return id == kNoId ? -1 : static_cast<std::int32_t>(id);
}

Result<std::string> NgramModel::tokenizer_fingerprint() {
  const std::shared_lock lock(mutex_);
  return to_hex(model_->tokenizer().digest());
}

Result<std::string> NgramModel::content_identity() {
  const std::shared_lock lock(mutex_);
  return model_->fingerprint();
}

}  // namespace assay::ngram
