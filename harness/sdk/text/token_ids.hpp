// Dense token numbers and the column masks of the bit-parallel algorithms. Private to the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "assay/text/edit.hpp"

namespace assay::text {

/// Numbers tokens 0, 1, ... in order of first appearance. The views must outlive the object.
class TokenIds {
 public:
  TokenId id(std::string_view token) {
    return ids_.try_emplace(token, static_cast<TokenId>(ids_.size())).first->second;
  }
  template <class Tokens>
  std::vector<TokenId> ids(const Tokens& tokens) {
    std::vector<TokenId> out;
    out.reserve(tokens.size());
    for (const auto& t : tokens) out.push_back(id(t));
    return out;
  }
  std::size_t size() const { return ids_.size(); }

 private:
  std::unordered_map<std::string_view, TokenId> ids_;
};

/// For a sequence of columns: which columns hold a given token, as bits. Tokens that occur more often than
/// a row has words keep their bits ready; for the others the bits are set on demand, so that memory stays
/// proportional to the number of columns.
class ColumnMasks {
 public:
  /// `id_count`: all ids are below it.
  explicit ColumnMasks(std::size_t id_count) : slot_of_id_(id_count, kNoSlot) {}

  /// Replaces the columns.
  void assign(std::span<const TokenId> columns);
  std::size_t columns() const { return columns_; }
  /// Number of 64-bit words of a row.
  std::size_t words() const { return words_; }
  /// words() words; bit j is set if column j holds `id`. Valid until the next call of bits or assign.
  const std::uint64_t* bits(TokenId id);

 private:
  static constexpr std::uint32_t kNoSlot = 0xFFFFFFFFU;
  struct Slot {
    std::size_t first = 0;  // into positions_
    std::size_t count = 0;  // occurrences
    std::size_t dense = 0;  // offset in dense_, if is_dense
    bool is_dense = false;
  };
  void clear_scratch();

  std::size_t columns_ = 0;
  std::size_t words_ = 0;
  std::vector<std::uint32_t> slot_of_id_;
  std::vector<TokenId> used_ids_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> positions_;
  std::vector<std::uint64_t> dense_;
  std::vector<std::uint64_t> scratch_;  // all zero except for the bits of scratch_slot_
  std::uint32_t scratch_slot_ = kNoSlot;
};

/// Length of the longest common subsequence of `rows` and the columns of `masks`.
std::size_t lcs_length(std::span<const TokenId> rows, ColumnMasks& masks);
/// lcs_matches for ids below the limit of `masks`; `columns` must be the assigned columns.
std::vector<LcsMatch> lcs_matches(std::span<const TokenId> rows, std::span<const TokenId> columns,
                                  ColumnMasks& masks);
/// Levenshtein distance of `rows` and the columns of `masks`.
std::size_t levenshtein(std::span<const TokenId> rows, ColumnMasks& masks);

}  // namespace assay::text
