#include "plugins/models/replay/row_index.hpp"

#include <utility>

namespace assay::replay {

std::size_t RowIndex::home(const Fingerprint& key) const {
  // Multiply and shift maps the fingerprint onto any table size without a division.
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::size_t>((static_cast<Wide>(key.low) * slots_.size()) >> 64U);
}

void RowIndex::reserve(std::size_t keys) {
  const std::size_t wanted = keys + keys / 3 + 8;
  if (wanted > slots_.size()) grow(wanted);
}

void RowIndex::grow(std::size_t slots) {
  std::vector<Slot> old(slots);
  std::swap(old, slots_);
  for (const Slot& slot : old) {
    if (slot.offset == kFree) continue;
    std::size_t at = home(slot.key);
    while (slots_[at].offset != kFree) at = at + 1 == slots_.size() ? 0 : at + 1;
    slots_[at] = slot;
  }
}

std::optional<std::uint64_t> RowIndex::insert(const Fingerprint& key, std::uint64_t offset) {
  if (used_ + used_ / 3 + 8 > slots_.size()) grow(slots_.size() * 2 + 16);
  std::size_t at = home(key);
  for (; slots_[at].offset != kFree; at = at + 1 == slots_.size() ? 0 : at + 1) {
    if (slots_[at].key == key) return slots_[at].offset;
  }
  slots_[at] = {key, offset};
  ++used_;
  return std::nullopt;
}

std::optional<std::uint64_t> RowIndex::find(const Fingerprint& key) const {
  if (slots_.empty()) return std::nullopt;
  for (std::size_t at = home(key); slots_[at].offset != kFree; at = at + 1 == slots_.size() ? 0 : at + 1) {
    if (slots_[at].key == key) return slots_[at].offset;
  }
  return std::nullopt;
}

}  // namespace assay::replay
