// One library with a model, a task-free metric and every kind of parameter, written with the C++ SDK.
#include <array>

#include "assay/sdk/metric.hpp"
#include "assay/sdk/model.hpp"
#include "assay/sdk/models.hpp"

namespace {

class Everything final : public assay::Metric {
 public:
  static constexpr assay::MetricInfo info{.id = "test.everything",
                                          .version = "2.1.0-rc.1",
                                          .title = "All kinds of parameters",
                                          .doc = "A metric for tests of the loader: grüße.",
                                          .requires_caps = ASSAY_CAP_GENERATE};
  static constexpr assay::ValueInfo values[] = {
      {.name = "hits",
       .rule = assay::Rule::kRatio,
       .headline = true,
       .range = {0.0, 1.0},
       .doc = "hits of tries",
       .denominator = "tries"},
      {.name = "tries", .rule = assay::Rule::kNone, .has_direction = false, .doc = "number of tries"},
      {.name = "p",
       .rule = assay::Rule::kCustom,
       .has_direction = false,
       .no_interval = true,
       .range = {0.0, 1.0},
       .doc = "p-value",
       .note = "a p-value has no interval"}};

  assay::Param<bool> fold{*this, "fold", false, "compare without regard to case", assay::AFFECTS_RESULT};
  assay::Param<std::int64_t> width{*this,
                                   "width",
                                   32,
                                   "window",
                                   {.flags = assay::AFFECTS_RESULT, .min = 1, .max = 4096, .unit = "tokens"}};
  assay::Param<double> rate{*this, "rate", 0.1, "share of items", {.min = 0, .max = 1}};
  assay::Param<std::string> label{*this, "label", "a \"quoted\" word", "shown to people"};
  assay::Param<assay::Choice> mode{
      *this, "mode", assay::Choice{"exact"}, "how to compare", {.choices = {"exact", "prefix"}}};
  assay::Param<assay::Path> file{*this, "file", std::nullopt, "a list of words", assay::REQUIRED};
  assay::Param<assay::Duration> wait{*this, "wait", assay::Duration{250'000'000}, "pause between tries"};
  assay::Param<std::vector<std::string>> words{*this, "words", {"a", "b"}, "words to look for"};
  assay::Param<std::string> token{*this, "token", std::nullopt, "credentials", assay::SECRET};
  assay::Slot judge{*this, "judge", "judge", ASSAY_CAP_GENERATE, "who decides", 0, 1};
};

class Echo final : public assay::Model {
 public:
  static constexpr assay::ModelInfo info{.id = "test.echo",
                                         .title = "Repeats the prompt",
                                         .provides = ASSAY_CAP_GENERATE,
                                         .concurrency = ASSAY_CONCURRENCY_PARALLEL};
  assay::Result<void> generate(const assay::RequestView& request, assay::ResponseWriter& out,
                               assay::Call&) override {
    out.choice(request.prompt(), assay::Finish::kStop);
    return {};
  }
};

}  // namespace

ASSAY_PLUGINS(Everything, Echo);
