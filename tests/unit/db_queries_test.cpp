#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "db/testing/fixture.hpp"

using namespace assay::host;
using assay::Code;
using assay::test::BatchBuilder;
using assay::test::code_of;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;

namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

}  // namespace

TEST_CASE("runs are found by id, uuid, label and age, and never by guessing", "[db]") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  REQUIRE(text_of(store) == "");
  {
    const auto empty = Reader::open(folder.file("a.db"));
    const auto none = (*empty)->find_run("latest");
    REQUIRE(code_of(none) == Code::kNotFound);
    CHECK(none.error().text.find("no run yet") != std::string::npos);
  }
  const std::string uuids[] = {"aaaa1111" + std::string(24, '0'), "aaaa2222" + std::string(24, '0'),
                               "bbbb3333" + std::string(24, '0'), "12340000" + std::string(24, '0')};
  std::vector<RowId> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(SmallRun(**store, i < 2 ? "nightly" : i == 2 ? "weekly" : "", uuids[i]).run);
  auto opened = Reader::open(folder.file("a.db"));
  Reader& reader = **opened;
  const auto id_of = [&](const std::string& name) {
    const auto found = reader.find_run(name);
    return found.ok() ? found->run.id : RowId{-1};
  };
  CHECK(id_of("latest") == ids[3]);
  CHECK(id_of("latest~0") == ids[3]);
  CHECK(id_of("latest~3") == ids[0]);
  CHECK(code_of(reader.find_run("latest~4")) == Code::kNotFound);
  CHECK(code_of(reader.find_run("latest~x")) == Code::kInvalidArgument);
  CHECK(code_of(reader.find_run("latest~-1")) == Code::kInvalidArgument);
  CHECK(id_of("latest:toy") == ids[3]);
  CHECK(id_of("latest:aaaa") == ids[3]);  // the model's fingerprint
  CHECK(code_of(reader.find_run("latest:nobody")) == Code::kNotFound);
  CHECK(id_of("2") == ids[1]);
  CHECK(id_of("aaaa1") == ids[0]);
  CHECK(id_of(uuids[2]) == ids[2]);
  CHECK(id_of("weekly") == ids[2]);
  CHECK(code_of(reader.find_run("bbb")) == Code::kNotFound);  // too short for a prefix
  CHECK(code_of(reader.find_run("")) == Code::kNotFound);
  CHECK(code_of(reader.find_run("bbbb3333%")) == Code::kNotFound);
  const auto typo = reader.find_run("weekli");
  REQUIRE(code_of(typo) == Code::kNotFound);
  CHECK(typo.error().text.find("did you mean 'weekly'") != std::string::npos);
  for (const std::string name : {"aaaa", "nightly"}) {
    CAPTURE(name);
    const auto ambiguous = reader.find_run(name);
    REQUIRE(code_of(ambiguous) == Code::kInvalidArgument);
    CHECK(ambiguous.error().text.find("2 runs") != std::string::npos);
    CHECK(ambiguous.error().text.find("aaaa1111") != std::string::npos);
    CHECK(ambiguous.error().text.find("aaaa2222") != std::string::npos);
    CHECK(ambiguous.error().text.find("bbbb") == std::string::npos);
  }
}

TEST_CASE("a metric's table is in task order with its gaps kept", "[db]") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  REQUIRE(text_of(store) == "");
  SmallRun small(**store), other(**store);
  BatchBuilder b;
  const auto add = [&](std::int64_t position, std::uint32_t repeat, const char* variant, const char* group,
                       int label, int state, double score, double hit) {
    ResultRow& row = b.result(small.evaluation, position, "item " + std::to_string(position), state);
    row.repeat = repeat;
    row.variant = variant;
    row.group = group;
    row.label = label;
    if (!std::isnan(score)) b.score(small.values[0].id, score, 0);
    if (!std::isnan(hit)) b.score(small.values[2].id, hit, 0);
    // Another run's rows in between must not appear.
    b.result(other.evaluation, position, "item " + std::to_string(position)).repeat = repeat;
    b.score(other.values[0].id, 99);
  };
  const double none = std::numeric_limits<double>::quiet_NaN();
  add(3, 0, "long", "beta", 1, 0, 0.3, 1);
  add(1, 1, "short", "alpha", 0, 0, 0.11, none);
  add(2, 0, "long", "", -1, 6, none, none);
  add(1, 0, "short", "alpha", 0, 0, 0.1, 0);
  add(4, 0, "short", "beta", 1, 0, none, none);
  REQUIRE(text_of((*store)->submit(b.done())) == "");
  REQUIRE(text_of((*store)->flush()) == "");
  auto reader = Reader::open(folder.file("a.db"));
  const auto table = (*reader)->metric_table(small.evaluation, small.metric);
  REQUIRE(text_of(table) == "");
  CHECK(table->values.size() == 3);
  CHECK(table->columns == std::vector<std::size_t>{0, 2});
  CHECK(table->positions == std::vector<std::uint64_t>{1, 1, 2, 3, 4});
  CHECK(table->repeats == std::vector<std::uint32_t>{0, 1, 0, 0, 0});
  CHECK(table->items == std::vector<std::uint64_t>{0, 0, 1, 2, 3});
  CHECK(table->labels == std::vector<std::int32_t>{0, 0, -1, 1, 1});
  CHECK(table->groups == std::vector<std::uint32_t>{0, 0, kNone, 1, 1});
  CHECK(table->variants == std::vector<std::uint32_t>{0, 0, 1, 1, 0});
  CHECK(table->variant_names == std::vector<std::string>{"short", "long"});
  CHECK(table->result_states == std::vector<std::uint8_t>{0, 0, 6, 0, 0});
  CHECK(table->score_states == std::vector<std::uint8_t>{0, 0, 6, 0, kNotScored});
  REQUIRE(table->numbers.size() == 10);
  const double expected[] = {0.1, 0, 0.11, none, none, none, 0.3, 1, none, none};
  for (std::size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    if (std::isnan(expected[i])) {
      CHECK(std::isnan(table->numbers[i]));
    } else {
      CHECK(table->numbers[i] == expected[i]);
    }
  }
  CHECK(std::isnan(table->values[0].max));
  CHECK(table->values[0].min == 0);
  CHECK(table->values[0].headline);
  CHECK(code_of((*reader)->metric_table(small.evaluation, other.metric)) == Code::kNotFound);
  CHECK(code_of((*reader)->metric_table(77, small.metric)) == Code::kNotFound);
}

TEST_CASE("the table of an evaluation without results is empty", "[db]") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  SmallRun small(**store);
  auto reader = Reader::open(folder.file("a.db"));
  const auto table = (*reader)->metric_table(small.evaluation, small.metric);
  REQUIRE(text_of(table) == "");
  CHECK(table->positions.empty());
  CHECK(table->numbers.empty());
  CHECK(table->columns.size() == 2);
}

TEST_CASE("readers see committed rows while the writer works, and cannot write", "[db]") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  SmallRun small(**store);
  auto reader = Reader::open(folder.file("a.db"));
  REQUIRE(text_of(reader) == "");
  CHECK((*reader)->runs()->front().results == 0);
  for (int i = 0; i < 3; ++i) {
    BatchBuilder b;
    b.result(small.evaluation, i, std::to_string(i));
    REQUIRE((*store)->submit(b.done()).ok());
    REQUIRE((*store)->flush().ok());
    CHECK((*reader)->runs()->front().results == i + 1);
  }
}

TEST_CASE("two stores in one process take turns and both finish", "[db]") {
  TempFolder folder;
  auto a = Store::open(folder.file("a.db"));
  auto b = Store::open(folder.file("a.db"));
  REQUIRE(text_of(b) == "");
  SmallRun one(**a), two(**b);
  REQUIRE((one.error + two.error).empty());
  for (int i = 0; i < 50; ++i) {
    for (const auto& [store, run] : {std::pair{a->get(), &one}, std::pair{b->get(), &two}}) {
      BatchBuilder batch;
      batch.response(run->model, "shared " + std::to_string(i), "x");
      batch.result(run->evaluation, i, std::to_string(i));
      batch.link("answer", "", 0);
      REQUIRE(text_of(store->submit(batch.done())) == "");
    }
  }
  REQUIRE(text_of((*a)->flush()) == "");
  REQUIRE(text_of((*b)->flush()) == "");
  auto reader = Reader::open(folder.file("a.db"));
  CHECK((*reader)->runs()->at(0).results == 50);
  CHECK((*reader)->runs()->at(1).results == 50);
  CHECK((*reader)->integrity()->empty());
}
