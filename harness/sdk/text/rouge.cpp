#include "assay/text/rouge.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "assay/text/stem.hpp"
#include "assay/text/utf8.hpp"
#include "token_ids.hpp"

namespace assay::text {
namespace {

using Ids = std::vector<TokenId>;

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

RougeScore score_of(std::size_t hits, std::size_t reference, std::size_t hypothesis) {
  RougeScore s{share(hits, hypothesis), share(hits, reference), 0.0};
  if (s.precision + s.recall > 0.0) s.f = 2.0 * s.precision * s.recall / (s.precision + s.recall);
  return s;
}

// All n-grams of `ids` as numbers that are equal for equal n-grams of both texts, sorted.
// An n-gram is numbered from its first n-1 tokens and its last one, so any n needs pairs only.
struct NgramNumbers {
  Ids reference;
  Ids hypothesis;
};

NgramNumbers extend(const NgramNumbers& shorter, const Ids& reference, const Ids& hypothesis, std::size_t n) {
  using Pair = std::pair<TokenId, TokenId>;
  const auto pairs = [n](const Ids& prefixes, const Ids& tokens) {
    std::vector<Pair> out;
    for (std::size_t i = 0; i + n <= tokens.size(); ++i) out.emplace_back(prefixes[i], tokens[i + n - 1]);
    return out;
  };
  const auto a = pairs(shorter.reference, reference);
  const auto b = pairs(shorter.hypothesis, hypothesis);
  std::vector<Pair> all(a);
  all.insert(all.end(), b.begin(), b.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  const auto number = [&all](const std::vector<Pair>& in) {
    Ids out;
    out.reserve(in.size());
    for (const Pair& p : in) {
      out.push_back(static_cast<TokenId>(std::lower_bound(all.begin(), all.end(), p) - all.begin()));
    }
    return out;
  };
  return {number(a), number(b)};
}

std::size_t clipped_overlap(Ids a, Ids b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::size_t hits = 0;
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    if (*x < *y) {
      ++x;
    } else if (*y < *x) {
      ++y;
    } else {
      ++hits;
      ++x;
      ++y;
    }
  }
  return hits;
}

// Token lists of the lines of a text, as numbers; lines without tokens are left out because they cannot hit.
std::vector<Ids> line_ids(const std::vector<std::vector<std::string>>& lines, TokenIds& ids) {
  std::vector<Ids> out;
  for (const auto& line : lines) {
    if (!line.empty()) out.push_back(ids.ids(line));
  }
  return out;
}

std::vector<std::vector<std::string>> summary_lines(std::string_view text, bool stem) {
  const std::string broken = replace_all(text, " . ", ".\n");
  std::vector<std::vector<std::string>> out;
  for (const std::string_view line : split_at(broken, '\n')) out.push_back(rouge_tokens(line, stem));
  return out;
}

std::size_t total_size(const std::vector<Ids>& lines) {
  std::size_t n = 0;
  for (const Ids& line : lines) n += line.size();
  return n;
}

std::vector<std::size_t> counts(const std::vector<Ids>& lines, std::size_t id_count) {
  std::vector<std::size_t> out(id_count, 0);
  for (const Ids& line : lines) {
    for (const TokenId t : line) ++out[t];
  }
  return out;
}

void sort_unique(std::vector<Ids>& lines) {
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
}

// Sentences of rouge.pypi as word numbers. `texts` keeps the collapsed sentences alive for `ids`.
std::vector<Ids> pypi_sentences(std::string_view text, TokenIds& ids, std::vector<std::string>& texts) {
  std::vector<std::string_view> pieces;
  for (const std::string_view piece : split_at(text, '.')) {
    if (!piece.empty()) pieces.push_back(piece);
  }
  texts.reserve(pieces.size());
  std::vector<Ids> out;
  out.reserve(pieces.size());
  for (const std::string_view piece : pieces) {
    texts.push_back(collapse_white_space(piece, SpaceSet::kPython));
    out.push_back(ids.ids(split_at(texts.back(), ' ')));
  }
  return out;
}

std::size_t distinct_words(const std::vector<Ids>& sentences, std::size_t id_count) {
  std::vector<bool> seen(id_count, false);
  for (const Ids& s : sentences) {
    for (const TokenId t : s) seen[t] = true;
  }
  return static_cast<std::size_t>(std::count(seen.begin(), seen.end(), true));
}

// For every token the lines that hold it, so that pairs of lines without a common token are never compared.
class LineIndex {
 public:
  LineIndex(const std::vector<Ids>& lines, std::size_t id_count) : lines_with_(id_count) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const TokenId t : lines[i]) {
        if (lines_with_[t].empty() || lines_with_[t].back() != i) lines_with_[t].push_back(i);
      }
    }
  }

  // Lines that share a wanted token with `line`, ascending. Valid until the next call.
  template <class Wanted>
  const std::vector<std::size_t>& sharing(const Ids& line, Wanted&& wanted) {
    found_.clear();
    for (const TokenId t : line) {
      if (wanted(t)) found_.insert(found_.end(), lines_with_[t].begin(), lines_with_[t].end());
    }
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return found_;
  }

 private:
  std::vector<std::vector<std::size_t>> lines_with_;
  std::vector<std::size_t> found_;
};

// Size of the union of the words of one LCS per pair of sentences. Only pairs that share a word which is
// not in the union yet can enlarge it.
std::size_t pypi_union(std::vector<Ids> reference, std::vector<Ids> hypothesis, std::size_t id_count) {
  sort_unique(reference);
  sort_unique(hypothesis);
  LineIndex index(reference, id_count);
  std::vector<bool> in_union(id_count, false);
  std::size_t size = 0;
  ColumnMasks masks(id_count);
  for (const Ids& h : hypothesis) {
    const auto& candidates = index.sharing(h, [&](TokenId t) { return !in_union[t]; });
    if (candidates.empty()) continue;
    masks.assign(h);
    for (const std::size_t r : candidates) {
      for (const LcsMatch m : lcs_matches(reference[r], h, masks)) {
        if (in_union[h[m.column]]) continue;
        in_union[h[m.column]] = true;
        ++size;
      }
    }
  }
  return size;
}

}  // namespace

std::vector<std::string> rouge_tokens(std::string_view text, bool stem) {
  std::vector<std::string> out;
  std::string token;
  const auto finish = [&] {
    if (token.empty()) return;
    out.push_back(stem && token.size() > 3 ? porter_stem(token) : token);
    // A stem is never empty here, because every rule keeps at least one letter before the suffix it drops.
    token.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      token.push_back(c);
    } else if (c >= 'A' && c <= 'Z') {
      token.push_back(static_cast<char>(c - 'A' + 'a'));
    } else if (text.substr(i, 3) == "\xE2\x84\xAA") {
      token.push_back('k');
      i += 2;
    } else if (text.substr(i, 2) == "\xC4\xB0") {
      token.push_back('i');
      finish();
      ++i;
    } else {
      finish();
    }
  }
  finish();
  return out;
}

RougeScore rouge_n(std::span<const std::string> reference, std::span<const std::string> hypothesis,
                   std::size_t n) {
  if (n == 0 || reference.size() < n || hypothesis.size() < n) return {};
  TokenIds ids;
  const Ids r = ids.ids(reference);
  const Ids h = ids.ids(hypothesis);
  NgramNumbers grams{r, h};
  for (std::size_t k = 2; k <= n; ++k) grams = extend(grams, r, h, k);
  const std::size_t total_r = grams.reference.size();
  const std::size_t total_h = grams.hypothesis.size();
  return score_of(clipped_overlap(std::move(grams.reference), std::move(grams.hypothesis)), total_r, total_h);
}

RougeScore rouge_l(std::span<const std::string> reference, std::span<const std::string> hypothesis) {
  if (reference.empty() || hypothesis.empty()) return {};
  TokenIds ids;
  const Ids r = ids.ids(reference);
  const Ids h = ids.ids(hypothesis);
  ColumnMasks masks(ids.size());
  masks.assign(r.size() > h.size() ? r : h);
  return score_of(lcs_length(r.size() > h.size() ? h : r, masks), r.size(), h.size());
}

RougeScore rouge_google(std::string_view reference, std::string_view hypothesis, RougeKind kind, bool stem) {
  const auto r = rouge_tokens(reference, stem);
  const auto h = rouge_tokens(hypothesis, stem);
  switch (kind) {
    case RougeKind::kRouge1:
      return rouge_n(r, h, 1);
    case RougeKind::kRouge2:
      return rouge_n(r, h, 2);
    case RougeKind::kRougeL:
      return rouge_l(r, h);
  }
  return {};
}

RougeScore rouge_l_summary(std::string_view reference, std::string_view hypothesis, bool stem) {
  const auto reference_lines = summary_lines(reference, stem);
  const auto hypothesis_lines = summary_lines(hypothesis, stem);
  TokenIds ids;
  const std::vector<Ids> r = line_ids(reference_lines, ids);
  std::vector<Ids> h = line_ids(hypothesis_lines, ids);
  const std::size_t r_size = total_size(r);
  const std::size_t h_size = total_size(h);
  if (r_size == 0 || h_size == 0) return {};
  auto left_r = counts(r, ids.size());
  auto left_h = counts(h, ids.size());
  sort_unique(h);  // equal lines give equal positions
  LineIndex index(h, ids.size());
  ColumnMasks masks(ids.size());
  std::size_t hits = 0;
  std::vector<bool> in_union;
  for (const Ids& line : r) {
    masks.assign(line);
    in_union.assign(line.size(), false);
    for (const std::size_t other : index.sharing(line, [](TokenId) { return true; })) {
      // The hypothesis is on the rows: at a tie the reference position is given up, as the source does.
      for (const LcsMatch m : lcs_matches(h[other], line, masks)) in_union[m.column] = true;
    }
    for (std::size_t j = 0; j < line.size(); ++j) {
      if (!in_union[j] || left_r[line[j]] == 0 || left_h[line[j]] == 0) continue;
      --left_r[line[j]];
      --left_h[line[j]];
      ++hits;
    }
  }
  return score_of(hits, r_size, h_size);
}

RougePypi rouge_pypi_l(std::string_view reference, std::string_view hypothesis) {
  TokenIds ids;
  std::vector<std::string> reference_texts;
  std::vector<std::string> hypothesis_texts;
  auto r = pypi_sentences(reference, ids, reference_texts);
  auto h = pypi_sentences(hypothesis, ids, hypothesis_texts);
  if (r.empty() || h.empty()) return {{}, true};
  const std::size_t n_r = distinct_words(r, ids.size());
  const std::size_t n_h = distinct_words(h, ids.size());
  const std::size_t hits = pypi_union(std::move(r), std::move(h), ids.size());
  RougePypi out;
  out.score.precision = share(hits, n_h);
  out.score.recall = share(hits, n_r);
  const double p = out.score.precision;
  const double q = out.score.recall;
  out.score.f = 2.0 * ((p * q) / (p + q + 1e-8));
  return out;
}

}  // namespace assay::text
