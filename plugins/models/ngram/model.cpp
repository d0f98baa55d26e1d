#include "model.hpp"

#include <array>
#include <cmath>
#include <utility>

namespace assay::ngram {
namespace {

constexpr std::array<std::pair<Estimator, std::string_view>, 5> kEstimators{
    {{Estimator::kMkn, "mkn"},
     {Estimator::kKn, "kn"},
     {Estimator::kAbs, "abs"},
     {Estimator::kWittenBell, "witten_bell"},
     {Estimator::kCountlm, "countlm"}}};
constexpr std::array<std::pair<TokenizerKind, std::string_view>, 3> kTokenizers{
    {{TokenizerKind::kByte, "byte"}, {TokenizerKind::kWord, "word"}, {TokenizerKind::kSpace, "space"}}};

std::string joined(std::string_view prompt, std::string_view answer) {
  std::string document(prompt);
  document += ' ';
  document += answer;
  return document;
}

}  // namespace

std::string_view name_of(Estimator estimator) {
  for (const auto& [value, name] : kEstimators) {
    if (value == estimator) return name;
  }
  return "?";
}

std::string_view name_of(TokenizerKind kind) {
  for (const auto& [value, name] : kTokenizers) {
    if (value == kind) return name;
  }
  return "?";
}

Result<Estimator> parse_estimator(std::string_view name) {
  for (const auto& [value, known] : kEstimators) {
    if (known == name) return value;
  }
  return Error{
      Code::kInvalidArgument,
      "The estimator \"" + std::string(name) + "\" is unknown; use mkn, kn, abs, witten_bell or countlm.",
      "estimator"};
}

Result<TokenizerKind> parse_tokenizer(std::string_view name) {
  for (const auto& [value, known] : kTokenizers) {
    if (known == name) return value;
  }
  return Error{Code::kInvalidArgument,
               "The tokenizer \"" + std::string(name) + "\" is unknown; use byte, word or space.",
               "tokenizer"};
}

Result<Model> Model::create(Config config) {
  if (config.order < 1 || config.order > kMaxOrder) {
    return Error{Code::kInvalidArgument,
                 "The order is " + std::to_string(config.order) + "; it must be from 1 to " +
                     std::to_string(kMaxOrder) + ".",
                 "order"};
  }
  if (!std::isfinite(config.beta) || !(config.beta > 0.0)) {
    return Error{Code::kInvalidArgument, "beta must be a finite number above 0 (0.5 is usual).", "beta"};
  }
  if (!std::isfinite(config.cache_lambda) || !(config.cache_lambda >= 0.0)) {
    return Error{Code::kInvalidArgument, "cache_lambda must be a finite number of at least 0.",
                 "cache_lambda"};
  }
  auto tokenizer = Tokenizer::create(config.tokenizer, std::move(config.words));
  if (!tokenizer) return std::move(tokenizer).error();
  Model model;
  model.estimator_ = config.estimator;
  model.beta_ = config.beta;
  model.cache_lambda_ = config.cache_lambda + 0.0;  // -0.0 would be another file for the same model
  model.tokenizer_ = *tokenizer;
  model.shape_.order = config.order;
  model.shape_.vocab_size = model.tokenizer_->vocab_size();
  model.shape_.bos = config.estimator != Estimator::kCountlm;
  model.shape_.eos = model.tokenizer_->eos();
  model.store_ = GramStore::create(model.shape_);
  return model;
}

Model::Model(const Model& other)
    : estimator_(other.estimator_),
      beta_(other.beta_),
      cache_lambda_(other.cache_lambda_),
      shape_(other.shape_),
      tokenizer_(other.tokenizer_),
      store_(other.store_->clone()),
      events_(other.events_),
      finalised_(other.finalised_) {}

Model& Model::operator=(const Model& other) {
  if (this != &other) *this = Model(other);
  return *this;
}

Result<void> Model::check_document(std::span<const Id> tokens, std::uint64_t copies) const {
  if (copies == 0) {
    return Error{Code::kInvalidArgument, "A document was given with 0 copies; give at least 1.", "copies"};
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < shape_.vocab_size && tokens[i] != shape_.eos) continue;
    if (tokens[i] == tokenizer_->outside() && tokenizer_->kind() == TokenizerKind::kSpace) {
      return Error{
          Code::kInvalidArgument,
          "Word " + std::to_string(i + 1) +
              " of the document is not in the word list, and the list has no \"<unk>\"; add the word or "
              "\"<unk>\" to the list.",
          "document"};
    }
    return Error{Code::kInvalidArgument,
                 "Token " + std::to_string(i + 1) + " of the document has the id " +
                     std::to_string(tokens[i]) + ", which is not a token below " +
                     std::to_string(shape_.vocab_size) +
                     " other than EOS; the end of a document is added by the model.",
                 "document"};
  }
  return {};
}

Result<void> Model::train_tokens(std::span<const Id> tokens, std::uint64_t copies) {
  if (auto checked = check_document(tokens, copies); !checked) return checked;
  const std::uint64_t events = event_count(shape_, tokens.size());
  if (events > 0 && copies > (kMaxEvents - events_) / events) {
    return Error{Code::kResourceExhausted,
                 "Counting a document of " + std::to_string(events) + " events " + std::to_string(copies) +
                     " times would pass 2^53 events; train on less text.",
                 "copies"};
  }
  store_->add(tokens, copies);
  events_ += events * copies;
  finalised_.reset();
  return {};
}

Result<void> Model::train(std::string_view document, std::uint64_t copies) {
  std::vector<Id> tokens;
  tokenizer_->encode_ids(document, tokens);
  return train_tokens(tokens, copies);
}

Result<void> Model::train_pair(std::string_view prompt, std::string_view answer, std::uint64_t copies) {
  return train(joined(prompt, answer), copies);
}

Result<void> Model::remove(std::span<const Id> tokens, std::uint64_t copies, std::uint64_t stride) {
  if (auto checked = check_document(tokens, copies); !checked) return checked;
  if (!store_->contains(tokens, copies)) {
    return Error{
        Code::kNotFound,
        "The document of " + std::to_string(tokens.size()) + " tokens was not trained " +
            std::to_string(copies) +
            " time(s): some of its n-grams are missing. Nothing was removed; check the list of trained "
            "documents.",
        std::string(kNotTrained)};
  }
  store_->remove(tokens, copies, stride);
  events_ -= event_count(shape_, tokens.size()) / stride * copies;
  finalised_.reset();
  return {};
}

Result<void> Model::unlearn_tokens(std::span<const Id> tokens, std::uint64_t copies) {
  return remove(tokens, copies, 1);
}

Result<void> Model::unlearn(std::string_view document, std::uint64_t copies) {
  std::vector<Id> tokens;
  tokenizer_->encode_ids(document, tokens);
  return remove(tokens, copies, 1);
}

Result<void> Model::unlearn_pair(std::string_view prompt, std::string_view answer, std::uint64_t copies) {
  return unlearn(joined(prompt, answer), copies);
}

Result<void> Model::unlearn_fraction(std::string_view document, std::uint64_t m) {
  if (m == 0) {
    return Error{Code::kInvalidArgument, "unlearn_fraction was given m = 0; give 1 (exact) or more.", "m"};
  }
  std::vector<Id> tokens;
  tokenizer_->encode_ids(document, tokens);
  return remove(tokens, 1, m);
}

Result<void> Model::finalise() {
  if (finalised_ != nullptr) return {};
  Config config;
  config.estimator = estimator_;
  config.order = shape_.order;
  config.tokenizer = tokenizer_->kind();
  config.beta = beta_;
  config.cache_lambda = cache_lambda_;
  auto trie = Trie::build(config, shape_, store_->rows());
  if (!trie) return std::move(trie).error();
  finalised_ = std::make_shared<const Finalised>(Finalised{std::move(config), shape_, std::move(*trie)});
  return {};
}

const Discounts* Model::discounts(int k) const {
  if (finalised_ == nullptr || k < 1 || k > shape_.order) return nullptr;
  return &finalised_->trie.levels()[static_cast<std::size_t>(k) - 1].discounts;
}

Result<State> Model::begin(std::span<const Id> context) const {
  if (finalised_ == nullptr) {
    return Error{Code::kInvalidArgument,
                 "The model was changed and not finalised; call finalise() before scoring or generating.",
                 ""};
  }
  for (std::size_t i = 0; i < context.size(); ++i) {
    if (context[i] < shape_.vocab_size || context[i] == tokenizer_->outside()) continue;
    return Error{Code::kInvalidArgument,
                 "Token " + std::to_string(i + 1) + " of the context has the id " +
                     std::to_string(context[i]) + "; ids must be below " + std::to_string(shape_.vocab_size) +
                     ".",
                 "context"};
  }
  return State(finalised_, context);
}

Result<State> Model::begin(std::string_view context) const {
  std::vector<Id> tokens;
  tokenizer_->encode_ids(context, tokens);
  return begin(tokens);
}

Result<std::vector<TokenStats>> Model::score(std::span<const Id> context, std::span<const Id> continuation,
                                             std::uint32_t mask) const {
  auto state = begin(context);
  if (!state) return std::move(state).error();
  for (std::size_t i = 0; i < continuation.size(); ++i) {
    if (continuation[i] < shape_.vocab_size || continuation[i] == tokenizer_->outside()) continue;
    return Error{Code::kInvalidArgument,
                 "Token " + std::to_string(i + 1) + " of the continuation has the id " +
                     std::to_string(continuation[i]) + "; ids must be below " +
                     std::to_string(shape_.vocab_size) + ".",
                 "continuation"};
  }
  std::vector<TokenStats> scores;
  scores.reserve(continuation.size());
  for (std::size_t i = 0; i < continuation.size(); ++i) {
    scores.push_back(state->stats(continuation[i], mask));
    if (i + 1 < continuation.size()) state->advance(continuation[i]);
  }
  return scores;
}

std::string Model::fingerprint() const {
  return to_hex(sha256(save()));
}

}  // namespace assay::ngram
