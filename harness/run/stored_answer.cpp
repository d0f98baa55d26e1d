#include "harness/run/stored_answer.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "assay/sdk/abi.hpp"
#include "db/blob.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

namespace ondemand = simdjson::ondemand;

// Memory that is used again for every answer of a thread.
struct Scratch {
  ondemand::parser parser;
  std::string text;  ///< the document with the bytes behind it that the parser wants
  std::vector<double> numbers;
  std::vector<assay_choice> choices;
  std::vector<assay_row> rows;
  std::vector<assay_series> series;
  std::vector<assay_message> messages;
  std::vector<assay_str> texts;
};

// One huge answer must not keep its memory for as long as the thread lives.
constexpr std::size_t kScratchKept = std::size_t{8} << 20U;

Scratch& scratch_of_thread() {
  thread_local std::unique_ptr<Scratch> scratch;
  if (scratch == nullptr || scratch->text.capacity() > kScratchKept) scratch = std::make_unique<Scratch>();
  return *scratch;
}

// Reads one JSON document into an arena and keeps the first complaint. All functions give false after one.
class Document {
 public:
  Document(std::string_view json, Arena& arena) : arena_(arena), scratch_(scratch_of_thread()), json_(json) {}

  template <class Body>
  bool read(Body&& body);
  [[nodiscard]] Error error(const char* what) const;

 protected:
  using Value = ondemand::value;

  bool fail(std::string why) {
    if (complaint_.empty()) complaint_ = std::move(why);
    return false;
  }
  bool fail(simdjson::error_code code) {
    if (code == simdjson::MEMALLOC) exhausted_ = true;
    return fail(simdjson::error_message(code));
  }
  bool fail(std::string_view key, const char* why) { return fail("'" + printable(key, 60) + "' " + why); }

  template <class T>
  T* array(std::size_t count) {
    if (count == 0) return nullptr;
    auto* memory = static_cast<T*>(arena_.allocate(count * sizeof(T), alignof(T)));
    exhausted_ = exhausted_ || memory == nullptr;
    return memory;
  }
  template <class T>
  bool keep(const std::vector<T>& from, const T*& out, std::size_t& count) {
    T* memory = array<T>(from.size());
    if (memory != nullptr) std::memcpy(static_cast<void*>(memory), from.data(), from.size() * sizeof(T));
    out = memory;
    count = from.size();
    return !exhausted_;
  }
  bool keep(std::string_view from, assay_str& out) {
    if (from.size() > limits::kTextBytesMax) return fail("a text is longer than 64 MiB");
    if (!simdjson::validate_utf8(from.data(), from.size())) return fail("a text is not valid UTF-8");
    char* memory = array<char>(from.size());
    if (memory != nullptr) std::memcpy(memory, from.data(), from.size());
    out = {memory, memory == nullptr ? 0 : from.size()};
    return !exhausted_;
  }
  bool raw_text(std::string_view key, Value value, std::string_view& out) {
    return value.get_string().get(out) == simdjson::SUCCESS || fail(key, "is not a text");
  }
  bool text(std::string_view key, Value value, assay_str& out) {
    std::string_view read;
    return raw_text(key, value, read) && keep(read, out);
  }
  bool number(std::string_view key, Value value, double& out);
  bool numbers(std::string_view key, Value value, const double*& out, std::size_t& count);

  template <class T>
  bool integer(std::string_view key, Value value, T& out, std::int64_t least = std::numeric_limits<T>::min(),
               std::int64_t most = static_cast<std::int64_t>(
                   std::min<std::uint64_t>(std::numeric_limits<T>::max(), INT64_MAX))) {
    std::int64_t read = 0;
    if (value.get_int64().get(read) != simdjson::SUCCESS) return fail(key, "is not a whole number");
    if (read < least || read > most) return fail(key, "is out of range");
    out = static_cast<T>(read);
    return true;
  }
  template <class Body>  // body(key, value) -> bool
  bool each_member(ondemand::object object, Body&& body) {
    for (auto field : object) {
      std::string_view key;
      Value value;
      if (const auto code = field.unescaped_key().get(key)) return fail(code);
      if (const auto code = field.value().get(value)) return fail(code);
      if (!body(key, value)) return false;
    }
    return true;
  }
  template <class Body>
  bool members(std::string_view key, Value value, Body&& body) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return fail(key, "is not an object");
    return each_member(object, body);
  }
  template <class Body>  // body(value) -> bool
  bool elements(std::string_view key, Value value, Body&& body) {
    ondemand::array list;
    if (value.get_array().get(list) != simdjson::SUCCESS) return fail(key, "is not a list");
    for (auto element : list) {
      Value one;
      if (const auto code = element.get(one)) return fail(code);
      if (!body(one)) return false;
    }
    return true;
  }
  bool unknown(std::string_view key) { return fail(key, "is not known here"); }

  Arena& arena_;
  Scratch& scratch_;
  bool exhausted_ = false;

 private:
  std::string_view json_;
  std::string complaint_;
};

template <class Body>
bool Document::read(Body&& body) {
  scratch_.text.resize(json_.size() + simdjson::SIMDJSON_PADDING);
  std::memcpy(scratch_.text.data(), json_.data(), json_.size());
  std::memset(scratch_.text.data() + json_.size(), 0, simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  ondemand::object root;
  const simdjson::padded_string_view padded(scratch_.text.data(), json_.size(), scratch_.text.size());
  if (const auto code = scratch_.parser.iterate(padded).get(document)) return fail(code);
  if (const auto code = document.get_object().get(root)) return fail(code);
  if (!each_member(root, body)) return false;
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS || fail("text follows its end");
}

Error Document::error(const char* what) const {
  if (exhausted_) return {Code::kResourceExhausted, std::string("memory for ") + what + " is exhausted", {}};
  return {Code::kData,
          std::string(what) + " is damaged: " + (complaint_.empty() ? "it is incomplete" : complaint_) +
              "; run 'assay doctor' on the database",
          {}};
}

bool Document::number(std::string_view key, Value value, double& out) {
  ondemand::json_type type{};
  if (const auto code = value.type().get(type)) return fail(code);
  if (type == ondemand::json_type::number)
    return value.get_double().get(out) == simdjson::SUCCESS || fail(key, "is not a number");
  // Earlier versions wrote null for everything that is not finite.
  if (type == ondemand::json_type::null) {
    out = std::nan("");
    return value.is_null() || fail(key, "is not a number");
  }
  std::string_view word;
  if (type != ondemand::json_type::string || !raw_text(key, value, word)) return fail(key, "is not a number");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (word == "NaN") {
    out = std::nan("");
  } else if (word == "Infinity" || word == "-Infinity") {
    out = word.front() == '-' ? -kInfinity : kInfinity;
  } else {
    return fail(key, "is not a number");
  }
  return true;
}

bool Document::numbers(std::string_view key, Value value, const double*& out, std::size_t& count) {
  std::vector<double>& list = scratch_.numbers;
  list.clear();
  return elements(key, value, [&](Value one) { return number(key, one, list.emplace_back()); }) &&
         keep(list, out, count);
}

class AnswerReader : public Document {
 public:
  AnswerReader(std::string_view json, Arena& arena, assay_response& out) : Document(json, arena), out_(out) {}

  bool read() {
    return Document::read([this](std::string_view key, Value value) { return member(key, value); });
  }
  bool message(std::string_view from, assay_str& out) { return keep(from, out); }
  Result<void> tokens(std::string_view blob);

 private:
  bool member(std::string_view key, Value value) {
    if (key == "choices") return choices(value);
    if (key == "flags") return integer(key, value, out_.flags);
    if (key == "mean_logprob") return number(key, value, out_.mean_logprob);
    if (key == "rows") return rows(value);
    if (key == "scored") return integer(key, value, out_.scored_count);
    if (key == "series") return series(value);
    if (key == "values") return numbers(key, value, out_.values, out_.value_count);
    return unknown(key);
  }

  bool choices(Value value) {
    std::vector<assay_choice>& list = scratch_.choices;
    list.clear();
    out_.choice_size = sizeof(assay_choice);
    return elements("choices", value, [&](Value one) { return choice(one, list.emplace_back()); }) &&
           keep(list, out_.choices, out_.choice_count);
  }

  bool choice(Value value, assay_choice& out) {
    out = {};
    out.struct_size = sizeof out;
    out.mean_logprob = std::nan("");
    return members("choices", value, [&](std::string_view key, Value part) {
      if (key == "finish") return finish(part, out.finish);
      if (key == "mean_logprob") return number(key, part, out.mean_logprob);
      if (key == "text") return text(key, part, out.text);
      return unknown(key);
    });
  }

  bool finish(Value value, std::int32_t& out) {
    std::string_view word;
    if (!raw_text("finish", value, word)) return false;
    constexpr std::string_view kWords[] = {"none", "stop", "length", "filter"};
    for (std::int32_t i = 0; i < 4; ++i) {
      if (word != kWords[i]) continue;
      out = i;
      return true;
    }
    return fail("finish", "is none of none, stop, length and filter");
  }

  bool rows(Value value) {
    std::vector<assay_row>& list = scratch_.rows;
    list.clear();
    out_.row_size = sizeof(assay_row);
    return elements("rows", value, [&](Value one) { return row(one, list.emplace_back()); }) &&
           keep(list, out_.rows, out_.row_count);
  }

  bool row(Value value, assay_row& out) {
    out = {};
    out.struct_size = sizeof out;
    out.dtype = ASSAY_F64;
    const double* data = nullptr;
    std::size_t count = 0;
    const bool whole = members("rows", value, [&](std::string_view key, Value part) {
      if (key == "data") return numbers(key, part, data, count);
      if (key == "dtype") return integer(key, part, out.dtype, ASSAY_F32, ASSAY_F64);
      if (key == "form") return integer(key, part, out.form, ASSAY_ROW_LOGITS, ASSAY_ROW_PROBABILITIES);
      if (key == "member") return integer(key, part, out.member, -1);
      if (key == "position") return integer(key, part, out.position);
      if (key == "target") return integer(key, part, out.target);
      return unknown(key);
    });
    if (!whole) return false;
    if (out.form == 0) return fail("form", "is missing in a row");
    if (count > limits::kRowBytesMax / sizeof(float)) return fail("data", "is too long for a row");
    out.vocabulary = static_cast<std::uint32_t>(count);
    out.data = data;
    if (out.dtype == ASSAY_F64 || count == 0) return true;
    auto* narrow = array<float>(count);
    for (std::size_t i = 0; narrow != nullptr && i < count; ++i) {
      if (std::isfinite(data[i]) && std::abs(data[i]) > double{std::numeric_limits<float>::max()})
        return fail("data", "holds a number that is not a float32");
      narrow[i] = static_cast<float>(data[i]);
    }
    out.data = narrow;
    return !exhausted_;
  }

  bool series(Value value) {
    std::vector<assay_series>& list = scratch_.series;
    list.clear();
    const auto one = [&](std::string_view key, Value part) {
      assay_series& out = list.emplace_back();
      return keep(key, out.name) && numbers(key, part, out.values, out.count);
    };
    return members("series", value, one) && keep(list, out_.series, out_.series_count);
  }

  assay_response& out_;
};

Result<void> AnswerReader::tokens(std::string_view blob) {
  const auto allocate = [this](std::size_t size, std::size_t align) { return arena_.allocate(size, align); };
  const auto take = [this](std::optional<std::size_t> owner, const assay_tokens& tokens) {
    const std::size_t place = owner.value_or(out_.choice_count == 0 ? 0 : 1);
    if (place > out_.choice_count) return false;
    // The list of choices was made above in this arena; it is this call's own until it returns.
    const assay_tokens*& slot =
        place == 0 ? out_.tokens : const_cast<assay_choice*>(out_.choices)[place - 1].tokens;
    if (slot != nullptr) return false;
    auto* kept = array<assay_tokens>(1);
    if (kept != nullptr) *kept = tokens;
    slot = kept;
    return true;
  };
  Result<void> read = decode_tokens(blob, allocate, take);
  if (read && exhausted_) return error("the tokens of a stored answer");
  return read;
}

class RequestReader : public Document {
 public:
  RequestReader(std::string_view json, Arena& arena, assay_request& out) : Document(json, arena), out_(out) {}

  bool read() {
    out_.temperature = std::numeric_limits<double>::quiet_NaN();  // as long as none is said
    if (!Document::read([this](std::string_view key, Value value) { return member(key, value); }))
      return false;
    if (out_.kind != ASSAY_REQUEST_GENERATE && std::isnan(out_.temperature)) out_.temperature = 0;
    return out_.kind != 0 || fail("its kind is missing");
  }

 private:
  bool member(std::string_view key, Value value) {
    if (key == "continuation") return text(key, value, out_.continuation);
    if (key == "flags") return integer(key, value, out_.flags);
    if (key == "item") return text(key, value, out_.item);
    if (key == "join") return integer(key, value, out_.join);
    if (key == "kind") return kind(value);
    if (key == "max_tokens") return integer(key, value, out_.max_tokens);
    if (key == "messages") return messages(value);
    if (key == "min_p") return number(key, value, out_.min_p);
    if (key == "n") return integer(key, value, out_.n);
    if (key == "name") return text(key, value, out_.name);
    if (key == "prompt") return text(key, value, out_.prompt);
    if (key == "repeat") return integer(key, value, out_.repeat);
    if (key == "seed") return seed(value);
    if (key == "stop") return stop(value);
    if (key == "task") return text(key, value, out_.task);
    if (key == "temperature") return number(key, value, out_.temperature);
    if (key == "top_k") return integer(key, value, out_.top_k);
    if (key == "top_p") return number(key, value, out_.top_p);
    if (key == "variant") return text(key, value, out_.variant);
    if (key == "want") return want(value);
    return unknown(key);
  }

  bool kind(Value value) {
    std::string_view word;
    if (!raw_text("kind", value, word)) return false;
    constexpr std::string_view kWords[] = {"generate", "score", "rows", "classify", "embed"};
    for (std::int32_t i = 0; i < 5; ++i) {
      if (word != kWords[i]) continue;
      out_.kind = ASSAY_REQUEST_GENERATE + i;
      return true;
    }
    return fail("kind", "is not a kind of request");
  }
  // Seeds use all 64 bits, which many readers of JSON cannot hold, so they are stored as texts.
  bool seed(Value value) {
    std::string_view word;
    if (!raw_text("seed", value, word)) return false;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), out_.seed);
    return (code == std::errc() && end == word.data() + word.size()) || fail("seed", "is not a whole number");
  }
  bool want(Value value) {
    std::int64_t bits = 0;
    if (!integer("want", value, bits)) return false;
    out_.want = static_cast<std::uint64_t>(bits);
    return true;
  }
  bool stop(Value value) {
    std::vector<assay_str>& list = scratch_.texts;
    list.clear();
    return elements("stop", value, [&](Value one) { return text("stop", one, list.emplace_back()); }) &&
           keep(list, out_.stop.items, out_.stop.count);
  }
  bool messages(Value value) {
    std::vector<assay_message>& list = scratch_.messages;
    list.clear();
    const auto one = [&](Value message) {
      assay_message& out = list.emplace_back();
      return members("messages", message, [&](std::string_view key, Value part) {
        if (key == "content") return text(key, part, out.content);
        if (key == "role") return text(key, part, out.role);
        return unknown(key);
      });
    };
    return elements("messages", value, one) && keep(list, out_.messages, out_.message_count);
  }

  assay_request& out_;
};

constexpr char kAnswer[] = "a stored answer";

Result<void> restore_checked(const StoredResponse& stored, Arena& arena, assay_response& out) {
  AnswerReader reader(stored.answer, arena, out);
  const auto bad = [](const std::string& why) {
    return Error{
        Code::kData, "a stored answer is damaged: " + why + "; run 'assay doctor' on the database", {}};
  };
  if (stored.code < ASSAY_OK || stored.code > ASSAY_WORKER_CRASHED)
    return bad("its status " + std::to_string(stored.code) + " is unknown");
  if (stored.total_ns < 0 || stored.attempts < 0 || stored.attempts > UINT32_MAX)
    return bad("its time or its number of attempts is impossible");
  out.mean_logprob = std::nan("");
  out.tokens_in = stored.tokens_in;
  out.tokens_out = stored.tokens_out;
  out.total_ns = static_cast<std::uint64_t>(stored.total_ns);
  out.attempts = static_cast<std::uint32_t>(stored.attempts);
  if (!reader.message(stored.provider_id, out.provider_id)) return reader.error(kAnswer);
  if (stored.code != ASSAY_OK) {
    if (!reader.message(stored.message, out.status.message)) return reader.error(kAnswer);
  } else {
    if (!reader.read()) return reader.error(kAnswer);
    if (!stored.tokens.empty()) {
      Result<void> read = reader.tokens(stored.tokens);
      if (!read) return read;
    }
  }
  out.status.code = stored.code;
  return {};
}

}  // namespace

Result<void> restore_response(const StoredResponse& stored, Arena& arena, assay_response& out) {
  const auto clear = [&] {
    out = {};
    out.struct_size = sizeof out;
    out.status.code = ASSAY_UNSET;
  };
  clear();
  try {
    Result<void> done = restore_checked(stored, arena, out);
    if (!done) clear();
    return done;
  } catch (const std::bad_alloc&) {
    clear();
    return Error{Code::kResourceExhausted, "memory for a stored answer is exhausted", {}};
  }
}

Result<void> restore_request(std::string_view request_json, Arena& arena, assay_request& out) {
  const auto clear = [&] {
    out = {};
    out.struct_size = sizeof out;
    out.label = -1;
  };
  clear();
  try {
    RequestReader reader(request_json, arena, out);
    if (reader.read()) return {};
    clear();
    return reader.error("a stored request");
  } catch (const std::bad_alloc&) {
    clear();
    return Error{Code::kResourceExhausted, "memory for a stored request is exhausted", {}};
  }
}

}  // namespace assay::host
