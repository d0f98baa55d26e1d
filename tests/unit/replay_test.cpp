// Recorded answers: keys, fields, absent records, damaged files, and the cost of a large file.
#include <fcntl.h>
#include <zlib.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "plugins/models/replay/canonical_request.hpp"
#include "plugins/models/replay/recording.hpp"
#include "plugins/models/replay/row_index.hpp"
#include "plugins/models/replay/source_file.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/data.hpp"
#include "tests/support/temp_file.hpp"
#include "tests/unit/replay_support.hpp"

using namespace assay;          // NOLINT: a test
using namespace assay::replay;  // NOLINT: a test of this namespace
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

using replay_test::Answer;

struct TempFile : test::TempFile {
  explicit TempFile(std::string_view content, const char* suffix = ".jsonl")
      : test::TempFile(content, suffix) {}
};

struct Ask {
  std::string_view task, item, variant, name = "answer";
  assay_request_kind kind = ASSAY_REQUEST_GENERATE;
  std::uint32_t repeat = 0;
  int n = 1;
  std::string_view prompt = {};

  [[nodiscard]] assay_request request() const {
    assay_request r{};
    r.struct_size = sizeof r;
    r.kind = kind;
    r.task = str(task);
    r.item = str(item);
    r.variant = str(variant);
    r.name = str(name);
    r.repeat = repeat;
    r.n = n;
    r.prompt = str(prompt);
    r.top_p = 1;
    return r;
  }
};

Answer ask(const Recording& recording, const Ask& what, const test::Arena& arena) {
  return replay_test::ask(recording, what.request(), arena);
}

std::unique_ptr<Recording> load(const std::string& path, const std::string& run = {}) {
  auto opened = open_rows(path, run);
  INFO((opened ? std::string() : opened.error().text));
  REQUIRE(opened.ok());
  return std::move(*opened);
}

constexpr const char* kHeader =
    R"({"format":"assay.replay/1","model":"m","key_mode":"item","capabilities":["generate","logprob","ranks"]})"
    "\n";

}  // namespace

TEST_CASE("replay: a key's absent parts match anything and the most specific key wins") {
  const TempFile file(std::string(kHeader) +
                      "{\"key\":\"a\",\"text\":\"plain\"}\n\n"
                      "{\"key\":{\"item\":\"a\",\"name\":\"answer\"},\"text\":\"named\"}\n"
                      "{\"key\":{\"item\":\"a\",\"name\":\"answer\",\"task\":\"t\"},\"text\":\"of t\"}\r\n"
                      "{\"key\":{\"item\":7},\"text\":\"seven\"}\n"
                      "{\"key\":{\"item\":\"a\",\"repeat\":2},\"text\":\"third\"}");
  const auto recording = load(file.path());
  CHECK(recording->capabilities() ==
        (ASSAY_CAP_GENERATE | ASSAY_CAP_LOGPROB | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_RANK));
  test::Arena arena;
  CHECK(ask(*recording, {"u", "a", "", "other"}, arena).view().text() == "plain");
  CHECK(ask(*recording, {"u", "a", "v", "answer"}, arena).view().text() == "named");
  CHECK(ask(*recording, {"t", "a", "", "answer"}, arena).view().text() == "of t");
  CHECK(ask(*recording, {"t", "7", "", "answer"}, arena).view().text() == "seven");
  CHECK(ask(*recording, {"t", "a", "", "answer", ASSAY_REQUEST_GENERATE, 2}, arena).view().text() == "third");
  // A repeat that was not recorded is never made up from another one.
  const Answer missing = ask(*recording, {"t", "a", "", "answer", ASSAY_REQUEST_GENERATE, 1}, arena);
  REQUIRE_FALSE(missing.done.ok());
  CHECK(missing.done.error().code == Code::kNotFound);
  CHECK(missing.done.error().key == "no_record");
  CHECK_THAT(missing.done.error().text, ContainsSubstring("item 'a'") && ContainsSubstring("repeat 1"));
}

TEST_CASE("replay: token arrays, nulls, choices, series and values arrive as recorded") {
  const TempFile file(
      std::string(kHeader) +
      R"({"key":{"item":"s","kind":"score"},"tokens":[5,6,7],"logprobs":[null,-0.25,-1e-7],"ranks":[null,1,2],"usage":{"prompt_tokens":3,"completion_tokens":0}})"
      "\n"
      R"({"key":{"item":"s","kind":"generate"},"choices":[{"text":"x\n\"é\"","finish_reason":"stop","logprobs":[-1.5]},"y"]})"
      "\n"
      R"({"key":{"item":"s","kind":"classify"},"values":[0.25,null,3]})"
      "\n"
      R"({"key":"only_series","series":{"rougeL_recall":[0.5]}})"
      "\n"
      R"({"key":"mean","mean_logprob":-0.5,"scored_count":4})"
      "\n");
  const auto recording = load(file.path());
  test::Arena arena;
  const Answer score = ask(*recording, {"t", "s", "", "gold", ASSAY_REQUEST_SCORE}, arena);
  REQUIRE(score.done.ok());
  const TokensView tokens = score.view().tokens();
  REQUIRE(tokens.size() == 3);
  CHECK(tokens.ids()[2] == 7);
  CHECK(std::isnan(tokens.logprob()[0]));
  CHECK(tokens.logprob()[1] == -0.25);
  CHECK(tokens.rank()[2] == 2.0);
  CHECK(tokens.entropy().empty());
  CHECK(score.view().mean_logprob() == (-0.25 - 1e-7) / 2);
  CHECK(score.raw.tokens_in == 3);

  const Answer two = ask(*recording, {"t", "s", "", "samples", ASSAY_REQUEST_GENERATE, 0, 2}, arena);
  REQUIRE(two.done.ok());
  REQUIRE(two.view().samples() == 2);
  CHECK(two.view().text(0) == "x\n\"é\"");
  CHECK(two.view().finish(0) == Finish::kStop);
  CHECK(two.view().sample_tokens(0).logprob()[0] == -1.5);
  CHECK(two.view().text(1) == "y");
  CHECK_FALSE(two.view().sample_tokens(1).present());
  const Answer three = ask(*recording, {"t", "s", "", "samples", ASSAY_REQUEST_GENERATE, 0, 3}, arena);
  REQUIRE_FALSE(three.done.ok());
  CHECK_THAT(three.done.error().text, ContainsSubstring("2 of the 3 samples"));

  const Answer classes = ask(*recording, {"t", "s", "", "c", ASSAY_REQUEST_CLASSIFY}, arena);
  REQUIRE(classes.done.ok());
  CHECK(classes.view().values()[0] == 0.25);
  CHECK(std::isnan(classes.view().values()[1]));
  const Answer series = ask(*recording, {"t", "only_series", ""}, arena);
  REQUIRE(series.done.ok());
  CHECK(series.view().samples() == 0);
  CHECK(series.view().series("rougeL_recall")[0] == 0.5);
  const Answer mean = ask(*recording, {"t", "mean", "", "gold", ASSAY_REQUEST_SCORE}, arena);
  REQUIRE(mean.done.ok());
  CHECK(mean.view().sum_logprob() == -2.0);
  // What the kind of request needs and the record lacks is unsupported, never a value.
  const Answer lacking = ask(*recording, {"t", "mean", ""}, arena);
  REQUIRE_FALSE(lacking.done.ok());
  CHECK(lacking.done.error().code == Code::kUnsupported);
}

TEST_CASE("replay: implausible and malformed records are errors with their line") {
  const TempFile file(std::string(kHeader) +
                      "{\"key\":\"a\",\"logprobs\":[-1,0.5]}\n"
                      "{\"key\":\"b\",\"logprobs\":[-1],\"ranks\":[1,2]}\n"
                      "{\"key\":\"c\",\"text\":7}\n");
  const auto recording = load(file.path());
  test::Arena arena;
  for (const auto& [item, wanted] : {std::pair{"a", ":2"}, {"b", ":3"}, {"c", ":4"}}) {
    const Answer answer = ask(*recording, {"t", item, "", "g", ASSAY_REQUEST_SCORE}, arena);
    REQUIRE_FALSE(answer.done.ok());
    CHECK(answer.done.error().code == Code::kData);
    CHECK_THAT(answer.done.error().text, ContainsSubstring(wanted));
  }
}

TEST_CASE("replay: identical duplicates are accepted, different ones refused with both lines") {
  const TempFile same(std::string(kHeader) +
                      "{\"key\":\"a\",\"text\":\"x\"}\n{\"key\":\"a\",\"text\":\"x\"}\n");
  CHECK(open_rows(same.path(), {}).ok());
  const TempFile different(std::string(kHeader) +
                           "{\"key\":\"a\",\"text\":\"x\"}\n{\"key\":\"a\",\"text\":\"y\"}\n");
  const auto refused = open_rows(different.path(), {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kData);
  CHECK_THAT(refused.error().text, ContainsSubstring(":3") && ContainsSubstring("line 2"));
  const TempFile runs(
      "{\"key\":\"a\",\"run\":\"one\",\"text\":\"x\"}\n{\"key\":\"a\",\"run\":\"two\",\"text\":\"y\"}\n");
  CHECK_FALSE(open_rows(runs.path(), {}).ok());
  test::Arena arena;
  CHECK(ask(*load(runs.path(), "two"), {"t", "a", ""}, arena).view().text() == "y");
  CHECK(load(runs.path(), "two")->capabilities() == ASSAY_CAP_GENERATE);  // a file without a header
  CHECK_FALSE(open_rows(runs.path(), "three").ok());
}

TEST_CASE("replay: unusable files are refused with a sentence") {
  const auto refusal = [](std::string_view content) {
    const TempFile file(content);
    const auto opened = open_rows(file.path(), {});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == Code::kData);
    return opened.error().text;
  };
  CHECK_THAT(refusal(""), ContainsSubstring("no record"));
  CHECK_THAT(refusal("{\"key\":\"a\",\"text\":\"cut"), ContainsSubstring(":1"));
  CHECK_THAT(refusal("{\"text\":\"a\"}\n"), ContainsSubstring("no \"key\""));
  CHECK_THAT(refusal("{\"key\":{\"name\":\"a\"}}\n"), ContainsSubstring("names no item"));
  CHECK_THAT(refusal("{\"key\":{\"item\":\"a\",\"nmae\":\"b\"}}\n"), ContainsSubstring("nmae"));
  CHECK_THAT(refusal("{\"format\":\"assay.replay/9\"}\n"), ContainsSubstring("assay.replay/9"));
  CHECK_THAT(refusal("{\"format\":\"assay.replay/1\",\"capabilities\":[\"fly\"]}\n"),
             ContainsSubstring("fly"));
  CHECK_THAT(refusal("[1,2]\n"), ContainsSubstring(":1"));
  CHECK(open_rows("/nonexistent/file", {}).error().code == Code::kNotFound);
}

TEST_CASE("replay: gzip, byte order mark and several gzip members") {
  const std::string content = "\xEF\xBB\xBF" + std::string(kHeader) + "{\"key\":\"a\",\"text\":\"zipped\"}\n";
  const TempFile marker("");
  const std::string path = marker.path();
  for (const char* mode : {"wb", "ab"}) {
    gzFile out = gzopen(path.c_str(), mode);
    const std::string_view part =
        mode[0] == 'w' ? std::string_view(content) : "{\"key\":\"b\",\"text\":\"second\"}\n";
    REQUIRE(gzwrite(out, part.data(), static_cast<unsigned>(part.size())) == static_cast<int>(part.size()));
    gzclose(out);
  }
  const auto recording = load(path);
  test::Arena arena;
  CHECK(ask(*recording, {"t", "a", ""}, arena).view().text() == "zipped");
  CHECK(ask(*recording, {"t", "b", ""}, arena).view().text() == "second");
  fs::resize_file(path, fs::file_size(path) - 9);
  CHECK_FALSE(open_rows(path, {}).ok());
}

TEST_CASE("replay: the canonical request is sorted, minimal and independent of where it is asked") {
  Ask what{"t", "i", "v", "answer", ASSAY_REQUEST_GENERATE, 0, 1, "say \"é\"\n"};
  assay_request r = what.request();
  CHECK(canonical_request(r) ==
        R"({"kind":"generate","max_tokens":0,"prompt":"say \"é\"\n","temperature":0})");
  // SHA-256 of that text, computed with another tool (sha256sum).
  CHECK(request_digest(r) == "066a4e9eef2cf718b259c39f007cc660c472bbf8b072d0cb9880cdf80ebe83a0");
  const std::string greedy = request_digest(r);
  r.item = str("elsewhere");
  r.want = ASSAY_CAP_RANK;
  r.label = 1;
  CHECK(request_digest(r) == greedy);
  r.temperature = 0.7;
  r.seed = 5;
  const std::string sampled = request_digest(r);
  CHECK(sampled != greedy);
  r.seed = 6;
  CHECK(request_digest(r) != sampled);

  const TempFile file("{\"format\":\"assay.replay/1\",\"key_mode\":\"request\"}\n{\"key\":\"" + greedy +
                      "\",\"text\":\"by digest\"}\n");
  const auto recording = load(file.path());
  test::Arena arena;
  CHECK(ask(*recording, what, arena).view().text() == "by digest");
  what.prompt = "say nothing";
  CHECK(ask(*recording, what, arena).done.error().key == "no_record");
}

TEST_CASE("replay: an index finds every key it was given and no other") {
  RowIndex index;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::string item = std::to_string(i);
    KeyView key;
    key.mask = kPartItem;
    key.item = item;
    REQUIRE_FALSE(index.insert(fingerprint(key), i).has_value());
  }
  for (std::uint64_t i = 0; i < 40000; ++i) {
    const std::string item = std::to_string(i);
    KeyView key;
    key.mask = kPartItem;
    key.item = item;
    const auto found = index.find(fingerprint(key));
    REQUIRE(found.has_value() == (i < 20000));
    if (found) REQUIRE(*found == i);
  }
}

namespace {

/// A value of this process from /proc/self/status, in KiB.
long status_kib(std::string_view name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::stol(line.substr(name.size() + 1));
  }
  return -1;
}

}  // namespace

TEST_CASE("replay: a million records cost less than 100 MB and are found quickly", "[.perf]") {
  const TempFile file("");
  {
    std::ofstream out(file.path(), std::ios::binary);
    out << kHeader;
    for (int i = 0; i < 1'000'000; ++i) {
      out << "{\"key\":{\"item\":\"item-" << i
          << "\",\"kind\":\"score\"},\"tokens\":[1,2,3,4],\"logprobs\":[null,-0.5,-1.25,-" << i % 7
          << ".125],\"ranks\":[null,1,2,3],\"meta\":{\"source\":\"generated\"}}\n";
    }
  }
  const long before = status_kib("VmRSS:");
  const auto started = std::chrono::steady_clock::now();
  const auto recording = load(file.path());
  const double load_time = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const long cost = status_kib("VmRSS:") - before;
  std::vector<std::byte> memory(1U << 16U);
  struct Bump {
    std::byte* at;
    std::byte* end;
  } bump{memory.data(), memory.data() + memory.size()};
  assay_call raw{};
  raw.ctx = &bump;
  raw.alloc = [](void* ctx, std::size_t size, std::size_t) noexcept -> void* {
    auto& b = *static_cast<Bump*>(ctx);
    std::byte* at = b.at;
    b.at += (size + 15) / 16 * 16;
    return b.at <= b.end ? at : nullptr;
  };
  const Call call(&raw);
  const std::clock_t asked = std::clock();  // processor time: other programs may be running
  std::uint64_t i = 1;
  constexpr int kLookups = 500'000;
  for (int n = 0; n < kLookups; ++n) {
    i = (i * 48271) % 1'000'003 % 1'000'000;
    bump.at = memory.data();
    const std::string item = "item-" + std::to_string(i);
    assay_response response = test::empty_response();
    ResponseWriter writer(response, call);
    const assay_request request = Ask{"t", item, "", "g", ASSAY_REQUEST_SCORE}.request();
    const bool done = recording->answer(request, writer).ok();
    if (!done || response.tokens->count != 4) FAIL("item " << item);
  }
  const double seconds = static_cast<double>(std::clock() - asked) / CLOCKS_PER_SEC;
  WARN("load " << load_time << " s, resident after load " << cost / 1024 << " MiB, " << kLookups / seconds
               << " lookups/s");
  CHECK(cost < 100 * 1024);
  CHECK(kLookups / seconds > 500'000);
}
