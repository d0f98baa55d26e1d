// One row: blocks, running maximum, top entries.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "dispatch.hpp"

namespace assay::kernel {
namespace {

/// The k largest entries so far. Entries come in ascending id, so a later equal one never displaces an
/// earlier.
class TopEntries {
 public:
  explicit TopEntries(std::size_t count) : count_(count) { heap_.reserve(count); }

  void look_at(const LoopTable& loops, std::span<const float> row, std::size_t begin, std::size_t count) {
    constexpr std::size_t kStretch = 64;
    const std::size_t end = begin + count;
    for (std::size_t i = begin; i < end; i += kStretch) {
      const std::size_t stop = std::min(i + kStretch, end);
      if (!(loops.largest(row.data() + i, stop - i) > least_)) continue;
      for (std::size_t k = i; k < stop; ++k) {
        if (row[k] > least_) insert({row[k], static_cast<std::int64_t>(k)});
      }
    }
  }
  /// What an entry must exceed to belong to the list.
  [[nodiscard]] float least() const { return least_; }

  /// Fills `out`; `shift` + `log_sum` is what to subtract from an entry for its log-probability.
  void write(std::span<TopToken> out, double shift, double log_sum) {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = i < heap_.size()
                   ? TopToken{heap_[i].id, narrow(static_cast<double>(heap_[i].value) - shift - log_sum)}
                   : TopToken{};
    }
  }

 private:
  struct Entry {
    float value;
    std::int64_t id;
  };
  static bool better(const Entry& a, const Entry& b) {
    return a.value > b.value || (a.value == b.value && a.id < b.id);
  }
  void insert(Entry entry) {
    if (heap_.size() == count_) {
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.pop_back();
    }
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), better);
    if (heap_.size() == count_) least_ = heap_.front().value;
  }

  std::size_t count_;
  float least_ = -kInfinity;
  std::vector<Entry> heap_;  ///< the worst in front
};

/// Sums about the largest entry so far.
struct RunningSums {
  float shift = kLowest;
  std::size_t top_block = 0;  ///< begin of the block where the largest entry appeared first
  double s0 = 0, s1 = 0, s2 = 0;

  /// Takes a larger entry as the shift: d becomes d + delta, every weight shrinks by e^delta.
  void raise(float largest, std::size_t block) {
    const double delta = static_cast<double>(shift) - static_cast<double>(largest);
    const double scale = std::exp(delta);
    if (s0 > 0 && scale > 0) {
      s2 = (s2 + 2 * delta * s1 + delta * delta * s0) * scale;
      s1 = (s1 + delta * s0) * scale;
      s0 *= scale;
    } else if (!std::isnan(s0)) {
      s0 = s1 = s2 = 0;
    }
    shift = largest;
    top_block = block;
  }
};

}  // namespace

Result<TokenStatistics> row_statistics(const LoopTable& loops, std::span<const float> row,
                                       std::int64_t target, std::uint32_t want, std::span<TopToken> top) {
  const auto refused = [&] { return token_stats(row, ASSAY_ROW_LOGITS, target, want); };
  if (row.empty() || target < -1 || target >= static_cast<std::int64_t>(row.size())) return refused();
  const bool moments = (want & kTokenMoments) != 0;
  const bool rank = (want & kTokenRank) != 0 && target >= 0;
  Block block{};
  if (target >= 0) block.target = row[static_cast<std::size_t>(target)];
  RunningSums sums;
  BlockSums part;
  TopEntries entries(top.size());
  float largest = loops.largest(row.data(), std::min(row.size(), kBlock));
  for (std::size_t begin = 0; begin < row.size(); begin += kBlock) {
    block.row = row.data() + begin;
    block.count = std::min(kBlock, row.size() - begin);
    const std::size_t next = begin + block.count;
    const bool whole_next = row.size() - next >= kBlock;
    block.ahead = whole_next ? row.data() + next : block.row;
    if (largest > sums.shift) sums.raise(largest, begin);
    if (!top.empty() && largest > entries.least()) entries.look_at(loops, row, begin, block.count);
    block.shift = sums.shift;
    // A block without an entry that reaches the target's needs no comparisons.
    const bool count = rank && largest >= block.target;
    loops.sums[moments ? 1 : 0][count ? 1 : 0](block, part);
    sums.s0 += part.s0;
    sums.s1 += part.s1;
    sums.s2 += part.s2;
    if (next < row.size()) {
      largest = whole_next ? part.ahead_largest : loops.largest(row.data() + next, row.size() - next);
    }
  }
  if (!(sums.s0 > 0)) return refused();  // NaN, +inf (less itself is NaN), or nothing but -inf

  TokenStatistics out;
  const double log_sum = std::log(sums.s0);
  if ((want & kTokenTop1) != 0) {
    const std::size_t in_block = std::min(kBlock, row.size() - sums.top_block);
    out.top1 = static_cast<std::int64_t>(sums.top_block +
                                         loops.find(row.data() + sums.top_block, in_block, sums.shift));
    out.top1_logprob = narrow(0.0 - log_sum);
  }
  if (moments) {
    const double mean = sums.s1 / sums.s0;
    out.mean_lp = narrow(mean - log_sum);
    out.entropy = 0.0 - out.mean_lp;
    out.var_lp = narrow(std::max(sums.s2 / sums.s0 - mean * mean, 0.0));
  }
  if (!top.empty()) entries.write(top, sums.shift, log_sum);
  if (target < 0) return out;
  out.logprob = narrow(static_cast<double>(block.target) - static_cast<double>(sums.shift) - log_sum);
  if (rank) {
    out.rank = part.above + 1;
    out.ties = part.equal - 1;
  }
  return out;
}

}  // namespace assay::kernel
