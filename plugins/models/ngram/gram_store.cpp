#include "gram_store.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace assay::ngram {
namespace {

/// A packed n-gram: the fields of GramRows from the most significant bit down, so that comparing keys as
/// numbers is comparing rows. W 64-bit words, the most significant first.
template <std::size_t W>
using Key = std::array<std::uint64_t, W>;

template <std::size_t W>
class Packing {
 public:
  Packing(int order, unsigned bits) : order_(static_cast<unsigned>(order)), bits_(bits) {
    for (unsigned field = 0; field + 1 < order_; ++field) {
      deposit(context_mask_, field, bits_ == 32 ? 0xFFFFFFFFU : (1U << bits_) - 1U);
    }
  }

  void deposit(Key<W>& key, unsigned field, std::uint32_t value) const {
    const unsigned offset = static_cast<unsigned>(W) * 64U - (field + 1U) * bits_;
    const std::size_t word = (W - 1 - offset / 64U) % W;
    const unsigned shift = offset % 64U;
    key[word] |= std::uint64_t{value} << shift;
    if constexpr (W > 1) {
      if (shift + bits_ > 64U) key[(word - 1) % W] |= std::uint64_t{value} >> (64U - shift);
    }
  }

  [[nodiscard]] std::uint32_t extract(const Key<W>& key, unsigned field) const {
    const unsigned offset = static_cast<unsigned>(W) * 64U - (field + 1U) * bits_;
    const std::size_t word = (W - 1 - offset / 64U) % W;
    const unsigned shift = offset % 64U;
    std::uint64_t value = key[word] >> shift;
    if constexpr (W > 1) {
      if (shift + bits_ > 64U) value |= key[(word - 1) % W] << (64U - shift);
    }
    return static_cast<std::uint32_t>(value & ((std::uint64_t{1} << bits_) - 1U));
  }

  /// Puts `symbol` behind a context: older symbols move one field down, the oldest drops out.
  void push(Key<W>& context, std::uint32_t symbol) const {
    if (order_ == 1) return;
    for (std::size_t i = W; i-- > 0;) {
      context[i] >>= bits_;
      if (i > 0) context[i] |= context[i - 1] << (64U - bits_);
      context[i] &= context_mask_[i];
    }
    deposit(context, 0, symbol);
  }

  [[nodiscard]] unsigned order() const { return order_; }

 private:
  unsigned order_;
  unsigned bits_;
  Key<W> context_mask_{};
};

template <std::size_t W>
class PackedStore final : public GramStore {
 public:
  PackedStore(const GramShape& shape, unsigned bits) : shape_(shape), packing_(shape.order, bits) {
    slots_.resize(kFirstCapacity);
  }

  [[nodiscard]] std::unique_ptr<GramStore> clone() const override {
    auto copy = std::make_unique<PackedStore>(shape_, packing_);
    copy->slots_ = slots_;
    copy->used_ = used_;
    return copy;
  }
  PackedStore(const GramShape& shape, const Packing<W>& packing) : shape_(shape), packing_(packing) {}

  void add(std::span<const Id> tokens, std::uint64_t copies) override {
    // Blocks keep the keys in cache and let the loads of a block overlap.
    std::vector<Key<W>> block;
    block.reserve(std::min(kBlock, tokens.size() + 1));
    const auto flush = [&] {
      reserve(used_ + block.size());
      for (std::size_t i = 0; i < block.size(); ++i) {
        if (i + kAhead < block.size()) __builtin_prefetch(&slots_[home(block[i + kAhead])]);
        Slot& slot = slots_[locate(block[i])];
        if (slot.count == 0) {
          slot.key = block[i];
          ++used_;
        }
        slot.count += copies;
      }
      block.clear();
    };
    for_each_event(tokens, [&](const Key<W>& key) {
      block.push_back(key);
      if (block.size() == kBlock) flush();
    });
    flush();
  }

  [[nodiscard]] bool contains(std::span<const Id> tokens, std::uint64_t copies) const override {
    const std::vector<Key<W>> keys = sorted_keys(tokens, 1);
    for (std::size_t i = 0; i < keys.size();) {
      std::size_t end = i + 1;
      while (end < keys.size() && keys[end] == keys[i]) ++end;
      const std::uint64_t present = slots_[locate(keys[i])].count;
      if (present / (end - i) < copies) return false;
      i = end;
    }
    return true;
  }

  void remove(std::span<const Id> tokens, std::uint64_t copies, std::uint64_t stride) override {
    for (const Key<W>& key : sorted_keys(tokens, stride)) {
      const std::size_t at = locate(key);
      slots_[at].count -= copies;
      if (slots_[at].count == 0) erase(at);
    }
  }

  void load(const GramRows& rows) override {
    reserve(used_ + rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Key<W> key{};
      for (unsigned f = 0; f < packing_.order(); ++f) {
        packing_.deposit(key, f, rows.fields[i * packing_.order() + f]);
      }
      slots_[locate(key)] = Slot{key, rows.counts[i]};
      ++used_;
    }
  }

  [[nodiscard]] std::size_t size() const override { return used_; }

  [[nodiscard]] GramRows rows() const override {
    std::vector<Slot> sorted;
    sorted.reserve(used_);
    for (const Slot& slot : slots_) {
      if (slot.count != 0) sorted.push_back(slot);
    }
    std::sort(sorted.begin(), sorted.end(), [](const Slot& a, const Slot& b) { return a.key < b.key; });
    GramRows rows;
    rows.order = shape_.order;
    rows.counts.resize(used_);
    rows.fields.resize(used_ * packing_.order());
    std::uint32_t* field = rows.fields.data();
    for (std::size_t i = 0; i < used_; ++i) {
      rows.counts[i] = sorted[i].count;
      for (unsigned f = 0; f < packing_.order(); ++f) *field++ = packing_.extract(sorted[i].key, f);
    }
    return rows;
  }

 private:
  struct Slot {
    Key<W> key{};
    std::uint64_t count = 0;  // 0 marks a free slot
  };
  static constexpr std::size_t kFirstCapacity = 64;
  static constexpr std::size_t kBlock = 4096;
  static constexpr std::size_t kAhead = 12;

  template <class Emit>
  void for_each_event(std::span<const Id> tokens, Emit&& emit) const {
    Key<W> context{};
    if (shape_.bos) packing_.push(context, shape_.vocab_size + 1U);
    const auto event = [&](Id token) {
      Key<W> key = context;
      packing_.deposit(key, packing_.order() - 1U, token + 1U);
      emit(key);
    };
    for (const Id token : tokens) {
      event(token);
      packing_.push(context, token + 1U);
    }
    if (shape_.eos != kNoId) event(shape_.eos);
  }

  [[nodiscard]] std::vector<Key<W>> sorted_keys(std::span<const Id> tokens, std::uint64_t stride) const {
    std::vector<Key<W>> keys;
    std::uint64_t position = 0;
    for_each_event(tokens, [&](const Key<W>& key) {
      if (++position % stride == 0) keys.push_back(key);
    });
    std::sort(keys.begin(), keys.end());
    return keys;
  }

  [[nodiscard]] std::size_t home(const Key<W>& key) const {
    std::uint64_t hash = 0;
    for (const std::uint64_t word : key) {
      hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
      hash ^= hash >> 29U;
    }
    hash *= 0xBF58476D1CE4E5B9ULL;
    hash ^= hash >> 32U;
    return static_cast<std::size_t>(hash) & (slots_.size() - 1);
  }

  /// The key's slot, or the free slot where it belongs.
  [[nodiscard]] std::size_t locate(const Key<W>& key) const {
    std::size_t at = home(key);
    while (slots_[at].count != 0 && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  void reserve(std::size_t entries) {
    if (entries * 5 < slots_.size() * 3) return;
    std::vector<Slot> old(std::bit_ceil(entries * 2 + kFirstCapacity));
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.count != 0) slots_[locate(slot.key)] = slot;
    }
  }

  /// Frees a slot and closes the gap, so that searching needs no tombstones.
  void erase(std::size_t hole) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t next = (hole + 1) & mask; slots_[next].count != 0; next = (next + 1) & mask) {
      if (((next - home(slots_[next].key)) & mask) >= ((next - hole) & mask)) {
        slots_[hole] = slots_[next];
        hole = next;
      }
    }
    slots_[hole] = Slot{};
    --used_;
  }

  GramShape shape_;
  Packing<W> packing_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace

std::uint64_t event_count(const GramShape& shape, std::size_t tokens) {
  return std::uint64_t{tokens} + (shape.eos != kNoId ? 1U : 0U);
}

std::unique_ptr<GramStore> GramStore::create(const GramShape& shape) {
  // Fields hold id + 1, the largest being BOS + 1; 0 is padding.
  const auto bits = static_cast<unsigned>(std::bit_width(std::uint64_t{shape.vocab_size} + 1U));
  const unsigned words = (static_cast<unsigned>(shape.order) * bits + 63U) / 64U;
  switch (words) {
    case 0:
    case 1:
      return std::make_unique<PackedStore<1>>(shape, bits);
    case 2:
      return std::make_unique<PackedStore<2>>(shape, bits);
    case 3:
      return std::make_unique<PackedStore<3>>(shape, bits);
    case 4:
      return std::make_unique<PackedStore<4>>(shape, bits);
    default:
      return std::make_unique<PackedStore<8>>(shape, bits);  // 16 fields of 32 bits
  }
}

}  // namespace assay::ngram
