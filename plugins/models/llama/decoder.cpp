#include "decoder.hpp"

#include <algorithm>

#include "runtime.hpp"

namespace assay::llama {
namespace {

bool ended(const Call& call) {
  return call.cancelled() || call.late();
}

Error stopped(const Call& call) {
  if (call.cancelled()) return Error{Code::kCancelled, "the request was stopped", {}};
  return Error{Code::kTimeout, "the deadline passed before the answer was complete", {}};
}

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::make(std::shared_ptr<const Weights> weights,
                                               const DecoderSettings& settings) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(settings.cells);
  params.n_batch = kPieceTokens;
  params.n_ubatch = kPieceTokens;
  params.n_seq_max = 1;
  params.n_threads = settings.threads;
  params.n_threads_batch = settings.threads;
  params.no_perf = true;
  if (settings.deterministic) {
    params.type_k = GGML_TYPE_F32;
    params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  }
  static_cast<void>(take_last_error());
  llama_context* context = llama_init_from_model(weights->model(), params);
  if (context == nullptr) {
    return Error{Code::kResourceExhausted,
                 "libllama could not make a context of " + std::to_string(settings.cells) +
                     " tokens: " + take_last_error() + "; give a smaller `context`",
                 "context"};
  }
  return std::unique_ptr<Decoder>(new Decoder(std::move(weights), context, settings));
}

Decoder::Decoder(std::shared_ptr<const Weights> weights, llama_context* context,
                 const DecoderSettings& settings)
    : weights_(std::move(weights)),
      context_(context, llama_free),
      settings_(settings),
      batch_(llama_batch_init(static_cast<std::int32_t>(kPieceTokens), 0, 1)) {
  llama_set_abort_callback(
      context,
      [](void* self) {
        const Call* call = static_cast<Decoder*>(self)->call_;
        return call != nullptr && ended(*call);
      },
      this);
}

Decoder::~Decoder() {
  llama_batch_free(batch_);
}

void Decoder::forget() {
  llama_memory_clear(llama_get_memory(context_.get()), false);
  prefix_.clear();
  prefix_logits_.clear();
  position_ = 0;
}

std::span<const float> Decoder::logits_at(std::size_t batch_index) const {
  const float* row = llama_get_logits_ith(context_.get(), static_cast<std::int32_t>(batch_index));
  if (row == nullptr) return {};
  return {row, weights_->vocabulary()};
}

Result<void> Decoder::decode(std::span<const llama_token> tokens, Logits logits, const Call& call) {
  if (ended(call)) return stopped(call);
  if (position_ + tokens.size() > settings_.cells) {
    forget();
    return Error{Code::kInternal, "a sequence went beyond the context", {}};
  }
  batch_.n_tokens = static_cast<std::int32_t>(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch_.token[i] = tokens[i];
    batch_.pos[i] = static_cast<llama_pos>(position_ + i);
    batch_.n_seq_id[i] = 1;
    batch_.seq_id[i][0] = 0;
    batch_.logits[i] = logits == Logits::kAll || (logits == Logits::kLast && i + 1 == tokens.size()) ? 1 : 0;
  }
  call_ = &call;
  static_cast<void>(take_last_error());
  const std::int32_t code = llama_decode(context_.get(), batch_);
  call_ = nullptr;
  if (code == 0) {
    position_ += tokens.size();
    return {};
  }
  forget();
  if (code == 2 && ended(call)) return stopped(call);
  const std::string reason = take_last_error();
  return Error{code == 1 ? Code::kResourceExhausted : Code::kInternal,
               "libllama could not evaluate " + std::to_string(tokens.size()) + " tokens (code " +
                   std::to_string(code) + ")" + (reason.empty() ? "" : ": " + reason),
               {}};
}

std::size_t Decoder::kept(std::span<const llama_token> prefix) const {
  const std::size_t longest = std::min(prefix.size(), prefix_.size());
  std::size_t same = 0;
  while (same < longest && prefix[same] == prefix_[same]) ++same;
  if (same == prefix.size() && same == prefix_.size()) return same;
  // Whole pieces can be kept, but the last one must be decoded for its logits.
  same = same / kPieceTokens * kPieceTokens;
  return same == prefix.size() ? same - std::min(same, kPieceTokens) : same;
}

Result<std::span<const float>> Decoder::begin(std::span<const llama_token> prefix, const Call& call) {
  std::size_t keep = kept(prefix);
  llama_memory_t memory = llama_get_memory(context_.get());
  // A recurrent state cannot go back; it is computed again, piece by piece as before.
  if (keep != position_ && !llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(keep), -1)) keep = 0;
  if (keep == 0) forget();
  position_ = keep;
  if (keep == prefix.size()) return std::span<const float>(prefix_logits_);
  prefix_.resize(keep);
  while (position_ < prefix.size()) {
    const auto piece = prefix.subspan(position_, std::min(kPieceTokens, prefix.size() - position_));
    const bool last = position_ + piece.size() == prefix.size();
    if (auto done = decode(piece, last ? Logits::kLast : Logits::kNone, call); !done) {
      forget();
      return std::move(done).error();
    }
    if (!last) continue;
    const auto row = logits_at(piece.size() - 1);
    prefix_logits_.assign(row.begin(), row.end());
  }
  prefix_.assign(prefix.begin(), prefix.end());
  return std::span<const float>(prefix_logits_);
}

Result<void> Decoder::follow(std::span<const llama_token> tokens, const Call& call, const Visit& visit) {
  for (std::size_t at = 0; at < tokens.size();) {
    // Up to the next multiple of a piece: attention runs over whole blocks of that many cells.
    const std::size_t room = kPieceTokens - position_ % kPieceTokens;
    const auto piece = tokens.subspan(at, std::min(room, tokens.size() - at));
    if (auto done = decode(piece, Logits::kAll, call); !done) return done;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      if (!visit(at + i, logits_at(i))) return {};
    }
    at += piece.size();
  }
  return {};
}

Result<std::span<const float>> Decoder::step(llama_token token, const Call& call) {
  if (auto done = decode({&token, 1}, Logits::kLast, call); !done) return std::move(done).error();
  return logits_at(0);
}

Result<DecoderPool::Lease> DecoderPool::lease(std::span<const llama_token> prefix) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto best = std::max_element(idle_.begin(), idle_.end(), [&](const auto& a, const auto& b) {
      return a->kept(prefix) < b->kept(prefix);
    });
    if (best != idle_.end()) {
      std::unique_ptr<Decoder> taken = std::move(*best);
      idle_.erase(best);
      return Lease(*this, std::move(taken));
    }
    if (made_ < limit_) {
      ++made_;
      lock.unlock();
      auto made = Decoder::make(weights_, settings_);
      if (made) return Lease(*this, std::move(*made));
      lock.lock();
      --made_;
      if (made_ == 0) return std::move(made).error();
      limit_ = made_;  // no memory for one more: the others share the work
      continue;
    }
    free_.wait(lock);
  }
}

void DecoderPool::give_back(std::unique_ptr<Decoder> decoder) {
  {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(decoder));
  }
  free_.notify_one();
}

}  // namespace assay::llama
