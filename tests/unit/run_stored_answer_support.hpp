// Random responses and requests of every kind, for tests of what is stored and read back.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/abi.hpp"
#include "tests/support/numbers.hpp"

namespace assay::test {

inline constexpr double kInf = std::numeric_limits<double>::infinity();

/// Random responses and requests; owns what they point to.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool coin() { return below(2) == 0; }

  assay_str text() {
    static const std::string_view kPieces[] = {"a",       "word ",  "\n",
                                               "\t\r",    "\"",     "\\",
                                               "\\u0041", "/",      std::string_view("\0", 1),
                                               "\x01",    "\x1f",   "\x7f",
                                               "\u00e9",  "\u20ac", "\U0001f600",
                                               "\ufffd",  "{}[]",   "\u2028",
                                               "null",    "NaN",    "\ud7fb",
                                               "\ufeff",  "\u0301"};
    std::string out;
    const std::size_t pieces = coin() ? below(4) : below(40);
    for (std::size_t i = 0; i < pieces; ++i) out += kPieces[below(std::size(kPieces))];
    return str(texts_.emplace_back(std::move(out)));
  }

  double number() {
    static const double kSpecial[] = {0.0,
                                      -0.0,
                                      kNaN,
                                      kInf,
                                      -kInf,
                                      1.0,
                                      0.1,
                                      -1e-300,
                                      std::numeric_limits<double>::denorm_min(),
                                      -std::numeric_limits<double>::denorm_min(),
                                      std::numeric_limits<double>::min(),
                                      std::nextafter(std::numeric_limits<double>::min(), 0.0),
                                      std::numeric_limits<double>::max(),
                                      -std::numeric_limits<double>::max(),
                                      9007199254740993.0,
                                      -18446744073709551616.0,
                                      36893488147419103232.0,
                                      123456789012345683968.0,
                                      1e22,
                                      1e23};
    switch (below(4)) {
      case 0:
        return kSpecial[below(std::size(kSpecial))];
      case 1:
        return std::bit_cast<double>(random_());  // any bits: all exponents, NaNs with payloads
      case 2:
        return static_cast<double>(
            static_cast<float>(-std::ldexp(static_cast<double>(below(1U << 24U)), -20)));
      default:
        return -std::ldexp(static_cast<double>(random_() >> 11U), -50);
    }
  }

  const double* numbers(std::size_t n) {
    std::vector<double>& out = reals_.emplace_back();
    // One kind of number per array now and then, so that arrays are stored narrow too.
    const bool narrow = coin();
    for (std::size_t i = 0; i < n; ++i)
      out.push_back(narrow ? -static_cast<double>(below(1000)) / 64 : number());
    out.reserve(1);
    return out.data();
  }

  template <class T>
  const T* integers(std::size_t n, std::size_t top) {
    T* out = reinterpret_cast<T*>(words_.emplace_back(n + 1).data());
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<T>(below(top));
    return out;
  }

  const assay_tokens* tokens() {
    assay_tokens& out = tokens_.emplace_back();
    out = {};
    out.struct_size = sizeof out;
    out.flags = static_cast<std::uint32_t>(random_()) & 63U;
    out.count = coin() ? below(3) : below(30);
    out.vocabulary = coin() ? 0 : random_();
    if (coin()) out.ids = integers<std::int32_t>(out.count, 100'000);
    if (coin()) out.begin = integers<std::uint32_t>(out.count, 5000);
    if (coin()) out.end = integers<std::uint32_t>(out.count, 5000);
    std::vector<const double*>& stats = stats_.emplace_back(ASSAY_STAT_COUNT, nullptr);
    for (const double*& stat : stats) {
      if (coin()) stat = numbers(out.count);
    }
    out.stats = stats.data();
    out.stat_count = ASSAY_STAT_COUNT;
    if (coin()) {
      std::vector<std::uint64_t>& offsets = words_.emplace_back();
      std::uint64_t last = 0;
      for (std::size_t i = 0; i <= out.count; ++i) {
        offsets.push_back(last);
        last += below(4);
      }
      out.top_offset = offsets.data();
      out.top_id = integers<std::int32_t>(offsets.back(), 100'000);
      out.top_logprob = numbers(offsets.back());
    }
    return &out;
  }

  const assay_row* row(assay_row& out) {
    out = {};
    out.struct_size = sizeof out;
    out.form = static_cast<std::int32_t>(1 + below(3));
    out.dtype = coin() ? ASSAY_F32 : ASSAY_F64;
    out.member = static_cast<std::int32_t>(below(4)) - 1;
    out.position = static_cast<std::int64_t>(below(100));
    out.target = static_cast<std::int32_t>(below(100)) - 1;
    out.vocabulary = static_cast<std::uint32_t>(below(20));
    if (out.dtype == ASSAY_F64) {
      out.data = numbers(out.vocabulary);
    } else {
      auto* data = reinterpret_cast<float*>(words_.emplace_back(out.vocabulary + 1).data());
      for (std::uint32_t v = 0; v < out.vocabulary; ++v)
        data[v] = coin() ? std::bit_cast<float>(static_cast<std::uint32_t>(random_()))
                         : -1.5F * static_cast<float>(v);
      out.data = data;
    }
    return &out;
  }

  assay_response response() {
    assay_response out{};
    out.struct_size = sizeof out;
    out.mean_logprob = coin() ? kNaN : number();
    if (coin()) out.scored_count = static_cast<std::int64_t>(below(1000));
    if (coin()) out.tokens = tokens();
    if (coin()) {
      std::vector<assay_choice>& choices = choices_.emplace_back(below(5));
      for (assay_choice& choice : choices) {
        choice = {};
        choice.struct_size = sizeof choice;
        choice.finish = static_cast<std::int32_t>(below(4));
        choice.text = text();
        choice.mean_logprob = number();
        if (coin()) choice.tokens = tokens();
      }
      out.choices = choices.data();
      out.choice_count = choices.size();
      out.choice_size = sizeof(assay_choice);
    }
    if (coin()) {
      out.value_count = below(10);
      out.values = numbers(out.value_count);
    }
    if (below(3) == 0) {
      std::vector<assay_row>& rows = rows_.emplace_back(below(5));
      for (assay_row& one : rows) row(one);
      out.rows = rows.data();
      out.row_count = rows.size();
      out.row_size = sizeof(assay_row);
    }
    if (below(3) == 0) {
      std::vector<assay_series>& series = series_.emplace_back(below(4));
      for (assay_series& one : series) {
        one.name = text();
        one.count = below(6);
        one.values = numbers(one.count);
      }
      out.series = series.data();
      out.series_count = series.size();
    }
    if (coin()) out.flags = static_cast<std::uint32_t>(random_());
    out.tokens_in = static_cast<std::int64_t>(below(1000));
    out.tokens_out = static_cast<std::int64_t>(below(1000));
    out.total_ns = random_() >> 1U;
    out.attempts = static_cast<std::uint32_t>(1 + below(9));
    out.provider_id = text();
    return out;
  }

  assay_request request() {
    assay_request out{};
    out.struct_size = sizeof out;
    out.kind = static_cast<std::int32_t>(1 + below(5));
    out.flags = coin() ? 0 : static_cast<std::uint32_t>(random_());
    out.join = static_cast<std::int32_t>(below(2));
    out.name = text();
    out.task = text();
    out.item = text();
    out.variant = text();
    out.prompt = text();
    out.continuation = text();
    out.repeat = static_cast<std::uint32_t>(below(3));
    if (coin()) {
      std::vector<assay_message>& messages = messages_.emplace_back(below(4));
      for (assay_message& message : messages) message = {text(), text()};
      out.messages = messages.data();
      out.message_count = messages.size();
    }
    out.want = coin() ? 0 : random_();
    out.max_tokens = static_cast<std::int32_t>(below(3000)) - 1;
    out.n = static_cast<std::int32_t>(below(4));
    out.top_k = static_cast<std::int32_t>(below(4));
    out.temperature = coin() ? 0 : number();
    out.top_p = coin() ? 1 : number();
    out.min_p = coin() ? 0 : number();
    out.seed = coin() ? 0 : random_();
    if (coin()) {
      std::vector<assay_str>& stop = stops_.emplace_back();
      for (std::size_t i = below(4); i > 0; --i) stop.push_back(text());
      out.stop = {stop.data(), stop.size()};
    }
    return out;
  }

 private:
  std::mt19937_64 random_;
  std::deque<std::string> texts_;
  std::deque<std::vector<double>> reals_;
  std::deque<std::vector<std::uint64_t>> words_;
  std::deque<std::vector<const double*>> stats_;
  std::deque<assay_tokens> tokens_;
  std::deque<std::vector<assay_choice>> choices_;
  std::deque<std::vector<assay_row>> rows_;
  std::deque<std::vector<assay_series>> series_;
  std::deque<std::vector<assay_message>> messages_;
  std::deque<std::vector<assay_str>> stops_;
};

}  // namespace assay::test
