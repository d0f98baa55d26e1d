// Tasks that misbehave: a broken item is an item in error, a broken fetch ends the run with a sentence, and
// nothing unchecked is left in an item for anybody to read.
#include "harness/base/limits.hpp"
#include "tests/support/garbage/host.hpp"

namespace {

using assay::Code;
using assay::Result;
using assay::view;
using assay::host::Arena;
using assay::host::TaskInstance;
using assay::test::check_misbehaving;
using assay::test::check_sound;
using assay::test::GarbageHost;

const std::string kTaskId = "test.garbage_task";

struct Fetched {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  std::vector<assay_item> items;
};

Fetched fetch(const std::string& mode) {
  Fetched out;
  Result<std::unique_ptr<TaskInstance>> task = GarbageHost::get().task(mode);
  INFO((task ? std::string() : task.error().text));
  REQUIRE(task);
  const Result<void> got = (*task)->fetch(0, 8, out.items, out.arena, nullptr);
  INFO((got ? std::string() : got.error().text));
  REQUIRE(got);
  REQUIRE(out.items.size() == 3);
  return out;
}

// An item in error keeps at most a checked id.
void check_blank(const assay_item& item, const Arena& arena) {
  CHECK(item.struct_size == sizeof(assay_item));
  REQUIRE(arena.owns(item.id.ptr, item.id.len));
  CHECK(assay::host::valid_utf8(view(item.id)));
  CHECK(item.text.len == 0);
  CHECK(item.group.len == 0);
  CHECK(item.variant.len == 0);
  CHECK(item.targets.count == 0);
  CHECK(item.field_count == 0);
  CHECK(item.request_count == 0);
  CHECK(item.requests == nullptr);
}

struct TaskCase {
  const char* mode;
  const char* complaint;
};

constexpr TaskCase kRefusedTasks[] = {
    {"status_unset", "unset"},
    {"status_unset_bad_id", "unset"},
    {"status_unknown", "unknown status 77"},
    {"status_of_host", "unknown status 13"},
    {"failure_silent", "without a sentence"},
    {"failure_static", "its message does not lie"},
    {"failure_wild", "its message does not lie"},
    {"failure_null", "its message does not lie"},
    {"failure_bad_utf8", "its message is not valid UTF-8"},
    {"failure_long", "longer than 4 KiB"},
    {"id_missing", "an item without an id"},
    {"id_wild", "an item's id does not lie"},
    {"id_bad_utf8", "an item's id is not valid UTF-8"},
    {"group_static", "an item's group does not lie"},
    {"variant_wild", "an item's variant does not lie"},
    {"text_huge", "longer than 64 MiB"},
    {"targets_static", "the targets does not lie"},
    {"targets_huge", "the targets has an impossible length"},
    {"target_wild", "a target does not lie"},
    {"fields_static", "the fields does not lie"},
    {"fields_many", "more than 1000 fields"},
    {"field_bad_utf8", "a field is not valid UTF-8"},
    {"requests_static", "the requests does not lie"},
    {"requests_huge", "too many requests"},
    {"requests_many", "too many requests"},
    {"requests_size_zero", "no element size"},
    {"requests_size_small", "no element size"},
    {"requests_size_huge", "the requests has an impossible length"},
    {"request_kind_unknown", "unknown kind"},
    {"request_name_static", "a request's name does not lie"},
    {"prompt_wild", "a prompt does not lie"},
    {"prompt_bad_utf8", "a prompt is not valid UTF-8"},
    {"continuation_null", "a continuation does not lie"},
    {"stop_wild", "the stop strings does not lie"},
    {"messages_static", "the messages does not lie"},
    {"message_bad_utf8", "a message is not valid UTF-8"},
};

}  // namespace

TEST_CASE("an item that breaks the contract becomes an item in error", "[run][instances]") {
  for (const TaskCase& one : kRefusedTasks) {
    DYNAMIC_SECTION(one.mode) {
      const Fetched fetched = fetch(one.mode);
      for (const assay_item& item : fetched.items) {
        check_misbehaving(item.status, kTaskId, one.complaint);
        check_blank(item, *fetched.arena);
      }
    }
  }
}

TEST_CASE("a task that keeps the contract is left alone", "[run][instances]") {
  const Fetched fetched = fetch("good");
  for (const assay_item& item : fetched.items) {
    REQUIRE(item.status.code == ASSAY_OK);
    REQUIRE(item.request_count == 1);
    CHECK(view(item.requests->prompt) == "a prompt");
  }
  CHECK(view(fetched.items[2].id) == "item 2");
}

TEST_CASE("an item that is honestly reported as bad keeps its sentence and nothing unchecked",
          "[run][instances]") {
  SECTION("with a good id") {
    const Fetched fetched = fetch("failure_honest");
    for (const assay_item& item : fetched.items) {
      CHECK(item.status.code == ASSAY_DATA);
      CHECK(view(item.status.message) == "row 7 is torn");
      CHECK(view(item.id).substr(0, 5) == "item ");
    }
  }
  SECTION("with fields that point anywhere") {
    const Fetched fetched = fetch("bad_row_wild");
    for (const assay_item& item : fetched.items) {
      check_sound(item.status);
      check_blank(item, *fetched.arena);
    }
  }
  SECTION("with a message about memory that points anywhere") {
    for (const assay_item& item : fetch("exhausted_wild").items) {
      CHECK(item.status.code == ASSAY_RESOURCE_EXHAUSTED);
      check_sound(item.status);
    }
  }
}

TEST_CASE("a fetch that fails or miscounts is an error that names the task", "[run][instances]") {
  for (const TaskCase& one : {TaskCase{"fetch_fails", "(code 9)"}, TaskCase{"fetch_unknown", "(code 77)"},
                              TaskCase{"produced_many", "delivered 9 items where 8"},
                              TaskCase{"produced_huge", "items where 8 were asked for"}}) {
    DYNAMIC_SECTION(one.mode) {
      Result<std::unique_ptr<TaskInstance>> task = GarbageHost::get().task(one.mode);
      REQUIRE(task);
      std::vector<assay_item> items;
      const Result<void> got = (*task)->fetch(0, 8, items, std::make_shared<Arena>(), nullptr);
      REQUIRE_FALSE(got);
      INFO(got.error().text);
      CHECK(got.error().text.find("'" + kTaskId + "'") != std::string::npos);
      CHECK(got.error().text.find(one.complaint) != std::string::npos);
    }
  }
}

TEST_CASE("a task that cannot be opened is an error with a reason", "[run][instances]") {
  struct Opened {
    const char* mode;
    Code code;
    const char* text;
  };
  for (const Opened& one : {Opened{"open_silent", Code::kData, "gave no reason"},
                            Opened{"open_unknown", Code::kPluginMisbehaving, "gave no reason"},
                            Opened{"open_wild", Code::kData, "gave no reason"},
                            Opened{"open_bad_utf8", Code::kNotFound, "caf\xEF\xBF\xBD"},
                            Opened{"create_silent", Code::kInvalidArgument, "gave no reason"},
                            Opened{"no_extensions", Code::kPluginMisbehaving, "offers no items"},
                            Opened{"table_empty", Code::kPluginMisbehaving, "offers no items"},
                            Opened{"problem_table_half", Code::kPluginMisbehaving, "offers no items"}}) {
    DYNAMIC_SECTION(one.mode) {
      Result<std::unique_ptr<TaskInstance>> task = GarbageHost::get().task(one.mode);
      REQUIRE_FALSE(task);
      INFO(task.error().text);
      CHECK(task.error().code == one.code);
      CHECK(task.error().text.find("'" + kTaskId + "'") != std::string::npos);
      CHECK(task.error().text.find(one.text) != std::string::npos);
      CHECK(assay::host::valid_utf8(task.error().text));
    }
  }
}

TEST_CASE("the problems of a task are text, whatever it says", "[run][instances]") {
  const auto problems = [](const char* mode) {
    Result<std::unique_ptr<TaskInstance>> task = GarbageHost::get().task(mode);
    REQUIRE(task);
    return (*task)->problems();
  };
  CHECK(problems("good").empty());
  CHECK(problems("problem_two") == std::vector<std::string>{"problem 0", "problem 1"});
  CHECK(problems("problem_bad_utf8").front() == "caf\xEF\xBF\xBD");
  for (const std::string& text : problems("problem_wild")) CHECK(assay::host::valid_utf8(text));
  CHECK(problems("problems_huge").size() == assay::host::limits::kProblemsMax + 1);
}

TEST_CASE("a task that does not know how many items it has says so in one way", "[run][instances]") {
  Result<std::unique_ptr<TaskInstance>> task = GarbageHost::get().task("count_negative");
  REQUIRE(task);
  CHECK((*task)->count() == -1);
}
