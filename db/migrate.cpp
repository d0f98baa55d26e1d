#include "db/migrate.hpp"

#include <string>
#include <system_error>

namespace assay::host {
namespace {

Error foreign(const std::string& path, std::int64_t id) {
  return {Code::kData,
          "the file '" + path + "' is an SQLite database of another program (application id " +
              std::to_string(id) + ", assay writes " + std::to_string(kApplicationId) +
              "); choose another file with --db",
          path};
}

/// Copies the database beside itself, under a name that is not taken.
Result<void> back_up(sqlite::Connection& connection, int version) {
  const std::string base = connection.path() + ".schema" + std::to_string(version) + ".backup";
  std::string target = base;
  std::error_code ignored;
  for (int i = 2; std::filesystem::exists(target, ignored); ++i) target = base + "." + std::to_string(i);
  Result<std::int64_t> done = connection.run("VACUUM INTO ?", {target});
  if (!done) {
    return std::move(done.error()).within("the backup '" + target + "' before changing the schema");
  }
  return {};
}

Result<void> apply(sqlite::Connection& connection, const Migration& step) {
  Result<void> done = connection.execute("BEGIN IMMEDIATE");
  if (done) done = connection.execute(step.sql);
  const std::string mark = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                           "; PRAGMA user_version = " + std::to_string(step.version) + "; COMMIT";
  if (done) done = connection.execute(mark.c_str());
  if (!done) {
    (void)connection.execute("ROLLBACK");
    return std::move(done.error()).within("changing the schema to version " + std::to_string(step.version));
  }
  return {};
}

}  // namespace

int newest_schema() {
  return migrations().back().version;
}

Result<int> check_schema(sqlite::Connection& connection, int newest) {
  const std::string& path = connection.path();
  Result<std::optional<std::int64_t>> application = connection.number("PRAGMA application_id");
  if (!application) return std::move(application).error();
  Result<std::optional<std::int64_t>> version = connection.number("PRAGMA user_version");
  if (!version) return std::move(version).error();
  Result<std::optional<std::int64_t>> tables = connection.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::move(tables).error();
  const std::int64_t id = application->value_or(0), number = version->value_or(0);
  if (id == 0 && number == 0 && tables->value_or(0) == 0) return 0;
  if (id != kApplicationId) {
    return foreign(path, id);
  }
  if (number > newest) {
    return Error{Code::kData,
                 "the database '" + path + "' has schema version " + std::to_string(number) +
                     ", written by a newer assay; this one knows versions up to " + std::to_string(newest) +
                     ": update assay or choose another file with --db",
                 path};
  }
  if (number < 1) {
    return Error{Code::kData,
                 "the database '" + path + "' has schema version " + std::to_string(number) +
                     ", which assay never writes; the file is damaged, use a backup",
                 path};
  }
  return static_cast<int>(number);
}

Result<void> migrate(sqlite::Connection& connection, std::span<const Migration> steps) {
  Result<int> found = check_schema(connection, steps.back().version);
  if (!found) return std::move(found).error();
  const int start = *found;
  if (start == steps.back().version) return {};
  if (start > 0) {
    Result<void> saved = back_up(connection, start);
    if (!saved) return saved;
  }
  for (const Migration& step : steps) {
    if (step.version <= start) continue;
    Result<void> done = apply(connection, step);
    if (!done) return done;
  }
  return {};
}

Result<void> check_file(const std::filesystem::path& file, bool may_be_missing) {
  namespace fs = std::filesystem;
  const std::string name = file.string();
  std::error_code failed;
  const fs::file_status status = fs::status(file, failed);
  if (!fs::exists(status)) {
    if (!may_be_missing) {
      return Error{
          Code::kNotFound,
          "there is no database '" + name + "'; 'assay run' creates one, or name another file with --db",
          name};
    }
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    if (fs::is_directory(folder, failed)) return {};
    return Error{Code::kNotFound,
                 "the database '" + name + "' cannot be created because the folder '" + folder.string() +
                     "' does not exist; create it or choose another file with --db",
                 name};
  }
  if (fs::is_directory(status)) {
    return Error{Code::kData, "'" + name + "' is a folder, not a database file; name a file with --db", name};
  }
  constexpr std::uintmax_t kPageMin =
      512;  // SQLite takes a file without one whole page for an empty database
  const std::uintmax_t size = fs::file_size(file, failed);
  if (!failed && size != 0 && size < kPageMin) {
    return Error{Code::kData,
                 "the file '" + name + "' is not an SQLite database; choose another file with --db", name};
  }
  if (size == 0) {
    if (may_be_missing) return {};  // an empty file becomes a database
    return Error{Code::kData,
                 "the file '" + name +
                     "' is empty, not a database; 'assay run' makes one of it, or name another file "
                     "with --db",
                 name};
  }
  // The header is read through SQLite's own file: a process that closes any other descriptor of a file loses
  // all its locks on it, also those that SQLite holds for another connection of this process. Only the
  // header: what is in the log does not show in the file itself, so nothing more of it can be judged without
  // the log.
  Result<std::string> header = sqlite::read_header(file);
  if (!header) return std::move(header).error();
  std::int64_t application = 0;
  for (std::size_t i = 68; i < 72; ++i)
    application = application << 8 | static_cast<unsigned char>((*header)[i]);
  if (header->compare(0, 16, std::string_view("SQLite format 3\0", 16)) != 0) {
    return Error{Code::kData,
                 "the file '" + name + "' is not an SQLite database; choose another file with --db", name};
  }
  // 0 while the first transaction is in the log only.
  if (application != 0 && application != kApplicationId) return foreign(name, application);
  return {};
}

}  // namespace assay::host
