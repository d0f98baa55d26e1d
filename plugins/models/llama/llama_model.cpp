// Creation of `assay.llama`, scores and rows.
#include "llama_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "digest.hpp"
#include "runtime.hpp"

namespace assay::llama {
namespace {

/// Half of the memory that is free now, in bytes; infinite if the system does not say.
double memory_for_contexts() {
  const long pages = ::sysconf(_SC_AVPHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || size <= 0) return std::numeric_limits<double>::infinity();
  return 0.5 * static_cast<double>(pages) * static_cast<double>(size);
}

}  // namespace

std::uint32_t wanted_stats(std::uint64_t want) {
  std::uint32_t mask = 0;
  if ((want & ASSAY_CAP_RANK) != 0) mask |= kTokenRank;
  if ((want & (ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS)) != 0) mask |= kTokenMoments;
  if ((want & ASSAY_CAP_TOP1) != 0) mask |= kTokenTop1;
  return mask;
}

Result<TokenStatistics> stats_of(std::span<const float> logits, llama_token target, std::uint32_t want) {
  auto stats = token_stats(logits, ASSAY_ROW_LOGITS, target, want);
  if (stats && std::isinf(stats->logprob)) {
    return Error{Code::kData,
                 "the model gives token " + std::to_string(target) +
                     " the probability 0, so that its log-probability is infinite",
                 {}};
  }
  return stats;
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

Result<void> LlamaModel::configure() {
  if (auto started = start_library(env() == nullptr ? nullptr : env()->host); !started) return started;
  auto loaded = Weights::load(path_.get().text, static_cast<std::int32_t>(gpu_layers_.get()));
  if (!loaded) return std::move(loaded).error();
  weights_ = std::move(*loaded);

  const auto trained = static_cast<std::int64_t>(weights_->header().context_length);
  std::int64_t cells = context_.get();
  if (cells == 0) cells = std::min(trained == 0 ? kDefaultContextMax : trained, kDefaultContextMax);
  if (cells < 8) {
    return Error{Code::kInvalidArgument,
                 "a context of " + std::to_string(cells) +
                     " tokens is too small to evaluate a text; at least 8 are "
                     "needed (the model was trained for " +
                     std::to_string(trained) + ")",
                 "context"};
  }
  rule_.cells = static_cast<std::size_t>(cells);
  rule_.overlap = overlap_.get() == 0 ? rule_.cells / 2 : static_cast<std::size_t>(overlap_.get());
  if (rule_.overlap > rule_.cells - 2) {
    return Error{Code::kInvalidArgument,
                 "overlap = " + std::to_string(rule_.overlap) +
                     " leaves no room for new tokens in a context of " + std::to_string(cells),
                 "overlap"};
  }
  rule_.overflow = overflow_.get() == "window"          ? Overflow::kWindow
                   : overflow_.get() == "truncate_left" ? Overflow::kTruncateLeft
                                                        : Overflow::kError;
  add_bos_ = bos_.get() == "always" || (bos_.get() == "auto" && llama_vocab_get_add_bos(weights_->vocab()));
  if (add_bos_ && weights_->bos() < 0) {
    if (bos_.get() == "always") {
      return Error{Code::kInvalidArgument, "bos=always, but this vocabulary has no token that begins a text",
                   "bos"};
    }
    add_bos_ = false;
  }
  rule_.lead = add_bos_;
  template_ = weights_->chat_template(chat_template_);
  if (template_.empty() && !chat_template_.get().empty()) {
    return Error{
        Code::kInvalidArgument,
        "libllama knows no chat template '" + chat_template_.get() + "' (chatml, llama2, llama3, gemma, ...)",
        "chat_template"};
  }
  const std::int64_t cores = std::max(1U, std::thread::hardware_concurrency());
  const double fit = memory_for_contexts() / weights_->context_bytes(rule_.cells);
  std::int64_t contexts = contexts_.get();
  if (contexts == 0) contexts = fit < static_cast<double>(cores) ? static_cast<std::int64_t>(fit) : cores;
  contexts = std::max<std::int64_t>(contexts, 1);
  contexts_in_use_ = static_cast<std::size_t>(contexts);
  threads_in_use_ = static_cast<std::int32_t>(
      threads_.get() != 0 ? threads_.get() : std::max<std::int64_t>(cores / contexts, 1));
  const DecoderSettings settings{rule_.cells, threads_in_use_, mode_.get() == "deterministic"};
  pool_ = std::make_unique<DecoderPool>(weights_, settings, contexts_in_use_);
  if (!weights_->generative()) return {};
  // The first context is made now, so that what does not fit is said before the run.
  auto first = pool_->lease({});
  if (!first) return std::move(first).error();
  return {};
}

std::uint64_t LlamaModel::capabilities(std::uint64_t declared) const {
  if (!weights_->generative()) return declared & (ASSAY_CAP_TOKENIZE | ASSAY_CAP_EMBED);
  return template_.empty() ? declared & ~ASSAY_CAP_CHAT : declared;
}

Result<std::string> LlamaModel::content_identity() {
  Digest digest;
  digest.add("libllama").add(library_version());
  digest.add("context").add(std::to_string(rule_.cells));
  digest.add("bos").add(add_bos_ ? std::to_string(weights_->bos()) : "none");
  digest.add("chat_template").add(template_);
  return digest.hex();
}

Result<std::vector<llama_token>> LlamaModel::prompt_tokens(const RequestView& request) const {
  std::vector<llama_token> out;
  const assay_request& raw = request.raw();
  Result<Ids> ids = Ids{};
  if (raw.message_count != 0) {
    if (template_.empty()) {
      return Error{Code::kUnsupported,
                   "the request is a chat, but libllama knows no template for this model; name one with "
                   "chat_template=...",
                   {}};
    }
    const auto text = apply_chat_template(template_, raw);
    if (!text) return text.error();
    ids = weights_->encode(*text, true);
  } else {
    ids = weights_->encode(request.prompt());
  }
  if (!ids) return std::move(ids).error();
  const bool has_bos = !ids->ids.empty() && ids->ids.front() == weights_->bos();
  if (add_bos_ && !has_bos) out.push_back(weights_->bos());
  out.insert(out.end(), ids->ids.begin(), ids->ids.end());
  return out;
}

Result<LlamaModel::Sequence> LlamaModel::sequence(const RequestView& request, bool append_eos,
                                                  bool include_last) const {
  Sequence out;
  if (request.raw().message_count != 0) {
    auto before = prompt_tokens(request);
    if (!before) return std::move(before).error();
    auto after = weights_->encode(request.continuation());
    if (!after) return std::move(after).error();
    out.tokens = std::move(*before);
    out.scored = std::move(*after);
    if (add_bos_) out.flags |= ASSAY_TOKENS_BOS_ADDED;
  } else {
    auto tail = weights_->tail(request.prompt(), request.continuation(), request.raw().join);
    if (!tail) return std::move(tail).error();
    if (add_bos_) {
      out.tokens.push_back(weights_->bos());
      out.flags |= ASSAY_TOKENS_BOS_ADDED;
    }
    out.tokens.insert(out.tokens.end(), tail->context.begin(), tail->context.end());
    out.scored = std::move(tail->scored);
    if (tail->merged) out.flags |= ASSAY_TOKENS_BOUNDARY_MERGED;
  }
  if (append_eos) {
    if (weights_->eos() < 0) {
      return Error{Code::kUnsupported,
                   "the score of the end of text was asked for, but this vocabulary has no such token",
                   {}};
    }
    const bool located = out.scored.located();
    const auto end = static_cast<std::uint32_t>(request.continuation().size());
    out.scored.ids.push_back(weights_->eos());
    if (located) {
      out.scored.begin.push_back(end);
      out.scored.end.push_back(end);
    }
    out.flags |= ASSAY_TOKENS_EOS_APPENDED;
  }
  out.first = out.tokens.size();
  out.tokens.insert(out.tokens.end(), out.scored.ids.begin(), out.scored.ids.end());
  if (include_last) out.tokens.push_back(-1);
  return out;
}

Result<std::vector<Window>> LlamaModel::evaluate(const Sequence& sequence, const Call& call,
                                                 const Decoder::Visit& visit) {
  auto windows = plan_windows(sequence.tokens.size(), sequence.first, rule_);
  if (!windows || windows->empty()) return windows;
  std::vector<llama_token> prefix;
  std::optional<DecoderPool::Lease> decoder;
  bool more = true;
  for (const Window& window : *windows) {
    prefix.clear();
    if (window.lead) prefix.push_back(weights_->bos());
    const std::span<const llama_token> all(sequence.tokens);
    const auto before = all.subspan(window.begin, window.first - window.begin);
    prefix.insert(prefix.end(), before.begin(), before.end());
    if (!decoder) {
      auto leased = pool_->lease(prefix);
      if (!leased) return std::move(leased).error();
      decoder.emplace(std::move(*leased));
    }
    const auto row = (*decoder)->begin(prefix, call);
    if (!row) return row.error();
    more = visit(window.first - sequence.first, *row);
    if (!more) break;
    // The last token is predicted, never decoded.
    const auto rest = all.subspan(window.first, window.end - window.first - 1);
    auto done = (*decoder)->follow(rest, call, [&](std::size_t i, std::span<const float> logits) {
      more = visit(window.first - sequence.first + i + 1, logits);
      return more;
    });
    if (!done) return std::move(done).error();
    if (!more) break;
  }
  return windows;
}

void LlamaModel::record_windows(std::span<const Window> windows, ResponseWriter& out) const {
  if (windows.empty()) return;
  const auto note = [&](std::string_view name, std::size_t value) {
    const double number = static_cast<double>(value);
    out.series(name, {&number, 1});
  };
  if (rule_.overflow == Overflow::kWindow && (windows.size() > 1 || windows.front().begin != 0)) {
    note("llama.windows", windows.size());
    note("llama.overlap", rule_.overlap);
  } else if (windows.front().begin != 0) {
    note("llama.dropped_tokens", windows.front().begin);
  }
}

Result<void> LlamaModel::score(const RequestView& request, ResponseWriter& out, Call& call) {
  auto made = sequence(request, request.has(ASSAY_REQ_APPEND_EOS), false);
  if (!made) return std::move(made).error();
  const Ids& scored = made->scored;
  const std::size_t count = scored.ids.size();
  const TokensWriter writer =
      out.make_tokens(count, token_stat_mask(request.raw().want), true, scored.located());
  writer.raw->flags = made->flags;
  writer.raw->vocabulary = vocabulary();
  for (std::size_t i = 0; i < count; ++i) {
    writer.ids[i] = scored.ids[i];
    if (!scored.located()) continue;
    writer.begin[i] = scored.begin[i];
    writer.end[i] = scored.end[i];
  }
  const std::uint32_t want = wanted_stats(request.raw().want);
  double sum = 0;
  std::int64_t known = 0;
  Result<void> failed;
  auto windows = evaluate(*made, call, [&](std::size_t i, std::span<const float> logits) {
    auto stats = stats_of(logits, scored.ids[i], want);
    if (!stats) {
      failed = std::move(stats).error().within("token " + std::to_string(i + 1));
      return false;
    }
    write_token(writer, i, *stats);
    sum += stats->logprob;
    ++known;
    return true;
  });
  if (!failed) return failed;
  if (!windows) return std::move(windows).error();
  record_windows(*windows, out);
  out.tokens(writer).mean_logprob(known == 0 ? kMissing : sum / static_cast<double>(known), known);
  out.usage(static_cast<std::int64_t>(made->tokens.size()), 0);
  return {};
}

Result<void> LlamaModel::rows(const RequestView& request, RowSink& sink, Call& call) {
  auto made = sequence(request, request.has(ASSAY_REQ_APPEND_EOS), request.has(ASSAY_REQ_INCLUDE_LAST));
  if (!made) return std::move(made).error();
  const std::span<const llama_token> targets =
      std::span<const llama_token>(made->tokens).subspan(made->first);
  auto windows = evaluate(*made, call, [&](std::size_t i, std::span<const float> logits) {
    return sink.logits(static_cast<std::int64_t>(i), targets[i], logits);
  });
  if (!windows) return std::move(windows).error();
  return {};
}

Result<Encoding> LlamaModel::encode(std::string_view text) {
  auto ids = weights_->encode(text);
  if (!ids) return std::move(ids).error();
  Encoding out;
  out.ids = std::move(ids->ids);
  out.begin = std::move(ids->begin);
  out.end = std::move(ids->end);
  return out;
}

Result<std::string> LlamaModel::decode(std::span<const std::int32_t> ids) {
  return weights_->decode(ids);
}

}  // namespace assay::llama
