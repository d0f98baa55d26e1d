// A loaded GGUF model: weights, vocabulary, and texts to ids and back.
//
// Ids are made without special tokens (add_special = false) and without reading control words out of the text
// (parse_special = false), so that "</s>" in a benchmark is five characters. Pieces of ids joined give the
// text back, except for a leading space that SentencePiece adds; spans of ids count bytes of the text.
//
// Thread rule: const after load(); any number of threads.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/model.hpp"
#include "gguf_header.hpp"

namespace assay::llama {

/// Ids of a text. `begin` and `end` are empty when the pieces do not spell the text (a tokenizer that
/// rewrites it).
struct Ids {
  std::vector<llama_token> ids;
  std::vector<std::uint32_t> begin, end;
  [[nodiscard]] bool located() const { return begin.size() == ids.size(); }
};

/// What a scoring request is about: ids before, ids to be predicted, their bytes in the continuation.
struct Tail {
  std::vector<llama_token> context;
  Ids scored;
  bool merged = false;  ///< the first token also covers bytes of the prompt
};

class Weights {
 public:
  /// Errors: the sentences of read_gguf_header, or kData with libllama's reason, key "path".
  static Result<std::shared_ptr<const Weights>> load(const std::string& path, std::int32_t gpu_layers);
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  [[nodiscard]] llama_model* model() const { return model_.get(); }
  [[nodiscard]] const llama_vocab* vocab() const { return vocab_; }
  [[nodiscard]] const GgufHeader& header() const { return header_; }
  [[nodiscard]] std::uint32_t vocabulary() const { return static_cast<std::uint32_t>(pieces_.size()); }
  [[nodiscard]] llama_token bos() const { return bos_; }  ///< -1: none
  [[nodiscard]] llama_token eos() const { return eos_; }  ///< -1: none
  /// False for encoders, which give embeddings only.
  [[nodiscard]] bool generative() const { return generative_; }
  /// Bytes that one context of `cells` tokens needs for its F32 cache and its logits; an estimate.
  [[nodiscard]] double context_bytes(std::size_t cells) const;

  /// `special`: read control words, for text that a chat template made.
  [[nodiscard]] Result<Ids> encode(std::string_view text, bool special = false) const;
  [[nodiscard]] const std::string& piece(llama_token id) const {
    return pieces_[static_cast<std::size_t>(id)];
  }
  /// Errors: kInvalidArgument for an id outside of the vocabulary.
  [[nodiscard]] Result<std::string> decode(std::span<const llama_token> ids) const;
  /// `join` is an assay_join. Errors: kUnsupported when a token spans the border and the tokenizer does not
  /// spell its text, so that nobody can say which tokens are the continuation's.
  [[nodiscard]] Result<Tail> tail(std::string_view prompt, std::string_view continuation, int join) const;

  /// The template named by the user or found in the file; empty: `chat` is not offered.
  [[nodiscard]] std::string chat_template(const std::string& named) const;

 private:
  Weights(GgufHeader header, llama_model* model);
  GgufHeader header_;
  std::unique_ptr<llama_model, void (*)(llama_model*)> model_;
  const llama_vocab* vocab_;
  std::vector<std::string> pieces_;
  llama_token bos_ = -1, eos_ = -1;
  bool generative_ = true;
};

/// The messages in the words of a template, ending with the start of the assistant's turn.
Result<std::string> apply_chat_template(const std::string& name, const assay_request& request);

}  // namespace assay::llama
