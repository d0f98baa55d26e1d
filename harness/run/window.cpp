#include "harness/run/window.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>

#include "assay/sdk/abi.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_answer.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kDefaultBatch = 16;
constexpr std::string_view kLate = "the answer came after the time limit";

}  // namespace

std::string_view Window::keep(std::string_view text) {
  if (text.empty()) return {};
  void* memory = arena_->allocate(text.size(), 1);
  if (memory == nullptr) return {};
  std::memcpy(memory, text.data(), text.size());
  return {static_cast<const char*>(memory), text.size()};
}

std::uint32_t Window::add(const ModelInstance* model, const assay_request& request, std::uint32_t item) {
  scratch_.clear();
  append_request_json(request, model->keyed_by_item(), scratch_);
  // Inside a window a request is identified by its text and model; the digest is only needed once per
  // request.
  const std::uint64_t key =
      fast_key(scratch_).low ^ (reinterpret_cast<std::uintptr_t>(model) * 0x9E3779B97F4A7C15U);
  const auto index = static_cast<std::uint32_t>(requests_.size());
  const auto [chain, fresh] = by_key_.emplace(key, index);
  for (std::uint32_t known = fresh ? UINT32_MAX : chain->second; known != UINT32_MAX;
       known = requests_[known].next) {
    UniqueRequest& other = requests_[known];
    if (other.model != model || other.json != scratch_) continue;
    if (other.item != item && (other.others.empty() || other.others.back() != item)) {
      other.others.push_back(item);
      ++items_[item].open;
    }
    return known;
  }
  UniqueRequest& made = requests_.emplace_back();
  made.model = model;
  made.request = request;
  made.key = response_key(model->fingerprint(), scratch_);
  made.json = keep(scratch_);
  made.item = item;
  if (!fresh) {
    made.next = chain->second;
    chain->second = index;
  }
  made.response.struct_size = sizeof(assay_response);
  made.response.status.code = ASSAY_UNSET;
  ++items_[item].open;
  return index;
}

Result<void> Window::serve(std::uint32_t index, const StoredResponse& stored,
                           std::vector<std::uint32_t>& complete) {
  UniqueRequest& request = requests_[index];
  assay_response restored = request.response;
  if (Result<void> ok = restore_response(stored, *arena_, restored); !ok) return ok;
  request.response =
      restored;  // only a whole answer; otherwise the request is asked as if nothing was stored
  request.done = true;
  request.stored = stored.id;
  const auto answer = [&](std::uint32_t item) {
    if (--items_[item].open == 0) complete.push_back(item);
  };
  answer(request.item);
  for (const std::uint32_t item : request.others) answer(item);
  return {};
}

bool Window::stopped() const {
  return halted_.load(std::memory_order_relaxed) ||
         (stop_ != nullptr && stop_->load(std::memory_order_relaxed) != 0);
}

void Window::dispatch() {
  std::vector<std::uint32_t> order;
  order.reserve(requests_.size());
  for (std::uint32_t i = 0; i < requests_.size(); ++i) {
    if (!requests_[i].done) order.push_back(i);
  }
  // Order of first use groups by model and kind; texts only matter to models that read them.
  std::map<const ModelInstance*, std::uint32_t> rank;
  for (const UniqueRequest& request : requests_)
    rank.emplace(request.model, static_cast<std::uint32_t>(rank.size()));
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const UniqueRequest &x = requests_[a], &y = requests_[b];
    if (x.model != y.model) return rank[x.model] < rank[y.model];
    if (x.request.kind != y.request.kind) return x.request.kind < y.request.kind;
    if (x.model->keyed_by_item()) return false;
    return view(x.request.prompt) < view(y.request.prompt);
  });
  std::vector<std::vector<std::uint32_t>> batches;
  for (const std::uint32_t index : order) {
    const UniqueRequest& request = requests_[index];
    const std::uint32_t preferred = request.model->spec().preferred_batch;
    // Under a time limit a request is timed alone, unless the model asks its batch side by side.
    const bool alone = retry_.attempt_ns != 0 && !request.model->spec().has(ASSAY_FLAG_NETWORK);
    const std::size_t limit = alone ? 1 : preferred != 0 ? preferred : kDefaultBatch;
    const bool fits = !batches.empty() && batches.back().size() < limit &&
                      requests_[batches.back().front()].model == request.model &&
                      requests_[batches.back().front()].request.kind == request.request.kind;
    if (!fits) batches.emplace_back();
    batches.back().push_back(index);
  }
  batches_open_ = batches.size();
  for (std::vector<std::uint32_t>& batch : batches) {
    workers_.post([this, batch = std::move(batch)] {
      const UniqueRequest& first = requests_[batch.front()];
      if (!stopped()) ask(first.model, first.request.kind, batch);
      const std::scoped_lock lock(mutex_);
      answered_.insert(answered_.end(), batch.begin(), batch.end());
      --batches_open_;
      news_.notify_one();
    });
  }
}

void Window::ask(const ModelInstance* model, int kind, const std::vector<std::uint32_t>& batch) {
  const std::uint64_t start = monotonic_ns();
  std::vector<std::uint32_t> open = batch;
  for (std::uint32_t n = 0;; ++n) {
    std::uint64_t limit = retry_.attempt_ns;
    if (retry_.total_ns != 0) {
      const std::uint64_t spent = monotonic_ns() - start;
      const std::uint64_t left = retry_.total_ns > spent ? retry_.total_ns - spent : 1;
      limit = limit == 0 ? left : std::min(limit, left);
    }
    attempt(model, kind, open, limit);
    std::vector<std::uint32_t> again;
    std::uint64_t wait = 0;
    for (const std::uint32_t index : open) {
      const assay_response& response = requests_[index].response;
      if (!retryable(response.status)) continue;
      again.push_back(index);
      wait = std::max(wait, retry_.wait_ns(requests_[index].key, n, response.status.retry_after_ms));
    }
    const bool in_time = retry_.total_ns == 0 || monotonic_ns() - start + wait < retry_.total_ns;
    if (again.empty() || n + 1 >= retry_.attempts || !in_time) break;
    if (!pause(wait, [this] { return stopped(); })) {
      // The run is being stopped while these wait for another try: they stay missing rather than failed.
      for (const std::uint32_t index : again) requests_[index].response.status.code = ASSAY_CANCELLED;
      break;
    }
    open = std::move(again);
  }
  for (const std::uint32_t index : batch) {
    // A cancelled answer is no answer: the item stays missing and is asked again by a resumed run.
    requests_[index].done = requests_[index].response.status.code != ASSAY_CANCELLED;
  }
}

void Window::attempt(const ModelInstance* model, int kind, const std::vector<std::uint32_t>& batch,
                     std::uint64_t limit_ns) {
  std::vector<assay_request> requests;
  std::vector<assay_response> responses(batch.size());
  requests.reserve(batch.size());
  for (const std::uint32_t index : batch) requests.push_back(requests_[index].request);
  const std::uint64_t start = monotonic_ns();
  model->run(kind, requests, responses, arena_, cancel_, limit_ns == 0 ? 0 : start + limit_ns);
  const bool late = limit_ns != 0 && monotonic_ns() - start > limit_ns;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    assay_response& to = requests_[batch[i]].response;
    const std::uint32_t before = to.attempts;
    to = responses[i];
    to.attempts = before + std::max(1U, to.attempts);
    if (!late || to.status.code != ASSAY_OK) continue;
    // An answer after its time limit does not count, however good it is: with the limit another machine would
    // not have seen it either.
    to.choice_count = to.value_count = to.row_count = to.series_count = 0;
    to.tokens = nullptr;
    to.status.code = ASSAY_TIMEOUT;
    to.status.message = str(kLate);
  }
}

bool Window::collect(std::vector<std::uint32_t>& complete) {
  complete.clear();
  std::vector<std::uint32_t> answered;
  bool finished = false;
  {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, std::chrono::milliseconds(100),
                   [this] { return !answered_.empty() || batches_open_ == 0; });
    answered.swap(answered_);
    finished = batches_open_ == 0;
  }
  for (const std::uint32_t index : answered) {
    if (!requests_[index].done) continue;
    const auto answer = [&](std::uint32_t item) {
      if (--items_[item].open == 0) complete.push_back(item);
    };
    answer(requests_[index].item);
    for (const std::uint32_t item : requests_[index].others) answer(item);
  }
  std::sort(complete.begin(), complete.end());
  return finished;
}

}  // namespace assay::host
