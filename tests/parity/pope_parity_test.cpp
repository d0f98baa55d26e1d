// POPE: golden vectors, data facts, and published confusion matrices over the real question lists.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "assay/text/parsers.hpp"
#include "plugins/metrics/pope/confusion.hpp"
#include "tests/support/data.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/pope_answers.hpp"

using namespace assay::pope;  // NOLINT: a test of this namespace
using namespace assay::test;  // NOLINT
namespace text = assay::text;

namespace {

constexpr double kPublished = 1e-12;

void check_figures(const Figures& f, Json expected, double tolerance) {
  CHECK(close(f.accuracy, real(expected["accuracy"]), tolerance));
  CHECK(close(f.precision, real(expected["precision"]), tolerance));
  CHECK(close(f.recall, real(expected["recall"]), tolerance));
  CHECK(close(f.f1, real(expected["f1"]), tolerance));
  CHECK(close(f.yes_ratio, real(expected["yes_ratio"]), tolerance));
}

Questions questions(const std::filesystem::path& root, const char* name) {
  auto read = read_questions((root / "hallucination/pope" / name).string());
  REQUIRE(read.ok());
  CHECK(read->problems.empty());
  return std::move(*read);
}

std::string_view word(text::YesNo answer) {
  return answer == text::YesNo::kYes ? "yes" : answer == text::YesNo::kNo ? "no" : "unknown";
}

}  // namespace

TEST_CASE("pope parity: parsers") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(root / "hallucination/golden/pope_parse.jsonl", [](const std::string& name, Json in,
                                                                           Json expected) {
          INFO(name);
          const std::string_view said = in["text"];
          CHECK(word(text::parse_pope_first_sentence(said)) == std::string_view(expected["first_sentence"]));
          CHECK(word(text::parse_pope_opera(said)) == std::string_view(expected["opera"]));
          CHECK(word(text::parse_pope_three_way(said)) == std::string_view(expected["three_way"]));
        }) == 16);
}

TEST_CASE("pope parity: confusion matrices, published ones among them") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(root / "hallucination/golden/pope_confusion.jsonl",
                        [](const std::string& name, Json in, Json expected) {
                          INFO(name);
                          Confusion c;
                          c.tp = in["TP"], c.fp = in["FP"], c.tn = in["TN"], c.fn = in["FN"];
                          check_figures(figures(c, Treatment::kAsWrong), expected, kPublished);
                        }) == 4);
}

TEST_CASE("pope parity: the four treatments of unknown answers") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(root / "hallucination/golden/pope_unknown.jsonl",
                        [](const std::string& name, Json in, Json expected) {
                          INFO(name);
                          Confusion c;
                          std::vector<std::string_view> said;
                          for (const Json answer : in["pred"].get_array()) said.push_back(answer);
                          std::size_t i = 0;
                          for (const Json gold : in["gold"].get_array()) {
                            c.add(std::string_view(gold) == "yes", said[i] == "yes"  ? Answer::kYes
                                                                   : said[i] == "no" ? Answer::kNo
                                                                                     : Answer::kUnknown);
                            ++i;
                          }
                          CHECK(c.unknown() == std::int64_t(expected["n_unknown"]));
                          check_figures(figures(c, Treatment::kAsYes), expected["unknown_as_yes"], 1e-9);
                          check_figures(figures(c, Treatment::kAsNo), expected["unknown_as_no"], 1e-9);
                          check_figures(figures(c, Treatment::kExcluded), expected["unknown_excluded"], 1e-9);
                          check_figures(figures(c, Treatment::kAsWrong), expected["unknown_as_wrong"], 1e-9);
                        }) == 2);
}

TEST_CASE("pope parity: facts about the question lists") {
  ASSAY_NEEDS_DATA(root);
  simdjson::dom::parser parser;
  const Json expected = parser.load((root / "hallucination/EXPECTED.json").string());
  for (const char* name : {"coco_pope_random.jsonl", "coco_pope_popular.jsonl", "coco_pope_adversarial.jsonl",
                           "coco_pope_random_2910.jsonl"}) {
    INFO(name);
    const Json facts = expected[std::string("pope/") + name];
    const Questions data = questions(root, name);
    std::set<std::string> images;
    std::uint64_t yes = 0;
    for (const Question& q : data.list) images.insert(q.image), yes += q.yes ? 1U : 0U;
    CHECK(data.list.size() == std::uint64_t(facts["n"]));
    CHECK(yes == std::uint64_t(facts["yes"]));
    CHECK(data.list.size() - yes == std::uint64_t(facts["no"]));
    CHECK(images.size() == std::uint64_t(facts["images"]));
    CHECK(data.misspelt == std::uint64_t(facts["rows_with_imange"]));
  }
}

TEST_CASE("pope parity: answers over the real questions give the published figures") {
  ASSAY_NEEDS_DATA(root);
  const char* lists[] = {"coco_pope_random_2910.jsonl", "coco_pope_popular.jsonl"};
  std::size_t number = 0;
  for_each_golden(root / "hallucination/golden/pope_confusion.jsonl",
                  [&](const std::string& name, Json in, Json expected) {
                    if (number >= 2) return;  // the first two matrices are published ones
                    INFO(name);
                    const Questions data = questions(root, lists[number++]);
                    const auto answers = pope_answers(data.list, in["TP"], in["FP"]);
                    // The official parser: later sentences of some answers say the opposite and must not
                    // matter.
                    Confusion c;
                    for (std::size_t i = 0; i < answers.size(); ++i) {
                      const bool yes = text::parse_pope_first_sentence(answers[i]) == text::YesNo::kYes;
                      c.add(data.list[i].yes, yes ? Answer::kYes : Answer::kNo);
                    }
                    CHECK(c.tn == std::int64_t(in["TN"]));
                    check_figures(figures(c, Treatment::kAsWrong), expected, kPublished);
                  });
  CHECK(number == 2);
}

TEST_CASE("pope parity: always yes gives accuracy 1/2 and F1 2/3 on balanced splits") {
  ASSAY_NEEDS_DATA(root);
  Confusion c;
  for (const Question& q : questions(root, "coco_pope_adversarial.jsonl").list) c.add(q.yes, Answer::kYes);
  const Figures f = figures(c, Treatment::kAsWrong);
  CHECK(f.accuracy == 0.5);
  CHECK(close(f.f1, 2.0 / 3.0, kPublished));
}
