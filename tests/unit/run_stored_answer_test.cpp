#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "assay/sdk/abi.hpp"
#include "db/blob.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_answer.hpp"
#include "tests/unit/run_stored_answer_support.hpp"

using namespace assay;
using namespace assay::host;
using assay::test::Maker;

namespace {

StoredResponse stored(const assay_response& response) {
  StoredResponse out;
  out.kind = ASSAY_REQUEST_GENERATE;
  append_answer_json(response, out.answer);
  encode_tokens(response, out.tokens);
  out.tokens_in = response.tokens_in;
  out.tokens_out = response.tokens_out;
  out.total_ns = static_cast<std::int64_t>(response.total_ns);
  out.attempts = response.attempts;
  out.provider_id = view(response.provider_id);
  return out;
}

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
bool same(const double* a, const double* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    if (!same(a[i], b[i])) return false;
  }
  return true;
}
/// Both absent, or both there with equal bytes.
template <class T>
bool same_array(const T* a, const T* b, std::size_t n) {
  return (a == nullptr) == (b == nullptr) &&
         (a == nullptr || n == 0 || std::memcmp(a, b, n * sizeof(T)) == 0);
}

bool same(const assay_tokens* a, const assay_tokens* b) {
  if (a == nullptr || b == nullptr) return a == b;
  bool equal = a->flags == b->flags && a->count == b->count && a->vocabulary == b->vocabulary &&
               same_array(a->ids, b->ids, a->count) && same_array(a->begin, b->begin, a->count) &&
               same_array(a->end, b->end, a->count) && b->stat_count == ASSAY_STAT_COUNT;
  for (std::size_t s = 0; equal && s < ASSAY_STAT_COUNT; ++s) {
    equal = (a->stats[s] == nullptr) == (b->stats[s] == nullptr) &&
            (a->stats[s] == nullptr || same(a->stats[s], b->stats[s], a->count));
  }
  equal = equal && same_array(a->top_offset, b->top_offset, a->count + 1);
  if (!equal || a->top_offset == nullptr) return equal;
  const std::size_t top = a->top_offset[a->count];
  return same_array(a->top_id, b->top_id, top) && same(a->top_logprob, b->top_logprob, top);
}

bool same(const assay_row& a, const assay_row& b) {
  if (a.form != b.form || a.dtype != b.dtype || a.member != b.member || a.position != b.position ||
      a.target != b.target || a.vocabulary != b.vocabulary)
    return false;
  for (std::uint32_t v = 0; v < a.vocabulary; ++v) {
    if (a.dtype == ASSAY_F64) {
      if (!same(static_cast<const double*>(a.data)[v], static_cast<const double*>(b.data)[v])) return false;
      continue;
    }
    const float x = static_cast<const float*>(a.data)[v], y = static_cast<const float*>(b.data)[v];
    if (!(std::isnan(x) && std::isnan(y)) &&
        std::bit_cast<std::uint32_t>(x) != std::bit_cast<std::uint32_t>(y))
      return false;
  }
  return true;
}

/// The first difference, or "".
std::string difference(const assay_response& a, const assay_response& b) {
  if (b.status.code != ASSAY_OK || b.status.message.len != 0) return "status";
  if (a.flags != b.flags) return "flags";
  if (a.choice_count != b.choice_count) return "number of choices";
  for (std::size_t i = 0; i < a.choice_count; ++i) {
    const assay_choice &x = a.choices[i], &y = b.choices[i];
    if (x.finish != y.finish) return "finish";
    if (view(x.text) != view(y.text)) return "text";
    if (!same(x.mean_logprob, y.mean_logprob)) return "mean of a choice";
    if (!same(x.tokens, y.tokens)) return "tokens of choice " + std::to_string(i);
  }
  if (!same(a.tokens, b.tokens)) return "tokens";
  if (!same(a.mean_logprob, b.mean_logprob)) return "mean";
  if (a.scored_count != b.scored_count) return "scored count";
  if (a.value_count != b.value_count || !same(a.values, b.values, a.value_count)) return "values";
  if (a.row_count != b.row_count) return "number of rows";
  for (std::size_t i = 0; i < a.row_count; ++i) {
    if (!same(a.rows[i], b.rows[i])) return "row " + std::to_string(i);
  }
  if (a.series_count != b.series_count) return "number of series";
  for (std::size_t i = 0; i < a.series_count; ++i) {
    const assay_series &x = a.series[i], &y = b.series[i];
    if (view(x.name) != view(y.name) || x.count != y.count || !same(x.values, y.values, x.count))
      return "series";
  }
  if (a.tokens_in != b.tokens_in || a.tokens_out != b.tokens_out) return "usage";
  if (a.total_ns != b.total_ns || a.attempts != b.attempts) return "time";
  if (view(a.provider_id) != view(b.provider_id)) return "provider";
  return "";
}

/// Reads every byte the response points to, so that a sanitizer sees what lies outside.
std::size_t touch(const assay_response& response) {
  StoredResponse again = stored(response);
  return again.answer.size() + again.tokens.size();
}

std::string mutated(std::string text, std::mt19937_64& random) {
  for (std::uint64_t changes = 1 + random() % 3; changes > 0 && !text.empty(); --changes) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text[at] = static_cast<char>(text[at] ^ (1 << (random() % 8)));
        break;
      case 2:
        text.resize(at);
        break;
      default:
        text.insert(at, 1, "{}[],:\"-0e\\"[random() % 11]);
        break;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("a stored response comes back with the same bits", "[run]") {
  std::size_t with_choices = 0, with_rows = 0, with_tops = 0;
  for (std::uint64_t seed = 1; seed <= 6000; ++seed) {
    CAPTURE(seed);
    Maker maker(seed);
    const assay_response original = maker.response();
    const StoredResponse row = stored(original);
    Arena arena;
    assay_response restored{};
    const auto done = restore_response(row, arena, restored);
    INFO(row.answer);
    if (!done) FAIL(done.error().text);
    const std::string where = difference(original, restored);
    if (!where.empty()) FAIL(where);
    with_choices += original.choice_count > 1 && original.choices[1].tokens != nullptr ? 1 : 0;
    with_rows += original.row_count > 0 ? 1 : 0;
    with_tops += original.tokens != nullptr && original.tokens->top_offset != nullptr ? 1 : 0;
  }
  CHECK(with_choices > 500);
  CHECK(with_rows > 500);
  CHECK(with_tops > 500);
}

TEST_CASE("what a restored response points to lies in the arena", "[run]") {
  Maker maker(11);
  for (int round = 0; round < 200; ++round) {
    Arena arena;
    assay_response restored{};
    {
      const StoredResponse row = stored(maker.response());
      REQUIRE(restore_response(row, arena, restored).ok());
    }
    CHECK(arena.owns(restored.provider_id.ptr, restored.provider_id.len));
    for (std::size_t i = 0; i < restored.choice_count; ++i) {
      const assay_choice& choice = restored.choices[i];
      CHECK(arena.owns(&choice, sizeof choice));
      CHECK(arena.owns(choice.text.ptr, choice.text.len));
      if (choice.tokens != nullptr) CHECK(arena.owns(choice.tokens, sizeof *choice.tokens));
    }
    touch(restored);
  }
}

TEST_CASE("answers of the first format are readable", "[run]") {
  // Before: null for what is not finite, no type of a row, one unmarked record of tokens for the first
  // choice.
  StoredResponse row;
  row.answer =
      R"({"choices":[{"finish":"stop","mean_logprob":-0.5,"text":"one"},{"finish":"length","text":"two"}],)"
      R"("rows":[{"data":[-0,null,36893488147419103000],"form":1,"member":-1,"position":0,"target":3}],)"
      R"("scored":4,"series":{"entropy":[null,1.5]},"values":[null,-0,1e-320]})";
  Maker maker(5);
  const assay_tokens* tokens = maker.tokens();
  encode_tokens(*tokens, row.tokens);
  Arena arena;
  assay_response out{};
  REQUIRE(restore_response(row, arena, out).ok());
  REQUIRE(out.choice_count == 2);
  CHECK(view(out.choices[0].text) == "one");
  CHECK(out.choices[0].finish == ASSAY_FINISH_STOP);
  CHECK(out.choices[0].mean_logprob == -0.5);
  CHECK(std::isnan(out.choices[1].mean_logprob));
  CHECK(out.choices[1].finish == ASSAY_FINISH_LENGTH);
  CHECK(same(tokens, out.choices[0].tokens));
  CHECK(out.choices[1].tokens == nullptr);
  CHECK(out.tokens == nullptr);
  CHECK(std::isnan(out.mean_logprob));
  CHECK(out.scored_count == 4);
  REQUIRE(out.row_count == 1);
  CHECK(out.rows[0].dtype == ASSAY_F64);
  REQUIRE(out.rows[0].vocabulary == 3);
  const auto* data = static_cast<const double*>(out.rows[0].data);
  CHECK(same(data[0], -0.0));
  CHECK(std::isnan(data[1]));
  CHECK(data[2] == 36893488147419103232.0);
  REQUIRE(out.series_count == 1);
  CHECK(view(out.series[0].name) == "entropy");
  CHECK(std::isnan(out.series[0].values[0]));
  REQUIRE(out.value_count == 3);
  CHECK(same(out.values[1], -0.0));
  CHECK(out.values[2] == 1e-320);
  // The record of an answer without choices is the answer's own.
  row.answer = "{}";
  REQUIRE(restore_response(row, arena, out).ok());
  CHECK(same(tokens, out.tokens));
}

TEST_CASE("a stored failure comes back as one", "[run]") {
  StoredResponse row;
  row.code = ASSAY_TIMEOUT;
  row.message = "no answer within 10 s";
  row.attempts = 4;
  row.provider_id = "req-1";
  Arena arena;
  assay_response out{};
  REQUIRE(restore_response(row, arena, out).ok());
  CHECK(out.status.code == ASSAY_TIMEOUT);
  CHECK(view(out.status.message) == "no answer within 10 s");
  CHECK(out.attempts == 4);
  CHECK(view(out.provider_id) == "req-1");
  CHECK(out.choice_count == 0);
  CHECK(std::isnan(out.mean_logprob));
}

TEST_CASE("a damaged answer is refused with a sentence", "[run]") {
  const struct {
    std::string answer;
    const char* says;
  } cases[] = {
      {"", "a stored answer is damaged"},
      {"null", "a stored answer is damaged"},
      {"[]", "a stored answer is damaged"},
      {"{} {}", "text follows its end"},
      {R"({"choice":[]})", "'choice' is not known here"},
      {R"({"choices":{}})", "'choices' is not a list"},
      {R"({"choices":[{"finish":"ended","text":""}]})", "'finish' is none of none, stop, length and filter"},
      {R"({"choices":[{"finish":"stop","text":7}]})", "'text' is not a text"},
      {R"({"values":[1,"2"]})", "'values' is not a number"},
      {R"({"values":[1e999]})", "'values' is not a number"},
      {R"({"values":[1,[2]]})", "'values' is not a number"},
      {R"({"scored":1.5})", "'scored' is not a whole number"},
      {R"({"flags":-1})", "'flags' is out of range"},
      {R"({"flags":4294967296})", "'flags' is out of range"},
      {R"({"rows":[{"data":[1],"form":4}]})", "'form' is out of range"},
      {R"({"rows":[{"data":[1]}]})", "'form' is missing"},
      {R"({"rows":[{"data":[1e300],"dtype":1,"form":1}]})", "not a float32"},
      {"{\"choices\":[{\"text\":\"\xff\"}]}", "a stored answer is damaged"},
      {R"({"choices":[{"text":"\udc00"}]})", "a stored answer is damaged"},
  };
  Arena arena;
  for (const auto& [answer, says] : cases) {
    CAPTURE(answer);
    StoredResponse row;
    row.answer = answer;
    assay_response out{};
    const auto done = restore_response(row, arena, out);
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == Code::kData);
    INFO(done.error().text);
    CHECK(done.error().text.find(says) != std::string::npos);
    CHECK(out.status.code == ASSAY_UNSET);
  }
  StoredResponse row;
  row.answer = "{}";
  row.code = 99;
  assay_response out{};
  CHECK_FALSE(restore_response(row, arena, out).ok());
  row.code = 0;
  row.provider_id = "\xc3";
  CHECK_FALSE(restore_response(row, arena, out).ok());
  row.provider_id.clear();
  row.total_ns = -1;
  CHECK_FALSE(restore_response(row, arena, out).ok());
}

TEST_CASE("tokens must belong to the answer they are stored with", "[run]") {
  Maker maker(8);
  assay_choice choices[3] = {};
  for (assay_choice& choice : choices) choice.struct_size = sizeof choice;
  choices[2].tokens = maker.tokens();
  assay_response response{};
  response.choices = choices;
  response.choice_count = 3;
  response.choice_size = sizeof(assay_choice);
  StoredResponse row = stored(response);
  Arena arena;
  assay_response out{};
  REQUIRE(restore_response(row, arena, out).ok());
  CHECK(out.choices[0].tokens == nullptr);
  CHECK(same(choices[2].tokens, out.choices[2].tokens));
  row.answer = R"({"choices":[{"finish":"stop","text":"a"}]})";
  const auto fewer = restore_response(row, arena, out);
  REQUIRE_FALSE(fewer.ok());
  CHECK(fewer.error().text.find("belongs to no choice") != std::string::npos);
  row = stored(response);
  row.tokens += row.tokens;  // the same owner twice
  CHECK_FALSE(restore_response(row, arena, out).ok());
}

TEST_CASE("an exhausted arena is an error of its own", "[run]") {
  Maker maker(21);
  std::size_t refused = 0;
  for (int round = 0; round < 50; ++round) {
    const StoredResponse row = stored(maker.response());
    Arena none(0);
    assay_response out{};
    const auto done = restore_response(row, none, out);
    if (done) continue;
    ++refused;
    CHECK(done.error().code == Code::kResourceExhausted);
  }
  CHECK(refused > 40);
}

TEST_CASE("changed bytes of a stored answer never crash", "[run]") {
  std::mt19937_64 random(77);
  std::size_t refused = 0, rounds = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Maker maker(seed);
    const StoredResponse row = stored(maker.response());
    for (int change = 0; change < 60; ++change, ++rounds) {
      StoredResponse damaged = row;
      if (!row.tokens.empty() && random() % 2 == 0) {
        damaged.tokens = mutated(row.tokens, random);
      } else {
        damaged.answer = mutated(row.answer, random);
      }
      Arena arena;
      assay_response out{};
      const auto done = restore_response(damaged, arena, out);
      if (done) {
        touch(out);
        continue;
      }
      ++refused;
      if (done.error().code != Code::kData) FAIL(done.error().text);
    }
  }
  CHECK(refused > rounds / 3);
}

TEST_CASE("every truncation of a stored answer is refused", "[run]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Maker maker(seed);
    const StoredResponse row = stored(maker.response());
    Arena arena;
    for (std::size_t length = 0; length < row.answer.size(); ++length) {
      StoredResponse cut = row;
      cut.answer.resize(length);
      cut.tokens.clear();
      assay_response out{};
      if (restore_response(cut, arena, out).ok()) FAIL("accepted: " + cut.answer);
    }
  }
}

TEST_CASE("a restored request gives the same bytes", "[run]") {
  std::mt19937_64 random(3);
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    CAPTURE(seed);
    Maker maker(seed);
    const assay_request original = maker.request();
    for (const bool keyed : {false, true}) {
      std::string first, second;
      append_request_json(original, keyed, first);
      Arena arena;
      assay_request restored{};
      const auto done = restore_request(first, arena, restored);
      INFO(first);
      if (!done) FAIL(done.error().text);
      append_request_json(restored, keyed, second);
      if (first != second) FAIL(second);
      CHECK(restored.label == -1);
      assay_request out{};
      const auto damaged = restore_request(mutated(first, random), arena, out);
      if (!damaged && damaged.error().code != Code::kData) FAIL(damaged.error().text);
      second.clear();
      if (damaged) append_request_json(out, keyed, second);
    }
  }
}

TEST_CASE("a damaged request is refused with a sentence", "[run]") {
  Arena arena;
  assay_request out{};
  for (const char* text :
       {"", "{}", "[]", R"({"kind":"guess","prompt":""})", R"({"kind":"score","seed":"12x"})",
        R"({"kind":"score","prompt":1})", R"({"kind":"score","n":2147483648})",
        R"({"kind":"score","prompt":"a","colour":"red"})"}) {
    CAPTURE(text);
    const auto done = restore_request(text, arena, out);
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == Code::kData);
    CHECK(done.error().text.starts_with("a stored request is damaged: "));
  }
}

TEST_CASE("a temperature that nobody stated stays unstated in a stored request", "[run]") {
  for (const std::string json : {R"({"kind":"generate","max_tokens":0,"prompt":"p"})",
                                 R"({"kind":"generate","max_tokens":0,"prompt":"p","temperature":0})"}) {
    Arena arena;
    assay_request request{};
    REQUIRE(restore_request(json, arena, request).ok());
    CHECK(std::isnan(request.temperature) == (json.find("temperature") == std::string::npos));
    std::string again;
    append_request_json(request, false, again);
    CHECK(again == json);
  }
}
