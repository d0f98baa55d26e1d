#include "plugins/tasks/planted_facts/probes.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "plugins/tasks/jsonl/json_rows.hpp"
#include "plugins/tasks/jsonl/json_values.hpp"

namespace assay::planted {
namespace {

/// Reads a row; the sentence says why it cannot be used.
std::optional<std::string> read_row(const rows::Object& row, Probe& probe) {
  std::string scratch;
  const auto text = [&](std::string_view key, std::string& where) {
    const auto value = rows::text_member(row, key, scratch);
    if (value) where = std::string(*value);
    return value.has_value() && !where.empty();
  };
  for (const auto& [key, where] : {std::pair<std::string_view, std::string*>{"fact_id", &probe.id},
                                   {"prompt", &probe.prompt},
                                   {"answer", &probe.answer},
                                   {"attribute", &probe.attribute}}) {
    if (!text(key, *where)) return "it has no '" + std::string(key) + "'; its keys are " + rows::keys_of(row);
  }
  const auto exposures = rows::member(row, "exposures");
  if (!exposures || exposures->get(probe.exposures) != simdjson::SUCCESS || probe.exposures < 0) {
    return "'exposures' is not a count";
  }
  const auto candidates = rows::member(row, "candidates");
  simdjson::dom::array list;
  if (!candidates || candidates->get(list) != simdjson::SUCCESS) return "'candidates' is not a list of texts";
  for (const rows::Element candidate : list) {
    const auto value = rows::text_of(candidate, scratch);
    if (!value) return "'candidates' is not a list of texts";
    probe.candidates.emplace_back(*value);
  }
  if (std::count(probe.candidates.begin(), probe.candidates.end(), probe.answer) != 1) {
    return "the answer '" + probe.answer + "' is not exactly once among the candidates";
  }
  probe.person = probe.id.substr(0, probe.id.rfind('.'));
  return std::nullopt;
}

}  // namespace

Result<Probes> read_probes(const std::string& path) {
  Result<rows::RowFile> file = rows::RowFile::open(path);
  if (!file) return std::move(file).error();
  Probes out;
  std::set<std::string> ids;
  std::map<std::string, std::set<std::string>> pools;
  simdjson::dom::parser parser;
  const Result<void> scanned = file->scan([&](std::string_view row, std::uint64_t line) {
    Probe probe;
    const Result<rows::Object> object = rows::parse_object(parser, row);
    auto bad = object ? read_row(*object, probe) : std::optional<std::string>(object.error().text);
    if (!bad && !ids.insert(probe.id).second) bad = "fact_id " + probe.id + " was used before";
    if (bad) {
      out.problems.push_back(path + ":" + std::to_string(line) + ": the row is left out: " + *bad);
      return false;
    }
    std::set<std::string>& pool = pools[probe.attribute];
    pool.insert(probe.answer);
    pool.insert(probe.candidates.begin(), probe.candidates.end());
    out.list.push_back(std::move(probe));
    return false;
  });
  if (!scanned) return scanned.error();
  for (const auto& [attribute, values] : pools) out.pools[attribute].assign(values.begin(), values.end());
  if (out.list.empty()) {
    return Error{
        Code::kData,
        "'" + path +
            "' holds no usable probe; expected lines with fact_id, prompt, answer, candidates, attribute "
            "and exposures" +
            (out.problems.empty() ? "" : "; first problem: " + out.problems.front()),
        {}};
  }
  return out;
}

std::string join_pool(const std::vector<std::string>& pool) {
  std::string text;
  for (const std::string& value : pool) {
    if (!text.empty()) text += '\n';
    text += value;
  }
  return text;
}

}  // namespace assay::planted
