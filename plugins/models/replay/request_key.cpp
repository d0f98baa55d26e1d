#include "plugins/models/replay/request_key.hpp"

#include <xxhash.h>

#include <array>
#include <cstring>

namespace assay::replay {
namespace {

void append(std::string& out, const void* bytes, std::size_t size) {
  out.append(static_cast<const char*>(bytes), size);
}

}  // namespace

std::string_view kind_name(std::int32_t kind) {
  switch (kind) {
    case ASSAY_REQUEST_GENERATE:
      return "generate";
    case ASSAY_REQUEST_SCORE:
      return "score";
    case ASSAY_REQUEST_ROWS:
      return "rows";
    case ASSAY_REQUEST_CLASSIFY:
      return "classify";
    case ASSAY_REQUEST_EMBED:
      return "embed";
    default:
      return {};
  }
}

Fingerprint fingerprint(const KeyView& key) {
  // One reused buffer per thread: lengths keep ("ab","c") and ("a","bc") apart.
  thread_local std::string buffer;
  buffer.clear();
  append(buffer, &key.mask, sizeof key.mask);
  append(buffer, &key.repeat, sizeof key.repeat);
  for (const std::string_view part : {key.task, key.kind, key.variant, key.name, key.item}) {
    const std::uint64_t size = part.size();
    append(buffer, &size, sizeof size);
    append(buffer, part.data(), part.size());
  }
  const XXH128_hash_t hash = XXH3_128bits(buffer.data(), buffer.size());
  return {hash.low64, hash.high64};
}

KeyView key_of(const assay_request& request, std::uint32_t mask) {
  KeyView key;
  key.mask = mask;
  key.repeat = request.repeat;
  if ((mask & kPartTask) != 0) key.task = view(request.task);
  if ((mask & kPartKind) != 0) key.kind = kind_name(request.kind);
  if ((mask & kPartVariant) != 0) key.variant = view(request.variant);
  if ((mask & kPartName) != 0) key.name = view(request.name);
  if ((mask & kPartItem) != 0) key.item = view(request.item);
  return key;
}

std::string to_text(const KeyView& key) {
  std::string text;
  const auto part = [&text](std::string_view name, std::string_view value) {
    text += (text.empty() ? "" : ", ") + std::string(name) + " '" + std::string(value) + "'";
  };
  if (key.mask == kDigestMask) part("request", key.item);
  if ((key.mask & kPartTask) != 0) part("task", key.task);
  if ((key.mask & kPartItem) != 0) part("item", key.item);
  if ((key.mask & kPartVariant) != 0) part("variant", key.variant);
  if ((key.mask & kPartKind) != 0) part("kind", key.kind);
  if ((key.mask & kPartName) != 0) part("name", key.name);
  if (key.repeat != 0) part("repeat", std::to_string(key.repeat));
  return text;
}

}  // namespace assay::replay
