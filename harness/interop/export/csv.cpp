// Rows as CSV (RFC 4180), and the mapping file of the rows.
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/interop/export/rows.hpp"
#include "harness/interop/export/text.hpp"

namespace assay::host::exporting {
namespace {

constexpr const char* kFixed[] = {"task",
                                  "model",
                                  "id",
                                  "variant",
                                  "group",
                                  "label",
                                  "repeat",
                                  "state",
                                  "error",
                                  "message",
                                  "input",
                                  "target",
                                  "output",
                                  "other_outputs",
                                  "prompt_tokens",
                                  "completion_tokens",
                                  "latency_ms",
                                  "cached"};

/// Fields of one line.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) {}
  void absent() { next(); }
  void text(std::string_view value) {
    next();
    append_csv(value, out_);
  }
  void text_or_absent(std::string_view value) { value.empty() ? absent() : text(value); }
  void number(double value) { std::isfinite(value) ? (next(), append_json(value, out_)) : absent(); }
  void integer(std::int64_t value) {
    next();
    append_json(value, out_);
  }
  void count(std::int64_t value) { value > 0 ? integer(value) : absent(); }
  /// One text as it is, several as a JSON list.
  void texts(const std::vector<std::string>& values) {
    if (values.empty()) return absent();
    if (values.size() == 1) return text(values.front());
    std::string list;
    for (const std::string& value : values) {
      list += list.empty() ? '[' : ',';
      append_json(value, list);
    }
    text(list + "]");
  }
  void end() { out_ += "\r\n"; }

 private:
  void next() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  std::string& out_;
  bool first_ = true;
};

/// Texts beside the first request's, as a JSON object by request name.
std::string other_outputs(const ItemTexts& texts) {
  if (texts.outputs.size() < 2) return {};
  std::string out;
  for (std::size_t i = 1; i < texts.outputs.size(); ++i) {
    out += i == 1 ? '{' : ',';
    append_json(texts.outputs[i].name, out);
    out += ":[";
    for (std::size_t s = 0; s < texts.outputs[i].samples.size(); ++s) {
      if (s != 0) out += ',';
      append_json(texts.outputs[i].samples[s], out);
    }
    out += ']';
  }
  return out + "}";
}

}  // namespace

void append_csv_header(const std::vector<std::string>& columns, std::string& out) {
  Line line(out);
  for (const char* name : kFixed) line.text(name);
  for (const std::string& column : columns) {
    line.text("metric:" + column);
    line.text("state:" + column);
    line.text("note:" + column);
  }
  line.end();
}

void append_csv_row(const RowView& row, const std::vector<std::size_t>& places, std::string& out) {
  const ItemLine& item = row.item.line;
  const ItemTexts& texts = row.texts;
  Line line(out);
  line.text(row.of.recipe.name);
  line.text(row.of.model);
  line.text(item.item_id);
  line.text_or_absent(item.variant);
  line.text_or_absent(item.group);
  item.label < 0 ? line.absent() : line.integer(item.label);
  line.integer(item.repeat);
  line.text(state_name(item.state));
  line.text_or_absent(failed(item.state) ? texts.error : std::string());
  line.text_or_absent(failed(item.state) ? std::string() : texts.error);
  line.text(texts.input);
  line.texts(texts.targets);
  line.texts(texts.outputs.empty() ? std::vector<std::string>() : texts.outputs.front().samples);
  line.text_or_absent(other_outputs(texts));
  line.count(texts.tokens_in);
  line.count(texts.tokens_out);
  line.number(texts.latency_ns > 0 ? static_cast<double>(texts.latency_ns) / 1e6 : std::nan(""));
  line.text(texts.cached ? "true" : "false");
  for (const std::size_t place : places) {
    if (place == kNoColumn) {
      line.absent(), line.absent(), line.absent();
      continue;
    }
    const WholeScore& score = row.item.scores[place];
    line.number(score.present ? score.number : std::nan(""));
    line.text(score_state(row.item, score));
    line.text_or_absent(score.note);
  }
  line.end();
}

std::string mapping_json(const std::vector<std::string>& columns, const std::vector<std::string>& outputs,
                         bool csv) {
  nlohmann::ordered_json mapping;
  for (const char* name : {"task", "model", "id", "variant"}) mapping[name] = name;
  mapping["cluster"] = "group";
  for (const char* name : {"label", "repeat", "state", "error", "message", "input", "target", "output",
                           "prompt_tokens", "completion_tokens", "latency_ms", "cached"})
    mapping[name] = name;
  if (csv) mapping["other_outputs"] = "other_outputs";
  for (const std::string& output : outputs) mapping["output:" + output] = "output:" + output;
  for (const std::string& column : columns) {
    for (const char* prefix : {"metric:", "state:", "note:"}) mapping[prefix + column] = prefix + column;
  }
  return mapping.dump(1) + "\n";
}

}  // namespace assay::host::exporting
