// Embeddings of `assay.llama`: a context of its own, whose pooled output is the vector of a text.
#include <cmath>

#include "llama_model.hpp"
#include "runtime.hpp"

namespace assay::llama {

class LlamaModel::EmbeddingContext {
 public:
  explicit EmbeddingContext(llama_context* context, std::size_t cells)
      : context_(context, llama_free), batch_(llama_batch_init(static_cast<std::int32_t>(cells), 0, 1)) {}
  ~EmbeddingContext() { llama_batch_free(batch_); }
  EmbeddingContext(const EmbeddingContext&) = delete;
  EmbeddingContext& operator=(const EmbeddingContext&) = delete;

  [[nodiscard]] llama_context* raw() const { return context_.get(); }
  [[nodiscard]] llama_batch& batch() { return batch_; }

 private:
  std::unique_ptr<llama_context, void (*)(llama_context*)> context_;
  llama_batch batch_;
};

Result<std::vector<float>> LlamaModel::embedding(std::span<const llama_token> tokens, const Call& call) {
  const std::scoped_lock lock(embed_mutex_);
  if (call.cancelled()) return Error{Code::kCancelled, "the request was stopped", {}};
  if (!embedder_) {
    llama_context_params params = llama_context_default_params();
    // Pooling needs a text in one piece.
    params.n_ctx = params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(rule_.cells);
    params.n_seq_max = 1;
    params.n_threads = params.n_threads_batch = threads_in_use_;
    params.no_perf = true;
    params.embeddings = true;
    const std::string& pooling = pooling_.get().text;
    params.pooling_type = pooling == "mean"   ? LLAMA_POOLING_TYPE_MEAN
                          : pooling == "cls"  ? LLAMA_POOLING_TYPE_CLS
                          : pooling == "last" ? LLAMA_POOLING_TYPE_LAST
                                              : LLAMA_POOLING_TYPE_UNSPECIFIED;
    if (mode_.get() == "deterministic") {
      params.type_k = params.type_v = GGML_TYPE_F32;
      params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    }
    llama_context* made = llama_init_from_model(weights_->model(), params);
    if (made != nullptr && llama_pooling_type(made) == LLAMA_POOLING_TYPE_NONE) {
      llama_free(made);  // the model says nothing
      params.pooling_type = LLAMA_POOLING_TYPE_MEAN;
      made = llama_init_from_model(weights_->model(), params);
    }
    if (made == nullptr) {
      return Error{Code::kResourceExhausted,
                   "libllama could not make a context for embeddings: " + take_last_error(),
                   {}};
    }
    embedder_ = std::make_shared<EmbeddingContext>(made, rule_.cells);
  }
  if (llama_memory_t memory = llama_get_memory(embedder_->raw()); memory != nullptr) {
    llama_memory_clear(memory, false);
  }
  llama_batch& batch = embedder_->batch();
  batch.n_tokens = static_cast<std::int32_t>(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = static_cast<llama_pos>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  const std::int32_t code =
      weights_->generative() ? llama_decode(embedder_->raw(), batch) : llama_encode(embedder_->raw(), batch);
  const float* values = code == 0 ? llama_get_embeddings_seq(embedder_->raw(), 0) : nullptr;
  if (values == nullptr) {
    return Error{Code::kInternal,
                 "libllama gave no embedding (code " + std::to_string(code) + ") " + take_last_error(),
                 {}};
  }
  return std::vector<float>(values, values + llama_model_n_embd_out(weights_->model()));
}

Result<void> LlamaModel::embed(const RequestView& request, ResponseWriter& out, Call& call) {
  const Stopwatch watch(out);
  auto tokens = prompt_tokens(request);
  if (!tokens) return std::move(tokens).error();
  if (tokens->empty()) return Error{Code::kInvalidArgument, "an empty text has no embedding", {}};
  if (tokens->size() > rule_.cells) {
    if (rule_.overflow != Overflow::kTruncateLeft) {
      return Error{Code::kInvalidArgument,
                   "the text has " + std::to_string(tokens->size()) + " tokens, but the context holds " +
                       std::to_string(rule_.cells) +
                       "; an embedding needs a text in one piece: shorten it, give a larger `context` or say "
                       "overflow=truncate_left",
                   {}};
    }
    const std::size_t lead = add_bos_ ? 1 : 0;
    const std::size_t dropped = tokens->size() - rule_.cells;
    const auto begin = tokens->begin() + static_cast<std::ptrdiff_t>(lead);
    tokens->erase(begin, begin + static_cast<std::ptrdiff_t>(dropped));
    const auto number = static_cast<double>(dropped);
    out.series("llama.dropped_tokens", {&number, 1});
  }
  const auto values = embedding(*tokens, call);
  if (!values) return values.error();
  std::vector<double> vector(values->begin(), values->end());
  double square = 0;
  for (const double value : vector) square += value * value;
  if (!std::isfinite(square)) return Error{Code::kData, "the embedding of this text is not finite", {}};
  if (normalise_ && square > 0) {
    for (double& value : vector) value /= std::sqrt(square);
  }
  out.values(vector);
  out.usage(static_cast<std::int64_t>(tokens->size()), 0);
  return {};
}

}  // namespace assay::llama
