#include "gguf_header.hpp"

#include <ggml.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "digest.hpp"

namespace assay::llama {
namespace {

enum ValueType : std::uint32_t { kUint32 = 4, kInt32 = 5, kFloat32 = 6, kString = 8, kArray = 9 };
/// Bytes of a value by its type number: u8 i8 u16 i16 u32 i32 f32 bool string array u64 i64 f64.
constexpr std::array<std::size_t, 13> kValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
/// Longest name of a tensor, with its end mark (GGML_MAX_NAME); longest key of the format.
constexpr std::size_t kKeyBytesMax = 65535;
/// What libllama holds in fixed arrays.
constexpr std::uint64_t kLayersMax = 512;
constexpr std::uint64_t kExpertsMax = 512;

struct Bad {
  std::string text;
};

/// Bytes of the file in order; every read is checked against what is left. Throws Bad inside of this file.
class Bytes {
 public:
  Bytes(std::ifstream& in, std::uint64_t size) : in_(in), size_(size) {}
  [[nodiscard]] std::uint64_t at() const { return at_; }
  [[nodiscard]] std::uint64_t left() const { return size_ - at_; }
  void read(void* out, std::size_t count, const char* what) {
    need(count, what);
    if (!in_.read(static_cast<char*>(out), static_cast<std::streamsize>(count))) {
      throw Bad{std::string("could not be read in ") + what};
    }
    at_ += count;
  }
  template <class T>
  T number(const char* what) {
    T value{};
    read(&value, sizeof value, what);
    return value;
  }
  std::string text(std::size_t longest, const char* what) {
    const auto size = number<std::uint64_t>(what);
    need(size, what);
    if (size > longest) throw Bad{std::string(what) + " has " + std::to_string(size) + " bytes"};
    std::string out(static_cast<std::size_t>(size), '\0');
    read(out.data(), out.size(), what);
    return out;
  }
  void need(std::uint64_t count, const char* what) const {
    if (count <= left()) return;
    throw Bad{"ends at byte " + std::to_string(size_) + " inside of " + what + ", which needs " +
              std::to_string(count) + " bytes from byte " + std::to_string(at_) + " on"};
  }

 private:
  std::ifstream& in_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
};

/// One value of the key-value part.
struct Value {
  std::uint32_t type = 0;  ///< of the elements for an array
  bool array = false;
  std::uint64_t count = 1;
  std::vector<std::uint64_t> whole;  ///< whole numbers (at most 1024 of them), for the checks
  bool negative = false;
  std::string text;    ///< a single string
  std::string digest;  ///< of all bytes, for tokenizer.*
};

Value read_value(Bytes& in, const std::string& key) {
  Value out;
  const std::string what = "the value of '" + key + "'";
  out.type = in.number<std::uint32_t>(what.c_str());
  if (out.type == kArray) {
    out.array = true;
    out.type = in.number<std::uint32_t>(what.c_str());
    out.count = in.number<std::uint64_t>(what.c_str());
  }
  if (out.type >= kValueBytes.size() || out.type == kArray) {
    throw Bad{"has the unknown value type " + std::to_string(out.type) + " for '" + key + "'"};
  }
  // Every string has its length of 8 bytes, so that no count larger than the file passes.
  const std::size_t each = out.type == kString ? 8 : kValueBytes[out.type];
  if (out.count > in.left() / each) {
    throw Bad{"declares " + std::to_string(out.count) + " elements for '" + key + "', but only " +
              std::to_string(in.left()) + " bytes are left"};
  }
  const bool keep_digest = key.starts_with("tokenizer.");
  Digest digest;
  digest.add(std::to_string(out.type));
  for (std::uint64_t i = 0; i < out.count; ++i) {
    if (out.type == kString) {
      std::string text = in.text(std::numeric_limits<std::size_t>::max(), what.c_str());
      if (keep_digest) digest.add(text);
      if (!out.array) out.text = std::move(text);
      continue;
    }
    std::uint64_t bits = 0;
    in.read(&bits, each, what.c_str());
    if (keep_digest) digest.add({reinterpret_cast<const char*>(&bits), each});
    if (out.whole.size() < 1024) {
      const bool is_signed = out.type == 1 || out.type == 3 || out.type == 5 || out.type == 11;
      if (is_signed && (bits >> (8 * each - 1) & 1U) != 0) out.negative = true;
      out.whole.push_back(bits);
    }
  }
  if (keep_digest) out.digest = digest.hex();
  return out;
}

using Values = std::map<std::string, Value>;

std::optional<std::uint64_t> whole(const Values& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end() || found->second.array || found->second.whole.empty()) return std::nullopt;
  if (found->second.negative) throw Bad{"has a negative '" + key + "'"};
  return found->second.whole.front();
}

void check_range(const Values& values, const std::string& key, std::uint64_t least, std::uint64_t most) {
  const auto found = values.find(key);
  if (found == values.end() || found->second.type == kString || found->second.type == kFloat32) return;
  if (found->second.negative) throw Bad{"has a negative '" + key + "'"};
  for (const std::uint64_t value : found->second.whole) {
    if (value >= least && value <= most) continue;
    throw Bad{"has '" + key + "' = " + std::to_string(value) + "; from " + std::to_string(least) + " to " +
              std::to_string(most) + " is possible"};
  }
}

/// The numbers of an architecture on which libllama would stop the process.
void check_architecture(const Values& values, const std::string& arch) {
  const auto key = [&](const char* name) { return arch + "." + name; };
  if (!whole(values, key("context_length"))) throw Bad{"has no whole number '" + key("context_length") + "'"};
  if (!whole(values, key("embedding_length")))
    throw Bad{"has no whole number '" + key("embedding_length") + "'"};
  if (!whole(values, key("block_count"))) throw Bad{"has no whole number '" + key("block_count") + "'"};
  constexpr std::uint64_t kAny = std::numeric_limits<std::int32_t>::max();
  check_range(values, key("block_count"), 1, kLayersMax);
  check_range(values, key("context_length"), 1, kAny);
  check_range(values, key("embedding_length"), 1, 1U << 20U);
  check_range(values, key("feed_forward_length"), 0, 1U << 24U);
  check_range(values, key("attention.head_count"), 0, 1U << 16U);
  check_range(values, key("attention.head_count_kv"), 0, 1U << 16U);
  check_range(values, key("attention.key_length"), 1, 1U << 16U);
  check_range(values, key("attention.value_length"), 1, 1U << 16U);
  check_range(values, key("rope.dimension_count"), 0, 1U << 16U);
  check_range(values, key("expert_count"), 0, kExpertsMax);
  const std::uint64_t experts = whole(values, key("expert_count")).value_or(0);
  check_range(values, key("expert_used_count"), experts == 0 ? 0 : 1, experts);
  const auto heads = whole(values, key("attention.head_count"));
  const auto kv_heads = whole(values, key("attention.head_count_kv"));
  if (heads && kv_heads && *heads != 0 && (*kv_heads == 0 || *heads % *kv_heads != 0)) {
    throw Bad{"has " + std::to_string(*heads) + " attention heads that cannot share " +
              std::to_string(*kv_heads) + " key-value heads"};
  }
}

void check_vocabulary(const Values& values) {
  const auto model = values.find("tokenizer.ggml.model");
  if (model == values.end() || model->second.text.empty() || model->second.text == "no_vocab") {
    throw Bad{"has no vocabulary ('tokenizer.ggml.model' is absent or \"no_vocab\")"};
  }
  const auto tokens = values.find("tokenizer.ggml.tokens");
  if (tokens == values.end() || !tokens->second.array || tokens->second.type != kString ||
      tokens->second.count == 0) {
    throw Bad{"has no list of tokens ('tokenizer.ggml.tokens')"};
  }
  constexpr std::string_view kScores = "tokenizer.ggml.scores";
  for (const std::string_view key : {kScores, std::string_view("tokenizer.ggml.token_type")}) {
    const auto found = values.find(std::string(key));
    if (found == values.end()) continue;
    const bool known = found->second.type == kInt32 || (found->second.type == kFloat32 && key == kScores);
    if (!found->second.array || !known || found->second.count < tokens->second.count) {
      throw Bad{"has " + std::to_string(tokens->second.count) + " tokens, but '" + std::string(key) +
                "' is no list of as many numbers of the right type"};
    }
  }
  for (const auto& [key, value] : values) {
    if (!key.starts_with("tokenizer.ggml.") || !key.ends_with("_token_id")) continue;
    // All bits set means none.
    const std::uint64_t id = value.whole.empty() ? 0 : value.whole.front();
    if (value.array || value.type == kString) throw Bad{"has no number '" + key + "'"};
    if (id >= tokens->second.count && id != 0xFFFFFFFFU && id != std::numeric_limits<std::uint64_t>::max()) {
      throw Bad{"has '" + key + "' = " + std::to_string(id) + ", but only " +
                std::to_string(tokens->second.count) + " tokens"};
    }
  }
}

/// Bytes of a tensor's data; checks its description.
std::uint64_t tensor_bytes(Bytes& in, std::set<std::string>& names, std::uint64_t& offset,
                           std::string& name) {
  name = in.text(kKeyBytesMax, "the name of a tensor");
  if (name.empty() || name.size() >= GGML_MAX_NAME || !names.insert(name).second) {
    throw Bad{"names a tensor '" + name.substr(0, 80) + "' that is empty, too long or there twice"};
  }
  const std::string what = "the description of tensor '" + name + "'";
  const auto dimensions = in.number<std::uint32_t>(what.c_str());
  if (dimensions == 0 || dimensions > GGML_MAX_DIMS) {
    throw Bad{"gives tensor '" + name + "' " + std::to_string(dimensions) + " dimensions; from 1 to " +
              std::to_string(GGML_MAX_DIMS) + " are possible"};
  }
  std::uint64_t elements = 1;
  std::uint64_t row = 0;
  for (std::uint32_t d = 0; d < dimensions; ++d) {
    const auto size = in.number<std::uint64_t>(what.c_str());
    if (size == 0 || size > (std::uint64_t{1} << 40U) || elements > (std::uint64_t{1} << 44U) / size) {
      throw Bad{"gives tensor '" + name + "' an impossible size (" + std::to_string(size) + " in dimension " +
                std::to_string(d + 1) + ")"};
    }
    if (d == 0) row = size;
    elements *= size;
  }
  const auto type = in.number<std::uint32_t>(what.c_str());
  offset = in.number<std::uint64_t>(what.c_str());
  const bool known = type < GGML_TYPE_COUNT && ggml_blck_size(static_cast<ggml_type>(type)) > 0 &&
                     ggml_type_size(static_cast<ggml_type>(type)) > 0;
  if (!known) throw Bad{"gives tensor '" + name + "' the unknown type " + std::to_string(type)};
  const auto block = static_cast<std::uint64_t>(ggml_blck_size(static_cast<ggml_type>(type)));
  if (row % block != 0) {
    throw Bad{"gives tensor '" + name + "' rows of " + std::to_string(row) + " elements, which blocks of " +
              std::to_string(block) + " do not fill"};
  }
  return elements / block * ggml_type_size(static_cast<ggml_type>(type));
}

GgufHeader read(std::ifstream& file, std::uint64_t size) {
  Bytes in(file, size);
  std::array<char, 4> magic{};
  in.read(magic.data(), magic.size(), "the mark \"GGUF\"");
  if (std::string_view(magic.data(), 4) != "GGUF") throw Bad{"does not begin with \"GGUF\""};
  GgufHeader out;
  out.version = in.number<std::uint32_t>("the version");
  if (out.version != 2 && out.version != 3) {
    throw Bad{"is of format version " + std::to_string(out.version) + "; 2 and 3 (little endian) are known"};
  }
  out.tensor_count = in.number<std::uint64_t>("the header");
  const auto pairs = in.number<std::uint64_t>("the header");
  // A pair has at least 13 bytes, a description at least 32.
  if (pairs > in.left() / 13 || out.tensor_count > in.left() / 32) {
    throw Bad{"declares " + std::to_string(pairs) + " values and " + std::to_string(out.tensor_count) +
              " tensors, more than its " + std::to_string(size) + " bytes can hold"};
  }
  Values values;
  for (std::uint64_t i = 0; i < pairs; ++i) {
    std::string key = in.text(kKeyBytesMax, "a key");
    if (key.empty() || values.count(key) != 0) throw Bad{"has the key '" + key + "' empty or twice"};
    Value value = read_value(in, key);
    values.emplace(std::move(key), std::move(value));
  }
  const auto text_of = [&](const std::string& key) {
    const auto found = values.find(key);
    return found == values.end() ? std::string() : found->second.text;
  };
  out.architecture = text_of("general.architecture");
  out.name = text_of("general.name");
  if (out.architecture.empty()) throw Bad{"does not say its architecture ('general.architecture')"};
  if (const auto parts = whole(values, "split.count"); parts && *parts > 1) {
    throw Bad{"is one of " + std::to_string(*parts) +
              " parts of a model; join them first (llama-gguf-split --merge)"};
  }
  std::uint64_t alignment = 32;
  if (const auto found = values.find("general.alignment"); found != values.end()) {
    alignment = found->second.type == kUint32 && !found->second.array ? found->second.whole.front() : 0;
  }
  if (!std::has_single_bit(alignment) || alignment < 8 || alignment > 65536)
    throw Bad{"has an impossible 'general.alignment'"};
  std::set<std::string> names;
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < out.tensor_count; ++i) {
    std::uint64_t offset = 0;
    std::string name;
    const std::uint64_t bytes = tensor_bytes(in, names, offset, name);
    if (offset % alignment != 0 || offset > size || bytes > size - offset) {
      throw Bad{"places tensor '" + name + "' (" + std::to_string(bytes) + " bytes at " +
                std::to_string(offset) + ") outside of its " + std::to_string(size) + " bytes"};
    }
    end = std::max(end, offset + bytes);
  }
  const std::uint64_t data = (in.at() + alignment - 1) / alignment * alignment;
  if (data > size || end > size - data) {
    throw Bad{"is cut off: its tensors reach to byte " + std::to_string(data + end) + ", it has " +
              std::to_string(size)};
  }
  if (out.tensor_count == 0) throw Bad{"has no tensors, only a vocabulary"};
  check_vocabulary(values);
  check_architecture(values, out.architecture);
  out.token_count = values.at("tokenizer.ggml.tokens").count;
  out.context_length = whole(values, out.architecture + ".context_length").value_or(0);
  Digest digest;
  // What decides how text becomes ids; special ids and "add BOS" are settings beside it.
  for (const char* key : {"model", "pre", "tokens", "scores", "token_type", "merges", "add_space_prefix",
                          "remove_extra_whitespaces", "precompiled_charsmap", "escape_whitespaces"}) {
    const auto found = values.find(std::string("tokenizer.ggml.") + key);
    if (found != values.end()) digest.add(key).add(found->second.digest);
  }
  out.tokenizer_digest = digest.hex();
  if (const auto found = values.find("tokenizer.chat_template"); found != values.end()) {
    out.chat_template_digest = found->second.digest;
  }
  return out;
}

}  // namespace

Result<GgufHeader> read_gguf_header(const std::string& path) {
  static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return Error{Code::kNotFound, "the model file '" + path + "' cannot be read", "path"};
  const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(file.tellg(), 0));
  file.seekg(0);
  try {
    return read(file, size);
  } catch (const Bad& bad) {
    return Error{Code::kData, "'" + path + "' is no usable GGUF model: it " + bad.text, "path"};
  }
}

}  // namespace assay::llama
