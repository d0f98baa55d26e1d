// Where in a file the record of a key begins: a table of fingerprints and offsets, nothing of the records.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plugins/models/replay/request_key.hpp"

namespace assay::replay {

/// Open addressing, 24 bytes per slot, at most 3/4 full. Thread rule: insert from one thread, then read
/// freely.
class RowIndex {
 public:
  /// Room for that many keys without growing.
  void reserve(std::size_t keys);
  /// Adds a key. Returns the offset already stored for it instead, if there is one.
  std::optional<std::uint64_t> insert(const Fingerprint& key, std::uint64_t offset);
  [[nodiscard]] std::optional<std::uint64_t> find(const Fingerprint& key) const;
  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    Fingerprint key;
    std::uint64_t offset = kFree;
  };
  void grow(std::size_t slots);
  [[nodiscard]] std::size_t home(const Fingerprint& key) const;

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace assay::replay
