// The C functions that the SDK makes of an author's classes, called as a host calls them: exceptions,
// strides, cancellation, exhausted memory, unknown names.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "assay/sdk/model.hpp"
#include "assay/sdk/task.hpp"

namespace sdk_test {

using assay::Call;
using assay::Result;

class Echo final : public assay::Model {
 public:
  static constexpr assay::ModelInfo info{
      .id = "test.echo", .doc = "Repeats the prompt", .provides = ASSAY_CAP_GENERATE | ASSAY_CAP_TOKENIZE};
  Result<void> generate(const assay::RequestView& request, assay::ResponseWriter& out, Call&) override {
    if (request.prompt() == "throw") throw std::runtime_error("thrown while generating");
    if (request.prompt() == "number") throw 42;
    if (request.prompt() == "fail") return assay::Error{assay::Code::kRateLimited, "too fast", {}};
    for (int i = 0; i < request.samples(); ++i) out.choice(request.prompt(), assay::Finish::kStop);
    return {};
  }
  Result<assay::Encoding> encode(std::string_view text) override {
    if (text == "throw") throw std::runtime_error("thrown while encoding");
    return assay::Encoding{{7, 8}, {0, 1}, {1, 2}};
  }
};

class Lines final : public assay::Task {
 public:
  static constexpr assay::TaskInfo info{.id = "test.lines", .doc = "Two items"};
  Result<void> open(Call&) override {
    problem("lines.txt:3: torn");
    return {};
  }
  std::int64_t count() const override { return 2; }
  Result<void> item(std::uint64_t index, assay::ItemWriter& out) override {
    out.id("line " + std::to_string(index))
        .target("a")
        .target("b")
        .field("weight", 2.5)
        .request({.prompt = "p"});
    return {};
  }
};

class Share final : public assay::Metric {
 public:
  static constexpr assay::MetricInfo info{.id = "test.share", .doc = "Shares"};
  static constexpr assay::ValueInfo values[] = {
      {.name = "share", .headline = true, .range = {0, 1}, .doc = "a share"},
      {.name = "other", .doc = "another number"},
      {.name = "total",
       .rule = assay::Rule::kCustom,
       .no_interval = true,
       .doc = "a sum",
       .note = "no interval"}};
  assay::Param<bool> refuse{*this, "refuse", false, "refuse to be set up"};
  assay::Param<double> scale{*this, "scale", 1.5, "a factor",
                             assay::ParamOptions{.flags = assay::AFFECTS_RESULT, .min = 0, .max = 10}};

  Result<void> configure() override {
    if (refuse) return assay::Error{assay::Code::kInvalidArgument, "it was told to refuse", "refuse"};
    return {};
  }
  Result<assay::Outcome> score(const assay::Record& item, std::span<double> out, Call&) override {
    if (item.id() == "throw") throw std::runtime_error("thrown while scoring");
    out[0] = scale;
    return assay::Outcome{assay::State::kRefused, "it said no"};
  }
  Result<void> aggregate(const assay::Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    out[0] = 0;
    for (const std::uint32_t i : picks) out[0] += sample.value(i, 0);
    return {};
  }
};

}  // namespace sdk_test

ASSAY_PLUGINS(sdk_test::Echo, sdk_test::Lines, sdk_test::Share);

namespace {

using assay::str;
using assay::view;

// A call whose memory is the test's; `limit` bytes may be had.
struct TestCall {
  std::vector<std::unique_ptr<std::max_align_t[]>> blocks;
  std::size_t limit = std::numeric_limits<std::size_t>::max(), used = 0;
  std::vector<std::size_t> completed;
  std::uint32_t cancel = 0;
  assay_call raw{};

  TestCall(std::size_t req_size, std::size_t res_size) {
    raw.struct_size = sizeof raw;
    raw.ctx = this;
    raw.req_size = req_size;
    raw.res_size = res_size;
    raw.cancel = &cancel;
    raw.alloc = [](void* ctx, std::size_t size, std::size_t) noexcept -> void* {
      auto& self = *static_cast<TestCall*>(ctx);
      if (size > self.limit - self.used) return nullptr;
      self.used += size;
      self.blocks.push_back(std::make_unique<std::max_align_t[]>(size / sizeof(std::max_align_t) + 1));
      return self.blocks.back().get();
    };
    raw.complete = [](void* ctx, std::size_t i) noexcept {
      static_cast<TestCall*>(ctx)->completed.push_back(i);
    };
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;
};

struct Deleter {
  void operator()(void* instance) const { assay_plugin_entry.destroy(instance); }
};
using Handle = std::unique_ptr<void, Deleter>;

Handle make(const char* id) {
  void* instance = nullptr;
  REQUIRE(assay_plugin_entry.create(str(id), nullptr, nullptr, nullptr, &instance) == ASSAY_OK);
  return Handle(instance);
}

template <class T>
const T& table(const Handle& instance, const char* id) {
  const void* found = assay_plugin_entry.get_extension(instance.get(), str(id));
  REQUIRE(found != nullptr);
  return *static_cast<const T*>(found);
}

assay_request generate(const char* prompt) {
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = ASSAY_REQUEST_GENERATE;
  request.prompt = str(prompt);
  return request;
}

// As a host of a later version has them: every element is larger than this SDK knows.
struct LaterRequest {
  assay_request known;
  std::uint64_t later[3];
};
struct LaterResponse {
  assay_response known;
  std::uint64_t later[5];
};

}  // namespace

TEST_CASE("the entry describes what the library holds", "[sdk]") {
  CHECK(assay_plugin_entry.struct_size == sizeof(assay_entry));
  CHECK(assay_plugin_entry.abi_major == ASSAY_ABI_MAJOR);
  REQUIRE(assay_plugin_entry.count() == 3);
  CHECK(view(assay_plugin_entry.descriptor(0)->id) == "test.echo");
  CHECK(assay_plugin_entry.descriptor(1)->kind == ASSAY_TASK);
  CHECK(assay_plugin_entry.descriptor(3) == nullptr);
  CHECK(assay_plugin_entry.descriptor(2) == assay_plugin_entry.descriptor(2));
  const assay_descriptor& metric = *assay_plugin_entry.descriptor(2);
  REQUIRE(metric.value_count == 3);
  CHECK(metric.values[2].rule == ASSAY_RULE_CUSTOM);
  CHECK(metric.values[2].flags == ASSAY_VALUE_NO_INTERVAL);
  REQUIRE(metric.param_count == 2);
  CHECK(view(metric.params[1].default_json) == "1.5");
  CHECK(metric.params[1].max == 10);
  CHECK((assay_kind_model == 1 && assay_kind_task == 1 && assay_kind_metric == 1));
}

TEST_CASE("a host of another major version is refused, one without a word too", "[sdk]") {
  assay_host host{};
  host.abi_major = ASSAY_ABI_MAJOR;
  CHECK(assay_plugin_entry.init(&host) == ASSAY_OK);
  CHECK(assay_plugin_entry.init(&host) == ASSAY_OK);  // repetition is tolerated
  host.abi_major = ASSAY_ABI_MAJOR + 1;
  CHECK(assay_plugin_entry.init(&host) == ASSAY_UNSUPPORTED);
  CHECK(assay_plugin_entry.init(nullptr) == ASSAY_UNSUPPORTED);
}

TEST_CASE("create knows ids exactly and reports failures within the host's buffers", "[sdk]") {
  char message[16], key[4];
  assay_error error{};
  error.struct_size = sizeof error;
  error.message = message;
  error.message_capacity = sizeof message;
  error.key = key;
  error.key_capacity = sizeof key;
  void* instance = &error;
  for (const char* id : {"test.echo2", "test.ech", "", "test.Echo"}) {
    CHECK(assay_plugin_entry.create(str(id), nullptr, nullptr, &error, &instance) == ASSAY_NOT_FOUND);
    CHECK(instance == nullptr);
    CHECK(std::string(message, error.message_len) == "this library has");
  }
  assay_value value{};
  value.struct_size = sizeof value;
  value.type = ASSAY_PARAM_BOOL;
  value.is_set = 1;
  value.key = str("refuse");
  value.integer = 1;
  const assay_params params = {sizeof(assay_params), 0, &value, 1, sizeof value};
  CHECK(assay_plugin_entry.create(str("test.share"), &params, nullptr, &error, &instance) ==
        ASSAY_INVALID_ARGUMENT);
  CHECK(instance == nullptr);
  CHECK(std::string(message, error.message_len) == "it was told to r");
  CHECK(std::string(key, error.key_len) == "refu");
  CHECK(error.code == ASSAY_INVALID_ARGUMENT);
  assay_plugin_entry.destroy(nullptr);
}

TEST_CASE("only what a class overrides is offered", "[sdk]") {
  const auto offers = [](const Handle& instance, const char* id) {
    return assay_plugin_entry.get_extension(instance.get(), str(id)) != nullptr;
  };
  const Handle model = make("test.echo");
  CHECK(offers(model, "assay.model.generate/1"));
  CHECK(offers(model, "assay.model.tokenize/1"));
  CHECK(offers(model, "assay.model.identity/1"));
  for (const char* id : {"assay.model.score/1", "assay.model.rows/1", "assay.model.classify/1",
                         "assay.model.embed/1", "assay.model.train/1", "assay.model.generate/2",
                         "assay.model.generate/1 ", "assay.metric.eval/1", "assay.task.items/1", ""}) {
    INFO(id);
    CHECK_FALSE(offers(model, id));
  }
  const Handle metric = make("test.share");
  CHECK(offers(metric, "assay.metric.aggregate/1"));
  CHECK_FALSE(offers(metric, "assay.metric.fit/1"));
  CHECK(assay_plugin_entry.get_extension(nullptr, str("assay.metric.eval/1")) == nullptr);
  std::uint64_t caps = 0;
  CHECK(assay_plugin_entry.capabilities(model.get(), &caps) == ASSAY_OK);
  CHECK(caps == (ASSAY_CAP_GENERATE | ASSAY_CAP_TOKENIZE));
}

TEST_CASE("an exception fails one request and spares its neighbours", "[sdk]") {
  const Handle model = make("test.echo");
  const std::array<assay_request, 5> requests = {generate("one"), generate("throw"), generate("number"),
                                                 generate("fail"), generate("five")};
  std::array<assay_response, 5> responses{};
  TestCall call(sizeof(assay_request), sizeof(assay_response));
  const auto& batch = table<assay_model_batch_v1>(model, "assay.model.generate/1");
  REQUIRE(batch.run(model.get(), requests.data(), 5, responses.data(), &call.raw) == ASSAY_OK);
  CHECK(responses[0].status.code == ASSAY_OK);
  CHECK(view(responses[0].choices->text) == "one");
  CHECK(responses[1].status.code == ASSAY_INTERNAL);
  CHECK(view(responses[1].status.message) == "thrown while generating");
  CHECK(responses[2].status.code == ASSAY_INTERNAL);
  CHECK(view(responses[2].status.message) == "an unknown exception was thrown");
  CHECK(responses[3].status.code == ASSAY_RATE_LIMITED);
  CHECK(view(responses[3].status.message) == "too fast");
  CHECK(view(responses[4].choices->text) == "five");
  CHECK(call.completed == std::vector<std::size_t>{0, 4});
  CHECK(batch.run(model.get(), nullptr, 0, nullptr, &call.raw) == ASSAY_OK);

  const std::int32_t* ids = nullptr;
  const std::uint32_t *begin = nullptr, *end = nullptr;
  std::size_t count = 0;
  const auto& tokenize = table<assay_model_tokenize_v1>(model, "assay.model.tokenize/1");
  CHECK(tokenize.encode(model.get(), str("throw"), &ids, &begin, &end, &count, &call.raw) == ASSAY_INTERNAL);
  REQUIRE(tokenize.encode(model.get(), str("ab"), &ids, &begin, &end, &count, &call.raw) == ASSAY_OK);
  REQUIRE(count == 2);
  CHECK((ids[1] == 8 && begin[1] == 1 && end[1] == 2));
}

TEST_CASE("arrays of larger elements are walked by their stride", "[sdk]") {
  const Handle model = make("test.echo");
  std::array<LaterRequest, 3> requests{};
  std::array<LaterResponse, 3> responses{};
  const char* prompts[] = {"one", "two", "three"};
  for (std::size_t i = 0; i < 3; ++i) {
    requests[i].known = generate(prompts[i]);
    for (std::uint64_t& word : responses[i].later) word = 0xCDCDCDCDCDCDCDCD;
  }
  requests[2].known.n = 2;
  TestCall call(sizeof(LaterRequest), sizeof(LaterResponse));
  REQUIRE(table<assay_model_batch_v1>(model, "assay.model.generate/1")
              .run(model.get(), &requests[0].known, 3, &responses[0].known, &call.raw) == ASSAY_OK);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(responses[i].known.status.code == ASSAY_OK);
    CHECK(view(responses[i].known.choices->text) == prompts[i]);
    for (const std::uint64_t word : responses[i].later) CHECK(word == 0xCDCDCDCDCDCDCDCD);
  }
  CHECK(responses[2].known.choice_count == 2);
}

TEST_CASE("a stopped or late call answers nothing", "[sdk]") {
  const Handle model = make("test.echo");
  const assay_request request = generate("one");
  assay_response response{};
  TestCall call(sizeof request, sizeof response);
  const auto& batch = table<assay_model_batch_v1>(model, "assay.model.generate/1");
  call.raw.deadline_ns = 1;  // long past
  REQUIRE(batch.run(model.get(), &request, 1, &response, &call.raw) == ASSAY_OK);
  CHECK(response.status.code == ASSAY_TIMEOUT);
  CHECK(response.choice_count == 0);
  call.cancel = 1;
  REQUIRE(batch.run(model.get(), &request, 1, &response, &call.raw) == ASSAY_OK);
  CHECK(response.status.code == ASSAY_CANCELLED);
  CHECK(response.status.message.len != 0);
  CHECK(call.completed.empty());
}

TEST_CASE("exhausted memory is reported at every point where it may happen", "[sdk]") {
  const Handle model = make("test.echo");
  const assay_request request = generate("a prompt of some length");
  TestCall roomy(sizeof request, sizeof(assay_response));
  assay_response answered{};
  const auto& batch = table<assay_model_batch_v1>(model, "assay.model.generate/1");
  REQUIRE(batch.run(model.get(), &request, 1, &answered, &roomy.raw) == ASSAY_OK);
  REQUIRE(answered.status.code == ASSAY_OK);
  for (std::size_t limit = 0; limit < roomy.used; ++limit) {
    TestCall tight(sizeof request, sizeof(assay_response));
    tight.limit = limit;
    assay_response response{};
    REQUIRE(batch.run(model.get(), &request, 1, &response, &tight.raw) == ASSAY_OK);
    REQUIRE(response.status.code == ASSAY_RESOURCE_EXHAUSTED);
    REQUIRE(view(response.status.message) == "out of memory");
  }
}

TEST_CASE("a task delivers its items in any portions", "[sdk]") {
  const Handle task = make("test.lines");
  const auto& items = table<assay_task_items_v1>(task, "assay.task.items/1");
  TestCall call(0, sizeof(assay_item));
  assay_status status{};
  REQUIRE(items.open(task.get(), &status, &call.raw) == ASSAY_OK);
  CHECK(items.count(task.get()) == 2);
  std::array<assay_item, 3> out{};
  std::size_t produced = 9;
  REQUIRE(items.fetch(task.get(), 0, 3, out.data(), &produced, &call.raw) == ASSAY_OK);
  REQUIRE(produced == 2);
  CHECK(view(out[1].id) == "line 1");
  CHECK(out[1].label == -1);
  REQUIRE(out[1].targets.count == 2);
  CHECK(view(out[1].targets.items[1]) == "b");
  REQUIRE(out[1].field_count == 1);
  CHECK(out[1].fields->number == 2.5);
  REQUIRE(items.fetch(task.get(), 1, 1, out.data(), &produced, &call.raw) == ASSAY_OK);
  CHECK(view(out[0].id) == "line 1");
  REQUIRE(items.fetch(task.get(), 2, 1, out.data(), &produced, &call.raw) == ASSAY_OK);
  CHECK(produced == 0);
  assay_str problem{};
  REQUIRE(items.problem_count(task.get()) == 1);
  REQUIRE(items.problem(task.get(), 0, &problem, &call.raw) == ASSAY_OK);
  CHECK(view(problem) == "lines.txt:3: torn");
  CHECK(items.problem(task.get(), 1, &problem, &call.raw) == ASSAY_NOT_FOUND);
}

TEST_CASE("a metric's states, notes, exceptions and totals come through", "[sdk]") {
  const Handle metric = make("test.share");
  TestCall call(sizeof(assay_record), sizeof(assay_score));
  std::array<assay_item, 2> items{};
  items[0].id = str("fine");
  items[1].id = str("throw");
  std::array<assay_record, 2> records{};
  std::array<std::array<double, 2>, 2> values{};
  std::array<assay_score, 2> scores{};
  for (std::size_t i = 0; i < 2; ++i) {
    records[i].item = &items[i];
    values[i].fill(assay::kMissing);
    scores[i].state = ASSAY_STATE_UNSET;
    scores[i].values = values[i].data();
    scores[i].value_count = 2;
  }
  REQUIRE(table<assay_metric_eval_v1>(metric, "assay.metric.eval/1")
              .eval(metric.get(), records.data(), 2, scores.data(), &call.raw) == ASSAY_OK);
  CHECK(scores[0].status.code == ASSAY_OK);
  CHECK(scores[0].state == ASSAY_STATE_REFUSED);
  CHECK(view(scores[0].note) == "it said no");
  CHECK(values[0][0] == 1.5);
  CHECK(std::isnan(values[0][1]));
  CHECK(scores[1].status.code == ASSAY_INTERNAL);
  CHECK(view(scores[1].status.message) == "thrown while scoring");
  CHECK(std::isnan(values[1][0]));

  const double column[] = {1, 10, 2, 20, 4, 40};  // three items, two values each
  assay_sample sample{};
  sample.struct_size = sizeof sample;
  sample.item_count = 3;
  sample.value_count = 2;
  sample.values = column;
  const std::uint32_t first[] = {0, 1, 2}, second[] = {2, 2};
  const std::uint32_t* picks[] = {first, second};
  const std::size_t counts[] = {3, 2};
  double totals[2] = {assay::kMissing, assay::kMissing};
  REQUIRE(table<assay_metric_aggregate_v1>(metric, "assay.metric.aggregate/1")
              .aggregate(metric.get(), &sample, picks, counts, 2, totals, &call.raw) == ASSAY_OK);
  CHECK(totals[0] == 7);
  CHECK(totals[1] == 8);
}
