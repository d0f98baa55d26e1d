#include "db/blob.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"

namespace assay::host {
namespace {

static_assert(std::endian::native == std::endian::little,
              "blobs are written as the memory lies, little-endian");

constexpr std::uint16_t kMagic = 0x5441;  ///< "AT"
constexpr std::uint8_t kVersion = 1;

// dtypes of version 1.
enum Dtype : std::uint8_t { kF32 = 1, kF64 = 2, kI32 = 3, kU32 = 4, kU64 = 5 };
// Fields below kMeta are enum assay_stat.
enum Field : std::uint8_t { kMeta = 64, kIds, kBegin, kEnd, kTopOffset, kTopId, kTopLogprob, kOwner };

struct Header {
  std::uint16_t magic;
  std::uint8_t version, dtype, field, reserved[3];
  std::uint64_t count;
};
static_assert(sizeof(Header) == 16);

std::size_t width(std::uint8_t dtype) {
  switch (dtype) {
    case kF32:
    case kI32:
    case kU32:
      return 4;
    case kF64:
    case kU64:
      return 8;
    default:
      return 0;
  }
}

template <class T>
void append(std::string& out, std::uint8_t field, std::uint8_t dtype, const T* values, std::size_t count) {
  const Header header{kMagic, kVersion, dtype, field, {}, count};
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
  if (count > 0) out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

/// True if the value comes back with the same bits from a float32. All NaNs are one: absent.
bool survives(double value) {
  if (std::isnan(value)) return true;
  if (std::isfinite(value) && std::abs(value) > double{std::numeric_limits<float>::max()}) return false;
  return static_cast<double>(static_cast<float>(value)) == value;
}

void append_reals(std::string& out, std::uint8_t field, const double* values, std::size_t count) {
  bool narrow = true;
  for (std::size_t i = 0; i < count && narrow; ++i) narrow = survives(values[i]);
  if (!narrow) return append(out, field, kF64, values, count);
  const Header header{kMagic, kVersion, kF32, field, {}, count};
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
  const std::size_t start = out.size();
  out.resize(start + count * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(values[i]);
    std::memcpy(out.data() + start + i * sizeof(float), &value, sizeof value);
  }
}

Error broken(const std::string& why) {
  return {Code::kData,
          "the stored token statistics are damaged: " + why + "; run 'assay doctor' on the database",
          {}};
}

/// One array of a blob: where its bytes lie (not aligned) and what they are.
struct Array {
  const char* bytes = nullptr;  ///< not NULL when the array is there
  std::size_t count = 0;
  std::uint8_t dtype = 0;
  explicit operator bool() const { return bytes != nullptr; }
};

template <class T>
void copy_plain(const Array& array, T* out) {
  if (array.count != 0) std::memcpy(out, array.bytes, array.count * sizeof(T));
}

void copy_reals(const Array& array, double* out) {
  if (array.dtype == kF64) return copy_plain(array, out);
  for (std::size_t i = 0; i < array.count; ++i) {
    float value = 0;
    std::memcpy(&value, array.bytes + i * sizeof value, sizeof value);
    out[i] = double{value};
  }
}

template <class T>
std::vector<T> vector_of(const Array& array) {
  std::vector<T> out(array.count);
  if constexpr (std::is_same_v<T, double>) {
    copy_reals(array, out.data());
  } else {
    copy_plain(array, out.data());
  }
  return out;
}

/// One record, checked but not copied.
struct Record {
  std::optional<std::size_t> owner;
  std::uint32_t flags = 0;
  std::uint64_t vocabulary = 0;
  std::size_t count = 0;
  Array stats[ASSAY_STAT_COUNT], ids, begin, end, top_offset, top_id, top_logprob;
};

/// Walks over the records of a blob.
class Decoder {
 public:
  explicit Decoder(std::string_view blob) : rest_(blob) {}
  [[nodiscard]] bool done() const { return rest_.empty(); }
  /// The next record; views into the blob.
  Result<Record> next();

 private:
  Result<void> array(const Header& header, const char* bytes);
  Result<void> meta(const Array& array);
  Result<void> finish();

  std::string_view rest_;
  Record record_;
  std::array<bool, 128> seen_{};
};

Result<void> Decoder::meta(const Array& array) {
  std::uint64_t numbers[3] = {};
  if (array.dtype != kU64 || array.count != 3) return broken("its first array has another form");
  copy_plain(array, numbers);
  if (numbers[0] > std::numeric_limits<std::uint32_t>::max()) return broken("its flags are out of range");
  if (numbers[2] > limits::kTokensPerResponseMax) {
    return broken("it claims " + std::to_string(numbers[2]) + " tokens, the limit is " +
                  std::to_string(limits::kTokensPerResponseMax));
  }
  record_.flags = static_cast<std::uint32_t>(numbers[0]);
  record_.vocabulary = numbers[1];
  record_.count = static_cast<std::size_t>(numbers[2]);
  return {};
}

Result<void> Decoder::array(const Header& header, const char* bytes) {
  const std::uint8_t field = header.field;
  const Array array{bytes, static_cast<std::size_t>(header.count), header.dtype};
  if (field >= seen_.size() || seen_[field])
    return broken("array " + std::to_string(field) + " is there twice");
  seen_[field] = true;
  if (field == kMeta) return meta(array);
  if (field == kOwner && !seen_[kMeta] && header.dtype == kU64 && header.count == 1) {
    std::uint64_t owner = 0;
    copy_plain(array, &owner);
    record_.owner = static_cast<std::size_t>(owner);
    return {};
  }
  if (!seen_[kMeta]) return broken("it does not begin with its sizes");
  const bool real = header.dtype == kF32 || header.dtype == kF64;
  const bool per_token = field < ASSAY_STAT_COUNT || field == kIds || field == kBegin || field == kEnd;
  if (per_token && header.count != record_.count) {
    return broken("array " + std::to_string(field) + " has " + std::to_string(header.count) + " values for " +
                  std::to_string(record_.count) + " tokens");
  }
  if (field < ASSAY_STAT_COUNT && real) {
    record_.stats[field] = array;
  } else if (field == kIds && header.dtype == kI32) {
    record_.ids = array;
  } else if (field == kBegin && header.dtype == kU32) {
    record_.begin = array;
  } else if (field == kEnd && header.dtype == kU32) {
    record_.end = array;
  } else if (field == kTopOffset && header.dtype == kU64 && header.count == record_.count + 1) {
    record_.top_offset = array;
  } else if (field == kTopId && header.dtype == kI32) {
    record_.top_id = array;
  } else if (field == kTopLogprob && real) {
    record_.top_logprob = array;
  } else {
    return broken("array " + std::to_string(field) + " of type " + std::to_string(header.dtype) +
                  " is unknown");
  }
  return {};
}

Result<void> Decoder::finish() {
  if (!seen_[kMeta]) return broken("it is empty");
  if (seen_[kTopOffset] != seen_[kTopId] || seen_[kTopOffset] != seen_[kTopLogprob]) {
    return broken("the most probable tokens are incomplete");
  }
  if (!seen_[kTopOffset]) return {};
  std::uint64_t last = 0;
  for (std::size_t i = 0; i <= record_.count; ++i) {
    std::uint64_t offset = 0;
    std::memcpy(&offset, record_.top_offset.bytes + i * sizeof offset, sizeof offset);
    if (offset < last || (i == 0 && offset != 0)) return broken("the most probable tokens are out of order");
    last = offset;
  }
  if (last != record_.top_id.count || last != record_.top_logprob.count) {
    return broken("the most probable tokens have inconsistent sizes");
  }
  return {};
}

Result<Record> Decoder::next() {
  record_ = {};
  seen_ = {};
  while (!rest_.empty()) {
    Header header{};
    if (rest_.size() < sizeof header) return broken("it ends inside a header");
    std::memcpy(&header, rest_.data(), sizeof header);
    // The owner of another record ends this one.
    if (header.field == kOwner && seen_[kMeta]) break;
    if (header.magic != kMagic) return broken("a header does not begin as expected");
    if (header.version != kVersion) {
      return broken("it has version " + std::to_string(header.version) + ", this assay reads version 1");
    }
    const std::size_t bytes = width(header.dtype);
    if (bytes == 0 || (header.reserved[0] | header.reserved[1] | header.reserved[2]) != 0) {
      return broken("a header holds unknown values");
    }
    rest_.remove_prefix(sizeof header);
    if (header.count > rest_.size() / bytes) return broken("it ends inside an array");
    Result<void> read = array(header, rest_.data());
    if (!read) return std::move(read).error();
    rest_.remove_prefix(static_cast<std::size_t>(header.count) * bytes);
  }
  Result<void> complete = finish();
  if (!complete) return std::move(complete).error();
  return record_;
}

/// Copies a record into memory of the caller; `failed` when there is none left.
class Placer {
 public:
  explicit Placer(const Allocate& allocate) : allocate_(allocate) {}
  [[nodiscard]] bool failed() const { return failed_; }

  void place(const Record& record, assay_tokens& out) {
    out = {};
    out.struct_size = sizeof out;
    out.flags = record.flags;
    out.vocabulary = record.vocabulary;
    out.count = record.count;
    out.ids = copy<std::int32_t>(record.ids);
    out.begin = copy<std::uint32_t>(record.begin);
    out.end = copy<std::uint32_t>(record.end);
    const double** stats = memory<const double*>(ASSAY_STAT_COUNT);
    for (std::size_t s = 0; stats != nullptr && s < ASSAY_STAT_COUNT; ++s)
      stats[s] = copy<double>(record.stats[s]);
    out.stats = stats;
    out.stat_count = ASSAY_STAT_COUNT;
    out.top_offset = copy<std::uint64_t>(record.top_offset);
    out.top_id = copy<std::int32_t>(record.top_id);
    out.top_logprob = copy<double>(record.top_logprob);
  }

 private:
  template <class T>
  T* memory(std::size_t count) {
    void* start = allocate_(count == 0 ? 1 : count * sizeof(T), alignof(T));
    failed_ = failed_ || start == nullptr;
    return static_cast<T*>(start);
  }
  template <class T>
  const T* copy(const Array& array) {
    if (!array) return nullptr;
    T* out = memory<T>(array.count);
    if (out == nullptr) return nullptr;
    if constexpr (std::is_same_v<T, double>) {
      copy_reals(array, out);
    } else {
      copy_plain(array, out);
    }
    return out;
  }

  const Allocate& allocate_;
  bool failed_ = false;
};

void append_owner(std::uint64_t owner, std::string& out) {
  append(out, kOwner, kU64, &owner, 1);
}

}  // namespace

void encode_tokens(const assay_tokens& tokens, std::string& out) {
  const std::uint64_t meta[3] = {tokens.flags, tokens.vocabulary, tokens.count};
  append(out, kMeta, kU64, meta, 3);
  if (tokens.ids != nullptr) append(out, kIds, kI32, tokens.ids, tokens.count);
  if (tokens.begin != nullptr) append(out, kBegin, kU32, tokens.begin, tokens.count);
  if (tokens.end != nullptr) append(out, kEnd, kU32, tokens.end, tokens.count);
  for (std::uint32_t s = 0; tokens.stats != nullptr && s < tokens.stat_count && s < ASSAY_STAT_COUNT; ++s) {
    if (tokens.stats[s] == nullptr) continue;
    append_reals(out, static_cast<std::uint8_t>(s), tokens.stats[s], tokens.count);
  }
  if (tokens.struct_size < offsetof(assay_tokens, top_logprob) + sizeof(tokens.top_logprob)) return;
  if (tokens.top_offset == nullptr) return;
  // Offsets may begin anywhere in the plugin's tables; what lies before the first is nobody's.
  const std::uint64_t first = tokens.top_offset[0];
  const auto top = static_cast<std::size_t>(tokens.top_offset[tokens.count] - first);
  if (top != 0 && (tokens.top_id == nullptr || tokens.top_logprob == nullptr)) return;
  if (first == 0) {
    append(out, kTopOffset, kU64, tokens.top_offset, tokens.count + 1);
  } else {
    std::vector<std::uint64_t> offsets(tokens.top_offset, tokens.top_offset + tokens.count + 1);
    for (std::uint64_t& offset : offsets) offset -= first;
    append(out, kTopOffset, kU64, offsets.data(), offsets.size());
  }
  append(out, kTopId, kI32, top == 0 ? nullptr : tokens.top_id + first, top);
  append_reals(out, kTopLogprob, top == 0 ? nullptr : tokens.top_logprob + first, top);
}

void encode_tokens(const assay_response& response, std::string& out) {
  if (response.tokens != nullptr) {
    if (response.choice_count != 0) append_owner(0, out);
    encode_tokens(*response.tokens, out);
  }
  for (std::size_t i = 0; i < response.choice_count; ++i) {
    const assay_choice& choice = *element(response.choices, response.choice_size, i);
    if (choice.tokens == nullptr) continue;
    if (i != 0 || response.tokens != nullptr) append_owner(i + 1, out);
    encode_tokens(*choice.tokens, out);
  }
}

Result<StoredTokens> decode_tokens(std::string_view blob) {
  Decoder decoder(blob);
  Result<Record> first = decoder.next();
  while (first && !decoder.done()) {
    Result<Record> more = decoder.next();
    if (!more) return std::move(more).error();
  }
  if (!first) return std::move(first).error();
  StoredTokens tokens;
  tokens.flags = first->flags;
  tokens.vocabulary = first->vocabulary;
  tokens.count = first->count;
  tokens.ids = vector_of<std::int32_t>(first->ids);
  tokens.begin = vector_of<std::uint32_t>(first->begin);
  tokens.end = vector_of<std::uint32_t>(first->end);
  for (std::size_t s = 0; s < ASSAY_STAT_COUNT; ++s) tokens.stats[s] = vector_of<double>(first->stats[s]);
  tokens.top_offset = vector_of<std::uint64_t>(first->top_offset);
  tokens.top_id = vector_of<std::int32_t>(first->top_id);
  tokens.top_logprob = vector_of<double>(first->top_logprob);
  return tokens;
}

Result<void> decode_tokens(std::string_view blob, const Allocate& allocate, const TakeTokens& take) {
  Decoder decoder(blob);
  do {
    Result<Record> record = decoder.next();
    if (!record) return std::move(record).error();
    Placer placer(allocate);
    assay_tokens tokens;
    placer.place(*record, tokens);
    if (placer.failed())
      return Error{Code::kResourceExhausted, "memory for stored token statistics is exhausted", {}};
    if (!take(record->owner, tokens)) return broken("one of its records belongs to no choice of the answer");
  } while (!decoder.done());
  return {};
}

}  // namespace assay::host
