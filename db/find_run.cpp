// What a user calls a run: an id, the beginning of a uuid, a label, latest, latest~N, latest:MODEL.
#include <algorithm>

#include "db/reader_impl.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::size_t kPrefixMin = 4;   ///< digits of a uuid, so that small numbers mean ids
constexpr std::int64_t kNamedMax = 10;  ///< named in a refusal

std::string describe(const RunSummary& summary) {
  const RunRow& run = summary.run;
  std::string text = std::to_string(run.id) + " (" + run.uuid.substr(0, 8);
  if (!run.label.empty()) text += ", '" + run.label + "'";
  return text + ", " + run.suite_name + ", " + run.started + ")";
}

Result<std::vector<RunSummary>> select(Connection& c, const std::string& tail, sqlite::Arguments arguments) {
  std::vector<RunSummary> rows;
  const std::string sql = std::string("SELECT ") + kRunColumns + " FROM run AS r " + tail;
  Result<void> done = c.each(sql, arguments, [&](const Statement& row) { rows.push_back(run_from(row)); });
  if (!done) return std::move(done).error();
  mark_abandoned(c, rows);
  return rows;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Error not_found(Connection& c, const std::string& name) {
  std::string text = "there is no run '" + name + "' in '" + c.path() + "'";
  std::vector<std::string> labels;
  (void)c.each("SELECT DISTINCT label FROM run WHERE label <> '' ORDER BY id DESC LIMIT 1000", {},
               [&](const Statement& row) { labels.push_back(row.string(0)); });
  text += did_you_mean(name, labels);
  Result<std::optional<std::int64_t>> count = c.number("SELECT count(*) FROM run");
  if (count && count->value_or(0) == 0) {
    text += "; the database holds no run yet";
  } else {
    text += "; 'assay list runs' shows them all";
  }
  return {Code::kNotFound, text, name};
}

/// latest, latest~N, latest:MODEL. Nothing when `name` has another form.
std::optional<Result<std::vector<RunSummary>>> latest(Connection& c, const std::string& name) {
  constexpr std::string_view kWord = "latest";
  if (!name.starts_with(kWord)) return std::nullopt;
  const std::string rest = name.substr(kWord.size());
  if (rest.empty()) return select(c, "ORDER BY r.id DESC LIMIT 1", {});
  if (rest[0] == ':') {
    const std::string model = rest.substr(1);
    return select(
        c,
        "WHERE r.id IN (SELECT e.run FROM evaluation AS e JOIN model AS m ON m.id = e.model WHERE "
        "e.model_name = ?1"
        " OR (length(?1) >= 4 AND substr(m.fingerprint, 1, length(?1)) = ?1)) ORDER BY r.id DESC LIMIT 1",
        {model});
  }
  if (rest[0] != '~') return std::nullopt;
  const std::optional<std::int64_t> back = parse_int(std::string_view(rest).substr(1));
  if (!back || *back < 0) {
    return Error{
        Code::kInvalidArgument,
        "'" + name +
            "' does not name a run: after 'latest~' comes how many runs to go back, such as latest~1",
        name};
  }
  return select(c, "ORDER BY r.id DESC LIMIT 1 OFFSET ?", {*back});
}

}  // namespace

Result<RunSummary> Reader::find_run(const std::string& name) {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  if (std::optional<Result<std::vector<RunSummary>>> newest = latest(c, name)) {
    if (!newest->ok()) return std::move(*newest).error();
    if ((*newest)->empty()) return not_found(c, name);
    return std::move((*newest)->front());
  }
  const std::int64_t id = parse_int(name).value_or(-1);
  const std::string prefix = name.size() >= kPrefixMin && name.size() <= 32 && is_hex(name) ? name : "none";
  Result<std::vector<RunSummary>> found = select(c,
                                                 "WHERE r.id = ?1 OR (r.label = ?2 AND ?2 <> '') OR (r.uuid "
                                                 ">= ?3 AND r.uuid < ?3 || 'g') ORDER BY r.id DESC",
                                                 {id, name, prefix});
  if (!found) return std::move(found).error();
  if (found->empty()) return not_found(c, name);
  if (found->size() == 1) return std::move(found->front());
  std::string text =
      "'" + name + "' names " + std::to_string(found->size()) + " runs in '" + c.path() + "': ";
  std::int64_t shown = 0;
  for (const RunSummary& run : *found) {
    if (shown == kNamedMax) {
      text += ", ...";
      break;
    }
    text += (shown++ == 0 ? "" : ", ") + describe(run);
  }
  return Error{Code::kInvalidArgument, text + "; use the id or a longer part of the uuid", name};
}

}  // namespace assay::host
