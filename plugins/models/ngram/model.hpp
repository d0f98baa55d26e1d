// The count model: training, exact unlearning, scoring, saving.
//
// One store of integer counts serves every estimator. unlearn(train(R + F), F) equals train(R) in the table,
// in the saved bytes and in the bits of every probability, for every estimator and tokenizer.
// Thread rule: changing a Model (train, unlearn, finalise, assignment) is exclusive; its const members and
// all States made from it may be used by any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gram_store.hpp"
#include "state.hpp"
#include "tokenizer.hpp"
#include "types.hpp"

namespace assay::ngram {

/// `Error::key` of the refusal to unlearn a document whose n-grams are not all present (Code::kNotFound).
inline constexpr std::string_view kNotTrained = "not_trained";

class Model {
 public:
  /// Errors: kInvalidArgument for an order outside 1 .. kMaxOrder, beta not finite and > 0, cache_lambda not
  /// finite and >= 0, or a bad word list.
  static Result<Model> create(Config config);

  Model(const Model& other);
  Model& operator=(const Model& other);
  Model(Model&&) noexcept = default;
  Model& operator=(Model&&) noexcept = default;
  ~Model() = default;

  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  [[nodiscard]] Estimator estimator() const { return estimator_; }
  [[nodiscard]] int order() const { return shape_.order; }
  [[nodiscard]] double beta() const { return beta_; }
  [[nodiscard]] double cache_lambda() const { return cache_lambda_; }
  [[nodiscard]] bool has_bos() const { return shape_.bos; }
  [[nodiscard]] Id vocab_size() const { return shape_.vocab_size; }
  /// Events counted so far (tokens and ends of documents).
  [[nodiscard]] std::uint64_t events() const { return events_; }
  /// Distinct maximal n-grams in the base table.
  [[nodiscard]] std::size_t entries() const { return store_->size(); }
  /// The base table in its canonical order.
  [[nodiscard]] GramRows table() const { return store_->rows(); }

  /// Counts one document `copies` times. Errors: kInvalidArgument for 0 copies or a word outside a list
  /// without "<unk>"; kResourceExhausted beyond 2^53 events. No change on error.
  Result<void> train(std::string_view document, std::uint64_t copies = 1);
  /// Document of a prompt and its answer: prompt, one blank, answer.
  Result<void> train_pair(std::string_view prompt, std::string_view answer, std::uint64_t copies = 1);
  /// Document given as ids (no BOS, no EOS). Errors also: kInvalidArgument for an id outside 0 .. |V| - 1.
  Result<void> train_tokens(std::span<const Id> tokens, std::uint64_t copies = 1);

  /// Removes what train() added. Errors: as train(), and kNotFound with key "not_trained" when some n-gram of
  /// the document is not present often enough; the model is unchanged then. The check is necessary, not
  /// sufficient: a document made only of n-grams of others passes, so the caller owns the list of members.
  Result<void> unlearn(std::string_view document, std::uint64_t copies = 1);
  Result<void> unlearn_pair(std::string_view prompt, std::string_view answer, std::uint64_t copies = 1);
  Result<void> unlearn_tokens(std::span<const Id> tokens, std::uint64_t copies = 1);
  /// *Inexact* unlearning, a planted failure for metrics to catch: removes only events m, 2m, 3m, ... of the
  /// document. Errors: as unlearn(), and kInvalidArgument for m = 0. m = 1 is exact.
  Result<void> unlearn_fraction(std::string_view document, std::uint64_t m);

  /// Derives all statistics from the base table; needed before begin() and score() after every change. Cheap
  /// when nothing changed. Errors: kResourceExhausted.
  Result<void> finalise();
  [[nodiscard]] bool finalised() const { return finalised_ != nullptr; }
  /// Discounts of n-grams of length k (1 .. order) or nullptr before finalise(). Used by mkn, kn, abs only.
  [[nodiscard]] const Discounts* discounts(int k) const;

  /// State after `context` (ids < |V|, or the outside id; no BOS). Errors: kInvalidArgument when the model is
  /// not finalised or an id is out of range.
  [[nodiscard]] Result<State> begin(std::span<const Id> context) const;
  [[nodiscard]] Result<State> begin(std::string_view context) const;
  /// Statistics of each continuation token after `context` and the tokens before it. Give the full history:
  /// a context cut short of BOS is another estimate. Errors: as begin().
  [[nodiscard]] Result<std::vector<TokenStats>> score(std::span<const Id> context,
                                                      std::span<const Id> continuation,
                                                      std::uint32_t mask = kLogprobOnly) const;

  /// The file format's bytes; equal models give equal bytes, whatever order they were trained in.
  [[nodiscard]] std::string save() const;
  /// Errors: kData naming the offset and what was expected there. load(save(x)) saves the same bytes again.
  static Result<Model> load(std::string_view bytes);
  Result<void> save_file(const std::string& path) const;
  static Result<Model> load_file(const std::string& path);
  /// SHA-256 of save(), hexadecimal: equal exactly for equal models.
  [[nodiscard]] std::string fingerprint() const;

 private:
  Model() = default;
  Result<void> check_document(std::span<const Id> tokens, std::uint64_t copies) const;
  Result<void> remove(std::span<const Id> tokens, std::uint64_t copies, std::uint64_t stride);

  Estimator estimator_ = Estimator::kMkn;
  double beta_ = 0.5;
  double cache_lambda_ = 0.0;
  GramShape shape_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<GramStore> store_;
  std::uint64_t events_ = 0;
  std::shared_ptr<const Finalised> finalised_;  // null after a change
};

}  // namespace assay::ngram
