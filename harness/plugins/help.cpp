#include "harness/plugins/help.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/plugins/units.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kColumns = 100;

// A page: facts, then sections of named entries. The walk fills it, a printer prints it.
struct Entry {
  std::string name;
  std::string kind;                // "float", "model", "mean": what follows the name
  std::vector<std::string> facts;  // "default 0.5", "0 to 1"
  std::string doc;
};
struct Section {
  std::string title;
  std::vector<Entry> entries;
};
struct Page {
  std::string id, short_name, kind, title, doc;
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<Section> sections;
};

const char* type_name(int type) {
  switch (type) {
    case ASSAY_PARAM_BOOL:
      return "bool";
    case ASSAY_PARAM_INT:
      return "int";
    case ASSAY_PARAM_FLOAT:
      return "float";
    case ASSAY_PARAM_STRING:
      return "string";
    case ASSAY_PARAM_ENUM:
      return "enum";
    case ASSAY_PARAM_PATH:
      return "path";
    case ASSAY_PARAM_DURATION:
      return "duration";
    case ASSAY_PARAM_SIZE:
      return "size";
    case ASSAY_PARAM_STRING_LIST:
      return "list of strings";
    case ASSAY_PARAM_JSON:
      return "JSON";
    default:
      return "value";
  }
}

const char* rule_name(int rule) {
  switch (rule) {
    case ASSAY_RULE_NONE:
      return "kept per item, not aggregated";
    case ASSAY_RULE_PROPORTION:
      return "proportion";
    case ASSAY_RULE_MEAN:
      return "mean";
    case ASSAY_RULE_AUROC:
      return "AUROC against the item's label";
    case ASSAY_RULE_RATIO:
      return "ratio of sums";
    case ASSAY_RULE_EXP_MEAN:
      return "exp of the mean";
    case ASSAY_RULE_CUSTOM:
      return "computed over all items";
    default:
      return "unknown rule";
  }
}

std::string bound_text(double bound, int type) {
  const bool whole = std::floor(bound) == bound && std::fabs(bound) < 9e18;
  if (type == ASSAY_PARAM_DURATION && whole) return duration_text(static_cast<std::int64_t>(bound));
  if (type == ASSAY_PARAM_SIZE && whole) return size_text(static_cast<std::int64_t>(bound));
  return number_text(bound);
}

std::string range_text(double min, double max, int type) {
  if (std::isnan(min) && std::isnan(max)) return {};
  if (std::isnan(min)) return "at most " + bound_text(max, type);
  if (std::isnan(max)) return "at least " + bound_text(min, type);
  return bound_text(min, type) + " to " + bound_text(max, type);
}

// The default as a person would write it: without quotes, durations and sizes with a unit.
std::string default_text(const ParamSpec& param) {
  const Json value = Json::parse(param.default_json, nullptr, false);
  if (value.is_discarded()) return param.default_json;
  if (param.type == ASSAY_PARAM_DURATION || param.type == ASSAY_PARAM_SIZE) {
    const bool duration = param.type == ASSAY_PARAM_DURATION;
    std::int64_t number = 0;
    if (value.is_string()) {
      const std::string words = value.get<std::string>();
      const Result<std::int64_t> parsed = duration ? parse_duration(words) : parse_size(words);
      if (!parsed) return words;
      number = *parsed;
    } else if (value.is_number_integer()) {
      number = value.get<std::int64_t>();
    }
    return duration ? duration_text(number) : size_text(number);
  }
  if (value.is_string()) return value.get<std::string>().empty() ? "\"\"" : value.get<std::string>();
  return param.default_json;
}

Entry param_entry(const ParamSpec& param) {
  Entry entry{param.key, type_name(param.type), {}, param.doc};
  const auto fact = [&](std::string text) {
    if (!text.empty()) entry.facts.push_back(std::move(text));
  };
  if (param.has(ASSAY_PARAM_REQUIRED)) fact("required");
  if (!param.default_json.empty()) fact("default " + default_text(param));
  if (!param.choices.empty()) fact("one of " + join(param.choices, ", "));
  fact(range_text(param.min, param.max, param.type));
  if (!param.unit.empty()) fact("in " + param.unit);
  if (param.has(ASSAY_PARAM_SECRET)) fact("secret: name an environment variable");
  if (param.has(ASSAY_PARAM_AFFECTS_RESULT)) fact("affects results");
  if (param.has(ASSAY_PARAM_DEPRECATED)) {
    fact("deprecated" + (param.replacement.empty() ? std::string() : ", use " + param.replacement));
  }
  return entry;
}

Entry slot_entry(const SlotSpec& slot) {
  Entry entry{slot.key, "model", {"role " + slot.role}, slot.doc};
  if (slot.min_count != 1 || slot.max_count != 1) {
    std::string count = std::to_string(slot.min_count);
    if (slot.max_count == 0) count += " or more";
    if (slot.max_count > slot.min_count) count += " to " + std::to_string(slot.max_count);
    entry.facts.push_back(count + " models");
  }
  if (slot.requires_caps != 0) entry.facts.push_back("must offer " + capability_names(slot.requires_caps));
  if (!slot.same_tokenizer_as.empty()) entry.facts.push_back("same tokenizer as " + slot.same_tokenizer_as);
  return entry;
}

Entry value_entry(const ValueSpec& value) {
  Entry entry{value.name, rule_name(value.rule), {}, value.doc};
  if (value.headline()) entry.facts.emplace_back("headline");
  if (value.direction == ASSAY_HIGHER_IS_BETTER) entry.facts.emplace_back("higher is better");
  if (value.direction == ASSAY_LOWER_IS_BETTER) entry.facts.emplace_back("lower is better");
  if (!value.denominator.empty()) entry.facts.push_back("divided by " + value.denominator);
  if (std::string range = range_text(value.min, value.max, ASSAY_PARAM_FLOAT); !range.empty()) {
    entry.facts.push_back(std::move(range));
  }
  if (!value.unit.empty()) entry.facts.push_back("in " + value.unit);
  if ((value.flags & ASSAY_VALUE_NO_INTERVAL) != 0) entry.facts.emplace_back("no interval");
  if (!value.note.empty()) entry.doc += (entry.doc.empty() ? "(" : " (") + value.note + ")";
  return entry;
}

std::string flag_words(const PluginSpec& spec) {
  static constexpr std::pair<std::uint32_t, const char*> kFlags[] = {
      {ASSAY_FLAG_DETERMINISTIC, "deterministic"},
      {ASSAY_FLAG_BATCH_INVARIANT, "independent of batch composition"},
      {ASSAY_FLAG_NETWORK, "uses the network"},
      {ASSAY_FLAG_BLOCKS_ON_MODELS, "asks other models"},
      {ASSAY_FLAG_NEEDS_REFERENCE, "needs the retain_reference model's answers"},
      {ASSAY_FLAG_KEYED_BY_ITEM, "answers by item id, not by text"},
      {ASSAY_FLAG_BASELINE, "a model-free baseline"},
      {ASSAY_FLAG_POOL_VARIANTS, "aggregates over all variants together"},
      {ASSAY_FLAG_WRAPPER, "wraps other models"}};
  std::vector<std::string> words;
  for (const auto& [flag, word] : kFlags) {
    if (spec.has(flag)) words.emplace_back(word);
  }
  return join(words, ", ");
}

Page walk(const PluginSpec& spec) {
  static constexpr const char* kConcurrency[] = {"one thread for the whole library",
                                                 "one thread per instance", "any number of threads"};
  Page page{spec.id, spec.short_name(), kind_name(spec.kind), spec.title, spec.doc, {}, {}};
  const auto fact = [&](const char* name, std::string text) {
    if (!text.empty()) page.facts.emplace_back(name, std::move(text));
  };
  fact("id", spec.id);
  fact("version", spec.version);
  fact("licence", spec.licence);
  fact(spec.kind == ASSAY_MODEL ? "offers" : "needs",
       capability_names(spec.kind == ASSAY_MODEL ? spec.provides : spec.requires_caps));
  fact("properties", flag_words(spec));
  if (spec.concurrency >= 0 && spec.concurrency <= 2) fact("threads", kConcurrency[spec.concurrency]);
  if (spec.max_batch != 0) fact("batch", "at most " + std::to_string(spec.max_batch));
  if (spec.preferred_batch != 0) fact("preferred batch", std::to_string(spec.preferred_batch));

  Section params{"Parameters", {}}, slots{"Models it uses", {}}, values{"Values", {}};
  for (const ParamSpec& param : spec.params) params.entries.push_back(param_entry(param));
  for (const SlotSpec& slot : spec.slots) slots.entries.push_back(slot_entry(slot));
  for (const ValueSpec& value : spec.values) values.entries.push_back(value_entry(value));
  for (Section* section : {&params, &slots, &values}) {
    if (!section->entries.empty()) page.sections.push_back(std::move(*section));
  }
  return page;
}

// Breaks running text at blanks; line feeds of the text stay.
void put_wrapped(std::string& out, const std::string& text, std::size_t indent) {
  for (const std::string& line : split(trimmed(text), '\n')) {
    std::size_t column = 0;
    for (const std::string& word : split(trimmed(line), ' ')) {
      if (word.empty()) continue;
      if (column != 0 && column + 1 + word.size() > kColumns) {
        out += '\n';
        column = 0;
      }
      if (column == 0) {
        out.append(indent, ' ');
        column = indent;
      } else {
        out += ' ';
        ++column;
      }
      out += word;
      column += word.size();
    }
    out += '\n';
  }
}

// A cell or a line of markdown: no table or HTML syntax, no line feeds.
std::string markdown(const std::string& text) {
  std::string out;
  for (const char c : trimmed(text)) {
    if (c == '|' || c == '<' || c == '>' || c == '*' || c == '_' || c == '`') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string plugin_help_text(const PluginSpec& spec) {
  const Page page = walk(spec);
  std::string out =
      page.short_name + " (" + page.kind + ")" + (page.title.empty() ? "" : ": " + page.title) + "\n\n";
  if (!page.doc.empty()) {
    put_wrapped(out, page.doc, 0);
    out += '\n';
  }
  for (const auto& [name, text] : page.facts) put_wrapped(out, name + ": " + text, 2);
  for (const Section& section : page.sections) {
    out += "\n" + section.title + "\n";
    for (const Entry& entry : section.entries) {
      out += "  " + entry.name + "  <" + entry.kind + ">\n";
      if (!entry.facts.empty()) put_wrapped(out, "[" + join(entry.facts, "; ") + "]", 6);
      if (!entry.doc.empty()) put_wrapped(out, entry.doc, 6);
    }
  }
  return out;
}

std::string plugin_help_markdown(const PluginSpec& spec) {
  const Page page = walk(spec);
  std::string out = "# " + markdown(page.id) + "\n\n";
  out += "*" + page.kind + "*" + (page.title.empty() ? "" : ": " + markdown(page.title)) + "\n\n";
  if (!page.doc.empty()) out += std::string(trimmed(page.doc)) + "\n\n";
  out += "| | |\n|---|---|\n";
  for (const auto& [name, text] : page.facts) out += "| " + name + " | " + markdown(text) + " |\n";
  for (const Section& section : page.sections) {
    out += "\n## " + section.title + "\n\n| name | kind | | meaning |\n|---|---|---|---|\n";
    for (const Entry& entry : section.entries) {
      out += "| `" + entry.name + "` | " + markdown(entry.kind) + " | " + markdown(join(entry.facts, "; ")) +
             " | " + markdown(entry.doc) + " |\n";
    }
  }
  return out;
}

}  // namespace assay::host
