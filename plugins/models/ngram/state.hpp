// A position in a text: which contexts of the model apply there, and every probability question about the
// next token. Probabilities use only + - * /, so they are equal on all IEEE machines; logarithms may differ
// in the last bit between C libraries.
//
// Thread rule: a State belongs to one thread; any number of States may read one finalised Model.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "trie.hpp"

namespace assay::ngram {

/// The part of a finalised model that States read; kept alive by them.
struct Finalised {
  Config config;  ///< without the word list
  GramShape shape;
  Trie trie;
};

class State {
 public:
  /// Starts after `context` (ids below |V| or the outside id, BOS not included; the model puts it in front).
  /// With a countlm cache, `context` is also the prompt the cache counts. Precondition: ids are valid.
  State(std::shared_ptr<const Finalised> model, std::span<const Id> context);

  /// Appends one token. The cache does not grow.
  void advance(Id token);

  /// P(token | everything so far), in (0, 1]. An id outside the vocabulary gets the base and back-off terms.
  [[nodiscard]] double probability(Id token) const;
  /// ln of the above.
  [[nodiscard]] double logprob(Id token) const;
  /// Fills `out[id]` for all ids; same bits as probability(). Precondition: out.size() == vocab_size().
  void distribution(std::span<double> out) const;
  /// Statistics of `token` as the next token; see StatsMask. Without flags the cost is one probability;
  /// moments are stored per context, and ranks cost at most the number of successors of the last token, not
  /// |V|. With a cache everything costs the latter.
  [[nodiscard]] TokenStats stats(Id token, std::uint32_t mask) const;
  /// Most probable next token, the lowest id on ties.
  [[nodiscard]] Id top1() const;

  [[nodiscard]] Id vocab_size() const { return model_->shape.vocab_size; }

 private:
  /// A context of the history and its step.
  struct Reached {
    std::uint32_t node = Trie::kNone;  ///< kNone: the table has not seen the context
    Step step;
  };

  void refresh();
  [[nodiscard]] bool cached() const { return !prompt_.empty(); }
  [[nodiscard]] double cache_count(std::size_t depth, Id token) const;
  [[nodiscard]] double cached_probability(Id token) const;
  /// Number of contexts the table has seen (they come first); without a cache these decide everything.
  [[nodiscard]] std::size_t seen_contexts() const;
  // The distribution in two parts: tokens that followed the last token or stand in the prompt (`listed`), and
  // for all others one probability per class.
  void spread() const;
  void spread_classes() const;
  void spread_listed() const;
  void spread_listed_cached() const;
  void find_top(TokenStats& out) const;
  void find_rank(double p_token, TokenStats& out) const;
  void find_moments(TokenStats& out) const;

  std::shared_ptr<const Finalised> model_;
  std::array<Id, kMaxOrder> history_{};  // newest first
  std::size_t history_size_ = 0;
  std::array<Reached, kMaxOrder> path_{};  // by context length
  std::size_t path_size_ = 0;
  std::vector<Id> prompt_;                                     // empty without a cache
  std::array<std::vector<std::uint32_t>, kMaxOrder> matches_;  // prompt positions after each context
  // Result of spread(), valid until the state advances; kept to save allocations.
  mutable bool spread_ = false;
  mutable std::vector<Id> listed_;
  mutable std::vector<double> listed_p_;
  mutable std::vector<double> class_p_;
  mutable std::vector<std::uint32_t> class_rest_;  // members of each class that are not listed
};

}  // namespace assay::ngram
