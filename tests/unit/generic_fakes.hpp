// Items, records and parameters for tests that call task and metric classes without the host.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "assay/sdk/task.hpp"
#include "tests/support/arena.hpp"

namespace assay::test {

/// Gives a parameter a value, as the host does. Returns false if the plugin has no such parameter.
inline bool set(Plugin& plugin, std::string_view key, assay_value value) {
  value.struct_size = sizeof value;
  value.is_set = 1;
  for (ParamBase* param : plugin.params()) {
    if (param->key() != key) continue;
    param->accept(value);
    return true;
  }
  return false;
}
inline bool set(Plugin& plugin, std::string_view key, std::string_view text) {
  assay_value value{};
  value.text = str(text);
  return set(plugin, key, value);
}
inline bool set_number(Plugin& plugin, std::string_view key, double number) {
  assay_value value{};
  value.number = number;
  value.integer = static_cast<std::int64_t>(number);
  return set(plugin, key, value);
}
inline bool set_list(Plugin& plugin, std::string_view key, const std::vector<std::string_view>& texts) {
  std::vector<assay_str> list;
  for (const std::string_view text : texts) list.push_back(str(text));
  assay_value value{};
  value.list = {list.data(), list.size()};
  return set(plugin, key, value);
}

/// A folder of its own that is removed at the end of the test.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Opens a task and keeps what its items point to.
struct OpenTask {
  Arena arena;
  Result<void> open(Task& task) {
    Call call(arena.raw());
    return task.open(call);
  }
  /// Item `i`; fails the result, not the test.
  Result<assay_item> item(Task& task, std::uint64_t i) {
    assay_item raw{};
    ItemWriter writer(raw, arena.call());
    if (Result<void> written = task.item(i, writer); !written) return std::move(written).error();
    writer.finish();
    return raw;
  }
};

/// An item with requests and answers, for metrics.
class FakeRecord {
 public:
  FakeRecord() {
    item_.struct_size = sizeof item_;
    item_.label = -1;
  }
  FakeRecord(const FakeRecord&) = delete;
  FakeRecord& operator=(const FakeRecord&) = delete;

  FakeRecord& text(std::string_view value) {
    item_.text = str(keep(value));
    return *this;
  }
  FakeRecord& label(int value) {
    item_.label = value;
    return *this;
  }
  FakeRecord& group(std::string_view value) {
    item_.group = str(keep(value));
    return *this;
  }
  FakeRecord& variant(std::string_view value) {
    item_.variant = str(keep(value));
    return *this;
  }
  FakeRecord& index(std::uint64_t value) {
    record_.index = value;
    return *this;
  }
  FakeRecord& target(std::string_view value) {
    targets_.push_back(str(keep(value)));
    return *this;
  }
  /// A scored text with the given statistics.
  FakeRecord& scored(std::string_view name, std::string_view continuation,
                     const std::map<assay_stat, std::vector<double>>& stats, int truth = -1,
                     std::string_view role = {}) {
    assay_request& request = add_request(ASSAY_REQUEST_SCORE, name);
    request.continuation = str(keep(continuation));
    request.label = truth;
    request.role = str(keep(role));
    auto& arrays = arrays_.emplace_back();
    auto& pointers = pointers_.emplace_back();
    pointers.fill(nullptr);
    assay_tokens tokens{};
    tokens.struct_size = sizeof tokens;
    for (const auto& [stat, values] : stats) {
      arrays[static_cast<std::size_t>(stat)] = values;
      pointers[static_cast<std::size_t>(stat)] = arrays[static_cast<std::size_t>(stat)].data();
      tokens.count = values.size();
    }
    tokens.stats = pointers.data();
    tokens.stat_count = ASSAY_STAT_COUNT;
    tokens_.push_back(tokens);
    responses_.back().tokens = &tokens_.back();
    return *this;
  }
  FakeRecord& generated(std::string_view text, Finish finish = Finish::kStop) {
    add_request(ASSAY_REQUEST_GENERATE, "answer");
    assay_choice choice{};
    choice.struct_size = sizeof choice;
    choice.text = str(keep(text));
    choice.finish = static_cast<std::int32_t>(finish);
    choice.mean_logprob = kMissing;
    choices_.push_back(choice);
    responses_.back().choices = &choices_.back();
    responses_.back().choice_count = 1;
    responses_.back().choice_size = sizeof(assay_choice);
    return *this;
  }
  FakeRecord& classified(double value) {
    add_request(ASSAY_REQUEST_CLASSIFY, "score");
    numbers_.push_back(value);
    responses_.back().values = &numbers_.back();
    responses_.back().value_count = 1;
    return *this;
  }
  Record view_of() {
    item_.targets = {targets_.data(), targets_.size()};
    item_.requests = requests_.data();
    item_.request_count = requests_.size();
    item_.request_size = sizeof(assay_request);
    record_.struct_size = sizeof record_;
    record_.item = &item_;
    record_.responses = responses_.data();
    record_.response_count = responses_.size();
    record_.response_size = sizeof(assay_response);
    return Record(&record_);
  }

 private:
  std::string_view keep(std::string_view text) { return strings_.emplace_back(text); }
  assay_request& add_request(assay_request_kind kind, std::string_view name) {
    assay_request request{};
    request.struct_size = sizeof request;
    request.kind = kind;
    request.name = str(keep(name));
    request.label = -1;
    requests_.push_back(request);
    responses_.push_back(empty_response());
    responses_.back().status.code = ASSAY_OK;
    return requests_.back();
  }

  std::deque<std::string> strings_;
  std::deque<std::array<std::vector<double>, ASSAY_STAT_COUNT>> arrays_;
  std::deque<std::array<const double*, ASSAY_STAT_COUNT>> pointers_;
  std::deque<assay_tokens> tokens_;
  std::deque<assay_choice> choices_;
  std::deque<double> numbers_;
  std::vector<assay_str> targets_;
  std::vector<assay_request> requests_;
  std::vector<assay_response> responses_;
  assay_item item_{};
  assay_record record_{};
};

/// Values and outcome of a metric on one record. The values are preset to NaN, as the host does.
struct Scored {
  std::vector<double> values;
  Outcome outcome;
};
inline Scored score(Metric& metric, FakeRecord& record, std::size_t value_count = 1) {
  Arena arena;
  Call call(arena.raw());
  Scored scored{std::vector<double>(value_count, kMissing), {}};
  Result<Outcome> outcome = metric.score(record.view_of(), scored.values, call);
  scored.outcome = outcome ? *std::move(outcome) : Outcome{State::kError, outcome.error().text};
  return scored;
}

}  // namespace assay::test
