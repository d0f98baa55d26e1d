// One row from the cells of a record.
#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"
#include "harness/interop/read_rows.hpp"

namespace assay::host::interop::rows {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 9> kStates{{{"ok", ASSAY_STATE_OK},
                                                                   {"empty", ASSAY_STATE_EMPTY},
                                                                   {"refused", ASSAY_STATE_REFUSED},
                                                                   {"truncated", ASSAY_STATE_TRUNCATED},
                                                                   {"unparsed", ASSAY_STATE_UNPARSED},
                                                                   {"unsupported", ASSAY_STATE_UNSUPPORTED},
                                                                   {"error", ASSAY_STATE_ERROR},
                                                                   {"timeout", ASSAY_STATE_TIMEOUT},
                                                                   {"missing", kMissing}}};

const int* stated(const Tree& state) {
  if (!state.is_string()) return nullptr;
  for (const auto& [name, meaning] : kStates) {
    if (name == state.get_ref<const std::string&>()) return &meaning;
  }
  return nullptr;
}

/// The state beside a score: those of rows, and two of its own. kUnstated when the cell says nothing known.
int score_state(const Tree& cell) {
  if (cell == "not_scored") return kMissing;
  if (cell == "non_finite") return ASSAY_STATE_OK;
  const int* const state = stated(cell);
  return state == nullptr ? kUnstated : *state;
}

bool failing(int state) {
  return state == ASSAY_STATE_ERROR || state == ASSAY_STATE_TIMEOUT;
}

std::string names_of_states() {
  std::vector<std::string> names;
  for (const auto& one : kStates) names.emplace_back(one.first);
  return join(names, ", ");
}

/// A cell that holds JSON as text; null when it does not.
Tree inner_json(const Tree& cell) {
  if (!cell.is_string()) return cell;
  std::vector<std::string> ignored;
  auto parsed = parse_tolerant(cell.get_ref<const std::string&>(), "", ignored);
  return parsed ? std::move(*parsed) : Tree();
}

}  // namespace

RowMaker::RowMaker(const Mapping& mapping, const ImportOptions& options, std::string file)
    : mapping_(mapping), options_(options), file_(std::move(file)) {}

Error RowMaker::problem(const Record& record, const std::string& what) const {
  const std::string where = file_ + ":" + std::to_string(record.line);
  return Error{Code::kData, where + ": " + what, where};
}

/// The cell of a role: the first that is there and not null, else the first that is there.
std::size_t RowMaker::place(const Record& record, Role role) const {
  std::size_t null = kNowhere;
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    if (mapping_.sources[i].role != role || !record.cells[i]) continue;
    if (!record.cells[i]->is_null()) return i;
    if (null == kNowhere) null = i;
  }
  return null;
}

const Tree* RowMaker::cell(const Record& record, Role role) const {
  const std::size_t i = place(record, role);
  return i == kNowhere || record.cells[i]->is_null() ? nullptr : &*record.cells[i];
}

bool RowMaker::score(const Tree& cell, double& number) {
  number = kAbsent;
  if (cell.is_null() || (cell.is_string() && cell.get_ref<const std::string&>().empty())) return true;
  return read_number(cell, number, true);
}

/// One text or a list of texts. A cell of an exported table holds the list as JSON.
std::vector<std::string> RowMaker::texts(const Tree& cell) const {
  std::vector<std::string> out;
  Tree list = cell;
  if (cell.is_string() && mapping_.has(Role::kOtherOutputs) &&
      cell.get_ref<const std::string&>().starts_with('[')) {
    Tree inner = inner_json(cell);
    const bool several =
        inner.is_array() && inner.size() > 1 &&
        std::all_of(inner.begin(), inner.end(), [](const Tree& one) { return one.is_string(); });
    if (several && options_.format == "csv") list = std::move(inner);
  }
  if (!list.is_array()) return {plain_text(list)};
  for (const Tree& one : list) out.push_back(plain_text(one));
  return out;
}

/// Contents that a mapping declares and that are not of that kind.
Result<void> RowMaker::check(const Record& record) const {
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    double number = kAbsent;
    if (mapping_.sources[i].role != Role::kMetric || !record.cells[i] || score(*record.cells[i], number))
      continue;
    return problem(record, "metric '" + printable(mapping_.sources[i].name) +
                               "' must be a number, true, false or null, found " +
                               printable(compact(*record.cells[i])));
  }
  const Tree* const state = cell(record, Role::kState);
  if (state == nullptr || stated(*state) != nullptr) return {};
  return problem(record, "unknown state " + printable(compact(*state)) + "; known are " + names_of_states());
}

Result<ImportedRow> RowMaker::make(const Record& record) const {
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
  if (const Tree* const label = cell(record, Role::kLabel)) {
    double number = -1;
    if (!read_number(*label, number, true) || (number != 0 && number != 1))
      return problem(record, "the label must be 0, 1 or null, found " + printable(compact(*label)));
    row.label = static_cast<int>(number);
  }
  if (const Tree* const variant = cell(record, Role::kVariant)) row.variant = plain_text(*variant);
  if (const Tree* const cluster = cell(record, Role::kCluster)) row.group = plain_text(*cluster);
  if (const Tree* const target = cell(record, Role::kTarget)) row.targets = texts(*target);
  if (mapping_.given) {
    if (Result<void> good = check(record); !good) return std::move(good).error();
  }
  if (Result<void> answered = answer(record, row); !answered) return std::move(answered).error();
  return row;
}

/// The question, the answers and what is known of them.
Result<void> RowMaker::answer(const Record& record, ImportedRow& row) const {
  ImportedExchange exchange;
  if (const Tree* const input = cell(record, Role::kInput)) {
    const bool chat =
        input->is_array() && !input->empty() && input->front().is_object() && input->front().contains("role");
    if (chat) exchange.messages = chat_messages(*input);
    row.input = chat ? conversation(exchange.messages) : plain_text(*input);
    if (!chat) exchange.prompt = row.input;
  }
  if (const Tree* const output = cell(record, Role::kOutput)) {
    exchange.answered = true;
    exchange.texts = texts(*output);
  }
  if (const Tree* const error = cell(record, Role::kError)) {
    // Without a mapping a number called "error" may be anything.
    if (error->is_boolean() ? error->get<bool>() : mapping_.given || !error->is_number())
      exchange.error = plain_text(*error);
  }
  if (const Tree* const cached = cell(record, Role::kCached)) {
    double number = -1;
    if (!read_number(*cached, number, true) || (number != 0 && number != 1))
      return problem(record, "cached must be true or false, found " + printable(compact(*cached)));
    exchange.cached = number == 1;
  }
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
  if (const Tree* const message = cell(record, Role::kMessage); message != nullptr && row.message.empty())
    row.message = plain_text(*message);
  row.exchanges.push_back(std::move(exchange));
  return further_outputs(record, row);
}

Result<void> RowMaker::further_outputs(const Record& record, ImportedRow& row) const {
  const auto add = [&](const std::string& name, std::vector<std::string>&& answers) {
    ImportedExchange further;
    further.name = name;
    further.answered = true;
    further.texts = std::move(answers);
    further.cached = row.exchanges.front().cached;
    row.exchanges.push_back(std::move(further));
  };
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    const Source& source = mapping_.sources[i];
    if (!record.cells[i] || record.cells[i]->is_null()) continue;
    if (source.role == Role::kFurtherOutput) add(source.name, texts(*record.cells[i]));
    if (source.role != Role::kOtherOutputs) continue;
    const Tree by_name = inner_json(*record.cells[i]);
    if (!by_name.is_object())
      return problem(record, "'" + printable(source.written) + "' must be a JSON object of texts by request");
    for (const auto& [name, list] : by_name.items()) add(name, texts(list));
  }
  // The file does not say what the first request was called.
  std::string& first = row.exchanges.front().name;
  const auto taken = [&] {
    return std::any_of(row.exchanges.begin() + 1, row.exchanges.end(),
                       [&](const ImportedExchange& one) { return one.name == first; });
  };
  while (taken()) first += "'";
  return {};
}

bool RowMaker::count(const Record& record, Role role, std::int64_t& tokens) const {
  const Tree* const value = cell(record, role);
  double number = -1;
  if (value == nullptr) return true;
  if (read_number(*value, number) && number >= 0 && number < 9e15 && number == std::floor(number)) {
    tokens = static_cast<std::int64_t>(number);
    return true;
  }
  return !mapping_.given;
}

bool RowMaker::logprobs(const Record& record, std::vector<double>& out) const {
  const Tree* list = cell(record, Role::kLogprobs);
  if (list == nullptr) return true;
  const Tree inner = inner_json(*list);  // in a cell of a table
  list = &inner;
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

void RowMaker::finish(const Record& record, const std::vector<Column>& columns, bool outputs,
                      ImportedRow& row) const {
  bool scored = false;
  const auto at = [&](std::size_t source) -> const Tree* {
    if (source >= record.cells.size() || !record.cells[source]) return nullptr;
    return record.cells[source]->is_null() ? nullptr : &*record.cells[source];
  };
  for (const Column& column : columns) {
    double number = kAbsent;
    if (const Tree* const written = at(column.score)) {
      if (!score(*written, number)) number = kAbsent;
      if (*written != "" && !std::isfinite(number)) row.non_finite = true;
    }
    row.scores.push_back(std::isfinite(number) ? number : kAbsent);
    scored = scored || std::isfinite(number);
    const Tree* const state = at(column.state);
    const Tree* const note = at(column.note);
    row.score_states.push_back(state == nullptr ? kUnstated : score_state(*state));
    row.notes.push_back(note == nullptr ? std::string() : plain_text(*note));
  }
  settle(record, outputs, scored, row);
  for (const auto& [key, value] : record.others) {
    if (!value.is_null()) row.fields.emplace_back(key, plain_text(value));
  }
  if (!mapping_.given) unused(record, columns, row);
}

/// The state, and whether there is an answer.
void RowMaker::settle(const Record& record, bool outputs, bool scored, ImportedRow& row) const {
  ImportedExchange& exchange = row.exchanges.front();
  const Tree* const cell_of_state = cell(record, Role::kState);
  const int* const said = cell_of_state == nullptr ? nullptr : stated(*cell_of_state);
  // Signs of an answer whose text the file does not hold: the continuation of a choice, for example.
  const bool signs = exchange.tokens_in > 0 || exchange.tokens_out > 0 || std::isfinite(exchange.seconds) ||
                     row.exchanges.size() > 1;
  if (exchange.error.empty()) {
    if (said == nullptr) {
      // A null text is an empty one, as long as the file records texts at all.
      if (outputs) exchange.answered = true;
    } else if (*said == ASSAY_STATE_OK || *said == ASSAY_STATE_UNPARSED) {
      if (signs) exchange.answered = true;
    } else if (*said != kMissing && *said != ASSAY_STATE_UNSUPPORTED && !failing(*said)) {
      if (outputs) exchange.answered = true;
    }
  }
  if (exchange.cached) exchange.answered = true;
  row.state = said != nullptr ? *said : state_of(exchange);
  if (row.state == ASSAY_STATE_TRUNCATED) exchange.finish = ASSAY_FINISH_LENGTH;
  if (row.state == ASSAY_STATE_REFUSED) exchange.finish = ASSAY_FINISH_FILTER;
  if (outputs || !exchange.error.empty()) return;
  if (said == nullptr) row.state = scored ? ASSAY_STATE_OK : kMissing;
  if (said == nullptr || (!exchange.answered && !signs)) row.exchanges.clear();
}

/// Without a mapping file: cells of usual names that another field went before.
void RowMaker::unused(const Record& record, const std::vector<Column>& columns, ImportedRow& row) const {
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    const Source& source = mapping_.sources[i];
    if (!record.cells[i] || record.cells[i]->is_null()) continue;
    bool used = source.role == Role::kMetric
                    ? std::any_of(columns.begin(), columns.end(),
                                  [&](const Column& column) { return column.score == i; })
                    : place(record, source.role) == i;
    if (source.role == Role::kState && stated(*record.cells[i]) == nullptr) used = false;
    if (!used) row.fields.emplace_back(source.written, plain_text(*record.cells[i]));
  }
}

}  // namespace assay::host::interop::rows
