#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "db/migrate.hpp"
#include "db/testing/fixture.hpp"
#include "tests/unit/db_support.hpp"

using namespace assay::host;
using assay::Code;
using assay::test::BatchBuilder;
using assay::test::code_of;
using assay::test::key_of;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;

namespace {

using assay::test::kNaN;
using assay::test::Opened;

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
  evaluation.model_name = "alias";
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
  CHECK(e->front().model_name == "alias");
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
  CHECK(line.model == "alias");
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
  CHECK(*reader->schema_version() == newest_schema());
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
