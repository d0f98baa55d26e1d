// The samples of an Every Eval Ever record: one line an item. The rows come in task order; the file is
// ordered by sample id, so the lines wait in a temporary file and only their order is in memory.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "assay/plugin.h"
#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/export/eee.hpp"
#include "harness/interop/export/file.hpp"
#include "harness/interop/export/item_texts.hpp"
#include "harness/interop/export/rows.hpp"
#include "harness/interop/export/text.hpp"

namespace assay::host::exporting::eee {
namespace {

/// A line in the temporary file, and what orders it.
struct Place {
  std::string id, variant;
  std::uint32_t repeat = 0;
  std::uint64_t offset = 0;
  std::size_t size = 0;
  bool operator<(const Place& other) const {
    if (id != other.id) return id < other.id;
    if (variant != other.variant) return variant < other.variant;
    if (repeat != other.repeat) return repeat < other.repeat;
    return offset < other.offset;
  }
};

/// Reads a file by position.
class Lines {
 public:
  explicit Lines(const std::string& path) : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Lines() {
    if (file_ >= 0) ::close(file_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  Result<std::string_view> at(const Place& place) {
    buffer_.resize(place.size);
    std::size_t got = 0;
    while (file_ >= 0 && got < place.size) {
      const ssize_t n =
          ::pread(file_, buffer_.data() + got, place.size - got, static_cast<off_t>(place.offset + got));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    if (got == place.size) return std::string_view(buffer_);
    return Error{Code::kResourceExhausted,
                 "reading the temporary file '" + path_ + "' failed: " + std::strerror(errno), path_};
  }

 private:
  std::string path_;
  int file_;
  std::string buffer_;
};

/// Removes a file at the end.
struct Removed {
  std::string path;
  ~Removed() { ::unlink(path.c_str()); }
};

OrderedJson settings_of(const GenerateRequest& request) {
  OrderedJson settings = OrderedJson::object();
  if (!std::isnan(request.temperature)) settings["temperature"] = request.temperature;
  if (request.top_p > 0) settings["top_p"] = request.top_p;
  if (request.top_k > 0) settings["top_k"] = request.top_k;
  if (request.max_tokens > 0) settings["max_tokens"] = request.max_tokens;
  return settings;
}

class Writer {
 public:
  explicit Writer(const Record& record) : record_(record), rule_(correctness(record.value)) {}

  /// Appends the line of an item; nothing when it has no score and did not fail.
  Result<bool> append(const WholeItem& item, std::string& out) {
    const WholeScore& score = item.scores.front();
    const bool scored = score.present && std::isfinite(score.number);
    if (!scored && !failed(item.line.state)) {
      ++samples.left_out;
      return false;
    }
    Result<const ItemTexts*> read = texts_.read(item, record_.of.row.model);
    if (!read) return std::move(read).error();
    if (Result<void> done = learn_settings(item); !done) return std::move(done).error();
    append_line(item, **read, scored, out);
    ++samples.rows;
    return true;
  }
  Samples samples;

 private:
  Result<void> learn_settings(const WholeItem& item) {
    for (const WholeResponse& response : item.responses) {
      if (response.kind != ASSAY_REQUEST_GENERATE || !own(response, record_.of.row.model) ||
          !samples.same_settings)
        continue;
      Result<GenerateRequest> request = read_generate(response.request);
      if (!request) return std::move(request).error().within("item '" + printable(item.line.item_id) + "'");
      OrderedJson settings = settings_of(*request);
      if (samples.settings.is_null())
        samples.settings = std::move(settings);
      else if (samples.settings != settings)
        samples.same_settings = false;
    }
    return {};
  }

  void text(const char* key, std::string_view value, std::string& out) {
    out += key;
    append_json(value, out);
  }
  static void list(const std::vector<std::string>& values, std::string& out,
                   void (*append)(std::string_view, std::string&)) {
    out += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i != 0) out += ',';
      append(values[i], out);
    }
    out += ']';
  }

  /// SHA-256 of {"raw": ..., "reference": [...]} as compact JSON with sorted keys and ASCII escapes.
  std::string sample_hash(const ItemTexts& texts) {
    hashed_ = "{\"raw\":";
    append_json_ascii(texts.input, hashed_);
    hashed_ += ",\"reference\":";
    list(texts.targets, hashed_, append_json_ascii);
    return sha256_hex(hashed_ += '}');
  }

  void append_line(const WholeItem& item, const ItemTexts& texts, bool scored, std::string& out) {
    const WholeScore& score = item.scores.front();
    text("{\"schema_version\":\"0.3.0\",\"evaluation_id\":", record_.evaluation_id, out);
    text(",\"model_id\":", record_.model_id, out);
    text(",\"evaluation_name\":", record_.name, out);
    text(",\"evaluation_result_id\":", result_id(item.line.variant), out);
    text(",\"sample_id\":", item.line.item_id, out);
    text(",\"sample_hash\":", sample_hash(texts), out);
    text(",\"interaction_type\":\"single_turn\",\"input\":{\"raw\":", texts.input, out);
    if (!texts.prompt.empty()) text(",\"formatted\":", texts.prompt, out);
    out += ",\"reference\":";
    list(texts.targets, out, append_json);
    if (!texts.choices.empty()) {
      out += ",\"choices\":";
      list(texts.choices, out, append_json);
    }
    out += "},\"output\":{\"raw\":[";
    bool first = true, any = false;
    for (const Generated& generated : texts.outputs) {
      for (const std::string& sample : generated.samples) {
        if (!first) out += ',';
        first = false;
        any = true;
        append_json(sample, out);
      }
    }
    out += "]},\"answer_attribution\":[";
    if (scored && any && !score.note.empty()) {
      text("{\"turn_idx\":0,\"source\":\"output.raw\",\"extracted_value\":", score.note, out);
      text(",\"extraction_method\":", record_.metric.name, out);
      out += ",\"is_terminal\":true}";
    }
    out += "],\"evaluation\":{\"score\":";
    append_json(scored ? score.number : 0, out);
    out += scored && rule_.correct(score.number) ? ",\"is_correct\":true}" : ",\"is_correct\":false}";
    append_rest(item, texts, score, scored, out);
    out += "}\n";
  }

  void append_rest(const WholeItem& item, const ItemTexts& texts, const WholeScore& score, bool scored,
                   std::string& out) {
    if (texts.tokens_in > 0 && texts.tokens_out > 0) {
      out += ",\"token_usage\":{\"input_tokens\":";
      append_json(texts.tokens_in, out);
      out += ",\"output_tokens\":";
      append_json(texts.tokens_out, out);
      out += ",\"total_tokens\":";
      append_json(texts.tokens_in + texts.tokens_out, out);
      out += '}';
    }
    if (texts.latency_ns > 0) {
      out += ",\"performance\":{\"latency_ms\":";
      append_json(static_cast<double>(texts.latency_ns) / 1e6, out);
      out += '}';
    }
    if (failed(item.line.state))
      text(",\"error\":",
           std::string(state_name(item.line.state)) + (texts.error.empty() ? "" : ": " + texts.error), out);
    text(",\"metadata\":{\"state\":", state_name(item.line.state), out);
    text(",\"is_correct_rule\":", rule_.text(), out);
    if (!scored) text(",\"score\":", score_state(item, score), out);
    if (!item.line.variant.empty()) text(",\"variant\":", item.line.variant, out);
    if (!item.line.group.empty()) text(",\"group\":", item.line.group, out);
    if (item.line.label >= 0) text(",\"label\":", std::to_string(item.line.label), out);
    text(",\"repeat\":", std::to_string(item.line.repeat), out);
    if (!failed(item.line.state) && !texts.error.empty()) text(",\"message\":", texts.error, out);
    out += '}';
  }

  /// The result that the item belongs to: that of its variant, or the one over all variants.
  std::string result_id(const std::string& variant) {
    for (const AggregateLine* line : record_.lines) {
      if (line->row.variant == variant) return record_.result_id(variant, {});
    }
    return record_.result_id(record_.lines.size() == 1 ? record_.lines.front()->row.variant : std::string(),
                             {});
  }

  const Record& record_;
  Correctness rule_;
  ItemTextReader texts_;
  std::string hashed_;
};

}  // namespace

Correctness correctness(const ValueRow& value) {
  Correctness made;
  made.lower_is_better = value.direction == ASSAY_LOWER_IS_BETTER;
  if (value.rule == ASSAY_RULE_PROPORTION) {
    made.rule = Correctness::Rule::kBest;
    made.high = 1;
  } else if (std::isfinite(value.min) && std::isfinite(value.max) && value.min < value.max) {
    made.rule = Correctness::Rule::kHalf;
    made.low = value.min;
    made.high = value.max;
  }
  return made;
}

bool Correctness::correct(double score) const {
  const double middle = low + (high - low) / 2;
  switch (rule) {
    case Rule::kBest:
      return score == (lower_is_better ? low : high);
    case Rule::kHalf:
      return lower_is_better ? score <= middle : score >= middle;
    default:
      return false;
  }
}

const char* Correctness::text() const {
  switch (rule) {
    case Rule::kBest:
      return lower_is_better ? "score is 0, lower is better" : "score is 1";
    case Rule::kHalf:
      return lower_is_better ? "score is in the lower half of the range, lower is better"
                             : "score is at least half of the range";
    default:
      return "undefined: the score has no range, so is_correct is always false";
  }
}

Result<Samples> write_samples(Reader& reader, const Record& record, const std::string& path) {
  const std::string unordered = path + ".unordered";
  std::vector<Place> places;
  Writer writer(record);
  const RowId value = record.value.id;
  const Removed removed{unordered};
  {
    Result<std::unique_ptr<OutputFile>> waiting = OutputFile::open(unordered);
    if (!waiting) return std::move(waiting).error();
    std::string line;
    Result<void> done =
        reader.each_whole(record.of.row.id, {&value, 1}, true, [&](const WholeItem& item) -> Result<bool> {
          line.clear();
          Result<bool> made = writer.append(item, line);
          if (!made || !*made) return made ? Result<bool>(true) : made;
          places.push_back({item.line.item_id, item.line.variant, item.line.repeat,
                            static_cast<std::uint64_t>((*waiting)->bytes()), line.size()});
          if (Result<void> written = (*waiting)->write(line); !written) return std::move(written).error();
          return true;
        });
    if (!done) return std::move(done).error().within("task '" + record.of.recipe.name + "'");
    if (places.empty()) return std::move(writer.samples);
    if (Result<void> saved = (*waiting)->save(); !saved) return std::move(saved).error();
  }
  std::sort(places.begin(), places.end());
  Result<std::unique_ptr<OutputFile>> file = OutputFile::open(path);
  if (!file) return std::move(file).error();
  Lines lines(unordered);
  for (const Place& place : places) {
    Result<std::string_view> line = lines.at(place);
    if (!line) return std::move(line).error();
    if (Result<void> written = (*file)->write(*line); !written) return std::move(written).error();
  }
  if (Result<void> saved = (*file)->save(); !saved) return std::move(saved).error();
  writer.samples.checksum = (*file)->digest();
  return std::move(writer.samples);
}

}  // namespace assay::host::exporting::eee
