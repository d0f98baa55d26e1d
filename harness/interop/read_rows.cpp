// Plain rows: JSON lines, CSV and TSV. Two passes: the first checks every row and learns what has to be known
// before the first row is handed over (tasks, models, columns, whether they are binary, repeats, and where
// the rows of each task and model lie), the second hands over, task by task.
#include "harness/interop/read_rows.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_set>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"

namespace assay::host::interop {
namespace {

using rows::Column;
using rows::Mapping;
using rows::Record;
using rows::Records;
using rows::Role;

/// What the first pass learns of one mapped field, in one task.
struct Seen {
  bool somewhere = false;  ///< the field occurs at all
  bool filled = false;     ///< and is not null
  bool numbers = false;    ///< kMetric: a finite number occurs
  bool others = false;     ///< kMetric: a finite number beside 0 and 1 occurs
  bool unusable = false;   ///< kMetric without a mapping file: holds something that is no number
};

/// One task of the file.
struct Seed {
  std::string name;
  std::vector<Seen> seen;  ///< parallel to the mapping's sources, as far as it is long
  std::int64_t repeats = 1;
  bool outputs = false;
  std::vector<Column> columns;
  std::vector<ImportedValue> values;

  Seen& at(std::size_t source) {
    if (seen.size() <= source) seen.resize(source + 1);
    return seen[source];
  }
};

/// Good rows of one task and model that follow each other in the file, bad ones aside.
struct Stretch {
  std::uint64_t offset = 0, line = 0;
  std::int64_t rows = 0;
};
using Stretches = std::vector<Stretch>;
using SeenIds = std::unordered_set<Key128, KeyHash>;

Key128 key_of(const ImportedRow& row, const std::string& place = {}) {
  return fast_key(place + row.variant + '\x1F' + row.id + '\x1F' + std::to_string(row.repeat));
}

class RowsReader {
 public:
  RowsReader(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
             ImportSummary& summary)
      : path_(path),
        name_(path.filename().string()),
        options_(options),
        sink_(sink),
        summary_(summary),
        maker_(mapping_, options, name_) {}

  Result<void> run() {
    Result<Mapping> mapping = rows::load_mapping(options_.map, options_.number_lines);
    if (!mapping) return std::move(mapping).error();
    if (options_.map.empty()) {
      Result<bool> own = exported();
      if (!own) return std::move(own).error();
      if (*own) *mapping = rows::exported_mapping();
    }
    mapping_ = std::move(*mapping);
    if (Result<void> done = survey(); !done) return done;
    settle_models();
    choose_columns();
    if (Result<void> done = tell(); !done) return done;
    return hand_over();
  }

 private:
  [[nodiscard]] Result<std::unique_ptr<Records>> records(const Mapping& mapping) const {
    const bool table = options_.format == "csv";
    return table ? rows::open_table(path_, mapping) : rows::open_jsonl(path_, mapping);
  }

  /// Whether the first row has the fields that an export writes.
  [[nodiscard]] Result<bool> exported() const {
    const Mapping nothing;
    Result<std::unique_ptr<Records>> reader = records(nothing);
    if (!reader) return std::move(reader).error();
    Record record;
    const Result<bool> more = (*reader)->next(record);
    if (!more || !*more) return more;
    std::vector<std::string> fields;
    for (auto& [key, value] : record.others) fields.push_back(std::move(key));
    return rows::is_exported(fields);
  }

  Result<void> bad(const Record& record, Error error) {
    bad_.insert(record.line);
    if (!options_.skip_bad_lines) {
      error.text += "; correct the line, or import the good ones with --skip-bad-lines";
    }
    return reject(options_, summary_, std::move(error));
  }

  [[nodiscard]] Error duplicate(const Record& record, const ImportedRow& row) const {
    return maker_.problem(record, "duplicate id " + printable(row.id) +
                                      (row.repeat == 0 ? "" : " in repeat " + std::to_string(row.repeat)));
  }

  /// Fields whose names say what they are become sources.
  void adopt(Record& record) {
    if (!mapping_.open) return;
    std::erase_if(record.others, [&](auto& other) {
      std::optional<rows::Source> source = rows::by_prefix(other.first);
      if (!source) return false;
      mapping_.sources.push_back(std::move(*source));
      record.cells.emplace_back(std::move(other.second));
      return true;
    });
  }

  [[nodiscard]] std::string text_of(const Record& record, Role role) const {
    const Tree* const cell = maker_.cell(record, role);
    return cell == nullptr ? std::string() : plain_text(*cell);
  }

  Result<void> survey() {
    Result<std::unique_ptr<Records>> reader = records(mapping_);
    if (!reader) return std::move(reader).error();
    SeenIds ids;
    Record record;
    for (;;) {
      const Result<bool> more = (*reader)->next(record);
      if (!more) return more.error();
      if (!*more) return {};
      std::optional<Error> why = std::move(record.problem);
      record.problem.reset();
      if (!why) {
        adopt(record);
        Result<ImportedRow> row = maker_.make(record);
        if (!row) {
          why = std::move(row).error();
        } else {
          const std::string task = text_of(record, Role::kTask), model = text_of(record, Role::kModel);
          if (ids.insert(key_of(*row, task + '\x1F' + model + '\x1F')).second) {
            note(record, *row, task, model);
          } else {
            why = duplicate(record, *row);
          }
        }
      }
      if (!why) continue;
      if (Result<void> rejected = bad(record, std::move(*why)); !rejected) return rejected;
    }
  }

  /// Learns from a good row.
  void note(const Record& record, const ImportedRow& row, const std::string& task, const std::string& model) {
    std::size_t t = last_task_;
    if (t >= seeds_.size() || seeds_[t].name != task) {
      const auto [at, fresh] = seed_places_.emplace(task, seeds_.size());
      if (fresh) seeds_.push_back({.name = task, .seen = {}, .columns = {}, .values = {}});
      t = at->second;
    }
    Seed& seed = seeds_[t];
    if (std::find(models_.begin(), models_.end(), model) == models_.end()) models_.push_back(model);
    const bool follows = t == last_task_ && model == last_model_ && last_stretch_ != nullptr;
    if (!follows) {
      Stretches& stretches = stretches_[{t, model}];
      stretches.push_back({record.offset, record.line, 0});
      last_task_ = t;
      last_model_ = model;
      last_stretch_ = &stretches;
    }
    ++last_stretch_->back().rows;
    seed.repeats = std::max<std::int64_t>(seed.repeats, std::int64_t{row.repeat} + 1);
    for (std::size_t i = 0; i < record.cells.size(); ++i) {
      if (!record.cells[i]) continue;
      Seen& seen = seed.at(i);
      seen.somewhere = true;
      seen.filled = seen.filled || !record.cells[i]->is_null();
      if (mapping_.sources[i].role != Role::kMetric) continue;
      double number = kAbsent;
      if (!rows::RowMaker::score(*record.cells[i], number)) seen.unusable = true;
      if (!std::isfinite(number)) continue;
      seen.numbers = true;
      if (number != 0 && number != 1) seen.others = true;
    }
    for (const std::string& text : record.warnings) {
      if (++warnings_ <= kWarningsShown) warning_texts_.push_back(text);
    }
  }

  /// Rows that name no model belong to the only one that is named, else to --model.
  void settle_models() {
    const auto nameless = std::find(models_.begin(), models_.end(), "");
    if (models_.empty()) models_.emplace_back();
    if (nameless == models_.end() && !models_.front().empty()) return;
    std::string name = options_.model.empty() ? "unknown" : options_.model;
    if (models_.size() == 2) name = models_.front().empty() ? models_.back() : models_.front();
    for (std::size_t t = 0; t < seeds_.size(); ++t) {
      const auto found = stretches_.find({t, ""});
      if (found == stretches_.end()) continue;
      Stretches without = std::move(found->second);
      stretches_.erase(found);
      Stretches& all = stretches_[{t, name}];
      if (!all.empty()) merged_.insert({t, name});
      all.insert(all.end(), without.begin(), without.end());
      std::sort(all.begin(), all.end(),
                [](const Stretch& a, const Stretch& b) { return a.offset < b.offset; });
    }
    std::vector<std::string> models;
    for (std::string& model : models_) {
      if (model.empty()) model = name;
      if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
    }
    models_ = std::move(models);
  }

  [[nodiscard]] bool somewhere(std::size_t source) const {
    return std::any_of(seeds_.begin(), seeds_.end(), [&](const Seed& seed) {
      return source < seed.seen.size() && seed.seen[source].somewhere;
    });
  }
  /// The source that belongs to a metric: its state or note.
  [[nodiscard]] std::size_t beside(const rows::Source& metric, Role role) const {
    for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
      if (mapping_.sources[i].role == role && mapping_.sources[i].name == metric.name) return i;
    }
    return rows::kNowhere;
  }

  void choose_columns() {
    if (seeds_.empty()) seeds_.push_back({.name = {}, .seen = {}, .columns = {}, .values = {}});
    for (Seed& seed : seeds_) {
      for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
        const rows::Source& source = mapping_.sources[i];
        const Seen seen = seed.at(i);
        const bool text = source.role == Role::kOutput || source.role == Role::kFurtherOutput;
        if (text && (seen.filled || (!mapping_.open && (mapping_.given || seen.somewhere))))
          seed.outputs = true;
        if (source.role != Role::kMetric) continue;
        const Column column{i, beside(source, Role::kScoreState), beside(source, Role::kNote)};
        const bool stated = column.state != rows::kNowhere && seed.at(column.state).filled;
        // Tasks of one file have columns of their own.
        const bool own = seen.filled || stated || (seen.somewhere && column.state == rows::kNowhere);
        if (mapping_.given ? !own && seeds_.size() > 1 : !seen.numbers || seen.unusable) continue;
        seed.columns.push_back(column);
        seed.values.push_back({.metric = source.name,
                               .name = "score",
                               .doc = "field " + source.written + " of " + name_,
                               .direction = ASSAY_NO_DIRECTION,
                               .proportion = seen.numbers && !seen.others});
      }
    }
  }

  Result<void> tell() {
    ImportedRun run;
    run.format = options_.format;
    run.model = models_.front();
    run.suite = path_.stem().string();
    if (Result<void> told = sink_.run(run); !told) return told;
    for (const std::string& text : warning_texts_) sink_.warning("W_JSON", text);
    if (warnings_ > kWarningsShown) {
      sink_.warning("W_JSON", name_ + ": " + std::to_string(warnings_ - kWarningsShown) +
                                  " more warnings of this kind");
    }
    for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
      const rows::Source& source = mapping_.sources[i];
      const bool accompanies = source.role == Role::kScoreState || source.role == Role::kNote;
      if (!mapping_.given || mapping_.open || accompanies || somewhere(i)) continue;
      sink_.warning("W_MAPPING", "no row of " + name_ + " has the field '" + printable(source.written) +
                                     "' that the mapping names");
    }
    return {};
  }

  Result<void> hand_over() {
    Result<std::unique_ptr<Records>> reader = records(mapping_);
    if (!reader) return std::move(reader).error();
    for (std::size_t t = 0; t < seeds_.size(); ++t) {
      const Seed& seed = seeds_[t];
      for (const std::string& model : models_) {
        const auto found = stretches_.find({t, model});
        if (found == stretches_.end() && !stretches_.empty()) continue;
        ImportedTask task;
        task.name = seed.name.empty() ? path_.stem().string() : seed.name;
        task.model = model;
        task.repeats = seed.repeats;
        task.values = seed.values;
        if (Result<void> told = sink_.task(task); !told) return told;
        if (found == stretches_.end()) continue;  // a file without a good row is a task without rows
        SeenIds ids;
        SeenIds* const check = merged_.contains({t, model}) ? &ids : nullptr;
        for (const Stretch& stretch : found->second) {
          if (Result<void> done = hand_over(**reader, seed, stretch, check); !done) return done;
        }
      }
    }
    return {};
  }

  /// `ids`: rows that named the model are mixed with rows that did not, so that ids can meet only now.
  Result<void> hand_over(Records& reader, const Seed& seed, const Stretch& stretch, SeenIds* ids) {
    if (Result<void> there = reader.seek(stretch.offset, stretch.line); !there) return there;
    Record record;
    for (std::int64_t left = stretch.rows; left > 0;) {
      const Result<bool> more = reader.next(record);
      if (!more) return more.error();
      if (*more && bad_.contains(record.line)) continue;
      Result<ImportedRow> row = *more ? maker_.make(record) : Result<ImportedRow>(Error{Code::kData, {}, {}});
      if (!row) {
        return maker_.problem(
            record, "the line was good at first and is not any more; was the file changed meanwhile?");
      }
      --left;
      if (ids != nullptr && !ids->insert(key_of(*row)).second) {
        if (Result<void> rejected = bad(record, duplicate(record, *row)); !rejected) return rejected;
        continue;
      }
      maker_.finish(record, seed.columns, seed.outputs, *row);
      if (Result<void> given = sink_.row(std::move(*row)); !given) return given;
      ++summary_.rows;
    }
    return {};
  }

  const std::filesystem::path& path_;
  std::string name_;
  const ImportOptions& options_;
  ImportSink& sink_;
  ImportSummary& summary_;
  Mapping mapping_;
  rows::RowMaker maker_;
  std::vector<Seed> seeds_;  ///< by first appearance
  std::map<std::string, std::size_t> seed_places_;
  std::vector<std::string> models_;  ///< by first appearance
  std::map<std::pair<std::size_t, std::string>, Stretches> stretches_;
  std::set<std::pair<std::size_t, std::string>> merged_;  ///< rows with and without the model's name
  std::size_t last_task_ = 0;
  std::string last_model_;
  Stretches* last_stretch_ = nullptr;
  std::unordered_set<std::uint64_t> bad_;
  std::size_t warnings_ = 0;
  std::vector<std::string> warning_texts_;
};

}  // namespace

Result<void> read_rows(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                       ImportSummary& summary) {
  return RowsReader(path, options, sink, summary).run();
}

}  // namespace assay::host::interop
