// Whether two runs can be compared at all: each part that must be equal, the shares of unmatched items,
// --force, and what is refused.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/compare_support.hpp"

using namespace assay::test;  // NOLINT: a test
using assay::Code;
using assay::host::CompareOptions;
using assay::host::Comparison;
using assay::host::PartState;
using assay::host::Verdict;
using Catch::Matchers::ContainsSubstring;

namespace {

PlantedTask plain(int n = 100) {
  return numbered(n, [](int i) { return i % 3 == 0 ? 1 : 0; });
}

struct Change {
  std::string part;  ///< the only one that differs
  std::function<void(PlantedTask&)> apply;
};

const std::vector<Change> kForbidden = {
    {"items", [](PlantedTask& t) { t.items[5].content = 99; }},
    {"items", [](PlantedTask& t) { t.items[5].label = 1; }},
    {"prompt", [](PlantedTask& t) { t.items[5].prompt = "Ask i005"; }},
    {"prompt",
     [](PlantedTask& t) {
       for (PlantedItem& item : t.items) item.prompt = "example\nask " + item.id, item.content = 7;
     }},
    {"generation", [](PlantedTask& t) { t.parameters = R"("max_tokens":12,"temperature":0.7)"; }},
    {"generation", [](PlantedTask& t) { t.parameters = R"("max_tokens":13,"temperature":0)"; }},
    {"generation", [](PlantedTask& t) { t.parameters += R"(,"stop":["\n"])"; }},
    {"generation", [](PlantedTask& t) { t.parameters += R"(,"seed":"5")"; }},
    {"generation", [](PlantedTask& t) { t.parameters += R"(,"some_new_parameter":1)"; }},
    {"request kind", [](PlantedTask& t) { t.kind = "score", t.kind_number = ASSAY_REQUEST_SCORE; }},
    {"repeats", [](PlantedTask& t) { t.parts["repeats"] = 4; }},
    {"roles", [](PlantedTask& t) { t.judge = "other judge"; }},
    {"metric plugin", [](PlantedTask& t) { t.metrics[0].plugin = "other.hit"; }},
    {"metric version", [](PlantedTask& t) { t.metrics[0].version = "2.0.0"; }},
    {"metric parameters", [](PlantedTask& t) { t.metrics[0].params = R"({"k":0.3})"; }},
    {"metric variant", [](PlantedTask& t) { t.metrics[0].name = "m.hit@strict"; }},
};

}  // namespace

TEST_CASE("compare: every part that must be equal makes runs incomparable, and is named") {
  const std::size_t which = GENERATE(range(std::size_t{0}, kForbidden.size()));
  const Change& change = kForbidden[which];
  PlantedTask a = plain(), b = plain();
  if (change.part == "roles") a.judge = "judge";
  change.apply(b);
  Runs runs;
  const Comparison c = runs.compare(a, b);
  INFO(which << " " << change.part << "\n" << assay::host::compare_text(c, false, true));
  CHECK(parts_in(c, PartState::kDiffers) == std::vector<std::string>{change.part});
  CHECK(only_value(c).verdict == Verdict::kNotComparable);
  CHECK_FALSE(only_value(c).difference.delta);
  CHECK_FALSE(c.anything());
  CHECK(c.family == 0);
  CHECK_THAT(only_value(c).sentence, ContainsSubstring("NOT COMPARABLE: " + change.part));
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("NOT COMPARABLE"));
  CHECK_THAT(assay::host::compare_markdown(c), ContainsSubstring("NOT COMPARABLE"));
  CHECK(assay::host::compare_json(c)["tasks"][0]["values"][0]["verdict"] == "NOT COMPARABLE");
}

TEST_CASE("compare: with force there are numbers, the word FORCED everywhere, and no verdict") {
  const std::size_t which = GENERATE(range(std::size_t{0}, kForbidden.size()));
  PlantedTask a = plain(), b = numbered(100, [](int i) { return i % 3 == 0 || i < 60 ? 1 : 0; });
  if (kForbidden[which].part == "roles") a.judge = "judge";
  kForbidden[which].apply(b);
  CompareOptions options;
  options.force = true;
  Runs runs;
  const Comparison c = runs.compare(a, b, options);
  CHECK(c.anything());
  CHECK(only_value(c).verdict == Verdict::kForced);
  REQUIRE(only_value(c).difference.delta);
  CHECK(*only_value(c).difference.delta > 0.3);
  const std::string text = assay::host::compare_text(c, false, true),
                    markdown = assay::host::compare_markdown(c);
  const Json json = assay::host::compare_json(c);
  for (const std::string& output : {text, markdown, json.dump()}) {
    CHECK_THAT(output, ContainsSubstring("FORCED"));
    for (const char* verdict : {"improved", "regressed", "equivalent\"", "inconclusive"})
      CHECK_THAT(output, !ContainsSubstring(verdict));
  }
  CHECK(json["forced"] == true);
  CHECK(json["tasks"][0]["values"][0]["verdict"].is_null());
}

TEST_CASE("compare: what may differ is a note and leaves the verdict alone") {
  const std::vector<Change> allowed = {
      {"", [](PlantedTask& t) { t.metrics[0].version = "1.4.0"; }},
      {"", [](PlantedTask& t) { t.metrics[0].library = "rebuilt"; }},
      {"", [](PlantedTask& t) { t.parameters += R"(,"want":5)"; }},
      {"", [](PlantedTask& t) { t.parts["seed"] = 2; }},
      {"", [](PlantedTask& t) { t.model = "another"; }},
      {"", [](PlantedTask& t) { t.items[0].group = "g", t.items[1].group = "g"; }},
  };
  const std::size_t which = GENERATE_COPY(range(std::size_t{0}, allowed.size()));
  PlantedTask a = plain(), b = plain();
  allowed[which].apply(b);
  Runs runs;
  const Comparison c = runs.compare(a, b);
  INFO(which);
  CHECK(parts_in(c, PartState::kDiffers).empty());
  CHECK(only_value(c).difference.n == 100);
  CHECK(only_value(c).verdict == Verdict::kInconclusive);
}

TEST_CASE("compare: other seeds of the same sampling are a note") {
  PlantedTask a = plain(), b = plain();
  a.parameters += R"(,"seed":"5")";
  b.parameters += R"(,"seed":"6")";
  Runs runs;
  const Comparison c = runs.compare(a, b);
  CHECK(parts_in(c, PartState::kDiffers).empty());
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("another seed"));
}

TEST_CASE("compare: unmatched items warn above 1 % and forbid above 20 % of the union") {
  struct Case {
    std::size_t dropped;
    PartState state;
  };
  const auto test =
      GENERATE(Case{0, PartState::kSame}, Case{1, PartState::kNote}, Case{2, PartState::kNote},
               Case{3, PartState::kWarning}, Case{40, PartState::kWarning}, Case{41, PartState::kDiffers});
  PlantedTask a = plain(200), b = plain(200);
  b.items.erase(b.items.begin() + 50, b.items.begin() + 50 + static_cast<std::ptrdiff_t>(test.dropped));
  Runs runs;
  const bool swapped = GENERATE(false, true);
  const Comparison c = swapped ? runs.compare(b, a) : runs.compare(a, b);
  INFO(test.dropped << " dropped");
  REQUIRE(c.tasks.size() == 1);
  CHECK(c.tasks[0].parts[0].name == "items");
  CHECK(c.tasks[0].parts[0].state == test.state);
  CHECK(c.tasks[0].matched == static_cast<std::int64_t>(200 - test.dropped));
  const auto& alone = swapped ? c.tasks[0].only_candidate : c.tasks[0].only_baseline;
  REQUIRE(alone.size() == test.dropped);
  if (test.dropped != 0) CHECK(alone[0] == "i050");
  if (test.state == PartState::kDiffers) {
    CHECK(only_value(c).verdict == Verdict::kNotComparable);
  } else {
    CHECK(only_value(c).difference.n == 200 - test.dropped);
    CHECK((only_value(c).sentence.find("warning, items") != std::string::npos) ==
          (test.state == PartState::kWarning));
  }
  const std::string quiet = assay::host::compare_text(c, false, false),
                    loud = assay::host::compare_text(c, false, true);
  CHECK_THAT(quiet, !ContainsSubstring("i050"));
  if (test.dropped != 0) CHECK_THAT(loud, ContainsSubstring("i050"));
}

TEST_CASE("compare: items of two variants are not mixed up") {
  PlantedTask a = plain(10), b = plain(10);
  for (PlantedItem& item : b.items)
    item.variant = "v", item.content = assay::host::fast_key(item.id + "|").low;
  Runs runs;
  const Comparison c = runs.compare(a, b);
  CHECK(c.tasks[0].matched == 0);
  CHECK(parts_in(c, PartState::kDiffers) == std::vector<std::string>{"items"});
}

TEST_CASE("compare: what a run did not record is unknown, and said") {
  PlantedTask a = plain(), b = plain();
  for (PlantedItem& item : b.items) item.asked = false;
  Runs runs;
  const Comparison c = runs.compare(a, b);
  CHECK(parts_in(c, PartState::kDiffers).empty());
  CHECK(parts_in(c, PartState::kUnknown) == std::vector<std::string>{"prompt", "generation", "request kind"});
  CHECK_FALSE(c.tasks[0].identical);
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("not recorded"));
}

TEST_CASE("compare: one incomparable task does not hide another") {
  PlantedTask a = plain(), b = plain(), c = plain();
  b.name = c.name = "second";
  c.items[0].prompt = "other";
  Runs runs;
  const std::string x = runs.plant({a, b}), y = runs.plant({a, c});
  const Comparison both = runs.compare(x, y);
  REQUIRE(both.tasks.size() == 2);
  CHECK(both.anything());
  CHECK(both.family == 1);
  CHECK(both.tasks[0].comparable());
  CHECK_FALSE(both.tasks[1].comparable());
  CompareOptions options;
  options.task = "sec*";
  CHECK_FALSE(runs.compare(x, y, options).anything());
}

TEST_CASE("compare: models are paired by name, by option, or when each run has one") {
  PlantedTask a = plain(), b = plain();
  a.model = "old";
  b.model = "new";
  Runs runs;
  const std::string one = runs.plant(a), two = runs.plant(b), both = runs.plant({a, b});
  CHECK(runs.compare(one, two).tasks.size() == 1);
  const Comparison named = runs.compare(one, both);
  REQUIRE(named.tasks.size() == 1);
  CHECK(named.tasks[0].candidate_model == "old");
  CompareOptions options;
  options.models = {{"old", "new"}};
  const Comparison within = runs.compare(both, both, options);
  REQUIRE(within.tasks.size() == 1);
  CHECK(within.tasks[0].baseline_model == "old");
  CHECK(within.tasks[0].candidate_model == "new");
  options.models = {{"old", "newer"}};
  const auto wrong = runs.try_compare(both, both, options);
  REQUIRE(code_of(wrong) == Code::kInvalidArgument);
  CHECK_THAT(wrong.error().text, ContainsSubstring("did you mean 'new'"));
  PlantedTask third = plain();
  third.model = "third";
  const auto none = runs.try_compare(runs.plant(third), both);
  REQUIRE(code_of(none) == Code::kInvalidArgument);
  CHECK_THAT(none.error().text, ContainsSubstring("--model BASELINE=CANDIDATE"));
}

TEST_CASE("compare: wrong options are refused with a remedy") {
  Runs runs;
  const std::string run = runs.plant(plain(5));
  CompareOptions options;
  const auto refused = [&](const std::string& part) {
    const auto result = runs.try_compare(run, run, options);
    REQUIRE(code_of(result) == Code::kInvalidArgument);
    CHECK_THAT(result.error().text, ContainsSubstring(part));
    options = {};
  };
  options.alpha = GENERATE(0.0, 1.0, -1.0, kNaN);
  refused("--alpha");
  options.margin = GENERATE(0.0, -0.1, kNaN);
  refused("--margin");
  options.task = "tsk";
  refused("did you mean 'task'");
  options.metric = "m.hti";
  refused("did you mean 'm.hit'");
  CHECK(code_of(runs.try_compare(run, "nobody")) == Code::kNotFound);
}

TEST_CASE("compare: runs without a common task have nothing to compare") {
  PlantedTask a = plain(5), b = plain(5);
  b.name = "other";
  Runs runs;
  const Comparison c = runs.compare(a, b);
  CHECK(c.tasks.empty());
  CHECK_FALSE(c.anything());
  CHECK_THAT(assay::host::compare_text(c, false, false),
             ContainsSubstring("'other' is only in the candidate"));
}

TEST_CASE("compare: a task without items is named and compared with nothing") {
  PlantedTask empty = plain(0), task = plain(5);
  empty.name = "group";
  Runs runs;
  const std::string run = runs.plant({empty, task});
  const Comparison c = runs.compare(run, run);
  REQUIRE(c.tasks.size() == 1);
  CHECK(c.tasks[0].task == "task");
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("'group' has no items"));
}

TEST_CASE("compare: texts of data cannot act as markup or control the terminal") {
  PlantedTask a = plain(20), b = plain(20);
  for (PlantedTask* task : {&a, &b}) {
    task->items[3].id = "\x1b[31m<script>|";
    task->items[3].prompt = "\x1b]0;x\x07 <b>";
    task->items[3].answer = "<img src=x onerror=1> | `x`";
  }
  b.items[3].scores = {0.0};
  a.items[3].scores = {1.0};
  Runs runs;
  const Comparison c = runs.compare(a, b);
  REQUIRE(only_value(c).changed.size() >= 1);
  const std::string text = assay::host::compare_text(c, false, true),
                    markdown = assay::host::compare_markdown(c);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(markdown.find('\x1b') == std::string::npos);
  CHECK(markdown.find("<script>") == std::string::npos);
  CHECK(markdown.find("<img") == std::string::npos);
  CHECK(markdown.find("`x`") == std::string::npos);
}

TEST_CASE("compare: markdown stays below its limit and says that it was cut") {
  std::vector<PlantedTask> tasks(6, plain(20));
  for (std::size_t i = 0; i < tasks.size(); ++i) tasks[i].name = "task" + std::to_string(i);
  Runs runs;
  const std::string run = runs.plant(tasks);
  const Comparison c = runs.compare(run, run);
  const std::string whole = assay::host::compare_markdown(c);
  const std::string cut = assay::host::compare_markdown(c, whole.size() - 100);
  CHECK(cut.size() <= whole.size() - 100);
  CHECK_THAT(cut, ContainsSubstring("Cut here"));
  CHECK_THAT(whole, !ContainsSubstring("Cut here"));
}
