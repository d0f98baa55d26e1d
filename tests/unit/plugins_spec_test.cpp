// Reading and checking descriptors, their JSON form, durations and sizes, and the help pages.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "assay/sdk/abi.hpp"
#include "harness/plugins/help.hpp"
#include "harness/plugins/spec.hpp"
#include "harness/plugins/units.hpp"

namespace {

using assay::str;
using assay::host::PluginSpec;
using Catch::Matchers::ContainsSubstring;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A valid metric descriptor, open to every kind of damage.
struct Fixture {
  assay_param params[2]{};
  assay_str choices[2] = {str("exact"), str("prefix")};
  assay_slot slots[2]{};
  assay_value_info values[2]{};
  assay_descriptor raw{};

  Fixture() {
    for (assay_param& param : params) {
      param.struct_size = sizeof param;
      param.type = ASSAY_PARAM_FLOAT;
      param.doc = str("meaning");
      param.min = param.max = kNan;
    }
    params[0].key = str("rate");
    params[0].default_json = str("0.25");
    params[0].min = 0;
    params[0].max = 1;
    params[1].key = str("mode");
    params[1].type = ASSAY_PARAM_ENUM;
    params[1].choices = {choices, 2};
    params[1].default_json = str("\"exact\"");
    for (assay_slot& slot : slots) {
      slot.struct_size = sizeof slot;
      slot.min_count = slot.max_count = 1;
      slot.role = str("judge");
    }
    slots[0].key = str("judge");
    slots[1].key = str("second");
    slots[1].same_tokenizer_as = str("judge");
    for (assay_value_info& value : values) {
      value.struct_size = sizeof value;
      value.rule = ASSAY_RULE_MEAN;
      value.direction = ASSAY_HIGHER_IS_BETTER;
      value.min = value.max = kNan;
    }
    values[0].name = str("score");
    values[0].rule = ASSAY_RULE_RATIO;
    values[0].denominator = str("count");
    values[0].flags = ASSAY_VALUE_HEADLINE;
    values[1].name = str("count");
    raw.struct_size = sizeof raw;
    raw.kind = ASSAY_METRIC;
    raw.id = str("demo.metric");
    raw.version = str("1.2.3");
    raw.title = str("Demo");
    raw.requires_caps = ~std::uint64_t{0};
    raw.params = params, raw.param_count = 2, raw.param_size = sizeof(assay_param);
    raw.slots = slots, raw.slot_count = 2, raw.slot_size = sizeof(assay_slot);
    raw.values = values, raw.value_count = 2, raw.value_size = sizeof(assay_value_info);
  }
};

// The error text after one change, or "" when the descriptor is still valid.
std::string problem(const std::function<void(Fixture&)>& change) {
  Fixture fixture;
  change(fixture);
  const auto spec = assay::host::read_descriptor(&fixture.raw);
  return spec ? "" : spec.error().text;
}

}  // namespace

TEST_CASE("spec: a valid descriptor is copied") {
  Fixture fixture;
  const auto spec = assay::host::read_descriptor(&fixture.raw);
  REQUIRE(spec.ok());
  CHECK(spec->id == "demo.metric");
  CHECK(spec->short_name() == "metric");
  REQUIRE(spec->params.size() == 2);
  CHECK(spec->params[0].max == 1.0);
  CHECK(spec->params[1].choices == std::vector<std::string>{"exact", "prefix"});
  CHECK(std::isnan(spec->params[1].min));
  CHECK(spec->slots[1].same_tokenizer_as == "judge");
  CHECK(spec->values[0].headline());
  CHECK(spec->requires_caps == ~std::uint64_t{0});
}

TEST_CASE("spec: identity and version") {
  for (const char* id :
       {"demo", "Demo.metric", "demo.", ".metric", "demo..metric", "demo metric.x", "demo.m-x", ""}) {
    INFO(id);
    CHECK_THAT(problem([&](Fixture& f) { f.raw.id = str(id); }), ContainsSubstring("vendor.name"));
  }
  for (const char* id : {"a.b", "assay.tofu.truth_ratio", "x1._y"}) {
    INFO(id);
    CHECK(problem([&](Fixture& f) { f.raw.id = str(id); }).empty());
  }
  for (const char* version :
       {"", "1", "1.0", "01.0.0", "1.0.0.0", "1.0.x", "v1.0.0", "1.0.0-", "1.0.0-01", "1.0.0+"}) {
    INFO(version);
    CHECK_THAT(problem([&](Fixture& f) { f.raw.version = str(version); }),
               ContainsSubstring("semantic version"));
  }
  for (const char* version : {"0.0.0", "1.20.3-alpha.1", "1.0.0-x-y.7+build.007", "1.0.0+a"}) {
    INFO(version);
    CHECK(problem([&](Fixture& f) { f.raw.version = str(version); }).empty());
  }
  CHECK_THAT(problem([](Fixture& f) { f.raw.kind = 4; }), ContainsSubstring("kind 4"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.concurrency = 9; }), ContainsSubstring("concurrency mode 9"));
  CHECK(assay::host::read_descriptor(nullptr).error().text ==
        "a plugin of this library: descriptor() returned NULL");
}

TEST_CASE("spec: sizes, strides and pointers are not trusted") {
  CHECK_THAT(problem([](Fixture& f) { f.raw.struct_size = 40; }), ContainsSubstring("struct_size 40"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.param_size = sizeof(assay_param) - 8; }),
             ContainsSubstring("stride"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.param_size = sizeof(assay_param) + 1; }),
             ContainsSubstring("stride"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.params = nullptr; }), ContainsSubstring("NULL"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.param_count = 1'000'000; }), ContainsSubstring("at most 256"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.slot_count = 17; }), ContainsSubstring("at most 16"));
  CHECK_THAT(problem([](Fixture& f) { f.params[1].struct_size = 8; }), ContainsSubstring("struct_size 8"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.doc = {nullptr, 5}; }), ContainsSubstring("NULL pointer"));
  CHECK_THAT(problem([](Fixture& f) {
               f.raw.title = {"x", std::size_t{1} << 40U};
             }),
             ContainsSubstring("at most 4096"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.doc = str("bad \xff byte"); }), ContainsSubstring("UTF-8"));
  CHECK_THAT(problem([](Fixture& f) {
               f.params[1].choices = {nullptr, 2};
             }),
             ContainsSubstring("impossible list"));
}

TEST_CASE("spec: elements larger than this host knows are read by their stride") {
  struct Longer {
    assay_param known;
    double appended;
  };
  Fixture fixture;
  Longer longer[2] = {{fixture.params[0], 7.0}, {fixture.params[1], 8.0}};
  for (Longer& param : longer) param.known.struct_size = sizeof(Longer);
  fixture.raw.params = &longer[0].known;
  fixture.raw.param_size = sizeof(Longer);
  const auto spec = assay::host::read_descriptor(&fixture.raw);
  REQUIRE(spec.ok());
  CHECK(spec->params[1].key == "mode");
}

TEST_CASE("spec: parameters") {
  const auto param = [](const std::function<void(assay_param&)>& change) {
    return problem([&](Fixture& f) { change(f.params[0]); });
  };
  CHECK_THAT(param([](assay_param& p) { p.doc = {}; }), ContainsSubstring("not documented"));
  CHECK_THAT(param([](assay_param& p) { p.doc = str(" \n"); }), ContainsSubstring("not documented"));
  CHECK_THAT(param([](assay_param& p) { p.key = str("Rate"); }), ContainsSubstring("[a-z][a-z0-9_]*"));
  CHECK_THAT(param([](assay_param& p) { p.key = str("1rate"); }), ContainsSubstring("[a-z][a-z0-9_]*"));
  CHECK_THAT(param([](assay_param& p) { p.key = str("mode"); }), ContainsSubstring("declared twice"));
  CHECK_THAT(param([](assay_param& p) { p.key = str("judge"); }),
             ContainsSubstring("another slot or parameter"));
  CHECK_THAT(param([](assay_param& p) { p.type = 11; }), ContainsSubstring("unknown type 11"));
  CHECK_THAT(param([](assay_param& p) { p.default_json = str("1.5"); }),
             ContainsSubstring("outside its bounds 0 to 1"));
  CHECK_THAT(param([](assay_param& p) { p.default_json = str("-1e-9"); }),
             ContainsSubstring("outside its bounds"));
  CHECK_THAT(param([](assay_param& p) { p.default_json = str("nan"); }), ContainsSubstring("not valid JSON"));
  CHECK_THAT(param([](assay_param& p) { p.default_json = str("\"0.5\""); }),
             ContainsSubstring("not a number"));
  CHECK_THAT(param([](assay_param& p) { p.min = 2; }), ContainsSubstring("impossible bounds"));
  CHECK_THAT(param([](assay_param& p) { p.flags = ASSAY_PARAM_SECRET; }), ContainsSubstring("secret"));
  CHECK(param([](assay_param& p) { p.max = HUGE_VAL, p.default_json = str("1e300"); }).empty());
  CHECK(param([](assay_param& p) { p.default_json = {}; }).empty());

  const auto typed = [&](int type, const char* json) {
    return param([&](assay_param& p) { p.type = type, p.min = p.max = kNan, p.default_json = str(json); });
  };
  CHECK(typed(ASSAY_PARAM_BOOL, "true").empty());
  CHECK_THAT(typed(ASSAY_PARAM_BOOL, "1"), ContainsSubstring("true or false"));
  CHECK(typed(ASSAY_PARAM_INT, "-9223372036854775808").empty());
  CHECK_THAT(typed(ASSAY_PARAM_INT, "9223372036854775808"), ContainsSubstring("64 bits"));
  CHECK_THAT(typed(ASSAY_PARAM_INT, "1.0"), ContainsSubstring("whole number"));
  CHECK(typed(ASSAY_PARAM_DURATION, "\"250ms\"").empty());
  CHECK_THAT(typed(ASSAY_PARAM_DURATION, "\"250\""), ContainsSubstring("not a duration"));
  CHECK(typed(ASSAY_PARAM_SIZE, "\"64KiB\"").empty());
  CHECK_THAT(typed(ASSAY_PARAM_SIZE, "\"64 apples\""), ContainsSubstring("not a size"));
  CHECK(typed(ASSAY_PARAM_STRING_LIST, "[\"a\"]").empty());
  CHECK_THAT(typed(ASSAY_PARAM_STRING_LIST, "[1]"), ContainsSubstring("list of strings"));
  CHECK_THAT(typed(ASSAY_PARAM_STRING, "5"), ContainsSubstring("not a string"));
  CHECK_THAT(typed(ASSAY_PARAM_ENUM, "\"x\""), ContainsSubstring("without choices"));
  CHECK_THAT(problem([](Fixture& f) { f.params[1].default_json = str("\"prefx\""); }),
             ContainsSubstring("not one of its choices: exact, prefix"));
  CHECK_THAT(problem([](Fixture& f) { f.choices[1] = str("exact"); }), ContainsSubstring("twice"));
}

TEST_CASE("spec: slots and values") {
  CHECK_THAT(problem([](Fixture& f) { f.slots[1].same_tokenizer_as = str("second"); }),
             ContainsSubstring("not another"));
  CHECK_THAT(problem([](Fixture& f) { f.slots[0].min_count = 2; }),
             ContainsSubstring("at least 2 and at most 1"));
  CHECK_THAT(problem([](Fixture& f) { f.slots[0].role = {}; }), ContainsSubstring("role"));
  CHECK_THAT(problem([](Fixture& f) { f.values[0].flags = 0; }), ContainsSubstring("0 headline values"));
  CHECK_THAT(problem([](Fixture& f) { f.values[1].flags = ASSAY_VALUE_HEADLINE; }),
             ContainsSubstring("2 headline"));
  CHECK_THAT(problem([](Fixture& f) { f.values[0].denominator = str("total"); }),
             ContainsSubstring("'total'"));
  CHECK_THAT(problem([](Fixture& f) { f.values[0].denominator = str("score"); }),
             ContainsSubstring("'score'"));
  CHECK_THAT(problem([](Fixture& f) { f.values[1].rule = ASSAY_RULE_CUSTOM; }),
             ContainsSubstring("per-item"));
  CHECK_THAT(problem([](Fixture& f) { f.values[1].name = str("score"); }),
             ContainsSubstring("declared twice"));
  CHECK_THAT(problem([](Fixture& f) { f.values[1].rule = 7; }), ContainsSubstring("unknown rule 7"));
  CHECK_THAT(problem([](Fixture& f) { f.values[1].flags = ASSAY_VALUE_NO_INTERVAL; }),
             ContainsSubstring("say why"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.value_count = 0; }), ContainsSubstring("without values"));
  CHECK_THAT(problem([](Fixture& f) { f.raw.kind = ASSAY_MODEL; }), ContainsSubstring("not a metric"));
}

TEST_CASE("spec: the JSON form reads back as the same spec") {
  Fixture fixture;
  fixture.params[0].min = 0.1;
  fixture.raw.doc = str("Über \"quotes\"\nand lines");
  const auto spec = assay::host::read_descriptor(&fixture.raw);
  REQUIRE(spec.ok());
  const assay::host::Json tree = assay::host::to_json(*spec);
  const auto text = tree.dump();
  const auto parsed = assay::host::parse_json(text, "test");
  REQUIRE(parsed.ok());
  const auto back = assay::host::spec_from_json(*parsed);
  REQUIRE(back.ok());
  CHECK(assay::host::to_json(*back) == tree);
  CHECK(back->params[0].min == 0.1);
  CHECK(std::isnan(back->params[1].max));
  CHECK(back->requires_caps == ~std::uint64_t{0});
  CHECK(back->doc == spec->doc);
  CHECK(back->values[0].denominator == "count");

  for (const char* key : {"id", "kind", "params", "provides"}) {
    assay::host::Json broken = tree;
    broken.erase(key);
    CHECK_FALSE(assay::host::spec_from_json(broken).ok());
    broken = tree;
    broken[key] = nullptr;
    INFO(key);
    CHECK_FALSE(assay::host::spec_from_json(broken).ok());
  }
}

TEST_CASE("units: durations and sizes") {
  const auto ns = [](const char* text) { return assay::host::parse_duration(text); };
  CHECK(*ns("250ms") == 250'000'000);
  CHECK(*ns("1.5m") == 90'000'000'000);
  CHECK(*ns("0ns") == 0);
  CHECK(*ns("10 s") == 10'000'000'000);
  for (const char* wrong : {"", "10", "s", "-1s", "1e3s", "1..5s", "1S", "9999999999h"}) {
    INFO(wrong);
    CHECK_FALSE(ns(wrong).ok());
  }
  CHECK(*assay::host::parse_size("1024") == 1024);
  CHECK(*assay::host::parse_size("64KiB") == 65'536);
  CHECK(*assay::host::parse_size("1.5kB") == 1'500);
  CHECK_FALSE(assay::host::parse_size("64K").ok());
  CHECK(assay::host::duration_text(250'000'000) == "250ms");
  CHECK(assay::host::duration_text(90'000'000'000) == "90s");
  CHECK(assay::host::duration_text(0) == "0s");
  CHECK(assay::host::size_text(65'536) == "64KiB");
  CHECK(assay::host::size_text(1000) == "1000");
}

TEST_CASE("spec: capability and kind names") {
  CHECK(assay::host::capability_names(ASSAY_CAP_GENERATE | ASSAY_CAP_LOGPROB) == "generate, logprob");
  CHECK(assay::host::capability_names(ASSAY_CAP_IMAGE) == "image");
  CHECK(assay::host::capability_names(std::uint64_t{1} << 40U) == "bit 40");
  CHECK(assay::host::capability_names(0).empty());
  CHECK(std::string(assay::host::kind_name(ASSAY_TASK)) == "task");
}

TEST_CASE("help: both pages name every part of the schema") {
  Fixture fixture;
  fixture.raw.requires_caps = ASSAY_CAP_GENERATE;
  fixture.raw.flags = ASSAY_FLAG_DETERMINISTIC;
  fixture.raw.doc =
      str("A long explanation of what this metric measures and why anyone should want to know, which "
          "does not fit into one line of a terminal.");
  fixture.params[0].flags = ASSAY_PARAM_AFFECTS_RESULT;
  fixture.values[1].doc = str("number of | items");
  const auto spec = assay::host::read_descriptor(&fixture.raw);
  REQUIRE(spec.ok());
  const std::string text = assay::host::plugin_help_text(*spec);
  const std::string page = assay::host::plugin_help_markdown(*spec);
  for (const std::string& help : {text, page}) {
    for (const char* part :
         {"Demo", "1.2.3", "generate", "deterministic", "rate", "float", "default 0.25", "0 to 1",
          "affects results", "one of exact, prefix", "second", "role judge", "same tokenizer as judge",
          "score", "headline", "higher is better", "divided by count"}) {
      INFO(help);
      CHECK_THAT(help, ContainsSubstring(part));
    }
  }
  std::size_t start = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
    CHECK(end - start <= 100);
    start = end + 1;
  }
  CHECK_THAT(page, ContainsSubstring("number of \\| items"));
}
