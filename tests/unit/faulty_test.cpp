// The model that fails by plan: what it does is what faulty_truth.hpp says, seen through the host's checks.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "faulty.hpp"
#include "harness/plugins/instance_call.hpp"
#include "harness/plugins/instance_checks.hpp"

using namespace assay;          // NOLINT: a test of the plugin
using namespace assay::faulty;  // NOLINT

namespace {

void give(Plugin& plugin, std::string_view key, double number, std::string_view text = {}) {
  for (ParamBase* param : plugin.params()) {
    if (param->key() != key) continue;
    assay_value value{};
    value.struct_size = sizeof value;
    value.is_set = 1;
    value.number = number;
    value.integer = static_cast<std::int64_t>(number);
    value.text = str(text);
    param->accept(value);
    return;
  }
  FAIL("no parameter " << key);
}

std::unique_ptr<Faulty> model(const std::map<std::string, double>& params) {
  auto made = std::make_unique<Faulty>();
  for (const auto& [key, number] : params) give(*made, key, number);
  REQUIRE(made->configure().ok());
  return made;
}

/// The texts must live as long as the request.
assay_request request(int kind, std::string_view prompt, std::string_view continuation = {}) {
  assay_request out{};
  out.struct_size = sizeof out;
  out.kind = kind;
  out.prompt = str(prompt);
  out.continuation = str(continuation);
  return out;
}

/// Calls the model as the host does, with the host's checks of what comes back.
std::vector<assay_response> ask(Faulty& model, const std::vector<assay_request>& requests,
                                const std::shared_ptr<host::Arena>& arena,
                                const std::uint32_t* cancel = nullptr, std::uint64_t deadline = 0) {
  std::vector<assay_response> responses(requests.size());
  for (assay_response& response : responses) {
    response.struct_size = sizeof response;
    response.status.code = ASSAY_UNSET;
    response.mean_logprob = kMissing;
  }
  const host::CallScope scope(arena, cancel, deadline, sizeof(assay_request), sizeof(assay_response));
  model.run(requests.data(), requests.size(), responses.data(), scope.raw());
  for (std::size_t i = 0; i < requests.size(); ++i)
    host::check_response("assay.faulty", requests[i], responses[i], *arena);
  return responses;
}

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

const std::map<std::string, double> kMixed = {{"seed", 11},       {"fail", 0.1},       {"garbage", 0.2},
                                              {"refused", 0.1},   {"truncated", .1},   {"empty", 0.1},
                                              {"transient", 0.4}, {"transient_max", 3}};

/// Asks once more for what failed in passing, `attempts` times at most, and compares with the oracle.
void check_against_truth(int kind, std::uint32_t attempts) {
  constexpr std::size_t kRequests = 400;
  const auto faulty = model(kMixed);
  const auto arena = std::make_shared<host::Arena>();
  std::vector<std::string> prompts, continuations;
  for (std::size_t i = 0; i < kRequests; ++i) {
    prompts.push_back("prompt " + std::to_string(i));
    continuations.push_back(i % 7 == 0 ? "" : " some words and number " + std::to_string(i));
  }
  std::map<std::int32_t, int> codes;
  for (std::size_t i = 0; i < kRequests; ++i) {
    const std::string none;
    const assay_request one =
        request(kind, prompts[i], kind == ASSAY_REQUEST_SCORE ? continuations[i] : none);
    const Outcome truth = outcome(faulty->truth(), one, attempts);
    assay_response got{};
    std::uint32_t spent = 0;
    do {
      got = ask(*faulty, {one}, arena).front();
      ++spent;
    } while (spent < attempts &&
             (got.status.code == ASSAY_UNAVAILABLE || got.status.code == ASSAY_RATE_LIMITED));
    INFO(prompts[i] << ": " << view(got.status.message));
    CHECK(got.status.code == truth.code);
    CHECK(spent == truth.attempts);
    ++codes[truth.code];
    if (truth.code != ASSAY_OK || got.status.code != ASSAY_OK) continue;
    if (kind == ASSAY_REQUEST_GENERATE) {
      REQUIRE(got.choice_count == 1);
      CHECK(view(got.choices[0].text) == truth.text);
      const int finish = truth.state == ASSAY_STATE_REFUSED     ? ASSAY_FINISH_FILTER
                         : truth.state == ASSAY_STATE_TRUNCATED ? ASSAY_FINISH_LENGTH
                                                                : ASSAY_FINISH_STOP;
      CHECK(got.choices[0].finish == finish);
      CHECK((truth.state == ASSAY_STATE_OK || truth.state == ASSAY_STATE_TRUNCATED) == !truth.text.empty());
    } else {
      REQUIRE(got.tokens != nullptr);
      REQUIRE(got.tokens->count == truth.words.size());
      for (std::size_t t = 0; t < truth.words.size(); ++t) {
        CHECK(got.tokens->stats[ASSAY_STAT_LOGPROB][t] == truth.words[t].logprob);
        CHECK((truth.words[t].logprob < 0 && truth.words[t].logprob > -10));
        CHECK((truth.words[t].rank == 1) == (truth.words[t].top1_logprob == truth.words[t].logprob));
        CHECK(truth.words[t].top1_logprob >= truth.words[t].logprob);
      }
    }
  }
  // The mixture was there: of every kind some.
  CHECK(codes[ASSAY_OK] > 100);
  CHECK(codes[ASSAY_INTERNAL] > 10);
  CHECK(codes[ASSAY_PLUGIN_MISBEHAVING] > 20);
  CHECK((codes[ASSAY_UNAVAILABLE] + codes[ASSAY_RATE_LIMITED] > 0) == (attempts <= 3));
}

}  // namespace

TEST_CASE("faulty: answers and failures of generations are those of the oracle") {
  check_against_truth(ASSAY_REQUEST_GENERATE, 1);
  check_against_truth(ASSAY_REQUEST_GENERATE, 2);
  check_against_truth(ASSAY_REQUEST_GENERATE, 4);
}

TEST_CASE("faulty: answers and failures of scores are those of the oracle") {
  check_against_truth(ASSAY_REQUEST_SCORE, 1);
  check_against_truth(ASSAY_REQUEST_SCORE, 4);
}

TEST_CASE("faulty: rates are kept") {
  Truth truth;
  truth.seed = 3;
  truth.fail = 0.05;
  truth.garbage = 0.1;
  truth.refused = 0.15;
  truth.truncated = 0.2;
  truth.empty = 0.25;
  truth.transient = 0.3;
  truth.transient_max = 4;
  constexpr int kDraws = 20'000;
  std::map<Fate, int> fates;
  std::map<Garbage, int> kinds;
  std::map<std::uint32_t, int> lost;
  for (int i = 0; i < kDraws; ++i) {
    const std::string prompt = "p" + std::to_string(i);
    const std::uint64_t h = request_hash(request(ASSAY_REQUEST_GENERATE, prompt));
    ++fates[fate(truth, h)];
    ++lost[transient_attempts(truth, h)];
    if (fate(truth, h) == Fate::kGarbage) ++kinds[garbage_kind(truth, h)];
  }
  // Five standard deviations: a false alarm once in a million, and the draws are fixed anyhow.
  const auto near = [&](int count, double rate, int draws) {
    return std::abs(count - rate * draws) < 5 * std::sqrt(draws * rate * (1 - rate));
  };
  CHECK(near(fates[Fate::kFail], 0.05, kDraws));
  CHECK(near(fates[Fate::kGarbage], 0.1, kDraws));
  CHECK(near(fates[Fate::kRefused], 0.15, kDraws));
  CHECK(near(fates[Fate::kTruncated], 0.2, kDraws));
  CHECK(near(fates[Fate::kEmpty], 0.25, kDraws));
  CHECK(near(fates[Fate::kAnswer], 0.25, kDraws));
  CHECK(near(lost[0], 0.7, kDraws));
  for (std::uint32_t k = 1; k <= 4; ++k) CHECK(near(lost[k], 0.075, kDraws));
  CHECK(lost.size() == 5);
  CHECK(kinds.size() == kGarbageKinds);
}

TEST_CASE("faulty: the answer depends on the seed, the texts and the repeat, and on nothing else") {
  Truth truth;
  const assay_request base = request(ASSAY_REQUEST_GENERATE, "what is it");
  assay_request other = base;
  other.task = str("another task");
  other.item = str("another item");
  other.name = str("another name");
  other.max_tokens = 7;
  CHECK(request_hash(base) == request_hash(other));
  other.repeat = 1;
  CHECK(request_hash(base) != request_hash(other));
  other = base;
  other.seed = 9;
  CHECK(request_hash(base) != request_hash(other));
  CHECK(request_hash(request(ASSAY_REQUEST_SCORE, "ab", "c")) !=
        request_hash(request(ASSAY_REQUEST_SCORE, "a", "bc")));
  int differ = 0;
  for (int i = 0; i < 50; ++i) {
    Truth next = truth;
    next.seed = static_cast<std::uint64_t>(i) + 1;
    differ += answer_text(truth, base) != answer_text(next, base) ? 1 : 0;
  }
  CHECK(differ > 40);
  truth.echo = true;
  CHECK(answer_text(truth, request(ASSAY_REQUEST_GENERATE, "first line\nlast line\n")) == "last line");
}

TEST_CASE("faulty: a late answer is a timeout at the deadline, and CANCELLED when the run is stopped") {
  const auto arena = std::make_shared<host::Arena>();
  const auto polite = model({{"late", 1}, {"late_ms", 60'000}});
  const assay_request one = request(ASSAY_REQUEST_GENERATE, "a question");
  const std::uint64_t start = now_ns();
  CHECK(ask(*polite, {one, one}, arena, nullptr, start + 30'000'000)[1].status.code == ASSAY_TIMEOUT);
  const std::uint32_t stopped = 1;
  CHECK(ask(*polite, {one}, arena, &stopped)[0].status.code == ASSAY_CANCELLED);
  CHECK(now_ns() - start < 20'000'000'000);

  const auto rude = std::make_unique<Faulty>();
  give(*rude, "late", 1);
  give(*rude, "late_ms", 40);
  give(*rude, "rude", 1);
  REQUIRE(rude->configure().ok());
  const std::uint64_t before = now_ns();
  const assay_response answer = ask(*rude, {one}, arena, nullptr, before + 5'000'000)[0];
  CHECK(answer.status.code == ASSAY_OK);
  CHECK(now_ns() - before >= 40'000'000);
}

TEST_CASE("faulty: shuffled batches are finished in another order with the same answers") {
  const auto arena = std::make_shared<host::Arena>();
  std::vector<std::string> prompts;
  for (int i = 0; i < 16; ++i) prompts.push_back("q" + std::to_string(i));
  std::vector<assay_request> requests;
  for (const std::string& prompt : prompts) requests.push_back(request(ASSAY_REQUEST_GENERATE, prompt));
  const auto finish = [&](double shuffle, std::vector<assay_response>& responses) {
    const auto faulty = model({{"shuffle", shuffle}, {"empty", 0.2}});
    responses.assign(requests.size(), assay_response{});
    static std::vector<std::size_t> order;
    order.clear();
    const host::CallScope scope(arena, nullptr, 0, sizeof(assay_request), sizeof(assay_response));
    assay_call call = *scope.raw();
    call.complete = [](void*, std::size_t i) noexcept { order.push_back(i); };
    faulty->run(requests.data(), requests.size(), responses.data(), &call);
    return order;
  };
  std::vector<assay_response> straight, mixed_up;
  const std::vector<std::size_t> in = finish(0, straight);
  const std::vector<std::size_t> out = finish(1, mixed_up);
  REQUIRE(in.size() == 16);
  REQUIRE(out.size() == 16);
  CHECK(std::is_sorted(in.begin(), in.end()));
  CHECK_FALSE(std::is_sorted(out.begin(), out.end()));
  for (std::size_t i = 0; i < 16; ++i)
    CHECK(view(straight[i].choices[0].text) == view(mixed_up[i].choices[0].text));
}

TEST_CASE("faulty: rates that exclude each other may not add up to more than 1") {
  Faulty faulty;
  give(faulty, "fail", 0.6);
  give(faulty, "empty", 0.5);
  const Result<void> done = faulty.configure();
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().code == Code::kInvalidArgument);
  CHECK(done.error().key == "fail");
}
