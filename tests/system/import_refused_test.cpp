// `assay import`: what reaches the terminal of a hostile log, and what is refused.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;
namespace fs = std::filesystem;

TEST_CASE("terminal control sequences of a log never reach the terminal", "[import]") {
  Bench bench;
  const auto quiet_terminal = [&](const Words& words, int code) {
    const ChildResult shown = bench.run(words);
    INFO(words[0] << " " << words.back() << ": " << shown.out << shown.err);
    CHECK(shown.code == code);
    CHECK(control_character(shown.out + shown.err) == std::string::npos);
  };
  // In every text that a log can have, apart from names of tasks, models, variants and metrics: colours, a
  // window title, a bell, one that clears the screen.
  const std::string bad = R"(\u001b[31mred\u001b[0m\u001b]0;title\u0007\u009b2J)";
  const std::string& in_names = bad;
  std::string text;
  for (const std::string n : {"1", "2"}) {
    text += R"({"id":"i)" + n + bad + R"(","task":"t)" + in_names + R"(","model":"m)" + in_names +
            R"(","variant":"v)" + in_names + R"(","group":"g)" + bad + R"(","input":"q)" + bad +
            R"(","output":")" + bad + R"(","target":")" + bad + R"(","error":)" +
            (n == "1" ? "null" : "\"e" + bad + "\"") + R"(,"em":1,"note":")" + bad + "\"}\n";
  }
  bench.write("bad.jsonl", text);
  const std::string metric = "\"metric:em" + in_names + "\":\"em\",\"note:em" + in_names + "\":\"note\"";
  bench.write(
      "map.json",
      R"({"id":"id","task":"task","model":"model","variant":"variant","group":"group","input":"input",)"
      R"("output":"output","target":"target","error":"error",)" +
          metric + "}");
  const Words words = {"import", "bad.jsonl", "--map", "map.json"};
  quiet_terminal(words, 0);
  CHECK(bench.number("assay.db", "SELECT count(*) FROM result WHERE instr(message, char(27)) > 0") == 1);
  const Words ids = bench.texts("assay.db", "SELECT item_id FROM result");
  REQUIRE(ids.size() == 2);
  REQUIRE(control_character(ids[0]) != std::string::npos);
  quiet_terminal({"import", "bad.jsonl", "--map", "map.json", "--json"}, 0);
  quiet_terminal({"import", "bad.jsonl", "--map", "map.json", "--again"}, 0);
  for (const Words& more : std::vector<Words>{{}, {"--items"}, {"--item", ids[0]}, {"--item", ids[1]}}) {
    Words show = {"show", "latest"};
    show.insert(show.end(), more.begin(), more.end());
    quiet_terminal(show, 0);
    show.emplace_back("--json");
    quiet_terminal(show, 0);
  }
  quiet_terminal({"show"}, 0);
  quiet_terminal({"export", "latest", "--as", "jsonl"}, 0);
  quiet_terminal({"export", "latest", "--as", "jsonl", "--task", "none"}, 2);
  // In what is refused.
  bench.write("twice.jsonl", text + text);
  quiet_terminal({"import", "twice.jsonl", "--map", "map.json"}, 3);
  bench.write("state.json", R"({"id":"id","state":"output"})");
  quiet_terminal({"import", "bad.jsonl", "--map", "state.json"}, 3);
  bench.write("key.json", "{\"id\":\"id\",\"" + bad + "\":\"id\"}");
  quiet_terminal({"import", "bad.jsonl", "--map", "key.json"}, 2);
  bench.write("field.json", "{\"id\":\"id\",\"output\":\"" + bad + "\"}");
  quiet_terminal({"import", "bad.jsonl", "--map", "field.json"}, 0);
  quiet_terminal({"import", "bad.jsonl", "--as", "\x1B[31m"}, 2);

  ASSAY_NEEDS_DATA(root);
  const fs::path log = root / "interop" / "inspect" / "data_cvebench_empty_choices.json";
  REQUIRE(holds(slurp(log), "\\u001b"));
  quiet_terminal({"import", log.string(), "--db", "log.db"}, 0);
  quiet_terminal({"show", "latest", "--items", "--db", "log.db"}, 0);
  quiet_terminal({"show", "latest", "--item", "CVE-2024-36858-one_day", "--db", "log.db"}, 0);
}

TEST_CASE("what cannot be imported ends with a sentence and its exit code", "[import]") {
  Bench bench;
  const auto refused = [&](const Words& words, int code, const std::string& part) {
    const ChildResult done = bench.run(words);
    INFO(done.out + done.err);
    CHECK(done.code == code);
    CHECK(holds(done.err, part));
    CHECK_FALSE(fs::exists(bench.path("assay.db")));
  };
  bench.write("a.jsonl", "{\"id\": 1, \"output\": \"x\"}\n");
  bench.write("other.json", R"({"something": "else"})");
  bench.write("empty.jsonl", "");
  bench.write("folder/notes.txt", "nothing");
  refused({"import"}, 2, "no path given");
  refused({"import", "absent.jsonl"}, 2, "'absent.jsonl' does not exist");
  refused({"import", "a.jsonl", "--as", "jsnol"}, 2, "did you mean 'jsonl'");
  refused({"import", "other.json"}, 2, "cannot tell the format of 'other.json'");
  refused({"import", "folder"}, 2, "no file in it belongs to a known log");
  refused({"import", "empty.jsonl"}, 3, "'empty.jsonl' is empty");
  refused({"import", "folder", "--as", "inspect"}, 3, "folder");
  refused({"import", "folder", "--as", "helm"}, 3, "folder");
  refused({"import", "folder", "--as", "jsonl"}, 3, "folder");
  refused({"import", "a.jsonl", "--map", "absent.json"}, 2, "absent.json");
  bench.write("map.json", R"({"id": "id", "outptu": "output"})");
  refused({"import", "a.jsonl", "--map", "map.json"}, 2, "did you mean 'output'");
  bench.write("label.json", R"({"id": "id", "label": "output"})");
  refused({"import", "a.jsonl", "--map", "label.json"}, 3, "a.jsonl:1: the label must be 0, 1 or null");
}
