#include "harness/run/retry.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "assay/sdk/abi.hpp"
#include "harness/run/key_filter.hpp"
#include "harness/run/stored_item.hpp"

using namespace assay::host;
using assay::view;

TEST_CASE("retry: what may succeed later is asked again unless the model says otherwise") {
  assay_status status{};
  for (const int code : {ASSAY_RATE_LIMITED, ASSAY_UNAVAILABLE, ASSAY_TIMEOUT}) {
    status.code = code;
    status.retryable = 0;
    CHECK(retryable(status));
    status.retryable = -1;
    CHECK_FALSE(retryable(status));
  }
  for (const int code : {ASSAY_INTERNAL, ASSAY_DATA, ASSAY_NOT_FOUND, ASSAY_AUTH}) {
    status.code = code;
    status.retryable = 0;
    CHECK_FALSE(retryable(status));
    status.retryable = 1;
    CHECK(retryable(status));
  }
  for (const int code : {ASSAY_OK, ASSAY_CANCELLED}) {
    status.code = code;
    status.retryable = 1;
    CHECK_FALSE(retryable(status));
  }
}

TEST_CASE("retry: waits stay below the doubled backoff, respect what the model asks for, and repeat") {
  RetryPolicy policy;
  policy.backoff_ns = 1000;
  policy.backoff_max_ns = 6000;
  bool differ = false;
  for (std::uint32_t n = 0; n < 6; ++n) {
    std::uint64_t largest = 0;
    for (int i = 0; i < 200; ++i) {
      const Digest key = sha256("request " + std::to_string(i));
      const std::uint64_t wait = policy.wait_ns(key, n, 0);
      CHECK(wait < std::min<std::uint64_t>(1000ULL << n, 6000));
      CHECK(wait == policy.wait_ns(key, n, 0));
      differ = differ || wait != policy.wait_ns(sha256("another"), n, 0);
      largest = std::max(largest, wait);
    }
    CHECK(largest > std::min<std::uint64_t>(1000ULL << n, 6000) * 9 / 10);  // the whole range is used
  }
  CHECK(differ);
  CHECK(policy.wait_ns(sha256("x"), 0, 250) == 250'000'000);
  policy.backoff_ns = 0;
  CHECK(policy.wait_ns(sha256("x"), 3, 0) == 0);
}

TEST_CASE("key filter: what was added is always known, little else is") {
  KeyFilter filter(20'000);
  for (int i = 0; i < 20'000; ++i) filter.add(sha256("in " + std::to_string(i)));
  int wrong = 0;
  for (int i = 0; i < 20'000; ++i) CHECK(filter.add(sha256("in " + std::to_string(i))));
  KeyFilter fresh(20'000);
  for (int i = 0; i < 20'000; ++i) wrong += fresh.add(sha256("in " + std::to_string(i))) ? 1 : 0;
  CHECK(wrong < 100);
}

TEST_CASE("stored item: everything a metric may look at comes back") {
  const assay_str targets[] = {assay::str("one"), assay::str("zw\xc3\xb6lf \"quoted\"\n")};
  const double infinity = std::numeric_limits<double>::infinity();
  const assay_field fields[] = {{assay::str("topic"), assay::str("history"), std::nan("")},
                                {assay::str("weight"), {}, 0.1},
                                {assay::str("most"), {}, infinity},
                                {assay::str("least"), {}, -infinity}};
  assay_request requests[2] = {};
  requests[0].name = assay::str("choice/0");
  requests[0].label = 1;
  requests[1].name = assay::str("judge");
  requests[1].role = assay::str("judge");
  requests[1].label = -1;
  assay_item item{};
  item.struct_size = sizeof item;
  item.label = 1;
  item.id = assay::str("q1");
  item.variant = assay::str("short");
  item.text = assay::str("What?");
  item.targets = {targets, 2};
  item.fields = fields;
  item.field_count = 4;
  item.requests = requests;
  item.request_count = 2;
  item.request_size = sizeof(assay_request);
  std::string body;
  append_item_json(item, body);
  Arena arena;
  assay_item back{};
  REQUIRE(restore_item(body, arena, back).ok());
  CHECK(view(back.id) == "q1");
  CHECK(view(back.variant) == "short");
  CHECK(view(back.group).empty());
  CHECK(view(back.text) == "What?");
  CHECK(back.label == 1);
  REQUIRE(back.targets.count == 2);
  CHECK(view(back.targets.items[1]) == view(targets[1]));
  REQUIRE(back.field_count == 4);
  CHECK(std::isnan(back.fields[0].number));
  CHECK(view(back.fields[0].text) == "history");
  CHECK(back.fields[1].number == 0.1);
  CHECK(back.fields[2].number == infinity);
  CHECK(back.fields[3].number == -infinity);
  REQUIRE(back.request_count == 2);
  CHECK(back.requests[0].label == 1);
  CHECK(view(back.requests[1].role) == "judge");
  CHECK(content_hash(back) == content_hash(item));
  std::string second;
  append_item_json(back, second);
  CHECK(second == body);
  for (std::size_t cut = 0; cut < body.size(); ++cut) {
    assay_item damaged{};
    CHECK_FALSE(restore_item(std::string_view(body).substr(0, cut), arena, damaged).ok());
  }
}
