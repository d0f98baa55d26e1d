#include "state.hpp"

#include <algorithm>
#include <cmath>

namespace assay::ngram {

State::State(std::shared_ptr<const Finalised> model, std::span<const Id> context) : model_(std::move(model)) {
  const std::size_t longest = static_cast<std::size_t>(model_->shape.order) - 1;
  for (std::size_t i = context.size(); i > 0 && history_size_ < longest; --i) {
    history_[history_size_++] = context[i - 1];
  }
  if (model_->shape.bos && history_size_ < longest) history_[history_size_++] = model_->shape.vocab_size;
  if (model_->config.estimator == Estimator::kCountlm && model_->config.cache_lambda > 0.0) {
    prompt_.assign(context.begin(), context.end());
  }
  refresh();
}

void State::advance(Id token) {
  const std::size_t longest = static_cast<std::size_t>(model_->shape.order) - 1;
  if (longest == 0) return;
  if (history_size_ < longest) ++history_size_;
  for (std::size_t i = history_size_ - 1; i > 0; --i) history_[i] = history_[i - 1];
  history_[0] = token;
  refresh();
}

void State::refresh() {
  const Trie& trie = model_->trie;
  // countlm applies its formula to unseen contexts too (beta P / beta), so that it rounds as defined; for the
  // other estimators an unseen context changes nothing and ends the path.
  const bool always = model_->config.estimator == Estimator::kCountlm;
  std::uint32_t node = 0;
  path_size_ = 0;
  spread_ = false;
  for (std::size_t depth = 0; depth <= history_size_; ++depth) {
    if (depth > 0 && node != Trie::kNone) node = trie.child(depth - 1, node, history_[depth - 1]);
    if (node == Trie::kNone && !always) return;
    Reached& reached = path_[path_size_++];
    reached.node = node;
    if (node != Trie::kNone) {
      reached.step = trie.step(depth, node);
    } else {
      reached.step = Step{};
      reached.step.estimator = model_->config.estimator;
      reached.step.backoff = model_->config.beta;
    }
    if (!cached()) continue;
    std::vector<std::uint32_t>& here = matches_[depth];
    here.clear();
    if (depth == 0) {
      for (std::uint32_t i = 0; i < prompt_.size(); ++i) here.push_back(i);
    } else {
      for (const std::uint32_t i : matches_[depth - 1]) {
        if (i >= depth && prompt_[i - depth] == history_[depth - 1]) here.push_back(i);
      }
    }
    reached.step.cache_total = model_->config.cache_lambda * static_cast<double>(here.size());
  }
}

std::size_t State::seen_contexts() const {
  std::size_t seen = path_size_;
  while (seen > 0 && path_[seen - 1].node == Trie::kNone) --seen;
  return seen;
}

double State::cache_count(std::size_t depth, Id token) const {
  std::size_t count = 0;
  for (const std::uint32_t i : matches_[depth]) count += prompt_[i] == token ? 1U : 0U;
  return model_->config.cache_lambda * static_cast<double>(count);
}

double State::cached_probability(Id token) const {
  const Trie& trie = model_->trie;
  double p = 1.0 / static_cast<double>(vocab_size());
  for (std::size_t depth = 0; depth < path_size_; ++depth) {
    const std::uint32_t node = path_[depth].node;
    const std::uint32_t at = node == Trie::kNone ? Trie::kNone : trie.entry(depth, node, token);
    const std::uint64_t count = at == Trie::kNone ? 0 : trie.levels()[depth].counts[at];
    p = path_[depth].step.apply(count, cache_count(depth, token), p);
  }
  return p;
}

double State::probability(Id token) const {
  if (cached()) return cached_probability(token);
  const Trie& trie = model_->trie;
  // The longest context that has seen the token holds its probability; longer ones only scale it.
  double p = 0.0;
  std::size_t depth = seen_contexts();
  std::uint32_t at = Trie::kNone;
  while (depth > 1 && at == Trie::kNone) {
    --depth;
    at = trie.entry(depth, path_[depth].node, token);
  }
  if (at != Trie::kNone) {
    p = trie.levels()[depth].probs[at];
  } else {
    depth = 0;
    const Trie::Classes& classes = trie.classes();
    p = token < vocab_size() ? classes.p[classes.of[token]]
                             : path_[0].step.apply(0, 0.0, 1.0 / static_cast<double>(vocab_size()));
  }
  for (++depth; depth < path_size_; ++depth) p = path_[depth].step.apply(0, 0.0, p);
  return p;
}

double State::logprob(Id token) const {
  return std::log(probability(token));
}

void State::spread() const {
  if (spread_) return;
  spread_classes();
  if (cached()) {
    spread_listed_cached();
  } else {
    spread_listed();
  }
  const Trie::Classes& classes = model_->trie.classes();
  class_rest_.resize(class_p_.size());
  for (std::size_t c = 0; c < class_rest_.size(); ++c)
    class_rest_[c] = classes.begin[c + 1] - classes.begin[c];
  for (const Id id : listed_) --class_rest_[classes.of[id]];
  spread_ = true;
}

void State::spread_classes() const {
  const Trie::Classes& classes = model_->trie.classes();
  if (cached()) {
    class_p_.clear();
    const double uniform = 1.0 / static_cast<double>(vocab_size());
    for (const std::uint64_t count : classes.count)
      class_p_.push_back(path_[0].step.apply(count, 0.0, uniform));
  } else {
    class_p_ = classes.p;
  }
  for (std::size_t depth = 1; depth < path_size_; ++depth) path_[depth].step.apply_unseen(class_p_);
}

void State::spread_listed() const {
  const Trie& trie = model_->trie;
  const std::size_t seen = seen_contexts();
  listed_.clear();
  listed_p_.clear();
  if (seen < 2) return;
  // Everything seen after the last token; longer contexts have seen subsets of it.
  const auto slice = [&](std::size_t depth, auto&& use) {
    const Level& level = trie.levels()[depth];
    const std::uint32_t node = path_[depth].node;
    use(level, level.nodes[node].entry_begin, level.nodes[node + 1].entry_begin);
  };
  slice(1, [&](const Level& level, std::uint32_t begin, std::uint32_t end) {
    listed_.assign(level.words.data() + begin, level.words.data() + end);
    listed_p_.assign(level.probs.data() + begin, level.probs.data() + end);
  });
  for (std::size_t depth = 2; depth < path_size_; ++depth) {
    path_[depth].step.apply_unseen(listed_p_);
    if (depth >= seen) continue;
    slice(depth, [&](const Level& level, std::uint32_t begin, std::uint32_t end) {
      auto at = listed_.begin();
      for (std::uint32_t i = begin; i < end; ++i) {
        at = std::lower_bound(at, listed_.end(), level.words[i]);
        listed_p_[static_cast<std::size_t>(at - listed_.begin())] = level.probs[i];
      }
    });
  }
}

void State::spread_listed_cached() const {
  const Trie& trie = model_->trie;
  listed_.clear();
  for (const Id id : prompt_) {
    if (id < vocab_size()) listed_.push_back(id);
  }
  if (seen_contexts() > 1) {
    const Level& level = trie.levels()[1];
    listed_.insert(listed_.end(), level.words.data() + level.nodes[path_[1].node].entry_begin,
                   level.words.data() + level.nodes[path_[1].node + 1].entry_begin);
  }
  std::sort(listed_.begin(), listed_.end());
  listed_.erase(std::unique(listed_.begin(), listed_.end()), listed_.end());
  listed_p_.clear();
  for (const Id id : listed_) listed_p_.push_back(cached_probability(id));
}

void State::distribution(std::span<double> out) const {
  spread();
  const Trie::Classes& classes = model_->trie.classes();
  for (Id id = 0; id < vocab_size(); ++id) out[id] = class_p_[classes.of[id]];
  for (std::size_t i = 0; i < listed_.size(); ++i) out[listed_[i]] = listed_p_[i];
}

void State::find_top(TokenStats& out) const {
  const Trie& trie = model_->trie;
  if (!cached() && path_[path_size_ - 1].node != Trie::kNone) {
    const Node& node = trie.levels()[path_size_ - 1].nodes[path_[path_size_ - 1].node];
    if (node.top != kNoId) {
      out.top1 = node.top;
      out.top1_logprob = std::log(node.bound);
      return;
    }
  }
  spread();
  const Trie::Classes& classes = trie.classes();
  double best = -1.0;
  const auto offer = [&](Id id, double p) {
    if (p > best || (p == best && id < out.top1)) {
      best = p;
      out.top1 = id;
    }
  };
  for (std::size_t i = 0; i < listed_.size(); ++i) offer(listed_[i], listed_p_[i]);
  for (std::size_t c = 0; c < class_p_.size(); ++c) {
    if (class_p_[c] < best || class_rest_[c] == 0) continue;
    // The lowest member that is not listed stands for the rest of its class.
    for (std::uint32_t i = classes.begin[c]; i < classes.begin[c + 1]; ++i) {
      if (std::binary_search(listed_.begin(), listed_.end(), classes.members[i])) continue;
      offer(classes.members[i], class_p_[c]);
      break;
    }
  }
  out.top1_logprob = std::log(best);
}

void State::find_rank(double p_token, TokenStats& out) const {
  std::uint64_t above = 0;
  std::uint64_t equal = 0;
  const auto visit = [&](double p, std::uint64_t times) {
    above += p > p_token ? times : 0;
    equal += p == p_token ? times : 0;
  };
  const std::size_t last = path_size_ - 1;
  bool settled = false;
  if (!cached() && last > 0 && path_[last].node != Trie::kNone) {
    // Above what tokens unseen in the longest context can reach, only its successors matter.
    const Level& level = model_->trie.levels()[last];
    const double others =
        path_[last].step.apply(0, 0.0, model_->trie.levels()[last - 1].nodes[path_[last - 1].node].bound);
    settled = p_token > others;
    if (settled) {
      const std::uint32_t end = level.nodes[path_[last].node + 1].entry_begin;
      for (std::uint32_t i = level.nodes[path_[last].node].entry_begin; i < end; ++i)
        visit(level.probs[i], 1);
    }
  }
  if (!settled) {
    spread();
    for (std::size_t c = 0; c < class_p_.size(); ++c) visit(class_p_[c], class_rest_[c]);
    for (const double p : listed_p_) visit(p, 1);
  }
  out.rank = 1 + above;
  out.ties = out.token < vocab_size() ? equal - 1 : equal;
}

void State::find_moments(TokenStats& out) const {
  double s1 = 0.0;
  double s2 = 0.0;
  if (!cached()) {
    const std::size_t last = seen_contexts() - 1;
    const Node& node = model_->trie.levels()[last].nodes[path_[last].node];
    s1 = node.mean_lp;
    s2 = node.square_lp;
  } else {
    spread();
    const auto visit = [&](double p, double times) {
      const double lp = std::log(p);
      s1 += times * p * lp;
      s2 += times * p * lp * lp;
    };
    for (std::size_t c = 0; c < class_p_.size(); ++c) visit(class_p_[c], static_cast<double>(class_rest_[c]));
    for (const double p : listed_p_) visit(p, 1.0);
  }
  out.mean_lp = s1;
  out.entropy = -s1;
  out.var_lp = std::max(s2 - s1 * s1, 0.0);
}

TokenStats State::stats(Id token, std::uint32_t mask) const {
  TokenStats out;
  out.token = token;
  const double p = probability(token);
  out.logprob = std::log(p);
  if ((mask & kRank) != 0) find_rank(p, out);
  if ((mask & kMoments) != 0) find_moments(out);
  if ((mask & kTop1) != 0) find_top(out);
  return out;
}

Id State::top1() const {
  TokenStats out;
  find_top(out);
  return out.top1;
}

}  // namespace assay::ngram
