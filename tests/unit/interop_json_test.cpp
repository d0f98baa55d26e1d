// JSON as Python writes it: what is accepted, what is replaced with a warning, and what is refused with a
// place.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "harness/interop/tolerant_json.hpp"

using assay::Code;
using assay::host::interop::parse_tolerant;
using assay::host::interop::plain_text;
using assay::host::interop::read_number;
using assay::host::interop::Tree;

namespace {

Tree parsed(std::string_view text, std::size_t warnings_expected = 0) {
  std::vector<std::string> warnings;
  auto tree = parse_tolerant(text, "a.json", warnings);
  INFO(text);
  if (!tree) FAIL(tree.error().text);
  CHECK(warnings.size() == warnings_expected);
  return *tree;
}

std::string refused(std::string_view text) {
  std::vector<std::string> warnings;
  const auto tree = parse_tolerant(text, "a.json:7", warnings);
  INFO(text);
  REQUIRE_FALSE(tree.ok());
  CHECK(tree.error().code == Code::kData);
  CHECK(tree.error().text.starts_with("a.json:7: "));
  return tree.error().text.substr(10);
}

}  // namespace

TEST_CASE("numbers Python writes are read, each as what it is") {
  const Tree tree = parsed(R"([NaN, Infinity, -Infinity, -0.5, 1e3, 1E-2, 0, -0, 1.0])");
  CHECK(std::isnan(tree[0].get<double>()));
  CHECK(tree[1].get<double>() == std::numeric_limits<double>::infinity());
  CHECK(tree[2].get<double>() == -std::numeric_limits<double>::infinity());
  CHECK(tree[3].get<double>() == -0.5);
  CHECK(tree[4].get<double>() == 1000);
  CHECK(tree[5].get<double>() == 0.01);
  CHECK(tree[6].is_number_integer());
  CHECK(tree[7] == 0);
  CHECK(tree[8].is_number_float());
}

TEST_CASE("whole numbers keep every digit") {
  const Tree tree = parsed(
      "[9007199254740993, 9223372036854775807, -9223372036854775808, 18446744073709551615, "
      "18446744073709551616, -9223372036854775809]");
  CHECK(tree[0].get<std::int64_t>() == 9007199254740993);
  CHECK(tree[1].get<std::int64_t>() == std::numeric_limits<std::int64_t>::max());
  CHECK(tree[2].get<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK(tree[3].get<std::uint64_t>() == std::numeric_limits<std::uint64_t>::max());
  CHECK(tree[4] == "18446744073709551616");
  CHECK(tree[5] == "-9223372036854775809");
}

TEST_CASE("numbers out of range become zero or infinite") {
  const Tree tree = parsed("[1e999, -1e999, 1e-999, -1e-999]");
  CHECK(tree[0].get<double>() == std::numeric_limits<double>::infinity());
  CHECK(tree[1].get<double>() == -std::numeric_limits<double>::infinity());
  CHECK(tree[2].get<double>() == 0);
  CHECK(std::signbit(tree[3].get<double>()));
}

TEST_CASE("texts: escapes, NUL, pairs of surrogates, a lone one") {
  const Tree tree = parsed("[\"a\\u0000b\\n\\/\\\"\", \"\\ud83c\\udf28\", \"\\u96ea\"]");
  CHECK(tree[0] == std::string("a\0b\n/\"", 6));
  CHECK(tree[1] == "\xF0\x9F\x8C\xA8");
  CHECK(tree[2] == "雪");
  CHECK(parsed(R"(["x\ud83cy"])", 1)[0] == "x\xEF\xBF\xBDy");
  CHECK(parsed(R"(["\udf28"])", 1)[0] == "\xEF\xBF\xBD");
  // A high surrogate before another escape: only the first is damaged.
  CHECK(parsed(R"(["\ud83c\u0041"])", 1)[0] ==
        "\xEF\xBF\xBD"
        "A");
  CHECK(parsed(R"(["\ud83c\ud83c\udf28"])", 1)[0] == "\xEF\xBF\xBD\xF0\x9F\x8C\xA8");
}

TEST_CASE("the order of keys is kept and the last of equal keys wins") {
  const Tree tree = parsed(R"({"z": 1, "a": 2, "z": 3})", 1);
  REQUIRE(tree.size() == 2);
  CHECK(tree.begin().key() == "z");
  CHECK(tree["z"] == 3);
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"k" + std::to_string(i) + "\": " + std::to_string(i) + ", ";
  const Tree large = parsed(many + "\"k50\": -1, \"k0\": -2}", 2);
  CHECK(large.size() == 100);
  CHECK(large["k50"] == -1);
  CHECK(large["k0"] == -2);
  CHECK(large["k99"] == 99);
}

TEST_CASE("byte-order mark, CRLF and blanks do not matter") {
  CHECK(parsed("\xEF\xBB\xBF {\r\n\"a\" :\t[ ] ,\"b\":{ }}\r\n")["a"].empty());
}

TEST_CASE("damage is refused with its kind and its byte") {
  CHECK(refused("{\"a\": \"b\xFFz\"}") == "invalid UTF-8 at byte 8");
  CHECK(refused("\"\xED\xA0\x80\"") == "invalid UTF-8 at byte 1");
  CHECK(refused("{\"a\": {\"em\":1").starts_with("truncated JSON"));
  CHECK(refused("{\"a\": {\"em\":1").ends_with("at byte 13"));
  CHECK(refused("").starts_with("truncated JSON"));
  CHECK(refused("[1, tru").starts_with("truncated JSON"));
  CHECK(refused("\"ab\\u00").starts_with("truncated JSON"));
  CHECK(refused("{} x") == "trailing garbage after the JSON value at byte 3");
  CHECK(refused("[1,]") == "not JSON, expected a value but found ']' at byte 3");
  CHECK(refused("{a: 1}") == "not JSON, expected a key but found 'a' at byte 1");
  CHECK(refused("[01]").starts_with("not JSON"));
  CHECK(refused("[.5]").starts_with("not JSON"));
  CHECK(refused("[-NaN]").starts_with("not JSON"));
  CHECK(refused("[1 2]").starts_with("not JSON"));
  CHECK(refused("\"a\nb\"").starts_with("not JSON, an unescaped control character"));
  CHECK(refused("\"\\x\"").starts_with("not JSON"));
}

TEST_CASE("nesting to 512 is read, beyond it is refused") {
  const auto nest = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(parsed(nest(512)).is_array());
  CHECK(refused(nest(513)) == "nesting above 512 levels at byte 512");
  CHECK(refused(std::string(1'000'000, '[')).starts_with("nesting"));
}

TEST_CASE("every cut of a text is refused, every flip of a byte ends in a tree or a sentence") {
  const std::string text =
      R"({"id": 17, "t": "x\u96ea\ud83c\udf28\\", "l": [1.5e3, -2, NaN, true, null], "o": {"k": "雪"}})";
  for (std::size_t n = 0; n < text.size(); ++n)
    CHECK_FALSE(refused(std::string_view(text).substr(0, n)).empty());
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = text;
    damaged[random() % damaged.size()] = static_cast<char>(random() & 0xFF);
    std::vector<std::string> warnings;
    const auto tree = parse_tolerant(damaged, "d", warnings);
    if (!tree) REQUIRE(tree.error().text.find(" at byte ") != std::string::npos);
  }
}

TEST_CASE("numbers are read from texts as log-likelihoods are written") {
  double x = 0;
  CHECK((read_number("-2.5", x) && x == -2.5));
  CHECK((read_number("1e3", x) && x == 1000));
  CHECK((read_number("+4", x) && x == 4));
  CHECK((read_number("nan", x) && std::isnan(x)));
  CHECK((read_number("-inf", x) && x == -std::numeric_limits<double>::infinity()));
  CHECK((read_number("Infinity", x) && std::isinf(x)));
  CHECK((read_number(7, x) && x == 7));
  CHECK_FALSE(read_number("N/A", x));
  CHECK_FALSE(read_number("", x));
  CHECK_FALSE(read_number("1.5 apples", x));
  CHECK_FALSE(read_number("nan(1)", x));
  CHECK_FALSE(read_number(nullptr, x));
  CHECK_FALSE(read_number(true, x));
  CHECK((read_number(true, x, true) && x == 1));
  CHECK((read_number("False", x, true) && x == 0));
}

TEST_CASE("the text of an id does not depend on its type") {
  CHECK(plain_text(parsed("1")) == "1");
  CHECK(plain_text(parsed("\"1\"")) == "1");
  CHECK(plain_text(parsed("9007199254740993")) == "9007199254740993");
  CHECK(plain_text(parsed("123456789012345678901234567890")) == "123456789012345678901234567890");
  CHECK(plain_text(parsed("0.1")) == "0.1");
  CHECK(plain_text(parsed("1.0")) == "1.0");
  CHECK(plain_text(parsed("[1, \"a\"]")) == "[1,\"a\"]");
  CHECK(plain_text(parsed("NaN")) == "nan");
}
