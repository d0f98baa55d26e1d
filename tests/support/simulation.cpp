#include "tests/support/simulation.hpp"
#include "tests/support/places.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/run/session.hpp"

namespace assay::test {
namespace fs = std::filesystem;
namespace {

using host::ExecuteOptions;
using host::ExecuteResult;
using host::Session;
using host::SessionOptions;

/// Draws in sequence, from SplitMix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : at_(faulty::mixed(seed ^ 0x51ED270B9F8C1A2DU)) {}
  std::uint64_t next() { return faulty::mixed(at_ += 0x9E3779B97F4A7C15U); }
  /// From `low` to `high`, both included.
  std::int64_t within(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(double rate) { return static_cast<double>(next() >> 11U) * 0x1p-53 < rate; }
  /// One of a few round rates, often 0.
  double rate(double most) { return chance(0.4) ? 0.0 : most * static_cast<double>(within(1, 20)) / 20; }

 private:
  std::uint64_t at_;
};

Segment disturbed(Dice& dice, std::int64_t items, bool first) {
  Segment segment;
  // Most runs are first stopped half way, because a storage fault in the first moments leaves nothing to
  // keep.
  const bool stop = first && dice.chance(0.6);
  segment.what = static_cast<Disturbance>(stop ? dice.within(1, 2) : dice.within(1, kDisturbances - 1));
  segment.after = dice.within(0, items);
  FaultPlan& faults = segment.faults;
  faults.seed = dice.next();
  // Early on the schema is made, later items are written; both shall be hit.
  faults.quiet = dice.within(0, 3) == 0 ? 0 : dice.within(1, 120);
  const double rate = dice.chance(0.5) ? 1.0 : 0.05;
  switch (segment.what) {
    case Disturbance::kShortWrite:
      faults.short_write = rate;
      break;
    case Disturbance::kDiskFull:
      faults.full = rate;
      break;
    case Disturbance::kSync:
      faults.quiet /= 10;
      faults.sync_fail = rate;
      break;
    case Disturbance::kBusy:
      faults.busy = dice.chance(0.5) ? 0.5 : 0.02;
      faults.busy_burst = static_cast<int>(dice.chance(0.3) ? dice.within(100, 400) : dice.within(1, 5));
      break;
    case Disturbance::kRead:
      faults.read_error = rate;
      break;
    case Disturbance::kPowerLoss:
    case Disturbance::kCrash:
      faults.crash_after_writes = dice.within(1, first ? 300 : 80);
      faults.torn = dice.chance(0.5);
      faults.lose_unsynced = segment.what == Disturbance::kPowerLoss;
      break;
    default:
      break;
  }
  return segment;
}

void write(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

std::string model_expression(const SimulationPlan& plan) {
  const faulty::Truth& t = plan.truth;
  std::string out = fmt::format(
      "faulty(seed={}, answers=\"{}\", fail={}, garbage={}, refused={}, truncated={}, empty={}, "
      "transient={}, transient_max={}, shuffle={}",
      t.seed, t.echo ? "echo" : "words", t.fail, t.garbage, t.refused, t.truncated, t.empty, t.transient,
      t.transient_max, plan.shuffle);
  if (t.slow > 0) out += fmt::format(", slow={}, slow_ms={}", t.slow, plan.slow_ms);
  if (t.late > 0) out += fmt::format(", late={}, late_ms={}, rude={}", t.late, plan.late_ms, plan.rude);
  return out + ")";
}

void write_suite(const SimulationPlan& plan, const fs::path& folder) {
  std::string qa, texts;
  for (const SimulatedItem& item : plan.items) {
    if (item.task == "qa") {
      qa += nlohmann::json{{"id", item.id}, {"prompt", item.prompt}, {"target", item.target}}.dump() + "\n";
    } else {
      texts += nlohmann::json{{"id", item.id}, {"text", item.text}, {"label", item.label}}.dump() + "\n";
    }
  }
  // A row that cannot be used is no item, but a warning.
  if (plan.bad_row) qa += "{\"id\": \"no prompt\"}\n";
  write(folder / "qa.jsonl", qa);
  write(folder / "texts.jsonl", texts);
  write(folder / "suite.toml",
        fmt::format("[suite]\nname = \"simulated\"\nseed = {}\nrepeats = {}\n"
                    "[[model]]\nname = \"f\"\nexpr = '{}'\n"
                    "[[task]]\nplugin = \"assay.jsonl\"\nname = \"qa\"\nparams = {{ data = \"qa.jsonl\" }}\n"
                    "metrics = [\"assay.exact_match\"]\n"
                    "[[task]]\nplugin = \"assay.labelled_texts\"\nname = \"texts\"\n"
                    "params = {{ data = \"texts.jsonl\" }}\nmetrics = [\"mia.loss\"]\n",
                    plan.seed % 1'000'000, plan.repeats, model_expression(plan)));
}

SessionOptions session_options(const fs::path& folder) {
  SessionOptions options;
  options.suite = folder / "suite.toml";
  options.registry.use_environment = options.registry.use_program_folders = false;
  const fs::path build = build_dir();
  for (const char* name :
       {"model_faulty", "task_jsonl", "task_labelled_texts", "metric_generic", "metric_mia"})
    options.registry.files.push_back(build / "lib" / "assay" / "plugins" / (std::string(name) + ".so"));
  options.registry.worker = build / "bin" / "assay-worker";
  return options;
}

/// After a segment that ended badly the next one stands for another process: the owner that the database
/// remembers must not pass for this one. Done without a checkpoint, so that the log stays as it was left.
void forget_owner(const fs::path& database) {
  if (!fs::exists(database)) return;
  sqlite3* raw = nullptr;
  if (sqlite3_open_v2(database.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
    (void)sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    (void)sqlite3_exec(raw, "UPDATE segment SET process_start = 1 WHERE ended IS NULL", nullptr, nullptr,
                       nullptr);
  }
  (void)sqlite3_close(raw);
}

/// The number before " results written before are committed", or 0.
std::int64_t promised_rows(const std::string& message) {
  const std::size_t at = message.find(" written before are committed");
  if (at == std::string::npos) return 0;
  const std::size_t start = message.rfind(';', at);
  return start == std::string::npos ? 0 : std::atoll(message.c_str() + start + 1);
}

/// The run, segment after segment.
class Simulation {
 public:
  Simulation(const SimulationPlan& plan, fs::path folder)
      : plan_(plan), folder_(std::move(folder)), database_(folder_ / "x.db"), vfs_(FaultVfs::instance()) {}

  SimulationReport run() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_suite(plan_, folder_);
    vfs_.real_time(false);
    bool finished = false;
    for (std::size_t s = 0; s < plan_.segments.size() && !finished; ++s) {
      where_ = fmt::format("segment {}: ", s + 1);
      finished = segment(plan_.segments[s]);
    }
    where_.clear();
    if (!finished) problem("the undisturbed segment did not finish the run");
    vfs_.reset();
    check_database(plan_, database_, report_.problems);
    if (report_.problems.empty() && plan_.seed % 5 == 0) run_again();
    vfs_.real_time(true);
    report_.items = static_cast<std::int64_t>(plan_.items.size()) * plan_.repeats;
    for (const StoredRow& row : rows_) report_.errors += row.state >= ASSAY_STATE_ERROR ? 1 : 0;
    return std::move(report_);
  }

 private:
  void problem(const std::string& text) { report_.problems.push_back(where_ + text); }

  // The same once more is a run of its own, for which only what failed is asked again.
  void run_again() {
    where_ = "once more: ";
    Result<Session> session = host::prepare(session_options(folder_));
    if (!session) return problem("prepare: " + session.error().text);
    ExecuteOptions options;
    options.database = database_;
    options.control.threads = 2;
    options.control.retry = plan_.retry;
    const Result<ExecuteResult> result = host::execute(*session, options);
    if (!result) return problem(result.error().text);
    const auto [servable, failing] = distinct_requests(plan_);
    if (result->resumed) problem("a finished run was continued");
    if (result->outcome.served != servable || result->outcome.requests != servable + failing)
      problem(fmt::format("{} of {} answers came from the database instead of {} of {}",
                          result->outcome.served, result->outcome.requests, servable, servable + failing));
    check_equal_runs(database_, report_.problems);
  }

  // True when the run is done.
  bool segment(const Segment& segment) {
    ++report_.segments;
    Result<Session> session = host::prepare(session_options(folder_));
    if (!session) {
      problem("prepare: " + session.error().text);
      return false;
    }
    std::atomic<int> stop{0};
    std::uint32_t cancel = 0;
    ExecuteOptions options;
    options.database = database_;
    options.store.durable = plan_.durable;
    options.store.lock_wait_ms = 1000;
    options.retry_errors = segment.retry_errors;
    options.control.threads = segment.threads;
    options.control.retry = plan_.retry;
    options.control.stop = &stop;
    options.control.cancel = &cancel;
    options.control.progress = [&](const host::RunProgress& progress) {
      if (segment.what != Disturbance::kInterrupt && segment.what != Disturbance::kCancel) return;
      if (progress.done - progress.before < segment.after || stop.load() != 0) return;
      stop.store(1);
      if (segment.what == Disturbance::kCancel) __atomic_store_n(&cancel, 1U, __ATOMIC_RELEASE);
    };
    vfs_.arm(segment.faults);
    const Result<ExecuteResult> result = host::execute(*session, options);
    const FaultCounts counts = vfs_.counts();
    const bool storage = segment.what != Disturbance::kNone && segment.what != Disturbance::kInterrupt &&
                         segment.what != Disturbance::kCancel;
    vfs_.reset();
    if (vfs_.open_files() != 0) problem(fmt::format("{} files were left open", vfs_.open_files()));
    const bool struck = storage ? counts.faults > 0 : stop.load() != 0;
    if (struck) ++report_.faults[static_cast<int>(segment.what)];
    report_.crashes += storage && counts.crashed ? 1 : 0;
    return judge(segment, result, struck && storage);
  }

  bool judge(const Segment& segment, const Result<ExecuteResult>& result, bool excused) {
    std::vector<StoredRow> rows = stored_rows(database_, report_.problems);
    check_kept(segment, rows);
    const auto found = static_cast<std::int64_t>(rows.size());
    const auto before = static_cast<std::int64_t>(rows_.size());
    const auto all = static_cast<std::int64_t>(plan_.items.size()) * plan_.repeats;
    if (found > 0 && found < all) ++report_.partial;
    rows_ = std::move(rows);
    if (!result) {
      ++report_.failed_segments;
      const std::string& text = result.error().text;
      if (!excused) problem("failed without a reason: " + text);
      // What an error message calls safe must be there. Failed items may have been taken out before.
      if (!segment.retry_errors && found < before + promised_rows(text))
        problem(
            fmt::format("{} rows are there, {} were there before, but it was said: {}", found, before, text));
      // Reading the table can fail after the run has ended; then nothing is left to be continued.
      if (found == all && is_finished(database_)) return true;
      forget_owner(database_);
      return false;
    }
    report_.resumed += result->resumed ? 1 : 0;
    const host::RunOutcome& outcome = result->outcome;
    if (outcome.finished != found)
      problem(fmt::format("{} items are said to be finished, {} rows are there", outcome.finished, found));
    if (!outcome.infrastructure.empty()) problem("given up: " + outcome.infrastructure);
    for (const host::WarningRow& warning : outcome.warnings) {
      if (warning.code == "W_STORED_ANSWER" || warning.code == "W_ITEM_CHANGED" ||
          warning.code == "W_SAME_RUN")
        problem("unexpected warning: " + warning.text);
    }
    if (outcome.interrupted) {
      ++report_.interrupted;
      if (segment.what != Disturbance::kInterrupt && segment.what != Disturbance::kCancel)
        problem("interrupted by nobody");
      return false;
    }
    if (found != all) problem(fmt::format("{} of {} items are there, but the run ended", found, all));
    return true;
  }

  // Rows that were there stay, to the last byte, except failed ones that are run again.
  void check_kept(const Segment& segment, const std::vector<StoredRow>& now) {
    std::map<std::int64_t, const StoredRow*> by_id;
    for (const StoredRow& row : now) by_id.emplace(row.result, &row);
    for (const StoredRow& row : rows_) {
      const auto at = by_id.find(row.result);
      if (at != by_id.end() && *at->second == row) continue;
      const bool may_go = segment.retry_errors && row.state >= ASSAY_STATE_ERROR;
      if (!may_go)
        problem(fmt::format("the committed row of item '{}' of '{}', repeat {}, is gone or another", row.item,
                            row.task, row.repeat));
    }
  }

  const SimulationPlan& plan_;
  fs::path folder_, database_;
  FaultVfs& vfs_;
  SimulationReport report_;
  std::vector<StoredRow> rows_;  ///< after the last segment
  std::string where_;
};

}  // namespace

SimulationPlan plan_of(std::uint64_t seed) {
  SimulationPlan plan;
  plan.seed = seed;
  Dice dice(seed);
  faulty::Truth& truth = plan.truth;
  truth.seed = dice.next() >> 1U;
  truth.fail = dice.rate(0.1);
  truth.garbage = dice.rate(0.1);
  truth.refused = dice.rate(0.2);
  truth.truncated = dice.rate(0.2);
  truth.empty = dice.rate(0.2);
  truth.transient = dice.rate(0.3);
  truth.transient_max = static_cast<std::uint32_t>(dice.within(1, 4));
  truth.echo = dice.chance(0.3);
  plan.repeats = static_cast<std::uint32_t>(dice.within(1, 2));
  plan.retry.attempts = static_cast<std::uint32_t>(dice.within(1, 4));
  plan.retry.backoff_ns = 0;
  plan.shuffle = dice.chance(0.5);
  plan.bad_row = dice.chance(0.3);
  const std::int64_t count = dice.within(20, 80) / plan.repeats;
  // Some runs last longer than a commit, so that their rows come in several; some have a time limit.
  if (seed % 40 == 7) {
    truth.slow = 3.0 / static_cast<double>(count);
    plan.slow_ms = 150;
  }
  if (seed % 250 == 13) {
    truth.late = 1.0 / static_cast<double>(count);
    plan.late_ms = 800;
    plan.retry.attempts = 1;
    plan.retry.attempt_ns = 400'000'000;
    plan.rude = dice.chance(0.5);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    SimulatedItem item;
    if (dice.chance(0.5)) {
      item.task = "qa";
      item.id = "q" + std::to_string(i);
      item.prompt = fmt::format("question {} of {}\nthe last line {}", i, seed, dice.within(0, 9));
      // Some prompts occur twice and are asked once.
      if (!plan.items.empty() && dice.chance(0.1)) {
        for (const SimulatedItem& other : plan.items) {
          if (other.task == "qa") item.prompt = other.prompt;
        }
      }
      const std::string right = faulty::answer_text(truth, request_of(item, 0));
      item.target = dice.chance(0.5) ? right : "something else";
    } else {
      item.task = "texts";
      item.id = "t" + std::to_string(i);
      item.label = static_cast<int>(dice.within(0, 1));
      for (std::int64_t w = dice.within(1, 8); w > 0; --w)
        item.text +=
            (item.text.empty() ? "" : " ") + std::string("word") + std::to_string(dice.within(0, 99));
      item.text += " " + std::to_string(i);
    }
    plan.items.push_back(std::move(item));
  }
  // Both tasks have items, and both labels.
  for (int label = 0; label < 2; ++label)
    plan.items.push_back({"texts", "end" + std::to_string(label), {}, "the end", {}, label});
  plan.items.push_back({"qa", "last", "the last question", {}, "no", -1});
  const std::int64_t disturbances = dice.within(0, 4);
  for (std::int64_t s = 0; s < disturbances; ++s)
    plan.segments.push_back(
        disturbed(dice, static_cast<std::int64_t>(plan.items.size()) * plan.repeats, s == 0));
  plan.segments.emplace_back();
  for (Segment& segment : plan.segments) {
    segment.threads = static_cast<unsigned>(dice.within(1, 3));
    segment.retry_errors = dice.chance(0.2);
    // At power loss only synced commits are promised.
    plan.durable = plan.durable || segment.what == Disturbance::kPowerLoss;
  }
  return plan;
}

SimulationReport simulate(const SimulationPlan& plan, const fs::path& folder) {
  return Simulation(plan, folder).run();
}

}  // namespace assay::test
