// A library written with the SDK whose functions throw: a text, no std::exception at all, or an exhausted
// memory.
#include <new>
#include <stdexcept>
#include <string>

#include "assay/sdk/metric.hpp"
#include "assay/sdk/model.hpp"
#include "assay/sdk/task.hpp"

namespace throwing {

using assay::Call;
using assay::Result;

void misbehave(const std::string& where, const std::string& here) {
  if (where == here) throw std::runtime_error("thrown in " + here);
  if (where == here + "_number") throw 42;
  if (where == here + "_memory") throw std::bad_alloc();
}

// The sentence ends in the middle of a character if it is cut by bytes.
const std::string& long_sentence() {
  static const std::string text = [] {
    std::string made = "x";
    while (made.size() < 5000) made += "\xC3\xA9";
    return made;
  }();
  return text;
}

class Model final : public assay::Model {
 public:
  static constexpr assay::ModelInfo info{
      .id = "test.throwing_model",
      .doc = "Throws on request",
      .provides = ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB | ASSAY_CAP_ROWS};
  assay::Param<std::string> where{*this, "where", std::string(), "where to throw", assay::AFFECTS_RESULT};

  Result<void> configure() override {
    misbehave(where, "configure");
    return {};
  }
  std::uint64_t capabilities(std::uint64_t declared) const override {
    misbehave(where, "capabilities");
    return declared;
  }
  Result<void> generate(const assay::RequestView& request, assay::ResponseWriter& out, Call&) override {
    if (where.get() == "long_sentence") return assay::Error{assay::Code::kData, long_sentence(), {}};
    // Only the second prompt fails: the others keep their answers.
    if (request.prompt() == "bad") misbehave(where, "generate");
    out.choice("fine", assay::Finish::kStop);
    return {};
  }
  Result<void> score(const assay::RequestView&, assay::ResponseWriter&, Call&) override {
    misbehave(where, "score");
    return assay::Error{assay::Code::kUnavailable, "scoring is closed", {}};
  }
  Result<void> rows(const assay::RequestView&, assay::RowSink&, Call&) override {
    misbehave(where, "rows");
    return {};
  }
  Result<std::string> content_identity() override {
    misbehave(where, "identity");
    return std::string("nothing");
  }
};

class Task final : public assay::Task {
 public:
  static constexpr assay::TaskInfo info{.id = "test.throwing_task", .doc = "Throws on request"};
  assay::Param<std::string> where{*this, "where", std::string(), "where to throw", assay::AFFECTS_RESULT};

  Result<void> open(Call&) override {
    misbehave(where, "open");
    return {};
  }
  std::int64_t count() const override {
    misbehave(where, "count");
    return 3;
  }
  Result<void> item(std::uint64_t index, assay::ItemWriter& out) override {
    out.id("item " + std::to_string(index));
    if (index == 1) misbehave(where, "item");
    out.request({.prompt = "a prompt"});
    return {};
  }
};

class Metric final : public assay::Metric {
 public:
  static constexpr assay::MetricInfo info{.id = "test.throwing_metric", .doc = "Throws on request"};
  static constexpr assay::ValueInfo values[] = {
      {.name = "one", .headline = true, .doc = "a number"},
      {.name = "all", .rule = assay::Rule::kCustom, .doc = "a number for all"}};
  assay::Param<std::string> where{*this, "where", std::string(), "where to throw", assay::AFFECTS_RESULT};

  Result<assay::Outcome> score(const assay::Record&, std::span<double> out, Call&) override {
    out[0] = 0.5;
    misbehave(where, "eval");
    return assay::Outcome{};
  }
  Result<void> fit(std::span<const assay::Record>, bool) override {
    misbehave(where, "fit");
    return {};
  }
  Result<void> aggregate(const assay::Sample&, std::span<const std::uint32_t>,
                         std::span<double> out) override {
    out[0] = 1;
    misbehave(where, "aggregate");
    return {};
  }
};

}  // namespace throwing

ASSAY_PLUGINS(throwing::Model, throwing::Task, throwing::Metric);
