// Everything an estimator derives from the base table, computed once by finalise(): per context length a
// sorted list of contexts, each with its successors sorted by id, plus discounts and classes of order 1.
//
// Sources: modified Kneser-Ney, Chen and Goodman 1998; Witten-Bell, Witten and Bell 1991; the exact forms are
// those of the project's model description (one BOS, adjusted counts of n-grams that begin with BOS).
// Thread rule: const after build(), shareable.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gram_store.hpp"

namespace assay::ngram {

/// Which rule gave the discounts of an order (tried in this sequence).
enum class DiscountRule : std::uint8_t { kFull, kSingle, kConst };
std::string_view name_of(DiscountRule rule);

/// Discounts of one order: D(a) = d[min(a, 3)], d[0] = 0.
struct Discounts {
  DiscountRule rule = DiscountRule::kConst;
  std::array<double, 4> d{0.0, 0.75, 0.75, 0.75};
  std::array<std::uint64_t, 4> t{};  ///< t[j-1] = number of k-grams with adjusted count j, j = 1..4
};

/// Discounts from the counts of counts. `three` allows the rule `full`.
Discounts make_discounts(const std::array<std::uint64_t, 4>& t, bool three);

/// A context of a fixed length. Its successors are [entry_begin, next node's entry_begin) of the level, its
/// extensions to the left [child_begin, next node's child_begin) of the next level.
struct Node {
  std::uint32_t symbol = 0;  ///< leftmost symbol of the context
  std::uint32_t entry_begin = 0;
  std::uint32_t child_begin = 0;
  double total = 0.0;      ///< sum of the successors' counts
  double backoff = 0.0;    ///< gamma (mkn, kn, abs); number of successors (witten_bell); beta (countlm)
  double mean_lp = 0.0;    ///< sum p ln p over the vocabulary in this context
  double square_lp = 0.0;  ///< sum p (ln p)^2
  double bound = 0.0;      ///< no token is more probable than this
  Id top = kNoId;          ///< most probable token, or kNoId when it is not certain to be a successor
};

/// One interpolation step of an estimator: the probability after a context from the (adjusted) count there
/// and the probability after the next shorter context. The only place where counts become probabilities.
struct Step {
  Estimator estimator = Estimator::kMkn;
  double total = 0.0;        ///< Node::total, 0 for a context the table has not seen
  double backoff = 0.0;      ///< Node::backoff
  double cache_total = 0.0;  ///< countlm: lambda * D
  const double* discounts = nullptr;

  [[nodiscard]] double apply(std::uint64_t count, double cache, double lower) const {
    const auto a = static_cast<double>(count);
    if (estimator == Estimator::kCountlm)
      return (a + cache + backoff * lower) / (total + cache_total + backoff);
    if (!(total > 0.0)) return lower;
    if (estimator == Estimator::kWittenBell) return (a + backoff * lower) / (total + backoff);
    const double backed_off = backoff * lower;
    if (count == 0) return backed_off;
    return std::max(a - discounts[std::min<std::uint64_t>(count, 3)], 0.0) / total + backed_off;
  }

  /// The same for tokens the context has not seen, in place: the bits of apply(0, 0, p) for each p.
  void apply_unseen(std::span<double> p) const {
    if (estimator == Estimator::kCountlm) {
      const double below = total + cache_total + backoff;
      for (double& value : p) value = (backoff * value) / below;
    } else if (total > 0.0 && estimator == Estimator::kWittenBell) {
      const double below = total + backoff;
      for (double& value : p) value = (backoff * value) / below;
    } else if (total > 0.0) {
      for (double& value : p) value = backoff * value;
    }
  }
};

/// All contexts of one length. `nodes` ends with a sentinel that closes the last ranges.
struct Level {
  std::vector<Node> nodes;
  std::vector<Id> words;              ///< successors, ascending within a node
  std::vector<std::uint64_t> counts;  ///< their (adjusted) counts
  std::vector<double> probs;          ///< their probabilities in this context, without a cache
  Discounts discounts;                ///< of the n-grams one longer than the context
  [[nodiscard]] std::size_t node_count() const { return nodes.size() - 1; }
};

class Trie {
 public:
  /// Errors: kResourceExhausted when a level exceeds 2^32 - 2 entries.
  static Result<Trie> build(const Config& config, const GramShape& shape, const GramRows& rows);

  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;

  [[nodiscard]] const std::vector<Level>& levels() const { return levels_; }
  /// Node of the context "symbol, then the context of `node`" one level deeper, or kNone.
  [[nodiscard]] std::uint32_t child(std::size_t depth, std::uint32_t node, Id symbol) const;
  /// Index of `word` among the level's entries, or kNone when the context has not seen it.
  [[nodiscard]] std::uint32_t entry(std::size_t depth, std::uint32_t node, Id word) const;
  /// The step that leads to the context `node`.
  [[nodiscard]] Step step(std::size_t depth, std::uint32_t node) const;

  /// Tokens grouped by their order-1 count, ascending: tokens of a class always have equal probability in a
  /// context that has seen none of them.
  struct Classes {
    std::vector<std::uint64_t> count;  ///< order-1 count of the class (may be 0)
    std::vector<double> p;             ///< order-1 probability, without a cache
    std::vector<std::uint32_t> begin;  ///< members [begin[c], begin[c+1]); one longer than `count`
    std::vector<Id> members;           ///< ascending ids within a class
    std::vector<std::uint32_t> of;     ///< class of each id
  };
  [[nodiscard]] const Classes& classes() const { return classes_; }

 private:
  void make_nodes(const GramShape& shape, const GramRows& rows);
  void make_entries(std::size_t depth, bool distinct_left, Id vocab_size);
  void make_classes(Id vocab_size);
  void close_level(const Config& config, Level& level) const;
  void fill_root();
  void fill_level(std::size_t depth);

  /// Rows whose context is exactly a node of this level (it cannot be extended to the left).
  struct Direct {
    std::vector<std::uint32_t> node;
    std::vector<Id> word;
    std::vector<std::uint64_t> count;
  };
  Estimator estimator_ = Estimator::kMkn;
  std::vector<Level> levels_;
  std::vector<Direct> direct_;              // empty after build()
  std::vector<std::uint32_t> first_child_;  // depth-1 node by symbol
  Classes classes_;
};

}  // namespace assay::ngram
