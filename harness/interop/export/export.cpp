#include "harness/interop/export/export.hpp"

#include <algorithm>

#include "harness/base/strings.hpp"
#include "harness/interop/export/file.hpp"
#include "harness/interop/export/formats.hpp"
#include "harness/interop/export/rows.hpp"

namespace assay::host::exporting {
namespace {

Error invalid(const std::string& text) {
  return {Code::kInvalidArgument, text, {}};
}

Result<void> check(const ExportOptions& options) {
  const std::vector<std::string>& known = formats();
  if (options.format.empty()) return invalid("export needs --as FORMAT, one of " + join(known, ", "));
  if (std::find(known.begin(), known.end(), options.format) == known.end()) {
    return invalid("--as " + options.format + ": unknown format" + did_you_mean(options.format, known) +
                   "; known are " + join(known, ", "));
  }
  if (!options.requests.empty() && !options.only_missing)
    return invalid("--requests belongs to --as batch --only missing");
  const bool rows = options.format == "jsonl" || options.format == "csv";
  if (options.only_missing && options.format != "batch")
    return invalid("--only missing belongs to --as batch");
  if (!rows && !options.mapping.empty()) return invalid("--mapping belongs to --as jsonl and --as csv");
  if (options.format == "eee" && options.out == "-")
    return invalid("--as eee writes several files: --out must name a folder");
  static const std::vector<std::string> kRelationships = {"first_party", "third_party", "collaborative",
                                                          "other"};
  if (std::find(kRelationships.begin(), kRelationships.end(), options.relationship) == kRelationships.end()) {
    return invalid("--relationship " + options.relationship + ": expected one of " +
                   join(kRelationships, ", ") + did_you_mean(options.relationship, kRelationships));
  }
  if (options.lines_max < 1 || options.bytes_max < 1)
    return invalid("the limits of a batch file must be at least 1");
  return {};
}

/// The columns of all tasks, each name once, in the order of the run.
std::vector<std::string> all_columns(const std::vector<Selected>& selected) {
  std::vector<std::string> names;
  for (const Selected& one : selected) {
    for (const Column& column : one.columns) {
      if (std::find(names.begin(), names.end(), column.name) == names.end()) names.push_back(column.name);
    }
  }
  return names;
}

/// Where a task keeps each column of the file; kNoColumn when it has none of that name.
std::vector<std::size_t> places_of(const std::vector<std::string>& names,
                                   const std::vector<Column>& columns) {
  std::vector<std::size_t> places(names.size(), kNoColumn);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), columns[i].name);
    places[static_cast<std::size_t>(found - names.begin())] = i;
  }
  return places;
}

}  // namespace

const std::vector<std::string>& formats() {
  static const std::vector<std::string> kFormats = {"jsonl", "csv", "eee", "batch"};
  return kFormats;
}

std::string folder_of(const Task& task) {
  if (!task.options.out.empty()) return task.options.out;
  return task.options.format + "-" + task.run.run.uuid.substr(0, 8);
}

Error nothing(const Task& task, const std::string& why) {
  return invalid("nothing to export from run " + task.run.run.uuid.substr(0, 8) + ": " + why);
}

Result<void> export_rows(const Task& task, bool csv) {
  std::int64_t results = 0;
  for (const Selected& one : task.selected) results += one.row.results();
  if (results == 0) {
    return nothing(
        task, task.run.results == 0 ? "it has no results" : "the chosen tasks and models have no results");
  }
  Result<std::unique_ptr<OutputFile>> opened =
      OutputFile::open(task.options.out.empty() ? "-" : task.options.out);
  if (!opened) return std::move(opened).error();
  OutputFile& file = **opened;
  const std::vector<std::string> columns = all_columns(task.selected);
  std::string line;
  if (csv) append_csv_header(columns, line);
  std::vector<std::string> outputs;
  const auto learn_outputs = [&](const ItemTexts& item) {
    for (std::size_t i = 1; !csv && i < item.outputs.size(); ++i) {
      const std::string& name = item.outputs[i].name;
      if (std::find(outputs.begin(), outputs.end(), name) == outputs.end()) outputs.push_back(name);
    }
  };
  ItemTextReader texts;
  for (const Selected& one : task.selected) {
    const std::vector<std::size_t> places = places_of(columns, one.columns);
    Result<void> done = task.reader.each_whole(
        one.row.id, value_ids(one.columns), true, [&](const WholeItem& item) -> Result<bool> {
          Result<const ItemTexts*> read = texts.read(item, one.row.model);
          if (!read) return std::move(read).error();
          const RowView row{one, item, **read};
          learn_outputs(**read);
          csv ? append_csv_row(row, places, line) : append_jsonl(row, line);
          if (Result<void> written = file.write(line); !written) return std::move(written).error();
          line.clear();
          ++task.summary.rows;
          return true;
        });
    if (!done) return std::move(done).error().within("task '" + one.recipe.name + "'");
    const std::int64_t open = one.row.planned_items - one.row.results();
    if (one.row.planned_items >= 0 && open > 0) {
      task.summary.notes.push_back(
          "task '" + one.recipe.name + "', model '" + one.model + "': " + std::to_string(open) + " of " +
          std::to_string(one.row.planned_items) + " planned items have no result and no row");
    }
  }
  if (Result<void> saved = file.save(); !saved) return saved;
  task.summary.files.push_back(file.path());
  if (task.options.mapping.empty()) return {};
  Result<std::unique_ptr<OutputFile>> mapping = OutputFile::open(task.options.mapping);
  if (!mapping) return std::move(mapping).error();
  if (Result<void> written = (*mapping)->write(mapping_json(columns, outputs, csv)); !written) return written;
  if (Result<void> saved = (*mapping)->save(); !saved) return saved;
  task.summary.files.push_back(task.options.mapping);
  return {};
}

Result<ExportSummary> export_run(Reader& reader, const RunSummary& run, const ExportOptions& options) {
  if (Result<void> fine = check(options); !fine) return std::move(fine).error();
  Result<std::vector<Selected>> selected = select(reader, run, options);
  if (!selected) return std::move(selected).error();
  ExportSummary summary;
  const Task task{reader, run, options, *selected, summary};
  Result<void> done = options.format == "eee"     ? export_eee(task)
                      : options.format == "batch" ? export_batch(task)
                                                  : export_rows(task, options.format == "csv");
  if (!done) return std::move(done).error();
  return summary;
}

}  // namespace assay::host::exporting
