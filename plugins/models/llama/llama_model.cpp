// Creation of `assay.llama`, scores and rows.
#include "llama_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "digest.hpp"
#include "probe.hpp"
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

Result<void> LlamaModel::configure() {
  if (auto started = start_library(env() == nullptr ? nullptr : env()->host); !started) return started;
  const auto layers = static_cast<std::int32_t>(gpu_layers_.get());
  const auto wanted = static_cast<std::size_t>(context_.get());
  const std::string& path = path_.get().text;
  const auto header = read_gguf_header(path);
  if (!header) return header.error();
  bool probed = false;
  if (auto sound = probe_file(path, layers, wanted, &probed); !sound) return sound;
  if (!probed)
    log_warning("assay-llama-probe is not beside the plugins, so '" + path + "' is loaded unprobed");
  auto loaded = Weights::load(path, layers);
  if (!loaded) return std::move(loaded).error();
  weights_ = std::move(*loaded);

  const std::uint64_t trained = weights_->header().context_length;
  const std::size_t cells = effective_context(wanted, trained);
  if (cells < 8) {
    return Error{Code::kInvalidArgument,
                 "a context of " + std::to_string(cells) +
                     " tokens is too small to evaluate a text; at least 8 are "
                     "needed (the model was trained for " +
                     std::to_string(trained) + ")",
                 "context"};
  }
  rule_.cells = cells;
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
  if (template_.empty()) declared &= ~ASSAY_CAP_CHAT;
  if (top_tokens_.get() == 0) declared &= ~ASSAY_CAP_TOPK;
  return declared;
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

TokenWish LlamaModel::wish_of(const RequestView& request) const {
  TokenWish wish;
  if (request.wants(ASSAY_CAP_RANK)) wish.stats |= kTokenRank;
  if (request.wants(ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS)) wish.stats |= kTokenMoments;
  if (request.wants(ASSAY_CAP_TOP1)) wish.stats |= kTokenTop1;
  if (request.wants(ASSAY_CAP_TOPK)) wish.top = static_cast<std::size_t>(top_tokens_.get());
  return wish;
}

Result<void> LlamaModel::score(const RequestView& request, ResponseWriter& out, Call& call) {
  const Stopwatch watch(out);
  auto made = sequence(request, request.has(ASSAY_REQ_APPEND_EOS), false);
  if (!made) return std::move(made).error();
  const Ids& scored = made->scored;
  const std::size_t count = scored.ids.size();
  const TokenWish wish = wish_of(request);
  FactsWriter writer(out, count, request.raw().want, wish, scored.located());
  const TokensWriter& arrays = writer.arrays();
  arrays.raw->flags = made->flags;
  arrays.raw->vocabulary = vocabulary();
  for (std::size_t i = 0; i < count; ++i) {
    arrays.ids[i] = scored.ids[i];
    if (!scored.located()) continue;
    arrays.begin[i] = scored.begin[i];
    arrays.end[i] = scored.end[i];
  }
  double sum = 0;
  std::int64_t known = 0;
  Result<void> failed;
  auto windows = evaluate(*made, call, [&](std::size_t i, std::span<const float> logits) {
    auto facts = facts_of(logits, scored.ids[i], wish);
    if (!facts) {
      failed = std::move(facts).error().within("token " + std::to_string(i + 1));
      return false;
    }
    writer.put(i, *facts);
    sum += facts->stats.logprob;
    ++known;
    return true;
  });
  if (!failed) return failed;
  if (!windows) return std::move(windows).error();
  record_windows(*windows, out);
  out.tokens(arrays).mean_logprob(known == 0 ? kMissing : sum / static_cast<double>(known), known);
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
