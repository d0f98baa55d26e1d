// What an imported batch left open: the lines of its input that have no answer in the run.
#include <simdjson.h>

#include <fstream>
#include <unordered_set>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/export/batch_parts.hpp"

namespace assay::host::exporting {
namespace {

using Answered = std::unordered_set<Key128, KeyHash>;

/// Every way in which a custom_id can name an item that has an answer.
Result<Answered> answered_ids(const Task& task) {
  Answered ids;
  for (const Selected& one : task.selected) {
    Result<void> done =
        task.reader.each_whole(one.row.id, {}, false, [&](const WholeItem& item) -> Result<bool> {
          if (!servable(item.line.state)) return true;
          ids.insert(fast_key(batch_id(one.recipe.name, item.line.item_id, item.line.repeat)));
          ids.insert(fast_key(item.line.item_id));  // a batch that was not written by this program
          return true;
        });
    if (!done) return std::move(done).error();
  }
  return ids;
}

}  // namespace

Result<void> export_unanswered(const Task& task) {
  const std::string& path = task.options.requests;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Error{Code::kNotFound, "cannot open the batch input '" + path + "' that --requests names",
                 "requests"};
  }
  Result<Answered> answered = answered_ids(task);
  if (!answered) return std::move(answered).error();
  Parts parts(task, task.selected.front().model);
  simdjson::dom::parser parser;
  std::int64_t lines = 0;
  std::string line;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (trimmed(line).empty()) continue;
    ++lines;
    std::string_view id;
    simdjson::dom::element tree;
    if (parser.parse(line).get(tree) != simdjson::SUCCESS || tree["custom_id"].get(id) != simdjson::SUCCESS) {
      return Error{Code::kData,
                   path + ":" + std::to_string(number) + ": expected a JSON object with a text custom_id",
                   "requests"};
    }
    if (answered->contains(fast_key(id))) continue;
    if (Result<void> done = parts.write(line += '\n'); !done) return done;
    ++task.summary.rows;
  }
  if (in.bad()) return Error{Code::kResourceExhausted, "reading '" + path + "' failed", "requests"};
  if (Result<void> done = parts.finish(); !done) return done;
  if (task.summary.rows == 0)
    return nothing(task, "all " + std::to_string(lines) + " requests of '" + path + "' have an answer");
  task.summary.notes.push_back(std::to_string(lines - task.summary.rows) + " of " + std::to_string(lines) +
                               " requests of '" + path + "' have an answer and are left out");
  return {};
}

}  // namespace assay::host::exporting
