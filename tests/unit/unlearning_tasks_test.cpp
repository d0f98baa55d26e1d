// The tasks of unlearning: files in several layouts, bad rows, splits, probes.
#include <zlib.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "planted_task.hpp"
#include "row_file.hpp"
#include "tests/unit/unlearning_support.hpp"
#include "tofu_task.hpp"

using namespace assay;              // NOLINT: a test of the plugins
using namespace assay::unlearning;  // NOLINT
using namespace assay::test;        // NOLINT

namespace {

class TempFile {
 public:
  TempFile(const std::string& name, const std::string& text, bool gzip = false)
      : path_(std::filesystem::temp_directory_path() / ("assay_unlearning_" + name)) {
    if (gzip) {
      gzFile file = gzopen(path_.c_str(), "wb");
      gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
      gzclose(file);
    } else {
      std::ofstream(path_, std::ios::binary) << text;
    }
  }
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string row(int i) {
  const std::string n = std::to_string(i);
  return "{\"question\": \"q" + n + "?\", \"answer\": \"a" + n + "\", \"paraphrased_answer\": \"p" + n +
         "\", \"perturbed_answer\": [\"w" + n + "\", \"v" + n + "\"], \"paraphrased_question\": \"r" + n +
         "?\"}";
}

std::string rows(int n, const char* separator = "\n") {
  std::string text;
  for (int i = 0; i < n; ++i) {
    if (i != 0) text += separator;
    text += row(i);
  }
  return text;
}

std::string text_of(const assay_item& item, const char* name) {
  for (std::size_t i = 0; i < item.request_count; ++i) {
    if (view(item.requests[i].name) != name) continue;
    return std::string(view(item.requests[i].prompt)) + "|" +
           std::string(view(item.requests[i].continuation));
  }
  return "none";
}

/// A task that asks only the forget section of one file.
void forget_only(TofuTask& task, const std::string& path, const char* split = "all") {
  give(task, "forget", path);
  give(task, "split", split);
  give(task, "sections", std::vector<std::string>{"forget"});
}

}  // namespace

TEST_CASE("tofu task: requests, fields and groups of an item in every prompt style") {
  const TempFile file("style.jsonl", rows(45));
  const std::vector<std::vector<std::string>> wanted = {
      {"llama2", "[INST] q21? [/INST]|", "[INST] q21? [/INST]|a21"},
      {"phi", "Question: q21?\n|", "Question: q21?\n|Answer: a21"},
      {"plain", "Question: q21?\nAnswer:|", "Question: q21?\nAnswer:| a21"}};
  for (const auto& style : wanted) {
    TofuTask task;
    TestCall call;
    forget_only(task, file.path());
    give(task, "template", style[0]);
    REQUIRE(task.open(*call).ok());
    const auto items = items_of(task, call);
    REQUIRE(items.size() == 45);
    const assay_item& item = items[21];
    CHECK(view(item.id) == "21");
    CHECK(view(item.variant) == "forget");
    CHECK(view(item.group) == "forget/1");
    CHECK(view(item.text) == "q21?");
    CHECK(view(item.targets.items[0]) == "a21");
    CHECK(item.request_count == 5);
    CHECK(text_of(item, "answer") == style[1]);
    CHECK(text_of(item, "gold") == style[2]);
    CHECK(text_of(item, "para").ends_with("p21"));
    CHECK(text_of(item, "pert/1").ends_with("v21"));
    CHECK((item.requests[1].flags & ASSAY_REQ_APPEND_EOS) != 0);
    CHECK(item.requests[0].max_tokens == 200);
  }
}

TEST_CASE("tofu task: splits are the last rows of the forget file, n_rows its first rows") {
  const TempFile file("split.jsonl", rows(400));
  const auto first_and_count = [&](const char* split, std::int64_t n_rows) {
    TofuTask task;
    TestCall call;
    forget_only(task, file.path(), split);
    give(task, "n_rows", n_rows);
    REQUIRE(task.open(*call).ok());
    const auto items = items_of(task, call);
    CHECK(view(items[0].id) == "0");
    return std::string(view(items[0].text)) + " " + std::to_string(items.size());
  };
  CHECK(first_and_count("forget10", 300) == "q0? 300");
  CHECK(first_and_count("forget10", 0) == "q0? 400");
  CHECK(first_and_count("forget05", 300) == "q200? 200");
  CHECK(first_and_count("forget01", 300) == "q360? 40");
  CHECK(first_and_count("all", 7) == "q0? 7");

  const TempFile small("small.jsonl", rows(40));
  TofuTask task;
  TestCall call;
  forget_only(task, small.path(), "forget05");
  const Result<void> refused = task.open(*call);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().key == "forget");
  CHECK(refused.error().text.find("has 40 rows") != std::string::npos);
}

TEST_CASE("tofu task: JSON array, gzip and byte order mark give the same items") {
  const std::string lines = rows(3);
  const TempFile plain("plain.jsonl", lines);
  const TempFile array("array.json", "[" + rows(3, ",\n") + "]");
  const TempFile gzip("lines.gz", lines, true);
  const TempFile bom("bom.jsonl", "\xEF\xBB\xBF" + lines + "\r\n\r\n");
  for (const TempFile* file : {&plain, &array, &gzip, &bom}) {
    TofuTask task;
    TestCall call;
    forget_only(task, file->path());
    REQUIRE(task.open(*call).ok());
    CHECK(task.problems().empty());
    const auto items = items_of(task, call);
    REQUIRE(items.size() == 3);
    CHECK(text_of(items[2], "gold") == "[INST] q2? [/INST]|a2");
  }
}

TEST_CASE("tofu task: a bad row keeps its number and becomes an item in error") {
  const TempFile file("bad.jsonl", row(0) + "\n{\"question\": \"q1?\"}\nnot json\n" + row(3));
  TofuTask task;
  TestCall call;
  forget_only(task, file.path());
  REQUIRE(task.open(*call).ok());
  REQUIRE(task.problems().size() == 2);
  CHECK(task.problems()[0].find("bad.jsonl:2: the field") != std::string::npos);
  CHECK(task.problems()[1].find("bad.jsonl:3: the line is not a JSON object") != std::string::npos);
  const auto items = items_of(task, call);
  REQUIRE(items.size() == 4);
  CHECK(items[0].status.code == ASSAY_OK);
  CHECK(items[1].status.code == ASSAY_DATA);
  CHECK(items[2].status.code == ASSAY_DATA);
  CHECK(view(items[3].id) == "3");
  CHECK(view(items[3].text) == "q3?");
}

TEST_CASE("tofu task: sections without paraphrases use the plain answer; missing files are named") {
  const TempFile file("world.json",
                      "{\"question\": \"q?\", \"answer\": \"Paris\", \"perturbed_answer\": [\"Rome\"]}");
  TofuTask task;
  TestCall call;
  give(task, "world_facts", file.path());
  give(task, "sections", std::vector<std::string>{"world_facts"});
  REQUIRE(task.open(*call).ok());
  const auto items = items_of(task, call);
  REQUIRE(items.size() == 1);
  CHECK(text_of(items[0], "para") == text_of(items[0], "gold"));
  CHECK(items[0].group.len == 0);

  const auto refused = [](const std::vector<std::string>& sections) {
    TofuTask one;
    TestCall memory;
    give(one, "sections", sections);
    const Result<void> opened = one.open(*memory);
    REQUIRE_FALSE(opened.ok());
    return opened.error().key;
  };
  CHECK(refused({"retain"}) == "retain");
  CHECK(refused({"nonsense"}) == "sections");
  CHECK(refused({}) == "sections");
  TofuTask absent;
  forget_only(absent, "/no/such/file");
  CHECK(absent.open(*call).error().code == Code::kNotFound);
}

TEST_CASE("tofu task: the paraphrased section asks the other question for the same answer") {
  const TempFile file("para.jsonl", rows(2));
  TofuTask task;
  TestCall call;
  give(task, "forget", file.path());
  give(task, "split", "all");
  give(task, "sections", std::vector<std::string>{"forget", "forget_paraphrased"});
  REQUIRE(task.open(*call).ok());
  const auto items = items_of(task, call);
  REQUIRE(items.size() == 4);
  CHECK(text_of(items[2], "gold") == "[INST] r0? [/INST]|a0");
  const assay_record raw = {sizeof raw, 0, 0, &items[2], nullptr, 0, 0, nullptr};
  CHECK(Record(&raw).field("role") == "forget");
  CHECK(Record(&raw).field("probe") == "paraphrase");
}

TEST_CASE("unlearning tasks: generations and scores can be asked for alone") {
  const TempFile file("ask.jsonl", rows(1));
  const auto requests = [&](const char* ask) {
    TofuTask task;
    TestCall call;
    forget_only(task, file.path());
    give(task, "ask", ask);
    REQUIRE(task.open(*call).ok());
    const auto items = items_of(task, call);
    return std::pair<std::size_t, int>{items[0].request_count, items[0].requests[0].kind};
  };
  CHECK(requests("both") == std::pair<std::size_t, int>{5, ASSAY_REQUEST_GENERATE});
  CHECK(requests("generate") == std::pair<std::size_t, int>{1, ASSAY_REQUEST_GENERATE});
  CHECK(requests("score") == std::pair<std::size_t, int>{4, ASSAY_REQUEST_SCORE});
}

TEST_CASE("row files: damaged gzip and files without rows are errors with the file's name") {
  const TempFile whole("whole.gz", rows(50), true);
  Result<std::string> bytes = [&] {
    std::ifstream in(whole.path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  const TempFile cut("cut.gz", bytes->substr(0, bytes->size() / 2));
  const Result<std::string> damaged = read_text(cut.path());
  REQUIRE_FALSE(damaged.ok());
  CHECK(damaged.error().code == Code::kData);
  CHECK(damaged.error().text.find("cut.gz") != std::string::npos);
  const TempFile empty("empty.jsonl", "\n\n");
  const Result<void> none = each_row(
      empty.path(), [](const Row&) {}, [](std::string) {});
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == Code::kData);
  const TempFile broken("broken.json", "[{\"a\":1},");
  CHECK_FALSE(each_row(
                  broken.path(), [](const Row&) {}, [](std::string) {})
                  .ok());
}

TEST_CASE("planted task: variants name probe and role, labels say membership") {
  const std::string facts =
      "{\"id\":\"f\",\"role\":\"forget\",\"name\":\"Ada\",\"alias\":\"Bea\",\"question\":\"Q: of Ada ?\","
      "\"paraphrased_question\":\"P: of Ada ?\",\"cloze\":\"Ada has\",\"alias_question\":\"Q: of Bea ?\","
      "\"answer\":\"red cat .\",\"perturbed_answer\":[\"blue dog .\"]}\n"
      "{\"id\":\"g\",\"role\":\"forget\",\"name\":\"Ada\",\"alias\":\"Bea\",\"question\":\"Q: y Ada ?\","
      "\"answer\":\"one\"}\n"
      "{\"id\":\"h\",\"role\":\"holdout\",\"name\":\"Cy\",\"question\":\"Q: of Cy ?\",\"answer\":\"x y\"}\n"
      "{\"id\":\"r\",\"role\":\"retain\",\"name\":\"Di\",\"question\":\"Q: of Di ?\",\"answer\":\"x y\"}\n"
      "{\"id\":\"r\",\"role\":\"retain\",\"name\":\"Di\",\"question\":\"Q: of Di ?\",\"answer\":\"x y\"}\n"
      "{\"id\":\"z\",\"role\":\"unknown\",\"question\":\"Q\",\"answer\":\"x\"}\n";
  const TempFile file("planted.jsonl", facts);
  PlantedTask task;
  TestCall call;
  give(task, "items", file.path());
  give(task, "probes",
       std::vector<std::string>{"base", "alias", "answer_prefix", "incontext1", "incontext2", "incontext3"});
  REQUIRE(task.open(*call).ok());
  const auto items = items_of(task, call);
  const auto find = [&](const std::string& id, const std::string& variant) -> const assay_item& {
    for (const assay_item& item : items) {
      if (view(item.id) == id && view(item.variant) == variant) return item;
    }
    FAIL(id << " " << variant << " is missing");
    return items[0];
  };
  CHECK(find("f", "base/forget").label == 0);
  CHECK(find("h", "base/holdout").label == 1);
  CHECK(find("r", "base/retain").label == -1);
  CHECK(find("r#2", "base/retain").label == -1);
  CHECK(view(find("f", "base/forget").group) == "Ada");
  CHECK(text_of(find("f", "base/forget"), "gold") == "Q: of Ada ?| red cat .");
  CHECK(text_of(find("f", "base/forget"), "pert/0") == "Q: of Ada ?| blue dog .");
  CHECK(text_of(find("f", "alias/forget"), "answer") == "Q: of Bea ?|");
  CHECK(text_of(find("f", "answer_prefix/forget"), "gold") == "Q: of Ada ? red| cat .");
  CHECK(text_of(find("f", "answer_prefix/forget"), "pert/0") == "none");
  CHECK(text_of(find("f", "incontext1/forget"), "answer") == "Ada has Bea ;\n\nQ: of Ada ?|");
  CHECK(text_of(find("f", "incontext2/forget"), "answer") == "Q: y Ada ? one\n\nQ: of Ada ?|");
  CHECK(text_of(find("f", "incontext3/forget"), "answer") == "Q: of Ada ? red cat .\n\nQ: of Ada ?|");
  // Rows that a probe cannot ask are left out and counted, per probe and role.
  for (const assay_item& item : items) {
    CHECK_FALSE((view(item.id) == "g" && view(item.variant) == "answer_prefix/forget"));
    CHECK_FALSE(view(item.variant) == "alias/holdout");
  }
  REQUIRE_FALSE(task.problems().empty());
  CHECK(task.problems()[0].find("planted.jsonl:6: the role 'unknown'") != std::string::npos);

  PlantedTask wrong;
  give(wrong, "items", file.path());
  give(wrong, "probes", std::vector<std::string>{"bias"});
  CHECK(wrong.open(*call).error().key == "probes");
}
