// How fast results are stored and read. Hidden: speed depends on what else the machine does. Run with
// `unit_tests "[.speed]"` on a quiet machine; the figures are printed, the checks are a quarter of the goals.
#include <sys/resource.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>

#include "db/testing/fixture.hpp"

using namespace assay::host;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

Digest random_key(std::uint64_t i) {
  Digest key;
  for (std::uint64_t part = 0; part < 4; ++part) {
    const std::uint64_t bits = mixed(4 * i + part + 1);
    std::memcpy(key.data() + 8 * part, &bits, sizeof bits);
  }
  return key;
}

/// 512 results with one response, one link and one score each.
std::shared_ptr<const Batch> make_batch(const SmallRun& small, std::uint64_t first) {
  constexpr std::size_t kRows = 512, kName = 16;
  const auto batch = std::make_shared<Batch>();
  const auto names = std::make_shared<std::string>(kRows * kName, ' ');
  batch->keep.push_back(names);
  for (std::size_t j = 0; j < kRows; ++j) {
    const std::uint64_t i = first + j;
    const int length =
        std::snprintf(names->data() + j * kName, kName, "item-%08llu", static_cast<unsigned long long>(i));
    const auto at = static_cast<std::uint32_t>(j);
    ResponseRow response;
    response.key = random_key(i);
    response.model = small.model;
    response.kind = 1;
    response.request = R"({"prompt":"What is the capital of the country in question?"})";
    response.answer = R"({"text":"The capital of that country is a large city."})";
    ResultRow result;
    result.evaluation = small.evaluation;
    result.position = static_cast<std::int64_t>(i);
    result.item_id = {names->data() + j * kName, static_cast<std::size_t>(length)};
    result.link_begin = result.score_begin = at;
    result.link_end = result.score_end = at + 1;
    ScoreRow score;
    score.value = small.values[0].id;
    score.number = static_cast<double>(i);
    batch->responses.push_back(response);
    batch->results.push_back(result);
    batch->links.push_back({"answer", "target", static_cast<std::int64_t>(j), 0});
    batch->scores.push_back(score);
  }
  return batch;
}

long peak_mib() {
  struct rusage usage {};
  (void)getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

}  // namespace

TEST_CASE("a million results: rate, memory, lookups, table", "[.speed]") {
  TempFolder folder;
  auto store = Store::open(folder.file("speed.db"));
  REQUIRE(text_of(store) == "");
  SmallRun small(**store);
  constexpr std::uint64_t kBatches = 1954, kRows = kBatches * 512;
  Clock::time_point start = Clock::now();
  long half_mib = 0;
  for (std::uint64_t k = 0; k < kBatches; ++k) {
    REQUIRE(text_of((*store)->submit(make_batch(small, k * 512))) == "");
    if (k == kBatches / 2) half_mib = peak_mib();
  }
  REQUIRE(text_of((*store)->flush()) == "");
  const double rate = static_cast<double>(kRows) / seconds_since(start);
  WARN("stored " << kRows << " results at " << rate << " per second, peak " << peak_mib() << " MiB");
  CHECK(rate > 50'000);
  CHECK(peak_mib() < half_mib + 32);  // the second half needs no more than the first

  std::vector<Digest> keys;
  for (std::uint64_t i = 0; i < 200'000; ++i) keys.push_back(random_key(i * 7919 % kRows));
  start = Clock::now();
  std::size_t hits = 0;
  for (std::size_t i = 0; i < keys.size(); i += 1000) {
    const auto found = (*store)->find_responses(std::span(keys).subspan(i, 1000));
    REQUIRE(found.ok());
    for (const auto& response : *found) hits += response.has_value() ? 1U : 0U;
  }
  const double lookups = static_cast<double>(keys.size()) / seconds_since(start);
  WARN("found " << hits << " responses at " << lookups << " per second");
  CHECK(hits == keys.size());
  CHECK(lookups > 50'000);

  auto reader = Reader::open(folder.file("speed.db"));
  start = Clock::now();
  const auto table = (*reader)->metric_table(small.evaluation, small.metric);
  const double seconds = seconds_since(start);
  REQUIRE(text_of(table) == "");
  WARN("metric_table of " << table->positions.size() << " rows in " << seconds << " s");
  CHECK(table->positions.size() == kRows);
  CHECK(table->numbers[2 * (kRows - 1)] == static_cast<double>(kRows - 1));
  CHECK(seconds < 4);
}
