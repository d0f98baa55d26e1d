// Suites over the library of asking.cpp, and what tests read from runs of them.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

namespace assay::test {

using Json = nlohmann::json;

inline std::filesystem::path asking_library() {
  return build_dir() / "tests" / "asking" / "test_asking.so";
}

/// A Bench with the suite ask.toml (task "ask" of test.asking, metric test.number) and the model "words", an
/// n-gram model that can sample. Database: x.db.
class Asker : public Bench {
 public:
  Asker() {
    write("train.txt", "0.1 0.2 0.3\n0.1 0.3 0.2\n0.1 0.4 0.5 0.6\n0.1 0.7 0.8 0.9 0.25\nquestion 1 0.5\n");
    write("other.txt", "7 8 9\n9 8 7\n7 7 9 8\nquestion 2 8\n");
    write("ask.toml",
          "[suite]\nname = \"ask\"\n"
          "[[model]]\nname = \"words\"\nexpr = 'ngram(order=2, train=\"train.txt\")'\n"
          "[[task]]\nplugin = \"test.asking\"\nname = \"ask\"\nmetrics = [\"test.number\"]\n");
  }

  /// `assay WORDS... --plugin ... --db x.db`.
  ChildResult ask(Words words) {
    words.insert(words.end(), {"--plugin", asking_library().string(), "--db", "x.db"});
    return Bench::run(words);
  }
  /// The JSON of a verb that ends with `code`.
  Json json(Words words, int code = 0) {
    words.emplace_back("--json");
    const ChildResult result = ask(std::move(words));
    INFO(result.out << result.err);
    REQUIRE(result.code == code);
    Json tree = Json::parse(result.out, nullptr, false);
    REQUIRE(tree.is_object());
    return tree;
  }
  /// `assay run ask.toml WORDS...`.
  Json asked(Words words = {}, int code = 0) {
    words.insert(words.begin(), {"run", "ask.toml"});
    return json(std::move(words), code);
  }
  /// The single request that `assay cache explain ITEM` explains in the latest run, for repeat 0.
  Json explained(const std::string& item) {
    const Json tree = json({"cache", "explain", item});
    REQUIRE(tree["items"].size() >= 1);
    REQUIRE(tree["items"][0]["requests"].size() == 1);
    return tree["items"][0]["requests"][0];
  }
};

/// The names of the parts in which a request differs from the nearest stored one.
inline Words parts_of(const Json& request) {
  Words parts;
  for (const Json& one : request["nearest"]["differs"]) parts.push_back(one["part"].get<std::string>());
  return parts;
}

}  // namespace assay::test
