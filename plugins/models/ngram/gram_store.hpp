// The base table: how often each maximal n-gram occurred. It is the only thing a model stores (model-backends
// 1.2); everything else follows from it, which is why removing a document restores the earlier model exactly.
//
// Thread rule: reading is const and shareable, changing is exclusive.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "types.hpp"

namespace assay::ngram {

/// What the events of a document are.
struct GramShape {
  int order = 1;      ///< longest n-gram
  Id vocab_size = 0;  ///< predictable ids are 0 .. vocab_size - 1; BOS is vocab_size
  bool bos = true;    ///< one BOS stands in front of a document (as context only)
  Id eos = kNoId;     ///< the last event of a document, or kNoId when the end is no event
};

/// The table as plain numbers. Row i holds `order` fields: the context from its last symbol to its first,
/// padded with 0, then the predicted token; a field is the symbol's id + 1. Rows ascend lexicographically.
struct GramRows {
  int order = 1;
  std::vector<std::uint32_t> fields;  ///< rows * order
  std::vector<std::uint64_t> counts;  ///< rows, each >= 1
  [[nodiscard]] std::size_t size() const { return counts.size(); }
};

/// Hash table from packed n-gram to count. Its layout is never observable: rows() sorts.
class GramStore {
 public:
  static std::unique_ptr<GramStore> create(const GramShape& shape);
  virtual ~GramStore() = default;
  GramStore() = default;
  GramStore(const GramStore&) = delete;
  GramStore& operator=(const GramStore&) = delete;
  [[nodiscard]] virtual std::unique_ptr<GramStore> clone() const = 0;

  /// Counts the events of one document (`tokens` without BOS and EOS, each < vocab_size and not EOS).
  virtual void add(std::span<const Id> tokens, std::uint64_t copies) = 0;
  /// True when every n-gram of the document is present at least as often as `copies` documents need.
  [[nodiscard]] virtual bool contains(std::span<const Id> tokens, std::uint64_t copies) const = 0;
  /// Removes every `stride`-th event of the document (1 = all). Precondition: contains(tokens, copies).
  virtual void remove(std::span<const Id> tokens, std::uint64_t copies, std::uint64_t stride) = 0;
  /// Adds rows of a file. Precondition: the rows are valid and distinct.
  virtual void load(const GramRows& rows) = 0;

  /// Number of distinct maximal n-grams.
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// The canonical, sorted form.
  [[nodiscard]] virtual GramRows rows() const = 0;
};

/// Number of events of a document with `tokens` tokens.
std::uint64_t event_count(const GramShape& shape, std::size_t tokens);

}  // namespace assay::ngram
