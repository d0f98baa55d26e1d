// A complete GGUF model of a few thousand weights, made from a seed: every llama test that needs no trained
// model runs on it, and mutations of its bytes are what hostile files look like.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace assay::test {

struct TinyGguf {
  std::string architecture = "llama";
  std::uint32_t context = 64;
  std::uint32_t width = 32, layers = 2, heads = 2, kv_heads = 1, hidden = 48;
  std::uint64_t seed = 1;
  bool with_vocabulary = true;
  bool add_bos = true;
  std::string chat_template;

  /// Pieces behind the three special tokens and the 256 bytes; "\xE2\x96\x81" is SentencePiece's blank.
  static std::vector<std::string> pieces() {
    const std::string b = "\xE2\x96\x81";
    return {b,        "e",       "t",     "a",     "o",  "n",       "i",  "s",   "r",     "h",
            "d",      "l",       "u",     "c",     "m",  "w",       "g",  "y",   "p",     "f",
            ".",      ",",       b + "t", b + "a", "he", b + "the", "in", "er",  "an",    "nd",
            b + "an", b + "and", "re",    b + "w", "ed", b + "s",   "ou", "ing", b + "m", "at"};
  }
  [[nodiscard]] std::uint32_t vocabulary() const {
    return 3 + 256 + static_cast<std::uint32_t>(pieces().size());
  }

  [[nodiscard]] std::string bytes() const {
    std::string values;
    std::uint64_t count = 0;
    const auto key = [&](std::string_view name, std::uint32_t type) {
      put_text(values, name);
      put(values, type);
      ++count;
    };
    const auto u32 = [&](std::string_view name, std::uint32_t value) {
      key(name, 4);
      put(values, value);
    };
    const auto text = [&](std::string_view name, std::string_view value) {
      key(name, 8);
      put_text(values, value);
    };
    text("general.architecture", architecture);
    text("general.name", "tiny");
    const std::string a = architecture + ".";
    u32(a + "context_length", context);
    u32(a + "embedding_length", width);
    u32(a + "block_count", layers);
    u32(a + "feed_forward_length", hidden);
    u32(a + "attention.head_count", heads);
    u32(a + "attention.head_count_kv", kv_heads);
    u32(a + "rope.dimension_count", width / heads);
    key(a + "attention.layer_norm_rms_epsilon", 6);
    put(values, 1e-5F);
    if (with_vocabulary) write_vocabulary(values, count);
    if (!chat_template.empty()) text("tokenizer.chat_template", chat_template);

    std::string infos;
    std::string data;
    std::uint64_t tensors = 0;
    std::uint64_t state = seed;
    const auto tensor = [&](const std::string& name, std::uint64_t columns, std::uint64_t rows,
                            bool ones = false) {
      put_text(infos, name);
      put(infos, std::uint32_t{rows == 0 ? 1U : 2U});
      put(infos, columns);
      if (rows != 0) put(infos, rows);
      put(infos, std::uint32_t{0});  // F32
      put(infos, std::uint64_t{data.size()});
      const float scale = 1.5F / std::sqrt(static_cast<float>(columns));
      for (std::uint64_t i = 0; i < columns * std::max<std::uint64_t>(rows, 1); ++i) {
        put(data, ones ? 1.0F : scale * uniform(state));
      }
      while (data.size() % 32 != 0) data += '\0';
      ++tensors;
    };
    const std::uint64_t head = width / heads;
    tensor("token_embd.weight", width, vocabulary());
    tensor("output_norm.weight", width, 0, true);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const std::string blk = "blk." + std::to_string(layer) + ".";
      tensor(blk + "attn_norm.weight", width, 0, true);
      tensor(blk + "attn_q.weight", width, width);
      tensor(blk + "attn_k.weight", width, head * kv_heads);
      tensor(blk + "attn_v.weight", width, head * kv_heads);
      tensor(blk + "attn_output.weight", width, width);
      tensor(blk + "ffn_norm.weight", width, 0, true);
      tensor(blk + "ffn_gate.weight", width, hidden);
      tensor(blk + "ffn_up.weight", width, hidden);
      tensor(blk + "ffn_down.weight", hidden, width);
    }
    std::string out = "GGUF";
    put(out, std::uint32_t{3});
    put(out, tensors);
    put(out, count);
    out += values;
    out += infos;
    while (out.size() % 32 != 0) out += '\0';
    return out + data;
  }

 private:
  template <class T>
  static void put(std::string& out, T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out.append(raw, sizeof value);
  }
  static void put_text(std::string& out, std::string_view text) {
    put(out, std::uint64_t{text.size()});
    out += text;
  }
  /// From -1 to 1 (SplitMix64).
  static float uniform(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    z ^= z >> 31U;
    return static_cast<float>(static_cast<double>(z >> 11U) * 0x1.0p-52 - 1.0);
  }

  void write_vocabulary(std::string& values, std::uint64_t& count) const {
    const auto array = [&](std::string_view name, std::uint32_t type) {
      put_text(values, name);
      put(values, std::uint32_t{9});
      put(values, type);
      put(values, std::uint64_t{vocabulary()});
      ++count;
    };
    const auto flag = [&](std::string_view name, bool value) {
      put_text(values, name);
      put(values, std::uint32_t{7});
      put(values, static_cast<std::uint8_t>(value ? 1 : 0));
      ++count;
    };
    const auto u32 = [&](std::string_view name, std::uint32_t value) {
      put_text(values, name);
      put(values, std::uint32_t{4});
      put(values, value);
      ++count;
    };
    put_text(values, "tokenizer.ggml.model");
    put(values, std::uint32_t{8});
    put_text(values, "llama");
    ++count;
    const std::vector<std::string> own = pieces();
    array("tokenizer.ggml.tokens", 8);
    put_text(values, "<unk>");
    put_text(values, "<s>");
    put_text(values, "</s>");
    for (int i = 0; i < 256; ++i) {
      static constexpr char kHex[] = "0123456789ABCDEF";
      put_text(values, std::string("<0x") + kHex[i / 16] + kHex[i % 16] + ">");
    }
    for (const std::string& piece : own) put_text(values, piece);
    array("tokenizer.ggml.scores", 6);
    for (std::uint32_t i = 0; i < vocabulary(); ++i) {
      // Longer pieces win.
      put(values, i < 259 ? 0.0F : static_cast<float>(own[i - 259].size()) - 20.0F);
    }
    array("tokenizer.ggml.token_type", 5);
    for (std::uint32_t i = 0; i < vocabulary(); ++i) {
      put(values, std::int32_t{i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1});
    }
    u32("tokenizer.ggml.bos_token_id", 1);
    u32("tokenizer.ggml.eos_token_id", 2);
    u32("tokenizer.ggml.unknown_token_id", 0);
    flag("tokenizer.ggml.add_bos_token", add_bos);
    flag("tokenizer.ggml.add_space_prefix", true);
  }
};

}  // namespace assay::test
