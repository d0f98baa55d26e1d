#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "harness/base/strings.hpp"
#include "harness/interop/lines.hpp"
#include "harness/interop/peek.hpp"

// Output of an OpenAI batch: lines in any order, errors perhaps in a second file, the questions in the
// batch's input. A first pass notes where each line stands, a second one reads them in the order of the
// questions, so that memory holds the ids and not the texts.

namespace assay::host::interop {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kIdsShown = 5;  // ids in one warning
constexpr std::string_view kOwnPrefix = "assay:";
constexpr const char* kForeignTask = "batch";  // for ids this program did not make

struct Place {
  int file = -1;  // -1: nowhere
  std::uint64_t offset = 0, length = 0, line = 0;
};

struct Entry {
  std::size_t task = 0;
  std::string id;
  std::int64_t repeat = -1;
  Place request, answer;
};

// Counts ids and shows the first of them.
struct Ids {
  std::size_t count = 0;
  std::vector<std::string> shown;
  void add(const std::string& id) {
    if (++count <= kIdsShown) shown.push_back("'" + printable(id) + "'");
  }
  [[nodiscard]] std::string text() const { return join(shown, ", ") + (count > kIdsShown ? ", ..." : ""); }
};

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size() ||
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr != text.data() + i + 3) {
      return std::nullopt;
    }
    out += static_cast<char>(value);
    i += 2;
  }
  if (!valid_utf8(out)) return std::nullopt;
  return out;
}

struct OwnId {
  std::string task, item;
  std::int64_t repeat = 0;
};
// "assay:<task>:<item>:<repeat>", or nothing.
std::optional<OwnId> own_id(std::string_view custom) {
  if (!custom.starts_with(kOwnPrefix)) return std::nullopt;
  const auto parts = split(custom.substr(kOwnPrefix.size()), ':');
  if (parts.size() != 3) return std::nullopt;
  const auto task = percent_decoded(parts[0]), item = percent_decoded(parts[1]);
  const auto repeat = parse_int(parts[2]);
  if (!task || !item || !repeat || task->empty() || *repeat < 0 || *repeat > 1'000'000'000)
    return std::nullopt;
  return OwnId{*task, *item, *repeat};
}

bool is_request(const Tree& line) {
  return peek(line, "response") == nullptr && peek(line, "error") == nullptr && peek(line, "body") != nullptr;
}

std::string utc(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return {};
  std::array<char, 64> buffer{};
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {buffer.data(), size};
}

// "code: message" of an error object.
std::string error_text(const Tree& error) {
  if (!error.is_object()) return plain_text(error);
  std::string code = peek_text(error, "code");
  if (code.empty()) code = peek_text(error, "type");
  const std::string message = peek_text(error, "message");
  return code + (code.empty() || message.empty() ? "" : ": ") + message;
}

void read_request(const Tree& line, ImportedRow& row, ImportedExchange& exchange) {
  const Tree* body = peek(line, "body");
  if (body == nullptr) return;
  if (const Tree* messages = peek(*body, "messages")) exchange.messages = chat_messages(*messages);
  if (exchange.messages.empty()) exchange.prompt = join(peek_texts(*body, "prompt"), "\n");
  row.input = exchange.messages.empty() ? exchange.prompt : conversation(exchange.messages);
  exchange.stop = peek_texts(*body, "stop");
  exchange.max_tokens = peek_count(*body, "max_completion_tokens");
  if (exchange.max_tokens < 0) exchange.max_tokens = peek_count(*body, "max_tokens");
  exchange.temperature = peek_real(*body, "temperature");
  exchange.top_p = peek_real(*body, "top_p");
}

void read_choices(const Tree& choices, ImportedExchange& exchange) {
  for (const Tree& choice : choices) {
    const Tree* message = peek(choice, "message");
    const Tree* text = message == nullptr ? peek(choice, "text") : peek(*message, "content");
    // The endpoint may put its refusal beside an absent text.
    if (text == nullptr && message != nullptr) text = peek(*message, "refusal");
    if (text != nullptr || exchange.texts.size() + 1 < choices.size())
      exchange.texts.push_back(content_text(text));
  }
  const Tree& first = choices.front();
  exchange.answered = true;
  exchange.finish = finish_of(peek_text(first, "finish_reason"));
  if (const Tree* message = peek(first, "message");
      message != nullptr && peek(*message, "refusal") != nullptr) {
    exchange.finish = ASSAY_FINISH_FILTER;
  }
  const Tree* logprobs = peek(first, "logprobs");
  if (logprobs == nullptr) return;
  if (const Tree* tokens = peek(*logprobs, "content"); tokens != nullptr && tokens->is_array()) {
    for (const Tree& token : *tokens) exchange.token_logprobs.push_back(peek_real(token, "logprob"));
  } else if (const Tree* numbers = peek(*logprobs, "token_logprobs");
             numbers != nullptr && numbers->is_array()) {
    for (const Tree& one : *numbers) {
      double number = kAbsent;
      read_number(one, number);
      exchange.token_logprobs.push_back(number);
    }
  }
}

void read_answer(const Tree& line, const std::string& asked, ImportedExchange& exchange) {
  const Tree* response = peek(line, "response");
  const Tree* body = response == nullptr ? nullptr : peek(*response, "body");
  exchange.provider_id = body == nullptr ? std::string() : peek_text(*body, "id");
  if (exchange.provider_id.empty() && response != nullptr)
    exchange.provider_id = peek_text(*response, "request_id");
  if (body != nullptr) {
    if (const std::string model = peek_text(*body, "model"); model != asked) exchange.model = model;
    if (const Tree* choices = peek(*body, "choices");
        choices != nullptr && choices->is_array() && !choices->empty()) {
      read_choices(*choices, exchange);
    }
    if (const Tree* usage = peek(*body, "usage")) {
      exchange.tokens_in = peek_count(*usage, "prompt_tokens");
      exchange.tokens_out = peek_count(*usage, "completion_tokens");
      exchange.tokens_total = peek_count(*usage, "total_tokens");
      if (const Tree* details = peek(*usage, "prompt_tokens_details"))
        exchange.tokens_cached = peek_count(*details, "cached_tokens");
    }
  }
  if (const Tree* error = peek(line, "error")) {
    exchange.error = error_text(*error);
    exchange.retryable = peek_text(*error, "code") == "batch_expired";
    if (exchange.error.empty()) exchange.error = "the batch records an error without a text";
  }
  const std::int64_t status = response == nullptr ? -1 : peek_count(*response, "status_code");
  if (status < 0 || (status >= 200 && status < 300)) return;
  exchange.retryable = exchange.retryable || status == 429 || status >= 500;
  if (!exchange.error.empty()) return;
  if (const Tree* error = body == nullptr ? nullptr : peek(*body, "error"))
    exchange.error = error_text(*error);
  if (exchange.error.empty()) exchange.error = "the endpoint answered with status " + std::to_string(status);
}

class BatchReader {
 public:
  BatchReader(const ImportOptions& options, ImportSink& sink, ImportSummary& summary)
      : options_(options), sink_(sink), summary_(summary) {}

  Result<void> run(const fs::path& path);

 private:
  Result<void> find_files(const fs::path& path);
  Result<bool> holds_requests(const fs::path& path);
  Result<void> scan(int file);
  Result<void> note(const Tree& line, const Place& place, bool request);
  Result<Tree> line_at(const Place& place);
  Result<Tree> parsed(std::string_view line, const Place& place, bool say);
  [[nodiscard]] std::string name(const Place& place) const {
    return paths_[static_cast<std::size_t>(place.file)].filename().string() + ":" +
           std::to_string(place.line);
  }
  Result<void> rows();

  const ImportOptions& options_;
  ImportSink& sink_;
  ImportSummary& summary_;
  std::vector<fs::path> paths_;  // the requests first
  std::vector<LineReader> files_;
  std::vector<char> buffer_;
  bool requests_known_ = false;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;  // custom_id
  std::vector<ImportedTask> tasks_;
  std::map<std::string, std::size_t> task_of_;  // name
  std::set<std::string> models_asked_;
  std::string model_answered_;
  std::int64_t created_ = -1;
  Ids twice_, unknown_, unanswered_;
};

Result<Tree> BatchReader::parsed(std::string_view line, const Place& place, bool say) {
  std::vector<std::string> warnings;
  auto tree = parse_tolerant(line, name(place), warnings);
  for (const std::string& one : warnings) {
    if (say) sink_.warning("W_JSON", one);
  }
  return tree;
}

// By the first line that can be read: a batch's input has bodies, its output has responses or errors.
Result<bool> BatchReader::holds_requests(const fs::path& path) {
  auto in = LineReader::open(path);
  if (!in) return in.error();
  Line line;
  for (;;) {
    const auto more = in->next(line);
    if (!more) return more.error();
    if (!*more) return false;
    std::vector<std::string> ignored;
    const auto tree = parse_tolerant(line.text, "", ignored);
    if (tree && tree->is_object()) return is_request(*tree);
  }
}

Result<void> BatchReader::find_files(const fs::path& path) {
  std::error_code failure;
  if (!fs::exists(path, failure)) return Error{Code::kNotFound, "'" + path.string() + "' does not exist", {}};
  fs::path requests = options_.requests;
  std::vector<fs::path> outputs;
  if (fs::is_directory(path, failure)) {
    std::vector<fs::path> all;
    for (fs::directory_iterator at(path, failure), end; !failure && at != end; at.increment(failure)) {
      std::error_code odd;
      if (at->path().extension() == ".jsonl" && at->is_regular_file(odd)) all.push_back(at->path());
    }
    std::sort(all.begin(), all.end());
    // Answers count before errors, so that a request that was answered after all is not an error.
    std::stable_partition(all.begin(), all.end(), [](const fs::path& one) {
      return one.filename().string().find("error") == std::string::npos;
    });
    for (const fs::path& one : all) {
      const auto asks = holds_requests(one);
      if (!asks) return asks.error();
      if (!*asks) {
        outputs.push_back(one);
      } else if (requests.empty()) {
        requests = one;
      } else if (!fs::equivalent(requests, one, failure)) {
        sink_.warning("W_FILE", "'" + one.filename().string() +
                                    "' is a second batch input and was not read; --requests names the one "
                                    "that belongs to the output");
      }
    }
    if (outputs.empty())
      return Error{Code::kData, "'" + path.string() + "' holds no batch output (*.jsonl with responses)", {}};
  } else {
    const auto asks = holds_requests(path);
    if (!asks) return asks.error();
    if (*asks) {
      return Error{
          Code::kData,
          "'" + path.string() + "' is the input of a batch; give its output, and this file with --requests",
          {}};
    }
    outputs.push_back(path);
    if (const fs::path beside = path.parent_path() / "requests.jsonl";
        requests.empty() && fs::is_regular_file(beside, failure))
      requests = beside;
    const std::string name = path.filename().string();
    if (const std::size_t at = name.rfind("output"); at != std::string::npos) {
      for (const char* word : {"errors", "error"}) {
        const fs::path beside = path.parent_path() / (name.substr(0, at) + word + name.substr(at + 6));
        if (fs::is_regular_file(beside, failure)) {
          outputs.push_back(beside);
          break;
        }
      }
    }
  }
  requests_known_ = !requests.empty();
  if (requests_known_) paths_.push_back(requests);
  paths_.insert(paths_.end(), outputs.begin(), outputs.end());
  for (const fs::path& one : paths_) {
    auto in = LineReader::open(one);
    if (!in) return in.error();
    files_.push_back(std::move(*in));
  }
  return {};
}

Result<void> BatchReader::note(const Tree& line, const Place& place, bool request) {
  const std::string where = name(place);
  const std::string custom = peek_text(line, "custom_id");
  if (custom.empty())
    return reject(options_, summary_, {Code::kData, where + ": the line has no custom_id", where});
  if (!request && is_request(line)) {
    return reject(options_, summary_,
                  {Code::kData, where + ": a request stands where a response was expected", where});
  }
  const auto found = index_.find(custom);
  if (found == index_.end() && !request && requests_known_) {
    unknown_.add(custom);
    return {};
  }
  if (found != index_.end()) {
    Place& at = request ? entries_[found->second].request : entries_[found->second].answer;
    if (at.file >= 0) {
      twice_.add(custom);
      return {};
    }
    at = place;
  } else {
    const auto own = own_id(custom);
    const std::string task = own ? own->task : kForeignTask;
    Entry entry;
    entry.id = own ? own->item : custom;
    entry.repeat = own ? own->repeat : -1;
    const auto [at, fresh] = task_of_.try_emplace(task, tasks_.size());
    entry.task = at->second;
    if (fresh) {
      tasks_.emplace_back();
      tasks_.back().name = task;
      tasks_.back().planned = 0;
    }
    ImportedTask& of = tasks_[entry.task];
    ++of.planned;
    of.repeats = std::max(of.repeats, entry.repeat + 1);
    (request ? entry.request : entry.answer) = place;
    index_.emplace(custom, entries_.size());
    entries_.push_back(std::move(entry));
  }
  if (request) {
    if (const Tree* body = peek(line, "body")) {
      if (std::string model = peek_text(*body, "model"); !model.empty())
        models_asked_.insert(std::move(model));
    }
  } else if (const Tree* body = peek(line, "response", "body")) {
    if (model_answered_.empty()) model_answered_ = peek_text(*body, "model");
    const std::int64_t created = peek_count(*body, "created");
    if (created > 0 && created < 253'402'300'800 && (created_ < 0 || created < created_)) created_ = created;
  }
  return {};
}

Result<void> BatchReader::scan(int file) {
  LineReader& in = files_[static_cast<std::size_t>(file)];
  Line line;
  for (;;) {
    const auto more = in.next(line);
    if (!more) return more.error();
    if (!*more) return {};
    const Place place{file, line.offset, line.text.size(), line.number};
    if (!line.too_long && trimmed(line.text).empty()) continue;
    Result<Tree> tree = Error{Code::kData, name(place) + ": the line is longer than 64 MiB", name(place)};
    if (!line.too_long) tree = parsed(line.text, place, true);
    if (tree && !tree->is_object()) {
      tree = Error{Code::kData, name(place) + ": the line is no JSON object", name(place)};
    }
    auto done =
        tree ? note(*tree, place, requests_known_ && file == 0) : reject(options_, summary_, tree.error());
    if (!done) return done;
  }
}

Result<Tree> BatchReader::line_at(const Place& place) {
  const auto line = files_[static_cast<std::size_t>(place.file)].at(place.offset, place.length, buffer_);
  if (!line) return line.error();
  return parsed(*line, place, false);
}

Result<void> BatchReader::rows() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.task < b.task; });
  std::size_t announced = 0;
  for (const Entry& entry : entries_) {
    for (; announced <= entry.task; ++announced) {
      if (auto done = sink_.task(tasks_[announced]); !done) return done;
    }
    ImportedRow row;
    row.id = entry.id;
    row.repeat = entry.repeat < 0 ? 0 : static_cast<std::uint32_t>(entry.repeat);
    row.source_repeat = entry.repeat;
    ImportedExchange exchange;
    std::string asked = model_answered_;
    if (entry.request.file >= 0) {
      const auto line = line_at(entry.request);
      if (!line) return line.error();
      read_request(*line, row, exchange);
      if (const Tree* body = peek(*line, "body")) asked = peek_text(*body, "model");
    }
    if (entry.answer.file >= 0) {
      const auto line = line_at(entry.answer);
      if (!line) return line.error();
      read_answer(*line, asked, exchange);
    }
    row.state = state_of(exchange);
    row.message = exchange.error;
    if (row.state == kMissing) {
      row.message =
          entry.answer.file < 0 ? "the batch has no answer to this request" : "the response has no choices";
    }
    row.exchanges.push_back(std::move(exchange));
    ++summary_.rows;
    if (auto done = sink_.row(std::move(row)); !done) return done;
  }
  return {};
}

Result<void> BatchReader::run(const fs::path& path) {
  if (auto done = find_files(path); !done) return done;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (auto done = scan(static_cast<int>(i)); !done) return done;
  }
  for (const Entry& entry : entries_) {
    if (entry.answer.file >= 0) continue;
    unanswered_.add(entry.id);
    tasks_[entry.task].complete = false;
  }
  if (entries_.empty()) {
    return Error{Code::kData,
                 "'" + path.string() + "' holds no line with a custom_id; the output of a batch was expected",
                 {}};
  }
  if (twice_.count > 0) {
    sink_.warning("W_DUPLICATE", std::to_string(twice_.count) +
                                     " lines repeat a custom_id, the first one counts: " + twice_.text());
  }
  if (unknown_.count > 0) {
    sink_.warning("W_UNKNOWN_ID", std::to_string(unknown_.count) +
                                      " answers belong to no request of the batch input: " + unknown_.text());
  }
  if (unanswered_.count > 0) {
    sink_.warning("W_UNANSWERED", std::to_string(unanswered_.count) + " of " +
                                      std::to_string(entries_.size()) +
                                      " requests have no answer: " + unanswered_.text());
  }
  if (models_asked_.size() > 1) {
    sink_.warning("W_MODELS", "the requests name " + std::to_string(models_asked_.size()) +
                                  " models; the run is stored under '" + printable(*models_asked_.begin()) +
                                  "'");
  }
  ImportedRun run;
  run.format = "batch";
  run.model = !models_asked_.empty()    ? *models_asked_.begin()
              : !options_.model.empty() ? options_.model
                                        : model_answered_;
  if (run.model.empty()) run.model = "unknown";
  run.suite = "batch";
  if (created_ > 0) run.created = utc(created_);
  if (auto done = sink_.run(run); !done) return done;
  return rows();
}

}  // namespace

Result<void> read_batch(const fs::path& path, const ImportOptions& options, ImportSink& sink,
                        ImportSummary& summary) {
  summary.format = "batch";
  return BatchReader(options, sink, summary).run(path);
}

}  // namespace assay::host::interop
