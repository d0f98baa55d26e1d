// `assay.planted_facts`: facts about invented persons, each shown a known number of times in training. This
// header lets tests make instances without the host.
#pragma once

#include "assay/sdk/task.hpp"
#include "plugins/tasks/planted_facts/probes.hpp"

namespace assay::planted {

class PlantedFacts final : public Task {
 public:
  static constexpr TaskInfo info = {
      .id = "assay.planted_facts",
      .title = "Planted facts: what a model can know, and what it can only make up",
      .doc =
          "Prompts about invented persons whose facts were in the training text 0, 1, 2, 4, 8 or 16 times "
          "(probes.jsonl of "
          "a planted world, made by assay-planted). A definite answer about a person that never occurred is "
          "wrong by "
          "construction up to chance. Requests: answer (greedy, up to \" .\"), choice/0.. (score of every "
          "candidate), "
          "samples (seeded, temperature 1), and with `distribution` first (the next-token distribution, of "
          "ensemble "
          "members too). Fields: k, attribute, pool (the attribute's values, one a line). Variant "
          "\"k=<exposures>\" unless "
          "`by_exposure` is off.",
      .requires_caps = ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN};

  Result<void> open(Call&) override {
    auto read = read_probes(data_.get().text);
    if (!read) return std::move(read).error();
    probes_ = std::move(*read);
    for (std::string& sentence : probes_.problems) problem(std::move(sentence));
    for (const auto& [attribute, values] : probes_.pools) pools_[attribute] = join_pool(values);
    return {};
  }
  [[nodiscard]] std::int64_t count() const override { return static_cast<std::int64_t>(probes_.list.size()); }

  Result<void> item(std::uint64_t index, ItemWriter& out) override {
    const Probe& probe = probes_.list[index];
    out.id(probe.id).group(probe.person).text(probe.prompt).target(probe.answer);
    if (by_exposure_) out.variant(std::string("k=").append(std::to_string(probe.exposures)));
    out.field("k", static_cast<double>(probe.exposures)).field("attribute", probe.attribute);
    out.field("pool", pools_[probe.attribute]);
    const int longest = static_cast<int>(max_tokens_.get());
    out.request({.name = "answer",
                 .prompt = probe.prompt,
                 .want = ASSAY_CAP_GENERATE_STATS | ASSAY_CAP_ENTROPY,
                 .max_tokens = longest,
                 .stop = {kSentenceEnd}});
    for (std::size_t i = 0; i < probe.candidates.size(); ++i) {
      const std::string name = std::string("choice/").append(std::to_string(i));
      const std::string continuation = std::string(" ").append(probe.candidates[i]);
      out.request({.kind = ASSAY_REQUEST_SCORE,
                   .name = name,
                   .prompt = probe.prompt,
                   .continuation = continuation,
                   .label = probe.candidates[i] == probe.answer ? 1 : 0,
                   .want = ASSAY_CAP_SCORE_MEAN});
    }
    if (samples_.get() > 0) {
      out.request({.name = "samples",
                   .prompt = probe.prompt,
                   .want = ASSAY_CAP_GENERATE_STATS,
                   .max_tokens = longest,
                   .samples = static_cast<int>(samples_.get()),
                   .temperature = 1,
                   .stop = {kSentenceEnd}});
    }
    if (distribution_) {
      out.request({.kind = ASSAY_REQUEST_ROWS,
                   .name = "first",
                   .prompt = probe.prompt,
                   .flags = ASSAY_REQ_INCLUDE_LAST | ASSAY_REQ_MEMBERS});
    }
    return {};
  }

 private:
  static constexpr std::string_view kSentenceEnd = " .";

  Param<Path> data_{*this, "data", std::nullopt, "probes.jsonl of a planted world",
                    REQUIRED | AFFECTS_RESULT};
  Param<bool> by_exposure_{*this, "by_exposure", true,
                           "one variant per number of exposures (k=0, k=1, ...); off: one variant in all",
                           ParamOptions{.flags = AFFECTS_RESULT}};
  Param<std::int64_t> max_tokens_{*this, "max_tokens", 12, "longest answer, in tokens",
                                  ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .max = 256}};
  Param<std::int64_t> samples_{*this, "samples", 10, "samples at temperature 1 for semantic entropy; 0: none",
                               ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 1000}};
  Param<bool> distribution_{
      *this, "distribution", false,
      "ask for the next-token distribution, for next-token and ensemble entropy (needs ROWS)",
      ParamOptions{.flags = AFFECTS_RESULT}};
  Probes probes_;
  std::map<std::string, std::string> pools_;
};

}  // namespace assay::planted
