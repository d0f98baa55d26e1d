// `assay report`: one HTML file of a real run, read back with parsers that are not ours, and with hostile
// answers.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

/// Reads the page twice, as XML and as HTML, and says what is in it as JSON.
constexpr char kReader[] = R"(
import html.parser, json, sys
import xml.etree.ElementTree as tree
text = open(sys.argv[1], encoding='utf-8', newline='').read()
out = {'tags': {}, 'events': [], 'links': [], 'ids': [], 'bad_tables': 0, 'plots': 0, 'texts': []}
root = tree.fromstring(text)
name = lambda e: e.tag.rsplit('}', 1)[-1]
for e in root.iter():
    out['tags'][name(e)] = out['tags'].get(name(e), 0) + 1
    for key, value in e.attrib.items():
        if key.lower().startswith('on'): out['events'].append(key)
        if key.lower() in ('href', 'src', 'action', 'data', 'srcset'): out['links'].append(value)
        if key == 'id': out['ids'].append(value)
    if name(e) == 'table':
        heads = [c for c in e.iter() if name(c) == 'th']
        if not any(name(c) == 'caption' for c in e) or not heads or any('scope' not in h.attrib for h in heads):
            out['bad_tables'] += 1
    if name(e) == 'figure':
        out['plots'] += 1
        if not any(name(c) == 'table' for c in e.iter()): out['bad_tables'] += 1
    if name(e) in ('pre', 'h1', 'h4', 'bdi', 'title'): out['texts'].append(''.join(e.itertext()))
class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = {}
    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
reader = Tags()
reader.feed(text)
reader.close()
out['same_as_html'] = reader.tags == {k.lower(): v for k, v in out['tags'].items()}
print(json.dumps(out))
)";

bool has_program(Bench& bench, const std::string& name) {
  return bench.run_other({"sh", "-c", "command -v " + name}).code == 0;
}

Json contents(Bench& bench, const std::string& file) {
  bench.write("reader.py", kReader);
  const ChildResult result = bench.run_other({"python3", "reader.py", file});
  INFO(result.err);
  REQUIRE(result.code == 0);
  return Json::parse(result.out);
}

/// What must hold for every page.
void sound(const Json& page) {
  CHECK(page["same_as_html"] == true);
  CHECK(page["events"].empty());
  CHECK(page["bad_tables"] == 0);
  for (const Json& link : page["links"]) CHECK(link.get<std::string>().starts_with("#"));
  for (const char* tag :
       {"img", "iframe", "object", "embed", "link", "base", "form", "input", "audio", "video", "b"})
    CHECK_FALSE(page["tags"].contains(tag));
  for (const char* once : {"head", "script", "style", "h1", "main"}) CHECK(page["tags"][once] == 1);
}

bool shown(const Json& page, const std::string& text) {
  for (const Json& one : page["texts"]) {
    std::string found = one.get<std::string>();
    // An XML parser keeps the line feed that follows <pre>.
    if (found.starts_with("\n")) found.erase(0, 1);
    if (found == text) return true;
  }
  return false;
}

std::string json_text(const std::string& raw) {
  return Json(raw).dump();
}

struct Hostile {
  std::string raw, clean;
};

const std::vector<Hostile>& hostile() {
  static const std::vector<Hostile> kTexts = {
      {"<script>document.title='pwned'</script>", "<script>document.title='pwned'</script>"},
      {"<img src=x onerror=\"document.title='pwned'\"/>", "<img src=x onerror=\"document.title='pwned'\"/>"},
      {"</title></style></script><b>bold", "</title></style></script><b>bold"},
      {"]]><!-- --><![CDATA[ &lt;b&gt; &#60;", "]]><!-- --><![CDATA[ &lt;b&gt; &#60;"},
      {"</pre></details></main>\"'><svg onload=alert(1)>",
       "</pre></details></main>\"'><svg onload=alert(1)>"},
      {"\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07 bell", "red  bell"},
      {"abc\xE2\x80\xAEtxt.exe\xE2\x81\xA6\xD8\xB9", "abc[U+202E]txt.exe[U+2066]\xD8\xB9"},
      {"\n  first line feed\tand tab", "\n  first line feed\tand tab"},
  };
  return kTexts;
}

void hostile_run(Bench& bench) {
  bench.small_suite(3);
  std::string items,
      answers = R"({"format":"assay.replay/1","model":"m","capabilities":["generate"],"key_mode":"item"})"
                "\n";
  for (std::size_t i = 0; i < hostile().size(); ++i) {
    const std::string text = json_text(hostile()[i].raw),
                      id = json_text("id" + std::to_string(i) + hostile()[i].raw);
    items += "{\"id\":" + id + ",\"prompt\":" + text + ",\"target\":" + text + ",\"g\":" + text + "}\n";
    answers += "{\"key\":" + id + ",\"text\":" + text + ",\"finish_reason\":\"stop\"}\n";
  }
  bench.write("items.jsonl", items);
  bench.write("answers.jsonl", answers);
  bench.variant("hostile.toml", "data = \"items.jsonl\"", "data = \"items.jsonl\", group_field = \"g\"");
  const ChildResult run =
      bench.run({"run", "hostile.toml", "--db", "x.db", "--label", "</h1><script>x</script>"});
  INFO(run.err);
  REQUIRE(run.code == 0);
}

}  // namespace

TEST_CASE("report: a run becomes one sound file, the same every time") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  bench.small_suite(30, 20, 25);
  CHECK(bench.run({"run", "small.toml", "--db", "x.db"}).code == 5);
  const ChildResult made = bench.run({"report", "--db", "x.db", "--html", "a.html"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK_THAT(made.out, ContainsSubstring("a.html"));
  REQUIRE(bench.run({"report", "latest", "--db", "x.db", "--html", "b.html"}).code == 0);
  const std::string page = slurp(bench.path("a.html"));
  CHECK(page == slurp(bench.path("b.html")));
  CHECK(page == bench.run({"report", "--db", "x.db", "--html", "-"}).out);
  const Json read = contents(bench, "a.html");
  sound(read);
  CHECK(read["plots"] == 1);
  // The score, its interval and what was not scored, as `show` says them.
  const Json row = Json::parse(bench.run({"show", "--db", "x.db", "--json"}).out)["results"][0];
  char text[64];
  std::snprintf(text, sizeof text, "%.4f", row["estimate"].get<double>());
  CHECK_THAT(page, ContainsSubstring(text));
  std::snprintf(text, sizeof text, "%.4f to %.4f", row["lo"].get<double>(), row["hi"].get<double>());
  CHECK_THAT(page, ContainsSubstring(text));
  CHECK_THAT(page, ContainsSubstring("script: 3 of 25 items in state ok"));
  CHECK_THAT(page, ContainsSubstring("script: 3 of 5 items in state error"));
  CHECK_THAT(page, ContainsSubstring("<strong>incomplete</strong>"));
}

TEST_CASE("report: hostile texts are shown as what they are and never become markup") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  hostile_run(bench);
  REQUIRE(bench.run({"report", "--db", "x.db", "--html", "h.html", "--samples", "50"}).code == 0);
  const std::string bytes = slurp(bench.path("h.html"));
  const std::size_t control = [&] {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) return i;
    }
    return std::string::npos;
  }();
  CHECK(control == std::string::npos);
  CHECK_FALSE(holds(bytes, "\xE2\x80\xAE"));
  const Json page = contents(bench, "h.html");
  sound(page);
  for (const Hostile& one : hostile()) {
    INFO(one.clean);
    CHECK(shown(page, one.clean));  // the answer, the question and the target
  }
  CHECK(shown(page, "</h1><script>x</script>"));  // the label
}

TEST_CASE("report: in a browser no text of the data runs, and the page's own script does") {
  Bench bench;
  const std::string browser = has_program(bench, "chromium") ? "chromium" : "google-chrome";
  if (!has_program(bench, browser)) SKIP("no chromium");
  hostile_run(bench);
  REQUIRE(bench.run({"report", "--db", "x.db", "--html", "h.html"}).code == 0);
  const ChildResult dom = bench.run_other({browser, "--headless=new", "--no-sandbox", "--disable-gpu",
                                           "--user-data-dir=" + bench.path("profile").string(), "--dump-dom",
                                           "file://" + bench.path("h.html").string()},
                                          60);
  INFO(dom.err);
  REQUIRE(dom.code == 0);
  CHECK_THAT(dom.out, ContainsSubstring("<title>small, run "));
  CHECK_FALSE(holds(dom.out, "<title>pwned"));
  CHECK_FALSE(holds(dom.out, "<img"));
  CHECK_FALSE(holds(dom.out, "onload=alert(1)></"));
  CHECK_THAT(dom.out, ContainsSubstring("<button type=\"button\">metric</button>"));
  CHECK_THAT(dom.out, ContainsSubstring("<input type=\"search\">"));
}

TEST_CASE("report: ROC curves of the quick start have the recorded areas and stay within the size") {
  Bench bench;
  const std::string suite =
      (std::filesystem::path(ASSAY_SOURCE_DIR) / "benchmarks/suites/quickstart.toml").string();
  const ChildResult run = bench.run({"run", suite, "--db", "x.db", "--quiet"}, 300);
  INFO(run.err);
  REQUIRE(run.code == 0);
  REQUIRE(bench.run({"report", "--db", "x.db", "--html", "q.html"}).code == 0);
  const std::string page = slurp(bench.path("q.html"));
  CHECK(page.size() < 2'000'000);
  CHECK_FALSE(holds(page, "not drawn: the values"));
  CHECK_FALSE(holds(page, "left out to keep this file small"));
  CHECK_THAT(page, ContainsSubstring("membership: ROC of mia.loss"));
  // One curve for every model and variant of the membership scores.
  const std::int64_t curves = bench.number("x.db",
                                           "SELECT count(*) FROM v_aggregates WHERE metric LIKE 'mia.loss%' "
                                           "AND statistic = 'auroc' AND headline = 1");
  CHECK(curves == 8);
  std::size_t seen = 0;
  for (const char* model : {"saw-members", "never-saw"}) {
    for (const char* variant : {"k1", "k4", "k16", "k64"})
      if (holds(page, std::string("<bdi>") + model + ", " + variant + ": AUROC ")) ++seen;
  }
  CHECK(seen == 8);
}

TEST_CASE("report: a damaged item is shown as damaged and loses nothing else") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db", "UPDATE response SET answer = '{\"choices\": [<broken' WHERE id = 1");
  const ChildResult made = bench.run({"report", "--db", "x.db", "--html", "d.html"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  sound(contents(bench, "d.html"));
  const std::string page = slurp(bench.path("d.html"));
  CHECK_THAT(page, ContainsSubstring("its stored answer is damaged"));
  CHECK_THAT(page, ContainsSubstring("[&lt;broken"));
  CHECK_THAT(page, ContainsSubstring(">\na1</pre>"));
  CHECK_THAT(page, ContainsSubstring(">\na2</pre>"));
}

TEST_CASE("report: what is missing or wrong on the command line is named, and no file is left") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  struct Case {
    Words words;
    int code;
    std::string said;
  };
  const Case one =
      GENERATE(Case{{"report", "--db", "x.db"}, 2, "--html FILE"},
               Case{{"report", "nosuch", "--db", "x.db", "--html", "o.html"}, 2, "nosuch"},
               Case{{"report", "--db", "x.db", "--html", "o.html", "--samples", "-1"}, 2, "--samples"},
               Case{{"report", "--db", "none.db", "--html", "o.html"}, 2, "none.db"},
               Case{{"report", "--db", "x.db", "--html", "items.jsonl/o.html"}, 4, "items.jsonl"});
  const ChildResult result = bench.run(one.words);
  INFO(result.out << result.err);
  CHECK(result.code == one.code);
  CHECK_THAT(result.err, ContainsSubstring(one.said));
  CHECK_FALSE(std::filesystem::exists(bench.path("o.html")));
}
