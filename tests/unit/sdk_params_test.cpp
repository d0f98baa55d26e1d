// Parameters of every type: from the author's default to the descriptor, through the host, and back into the
// class.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "assay/sdk/plugin.hpp"
#include "harness/plugins/spec.hpp"
#include "harness/suite/values.hpp"

namespace {

using assay::Choice;
using assay::Duration;
using assay::Param;
using assay::ParamOptions;
using assay::Path;
using assay::Result;
using assay::str;
using assay::host::Argument;
using assay::host::ParamSpec;
using assay::host::ParamValue;

const std::string kAwkward = "quote \" slash \\ line\nbell\a é \xF0\x9F\x99\x82";

class Everything : public assay::Plugin {
 public:
  Param<bool> yes{*this, "yes", true, "a truth", assay::AFFECTS_RESULT};
  Param<std::int64_t> least{*this, "least", std::numeric_limits<std::int64_t>::min(), "a number"};
  Param<std::int64_t> most{*this, "most", std::numeric_limits<std::int64_t>::max(), "a number"};
  Param<double> third{*this, "third", 1.0 / 3.0, "a number",
                      ParamOptions{.flags = assay::AFFECTS_RESULT, .min = -1, .max = 1, .unit = "nats"}};
  Param<double> tiny{*this, "tiny", 5e-324, "a number"};
  Param<double> whole{*this, "whole", 1e300, "a number"};
  Param<std::string> words{*this, "words", kAwkward, "a text"};
  Param<std::string> empty{*this, "empty", std::string(), "a text"};
  Param<Choice> choice{*this, "choice", Choice{"left"}, "a word", ParamOptions{.choices = {"left", "right"}}};
  Param<Duration> pause{*this, "pause", Duration{1'500'000'001}, "a duration"};
  Param<std::vector<std::string>> list{*this, "list", std::vector<std::string>{"a,b", "", kAwkward}, "texts"};
  Param<std::vector<std::string>> none{*this, "none", std::vector<std::string>{}, "texts"};
  Param<Path> file{*this, "file", std::nullopt, "a file"};
  Param<std::int64_t> absent{*this, "absent", std::nullopt, "a number"};
};

// What the host learns of a parameter, without the checks of a whole descriptor.
ParamSpec spec_of(const assay_param& raw) {
  ParamSpec spec;
  spec.key = assay::view(raw.key);
  spec.doc = assay::view(raw.doc);
  spec.unit = assay::view(raw.unit);
  spec.type = raw.type;
  spec.flags = raw.flags;
  spec.default_json = assay::view(raw.default_json);
  spec.min = raw.min;
  spec.max = raw.max;
  for (std::size_t i = 0; i < raw.choices.count; ++i)
    spec.choices.emplace_back(assay::view(raw.choices.items[i]));
  return spec;
}

// The value as create() receives it.
class Passed {
 public:
  explicit Passed(const ParamValue& value) : value_(value) {
    for (const std::string& part : value_.list) list_.push_back(str(part));
    raw.struct_size = sizeof raw;
    raw.type = value_.type;
    raw.is_set = value_.is_set ? 1 : 0;
    raw.key = str(value_.key);
    raw.integer = value_.integer;
    raw.number = value_.number;
    raw.text = str(value_.text);
    raw.list = {list_.data(), list_.size()};
  }
  assay_value raw{};

 private:
  ParamValue value_;
  std::vector<assay_str> list_;
};

// Describes parameter `i` of one object, lets the host make its value, and hands it to parameter `i` of
// another.
void round_trip(const assay::Plugin& from, assay::Plugin& to, std::size_t i,
                const Argument* argument = nullptr) {
  assay_param raw{};
  std::vector<assay_str> choices;
  from.params()[i]->describe(raw, choices);
  raw.choices = {choices.data(), choices.size()};
  const auto resolve = [](const std::string& written) -> Result<assay::host::ResolvedPath> {
    return assay::host::ResolvedPath{"/resolved/" + written, "sha"};
  };
  INFO(std::string(assay::view(raw.key)) << " = " << std::string(assay::view(raw.default_json)));
  const Result<ParamValue> made = assay::host::make_value(spec_of(raw), argument, resolve);
  INFO((made ? std::string() : made.error().text));
  REQUIRE(made);
  to.params()[i]->accept(Passed(*made).raw);
}

std::size_t index_of(const assay::Plugin& plugin, const std::string& key) {
  std::size_t i = 0;
  while (plugin.params()[i]->key() != key) ++i;
  return i;
}

}  // namespace

TEST_CASE("defaults come back as they were written, through the descriptor's JSON", "[sdk]") {
  const Everything from;
  Everything to;
  // Other values first, so that only the round trip can restore the defaults.
  for (assay::ParamBase* param : to.params()) {
    assay_value other{};
    other.struct_size = sizeof other;
    other.is_set = 1;
    other.integer = 99;
    other.number = 99;
    other.text = str("other");
    param->accept(other);
  }
  REQUIRE(to.words.get() == "other");
  for (std::size_t i = 0; i < from.params().size(); ++i) round_trip(from, to, i);
  CHECK(to.yes.get());
  CHECK(to.least.get() == std::numeric_limits<std::int64_t>::min());
  CHECK(to.most.get() == std::numeric_limits<std::int64_t>::max());
  CHECK(to.third.get() == 1.0 / 3.0);
  CHECK(to.tiny.get() == 5e-324);
  CHECK(to.whole.get() == 1e300);
  CHECK(to.words.get() == kAwkward);
  CHECK(to.empty.get().empty());
  CHECK(to.empty.is_set());
  CHECK(to.choice.get() == "left");
  CHECK(to.pause.get().ns == 1'500'000'001);
  CHECK(to.list.get() == from.list.get());
  CHECK(to.none.get().empty());
  CHECK_FALSE(to.file.is_set());
  CHECK_FALSE(to.absent.is_set());
}

TEST_CASE("given values replace the defaults", "[sdk]") {
  const Everything from;
  Everything to;
  const auto give = [&](const char* key, auto value) {
    Argument argument;
    argument.value = std::move(value);
    round_trip(from, to, index_of(from, key), &argument);
  };
  give("yes", false);
  give("most", std::int64_t{-3});
  give("third", 0.1);
  give("tiny", std::int64_t{4});  // a whole number is a number
  give("words", std::string("other \xC3\xA9"));
  give("choice", std::string("right"));
  give("pause", std::string("250ms"));
  give("list", Argument::List{Argument{std::string("x"), {}}, Argument{std::string("y"), {}}});
  give("file", std::string("data.txt"));
  give("absent", std::int64_t{5});
  CHECK_FALSE(to.yes.get());
  CHECK(to.most.get() == -3);
  CHECK(to.third.get() == 0.1);
  CHECK(to.tiny.get() == 4.0);
  CHECK(to.words.get() == "other \xC3\xA9");
  CHECK(to.choice.get() == "right");
  CHECK(to.pause.get().ns == 250'000'000);
  CHECK(to.list.get() == std::vector<std::string>{"x", "y"});
  CHECK(to.file.get().text == "/resolved/data.txt");
  CHECK(to.absent.is_set());
  CHECK(to.absent.get() == 5);
}

TEST_CASE("a parameter that is not set keeps its default value", "[sdk]") {
  Everything object;
  assay_value value{};
  value.struct_size = sizeof value;
  value.integer = 99;
  object.most.accept(value);
  CHECK_FALSE(object.most.is_set());
  CHECK(object.most.get() == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("bounds, units and choices reach the descriptor", "[sdk]") {
  const Everything object;
  assay_param raw{};
  std::vector<assay_str> choices;
  object.third.describe(raw, choices);
  CHECK(raw.struct_size == sizeof raw);
  CHECK(raw.flags == ASSAY_PARAM_AFFECTS_RESULT);
  CHECK(raw.min == -1);
  CHECK(raw.max == 1);
  CHECK(assay::view(raw.unit) == "nats");
  CHECK(choices.empty());
  object.choice.describe(raw, choices);
  REQUIRE(choices.size() == 2);
  CHECK(assay::view(choices[1]) == "right");
  CHECK(std::isnan(raw.min));
  object.file.describe(raw, choices);
  CHECK(raw.default_json.len == 0);
}
