#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "db/blob.hpp"
#include "tests/unit/db_support.hpp"

using assay::host::decode_tokens;
using assay::host::encode_tokens;
using assay::host::StoredTokens;

namespace {

using assay::test::kNaN;

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Token statistics that own their arrays.
struct Sample {
  std::vector<std::int32_t> ids{5, 6, -1};
  std::vector<std::uint32_t> begin{0, 2, 4}, end{2, 4, 9};
  std::vector<double> logprob{-0.5, kNaN, -0.0};  // survive in float32
  std::vector<double> entropy{0.1, 2.0, -kInf};   // 0.1 does not
  std::vector<std::uint64_t> top_offset{0, 2, 2, 3};
  std::vector<std::int32_t> top_id{5, 9, 1};
  std::vector<double> top_logprob{-0.5, -1.25, -3.0};
  const double* stats[ASSAY_STAT_COUNT] = {};

  assay_tokens view() {
    stats[ASSAY_STAT_LOGPROB] = logprob.data();
    stats[ASSAY_STAT_ENTROPY] = entropy.data();
    assay_tokens tokens{};
    tokens.struct_size = sizeof tokens;
    tokens.flags = ASSAY_TOKENS_BOS_ADDED;
    tokens.count = ids.size();
    tokens.ids = ids.data();
    tokens.begin = begin.data();
    tokens.end = end.data();
    tokens.stats = stats;
    tokens.stat_count = ASSAY_STAT_COUNT;
    tokens.vocabulary = 151936;
    tokens.top_offset = top_offset.data();
    tokens.top_id = top_id.data();
    tokens.top_logprob = top_logprob.data();
    return tokens;
  }
  std::string blob() {
    std::string out;
    encode_tokens(view(), out);
    return out;
  }
};

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<std::uint64_t>(a[i]) != std::bit_cast<std::uint64_t>(b[i])) return false;
  }
  return true;
}

/// The dtype byte of the array of `field`; 0 when it is absent.
int dtype_of(const std::string& blob, int field) {
  for (std::size_t at = 0; at + 16 <= blob.size();) {
    const auto type = static_cast<std::uint8_t>(blob[at + 3]);
    std::uint64_t count = 0;
    std::memcpy(&count, blob.data() + at + 8, 8);
    if (static_cast<std::uint8_t>(blob[at + 4]) == field) return type;
    at += 16 + count * (type == ASSAY_F64 || type == 5 ? 8 : 4);
  }
  return 0;
}

}  // namespace

TEST_CASE("token statistics come back with the same bits", "[db]") {
  Sample sample;
  const auto decoded = decode_tokens(sample.blob());
  REQUIRE(decoded.ok());
  CHECK(decoded->flags == ASSAY_TOKENS_BOS_ADDED);
  CHECK(decoded->vocabulary == 151936);
  CHECK(decoded->count == 3);
  CHECK(decoded->ids == sample.ids);
  CHECK(decoded->begin == sample.begin);
  CHECK(decoded->end == sample.end);
  CHECK(same_bits(decoded->stats[ASSAY_STAT_LOGPROB], sample.logprob));
  CHECK(std::isnan(decoded->stats[ASSAY_STAT_LOGPROB][1]));
  CHECK(same_bits(decoded->stats[ASSAY_STAT_ENTROPY], sample.entropy));
  CHECK(decoded->stats[ASSAY_STAT_RANK].empty());
  CHECK(decoded->top_offset == sample.top_offset);
  CHECK(decoded->top_id == sample.top_id);
  CHECK(same_bits(decoded->top_logprob, sample.top_logprob));
}

TEST_CASE("an array is float32 exactly when every value survives", "[db]") {
  Sample sample;
  CHECK(dtype_of(sample.blob(), ASSAY_STAT_LOGPROB) == ASSAY_F32);
  CHECK(dtype_of(sample.blob(), ASSAY_STAT_ENTROPY) == ASSAY_F64);
  const struct {
    double value;
    int dtype;
  } cases[] = {{16777216.0, ASSAY_F32},  // 2^24: the last whole number before gaps
               {16777217.0, ASSAY_F64},
               {std::numeric_limits<double>::max(), ASSAY_F64},  // beyond float32, must not become infinite
               {double{std::numeric_limits<float>::max()}, ASSAY_F32},
               {double{std::numeric_limits<float>::denorm_min()}, ASSAY_F32},
               {std::numeric_limits<double>::denorm_min(), ASSAY_F64},  // must not become 0
               {-kInf, ASSAY_F32},
               {std::nextafter(1.0, 2.0), ASSAY_F64}};
  for (const auto& [value, dtype] : cases) {
    CAPTURE(value);
    sample.logprob = {value, kNaN, 0.25};
    const std::string blob = sample.blob();
    CHECK(dtype_of(blob, ASSAY_STAT_LOGPROB) == dtype);
    const auto decoded = decode_tokens(blob);
    REQUIRE(decoded.ok());
    CHECK(same_bits(decoded->stats[ASSAY_STAT_LOGPROB], sample.logprob));
  }
}

TEST_CASE("a response without tokens and without optional arrays is a complete blob", "[db]") {
  assay_tokens tokens{};
  tokens.struct_size = sizeof tokens;
  std::string blob;
  encode_tokens(tokens, blob);
  const auto decoded = decode_tokens(blob);
  REQUIRE(decoded.ok());
  CHECK(decoded->count == 0);
  CHECK(decoded->ids.empty());
  CHECK(decoded->top_offset.empty());
}

TEST_CASE("every truncation of a blob is refused or still consistent", "[db]") {
  Sample sample;
  const std::string blob = sample.blob();
  CHECK_FALSE(decode_tokens("").ok());
  std::size_t whole_prefixes = 0;
  for (std::size_t length = 1; length < blob.size(); ++length) {
    const auto decoded = decode_tokens(std::string_view(blob).substr(0, length));
    // A prefix that ends between two arrays is a blob with fewer arrays.
    if (decoded.ok()) ++whole_prefixes;
    if (!decoded.ok()) CHECK(decoded.error().code == assay::Code::kData);
  }
  CHECK(whole_prefixes == 6);  // after meta, ids, begin, end and two statistics; top-k comes all or none
  CHECK_FALSE(decode_tokens(blob + "x").ok());
  CHECK_FALSE(decode_tokens(blob + blob).ok());
}

TEST_CASE("mutated blobs never crash and never give inconsistent arrays", "[db]") {
  Sample sample;
  const std::string blob = sample.blob();
  std::mt19937_64 random(20240607);
  std::size_t refused = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string changed = blob;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) {
      const std::size_t at = random() % changed.size();
      switch (random() % 4) {
        case 0:
          changed[at] = static_cast<char>(random());
          break;
        case 1:
          changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
          break;
        case 2:
          changed.resize(at + 1);
          break;
        default:
          changed.insert(at, 1, static_cast<char>(random()));
          break;
      }
    }
    const auto decoded = decode_tokens(changed);
    if (!decoded.ok()) {
      ++refused;
      continue;
    }
    const StoredTokens& tokens = *decoded;
    const auto fits = [&](std::size_t size) { return size == 0 || size == tokens.count; };
    bool consistent = fits(tokens.ids.size()) && fits(tokens.begin.size()) && fits(tokens.end.size());
    for (const auto& stat : tokens.stats) consistent = consistent && fits(stat.size());
    if (!tokens.top_offset.empty()) {
      consistent = consistent && tokens.top_offset.size() == tokens.count + 1 &&
                   tokens.top_offset.back() == tokens.top_id.size() &&
                   tokens.top_id.size() == tokens.top_logprob.size();
    }
    REQUIRE(consistent);
  }
  CHECK(refused > 20'000);  // most changes hit a size or cut something off
}
