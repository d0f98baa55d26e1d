// Plain rows: JSON lines, CSV and TSV. Two passes: the first checks every row and learns what has to be known
// before the first row is handed over (columns, whether they are binary, repeats, the model), the second
// hands over.
#include "harness/interop/read_rows.hpp"

#include <array>
#include <cmath>
#include <unordered_set>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"

namespace assay::host::interop {
namespace {

using rows::Mapping;
using rows::Record;
using rows::Records;
using rows::Role;

constexpr std::size_t kWarningsShown = 20;
constexpr std::array<std::pair<std::string_view, int>, 9> kStates{{{"ok", ASSAY_STATE_OK},
                                                                   {"empty", ASSAY_STATE_EMPTY},
                                                                   {"refused", ASSAY_STATE_REFUSED},
                                                                   {"truncated", ASSAY_STATE_TRUNCATED},
                                                                   {"unparsed", ASSAY_STATE_UNPARSED},
                                                                   {"unsupported", ASSAY_STATE_UNSUPPORTED},
                                                                   {"error", ASSAY_STATE_ERROR},
                                                                   {"timeout", ASSAY_STATE_TIMEOUT},
                                                                   {"missing", kMissing}}};

struct KeyHash {
  std::size_t operator()(const Key128& key) const { return static_cast<std::size_t>(key.low); }
};

/// What the first pass learns of one mapped field.
struct Seen {
  bool somewhere = false;  ///< the field occurs at all
  bool numbers = false;    ///< kMetric: a finite number occurs
  bool others = false;     ///< kMetric: a finite number beside 0 and 1 occurs
  bool unusable = false;   ///< kMetric without a mapping file: holds something that is no number
};

class RowsReader {
 public:
  RowsReader(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
             ImportSummary& summary)
      : path_(path), name_(path.filename().string()), options_(options), sink_(sink), summary_(summary) {}

  Result<void> run() {
    auto mapping = rows::load_mapping(options_.map, options_.number_lines);
    if (!mapping) return mapping.error();
    mapping_ = std::move(*mapping);
    seen_.resize(mapping_.sources.size());
    auto surveyed = survey();
    if (!surveyed) return surveyed;
    auto told = tell();
    return told ? hand_over() : std::move(told);
  }

 private:
  [[nodiscard]] Result<std::unique_ptr<Records>> records() const {
    const bool table = options_.format == "csv";
    return table ? rows::open_table(path_, mapping_) : rows::open_jsonl(path_, mapping_);
  }
  [[nodiscard]] Error problem(const Record& record, const std::string& what) const {
    const std::string where = name_ + ":" + std::to_string(record.line);
    return Error{Code::kData, where + ": " + what, where};
  }

  Result<void> bad(const Record& record, Error error) {
    bad_.insert(record.line);
    if (!options_.skip_bad_lines) {
      error.text += "; correct the line, or import the good ones with --skip-bad-lines";
    }
    return reject(options_, summary_, std::move(error));
  }

  Result<void> survey() {
    auto reader = records();
    if (!reader) return reader.error();
    std::unordered_set<Key128, KeyHash> ids;
    Record record;
    for (;;) {
      const auto more = (*reader)->next(record);
      if (!more) return more.error();
      if (!*more) return {};
      std::optional<Error> why = std::move(record.problem);
      if (!why) {
        auto row = row_of(record);
        if (!row) {
          why = std::move(row).error();
        } else if (!ids.insert(fast_key(row->id + '\x1F' + std::to_string(row->repeat))).second) {
          why = problem(record, "duplicate id " + printable(row->id) +
                                    (row->repeat == 0 ? "" : " in repeat " + std::to_string(row->repeat)));
        } else {
          note(record, *row);
        }
      }
      if (!why) continue;
      auto rejected = bad(record, std::move(*why));
      if (!rejected) return rejected;
    }
  }

  /// Learns from a good row.
  void note(const Record& record, const ImportedRow& row) {
    repeats_ = std::max<std::int64_t>(repeats_, std::int64_t{row.repeat} + 1);
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      if (!record.cells[i]) continue;
      seen_[i].somewhere = true;
      if (mapping_.sources[i].role == Role::kModel && model_.empty() && !record.cells[i]->is_null()) {
        model_ = plain_text(*record.cells[i]);
      }
      if (mapping_.sources[i].role != Role::kMetric) continue;
      double number = kAbsent;
      if (!metric(*record.cells[i], number)) seen_[i].unusable = true;
      if (!std::isfinite(number)) continue;
      seen_[i].numbers = true;
      if (number != 0 && number != 1) seen_[i].others = true;
    }
    for (const std::string& text : record.warnings) {
      if (++warnings_ <= kWarningsShown) warning_texts_.push_back(text);
    }
  }

  Result<void> tell() {
    ImportedRun run;
    run.format = options_.format;
    if (model_.empty()) model_ = options_.model.empty() ? "unknown" : options_.model;
    run.model = model_;
    run.suite = path_.stem().string();
    auto told = sink_.run(run);
    if (!told) return told;
    for (const std::string& text : warning_texts_) sink_.warning("W_JSON", text);
    if (warnings_ > kWarningsShown) {
      sink_.warning("W_JSON", name_ + ": " + std::to_string(warnings_ - kWarningsShown) +
                                  " more warnings of this kind");
    }
    ImportedTask task;
    task.name = path_.stem().string();
    task.repeats = repeats_;
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      const rows::Source& source = mapping_.sources[i];
      if (mapping_.given && !seen_[i].somewhere) {
        sink_.warning("W_MAPPING", "no row of " + name_ + " has the field '" + printable(source.written) +
                                       "' that the mapping names");
      }
      if (source.role == Role::kOutput && (mapping_.given || seen_[i].somewhere)) outputs_ = true;
      if (source.role != Role::kMetric) continue;
      if (!mapping_.given && (!seen_[i].numbers || seen_[i].unusable)) continue;
      columns_.push_back(i);
      task.values.push_back({.metric = source.metric,
                             .name = "score",
                             .doc = "field " + source.written + " of " + name_,
                             .direction = ASSAY_NO_DIRECTION,
                             .proportion = seen_[i].numbers && !seen_[i].others});
    }
    return sink_.task(task);
  }

  Result<void> hand_over() {
    auto reader = records();
    if (!reader) return reader.error();
    Record record;
    for (;;) {
      const auto more = (*reader)->next(record);
      if (!more) return more.error();
      if (!*more) break;
      if (bad_.contains(record.line)) continue;
      auto row = row_of(record);
      if (record.problem || !row) {
        return problem(record,
                       "the line was good at first and is not any more; was the file changed meanwhile?");
      }
      auto given = finish(record, *row);
      if (!given) return given;
      given = sink_.row(std::move(*row));
      if (!given) return given;
      ++summary_.rows;
    }
    if (other_models_ != 0) {
      sink_.warning("W_MODEL", name_ + ": " + std::to_string(other_models_) +
                                   " rows name another model than '" + printable(model_) +
                                   "'; they are imported into the same run");
    }
    return {};
  }

  /// The cell of a role: the first that is there and not null, else the first that is there.
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  [[nodiscard]] std::size_t place(const Record& record, Role role) const {
    std::size_t null = kNowhere;
    for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
      if (mapping_.sources[i].role != role || !record.cells[i]) continue;
      if (!record.cells[i]->is_null()) return i;
      if (null == kNowhere) null = i;
    }
    return null;
  }
  /// The same, without null: nullptr when there is nothing.
  [[nodiscard]] const Tree* cell(const Record& record, Role role) const {
    const std::size_t i = place(record, role);
    return i == kNowhere || record.cells[i]->is_null() ? nullptr : &*record.cells[i];
  }

  /// A score as it is written; false for what is no number. Null and "" are NaN.
  static bool metric(const Tree& cell, double& number) {
    number = kAbsent;
    if (cell.is_null() || (cell.is_string() && cell.get_ref<const std::string&>().empty())) return true;
    return read_number(cell, number, true);
  }

  /// Everything of a row that does not depend on what the first pass finds out, checked.
  Result<ImportedRow> row_of(const Record& record) const {
    ImportedRow row;
    if (record.problem) return *record.problem;
    const Tree* const id = cell(record, Role::kId);
    if (id != nullptr) row.id = plain_text(*id);
    if (row.id.empty()) {
      if (!options_.number_lines)
        return problem(record, "missing id; --number-lines takes the line's number instead");
      row.id = std::to_string(record.line);
    }
    if (const Tree* const repeat = cell(record, Role::kRepeat)) {
      double number = -1;
      if (!read_number(*repeat, number) || number < 0 || number > 1e6 || number != std::floor(number)) {
        return problem(record,
                       "the repeat must be a whole number from 0, found " + printable(compact(*repeat)));
      }
      row.repeat = static_cast<std::uint32_t>(number);
      row.source_repeat = row.repeat;
    }
    if (const Tree* const cluster = cell(record, Role::kCluster)) row.group = plain_text(*cluster);
    if (const Tree* const target = cell(record, Role::kTarget)) {
      if (target->is_array()) {
        for (const Tree& one : *target) row.targets.push_back(plain_text(one));
      } else {
        row.targets.push_back(plain_text(*target));
      }
    }
    if (mapping_.given) {
      for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
        double number = kAbsent;
        if (mapping_.sources[i].role != Role::kMetric || !record.cells[i] || metric(*record.cells[i], number))
          continue;
        return problem(record, "metric '" + printable(mapping_.sources[i].metric) +
                                   "' must be a number, true, false or null, found " +
                                   printable(compact(*record.cells[i])));
      }
      if (const Tree* const state = cell(record, Role::kState);
          state != nullptr && stated(*state) == nullptr) {
        std::vector<std::string> names;
        for (const auto& one : kStates) names.emplace_back(one.first);
        return problem(record,
                       "unknown state " + printable(compact(*state)) + "; known are " + join(names, ", "));
      }
    }
    auto answered = answer(record, row);
    if (!answered) return answered.error();
    return row;
  }

  static const int* stated(const Tree& state) {
    if (!state.is_string()) return nullptr;
    for (const auto& [name, meaning] : kStates) {
      if (name == state.get_ref<const std::string&>()) return &meaning;
    }
    return nullptr;
  }

  /// The question, the answer and what is known of it.
  Result<void> answer(const Record& record, ImportedRow& row) const {
    ImportedExchange exchange;
    if (const Tree* const input = cell(record, Role::kInput)) {
      const bool chat = input->is_array() && !input->empty() && input->front().is_object() &&
                        input->front().contains("role");
      if (chat) exchange.messages = chat_messages(*input);
      row.input = chat ? conversation(exchange.messages) : plain_text(*input);
      if (!chat) exchange.prompt = row.input;
    }
    if (const Tree* const output = cell(record, Role::kOutput)) {
      exchange.answered = true;
      if (output->is_array()) {
        for (const Tree& one : *output) exchange.texts.push_back(plain_text(one));
      } else {
        exchange.texts.push_back(plain_text(*output));
      }
    }
    if (const Tree* const error = cell(record, Role::kError)) {
      // Without a mapping a number called "error" may be anything.
      if (error->is_boolean() ? error->get<bool>() : mapping_.given || !error->is_number())
        exchange.error = plain_text(*error);
    }
    if (const Tree* const model = cell(record, Role::kModel)) exchange.model = plain_text(*model);
    if (!count(record, Role::kTokensIn, exchange.tokens_in) ||
        !count(record, Role::kTokensOut, exchange.tokens_out)) {
      return problem(record, "the numbers of tokens must be whole numbers from 0");
    }
    if (const Tree* const latency = cell(record, Role::kLatency)) {
      double milliseconds = kAbsent;
      if (read_number(*latency, milliseconds) && std::isfinite(milliseconds)) {
        exchange.seconds = milliseconds / 1000;
      } else if (mapping_.given && !read_number(*latency, milliseconds)) {
        return problem(record,
                       "the latency must be a number of milliseconds, found " + printable(compact(*latency)));
      }
    }
    if (!logprobs(record, exchange.token_logprobs) && mapping_.given) {
      return problem(record, "logprobs must be a list of numbers");
    }
    row.message = exchange.error;
    row.exchanges.push_back(std::move(exchange));
    return {};
  }

  bool count(const Record& record, Role role, std::int64_t& tokens) const {
    const Tree* const value = cell(record, role);
    double number = -1;
    if (value == nullptr) return true;
    if (read_number(*value, number) && number >= 0 && number < 9e15 && number == std::floor(number)) {
      tokens = static_cast<std::int64_t>(number);
      return true;
    }
    return !mapping_.given;
  }

  bool logprobs(const Record& record, std::vector<double>& out) const {
    const Tree* list = cell(record, Role::kLogprobs);
    if (list == nullptr) return true;
    Tree inner;
    if (list->is_string()) {  // in a cell of a table
      std::vector<std::string> ignored;
      auto parsed = parse_tolerant(list->get_ref<const std::string&>(), "logprobs", ignored);
      if (!parsed) return false;
      inner = std::move(*parsed);
      list = &inner;
    }
    if (const Tree* const content = peek(*list, "content")) list = content;
    if (!list->is_array()) return false;
    for (const Tree& one : *list) {
      double number = kAbsent;
      const Tree* const value = one.is_object() ? peek(one, "logprob") : &one;
      if (value != nullptr && !value->is_null() && !read_number(*value, number)) {
        out.clear();
        return false;
      }
      out.push_back(number);
    }
    return true;
  }

  /// Scores, state and the fields nobody asked for.
  Result<void> finish(const Record& record, ImportedRow& row) {
    bool scored = false;
    for (const std::size_t i : columns_) {
      double number = kAbsent;
      if (record.cells[i]) {
        if (!metric(*record.cells[i], number)) number = kAbsent;
        const bool written = !record.cells[i]->is_null() && *record.cells[i] != "";
        if (written && !std::isfinite(number)) row.non_finite = true;
      }
      row.scores.push_back(std::isfinite(number) ? number : kAbsent);
      scored = scored || std::isfinite(number);
    }
    ImportedExchange& exchange = row.exchanges.front();
    if (exchange.model == model_) exchange.model.clear();
    if (!exchange.model.empty()) ++other_models_;
    const Tree* const state = cell(record, Role::kState);
    const int* const said = state == nullptr ? nullptr : stated(*state);
    // A null text is an empty one, as long as the file records texts at all.
    if (outputs_ && exchange.error.empty() && (said == nullptr || *said != kMissing))
      exchange.answered = true;
    row.state = said != nullptr ? *said : state_of(exchange);
    if (row.state == ASSAY_STATE_TRUNCATED) exchange.finish = ASSAY_FINISH_LENGTH;
    if (row.state == ASSAY_STATE_REFUSED) exchange.finish = ASSAY_FINISH_FILTER;
    if (!outputs_ && exchange.error.empty()) {
      row.exchanges.clear();
      if (said == nullptr) row.state = scored ? ASSAY_STATE_OK : kMissing;
    }
    for (const auto& [key, value] : record.others) {
      if (!value.is_null()) row.fields.emplace_back(key, plain_text(value));
    }
    if (!mapping_.given) unused(record, row);
    return {};
  }

  /// Without a mapping file: cells of usual names that another field went before.
  void unused(const Record& record, ImportedRow& row) const {
    for (std::size_t i = 0; i < mapping_.sources.size(); ++i) {
      const rows::Source& source = mapping_.sources[i];
      if (!record.cells[i] || record.cells[i]->is_null()) continue;
      bool used = source.role == Role::kMetric
                      ? std::find(columns_.begin(), columns_.end(), i) != columns_.end()
                      : place(record, source.role) == i;
      if (source.role == Role::kState && stated(*record.cells[i]) == nullptr) used = false;
      if (!used) row.fields.emplace_back(source.written, plain_text(*record.cells[i]));
    }
  }

  const std::filesystem::path& path_;
  std::string name_;
  const ImportOptions& options_;
  ImportSink& sink_;
  ImportSummary& summary_;
  Mapping mapping_;
  std::vector<Seen> seen_;            ///< parallel to the mapping's sources
  std::vector<std::size_t> columns_;  ///< sources that are scores
  std::unordered_set<std::uint64_t> bad_;
  std::string model_;
  bool outputs_ = false;
  std::int64_t repeats_ = 1;
  std::size_t warnings_ = 0;
  std::vector<std::string> warning_texts_;
  std::int64_t other_models_ = 0;
};

}  // namespace

Result<void> read_rows(const std::filesystem::path& path, const ImportOptions& options, ImportSink& sink,
                       ImportSummary& summary) {
  return RowsReader(path, options, sink, summary).run();
}

}  // namespace assay::host::interop
