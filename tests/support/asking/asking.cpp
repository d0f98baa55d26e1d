// What the tests of stored answers and of denominators ask with.
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "assay/sdk/metric.hpp"
#include "assay/sdk/model.hpp"
#include "assay/sdk/task.hpp"

namespace {

using assay::AFFECTS_RESULT;
using assay::Param;

/// Items "0", "1", ...: every field of a request is a parameter. Item i has the label i mod 2.
class Asking final : public assay::Task {
 public:
  static constexpr assay::TaskInfo info{.id = "test.asking",
                                        .title = "Requests by parameters",
                                        .doc = "One GENERATE request an item.",
                                        .requires_caps = ASSAY_CAP_GENERATE};
  Param<std::int64_t> items{*this, "items", 4, "number of items", AFFECTS_RESULT};
  Param<std::string> form{*this, "template", std::string("question {i}"), "{i}: the number of the item",
                          AFFECTS_RESULT};
  Param<std::int64_t> shots{*this, "shots", 0, "examples before the question", AFFECTS_RESULT};
  Param<std::int64_t> shots_seed{*this, "shots_seed", 1, "which examples", AFFECTS_RESULT};
  Param<double> temperature{*this, "temperature", 1.0, "of the request", AFFECTS_RESULT};
  Param<double> top_p{*this, "top_p", 1.0, "of the request", AFFECTS_RESULT};
  Param<std::int64_t> top_k{*this, "top_k", 0, "of the request", AFFECTS_RESULT};
  Param<std::int64_t> max_tokens{*this, "max_tokens", 12, "of the request", AFFECTS_RESULT};
  Param<std::vector<std::string>> stop{*this, "stop", std::vector<std::string>{}, "of the request",
                                       AFFECTS_RESULT};

  assay::Result<void> open(assay::Call&) override { return {}; }
  [[nodiscard]] std::int64_t count() const override { return items.get(); }
  assay::Result<void> item(std::uint64_t index, assay::ItemWriter& out) override {
    const std::string number = std::to_string(index);
    std::string prompt;
    for (std::int64_t i = 0; i < shots.get(); ++i)
      prompt += "example " + std::to_string((shots_seed.get() * 7 + i * 3) % 10) + "\n";
    std::string question = form.get();
    if (const std::size_t at = question.find("{i}"); at != std::string::npos) question.replace(at, 3, number);
    prompt += question;
    std::vector<std::string_view> stops;
    for (const std::string& one : stop.get()) stops.emplace_back(one);
    out.id(number).text(question).target(number).label(static_cast<int>(index % 2));
    out.request({.prompt = prompt,
                 .max_tokens = static_cast<int>(max_tokens.get()),
                 .top_k = static_cast<int>(top_k.get()),
                 .temperature = temperature.get(),
                 .top_p = top_p.get(),
                 .stop = stops});
    return {};
  }
};

/// Answers with ASSAY_TEST_MOOD, which no fingerprint knows: a model that is not deterministic. "fail": an
/// error; "slow": takes 50 ms.
class Moody final : public assay::Model {
 public:
  static constexpr assay::ModelInfo info{.id = "test.moody",
                                         .title = "Answers as the environment says",
                                         .doc = "Not deterministic.",
                                         .provides = ASSAY_CAP_GENERATE,
                                         .concurrency = ASSAY_CONCURRENCY_PARALLEL};
  assay::Result<void> generate(const assay::RequestView&, assay::ResponseWriter& out, assay::Call&) override {
    const char* mood = std::getenv("ASSAY_TEST_MOOD");
    const std::string text = mood == nullptr ? "" : mood;
    if (text == "fail") return assay::Error{assay::Code::kInternal, "the model is in a bad mood", {}};
    if (text == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(50));
    out.choice(text, assay::Finish::kStop);
    return {};
  }
};

double number_in(std::string_view text) {
  return std::strtod(std::string(text).c_str(), nullptr);  // also "nan" and "inf"
}

/// The number that the answer is, as a mean in 0..1, an AUROC and an unbounded mean. An answer without text
/// gives none.
class Number final : public assay::Metric {
 public:
  static constexpr assay::MetricInfo info{.id = "test.number",
                                          .title = "The number in the answer",
                                          .doc = "nan and inf are taken literally.",
                                          .requires_caps = ASSAY_CAP_GENERATE};
  static constexpr assay::ValueInfo values[] = {
      {.name = "number", .rule = assay::Rule::kMean, .headline = true, .range = {0.0, 1.0}, .doc = "mean"},
      {.name = "ranked", .rule = assay::Rule::kAuroc, .doc = "against the label"},
      {.name = "free", .rule = assay::Rule::kMean, .doc = "without bounds"}};
  assay::Result<assay::Outcome> score(const assay::Record& item, std::span<double> out,
                                      assay::Call&) override {
    const std::string_view answer = item.response_text();
    if (answer.empty()) return assay::Outcome{assay::State::kEmpty, "no text"};
    out[0] = out[1] = out[2] = number_in(answer);
    return assay::Outcome{};
  }
};

/// Rules that do not look at answers, with the same value name as test.number.
template <bool kIsNumber>
class Blind final : public assay::Metric {
 public:
  static constexpr assay::MetricInfo info{.id = kIsNumber ? "test.blind_half" : "test.blind_nan",
                                          .title = "A rule without a model",
                                          .doc = "Half, or not a number.",
                                          .flags = ASSAY_FLAG_BASELINE};
  static constexpr assay::ValueInfo values[] = {
      {.name = "number", .rule = assay::Rule::kMean, .headline = true, .range = {0.0, 1.0}, .doc = "mean"}};
  assay::Result<assay::Outcome> score(const assay::Record&, std::span<double> out, assay::Call&) override {
    out[0] = kIsNumber ? 0.5 : assay::kMissing;
    return assay::Outcome{};
  }
};
using BlindHalf = Blind<true>;
using BlindNan = Blind<false>;

}  // namespace

ASSAY_PLUGINS(Asking, Moody, Number, BlindHalf, BlindNan);
