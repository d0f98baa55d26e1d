#include "plugins/models/replay/response_reader.hpp"

#include <simdjson.h>

#include <array>
#include <optional>

#include "plugins/models/replay/recording.hpp"

namespace assay::replay {
namespace {

namespace json = simdjson::ondemand;

constexpr double kHighestLogprob = 1e-6;  // rounding may lift ln 1 a little above 0

constexpr std::array<std::string_view, ASSAY_STAT_COUNT> kStatFields = {
    "logprobs", "ranks", "rank_ties",   "entropy",    "mu",
    "var",      "top1",  "max_logprob", "uniform_mu", "uniform_var"};

/// A defect of a record, thrown inside this file only.
struct Defect {
  Code code;
  std::string text;
};

std::string quoted(std::string_view name) {
  std::string text(1, '\'');
  text += name;
  text += '\'';
  return text;
}

[[noreturn]] void defect(std::string text) {
  throw Defect{Code::kData, std::move(text)};
}

double number_or_nan(json::value value) {
  if (value.is_null()) return kMissing;
  return value.get_double();
}

/// The token arrays of one object while it is being read. Reused, so that reading rarely allocates.
struct TokenFields {
  std::array<std::vector<double>, ASSAY_STAT_COUNT> stat;
  std::array<bool, ASSAY_STAT_COUNT> has{};
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> begin, end;
  bool has_ids = false, has_begin = false, has_end = false;
  std::optional<std::size_t> count;
  std::string_view counted_by;
  std::uint32_t flags = 0;
  std::uint64_t vocabulary = 0;

  void clear() {
    has.fill(false);
    has_ids = has_begin = has_end = false;
    count.reset();
    flags = 0;
    vocabulary = 0;
  }
  void check(std::string_view field, std::size_t size) {
    if (count && *count != size) {
      defect(quoted(field) + " has " + std::to_string(size) + " entries, '" + std::string(counted_by) +
             "' has " + std::to_string(*count) + "; the arrays of a record must be equally long");
    }
    if (!count) count = size, counted_by = field;
  }
  template <class T>
  void whole_numbers(std::string_view field, json::value value, std::vector<T>& out, bool& has_it) {
    out.clear();
    for (json::value entry : value.get_array())
      out.push_back(static_cast<T>(std::int64_t{entry.get_int64()}));
    has_it = true;
    check(field, out.size());
  }
  void tokens(json::value value) {
    ids.clear();
    std::size_t pieces = 0;
    for (json::value entry : value.get_array()) {
      if (entry.type() == json::json_type::string) {
        ++pieces;
      } else {
        ids.push_back(static_cast<std::int32_t>(std::int64_t{entry.get_int64()}));
      }
    }
    if (pieces != 0 && !ids.empty()) defect("'tokens' mixes ids and texts");
    has_ids = pieces == 0;
    check("tokens", pieces == 0 ? ids.size() : pieces);
  }
  void statistic(std::size_t which, json::value value) {
    std::vector<double>& out = stat[which];
    out.clear();
    for (json::value entry : value.get_array()) {
      const double number = number_or_nan(entry);
      const bool is_logprob = which == ASSAY_STAT_LOGPROB || which == ASSAY_STAT_TOP1_LOGPROB;
      if (std::isinf(number) || (is_logprob && number > kHighestLogprob)) {
        defect(quoted(kStatFields[which]) + "[" + std::to_string(out.size()) + "] is " +
               std::to_string(number) + "; log-probabilities are finite and at most 0");
      }
      out.push_back(number);
    }
    has[which] = true;
    check(kStatFields[which], out.size());
  }
  /// True if the field is one of the token fields.
  bool take(std::string_view field, json::value value) {
    for (std::size_t s = 0; s < kStatFields.size(); ++s) {
      if (field == kStatFields[s]) {
        statistic(s, value);
        return true;
      }
    }
    if (field == "tokens") {
      tokens(value);
    } else if (field == "begin") {
      whole_numbers(field, value, begin, has_begin);
    } else if (field == "end") {
      whole_numbers(field, value, end, has_end);
    } else if (field == "token_flags") {
      flags = static_cast<std::uint32_t>(std::uint64_t{value.get_uint64()});
    } else if (field == "vocabulary") {
      vocabulary = value.get_uint64();
    } else {
      return false;
    }
    return true;
  }
  /// The arrays in the arena; NULL when the object had none.
  [[nodiscard]] const assay_tokens* write(const ResponseWriter& out) const {
    if (!count) return nullptr;
    std::uint32_t mask = 0;
    for (std::uint32_t s = 0; s < ASSAY_STAT_COUNT; ++s) mask |= has[s] ? 1U << s : 0U;
    const TokensWriter tokens = out.make_tokens(*count, mask, has_ids, has_begin && has_end);
    for (std::uint32_t s = 0; s < ASSAY_STAT_COUNT; ++s) {
      if (has[s]) std::copy(stat[s].begin(), stat[s].end(), tokens.stat[s].begin());
    }
    if (has_ids) std::copy(ids.begin(), ids.end(), tokens.ids.begin());
    if (has_begin && has_end) {
      std::copy(begin.begin(), begin.end(), tokens.begin.begin());
      std::copy(end.begin(), end.end(), tokens.end.begin());
    }
    tokens.raw->flags = flags;
    tokens.raw->vocabulary = vocabulary;
    return tokens.raw;
  }
};

Finish finish_of(json::value value) {
  if (value.is_null()) return Finish::kNone;
  const std::string_view name = value.get_string();
  if (name == "stop") return Finish::kStop;
  if (name == "length") return Finish::kLength;
  if (name == "content_filter" || name == "filter") return Finish::kFilter;
  return Finish::kNone;
}

/// What a record holds, beside arrays that went straight into the response.
struct Seen {
  std::optional<std::string_view> text;
  Finish finish = Finish::kNone;
  double mean = kMissing;
  std::int64_t scored = 0;
  std::int64_t tokens_in = 0, tokens_out = 0;
  std::size_t choices = 0;
  bool has_choices = false, has_values = false, has_series = false;
};

/// Fields an object and each of its choices share.
bool take_common(Seen& seen, TokenFields& tokens, std::string_view field, json::value value) {
  if (field == "text") {
    if (!value.is_null()) seen.text = value.get_string();
  } else if (field == "finish_reason" || field == "finish") {
    seen.finish = finish_of(value);
  } else if (field == "mean_logprob") {
    seen.mean = number_or_nan(value);
    if (std::isinf(seen.mean) || seen.mean > kHighestLogprob) {
      defect("'mean_logprob' is " + std::to_string(seen.mean) + "; it must be finite and at most 0");
    }
  } else if (field == "scored_count" || field == "scored") {
    seen.scored = value.get_int64();
  } else {
    return tokens.take(field, value);
  }
  return true;
}

/// Buffers that a thread keeps from record to record.
struct Scratch {
  json::parser parser;
  TokenFields tokens, choice_tokens;
  std::vector<double> numbers;
};

class Reader {
 public:
  Reader(const assay_request& request, ResponseWriter& out, Scratch& scratch)
      : request_(request),
        out_(out),
        tokens_(scratch.tokens),
        choice_tokens_(scratch.choice_tokens),
        numbers_(scratch.numbers) {}

  void read(json::object record) {
    tokens_.clear();
    for (json::field member : record) {
      const std::string_view field = member.unescaped_key();
      json::value value = member.value();
      if (take_common(seen_, tokens_, field, value)) continue;
      if (field == "choices") {
        choices(value.get_array());
      } else if (field == "values") {
        numbers_.clear();
        for (json::value entry : value.get_array()) numbers_.push_back(number_or_nan(entry));
        out_.values(numbers_);
        seen_.has_values = true;
      } else if (field == "series") {
        series(value.get_object());
      } else if (field == "usage") {
        usage(value.get_object());
      }
    }
    conclude();
  }

 private:
  void choices(json::array list) {
    const auto wanted = static_cast<std::size_t>(request_.n <= 0 ? 1 : request_.n);
    seen_.has_choices = true;
    for (json::value entry : list) {
      if (seen_.choices == wanted) break;
      ++seen_.choices;
      if (entry.type() == json::json_type::string) {
        out_.choice(entry.get_string(), Finish::kNone);
        continue;
      }
      Seen seen;
      choice_tokens_.clear();
      for (json::field member : entry.get_object()) {
        const std::string_view field = member.unescaped_key();
        take_common(seen, choice_tokens_, field, member.value());
      }
      if (!seen.text) defect("choice " + std::to_string(seen_.choices - 1) + " has no 'text'");
      out_.choice(*seen.text, seen.finish, seen.mean, choice_tokens_.write(out_));
    }
  }
  void series(json::object list) {
    for (json::field member : list) {
      const std::string_view name = member.unescaped_key();
      numbers_.clear();
      for (json::value entry : member.value().get_array()) numbers_.push_back(number_or_nan(entry));
      out_.series(name, numbers_);
      seen_.has_series = true;
    }
  }
  void usage(json::object counts) {
    for (json::field member : counts) {
      const std::string_view field = member.unescaped_key();
      json::value value = member.value();
      if (field == "prompt_tokens" && !value.is_null()) seen_.tokens_in = value.get_int64();
      if (field == "completion_tokens" && !value.is_null()) seen_.tokens_out = value.get_int64();
    }
  }
  void conclude() {
    out_.usage(seen_.tokens_in, seen_.tokens_out);
    switch (request_.kind) {
      case ASSAY_REQUEST_GENERATE:
        return conclude_generate();
      case ASSAY_REQUEST_SCORE:
        return conclude_score();
      default:
        if (!seen_.has_values) lacks("'values'");
    }
  }
  void conclude_generate() {
    if (seen_.text && seen_.has_choices) defect("the record has both 'text' and 'choices'");
    if (seen_.text) {
      out_.choice(*seen_.text, seen_.finish, seen_.mean, tokens_.write(out_));
      seen_.choices = 1;
    } else if (!seen_.has_choices) {
      if (!seen_.has_series) lacks("'text' or 'choices'");
      return;  // a log that kept only derived numbers
    }
    if (seen_.choices < static_cast<std::size_t>(request_.n <= 0 ? 1 : request_.n)) {
      throw Defect{Code::kNotFound, "no_record: the record holds " + std::to_string(seen_.choices) +
                                        " of the " + std::to_string(request_.n) + " samples asked for"};
    }
  }
  void conclude_score() {
    if (tokens_.count) {
      TokensWriter tokens;
      tokens.raw = const_cast<assay_tokens*>(tokens_.write(out_));  // our own arena memory
      out_.tokens(tokens);
    } else if (std::isnan(seen_.mean)) {
      lacks("'logprobs' or 'mean_logprob'");
    }
    if (!std::isnan(seen_.mean)) out_.mean_logprob(seen_.mean, seen_.scored);
  }
  void lacks(std::string_view what) const {
    throw Defect{Code::kUnsupported, "the record of " + describe(request_) + " has no " + std::string(what)};
  }

  const assay_request& request_;
  ResponseWriter& out_;
  Seen seen_;
  TokenFields& tokens_;
  TokenFields& choice_tokens_;
  std::vector<double>& numbers_;
};

}  // namespace

Result<void> read_response(std::string_view line, std::size_t readable, const assay_request& request,
                           ResponseWriter& out) {
  thread_local Scratch scratch;
  try {
    json::document document =
        scratch.parser.iterate(simdjson::padded_string_view(line.data(), line.size(), readable));
    Reader(request, out, scratch).read(document.get_object());
    return {};
  } catch (const simdjson::simdjson_error& error) {
    return Error{Code::kData, std::string("the record cannot be read: ") + error.what(), {}};
  } catch (const Defect& found) {
    return Error{found.code, found.text, found.code == Code::kNotFound ? "no_record" : ""};
  }
}

}  // namespace assay::replay
