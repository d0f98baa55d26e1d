#include "plugins/metrics/hallucination/records.hpp"

#include <algorithm>

#include "assay/text/refusal.hpp"
#include "assay/text/utf8.hpp"

namespace assay::hallucination {
namespace {

constexpr std::string_view kSentenceEnd = " .";

/// Bytes of the text that count, from its beginning.
std::size_t kept_bytes(std::string_view text) {
  const std::size_t end = text.find(kSentenceEnd);
  return end == std::string_view::npos ? text.size() : end;
}

}  // namespace

std::string_view answer_part(std::string_view text) {
  return text::trim(text.substr(0, kept_bytes(text)));
}

Answer read_answer(const Record& item) {
  Answer out;
  auto found = item.find("answer");
  if (!found) found = item.first(ASSAY_REQUEST_GENERATE);
  if (!found || found->samples() == 0) {
    out.outcome = {State::kUnsupported, "there is no generated answer"};
    return out;
  }
  out.response = *found;
  out.text = answer_part(found->text());
  if (out.text.empty()) {
    out.outcome = {found->finish() == Finish::kFilter ? State::kRefused : State::kEmpty,
                   "the answer is empty"};
  }
  return out;
}

Likelihood answer_likelihood(const ResponseView& response, std::size_t i) {
  const TokensView tokens = response.sample_tokens(i);
  const std::span<const double> logprob = tokens.logprob();
  const std::size_t kept = kept_bytes(response.text(i));
  const assay_tokens* raw = tokens.raw();
  double sum = 0;
  std::size_t n = 0;
  for (std::size_t t = 0; t < logprob.size(); ++t) {
    if (raw->begin != nullptr && raw->begin[t] >= kept) break;
    if (std::isnan(logprob[t])) return {};
    sum += logprob[t];
    ++n;
  }
  if (n == 0) return {kMissing, response.sample_mean_logprob(i)};
  return {sum, sum / static_cast<double>(n)};
}

bool is_correct(const Record& item, std::string_view answer) {
  for (const std::string_view target : item.targets()) {
    if (text::trim(target) == answer) return true;
  }
  return false;
}

std::optional<std::size_t> Choices::chosen() const {
  const auto top = std::max_element(scores.begin(), scores.end());
  if (std::count(scores.begin(), scores.end(), *top) != 1) return std::nullopt;
  return static_cast<std::size_t>(top - scores.begin());
}

void read_choices(const Record& item, std::string_view prefix, Choices& out) {
  out.outcome = {};
  out.scores.clear();
  out.requests.clear();
  std::size_t golds = 0;
  for (std::size_t i = 0; i < item.size(); ++i) {
    if (item.request(i).kind != ASSAY_REQUEST_SCORE || !item.name(i).starts_with(prefix)) continue;
    if (item.request(i).label == 1) {
      out.gold = out.requests.size();
      ++golds;
    }
    const double score = item.response(i).sum_logprob();
    if (!std::isfinite(score)) {
      out.outcome = {State::kUnparsed, "candidate " + std::string(item.name(i)) + " has no finite score"};
      return;
    }
    out.requests.push_back(i);
    out.scores.push_back(score);
  }
  if (golds != 1 || out.scores.size() < 2) {
    out.outcome = {State::kUnsupported,
                   "the item has no candidates '" + std::string(prefix) + "*' with one true one"};
  }
}

}  // namespace assay::hallucination
