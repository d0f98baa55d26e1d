#include "weights.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "runtime.hpp"

namespace assay::llama {
namespace {

std::string piece_of(const llama_vocab* vocab, llama_token id) {
  std::string piece(32, '\0');
  std::int32_t size =
      llama_token_to_piece(vocab, id, piece.data(), static_cast<std::int32_t>(piece.size()), 0, false);
  if (size < 0) {
    piece.resize(static_cast<std::size_t>(-size));
    size = llama_token_to_piece(vocab, id, piece.data(), -size, 0, false);
  }
  piece.resize(static_cast<std::size_t>(std::max(size, 0)));
  return piece;
}

}  // namespace

Weights::Weights(GgufHeader header, llama_model* model)
    : header_(std::move(header)), model_(model, llama_model_free), vocab_(llama_model_get_vocab(model)) {
  const std::int32_t count = llama_vocab_n_tokens(vocab_);
  pieces_.reserve(static_cast<std::size_t>(count));
  for (llama_token id = 0; id < count; ++id) pieces_.push_back(piece_of(vocab_, id));
  bos_ = llama_vocab_bos(vocab_);
  eos_ = llama_vocab_eos(vocab_);
  if (bos_ == LLAMA_TOKEN_NULL || bos_ >= count) bos_ = -1;
  if (eos_ == LLAMA_TOKEN_NULL || eos_ >= count) eos_ = -1;
  generative_ = llama_model_has_decoder(model) && !llama_model_has_encoder(model);
}

Result<std::shared_ptr<const Weights>> Weights::load(const std::string& path, std::int32_t gpu_layers) {
  auto header = read_gguf_header(path);
  if (!header) return std::move(header).error();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = gpu_layers;
  static_cast<void>(take_last_error());
  llama_model* model = llama_model_load_from_file(path.c_str(), params);
  if (model == nullptr) {
    const std::string reason = take_last_error();
    return Error{Code::kData,
                 "libllama " + library_version() + " cannot load '" + path + "' (architecture '" +
                     header->architecture + "'): " + (reason.empty() ? "it gave no reason" : reason),
                 "path"};
  }
  std::shared_ptr<const Weights> out(new Weights(std::move(*header), model));
  if (llama_model_has_encoder(model) && llama_model_has_decoder(model)) {
    return Error{
        Code::kUnsupported,
        "'" + path + "' (" + out->header_.architecture +
            ") has an encoder and a decoder; only decoders (language models) and encoders (embeddings) "
            "are offered",
        "path"};
  }
  if (out->vocabulary() == 0) return Error{Code::kData, "'" + path + "' has an empty vocabulary", "path"};
  return out;
}

double Weights::context_bytes(std::size_t cells) const {
  const auto number = [](std::int32_t value) { return static_cast<double>(std::max(value, 1)); };
  const double width = number(llama_model_n_embd(model_.get())) / number(llama_model_n_head(model_.get())) *
                       number(llama_model_n_head_kv(model_.get()));
  return 2 * 4 * number(llama_model_n_layer(model_.get())) * static_cast<double>(cells) * width +
         2 * 4 * 256.0 * static_cast<double>(vocabulary());
}

Result<Ids> Weights::encode(std::string_view text, bool special) const {
  Ids out;
  if (text.empty()) return out;
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) / 2) {
    return Error{
        Code::kInvalidArgument, "a text of " + std::to_string(text.size()) + " bytes is too long", {}};
  }
  const auto length = static_cast<std::int32_t>(text.size());
  out.ids.resize(text.size() / 2 + 16);
  std::int32_t count = llama_tokenize(vocab_, text.data(), length, out.ids.data(),
                                      static_cast<std::int32_t>(out.ids.size()), false, special);
  if (count < 0) {
    out.ids.resize(static_cast<std::size_t>(-static_cast<std::int64_t>(count)));
    count = llama_tokenize(vocab_, text.data(), length, out.ids.data(),
                           static_cast<std::int32_t>(out.ids.size()), false, special);
  }
  if (count < 0) return Error{Code::kInternal, "libllama could not make tokens of a text", {}};
  out.ids.resize(static_cast<std::size_t>(count));

  std::size_t size = 0;
  for (const llama_token id : out.ids) size += piece(id).size();
  if (size < text.size() || size > text.size() + 1) return out;
  // The space that SentencePiece puts in front belongs to no byte of the text.
  const std::size_t added = size - text.size();
  std::size_t at = 0;
  for (const llama_token id : out.ids) {
    const std::string_view part = piece(id);
    const std::size_t skip = at < added ? std::min(added, part.size()) : 0;
    const bool spelled = part.substr(0, skip) == std::string_view(" ").substr(0, skip) &&
                         part.substr(skip) == text.substr(at + skip - added, part.size() - skip);
    if (!spelled) {
      out.begin.clear();
      out.end.clear();
      return out;
    }
    out.begin.push_back(static_cast<std::uint32_t>(at + skip - added));
    at += part.size();
    out.end.push_back(static_cast<std::uint32_t>(at < added ? 0 : at - added));
  }
  return out;
}

Result<std::string> Weights::decode(std::span<const llama_token> ids) const {
  std::string text;
  for (const llama_token id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= pieces_.size()) {
      return Error{Code::kInvalidArgument,
                   "token id " + std::to_string(id) + " is not in the vocabulary of " +
                       std::to_string(pieces_.size()) + " tokens",
                   {}};
    }
    text += piece(id);
  }
  return text;
}

Result<Tail> Weights::tail(std::string_view prompt, std::string_view continuation, int join) const {
  Tail out;
  auto before = encode(prompt);
  if (!before) return std::move(before).error();
  if (join == ASSAY_JOIN_SEPARATE || prompt.empty()) {
    auto alone = encode(continuation);
    if (!alone) return std::move(alone).error();
    out.context = std::move(before->ids);
    out.scored = std::move(*alone);
    return out;
  }
  auto whole = encode(std::string(prompt) + std::string(continuation));
  if (!whole) return std::move(whole).error();
  std::size_t border = before->ids.size();
  const bool begins =
      whole->ids.size() >= border && std::equal(before->ids.begin(), before->ids.end(), whole->ids.begin());
  if (!begins) {
    if (!whole->located()) {
      return Error{
          Code::kUnsupported,
          "a token spans the border of prompt and continuation, and this tokenizer rewrites its text, so "
          "that the continuation's tokens cannot be told apart; ask with join=separate",
          {}};
    }
    border = 0;
    while (border < whole->ids.size() && whole->end[border] <= prompt.size()) ++border;
    out.merged = border < whole->ids.size() && whole->begin[border] < prompt.size();
  }
  const auto from = static_cast<std::ptrdiff_t>(border);
  out.context.assign(whole->ids.begin(), whole->ids.begin() + from);
  out.scored.ids.assign(whole->ids.begin() + from, whole->ids.end());
  if (whole->located()) {
    const auto start = static_cast<std::uint32_t>(prompt.size());
    for (std::size_t i = border; i < whole->ids.size(); ++i) {
      out.scored.begin.push_back(whole->begin[i] - std::min(whole->begin[i], start));
      out.scored.end.push_back(whole->end[i] - std::min(whole->end[i], start));
    }
  }
  return out;
}

std::string Weights::chat_template(const std::string& named) const {
  std::string candidate = named;
  if (candidate.empty()) {
    const char* own = llama_model_chat_template(model_.get(), nullptr);
    if (own != nullptr) candidate = own;
  }
  if (candidate.empty()) return {};
  const llama_chat_message probe = {"user", "x"};
  return llama_chat_apply_template(candidate.c_str(), &probe, 1, true, nullptr, 0) > 0 ? candidate
                                                                                       : std::string();
}

Result<std::string> apply_chat_template(const std::string& name, const assay_request& request) {
  std::vector<std::string> words;  // role and content, NUL-terminated
  for (std::size_t i = 0; i < request.message_count; ++i) {
    for (const assay_str part : {request.messages[i].role, request.messages[i].content}) {
      words.emplace_back(view(part));
      if (words.back().find('\0') != std::string::npos) {
        return Error{Code::kInvalidArgument, "a message holds a NUL byte, which a chat template cannot", {}};
      }
    }
  }
  std::vector<llama_chat_message> messages;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    messages.push_back({words[i].c_str(), words[i + 1].c_str()});
  }
  std::string text(1024, '\0');
  for (;;) {
    const std::int32_t size = llama_chat_apply_template(name.c_str(), messages.data(), messages.size(), true,
                                                        text.data(), static_cast<std::int32_t>(text.size()));
    if (size < 0) return Error{Code::kUnsupported, "the chat template does not know these messages", {}};
    const bool fits = static_cast<std::size_t>(size) <= text.size();
    text.resize(static_cast<std::size_t>(size));
    if (fits) return text;
  }
}

}  // namespace assay::llama
