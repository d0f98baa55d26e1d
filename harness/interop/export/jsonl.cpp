// Rows as JSON lines.
#include <cmath>

#include "assay/plugin.h"
#include "harness/interop/export/rows.hpp"
#include "harness/interop/export/text.hpp"

namespace assay::host::exporting {
namespace {

void key(const char* name, std::string& out) {
  out += ",\"";
  out += name;
  out += "\":";
}

void text(const char* name, std::string_view value, std::string& out) {
  key(name, out);
  append_json(value, out);
}

void text_or_null(const char* name, std::string_view value, std::string& out) {
  key(name, out);
  if (value.empty()) {
    out += "null";
  } else {
    append_json(value, out);
  }
}

/// 0 stands for unknown.
void count_or_null(const char* name, std::int64_t value, std::string& out) {
  key(name, out);
  if (value <= 0) {
    out += "null";
  } else {
    append_json(value, out);
  }
}

/// null, one text, or a list of texts.
void append_texts(const std::vector<std::string>& values, std::string& out) {
  if (values.empty()) {
    out += "null";
  } else if (values.size() == 1) {
    append_json(values.front(), out);
  } else {
    for (std::size_t i = 0; i < values.size(); ++i) {
      out += i == 0 ? '[' : ',';
      append_json(values[i], out);
    }
    out += ']';
  }
}

void prefixed_key(const char* prefix, const std::string& name, std::string& out) {
  out += ',';
  append_json(prefix + name, out);
  out += ':';
}

void append_scores(const RowView& row, std::string& out) {
  for (std::size_t i = 0; i < row.of.columns.size(); ++i) {
    const WholeScore& score = row.item.scores[i];
    const std::string& name = row.of.columns[i].name;
    const bool number = score.present && std::isfinite(score.number);
    prefixed_key("metric:", name, out);
    append_json(number ? score.number : std::nan(""), out);
    if (!number || score.state != ASSAY_STATE_OK) {
      prefixed_key("state:", name, out);
      append_json(std::string_view(score_state(row.item, score)), out);
    }
    if (!score.note.empty()) {
      prefixed_key("note:", name, out);
      append_json(score.note, out);
    }
  }
}

}  // namespace

const char* score_state(const WholeItem& item, const WholeScore& score) {
  if (!score.present) return item.line.state == ASSAY_STATE_OK ? "not_scored" : state_name(item.line.state);
  if (!std::isfinite(score.number) && score.state == ASSAY_STATE_OK) return "non_finite";
  return state_name(score.state);
}

bool failed(int state) {
  return state == ASSAY_STATE_ERROR || state == ASSAY_STATE_TIMEOUT;
}

void append_jsonl(const RowView& row, std::string& out) {
  const ItemLine& line = row.item.line;
  out += "{\"task\":";
  append_json(row.of.recipe.name, out);
  text("model", row.of.model, out);
  text("id", line.item_id, out);
  text_or_null("variant", line.variant, out);
  text_or_null("group", line.group, out);
  key("label", out);
  if (line.label < 0) {
    out += "null";
  } else {
    append_json(std::int64_t{line.label}, out);
  }
  key("repeat", out);
  append_json(std::int64_t{line.repeat}, out);
  text("state", state_name(line.state), out);
  text_or_null("error", failed(line.state) ? row.texts.error : std::string(), out);
  text_or_null("message", failed(line.state) ? std::string() : row.texts.error, out);
  text("input", row.texts.input, out);
  key("target", out);
  append_texts(row.texts.targets, out);
  key("output", out);
  append_texts(row.texts.outputs.empty() ? std::vector<std::string>() : row.texts.outputs.front().samples,
               out);
  for (std::size_t i = 1; i < row.texts.outputs.size(); ++i) {
    prefixed_key("output:", row.texts.outputs[i].name, out);
    append_texts(row.texts.outputs[i].samples, out);
  }
  count_or_null("prompt_tokens", row.texts.tokens_in, out);
  count_or_null("completion_tokens", row.texts.tokens_out, out);
  key("latency_ms", out);
  append_json(row.texts.latency_ns > 0 ? static_cast<double>(row.texts.latency_ns) / 1e6 : std::nan(""), out);
  key("cached", out);
  out += row.texts.cached ? "true" : "false";
  append_scores(row, out);
  out += "}\n";
}

}  // namespace assay::host::exporting
