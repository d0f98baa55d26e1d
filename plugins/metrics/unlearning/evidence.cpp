#include "evidence.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "assay/text/rouge.hpp"

namespace assay::unlearning {
namespace {

// A loss of a scored answer: minus the mean log-probability. Subtraction, so that 0 does not become -0.
double loss_of(const ResponseView& response) {
  return response.ok() ? 0.0 - response.mean_logprob() : kMissing;
}

bool of_target(const Record& item, std::size_t i) {
  return view(item.request(i).role).empty() || view(item.request(i).role) == "target";
}

}  // namespace

Losses losses_of(const Record& item) {
  Losses out;
  for (std::size_t i = 0; i < item.size(); ++i) {
    if (item.request(i).kind != ASSAY_REQUEST_SCORE || !of_target(item, i)) continue;
    const std::string_view name = item.name(i);
    if (name == "gold") {
      out.gold = loss_of(item.response(i));
    } else if (name == "para") {
      out.para = loss_of(item.response(i));
    } else if (name.starts_with("pert/")) {
      std::size_t j = 0;
      const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), j);
      if (error != std::errc() || end != name.data() + name.size() || j > 1000) continue;
      if (out.perturbed.size() <= j) out.perturbed.resize(j + 1, kMissing);
      out.perturbed[j] = loss_of(item.response(i));
    }
  }
  return out;
}

double gold_loss(const Record& item) {
  const auto gold = item.find("gold");
  return gold ? loss_of(*gold) : kMissing;
}

Generation generation_of(const Record& item) {
  Generation out;
  auto answer = item.find("answer");
  if (!answer) answer = item.first(ASSAY_REQUEST_GENERATE);
  if (!answer || !answer->ok()) return out;
  out.present = true;
  out.has_text = answer->samples() != 0;
  out.text = answer->text();
  if (const auto series = answer->series("rouge1_recall"); !series.empty()) out.rouge1_recall = series[0];
  if (const auto series = answer->series("rougeL_recall"); !series.empty()) out.rouge_l_recall = series[0];
  return out;
}

double rouge_of(std::string_view text, const TargetsView& golds, const RougeChoice& choice) {
  const auto kind = choice.longest ? text::RougeKind::kRougeL : text::RougeKind::kRouge1;
  double best = kMissing;
  for (const std::string_view gold : golds) {
    const text::RougeScore score = text::rouge_google(gold, text, kind, choice.stem);
    const double value = choice.recall ? score.recall : score.f;
    best = std::isnan(best) ? value : std::max(best, value);
  }
  return best;
}

double rouge_of(const Generation& generation, const TargetsView& golds, const RougeChoice& choice) {
  if (generation.has_text) return rouge_of(generation.text, golds, choice);
  if (!choice.recall || !choice.stem) return kMissing;
  return choice.longest ? generation.rouge_l_recall : generation.rouge1_recall;
}

std::string_view field_or(const Record& item, std::string_view key, std::string_view otherwise) {
  return item.field(key).value_or(otherwise);
}

bool asked_under(const Record& item, std::string_view probe) {
  return field_or(item, "probe", probe) == probe;
}

bool in_forget_set(const Record& item) {
  return field_or(item, "role", item.variant()) == "forget";
}

Outcome unsupported(std::string_view what) {
  return {State::kUnsupported, "missing_capability: the answer carries no " + std::string(what)};
}

Outcome not_applicable(std::string_view why) {
  return {State::kUnsupported, "not_applicable: " + std::string(why)};
}

}  // namespace assay::unlearning
