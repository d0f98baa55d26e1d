#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "db/testing/fixture.hpp"

using namespace assay::host;
using assay::Code;
using assay::test::BatchBuilder;
using assay::test::code_of;
using assay::test::key_of;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Opened {
  TempFolder folder;
  std::filesystem::path file = folder.file("a.db");
  std::unique_ptr<Store> store;
  Opened() {
    auto made = Store::open(file);
    REQUIRE(text_of(made) == "");
    store = std::move(*made);
  }
  std::unique_ptr<Reader> reader() {
    auto made = Reader::open(file);
    REQUIRE(text_of(made) == "");
    return std::move(*made);
  }
};

}  // namespace

TEST_CASE("every row comes back as it was written", "[db]") {
  Opened db;
  RunRow run;
  run.uuid = std::string(32, 'c');
  run.label = "nightly";
  run.suite_name = "suite";
  run.suite_path = "a/b.toml";
  run.suite_sha256 = "dd";
  run.suite_text = std::string("with a \0 inside", 15);
  run.command_line = "assay run";
  run.plan_json = "{}";
  run.versions_json = "{\"v\":1}";
  run.machine_json = "{\"cpu\":2}";
  run.seed = std::numeric_limits<std::uint64_t>::max();
  run.repeats = 8;
  run.started = "2024-01-02T03:04:05.678Z";
  const auto id = db.store->begin_run(run);
  REQUIRE(id.ok());
  const PluginRow plugins[] = {{"p.one", "1.2.3", "model", "/lib/one.so", "ab", "gcc"}};
  REQUIRE(db.store->add_plugins(*id, plugins).ok());
  REQUIRE(db.store->add_plugins(*id, plugins).ok());  // once more, as resume does
  const ModelRow model{0, std::string(64, 'e'), "m", "m(x=1)", "p.one", std::uint64_t{1} << 63U, "{}"};
  const auto model_id = db.store->add_model(model);
  const RecipeRow recipe{0,           std::string(64, 'f'), "task", "p.task",
                         "{\"a\":1}", std::string(64, '1'), "[1,2]"};
  const auto recipe_id = db.store->add_recipe(*id, recipe);
  REQUIRE(recipe_id.ok());
  const MetricRow metric{0, *recipe_id, "x.y(k=1)", "x.y", "2.0", "cd", "{\"k\":1}", true, true};
  ValueRow value;
  value.name = "auroc";
  value.doc = "a line";
  value.unit = "%";
  value.denominator = "d";
  value.note = "n";
  value.rule = 3;
  value.direction = 2;
  value.headline = true;
  value.no_interval = true;
  value.min = -1.5;
  value.max = kNaN;
  const auto metric_id = db.store->add_metric(metric, {&value, 1});
  REQUIRE(text_of(metric_id) == "");
  EvaluationRow evaluation;
  evaluation.run = *id;
  evaluation.recipe = *recipe_id;
  evaluation.model = *model_id;
  evaluation.planned_items = 12;
  const auto evaluation_id = db.store->begin_evaluation(evaluation);
  REQUIRE(text_of(evaluation_id) == "");
  evaluation.id = *evaluation_id;
  evaluation.status = "incomplete";
  evaluation.reason = "because";
  evaluation.prompt_hash = "99";
  REQUIRE(db.store->end_evaluation(evaluation).ok());
  AggregateRow aggregate;
  aggregate.value = value.id;
  aggregate.variant = "v1";
  aggregate.statistic = "auroc";
  aggregate.estimate = 0.75;
  aggregate.se = kNaN;
  aggregate.lo = 0.5;
  aggregate.hi = 0.9;
  aggregate.method = "delong";
  aggregate.undefined_reason = "";
  aggregate.notes = "note";
  aggregate.n_total = 12;
  aggregate.n_scored = 9;
  aggregate.n_non_finite = 1;
  aggregate.n_missing = 2;
  aggregate.clusters = 4;
  aggregate.n_positive = 5;
  for (int s = 0; s < 8; ++s) aggregate.states[s] = s + 1;
  aggregate.worst = 0.1;
  aggregate.best = kNaN;
  aggregate.seed = std::numeric_limits<std::uint64_t>::max() - 1;
  aggregate.replicates = 2000;
  REQUIRE(text_of(db.store->put_aggregates(*evaluation_id, {&aggregate, 1})) == "");
  REQUIRE(db.store->put_aggregates(*evaluation_id, {&aggregate, 1}).ok());  // replaces, does not add
  const WarningRow warnings[] = {{"w.run", "the run", 0}, {"w.eval", "one", *evaluation_id}};
  REQUIRE(db.store->add_warnings(*id, warnings).ok());
  REQUIRE(db.store->end_run(*id, "incomplete", 2.5).ok());

  const auto reader = db.reader();
  const auto runs = reader->runs();
  REQUIRE(text_of(runs) == "");
  REQUIRE(runs->size() == 1);
  const RunRow& r = runs->front().run;
  CHECK(r.uuid == run.uuid);
  CHECK(r.label == run.label);
  CHECK(r.suite_name == run.suite_name);
  CHECK(r.suite_path == run.suite_path);
  CHECK(r.suite_sha256 == run.suite_sha256);
  CHECK(r.suite_text == run.suite_text);
  CHECK(r.command_line == run.command_line);
  CHECK(r.plan_json == run.plan_json);
  CHECK(r.versions_json == run.versions_json);
  CHECK(r.machine_json == run.machine_json);
  CHECK(r.seed == run.seed);
  CHECK(r.repeats == 8);
  CHECK(r.started == run.started);
  CHECK_FALSE(r.ended.empty());
  CHECK(r.status == "incomplete");
  CHECK(r.wall_seconds == 2.5);
  CHECK(runs->front().models == 1);
  CHECK(runs->front().recipes == 1);

  const auto p = reader->plugins(*id);
  REQUIRE(p->size() == 1);
  CHECK(p->front().id == "p.one");
  CHECK(p->front().version == "1.2.3");
  CHECK(p->front().kind == "model");
  CHECK(p->front().library_path == "/lib/one.so");
  CHECK(p->front().library_sha256 == "ab");
  CHECK(p->front().build_info == "gcc");
  const auto m = reader->models(*id);
  REQUIRE(m->size() == 1);
  CHECK(m->front().fingerprint == model.fingerprint);
  CHECK(m->front().name == "m");
  CHECK(m->front().expression == "m(x=1)");
  CHECK(m->front().plugin_id == "p.one");
  CHECK(m->front().capabilities == model.capabilities);
  CHECK(m->front().identity_json == "{}");
  const auto c = reader->recipes(*id);
  REQUIRE(c->size() == 1);
  CHECK(c->front().hash == recipe.hash);
  CHECK(c->front().name == "task");
  CHECK(c->front().task_id == "p.task");
  CHECK(c->front().parts_json == recipe.parts_json);
  CHECK(c->front().data_hash == recipe.data_hash);
  CHECK(c->front().selection_json == "[1,2]");
  const auto x = reader->metrics(*recipe_id);
  REQUIRE(x->size() == 1);
  CHECK(x->front().name == metric.name);
  CHECK(x->front().plugin_id == "x.y");
  CHECK(x->front().plugin_version == "2.0");
  CHECK(x->front().library_sha256 == "cd");
  CHECK(x->front().params_json == metric.params_json);
  CHECK(x->front().baseline);
  CHECK(x->front().pool_variants);
  const auto e = reader->evaluations(*id);
  REQUIRE(e->size() == 1);
  CHECK(e->front().planned_items == 12);
  CHECK(e->front().status == "incomplete");
  CHECK(e->front().reason == "because");
  CHECK(e->front().prompt_hash == "99");
  CHECK(e->front().results() == 0);
  const auto w = reader->warnings(*id);
  REQUIRE(w->size() == 2);
  CHECK(w->at(0).code == "w.run");
  CHECK(w->at(0).evaluation == 0);
  CHECK(w->at(1).text == "one");
  CHECK(w->at(1).evaluation == *evaluation_id);
  const auto a = reader->aggregates(*id);
  REQUIRE(text_of(a) == "");
  REQUIRE(a->size() == 1);
  const AggregateLine& line = a->front();
  CHECK(line.recipe == "task");
  CHECK(line.recipe_hash == recipe.hash);
  CHECK(line.model == "m");
  CHECK(line.metric == metric.name);
  CHECK(line.value == "auroc");
  CHECK(line.unit == "%");
  CHECK(line.doc == "a line");
  CHECK((line.baseline && line.headline && line.no_interval));
  CHECK(line.rule == 3);
  CHECK(line.direction == 2);
  const AggregateRow& row = line.row;
  CHECK(row.evaluation == *evaluation_id);
  CHECK(row.value == value.id);
  CHECK(row.variant == "v1");
  CHECK(row.statistic == "auroc");
  CHECK(row.estimate == 0.75);
  CHECK(std::isnan(row.se));
  CHECK(row.lo == 0.5);
  CHECK(row.hi == 0.9);
  CHECK(row.method == "delong");
  CHECK(row.undefined_reason.empty());
  CHECK(row.notes == "note");
  CHECK(row.n_total == 12);
  CHECK(row.n_scored == 9);
  CHECK(row.n_non_finite == 1);
  CHECK(row.n_missing == 2);
  CHECK(row.clusters == 4);
  CHECK(row.n_positive == 5);
  CHECK(row.n_negative == -1);
  for (int s = 0; s < 8; ++s) CHECK(row.states[s] == s + 1);
  CHECK(row.worst == 0.1);
  CHECK(std::isnan(row.best));
  CHECK(row.seed == aggregate.seed);
  CHECK(row.replicates == 2000);
  const auto segments = reader->segments(*id);
  REQUIRE(segments->size() == 1);
  CHECK(segments->front().pid == getpid());
  CHECK(segments->front().seconds == 2.5);
  CHECK(*reader->schema_version() == 1);
  CHECK(reader->integrity()->empty());
}

TEST_CASE("items, responses and scores come back, unscored stays unscored", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  REQUIRE(small.error == "");
  BatchBuilder b;
  const auto first = b.response(small.model, "q1", "{\"text\":\"a\"}");
  b.batch().responses[0].tokens = b.keep(std::string("\0\1\2", 3));
  b.batch().responses[0].provider_id = "srv-1";
  const auto second = b.response(small.model, "q2", "", 6);
  b.batch().responses[1].code = 9;
  b.batch().responses[1].message = "server said no";
  ResultRow& one = b.result(small.evaluation, 4, "item 4");
  one.group = "g";
  one.variant = "short";
  one.label = 1;
  one.repeat = 2;
  one.content = 0xffffffffffffffffU;
  b.link("choice/0", "target", first);
  b.link("choice/1", "judge", second);
  b.score(small.values[0].id, 0.5, 0, "parsed 0.5");
  b.score(small.values[2].id, kNaN, 4, "no value found");
  ResultRow& two = b.result(small.evaluation, 1, "item 1", 6);
  two.message = "failed";
  REQUIRE(text_of(db.store->submit(b.done())) == "");
  REQUIRE(text_of(db.store->flush()) == "");
  CHECK(db.store->committed_results() == 2);

  const auto reader = db.reader();
  const auto items = reader->items(small.run, "", "", 0);
  REQUIRE(text_of(items) == "");
  REQUIRE(items->size() == 2);
  CHECK(items->at(0).item_id == "item 1");  // task order, not order of arrival
  CHECK(items->at(0).message == "failed");
  CHECK(items->at(0).state == 6);
  CHECK(items->at(0).label == -1);
  const ItemLine& item = items->at(1);
  CHECK(item.recipe == "task one");
  CHECK(item.model == "toy");
  CHECK(item.position == 4);
  CHECK(item.group == "g");
  CHECK(item.variant == "short");
  CHECK(item.label == 1);
  CHECK(item.repeat == 2);
  const auto responses = reader->responses(item.result);
  REQUIRE(responses->size() == 2);
  CHECK(responses->at(0).name == "choice/0");
  CHECK(responses->at(0).role == "target");
  CHECK(responses->at(0).model == "toy");
  CHECK(responses->at(0).request == "{\"prompt\":\"q1\"}");
  CHECK(responses->at(0).answer == "{\"text\":\"a\"}");
  CHECK(responses->at(0).tokens == std::string("\0\1\2", 3));
  CHECK(responses->at(0).kind == 1);
  CHECK(responses->at(0).tokens_in == 3);
  CHECK(responses->at(0).tokens_out == 5);
  CHECK(responses->at(0).total_ns == 7'000'000);
  CHECK(responses->at(1).role == "judge");
  CHECK(responses->at(1).state == 6);
  CHECK(responses->at(1).code == 9);
  CHECK(responses->at(1).message == "server said no");
  const auto scores = reader->scores(item.result);
  REQUIRE(scores->size() == 2);
  CHECK(scores->at(0).metric == "demo.metric");
  CHECK(scores->at(0).value == "score");
  CHECK(scores->at(0).number == 0.5);
  CHECK(scores->at(0).note == "parsed 0.5");
  CHECK(std::isnan(scores->at(1).number));
  CHECK(scores->at(1).state == 4);
  CHECK(reader->scores(items->at(0).result)->empty());
  CHECK(reader->find_item(small.run, "item 4")->size() == 1);
  CHECK(reader->find_item(small.run, "item 5")->empty());
  CHECK(reader->items(small.run, "error", "", 0)->size() == 1);
  CHECK(reader->items(small.run, "", "task*", 1)->size() == 1);
  CHECK(reader->items(small.run, "", "other", 0)->empty());
  const auto typo = reader->items(small.run, "eror", "", 0);
  REQUIRE(code_of(typo) == Code::kInvalidArgument);
  CHECK(typo.error().text.find("error") != std::string::npos);
  std::vector<std::string> seen;
  std::uint64_t content = 0;
  REQUIRE(reader
              ->each_item(small.evaluation,
                          [&](const ItemView& view) {
                            seen.emplace_back(view.item_id);
                            content = std::max(content, view.content);
                            return true;
                          })
              .ok());
  CHECK(seen == std::vector<std::string>{"item 4", "item 1"});
  CHECK(content == 0xffffffffffffffffU);
}

TEST_CASE("an item is stored once: the first answer wins", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  for (const double number : {0.25, 0.75}) {
    // Twenty rows, so that both the sixteen-row and the one-row statements meet rows that exist.
    BatchBuilder b;
    for (int i = 0; i < 20; ++i) {
      const auto response =
          b.response(small.model, "late " + std::to_string(number) + std::to_string(i), "x");
      const auto failed = b.response(small.model, "failed", "", 7);
      b.result(small.evaluation, i, "item " + std::to_string(i));
      b.link("answer", "", response);
      b.link("retry", "", failed);
      b.score(small.values[0].id, number);
    }
    // One new item in the middle of known ones.
    b.result(small.evaluation, 100, "only " + std::to_string(number), 3);
    REQUIRE(text_of(db.store->submit(b.done())) == "");
    REQUIRE(db.store->flush().ok());
  }
  // A duplicate inside one batch.
  BatchBuilder twice;
  twice.result(small.evaluation, 200, "twice", 1);
  twice.result(small.evaluation, 200, "twice", 2);
  REQUIRE(db.store->submit(twice.done()).ok());
  REQUIRE(db.store->flush().ok());
  CHECK(db.store->committed_results() == 23);
  const auto reader = db.reader();
  const auto items = reader->items(small.run, "", "", 0);
  REQUIRE(items->size() == 23);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto scores = reader->scores(items->at(i).result);
    REQUIRE(scores->size() == 1);
    CHECK(scores->front().number == 0.25);
    CHECK(reader->responses(items->at(i).result)->front().request.find("0.25") != std::string::npos);
  }
  CHECK(items->back().state == 1);
  const auto evaluations = reader->evaluations(small.run);
  CHECK(evaluations->front().results() == 23);
  CHECK(evaluations->front().states[0] == 20);
  CHECK(evaluations->front().states[1] == 1);
  CHECK(evaluations->front().states[3] == 2);
  CHECK(reader->integrity()->empty());
  // The same item in another variant, repeat or evaluation is another row.
  BatchBuilder other;
  other.result(small.evaluation, 0, "item 0").variant = "long";
  other.result(small.evaluation, 0, "item 0").repeat = 1;
  REQUIRE(db.store->submit(other.done()).ok());
  REQUIRE(db.store->flush().ok());
  CHECK(db.store->committed_results() == 25);
}

TEST_CASE("a response is stored once and found by its key, a failed one never", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  BatchBuilder b;
  b.response(small.model, "same", "first");
  b.response(small.model, "same", "second");
  b.response(small.model, "broken", "", 6);
  b.response(small.model, "slow", "", 7);
  b.response(small.model, "empty", "nothing", 1);
  b.result(small.evaluation, 0, "item");
  b.link("a", "", 0);
  b.link("b", "", 1);
  b.link("c", "", 2);
  REQUIRE(db.store->submit(b.done()).ok());
  // Not flushed: what was submitted before is found.
  const auto found = db.store->find_response(key_of("same"));
  REQUIRE(text_of(found) == "");
  REQUIRE(found->has_value());
  CHECK((*found)->answer == "first");
  CHECK((*found)->tokens_out == 5);
  CHECK((*found)->model == small.model);
  CHECK_FALSE(db.store->find_response(key_of("broken"))->has_value());
  CHECK_FALSE(db.store->find_response(key_of("slow"))->has_value());
  CHECK_FALSE(db.store->find_response(key_of("never asked"))->has_value());
  CHECK((*db.store->find_response(key_of("empty")))->state == 1);
  // The failed request succeeds later, under the same key.
  BatchBuilder again;
  again.response(small.model, "broken", "now it works");
  again.result(small.evaluation, 1, "item 2");
  again.link("stored", "", -1, (*found)->id);
  REQUIRE(db.store->submit(again.done()).ok());
  const Digest keys[] = {key_of("broken"), key_of("slow"), key_of("same")};
  const auto many = db.store->find_responses(keys);
  REQUIRE(many.ok());
  REQUIRE(many->at(0).has_value());
  CHECK(many->at(0)->answer == "now it works");
  CHECK_FALSE(many->at(1).has_value());
  CHECK(many->at(2)->id == (*found)->id);
  const auto reader = db.reader();
  const auto items = reader->items(small.run, "", "", 0);
  const auto links = reader->responses(items->at(0).result);
  REQUIRE(links->size() == 3);
  CHECK(links->at(0).answer == "first");
  CHECK(links->at(1).answer == "first");
  CHECK(links->at(2).state == 6);
  CHECK(reader->responses(items->at(1).result)->front().answer == "first");
}

TEST_CASE("keys whose first eight bytes are equal are told apart", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  for (const int rows : {1, 16}) {
    BatchBuilder b;
    for (int i = 0; i < rows; ++i) {
      b.response(small.model, "x", "answer " + std::to_string(rows) + "/" + std::to_string(i));
      Digest& key = b.batch().responses.back().key;
      key.fill(0xff);  // the search wraps around the end of the numbers
      key[30] = static_cast<std::uint8_t>(rows);
      key[31] = static_cast<std::uint8_t>(i);
    }
    REQUIRE(db.store->submit(b.done()).ok());
    REQUIRE(text_of(db.store->flush()) == "");
  }
  for (const int rows : {1, 16}) {
    for (int i = 0; i < rows; ++i) {
      Digest key;
      key.fill(0xff);
      key[30] = static_cast<std::uint8_t>(rows);
      key[31] = static_cast<std::uint8_t>(i);
      const auto found = db.store->find_response(key);
      REQUIRE(found.ok());
      REQUIRE(found->has_value());
      CHECK((*found)->answer == "answer " + std::to_string(rows) + "/" + std::to_string(i));
    }
  }
}

TEST_CASE("a batch with impossible rows is refused and costs nothing else", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  BatchBuilder state;
  state.result(small.evaluation, 0, "a", 8);
  CHECK(code_of(db.store->submit(state.done())) == Code::kInvalidArgument);
  BatchBuilder range;
  range.result(small.evaluation, 0, "a").link_end = 1;
  CHECK(code_of(db.store->submit(range.done())) == Code::kInvalidArgument);
  BatchBuilder link;
  link.result(small.evaluation, 0, "a");
  link.link("x", "", 3);
  CHECK(code_of(db.store->submit(link.done())) == Code::kInvalidArgument);
  CHECK(code_of(db.store->submit(nullptr)) == Code::kInvalidArgument);
  CHECK(code_of(db.store->end_run(99, "complete", 1)) == Code::kInvalidArgument);
  RecipeRow orphan;
  orphan.hash = "h";
  CHECK(code_of(db.store->add_recipe(99, orphan)) == Code::kInvalidArgument);  // a foreign key
  RunRow latest;
  latest.label = "latest";
  CHECK(code_of(db.store->begin_run(latest)) == Code::kInvalidArgument);
  BatchBuilder good;
  good.result(small.evaluation, 0, "a");
  CHECK(db.store->submit(good.done()).ok());
  CHECK(text_of(db.store->flush()) == "");
  CHECK(db.store->committed_results() == 1);
}

TEST_CASE("rows that point to nothing end the writing, committed rows stay", "[db]") {
  const char* const wrong = GENERATE_COPY("evaluation", "model", "value", "response");
  CAPTURE(wrong);
  Opened db;
  SmallRun small(*db.store);
  BatchBuilder good;
  good.result(small.evaluation, 0, "kept");
  REQUIRE(db.store->submit(good.done()).ok());
  REQUIRE(db.store->flush().ok());
  BatchBuilder bad;
  const std::string what = wrong;
  bad.response(what == "model" ? 77 : small.model, "k", "x");
  bad.result(what == "evaluation" ? 77 : small.evaluation, 1, "lost");
  bad.link("l", "", what == "response" ? -1 : 0, 77);
  bad.score(what == "value" ? 77 : small.values[0].id, 1);
  REQUIRE(db.store->submit(bad.done()).ok());
  const auto failed = db.store->flush();
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().text.find(what + " 77") != std::string::npos);
  CHECK(failed.error().text.find("1 result written before") != std::string::npos);
  CHECK(text_of(db.store->submit(good.done())) == failed.error().text);
  CHECK(text_of(db.store->end_run(small.run, "complete", 1)) == failed.error().text);
  const auto reader = db.reader();
  CHECK(reader->items(small.run, "", "", 0)->size() == 1);
  CHECK(reader->integrity()->empty());
}

TEST_CASE("a batch is committed without flush within the promised second", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  BatchBuilder b;
  b.result(small.evaluation, 0, "a");
  REQUIRE(db.store->submit(b.done()).ok());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (db.store->committed_results() == 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(db.store->committed_results() == 1);
}

TEST_CASE("closing commits what was submitted", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  for (int i = 0; i < 100; ++i) {
    BatchBuilder b;
    b.result(small.evaluation, i, "item " + std::to_string(i));
    REQUIRE(db.store->submit(b.done()).ok());
  }
  db.store.reset();
  CHECK_FALSE(std::filesystem::exists(db.file.string() + "-wal"));  // checkpointed
  const auto reader = db.reader();
  CHECK(reader->items(small.run, "", "", 0)->size() == 100);
  CHECK(reader->runs()->front().run.status == "interrupted");  // end_run was never called
}

TEST_CASE("models, recipes, metrics and evaluations are inserted once", "[db]") {
  Opened db;
  SmallRun first(*db.store);
  // What a resumed run does: the same again.
  ModelRow model;
  model.fingerprint = std::string(64, 'a');
  CHECK(*db.store->add_model(model) == first.model);
  RecipeRow recipe;
  recipe.hash = std::string(64, 'b');
  recipe.name = "task one";
  CHECK(*db.store->add_recipe(first.run, recipe) == first.recipe);
  MetricRow metric;
  metric.recipe = first.recipe;
  metric.name = "demo.metric";
  std::vector<ValueRow> values = first.values;
  for (ValueRow& value : values) value.id = value.metric = 0;
  CHECK(*db.store->add_metric(metric, values) == first.metric);
  CHECK(values[2].id == first.values[2].id);
  values.pop_back();
  CHECK(code_of(db.store->add_metric(metric, values)) == Code::kInvalidArgument);
  values = first.values;
  values[0].name = "renamed";
  CHECK(code_of(db.store->add_metric(metric, values)) == Code::kInvalidArgument);
  EvaluationRow evaluation;
  evaluation.run = first.run;
  evaluation.recipe = first.recipe;
  evaluation.model = first.model;
  CHECK(*db.store->begin_evaluation(evaluation) == first.evaluation);
  SmallRun second(*db.store);
  CHECK(second.model == first.model);
  CHECK(second.recipe != first.recipe);
  CHECK(db.reader()->runs()->size() == 2);
}

TEST_CASE("failed items can be dropped and asked again", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  BatchBuilder b;
  for (int i = 0; i < 40; ++i) {
    const auto response = b.response(small.model, "q" + std::to_string(i), "a", i % 8);
    b.result(small.evaluation, i, "item " + std::to_string(i), i % 8);
    b.link("answer", "", response);
    b.score(small.values[0].id, i);
  }
  REQUIRE(db.store->submit(b.done()).ok());
  const auto dropped = db.store->drop_failed(small.evaluation);
  REQUIRE(text_of(dropped) == "");
  CHECK(*dropped == 10);
  {
    const auto reader = db.reader();
    CHECK(reader->items(small.run, "", "", 0)->size() == 30);
    CHECK(reader->evaluations(small.run)->front().results() == 30);
    CHECK(reader->evaluations(small.run)->front().states[6] == 0);
    CHECK(reader->integrity()->empty());
  }
  BatchBuilder retry;
  retry.result(small.evaluation, 6, "item 6");
  REQUIRE(db.store->submit(retry.done()).ok());
  REQUIRE(text_of(db.store->flush()) == "");
  const auto reader = db.reader();
  CHECK(reader->find_item(small.run, "item 6")->front().state == 0);
  CHECK(reader->integrity()->empty());
}

TEST_CASE("more rows than the queue holds pass through in order", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  constexpr int kBatches = 300, kRows = 1000;
  for (int k = 0; k < kBatches; ++k) {
    BatchBuilder b;
    for (int i = 0; i < kRows; ++i) {
      const int n = k * kRows + i;
      b.result(small.evaluation, n, std::to_string(n));
      b.score(small.values[0].id, n);
    }
    REQUIRE(db.store->submit(b.done()).ok());
  }
  REQUIRE(text_of(db.store->flush()) == "");
  CHECK(db.store->committed_results() == std::int64_t{kBatches} * kRows);
  const auto table = db.reader()->metric_table(small.evaluation, small.metric);
  REQUIRE(text_of(table) == "");
  REQUIRE(table->positions.size() == std::size_t{kBatches} * kRows);
  bool right = true;
  for (std::size_t i = 0; i < table->positions.size(); ++i) {
    right = right && table->positions[i] == i && table->numbers[2 * i] == static_cast<double>(i) &&
            std::isnan(table->numbers[2 * i + 1]);
  }
  CHECK(right);
}
