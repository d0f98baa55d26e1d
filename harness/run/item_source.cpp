#include "harness/run/item_source.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_item.hpp"

namespace assay::host {
namespace {

// What a model computes in one pass over a distribution; top-k would need a k.
constexpr std::uint64_t kKeptStatistics =
    ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1;

void mark(std::vector<std::uint32_t>& marks, std::size_t at, std::uint64_t content) {
  if (marks.size() <= at) marks.resize(at + 1 + at / 2);
  marks[at] = content_mark(content);
}

}  // namespace

std::int64_t planned_items(const LiveTask& live, std::int64_t repeats) {
  if (!live.positions.all) return static_cast<std::int64_t>(live.positions.list.size()) * repeats;
  const std::int64_t count = live.task->count();
  if (count < 0) return -1;
  const auto last = std::min<std::uint64_t>(live.positions.last, static_cast<std::uint64_t>(count));
  const std::uint64_t n = last > live.positions.first ? last - live.positions.first : 0;
  return static_cast<std::int64_t>(n) * repeats;
}

Result<void> next_items(const LiveTask& live, std::uint64_t& cursor, std::size_t n,
                        std::vector<assay_item>& items, std::vector<std::uint64_t>& positions,
                        const std::shared_ptr<Arena>& arena) {
  items.clear();
  positions.clear();
  if (live.positions.all) {
    const std::uint64_t at = live.positions.first + cursor;
    if (at >= live.positions.last) return {};
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, live.positions.last - at));
    if (Result<void> got = live.task->fetch(at, n, items, arena, nullptr); !got) return got;
    for (std::size_t i = 0; i < items.size(); ++i) positions.push_back(at + i);
    cursor += items.size();
    return {};
  }
  // Chosen positions are fetched in runs of neighbours.
  while (items.size() < n && cursor < live.positions.list.size()) {
    const std::uint64_t start = live.positions.list[cursor];
    std::size_t length = 1;
    while (items.size() + length < n && cursor + length < live.positions.list.size() &&
           live.positions.list[cursor + length] == start + length) {
      ++length;
    }
    std::vector<assay_item> part;
    if (Result<void> got = live.task->fetch(start, length, part, arena, nullptr); !got) return got;
    for (std::size_t i = 0; i < part.size(); ++i) {
      items.push_back(part[i]);
      positions.push_back(start + i);
    }
    cursor += length;
  }
  return {};
}

Result<std::int64_t> ItemSource::look_back(LiveEvaluation& live, Store& store, Reader& reader,
                                           std::int64_t (&states)[8]) const {
  const PlannedTask& task = *live.plan;
  const std::string set = canonical(Json{{"task", task.binding.identity()},
                                         {"data", task.data_hash},
                                         {"library", task.binding.plugin->library->sha256}});
  Result<RowId> id = store.add_item_set(sha256_hex(set), task.name);
  if (!id) return std::move(id).error();
  live.item_set = *id;
  Result<std::vector<ItemKey>> keys = reader.items_of(*id);
  if (!keys) return std::move(keys).error();
  for (const ItemKey& key : *keys) mark(live.kept, static_cast<std::size_t>(key.position), key.content);
  std::int64_t before = 0;
  Result<void> read = reader.each_item(live.row, [&](const ItemView& item) {
    mark(live.done, place(static_cast<std::uint64_t>(item.position), item.repeat), item.content);
    ++before;
    ++states[item.state];
    if (item.state >= ASSAY_STATE_UNSUPPORTED) ++live.failed;
    return true;
  });
  if (!read) return std::move(read).error();
  live.finished += before;
  return before;
}

Result<void> ItemSource::fetch(LiveEvaluation& evaluation, const std::shared_ptr<Arena>& arena,
                               std::vector<assay_item>& items, std::vector<std::uint64_t>& positions) {
  while (!evaluation.done.empty()) {
    const std::uint64_t before = evaluation.cursor;
    const auto passing = std::make_shared<Arena>();
    Result<void> ok =
        next_items(*evaluation.live, evaluation.cursor, limits::kFetchItems, items, positions, passing);
    if (!ok || items.empty()) return ok;
    bool whole = true;
    for (const std::uint64_t position : positions) {
      for (std::uint32_t r = 0; r < repeats_; ++r) whole = whole && has_row(evaluation, position, r);
    }
    if (!whole) {
      evaluation.cursor = before;
      break;
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      for (std::uint32_t r = 0; r < repeats_; ++r) {
        Result<bool> done = finished(evaluation, items[i], positions[i], r);
        if (!done) return std::move(done).error();
      }
    }
    if (stop_ != nullptr && stop_->load() != 0) {
      items.clear();
      positions.clear();
      return {};
    }
  }
  return next_items(*evaluation.live, evaluation.cursor, limits::kFetchItems, items, positions, arena);
}

Result<bool> ItemSource::finished(LiveEvaluation& evaluation, const assay_item& item, std::uint64_t position,
                                  std::uint32_t repeat) {
  if (!has_row(evaluation, position, repeat)) return false;
  if (evaluation.done[place(position, repeat)] != content_mark(content_hash(item))) {
    return Error{
        Code::kData,
        "item '" + printable(view(item.id)) + "' of task '" + evaluation.plan->name +
            "' says something else than when the run began, so the run cannot be continued; start a new "
            "one with --no-cache",
        {}};
  }
  if (repeat != 0 || item.status.code != ASSAY_OK) return true;
  for (std::size_t r = 0; r < item.request_count; ++r) {
    assay_request request = *element(item.requests, item.request_size, r);
    if (evaluation.role(view(request.role)) != evaluation.target) continue;
    complete(evaluation, *evaluation.target, item, repeat, request);
    add_prompt(evaluation, request);
  }
  return true;
}

void ItemSource::add_prompt(LiveEvaluation& evaluation, assay_request request) {
  request.want = 0;
  scratch_.clear();
  append_request_json(request, evaluation.target->keyed_by_item(), scratch_);
  evaluation.prompts.field(scratch_);
}

void ItemSource::complete(const LiveEvaluation& evaluation, const ModelInstance& model,
                          const assay_item& item, std::uint32_t repeat, assay_request& request) const {
  request.struct_size = sizeof request;
  request.task = str(evaluation.plan->name);
  request.item = item.id;
  request.variant = item.variant;
  request.repeat = repeat;
  if (request.kind == ASSAY_REQUEST_SCORE) {
    request.want |= evaluation.want;
    if (keep_all_) request.want |= kKeptStatistics & model.capabilities();
  }
  const bool samples = request.kind == ASSAY_REQUEST_GENERATE && (request.temperature > 0 || request.n > 1);
  if (samples && request.seed == 0) {
    const Digest digest = sha256("assay.seed.v1|" + std::to_string(seed_) + "|sample|" +
                                 std::string(view(item.id)) + "|" + std::to_string(repeat));
    for (std::size_t b = 8; b-- > 0;) request.seed = (request.seed << 8U) | digest[b];
  }
}

}  // namespace assay::host
