// A run to export, built row by row through the store, and its exports read back by other means.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "db/testing/fixture.hpp"
#include "harness/interop/export/export.hpp"

namespace assay::test {

using Json = nlohmann::json;

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// The lines of a JSONL text; every line must parse.
inline std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> rows;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

/// The small run of the database's tests in a file of its own, with helpers to fill it.
struct ExportBox {
  TempFolder folder;
  std::unique_ptr<host::Store> store;
  std::unique_ptr<SmallRun> small;
  BatchBuilder batch;
  std::int64_t requests = 0;

  ExportBox() {
    auto opened = host::Store::open(folder.file("a.db"));
    if (!opened) throw std::runtime_error(opened.error().text);
    store = std::move(*opened);
    small = std::make_unique<SmallRun>(*store, "boxed", std::string(32, 'a'));
    if (!small->error.empty()) throw std::runtime_error(small->error);
  }

  host::RowId value(std::size_t i) const { return small->values[i].id; }

  /// A result whose item is kept with this body.
  host::ResultRow& item(std::int64_t position, const std::string& id, const std::string& body,
                        int state = 0) {
    const host::RowId row = (host::RowId{7} << 32) | position;
    batch.batch().items.push_back({row, 1, batch.keep(body)});
    host::ResultRow& result = batch.result(small->evaluation, position, id, state);
    result.item = row;
    return result;
  }
  /// A request of the last result and its answer, as stored JSON.
  void exchange(const std::string& name, const std::string& request, const std::string& answer, int state = 0,
                int kind = 1, bool cached = false) {
    const std::int64_t index =
        batch.response(small->model, "key " + std::to_string(requests++), answer, state);
    batch.batch().responses.back().request = batch.keep(request);
    batch.batch().responses.back().kind = kind;
    batch.link(name, "", index);
    batch.batch().links.back().cached = cached;
  }
  void close() {
    const auto end = [](const Result<void>& done) {
      if (!done) throw std::runtime_error(done.error().text);
    };
    end(store->submit(batch.done()));
    batch = BatchBuilder();
    end(store->flush());
  }

  Result<host::exporting::ExportSummary> run(host::exporting::ExportOptions options) {
    auto reader = host::Reader::open(folder.file("a.db"));
    if (!reader) return std::move(reader).error();
    auto found = (*reader)->find_run("boxed");
    if (!found) return std::move(found).error();
    return host::exporting::export_run(**reader, *found, options);
  }
  /// The export as a text; the error's text when there is none.
  std::string rows(const std::string& format) {
    host::exporting::ExportOptions options;
    options.format = format;
    options.out = folder.file("rows." + format).string();
    const auto done = run(options);
    return done ? slurp(options.out) : done.error().text;
  }
};

inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace assay::test
