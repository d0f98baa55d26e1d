#include "assay/text/edit.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "assay/text/utf8.hpp"
#include "token_ids.hpp"

namespace assay::text {
namespace {

constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

// One row of the LCS recurrence V' = (V + (V & M)) | (V & ~M); a zero bit is a column where the table grows.
void lcs_row(std::vector<std::uint64_t>& v, const std::uint64_t* mask) {
  std::uint64_t carry = 0;
  for (std::size_t w = 0; w < v.size(); ++w) {
    const std::uint64_t old = v[w];
    const std::uint64_t u = old & mask[w];
    const std::uint64_t part = old + u;
    const std::uint64_t sum = part + carry;
    carry = static_cast<std::uint64_t>(part < old) | static_cast<std::uint64_t>(sum < part);
    v[w] = sum | (old & ~mask[w]);
  }
}

std::size_t count_zeros(const std::vector<std::uint64_t>& v, std::size_t columns) {
  std::size_t n = 0;
  for (std::size_t w = 0; w < v.size(); ++w) {
    const std::size_t used = std::min<std::size_t>(64, columns - w * 64);
    const std::uint64_t in_use = used == 64 ? kAllOnes : (std::uint64_t{1} << used) - 1;
    n += static_cast<std::size_t>(std::popcount(~v[w] & in_use));
  }
  return n;
}

// Two sequences renumbered together with numbers 0, 1, ...; equal ends are cut off where that is sound.
struct DensePair {
  std::vector<TokenId> a;
  std::vector<TokenId> b;
  std::size_t id_count = 0;
};

DensePair renumber(std::span<const TokenId> a, std::span<const TokenId> b) {
  std::unordered_map<TokenId, TokenId> ids;
  const auto map = [&](std::span<const TokenId> in) {
    std::vector<TokenId> out;
    out.reserve(in.size());
    for (const TokenId t : in) {
      out.push_back(ids.try_emplace(t, static_cast<TokenId>(ids.size())).first->second);
    }
    return out;
  };
  DensePair pair{map(a), map(b), 0};
  pair.id_count = ids.size();
  return pair;
}

// Removes the common beginning and end (which an optimal alignment may always match); returns their length.
std::size_t strip_common_ends(std::span<const TokenId>& a, std::span<const TokenId>& b) {
  std::size_t stripped = 0;
  while (!a.empty() && !b.empty() && a.front() == b.front()) {
    a = a.subspan(1);
    b = b.subspan(1);
    ++stripped;
  }
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a = a.first(a.size() - 1);
    b = b.first(b.size() - 1);
    ++stripped;
  }
  return stripped;
}

std::vector<TokenId> code_point_ids(std::string_view text) {
  std::vector<TokenId> out;
  out.reserve(text.size());
  for_each_code_point(text,
                      [&](char32_t c, std::string_view, bool) { out.push_back(static_cast<TokenId>(c)); });
  return out;
}

}  // namespace

std::size_t lcs_length(std::span<const TokenId> rows, ColumnMasks& masks) {
  std::vector<std::uint64_t> v(masks.words(), kAllOnes);
  for (const TokenId t : rows) lcs_row(v, masks.bits(t));
  return count_zeros(v, masks.columns());
}

std::vector<LcsMatch> lcs_matches(std::span<const TokenId> rows, std::span<const TokenId> columns,
                                  ColumnMasks& masks) {
  // A cell needs one bit only: at unequal tokens table[i-1][j] > table[i][j-1] holds exactly if
  // table[i][j] > table[i][j-1], because the larger neighbour is copied. Rows are kept every `step` rows
  // and the rest is computed again while walking back, so memory is O(sqrt(rows) * columns / 64).
  const std::size_t words = masks.words();
  std::size_t step = 64;
  while (step * step < rows.size()) step *= 2;
  std::vector<std::vector<std::uint64_t>> saved;
  std::vector<std::uint64_t> v(words, kAllOnes);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % step == 0) saved.push_back(v);
    lcs_row(v, masks.bits(rows[i]));
  }
  std::vector<LcsMatch> out(count_zeros(v, columns.size()));
  std::size_t left = out.size();
  std::size_t i = rows.size();
  std::size_t j = columns.size();
  std::vector<std::uint64_t> block(std::min(step, rows.size()) * words);
  while (left > 0 && i > 0 && j > 0) {
    const std::size_t first = (i - 1) / step * step;
    v = saved[first / step];
    for (std::size_t r = first; r < i; ++r) {
      lcs_row(v, masks.bits(rows[r]));
      std::copy(v.begin(), v.end(), block.begin() + static_cast<std::ptrdiff_t>((r - first) * words));
    }
    while (left > 0 && i > first && j > 0) {
      if (rows[i - 1] == columns[j - 1]) {
        --i;
        --j;
        out[--left] = {i, j};
        continue;
      }
      const std::uint64_t word = block[(i - 1 - first) * words + (j - 1) / 64];
      const bool grows = ((word >> ((j - 1) % 64)) & 1) == 0;
      if (grows) {
        --i;
      } else {
        --j;
      }
    }
  }
  return out;
}

std::size_t levenshtein(std::span<const TokenId> rows, ColumnMasks& masks) {
  const std::size_t columns = masks.columns();
  if (columns == 0) return rows.size();
  struct Block {
    std::uint64_t plus = kAllOnes;  // vertical difference +1
    std::uint64_t minus = 0;        // vertical difference -1
  };
  std::vector<Block> blocks(masks.words());
  const std::uint64_t last = std::uint64_t{1} << ((columns - 1) % 64);
  std::size_t distance = columns;
  for (const TokenId t : rows) {
    const std::uint64_t* mask = masks.bits(t);
    std::uint64_t plus_in = 1;
    std::uint64_t minus_in = 0;
    for (std::size_t w = 0; w < blocks.size(); ++w) {
      Block& b = blocks[w];
      const std::uint64_t vertical = mask[w] | b.minus;
      const std::uint64_t equal = mask[w] | minus_in;
      const std::uint64_t horizontal = (((equal & b.plus) + b.plus) ^ b.plus) | equal;
      std::uint64_t plus = b.minus | ~(horizontal | b.plus);
      std::uint64_t minus = b.plus & horizontal;
      if (w + 1 == blocks.size()) {
        if ((plus & last) != 0) ++distance;
        if ((minus & last) != 0) --distance;
      }
      const std::uint64_t plus_out = plus >> 63;
      const std::uint64_t minus_out = minus >> 63;
      plus = (plus << 1) | plus_in;
      minus = (minus << 1) | minus_in;
      b.plus = minus | ~(vertical | plus);
      b.minus = plus & vertical;
      plus_in = plus_out;
      minus_in = minus_out;
    }
  }
  return distance;
}

std::size_t levenshtein(std::span<const TokenId> a, std::span<const TokenId> b) {
  strip_common_ends(a, b);
  if (a.empty()) return b.size();
  if (b.empty()) return a.size();
  const DensePair pair = renumber(a, b);
  const bool a_is_longer = pair.a.size() > pair.b.size();
  ColumnMasks masks(pair.id_count);
  masks.assign(a_is_longer ? pair.a : pair.b);
  return levenshtein(a_is_longer ? pair.b : pair.a, masks);
}

std::size_t levenshtein(std::string_view a, std::string_view b) {
  const auto x = code_point_ids(a);
  const auto y = code_point_ids(b);
  return levenshtein(std::span<const TokenId>(x), std::span<const TokenId>(y));
}

std::size_t levenshtein(std::span<const std::string_view> a, std::span<const std::string_view> b) {
  TokenIds ids;
  const auto x = ids.ids(a);
  const auto y = ids.ids(b);
  return levenshtein(std::span<const TokenId>(x), std::span<const TokenId>(y));
}

double levenshtein_normalised(std::string_view a, std::string_view b) {
  const std::size_t longer = std::max(count_code_points(a), count_code_points(b));
  if (longer == 0) return 0.0;
  return static_cast<double>(levenshtein(a, b)) / static_cast<double>(longer);
}

std::size_t lcs_length(std::span<const TokenId> a, std::span<const TokenId> b) {
  const std::size_t stripped = strip_common_ends(a, b);
  if (a.empty() || b.empty()) return stripped;
  const DensePair pair = renumber(a, b);
  const bool a_is_longer = pair.a.size() > pair.b.size();
  ColumnMasks masks(pair.id_count);
  masks.assign(a_is_longer ? pair.a : pair.b);
  return stripped + lcs_length(a_is_longer ? pair.b : pair.a, masks);
}

std::size_t lcs_length(std::string_view a, std::string_view b) {
  const auto x = code_point_ids(a);
  const auto y = code_point_ids(b);
  return lcs_length(std::span<const TokenId>(x), std::span<const TokenId>(y));
}

std::size_t lcs_length(std::span<const std::string_view> a, std::span<const std::string_view> b) {
  TokenIds ids;
  const auto x = ids.ids(a);
  const auto y = ids.ids(b);
  return lcs_length(std::span<const TokenId>(x), std::span<const TokenId>(y));
}

std::vector<LcsMatch> lcs_matches(std::span<const TokenId> rows, std::span<const TokenId> columns) {
  if (rows.empty() || columns.empty()) return {};
  const DensePair pair = renumber(rows, columns);
  ColumnMasks masks(pair.id_count);
  masks.assign(pair.b);
  return lcs_matches(pair.a, pair.b, masks);
}

}  // namespace assay::text
