#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "db/lock.hpp"
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
  // The second answer differs from the served one: the link shows what was really answered.
  CHECK(links->at(1).answer == "second");
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
  evaluation.model_name = "toy";  // the model's own name
  CHECK(*db.store->begin_evaluation(evaluation) == first.evaluation);
  evaluation.model_name = "another name";
  CHECK(*db.store->begin_evaluation(evaluation) != first.evaluation);
  evaluation.model = 77;
  CHECK(code_of(db.store->begin_evaluation(evaluation)) == Code::kInvalidArgument);
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

TEST_CASE("a refreshed answer takes the place of the stored one; an equal one is not stored again", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  int position = 0;
  const auto ask = [&](const std::string& answer, bool refresh) {
    BatchBuilder b;
    const auto response = b.response(small.model, "same", answer);
    b.result(small.evaluation, position, "item " + std::to_string(position));
    ++position;
    b.link("answer", "", response);
    b.batch().refresh = refresh;
    REQUIRE(db.store->submit(b.done()).ok());
    REQUIRE(db.store->flush().ok());
    return (*db.store->find_response(key_of("same")))->answer;
  };
  CHECK(ask("first", false) == "first");
  CHECK(ask("second", false) == "first");
  CHECK(ask("first", true) == "first");
  CHECK(ask("third", true) == "third");
  CHECK(ask("third", true) == "third");
  const auto reader = db.reader();
  const auto items = reader->items(small.run, "", "", 0);
  const char* const answers[] = {"first", "second", "first", "third", "third"};
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(reader->responses(items->at(i).result)->front().answer == answers[i]);
  CHECK(reader->integrity()->empty());
}

TEST_CASE("items are kept once a set, and results point to them", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  const auto set = db.store->add_item_set(std::string(64, 'c'), "task one");
  REQUIRE(text_of(set) == "");
  CHECK(*db.store->add_item_set(std::string(64, 'c'), "task one") == *set);
  CHECK(*db.store->add_item_set(std::string(64, 'd'), "task one") != *set);
  for (int round = 0; round < 2; ++round) {
    BatchBuilder b;
    for (int i = 0; i < 20; ++i) {
      ItemRow item;
      item.id = (*set << 32U) + i;
      item.content = static_cast<std::uint64_t>(i) | 0xF000000000000000U;
      item.body = b.keep("{\"id\":\"item " + std::to_string(i) + (round == 0 ? "\"}" : " changed\"}"));
      b.batch().items.push_back(item);
      auto& result = b.result(small.evaluation, i, "item " + std::to_string(i));
      result.repeat = static_cast<std::uint32_t>(round);
      result.item = item.id;
    }
    REQUIRE(text_of(db.store->submit(b.done())) == "");
    REQUIRE(db.store->flush().ok());
  }
  const auto reader = db.reader();
  const auto keys = reader->items_of(*set);
  REQUIRE(keys->size() == 20);
  CHECK(keys->at(7).position == 7);
  CHECK(keys->at(7).content == (7 | 0xF000000000000000U));
  int seen = 0;
  REQUIRE(reader
              ->each_item(
                  small.evaluation,
                  [&](const ItemView& item) {
                    CHECK(item.body == "{\"id\":\"" + std::string(item.item_id) + "\"}");
                    ++seen;
                    return true;
                  },
                  true)
              .ok());
  CHECK(seen == 40);
  BatchBuilder bad;
  bad.batch().items.push_back({});
  CHECK(code_of(db.store->submit(bad.done())) == Code::kInvalidArgument);
}

TEST_CASE("scores of a later time stand beside the first ones", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  BatchBuilder b;
  b.result(small.evaluation, 0, "item");
  b.score(small.values[0].id, 0.5);
  REQUIRE(db.store->submit(b.done()).ok());
  REQUIRE(db.store->flush().ok());
  ScoreSetRow set;
  set.run = small.run;
  set.label = "score-2";
  set.command_line = "assay score";
  const auto id = db.store->add_score_set(set);
  REQUIRE(text_of(id) == "");
  CHECK(code_of(db.store->add_score_set(set)) == Code::kInvalidArgument);
  MetricRow metric;
  metric.recipe = small.recipe;
  metric.name = "late";
  metric.score_set = *id;
  std::vector<ValueRow> values(1);
  values[0].name = "score";
  values[0].rule = 2;
  REQUIRE(db.store->add_metric(metric, values).ok());
  const auto reader = db.reader();
  const RowId result = reader->items(small.run, "", "", 0)->front().result;
  const LateScore scores[] = {{values[0].id, result, 0.25, 0, "note"},
                              {small.values[0].id, result, 0.75, 0, ""}};
  REQUIRE(text_of(db.store->add_scores(scores)) == "");
  const auto all = reader->scores(result);
  REQUIRE(all->size() == 2);
  CHECK(all->at(0).number == 0.5);
  CHECK(all->at(1).number == 0.25);
  CHECK(all->at(1).note == "note");
  CHECK(reader->metrics(small.recipe)->back().score_set == *id);
  CHECK(reader->score_sets(small.run)->front().command_line == "assay score");
}

TEST_CASE("opening readers leaves the writer's lock on the file in place", "[db]") {
  Opened db;
  SmallRun small(*db.store);
  for (int i = 0; i < 3; ++i) {
    const auto reader = db.reader();
    CHECK(reader->runs()->size() == 1);
  }
  // Another process sees the shared lock of a connection in WAL mode; without it, that process would take
  // itself for the last one when it closes the file and delete the log.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int file = open(db.file.c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000000 + 2;
    lock.l_len = 510;
    const bool held = file >= 0 && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    _exit(held ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a process that has ended is not alive, collected or not", "[db]") {
  const ProcessIdentity self = this_process();
  CHECK(process_alive(self));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    pause();
    _exit(0);
  }
  ProcessIdentity other = self;
  other.pid = child;
  other.start = self.start + 1'000'000;  // the same number, begun at another moment
  CHECK_FALSE(process_alive(other));
  other.start = 0;
  CHECK(process_alive(other));
  const std::string stat = "/proc/" + std::to_string(child) + "/stat";
  std::ifstream in(stat);
  std::string field;
  for (int i = 1; i <= 22; ++i) in >> field;
  other.start = std::stoll(field);
  CHECK(process_alive(other));
  REQUIRE(kill(child, SIGKILL) == 0);
  siginfo_t info{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);  // ended, not collected
  CHECK_FALSE(process_alive(other));
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(process_alive(other));
}
