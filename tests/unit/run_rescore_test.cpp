#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "assay/sdk/record.hpp"
#include "db/blob.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_item.hpp"
#include "harness/run/stored_record.hpp"

using namespace assay;
using namespace assay::host;

namespace {

/// An item with three requests as it lies in the database: a target score, one of another role, a text.
struct Stored {
  WholeItem whole;
  std::vector<ItemResponse> tokens;

  Stored() {
    assay_request requests[3] = {};
    const char* names[] = {"text", "judged", "answer"};
    const char* roles[] = {"", "judge", "target"};
    const int kinds[] = {ASSAY_REQUEST_SCORE, ASSAY_REQUEST_SCORE, ASSAY_REQUEST_GENERATE};
    for (int i = 0; i < 3; ++i) {
      requests[i].struct_size = sizeof requests[i];
      requests[i].kind = kinds[i];
      requests[i].name = str(names[i]);
      requests[i].role = str(roles[i]);
      requests[i].label = i - 1;
      requests[i].prompt = str("prompt");
      requests[i].continuation = str(names[i]);
    }
    assay_item item{};
    item.struct_size = sizeof item;
    item.label = 1;
    item.id = str("i1");
    item.variant = str("v");
    item.text = str("a text");
    item.requests = requests;
    item.request_count = 3;
    item.request_size = sizeof(assay_request);
    append_item_json(item, whole.body);
    whole.line.item_id = "i1";
    whole.line.result = 77;
    whole.line.position = 4;
    whole.line.repeat = 2;
    for (const assay_request& request : requests) add(request, std::string(view(request.role)));
  }

  void add(const assay_request& request, const std::string& role) {
    WholeResponse& response = whole.responses.emplace_back();
    response.name = std::string(view(request.name));
    response.role = role;
    response.kind = request.kind;
    append_request_json(request, false, response.request);
    ItemResponse& more = tokens.emplace_back();
    if (request.kind == ASSAY_REQUEST_GENERATE) {
      response.answer = R"({"choices":[{"finish":"stop","text":"yes"}]})";
      return;
    }
    response.answer = "{}";
    const double logprob[] = {-1.5, -0.25};
    const double* stats[ASSAY_STAT_COUNT] = {logprob};
    assay_tokens statistics{};
    statistics.struct_size = sizeof statistics;
    statistics.count = 2;
    statistics.stats = stats;
    statistics.stat_count = ASSAY_STAT_COUNT;
    encode_tokens(statistics, more.tokens);
  }
  /// The answer of the reference model to the first request.
  WholeResponse& add_reference() {
    WholeResponse copy = whole.responses[0];
    copy.role = "retain_reference";
    tokens.push_back(tokens[0]);
    return whole.responses.emplace_back(std::move(copy));
  }
};

}  // namespace

TEST_CASE("a stored result becomes the record a metric was given", "[run]") {
  const Stored stored;
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK(record.kept);
  CHECK(record.result == 77);
  CHECK(record.record.repeat == 2);
  const Record seen(&record.record);
  CHECK(seen.id() == "i1");
  CHECK(seen.variant() == "v");
  CHECK(seen.text() == "a text");
  CHECK(seen.label() == 1);
  CHECK(seen.index() == 4);
  REQUIRE(seen.size() == 3);
  CHECK(seen.name(1) == "judged");
  CHECK(view(seen.request(1).role) == "judge");
  CHECK(seen.request(2).label == 1);
  CHECK(seen.request(0).kind == ASSAY_REQUEST_SCORE);
  CHECK(view(seen.request(0).continuation) == "text");
  REQUIRE(seen.response(0).tokens().logprob().size() == 2);
  CHECK(seen.response(0).tokens().logprob()[0] == -1.5);
  CHECK(seen.response_text() == "yes");
  CHECK_FALSE(seen.reference().has_value());
}

TEST_CASE("what the target's answers hold is told from what they lack", "[run]") {
  Stored stored;
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK(record.held == (ASSAY_CAP_LOGPROB | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_GENERATE));
  CHECK((record.lacking & ASSAY_CAP_RANK) != 0);
  CHECK((record.lacking & ASSAY_CAP_MOMENTS) != 0);
  CHECK((record.lacking & ASSAY_CAP_LOGPROB) == 0);
  // The answer of another role counts for nothing.
  stored.tokens[0].tokens.clear();
  stored.whole.responses[0].answer = R"({"mean_logprob":-0.5,"scored":3})";
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK(record.held == (ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_GENERATE));
  CHECK((record.lacking & ASSAY_CAP_LOGPROB) != 0);
  CHECK((record.lacking & ASSAY_CAP_SCORE_MEAN) == 0);
  // A failed answer holds nothing and lacks nothing.
  stored.whole.responses[0].code = ASSAY_TIMEOUT;
  stored.whole.responses[0].message = "too late";
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK(record.held == ASSAY_CAP_GENERATE);
  CHECK(record.lacking == 0);
  CHECK(record.responses[0].status.code == ASSAY_TIMEOUT);
  CHECK(view(record.responses[0].status.message) == "too late");
}

TEST_CASE("a continuation without tokens lacks no statistics", "[run]") {
  Stored stored;
  stored.tokens[0].tokens.clear();
  assay_tokens none{};
  none.struct_size = sizeof none;
  encode_tokens(none, stored.tokens[0].tokens);
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK(record.lacking == 0);
}

TEST_CASE("the reference model's answers become the reference record, a failed one does not", "[run]") {
  Stored stored;
  stored.add_reference();
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  REQUIRE(record.record.reference == &record.reference);
  CHECK(record.reference.response_count == 1);
  CHECK(record.reference.item == &record.item);
  CHECK(record.reference.responses[0].tokens->stats[ASSAY_STAT_LOGPROB][1] == -0.25);
  stored.whole.responses.back().code = ASSAY_UNAVAILABLE;
  stored.whole.responses.back().message = "gone";
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK(record.record.reference == nullptr);
}

TEST_CASE("an answer that a log lacks is missing in its place", "[run]") {
  Stored stored;
  stored.whole.responses.erase(stored.whole.responses.begin() + 1);
  stored.tokens.erase(stored.tokens.begin() + 1);
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  REQUIRE(record.responses.size() == 3);
  CHECK(record.responses[0].status.code == ASSAY_OK);
  CHECK(record.responses[1].status.code == ASSAY_NOT_FOUND);
  CHECK(record.responses[2].choice_count == 1);
}

TEST_CASE("records for a fit have items and requests and no answers", "[run]") {
  Stored stored;
  for (WholeResponse& response : stored.whole.responses) response.answer = "not even read";
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, nullptr, arena).ok());
  CHECK(view(record.item.requests[2].continuation) == "answer");
  CHECK(record.record.item == &record.item);
}

TEST_CASE("a result without its item has no record", "[run]") {
  Stored stored;
  stored.whole.body.clear();
  stored.whole.line.state = ASSAY_STATE_ERROR;
  Arena arena;
  StoredRecord record;
  REQUIRE(record.restore(stored.whole, &stored.tokens, arena).ok());
  CHECK_FALSE(record.kept);
  CHECK(record.state == ASSAY_STATE_ERROR);
}

TEST_CASE("damage is named with the item", "[run]") {
  const auto sentence = [](const Stored& stored) {
    Arena arena;
    StoredRecord record;
    const auto done = record.restore(stored.whole, &stored.tokens, arena);
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == Code::kData);
    CHECK(done.error().text.find("item 'i1'") != std::string::npos);
    return done.error().text;
  };
  Stored answer, request, item, tokens, stranger;
  answer.whole.responses[2].answer = "{\"choices\":[";
  CHECK(sentence(answer).find("a stored answer is damaged") != std::string::npos);
  request.whole.responses[0].request = "{\"kind\":\"scor\"}";
  CHECK(sentence(request).find("a stored request is damaged") != std::string::npos);
  item.whole.body = "{\"id\":";
  CHECK(sentence(item).find("a stored item is damaged") != std::string::npos);
  tokens.tokens[0].tokens.pop_back();
  CHECK(sentence(tokens).find("token statistics are damaged") != std::string::npos);
  stranger.add_reference().role = "judge";
  CHECK(sentence(stranger).find("belongs to no request") != std::string::npos);
}
