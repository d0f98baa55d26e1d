#include "db/blob.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

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
enum Field : std::uint8_t { kMeta = 64, kIds, kBegin, kEnd, kTopOffset, kTopId, kTopLogprob };

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

template <class T>
void read_plain(std::string_view bytes, std::vector<T>& out) {
  out.resize(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
}

void read_reals(std::uint8_t dtype, std::string_view bytes, std::vector<double>& out) {
  if (dtype == kF64) return read_plain(bytes, out);
  out.resize(bytes.size() / sizeof(float));
  for (std::size_t i = 0; i < out.size(); ++i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    out[i] = double{value};
  }
}

/// The arrays as they come, with what was seen.
struct Decoder {
  StoredTokens tokens;
  std::uint64_t count = 0;
  std::array<bool, 128> seen{};

  Result<void> array(const Header& header, std::string_view bytes);
  Result<void> finish();
  Result<void> meta(const Header& header, std::string_view bytes);
};

Result<void> Decoder::meta(const Header& header, std::string_view bytes) {
  std::vector<std::uint64_t> numbers;
  if (header.dtype != kU64 || header.count != 3) return broken("its first array has another form");
  read_plain(bytes, numbers);
  if (numbers[0] > std::numeric_limits<std::uint32_t>::max()) return broken("its flags are out of range");
  if (numbers[2] > limits::kTokensPerResponseMax) {
    return broken("it claims " + std::to_string(numbers[2]) + " tokens, the limit is " +
                  std::to_string(limits::kTokensPerResponseMax));
  }
  tokens.flags = static_cast<std::uint32_t>(numbers[0]);
  tokens.vocabulary = numbers[1];
  count = numbers[2];
  tokens.count = static_cast<std::size_t>(count);
  return {};
}

Result<void> Decoder::array(const Header& header, std::string_view bytes) {
  const std::uint8_t field = header.field;
  if (field >= seen.size() || seen[field])
    return broken("array " + std::to_string(field) + " is there twice");
  seen[field] = true;
  if (field == kMeta) return meta(header, bytes);
  if (!seen[kMeta]) return broken("it does not begin with its sizes");
  const bool real = header.dtype == kF32 || header.dtype == kF64;
  const bool per_token = field < ASSAY_STAT_COUNT || field == kIds || field == kBegin || field == kEnd;
  if (per_token && header.count != count) {
    return broken("array " + std::to_string(field) + " has " + std::to_string(header.count) + " values for " +
                  std::to_string(count) + " tokens");
  }
  if (field < ASSAY_STAT_COUNT && real) {
    read_reals(header.dtype, bytes, tokens.stats[field]);
  } else if (field == kIds && header.dtype == kI32) {
    read_plain(bytes, tokens.ids);
  } else if (field == kBegin && header.dtype == kU32) {
    read_plain(bytes, tokens.begin);
  } else if (field == kEnd && header.dtype == kU32) {
    read_plain(bytes, tokens.end);
  } else if (field == kTopOffset && header.dtype == kU64 && header.count == count + 1) {
    read_plain(bytes, tokens.top_offset);
  } else if (field == kTopId && header.dtype == kI32) {
    read_plain(bytes, tokens.top_id);
  } else if (field == kTopLogprob && real) {
    read_reals(header.dtype, bytes, tokens.top_logprob);
  } else {
    return broken("array " + std::to_string(field) + " of type " + std::to_string(header.dtype) +
                  " is unknown");
  }
  return {};
}

Result<void> Decoder::finish() {
  if (!seen[kMeta]) return broken("it is empty");
  if (seen[kTopOffset] != seen[kTopId] || seen[kTopOffset] != seen[kTopLogprob]) {
    return broken("the most probable tokens are incomplete");
  }
  if (seen[kTopOffset]) {
    std::uint64_t last = 0;
    for (const std::uint64_t offset : tokens.top_offset) {
      if (offset < last) return broken("the most probable tokens are out of order");
      last = offset;
    }
    if (tokens.top_offset.front() != 0 || last != tokens.top_id.size() || last != tokens.top_logprob.size()) {
      return broken("the most probable tokens have inconsistent sizes");
    }
  }
  return {};
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
  if (tokens.top_offset == nullptr || tokens.top_id == nullptr || tokens.top_logprob == nullptr) return;
  append(out, kTopOffset, kU64, tokens.top_offset, tokens.count + 1);
  const auto top = static_cast<std::size_t>(tokens.top_offset[tokens.count]);
  append(out, kTopId, kI32, tokens.top_id, top);
  append_reals(out, kTopLogprob, tokens.top_logprob, top);
}

Result<StoredTokens> decode_tokens(std::string_view blob) {
  Decoder decoder;
  while (!blob.empty()) {
    Header header{};
    if (blob.size() < sizeof header) return broken("it ends inside a header");
    std::memcpy(&header, blob.data(), sizeof header);
    blob.remove_prefix(sizeof header);
    if (header.magic != kMagic) return broken("a header does not begin as expected");
    if (header.version != kVersion) {
      return broken("it has version " + std::to_string(header.version) + ", this assay reads version 1");
    }
    const std::size_t bytes = width(header.dtype);
    if (bytes == 0 || (header.reserved[0] | header.reserved[1] | header.reserved[2]) != 0) {
      return broken("a header holds unknown values");
    }
    if (header.count > blob.size() / bytes) return broken("it ends inside an array");
    const std::size_t length = static_cast<std::size_t>(header.count) * bytes;
    Result<void> read = decoder.array(header, blob.substr(0, length));
    if (!read) return std::move(read).error();
    blob.remove_prefix(length);
  }
  Result<void> complete = decoder.finish();
  if (!complete) return std::move(complete).error();
  return std::move(decoder.tokens);
}

}  // namespace assay::host
