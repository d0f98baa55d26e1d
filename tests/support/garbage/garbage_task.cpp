// The misbehaving task: three items with one request each.
#include "garbage.hpp"

namespace garbage {
namespace {

constexpr std::uint64_t kItems = 3;
std::int32_t open(void* instance, assay_status* status, const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "open_silent") return ASSAY_DATA;
  if (mode == "open_unknown") return 77;
  if (mode == "open_wild") {
    status->code = ASSAY_DATA;
    status->message = {wild(), 20};
    return ASSAY_DATA;
  }
  if (mode == "open_bad_utf8") {
    status->code = ASSAY_NOT_FOUND;
    status->message = copy(kBadUtf8, call);
    return ASSAY_NOT_FOUND;
  }
  status->code = ASSAY_OK;
  return ASSAY_OK;
}

std::int64_t count(void* instance) noexcept {
  return mode_of(instance) == "count_negative" ? -5 : static_cast<std::int64_t>(kItems);
}

void write_item(std::uint64_t at, assay_item& item, assay_request& request, const assay_call* call) {
  item.id = copy("item " + std::to_string(at), call);
  item.text = copy("a text", call);
  request.struct_size = sizeof request;
  request.kind = ASSAY_REQUEST_GENERATE;
  request.name = copy("answer", call);
  request.prompt = copy("a prompt", call);
  request.label = -1;
  item.requests = &request;
  item.request_count = 1;
  item.request_size = sizeof request;
  item.status.code = ASSAY_OK;
}

void spoil_item(const std::string& mode, assay_item& item, const assay_call* call) {
  static const assay_str kStaticTargets[1] = {kStatic};
  static const assay_field kStaticField = {kStatic, kStatic, 1.0};
  if (mode == "id_missing") item.id = {};
  if (mode == "id_wild") item.id = {wild(), 10};
  if (mode == "id_bad_utf8") item.id = copy(kBadUtf8, call);
  if (mode == "group_static") item.group = kStatic;
  if (mode == "variant_wild") item.variant = {wild(), 10};
  if (mode == "text_huge") item.text.len = kHuge;
  if (mode == "targets_static") item.targets = {kStaticTargets, 1};
  if (mode == "targets_huge") item.targets = {reserve<assay_str>(call), kHuge};
  if (mode == "target_wild") {
    auto* targets = reserve<assay_str>(call);
    *targets = {wild(), 10};
    item.targets = {targets, 1};
  }
  if (mode == "fields_static") item.fields = &kStaticField, item.field_count = 1;
  if (mode == "fields_many") item.fields = reserve<assay_field>(call, 1001), item.field_count = 1001;
  if (mode == "field_bad_utf8") {
    auto* field = reserve<assay_field>(call);
    *field = {copy("key", call), copy(kBadUtf8, call), kNan};
    item.fields = field;
    item.field_count = 1;
  }
  // A row that is honestly reported as bad, with fields that nobody may look at.
  if (mode == "bad_row_wild") {
    item.id = {wild(), 10};
    item.text = {wild(), 10};
    item.targets = {reinterpret_cast<const assay_str*>(wild()), 3};
    item.requests = reinterpret_cast<const assay_request*>(wild());
    item.status.code = ASSAY_DATA;
    item.status.message = copy("row 7 is torn", call);
  }
  // Nobody checks an id twice: it must not survive from an item whose status was unusable.
  if (mode == "status_unset_bad_id") item.id = copy(kBadUtf8, call), item.status.code = ASSAY_UNSET;
}

void spoil_request(const std::string& mode, assay_item& item, assay_request& request,
                   const assay_call* call) {
  static const assay_request kElsewhere = {};
  static const assay_message kStaticMessage = {kStatic, kStatic};
  if (mode == "requests_static") item.requests = &kElsewhere;
  if (mode == "requests_huge") item.request_count = kHuge;
  if (mode == "requests_many") {
    item.requests = reserve<assay_request>(call, 100001);
    item.request_count = 100001;
  }
  if (mode == "requests_size_zero") item.request_size = 0;
  if (mode == "requests_size_small") item.request_size = 16;
  if (mode == "requests_size_huge") item.request_size = kHuge;
  if (mode == "request_kind_unknown") request.kind = 42;
  if (mode == "request_name_static") request.name = kStatic;
  if (mode == "prompt_wild") request.prompt = {wild(), 100};
  if (mode == "prompt_bad_utf8") request.prompt = copy(kBadUtf8, call);
  if (mode == "continuation_null") request.continuation = {nullptr, 7};
  if (mode == "stop_wild") request.stop = {reinterpret_cast<const assay_str*>(wild()), 2};
  if (mode == "messages_static") request.messages = &kStaticMessage, request.message_count = 1;
  if (mode == "message_bad_utf8") {
    auto* message = reserve<assay_message>(call);
    *message = {copy("user", call), copy(kBadUtf8, call)};
    request.messages = message;
    request.message_count = 1;
  }
}

std::int32_t fetch(void* instance, std::uint64_t start, std::size_t n, assay_item* items,
                   std::size_t* produced, const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "fetch_fails") return ASSAY_UNAVAILABLE;
  if (mode == "fetch_unknown") return 77;
  std::size_t made = 0;
  for (; made < n && start + made < kItems; ++made) {
    assay_item& item = items[made];
    auto* request = reserve<assay_request>(call);
    write_item(start + made, item, *request, call);
    assay_status status = item.status;
    status.code = ASSAY_UNSET;
    if (bad_status(mode, status, call)) item.status = status;
    spoil_item(mode, item, call);
    spoil_request(mode, item, *request, call);
  }
  *produced = mode == "produced_many" ? n + 1 : mode == "produced_huge" ? kHuge : made;
  return ASSAY_OK;
}

std::size_t problem_count(void* instance) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "problems_huge") return kHuge;
  return mode.rfind("problem", 0) == 0 ? 2 : 0;
}
std::int32_t problem(void* instance, std::size_t i, assay_str* out, const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  *out = mode == "problem_wild"       ? assay_str{wild(), 20}
         : mode == "problem_bad_utf8" ? copy(kBadUtf8, call)
                                      : copy("problem " + std::to_string(i), call);
  return ASSAY_OK;
}

}  // namespace

const void* task_extension(const std::string& mode, std::string_view id) {
  static const assay_task_items_v1 kItemsTable = {
      sizeof(assay_task_items_v1), 0, open, count, fetch, problem_count, problem};
  static const assay_task_items_v1 kEmpty = {
      sizeof(assay_task_items_v1), 0, nullptr, nullptr, nullptr, nullptr, nullptr};
  static const assay_task_items_v1 kHalf = {
      sizeof(assay_task_items_v1), 0, open, nullptr, nullptr, problem_count, nullptr};
  if (id != "assay.task.items/1") return nullptr;
  return mode == "table_empty" ? &kEmpty : mode == "problem_table_half" ? &kHalf : &kItemsTable;
}

}  // namespace garbage
