#include "token_ids.hpp"

#include <algorithm>

namespace assay::text {

void ColumnMasks::clear_scratch() {
  if (scratch_slot_ == kNoSlot) return;
  const Slot& s = slots_[scratch_slot_];
  for (std::size_t k = 0; k < s.count; ++k) scratch_[positions_[s.first + k] / 64] = 0;
  scratch_slot_ = kNoSlot;
}

void ColumnMasks::assign(std::span<const TokenId> columns) {
  clear_scratch();
  for (const TokenId id : used_ids_) slot_of_id_[id] = kNoSlot;
  used_ids_.clear();
  slots_.clear();
  columns_ = columns.size();
  words_ = (columns_ + 63) / 64;
  for (const TokenId id : columns) {
    if (slot_of_id_[id] == kNoSlot) {
      slot_of_id_[id] = static_cast<std::uint32_t>(slots_.size());
      used_ids_.push_back(id);
      slots_.emplace_back();
    }
    ++slots_[slot_of_id_[id]].count;
  }
  std::size_t first = 0;
  std::size_t dense = 0;
  for (Slot& s : slots_) {
    s.first = first;
    first += s.count;
    s.is_dense = words_ == 1 || s.count > words_;
    if (s.is_dense) {
      s.dense = dense;
      dense += words_;
    }
    s.count = 0;
  }
  positions_.resize(columns_);
  dense_.assign(dense, 0);
  if (scratch_.size() < std::max<std::size_t>(words_, 1))
    scratch_.resize(std::max<std::size_t>(words_, 1), 0);
  for (std::size_t j = 0; j < columns_; ++j) {
    Slot& s = slots_[slot_of_id_[columns[j]]];
    positions_[s.first + s.count++] = j;
    if (s.is_dense) dense_[s.dense + j / 64] |= std::uint64_t{1} << (j % 64);
  }
}

const std::uint64_t* ColumnMasks::bits(TokenId id) {
  const std::uint32_t slot = slot_of_id_[id];
  if (slot != kNoSlot && slots_[slot].is_dense) return dense_.data() + slots_[slot].dense;
  if (slot == scratch_slot_) return scratch_.data();
  clear_scratch();
  if (slot == kNoSlot) return scratch_.data();
  const Slot& s = slots_[slot];
  for (std::size_t k = 0; k < s.count; ++k) {
    const std::size_t j = positions_[s.first + k];
    scratch_[j / 64] |= std::uint64_t{1} << (j % 64);
  }
  scratch_slot_ = slot;
  return scratch_.data();
}

}  // namespace assay::text
