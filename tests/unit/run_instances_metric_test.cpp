// Metrics that misbehave: no number of a failed score survives, the host's arrays stay the host's.
#include <array>
#include <cmath>

#include "tests/support/garbage/host.hpp"

namespace {

using assay::Code;
using assay::Result;
using assay::view;
using assay::host::Arena;
using assay::host::MetricInstance;
using assay::test::check_misbehaving;
using assay::test::check_sound;
using assay::test::GarbageHost;

const std::string kMetricId = "test.garbage_metric";

std::unique_ptr<MetricInstance> metric(const std::string& mode) {
  Result<std::unique_ptr<MetricInstance>> made = GarbageHost::get().metric(mode);
  INFO((made ? std::string() : made.error().text));
  REQUIRE(made);
  return *std::move(made);
}

struct Scored {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  std::array<std::array<double, 2>, 3> values{};
  std::array<assay_score, 3> scores{};
};

std::unique_ptr<Scored> score(const std::string& mode) {
  auto out = std::make_unique<Scored>();
  assay_item item{};
  item.struct_size = sizeof item;
  item.id = assay::str("only");
  std::array<assay_record, 3> records{};
  for (std::size_t i = 0; i < 3; ++i) {
    records[i].struct_size = sizeof(assay_record);
    records[i].item = &item;
    out->values[i].fill(std::nan(""));
    out->scores[i].values = out->values[i].data();
    out->scores[i].value_count = 2;
  }
  metric(mode)->eval(records, out->scores, out->arena, nullptr);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(out->scores[i].values == out->values[i].data());
    CHECK(out->scores[i].value_count == 2);
  }
  return out;
}

void check_no_numbers(const Scored& scored) {
  for (const auto& values : scored.values) {
    CHECK(std::isnan(values[0]));
    CHECK(std::isnan(values[1]));
  }
}

struct MetricCase {
  const char* mode;
  const char* complaint;
};

constexpr MetricCase kRefusedMetrics[] = {
    {"status_unset", "unset"},
    {"status_unknown", "unknown status 77"},
    {"status_of_host", "unknown status 13"},
    {"failure_silent", "without a sentence"},
    {"failure_static", "its message does not lie"},
    {"failure_wild", "its message does not lie"},
    {"failure_null", "its message does not lie"},
    {"failure_bad_utf8", "its message is not valid UTF-8"},
    {"failure_long", "longer than 4 KiB"},
    {"state_unset", "it left the state of a score unset"},
    {"state_unknown", "state"},
    {"note_static", "a note does not lie"},
    {"note_wild", "a note does not lie"},
    {"note_bad_utf8", "a note is not valid UTF-8"},
    {"values_moved_and_bad", "it left the state of a score unset"},
    {"batch_unknown", "code 77"},
};

}  // namespace

TEST_CASE("a score that breaks the contract is an error without numbers", "[run][instances]") {
  for (const MetricCase& one : kRefusedMetrics) {
    DYNAMIC_SECTION(one.mode) {
      const auto scored = score(one.mode);
      for (const assay_score& one_score : scored->scores) {
        check_misbehaving(one_score.status, kMetricId, one.complaint);
        CHECK(one_score.state == ASSAY_STATE_ERROR);
        CHECK(one_score.note.len == 0);
      }
      check_no_numbers(*scored);
    }
  }
}

TEST_CASE("a metric that fails honestly keeps its sentence and leaves no number", "[run][instances]") {
  const auto scored = score("failure_honest");
  for (const assay_score& one : scored->scores) {
    CHECK(one.status.code == ASSAY_DATA);
    CHECK(view(one.status.message) == "row 7 is torn");
  }
  check_no_numbers(*scored);
  const auto exhausted = score("exhausted_wild");
  for (const assay_score& one : exhausted->scores) {
    CHECK(one.status.code == ASSAY_RESOURCE_EXHAUSTED);
    check_sound(one.status);
  }
  check_no_numbers(*exhausted);
}

TEST_CASE("a metric's batch failure keeps its code", "[run][instances]") {
  const auto failed = score("batch_fails");
  for (const assay_score& one : failed->scores) {
    CHECK(one.status.code == ASSAY_UNAVAILABLE);
    check_sound(one.status);
  }
  const auto cancelled = score("batch_cancelled");
  for (const assay_score& one : cancelled->scores) CHECK(one.status.code == ASSAY_CANCELLED);
}

TEST_CASE("a metric that keeps the contract is left alone", "[run][instances]") {
  for (const char* mode : {"good", "values_moved"}) {
    DYNAMIC_SECTION(mode) {
      const auto scored = score(mode);
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(scored->scores[i].status.code == ASSAY_OK);
        CHECK(scored->scores[i].state == ASSAY_STATE_OK);
        CHECK(scored->values[i][0] == 0.25);
        CHECK(scored->values[i][1] == 4.0);
      }
    }
  }
  // An infinite value stays: the caller counts it as not finite.
  CHECK(std::isinf(score("value_infinite")->values[0][0]));
}

TEST_CASE("a metric that cannot be fitted is an error with a reason", "[run][instances]") {
  for (const MetricCase& one : {MetricCase{"fit_silent", "no reason"}, MetricCase{"fit_wild", "no reason"},
                                MetricCase{"fit_bad_utf8", "caf\xEF\xBF\xBD"}}) {
    DYNAMIC_SECTION(one.mode) {
      const Result<void> done = metric(one.mode)->fit({}, true);
      REQUIRE_FALSE(done);
      INFO(done.error().text);
      CHECK(done.error().code == Code::kData);
      CHECK(done.error().text.find("'" + kMetricId + "'") != std::string::npos);
      CHECK(done.error().text.find(one.complaint) != std::string::npos);
      CHECK(assay::host::valid_utf8(done.error().text));
    }
  }
  CHECK(metric("good")->fit({}, true));
}

TEST_CASE("an aggregate that fails says so and leaves no number", "[run][instances]") {
  const assay_sample sample{};
  const std::vector<std::uint32_t> pick;
  const std::span<const std::uint32_t> picks[] = {pick, pick};
  std::array<double, 2> out{};
  CHECK(metric("good")->aggregate(sample, picks, out));
  CHECK(out[1] == 1.0);
  CHECK_FALSE(metric("aggregate_fails")->aggregate(sample, picks, out));
  CHECK(std::isnan(out[0]));
  CHECK(std::isnan(out[1]));
  // An infinite aggregate stays visible: the statistics call it undefined.
  CHECK(metric("aggregate_infinite")->aggregate(sample, picks, out));
  CHECK(std::isinf(out[0]));
}

TEST_CASE("a metric without the functions it needs is refused", "[run][instances]") {
  for (const char* mode : {"no_extensions", "eval_empty", "aggregate_empty"}) {
    DYNAMIC_SECTION(mode) {
      const Result<std::unique_ptr<MetricInstance>> made = GarbageHost::get().metric(mode);
      REQUIRE_FALSE(made);
      CHECK(made.error().code == Code::kPluginMisbehaving);
      CHECK(made.error().text.find("'" + kMetricId + "' lacks the functions") != std::string::npos);
    }
  }
  CHECK_FALSE(metric("fit_empty")->wants_fit());
  CHECK(metric("good")->wants_fit());
  CHECK(metric("good")->item_values() == 2);
  CHECK(metric("good")->custom_values() == 1);
}
