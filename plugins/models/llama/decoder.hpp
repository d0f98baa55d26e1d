// Evaluation of token sequences: contexts of libllama, a pool of them, and the layout that makes repeats
// equal.
//
// Layout. A sequence is a prefix and what follows it. The prefix is decoded from position 0 in pieces of
// kPieceTokens, with the logits of its last token only; what follows in pieces of its own, generated tokens
// one by one. So the arithmetic depends on the request alone: a prefix that is still in the context is the
// very state that decoding it again would give, bit for bit, and is not decoded again (the choices of a
// question cost their own tokens only). With F32 caches and without flash attention this holds for any number
// of threads.
//
// Thread rule: a Decoder belongs to one thread at a time; the pool may be used by any number of threads.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "weights.hpp"

namespace assay::llama {

inline constexpr std::size_t kPieceTokens = 256;

struct DecoderSettings {
  std::size_t cells = 0;  ///< tokens the context holds
  std::int32_t threads = 1;
  bool deterministic = true;  ///< F32 cache, no flash attention; otherwise libllama's own choice
};

class Decoder {
 public:
  /// The logits of one position; false ends the evaluation.
  using Visit = std::function<bool(std::size_t index, std::span<const float> logits)>;

  static Result<std::unique_ptr<Decoder>> make(std::shared_ptr<const Weights> weights,
                                               const DecoderSettings& settings);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Puts the context right behind `prefix` (not empty, at most `cells` tokens). Returns the logits of its
  /// last token, valid until the next begin(). Errors: kCancelled, kTimeout, kResourceExhausted, kInternal.
  Result<std::span<const float>> begin(std::span<const llama_token> prefix, const Call& call);
  /// Decodes `tokens` behind what is there and visits the logits behind each of them.
  Result<void> follow(std::span<const llama_token> tokens, const Call& call, const Visit& visit);
  /// Decodes one token; its logits are valid until the next call.
  Result<std::span<const float>> step(llama_token token, const Call& call);

  /// Tokens of `prefix` that begin() would not decode again.
  [[nodiscard]] std::size_t kept(std::span<const llama_token> prefix) const;

 private:
  Decoder(std::shared_ptr<const Weights> weights, llama_context* context, const DecoderSettings& settings);
  enum class Logits { kNone, kLast, kAll };
  Result<void> decode(std::span<const llama_token> tokens, Logits logits, const Call& call);
  [[nodiscard]] std::span<const float> logits_at(std::size_t batch_index) const;
  void forget();

  std::shared_ptr<const Weights> weights_;
  std::unique_ptr<llama_context, void (*)(llama_context*)> context_;
  DecoderSettings settings_;
  llama_batch batch_;
  std::vector<llama_token> prefix_;  ///< what lies in the cache from position 0 on
  std::vector<float> prefix_logits_;
  std::size_t position_ = 0;    ///< the next free position
  const Call* call_ = nullptr;  ///< for the abort callback
};

/// Contexts over one model, made when they are needed, at most `limit`. A request gets one that still holds
/// most of its prefix.
class DecoderPool {
 public:
  DecoderPool(std::shared_ptr<const Weights> weights, const DecoderSettings& settings, std::size_t limit)
      : weights_(std::move(weights)), settings_(settings), limit_(limit) {}

  class Lease {
   public:
    Lease(DecoderPool& pool, std::unique_ptr<Decoder> decoder) : pool_(&pool), decoder_(std::move(decoder)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (decoder_) pool_->give_back(std::move(decoder_));
    }
    Decoder* operator->() const { return decoder_.get(); }

   private:
    DecoderPool* pool_;
    std::unique_ptr<Decoder> decoder_;
  };

  /// Waits while all contexts are in use. Errors: kResourceExhausted when the first one cannot be made.
  Result<Lease> lease(std::span<const llama_token> prefix);

 private:
  void give_back(std::unique_ptr<Decoder> decoder);

  std::shared_ptr<const Weights> weights_;
  DecoderSettings settings_;
  std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Decoder>> idle_;
  std::size_t made_ = 0;
};

}  // namespace assay::llama
