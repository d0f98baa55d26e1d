// A samples file of lm-eval. A row belongs to a document and a filter; the rows of one document may lie far
// apart. The first pass notes where they are and checks hashes, the second reads the rows of each document
// together.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/lines.hpp"
#include "harness/interop/peek.hpp"
#include "harness/interop/read_lm_eval.hpp"

namespace assay::host::interop::lm_eval {
namespace {

constexpr std::uint32_t kNoPlace = std::numeric_limits<std::uint32_t>::max();

/// Keys of a row that are no metrics.
bool structural(std::string_view key) {
  static constexpr std::array<std::string_view, 11> kKeys{
      "doc_id", "doc",     "target",   "arguments",   "resps",      "filtered_resps",
      "filter", "metrics", "doc_hash", "prompt_hash", "target_hash"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

struct Place {
  std::uint64_t offset = 0;
  std::uint32_t length = 0, line = 0;
  std::uint32_t next = kNoPlace;  ///< the document's next row
  std::uint32_t filter = 0;
};

struct Column {
  std::string metric, filter;
  bool numbers = false, other = false;  ///< a number occurs; one that is not 0 or 1
  std::int64_t n = 0;
  long double sum = 0;
};

/// Rows whose recorded hash is not that of the row.
struct Mismatch {
  std::int64_t rows = 0;
  std::uint64_t line = 0;  ///< of the first
};

class SamplesReader {
 public:
  SamplesReader(const std::filesystem::path& file, const std::string& task, const Tree& results,
                const ImportOptions& options, ImportSink& sink, ImportSummary& summary)
      : file_(file),
        name_(file.filename().string()),
        task_(task),
        results_(results),
        options_(options),
        sink_(sink),
        summary_(summary) {}

  Result<void> run() {
    stated_filters_ = filters_of(results_, task_);
    auto lines = LineReader::open(file_);
    if (!lines) return lines.error();
    auto surveyed = survey(*lines);
    if (!surveyed) return surveyed;
    auto told = tell();
    if (!told) return told;
    return hand_over(*lines);
  }

 private:
  [[nodiscard]] std::string where(std::uint64_t line) const { return name_ + ":" + std::to_string(line); }
  [[nodiscard]] Error problem(std::uint64_t line, const std::string& what) const {
    return Error{Code::kData, where(line) + ": " + what, where(line)};
  }

  Result<void> survey(LineReader& lines) {
    Line line;
    for (;;) {
      const auto more = lines.next(line);
      if (!more) return more.error();
      if (!*more) return {};
      if (!line.too_long && trimmed(line.text).empty()) continue;
      auto noted = line.too_long ? problem(line.number, "the line is too long") : note(line);
      if (noted) continue;
      Error why = std::move(noted).error();
      if (!options_.skip_bad_lines)
        why.text += "; correct the line, or import the good ones with --skip-bad-lines";
      auto rejected = reject(options_, summary_, std::move(why));
      if (!rejected) return rejected;
      whole_ = false;
    }
  }

  Result<void> note(const Line& line) {
    std::vector<std::string> warnings;
    auto sample = parse_tolerant(line.text, where(line.number), warnings);
    if (!sample) return sample.error();
    if (!sample->is_object())
      return problem(line.number, "expected an object, found " + std::string(sample->type_name()));
    const std::string id = id_of(*sample, line.number);
    if (id.empty())
      return problem(line.number, "missing doc_id; --number-lines takes the line's number instead");
    const Tree* const named = peek(*sample, "filter");
    const auto [doc, fresh] = docs_.try_emplace(fast_key(id), static_cast<std::uint32_t>(first_.size()));
    std::uint32_t last = kNoPlace, nth = 0;
    for (std::uint32_t at = fresh ? kNoPlace : first_[doc->second]; at != kNoPlace; at = places_[at].next)
      last = at, ++nth;
    const std::uint32_t filter = filter_number(named == nullptr ? unnamed(nth) : plain_text(*named));
    for (std::uint32_t at = fresh ? kNoPlace : first_[doc->second]; at != kNoPlace; at = places_[at].next) {
      if (places_[at].filter == filter) {
        return problem(line.number, "duplicate id " + printable(id) + " with the filter '" +
                                        printable(filters_[filter]) + "'");
      }
    }
    const auto place = static_cast<std::uint32_t>(places_.size());
    if (fresh) {
      first_.push_back(place);
    } else {
      places_[last].next = place;
    }
    places_.push_back({line.offset, static_cast<std::uint32_t>(line.text.size()),
                       static_cast<std::uint32_t>(line.number), kNoPlace, filter});
    note_metrics(*sample, filters_[filter]);
    check_hashes(*sample, line.number);
    for (std::string& text : warnings) {
      if (++warnings_ <= kWarningsShown) warning_texts_.push_back(std::move(text));
    }
    return {};
  }

  [[nodiscard]] std::string id_of(const Tree& sample, std::uint64_t line) const {
    const Tree* const id = peek(sample, "doc_id");
    if (id != nullptr) return plain_text(*id);
    return options_.number_lines ? std::to_string(line) : std::string();
  }

  /// Rows of old files do not name their filter; they come in the order of the results file.
  [[nodiscard]] std::string unnamed(std::uint32_t nth) const {
    if (nth < stated_filters_.size()) return stated_filters_[nth];
    return nth == 0 ? "none" : "filter" + std::to_string(nth + 1);
  }

  std::uint32_t filter_number(const std::string& filter) {
    const auto found = std::find(filters_.begin(), filters_.end(), filter);
    const auto number = static_cast<std::uint32_t>(found - filters_.begin());
    if (found == filters_.end()) filters_.push_back(filter);
    return number;
  }

  /// Calls f(metric, value) for all metrics of a row: the named ones, or in old rows whatever is not
  /// structural.
  template <class F>
  static void each_metric(const Tree& sample, F&& f) {
    const Tree* const names = peek(sample, "metrics");
    if (names != nullptr && names->is_array()) {
      std::unordered_set<std::string> done;
      for (const Tree& name : *names) {
        if (!name.is_string() || !done.insert(name.get<std::string>()).second) continue;
        if (const auto found = sample.find(name.get<std::string>()); found != sample.end())
          f(found.key(), *found);
      }
      return;
    }
    for (const auto& [key, value] : sample.items()) {
      if (!structural(key)) f(key, value);
    }
  }

  Column& column(const std::string& metric, const std::string& filter) {
    for (Column& one : columns_) {
      if (one.metric == metric && one.filter == filter) return one;
    }
    columns_.push_back({.metric = metric, .filter = filter});
    return columns_.back();
  }

  void note_metrics(const Tree& sample, const std::string& filter) {
    each_metric(sample, [&](const std::string& metric, const Tree& value) {
      double number = kAbsent;
      if (!read_number(value, number, true)) return;
      Column& one = column(metric, filter);
      one.numbers = true;
      if (!std::isfinite(number)) return;
      one.other = one.other || (number != 0 && number != 1);
      one.sum += number;
      ++one.n;
    });
  }

  void check(const char* key, const Tree& sample, const std::string& computed, std::uint64_t line,
             Mismatch& mismatch) {
    const std::string recorded = peek_text(sample, key);
    if (recorded.empty() || recorded == computed) return;
    if (mismatch.rows++ == 0) mismatch.line = line;
  }

  void check_hashes(const Tree& sample, std::uint64_t line) {
    if (const auto doc = sample.find("doc"); doc != sample.end()) {
      std::string hash = sha256_hex(python_json(*doc));
      if (hash != peek_text(sample, "doc_hash")) hash = sha256_hex(python_json(*doc, true));
      check("doc_hash", sample, hash, line, doc_mismatch_);
    }
    if (const Tree* const context = peek(sample, "arguments", "gen_args_0", "arg_0");
        context != nullptr && context->is_string()) {
      check("prompt_hash", sample, sha256_hex(context->get_ref<const std::string&>()), line,
            prompt_mismatch_);
    }
    if (const auto target = sample.find("target"); target != sample.end()) {
      std::string text;
      if (target->is_string()) {
        text = target->get<std::string>();
      } else if (target->is_number_float()) {
        text = python_real(target->get<double>());
      } else if (target->is_number()) {
        text = target->dump();
      } else if (target->is_boolean()) {
        text = target->get<bool>() ? "True" : "False";
      } else if (target->is_null()) {
        text = "None";
      }
      // Lists are hashed as Python shows them, which JSON does not tell.
      if (!target->is_structured()) check("target_hash", sample, sha256_hex(text), line, target_mismatch_);
    }
    for (const char* const key : {"doc_hash", "prompt_hash", "target_hash"}) {
      const std::string hash = peek_text(sample, key);
      if (hash.empty()) hashed_ = false;
      task_hash_.bytes(hash);
    }
  }

  void warn_hash(const char* what, const Mismatch& mismatch) {
    if (mismatch.rows == 0) return;
    sink_.warning("W_HASH", name_ + ": " + what + " of " + std::to_string(mismatch.rows) + " of " +
                                std::to_string(places_.size()) +
                                " rows is not that of the row, first in line " +
                                std::to_string(mismatch.line) +
                                "; the file was changed after it was written, or by another version");
  }

  Result<void> tell() {
    ImportedTask task = results_.is_null() ? ImportedTask{} : task_of(results_, task_);
    task.name = task_;
    const Tree* const samples = peek(results_, "n-samples", task_);
    task.planned = samples == nullptr ? -1 : peek_count(*samples, "effective");
    const auto documents = static_cast<std::int64_t>(first_.size());
    if (task.planned >= 0 && task.planned < documents) {
      sink_.warning("W_COUNT", name_ + ": the results file says " + std::to_string(task.planned) +
                                   " documents, but there are " + std::to_string(documents));
      task.planned = documents;
      whole_ = false;
    }
    // Without a stated number nobody can tell whether rows are missing.
    whole_ = whole_ && task.planned == documents && places_.size() == first_.size() * filters_.size();
    columns_.erase(
        std::remove_if(columns_.begin(), columns_.end(), [](const Column& one) { return !one.numbers; }),
        columns_.end());
    for (const Column& one : columns_) {
      task.values.push_back(
          {.metric = one.metric + "@" + one.filter,
           .name = "score",
           .doc = "metric " + one.metric + " after the filter " + one.filter + ", recorded in " + name_,
           .direction = direction_of(results_, task_, one.metric),
           .proportion = one.n > 0 && !one.other});
    }
    std::vector<std::string> differing;
    for (ReportedNumber& number : task.reported) compare(number, differing);
    auto told = sink_.task(task);
    if (!told) return told;
    for (const std::string& text : differing) sink_.warning("W_REPORTED", text);
    warn_hash("the doc_hash", doc_mismatch_);
    warn_hash("the prompt_hash", prompt_mismatch_);
    warn_hash("the target_hash", target_mismatch_);
    const std::string computed = hex(task_hash_.finish());
    if (whole_ && hashed_ && !task.data_hash.empty() && task.data_hash != computed) {
      sink_.warning("W_HASH", name_ + ": the task hash of the results file, " + task.data_hash +
                                  ", is not that of the rows, " + computed);
    }
    for (const std::string& text : warning_texts_) sink_.warning("W_JSON", text);
    if (warnings_ > kWarningsShown) {
      sink_.warning("W_JSON", name_ + ": " + std::to_string(warnings_ - kWarningsShown) +
                                  " more warnings of this kind");
    }
    return {};
  }

  /// Finds the column of a reported mean, and says so when both differ.
  void compare(ReportedNumber& number, std::vector<std::string>& differing) const {
    if (number.statistic != "value") return;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const Column& one = columns_[i];
      const bool legacy = number.metric == one.metric && one.filter == "none";
      if (!(legacy || number.metric == one.metric + "," + one.filter) ||
          !is_mean(results_, task_, one.metric))
        continue;
      number.value = static_cast<int>(i);
      if (!whole_ || one.n != static_cast<std::int64_t>(first_.size()) || !std::isfinite(number.number))
        return;
      const double mean = static_cast<double>(one.sum / static_cast<long double>(one.n));
      if (disagree(number.number, mean)) {
        differing.push_back(task_ + ": the log reports " + number_text(number.number) + " for " +
                            number.metric + ", but the mean of its " + std::to_string(one.n) + " rows is " +
                            number_text(mean));
      }
      return;
    }
  }

  Result<void> hand_over(const LineReader& lines) {
    std::vector<char> buffer;
    for (const std::uint32_t first : first_) {
      ImportedRow row;
      bool answered = true;
      std::vector<std::string> notes(columns_.size());
      for (std::uint32_t at = first; at != kNoPlace; at = places_[at].next) {
        const Place& place = places_[at];
        const auto text = lines.at(place.offset, place.length, buffer);
        if (!text) return text.error();
        std::vector<std::string> ignored;
        const auto sample = parse_tolerant(*text, where(place.line), ignored);
        if (!sample || !sample->is_object()) {
          return problem(place.line,
                         "the line was good at first and is not any more; was the file changed meanwhile?");
        }
        if (at == first) {
          row = row_of(*sample, task_);
          row.id = id_of(*sample, place.line);
          row.scores.assign(columns_.size(), kAbsent);
          answered = row.state != kMissing;
        }
        add(*sample, filters_[place.filter], row, notes);
      }
      if (std::any_of(notes.begin(), notes.end(), [](const auto& note) { return !note.empty(); }))
        row.notes = std::move(notes);
      // Rows without answers are scores only, when there are scores.
      const bool scored =
          std::any_of(row.scores.begin(), row.scores.end(), [](double x) { return !std::isnan(x); });
      if (!answered && scored) row.state = ASSAY_STATE_OK;
      auto given = sink_.row(std::move(row));
      if (!given) return given;
      ++summary_.rows;
    }
    return {};
  }

  /// The scores and the filtered answer of one filter.
  void add(const Tree& sample, const std::string& filter, ImportedRow& row,
           std::vector<std::string>& notes) const {
    const std::string note = filtered_text(sample);
    each_metric(sample, [&](const std::string& metric, const Tree& value) {
      double number = kAbsent;
      const auto found = std::find_if(columns_.begin(), columns_.end(), [&](const Column& one) {
        return one.metric == metric && one.filter == filter;
      });
      const auto i = static_cast<std::size_t>(found - columns_.begin());
      if (value.is_null()) return;
      if (found == columns_.end() || !read_number(value, number, true)) {
        row.fields.emplace_back(metric + "@" + filter, plain_text(value));  // tuples of corpus metrics, texts
        return;
      }
      if (std::isfinite(number)) {
        row.scores[i] = number;
      } else {
        row.non_finite = true;
      }
    });
    for (std::size_t i = 0; i < columns_.size() && !note.empty(); ++i) {
      if (columns_[i].filter == filter) notes[i] = note;
    }
    const Tree* const names = peek(sample, "metrics");
    if (names == nullptr) return;
    for (const auto& [key, value] : sample.items()) {
      if (structural(key) || value.is_null() || std::find(names->begin(), names->end(), key) != names->end())
        continue;
      if (std::none_of(row.fields.begin(), row.fields.end(),
                       [&, k = std::string(key)](const auto& one) { return one.first == k; })) {
        row.fields.emplace_back(key, plain_text(value));
      }
    }
  }

  const std::filesystem::path& file_;
  std::string name_;
  const std::string& task_;
  const Tree& results_;
  const ImportOptions& options_;
  ImportSink& sink_;
  ImportSummary& summary_;
  std::vector<std::string> stated_filters_, filters_;
  std::unordered_map<Key128, std::uint32_t, KeyHash> docs_;  ///< id -> index into first_
  std::vector<std::uint32_t> first_;                         ///< a document's first row
  std::vector<Place> places_;
  std::vector<Column> columns_;
  Mismatch doc_mismatch_, prompt_mismatch_, target_mismatch_;
  Sha256 task_hash_;
  bool hashed_ = true;  ///< every row records all three hashes
  bool whole_ = true;   ///< all rows of the task are here
  std::size_t warnings_ = 0;
  std::vector<std::string> warning_texts_;
};

}  // namespace

Result<void> read_samples(const std::filesystem::path& file, const std::string& task, const Tree& results,
                          const ImportOptions& options, ImportSink& sink, ImportSummary& summary) {
  return SamplesReader(file, task, results, options, sink, summary).run();
}

}  // namespace assay::host::interop::lm_eval
