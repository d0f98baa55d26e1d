#include <catch2/catch_test_macros.hpp>

#include "db/migrate.hpp"
#include "db/testing/fixture.hpp"

using namespace assay::host;
using assay::Code;
using assay::test::code_of;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;
using sqlite::Connection;
using sqlite::Mode;

namespace {

std::unique_ptr<Connection> connect(const std::filesystem::path& file) {
  auto made = Connection::open(file, Mode::kReadWrite, 1000);
  REQUIRE(text_of(made) == "");
  return std::move(*made);
}

std::int64_t number(Connection& c, const char* sql) {
  const auto found = c.number(sql);
  REQUIRE(text_of(found) == "");
  return found->value_or(-1);
}

}  // namespace

TEST_CASE("the migrations of this build are numbered without gaps", "[db]") {
  const auto steps = migrations();
  REQUIRE_FALSE(steps.empty());
  for (std::size_t i = 0; i < steps.size(); ++i) CHECK(steps[i].version == static_cast<int>(i) + 1);
  CHECK(newest_schema() == steps.back().version);
}

TEST_CASE("an empty file becomes a database of the newest schema", "[db]") {
  TempFolder folder;
  std::FILE* empty = std::fopen(folder.file("a.db").c_str(), "w");
  REQUIRE(empty != nullptr);
  REQUIRE(std::fclose(empty) == 0);
  REQUIRE(text_of(Store::open(folder.file("a.db"))) == "");
  const auto c = connect(folder.file("a.db"));
  CHECK(number(*c, "PRAGMA user_version") == newest_schema());
  CHECK(number(*c, "PRAGMA application_id") == kApplicationId);
  // Every table the program made is STRICT.
  CHECK(
      number(*c,
             "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0"
             " AND name NOT LIKE 'sqlite%'") == 0);
  CHECK(number(*c, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table'") > 15);
  // Every view can be read.
  std::vector<std::string> views;
  REQUIRE(
      c->each("SELECT name FROM sqlite_schema WHERE type = 'view'", {}, [&](const sqlite::Statement& row) {
         views.push_back(row.string(0));
       }).ok());
  CHECK(views.size() == 7);
  for (const std::string& view : views) {
    CAPTURE(view);
    CHECK(number(*c, ("SELECT count(*) FROM " + view).c_str()) == 0);
  }
  // No backup of nothing.
  CHECK_FALSE(std::filesystem::exists(folder.file("a.db.schema0.backup")));
}

TEST_CASE("STRICT tables refuse a value of another type", "[db]") {
  TempFolder folder;
  REQUIRE(Store::open(folder.file("a.db")).ok());
  const auto c = connect(folder.file("a.db"));
  CHECK(code_of(c->execute("INSERT INTO state (id, name) VALUES (9, x'00')")) == Code::kInvalidArgument);
}

TEST_CASE("an existing database is backed up before its schema changes", "[db]") {
  TempFolder folder;
  const Migration first[] = {{1, "CREATE TABLE t (x INTEGER) STRICT; INSERT INTO t VALUES (1)"}};
  const Migration both[] = {first[0], {2, "ALTER TABLE t ADD COLUMN y INTEGER; UPDATE t SET y = 2"}};
  const auto c = connect(folder.file("a.db"));
  REQUIRE(text_of(migrate(*c, first)) == "");
  CHECK(number(*c, "PRAGMA user_version") == 1);
  const std::filesystem::path backup = folder.file("a.db.schema1.backup");
  CHECK_FALSE(std::filesystem::exists(backup));
  REQUIRE(text_of(migrate(*c, both)) == "");
  CHECK(number(*c, "PRAGMA user_version") == 2);
  CHECK(number(*c, "SELECT y FROM t") == 2);
  REQUIRE(std::filesystem::exists(backup));
  const auto old = connect(backup);
  CHECK(number(*old, "PRAGMA user_version") == 1);
  CHECK(number(*old, "PRAGMA application_id") == kApplicationId);
  CHECK(number(*old, "SELECT x FROM t") == 1);
  CHECK(number(*old, "SELECT count(*) FROM pragma_table_info('t')") == 1);
  REQUIRE(text_of(migrate(*c, both)) == "");  // nothing left to do, no second backup
  CHECK_FALSE(std::filesystem::exists(backup.string() + ".2"));
}

TEST_CASE("a migration that fails leaves the file at the version before it", "[db]") {
  TempFolder folder;
  const Migration steps[] = {{1, "CREATE TABLE t (x INTEGER) STRICT"},
                             {2, "CREATE TABLE u (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)"}};
  const auto c = connect(folder.file("a.db"));
  const auto failed = migrate(*c, steps);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().text.find("version 2") != std::string::npos);
  CHECK(number(*c, "PRAGMA user_version") == 1);
  CHECK(number(*c, "SELECT count(*) FROM sqlite_schema WHERE name = 'u'") == 0);
}

TEST_CASE("a newer schema and the databases of other programs are refused and left alone", "[db]") {
  TempFolder folder;
  {
    REQUIRE(Store::open(folder.file("newer.db")).ok());
    const auto c = connect(folder.file("newer.db"));
    REQUIRE(c->execute("PRAGMA user_version = 999").ok());
  }
  const auto newer = Store::open(folder.file("newer.db"));
  REQUIRE(code_of(newer) == Code::kData);
  CHECK(newer.error().text.find("999") != std::string::npos);
  CHECK(code_of(Reader::open(folder.file("newer.db"))) == Code::kData);

  {
    const auto c = connect(folder.file("foreign.db"));
    REQUIRE(c->execute("PRAGMA application_id = 77; CREATE TABLE t (x)").ok());
  }
  const auto foreign = Store::open(folder.file("foreign.db"));
  REQUIRE(code_of(foreign) == Code::kData);
  CHECK(foreign.error().text.find("another program") != std::string::npos);
  CHECK(code_of(Reader::open(folder.file("foreign.db"))) == Code::kData);
  CHECK_FALSE(std::filesystem::exists(folder.file("foreign.db.lock")));

  {
    const auto c = connect(folder.file("plain.db"));  // no application id at all
    REQUIRE(c->execute("CREATE TABLE t (x)").ok());
  }
  CHECK(code_of(Store::open(folder.file("plain.db"))) == Code::kData);
  const auto c = connect(folder.file("plain.db"));
  CHECK(number(*c, "SELECT count(*) FROM sqlite_schema") == 1);
}

TEST_CASE("a database of the first schema is brought up to date with its rows, and a copy is kept", "[db]") {
  TempFolder folder;
  const auto file = folder.file("old.db");
  {
    const auto c = connect(file);
    REQUIRE(text_of(c->execute("PRAGMA journal_mode = WAL")) == "");
    REQUIRE(text_of(migrate(*c, migrations().first(1))) == "");
    REQUIRE(
        text_of(c->execute(
            "INSERT INTO run (id, uuid, label, suite_name, suite_path, suite_sha256, suite_text, "
            "command_line, plan,"
            " versions, machine, seed, repeats, started, status) VALUES (1, "
            "'0123456789abcdef0123456789abcdef', 'old',"
            " 's', 'p', 'h', 't', 'assay run', '{}', '{}', '{}', 7, 1, '2026-01-01T00:00:00Z', 'complete');"
            "INSERT INTO model VALUES (1, 'f', 'm', 'm()', 'p.m', 0, '{}');"
            "INSERT INTO recipe VALUES (1, 1, 'r', 'task', 'p.t', '{}', 'd', '\"all\"');"
            "INSERT INTO metric VALUES (1, 1, 'x', 'p.x', '1', 'l', '{}', 0, 0);"
            "INSERT INTO value VALUES (1, 1, 0, 'score', '', '', '', '', 2, 1, 1, 0, 0.0, 1.0);"
            "INSERT INTO evaluation (id, run, recipe, model, model_name, planned_items, status, reason, "
            "prompt_hash, n_ok)"
            " VALUES (1, 1, 1, 1, 'm', 1, 'complete', '', 'ph', 1);"
            "INSERT INTO response VALUES (1, 1, 1, 1, 0, 0, 3, 4, 5, 1, 1700000000, zeroblob(32), NULL, NULL,"
            " '{\"choices\":[]}', NULL, '{}');"
            "INSERT INTO result VALUES ((1 << 32), 1, 0, 0, 0, 1, '', NULL, 42, 'item', NULL);"
            "INSERT INTO request_name VALUES (1, 'answer', '');"
            "INSERT INTO result_response VALUES ((1 << 32), 0, 1, 1);"
            "INSERT INTO score VALUES (1, (1 << 32), 0.5, 0, NULL);"
            "INSERT INTO aggregate VALUES (1, 1, '', 'mean', 0, 0.5, 0.1, 0.4, 0.6, 'm', '', '', 1, 1, 0, 0, "
            "1, NULL, NULL,"
            " 1, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 7, 0);")) == "");
  }
  auto before = Reader::open(file);
  CHECK(code_of(before) == Code::kData);  // readers do not change the file; they say what does
  {
    auto store = Store::open(file);
    REQUIRE(text_of(store) == "");
  }
  CHECK(std::filesystem::exists(folder.file("old.db.schema1.backup")));
  auto reader = Reader::open(file);
  REQUIRE(text_of(reader) == "");
  CHECK(*(*reader)->schema_version() == newest_schema());
  const auto run = (*reader)->find_run("old");
  REQUIRE(text_of(run) == "");
  CHECK(run->run.origin == "run");
  CHECK(run->run.identity.empty());
  const auto lines = (*reader)->aggregates(1);
  REQUIRE(lines->size() == 1);
  CHECK(lines->front().row.estimate == 0.5);
  int seen = 0;
  REQUIRE((*reader)
              ->each_item(
                  1,
                  [&](const ItemView& item) {
                    CHECK(item.item == 0);  // items were not kept then
                    CHECK(item.body.empty());
                    CHECK(item.content == 42);
                    ++seen;
                    return true;
                  },
                  true)
              .ok());
  CHECK(seen == 1);
  CHECK((*reader)->responses(std::int64_t{1} << 32)->size() == 1);
  CHECK((*reader)->integrity()->empty());
}
