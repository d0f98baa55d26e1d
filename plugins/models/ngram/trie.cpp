#include "trie.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay::ngram {

std::string_view name_of(DiscountRule rule) {
  switch (rule) {
    case DiscountRule::kFull:
      return "full";
    case DiscountRule::kSingle:
      return "single";
    case DiscountRule::kConst:
      break;
  }
  return "const";
}

Discounts make_discounts(const std::array<std::uint64_t, 4>& t, bool three) {
  Discounts out;
  out.t = t;
  const std::array<double, 4> n{static_cast<double>(t[0]), static_cast<double>(t[1]),
                                static_cast<double>(t[2]), static_cast<double>(t[3])};
  if (t[0] == 0 || t[1] == 0) return out;
  const double y = n[0] / (n[0] + 2.0 * n[1]);
  out.rule = DiscountRule::kSingle;
  out.d = {0.0, y, y, y};
  if (!three || t[2] == 0 || t[3] == 0) return out;
  const double d1 = 1.0 - 2.0 * y * n[1] / n[0];
  const double d2 = 2.0 - 3.0 * y * n[2] / n[1];
  const double d3 = 3.0 - 4.0 * y * n[3] / n[2];
  if (d1 > 0.0 && d1 <= 1.0 && d2 > 0.0 && d2 <= 2.0 && d3 > 0.0 && d3 <= 3.0) {
    out.rule = DiscountRule::kFull;
    out.d = {0.0, d1, d2, d3};
  }
  return out;
}

Result<Trie> Trie::build(const Config& config, const GramShape& shape, const GramRows& rows) {
  if (rows.size() >= kNone - 1) {
    return Error{
        Code::kResourceExhausted,
        "The model holds " + std::to_string(rows.size()) +
            " distinct n-grams; at most 2^32 - 2 are supported. Lower the order or train on less text.",
        "order"};
  }
  Trie trie;
  trie.estimator_ = config.estimator;
  trie.make_nodes(shape, rows);
  const bool continuation = config.estimator == Estimator::kMkn || config.estimator == Estimator::kKn;
  for (std::size_t depth = trie.levels_.size(); depth-- > 0;) {
    trie.make_entries(depth, continuation, shape.vocab_size);
    trie.close_level(config, trie.levels_[depth]);
  }
  trie.direct_ = {};
  if (trie.levels_.size() > 1) {
    const Level& singles = trie.levels_[1];
    trie.first_child_.assign(std::size_t{shape.vocab_size} + 1, kNone);
    for (std::uint32_t i = 0; i < singles.node_count(); ++i) trie.first_child_[singles.nodes[i].symbol] = i;
  }
  trie.make_classes(shape.vocab_size);
  trie.fill_root();
  for (std::size_t depth = 1; depth < trie.levels_.size(); ++depth) trie.fill_level(depth);
  return trie;
}

void Trie::make_nodes(const GramShape& shape, const GramRows& rows) {
  const auto order = static_cast<std::size_t>(shape.order);
  levels_.resize(order);
  direct_.resize(order);
  levels_[0].nodes.push_back(Node{});
  const std::uint32_t* previous = nullptr;
  std::size_t previous_length = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::uint32_t* field = rows.fields.data() + i * order;
    std::size_t length = 0;
    while (length + 1 < order && field[length] != 0) ++length;
    std::size_t shared = 0;
    while (shared < std::min(length, previous_length) && field[shared] == previous[shared]) ++shared;
    // Rows ascend by context, so a new node always belongs to the last node of the level above.
    for (std::size_t depth = shared + 1; depth <= length; ++depth) {
      Node node;
      node.symbol = field[depth - 1] - 1;
      if (depth + 1 < order) node.child_begin = static_cast<std::uint32_t>(levels_[depth + 1].nodes.size());
      levels_[depth].nodes.push_back(node);
    }
    direct_[length].node.push_back(static_cast<std::uint32_t>(levels_[length].nodes.size() - 1));
    direct_[length].word.push_back(field[order - 1] - 1);
    direct_[length].count.push_back(rows.counts[i]);
    previous = field;
    previous_length = length;
  }
  for (std::size_t depth = 0; depth < order; ++depth) {
    Node sentinel;
    if (depth + 1 < order) sentinel.child_begin = static_cast<std::uint32_t>(levels_[depth + 1].nodes.size());
    levels_[depth].nodes.push_back(sentinel);
  }
}

void Trie::make_entries(std::size_t depth, bool distinct_left, Id vocab_size) {
  Level& level = levels_[depth];
  const Direct& direct = direct_[depth];
  const Level* below = depth + 1 < levels_.size() ? &levels_[depth + 1] : nullptr;
  level.words.reserve(direct.word.size() + (below != nullptr ? below->words.size() / 2 : 0));
  level.counts.reserve(level.words.capacity());
  std::vector<std::pair<Id, std::uint64_t>> merged;
  std::vector<std::uint64_t> dense(vocab_size, 0);
  const auto put = [&](Id word, std::uint64_t count) {
    level.words.push_back(word);
    level.counts.push_back(count);
  };
  std::size_t next_direct = 0;
  for (std::uint32_t node = 0; node < level.node_count(); ++node) {
    level.nodes[node].entry_begin = static_cast<std::uint32_t>(level.words.size());
    const std::size_t direct_begin = next_direct;
    while (next_direct < direct.node.size() && direct.node[next_direct] == node) ++next_direct;
    const std::uint32_t child_begin = level.nodes[node].child_begin;
    const std::uint32_t child_end = level.nodes[node + 1].child_begin;
    const std::size_t begin = below != nullptr ? below->nodes[child_begin].entry_begin : 0;
    const std::size_t end = below != nullptr ? below->nodes[child_end].entry_begin : 0;
    const std::size_t parts = child_end - child_begin + (next_direct > direct_begin ? 1U : 0U);
    const auto visit = [&](auto&& take) {
      for (std::size_t i = direct_begin; i < next_direct; ++i) take(direct.word[i], direct.count[i]);
      // With distinct_left each entry one level deeper is one distinct left neighbour of the n-gram.
      for (std::size_t i = begin; i < end; ++i) take(below->words[i], distinct_left ? 1U : below->counts[i]);
    };
    const std::size_t size = (next_direct - direct_begin) + (end - begin);
    if (parts <= 1) {
      visit(put);
    } else if (size > vocab_size / 8) {
      visit([&](Id word, std::uint64_t count) { dense[word] += count; });
      for (Id word = 0; word < vocab_size; ++word) {
        if (dense[word] == 0) continue;
        put(word, dense[word]);
        dense[word] = 0;
      }
    } else {
      merged.clear();
      visit([&](Id word, std::uint64_t count) { merged.emplace_back(word, count); });
      std::sort(merged.begin(), merged.end());
      for (std::size_t i = 0; i < merged.size();) {
        std::uint64_t sum = 0;
        const Id word = merged[i].first;
        for (; i < merged.size() && merged[i].first == word; ++i) sum += merged[i].second;
        put(word, sum);
      }
    }
  }
  level.nodes.back().entry_begin = static_cast<std::uint32_t>(level.words.size());
}

void Trie::close_level(const Config& config, Level& level) const {
  std::array<std::uint64_t, 4> t{};
  for (const std::uint64_t count : level.counts) {
    if (count <= 4) ++t[count - 1];
  }
  level.discounts = make_discounts(t, config.estimator == Estimator::kMkn);
  const std::array<double, 4>& d = level.discounts.d;
  for (std::size_t node = 0; node < level.node_count(); ++node) {
    std::uint64_t total = 0;
    std::array<std::uint64_t, 4> n{};
    const std::uint32_t end = level.nodes[node + 1].entry_begin;
    for (std::uint32_t i = level.nodes[node].entry_begin; i < end; ++i) {
      total += level.counts[i];
      ++n[std::min<std::uint64_t>(level.counts[i], 3)];
    }
    level.nodes[node].total = static_cast<double>(total);
    double& backoff = level.nodes[node].backoff;
    if (config.estimator == Estimator::kWittenBell) {
      backoff = static_cast<double>(end - level.nodes[node].entry_begin);
    } else if (config.estimator == Estimator::kCountlm) {
      backoff = config.beta;
    } else if (total > 0) {
      backoff = (d[1] * static_cast<double>(n[1]) + d[2] * static_cast<double>(n[2]) +
                 d[3] * static_cast<double>(n[3])) /
                static_cast<double>(total);
    }
  }
}

void Trie::make_classes(Id vocab_size) {
  const Level& root = levels_[0];
  std::vector<std::uint64_t> count_of(vocab_size, 0);
  for (std::size_t i = 0; i < root.words.size(); ++i) count_of[root.words[i]] = root.counts[i];
  classes_.count = count_of;
  std::sort(classes_.count.begin(), classes_.count.end());
  classes_.count.erase(std::unique(classes_.count.begin(), classes_.count.end()), classes_.count.end());
  classes_.of.resize(vocab_size);
  classes_.begin.assign(classes_.count.size() + 1, 0);
  for (Id id = 0; id < vocab_size; ++id) {
    const auto at = std::lower_bound(classes_.count.begin(), classes_.count.end(), count_of[id]);
    classes_.of[id] = static_cast<std::uint32_t>(at - classes_.count.begin());
    ++classes_.begin[classes_.of[id] + 1];
  }
  for (std::size_t c = 1; c < classes_.begin.size(); ++c) classes_.begin[c] += classes_.begin[c - 1];
  std::vector<std::uint32_t> next(classes_.begin.begin(), classes_.begin.end() - 1);
  classes_.members.resize(vocab_size);
  for (Id id = 0; id < vocab_size; ++id) classes_.members[next[classes_.of[id]]++] = id;
}

std::uint32_t Trie::child(std::size_t depth, std::uint32_t node, Id symbol) const {
  if (depth == 0) return symbol < first_child_.size() ? first_child_[symbol] : kNone;
  const std::vector<Node>& parents = levels_[depth].nodes;
  const std::vector<Node>& nodes = levels_[depth + 1].nodes;
  std::uint32_t low = parents[node].child_begin;
  std::uint32_t high = parents[node + 1].child_begin;
  const std::uint32_t end = high;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (nodes[middle].symbol < symbol) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < end && nodes[low].symbol == symbol ? low : kNone;
}

std::uint32_t Trie::entry(std::size_t depth, std::uint32_t node, Id word) const {
  const Level& level = levels_[depth];
  const Id* end = level.words.data() + level.nodes[node + 1].entry_begin;
  const Id* at = std::lower_bound(level.words.data() + level.nodes[node].entry_begin, end, word);
  return at != end && *at == word ? static_cast<std::uint32_t>(at - level.words.data()) : kNone;
}

Step Trie::step(std::size_t depth, std::uint32_t node) const {
  const Level& level = levels_[depth];
  Step step;
  step.estimator = estimator_;
  step.total = level.nodes[node].total;
  step.backoff = level.nodes[node].backoff;
  step.discounts = level.discounts.d.data();
  return step;
}

void Trie::fill_root() {
  Level& level = levels_[0];
  Node& root = level.nodes[0];
  const Step first = step(0, 0);
  const double uniform = 1.0 / static_cast<double>(classes_.of.size());
  for (std::size_t c = 0; c < classes_.count.size(); ++c) {
    const double p = first.apply(classes_.count[c], 0.0, uniform);
    const double lp = std::log(p);
    const double mass = p * static_cast<double>(classes_.begin[c + 1] - classes_.begin[c]);
    classes_.p.push_back(p);
    root.mean_lp += mass * lp;
    root.square_lp += mass * lp * lp;
    root.bound = std::max(root.bound, p);
  }
  level.probs.reserve(level.words.size());
  for (const Id word : level.words) level.probs.push_back(classes_.p[classes_.of[word]]);
}

void Trie::fill_level(std::size_t depth) {
  Level& level = levels_[depth];
  const Level& shorter = levels_[depth - 1];
  level.probs.resize(level.words.size());
  for (std::uint32_t parent = 0; parent < shorter.node_count(); ++parent) {
    const Node& lower = shorter.nodes[parent];
    for (std::uint32_t at = lower.child_begin; at < shorter.nodes[parent + 1].child_begin; ++at) {
      Node& node = level.nodes[at];
      const Step next = step(depth, at);
      // Start as if no token had been seen here, which scales the whole distribution, then correct the seen
      // ones.
      const double scale = next.apply(0, 0.0, 1.0);
      const double ln_scale = std::log(scale);
      node.mean_lp = scale * (lower.mean_lp + ln_scale);
      node.square_lp = scale * (lower.square_lp + ln_scale * (2.0 * lower.mean_lp + ln_scale));
      const double others = next.apply(0, 0.0, lower.bound);
      double best = 0.0;
      const Id* from = shorter.words.data() + lower.entry_begin;
      const Id* to = shorter.words.data() + shorter.nodes[parent + 1].entry_begin;
      for (std::uint32_t i = node.entry_begin; i < level.nodes[at + 1].entry_begin; ++i) {
        from = std::lower_bound(from, to, level.words[i]);
        const double before = shorter.probs[static_cast<std::size_t>(from - shorter.words.data())];
        const double unseen = next.apply(0, 0.0, before);
        const double p = next.apply(level.counts[i], 0.0, before);
        level.probs[i] = p;
        const double lp = std::log(p);
        const double ln_unseen = std::log(unseen);
        node.mean_lp += p * lp - unseen * ln_unseen;
        node.square_lp += p * lp * lp - unseen * ln_unseen * ln_unseen;
        if (p > best) {
          best = p;
          node.top = level.words[i];
        }
      }
      node.bound = std::max(best, others);
      if (!(best > others)) node.top = kNoId;
    }
  }
}

}  // namespace assay::ngram
