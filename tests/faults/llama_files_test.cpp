// Hostile model files: each ends in a sentence that names the file, and this process goes on. libllama itself
// stops the process on some of them; assay-llama-probe is there to take that.
//
// ASSAY_LLAMA_MUTATIONS=N sets how many mutated files are tried (default 120), ASSAY_LLAMA_SEED=N tries one.
#include <algorithm>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <random>

#include "tests/unit/llama_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::llama_test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

namespace {

/// The bytes of a GGUF value, to be found and overwritten.
std::string u32_pair(std::string_view key, std::uint32_t value) {
  std::string out(key);
  const std::uint32_t type = 4;
  out.append(reinterpret_cast<const char*>(&type), 4);
  out.append(reinterpret_cast<const char*>(&value), 4);
  return out;
}

std::string with_u32(std::string bytes, std::string_view key, std::uint32_t before, std::uint32_t after) {
  const std::size_t at = bytes.find(u32_pair(key, before));
  REQUIRE(at != std::string::npos);
  const std::string put = u32_pair(key, after);
  return bytes.replace(at, put.size(), put);
}

/// The refusal of a file; checks that it is a sentence about it.
std::string sentence(const std::string& bytes) {
  const TempFile file(bytes);
  const Error error = refused(file.path());
  INFO(error.text);
  CHECK(error.key == "path");
  CHECK_THAT(error.text, ContainsSubstring(file.path()));
  return error.text;
}

long setting(const char* name, long otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atol(value);
}

/// One to four changes of the kinds that files suffer: bits, whole numbers, runs of bytes, cuts.
std::string mutated(const std::string& bytes, std::size_t header, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out = bytes;
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (std::size_t changes = 1 + below(4); changes-- > 0;) {
    // Mostly in the header: weights may be anything.
    const std::size_t region = below(8) == 0 ? out.size() : std::min(header, out.size());
    if (region < 16) break;
    const std::size_t at = below(region - 8);
    static constexpr std::uint64_t kOdd[] = {0,           1,          0x7F,        0xFF,  0x7FFFFFFF,
                                             0x80000000,  0xFFFFFFFF, 0x100000000, ~0ULL, 1ULL << 63U,
                                             1ULL << 40U, 257,        512,         513,   65536};
    switch (below(6)) {
      case 0:
        out[at] = static_cast<char>(out[at] ^ (1 << below(8)));
        break;
      case 1:
        out[at] = static_cast<char>(random());
        break;
      case 2:
      case 3: {
        const std::uint64_t value = kOdd[below(std::size(kOdd))];
        std::memcpy(out.data() + at, &value, below(2) == 0 ? 4 : 8);
        break;
      }
      case 4: {
        const std::size_t from = below(region - 8);
        const std::size_t count = 1 + below(24);
        const std::string run = out.substr(from, std::min(count, out.size() - at));
        out.replace(at, run.size(), run);
        break;
      }
      default:
        if (below(4) == 0) out.resize(1 + below(out.size()));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("llama files: what is missing, empty, cut or no model at all") {
  CHECK_THAT(refused("/nowhere/model.gguf").text, ContainsSubstring("cannot be read"));
  CHECK_THAT(sentence(""), ContainsSubstring("ends at byte 0"));
  CHECK_THAT(sentence("PK\x03\x04 an archive"), ContainsSubstring("does not begin with \"GGUF\""));
  std::string noise(5000, '\0');
  std::mt19937 random(5);
  for (char& byte : noise) byte = static_cast<char>(random());
  CHECK_THAT(sentence(noise), ContainsSubstring("does not begin"));
  CHECK_THAT(sentence("GGUF" + noise), ContainsSubstring("version"));
  const std::string whole = test::TinyGguf{}.bytes();
  for (const std::size_t size :
       {4UL, 5UL, 23UL, 100UL, 1000UL, 5000UL, whole.size() / 2, whole.size() - 33}) {
    INFO(size << " of " << whole.size() << " bytes");
    sentence(whole.substr(0, size));
  }
}

TEST_CASE("llama files: impossible numbers are named") {
  const test::TinyGguf tiny;
  const std::string whole = tiny.bytes();
  CHECK_THAT(sentence(with_u32(whole, "llama.block_count", 2, 100000)),
             ContainsSubstring("'llama.block_count' = 100000"));
  CHECK_THAT(sentence(with_u32(whole, "llama.block_count", 2, 0)), ContainsSubstring("block_count"));
  CHECK_THAT(sentence(with_u32(whole, "llama.attention.head_count_kv", 1, 3)), ContainsSubstring("heads"));
  CHECK_THAT(sentence(with_u32(whole, "llama.context_length", 64, 0)), ContainsSubstring("context_length"));
  CHECK_THAT(sentence(with_u32(whole, "tokenizer.ggml.eos_token_id", 2, 70000)),
             ContainsSubstring("eos_token_id"));
  std::string huge = whole;
  const std::uint64_t many = 1ULL << 60U;
  std::memcpy(huge.data() + 8, &many, 8);
  CHECK_THAT(sentence(huge), ContainsSubstring("more than its"));
  std::memcpy(huge.data() + 8, whole.data() + 8, 8);
  std::memcpy(huge.data() + huge.find("tokenizer.ggml.scores") + 21 + 8, &many, 8);
  CHECK_THAT(sentence(huge), ContainsSubstring("declares 1152921504606846976 elements"));
  // Numbers that fit the format and not the tensors are libllama's to refuse.
  CHECK_THAT(sentence(with_u32(whole, "llama.embedding_length", 32, 64)), ContainsSubstring("cannot load"));
  CHECK_THAT(sentence(with_u32(whole, "llama.block_count", 2, 3)), ContainsSubstring("cannot load"));
}

TEST_CASE("llama files: unknown architectures, no vocabulary, contexts of no use") {
  test::TinyGguf odd;
  odd.architecture = "nobodys";
  CHECK_THAT(sentence(odd.bytes()), ContainsSubstring("'nobodys'"));
  test::TinyGguf mute;
  mute.with_vocabulary = false;
  CHECK_THAT(sentence(mute.bytes()), ContainsSubstring("no vocabulary"));
  test::TinyGguf narrow;
  narrow.context = 4;
  const TempFile file(narrow.bytes());
  const Error error = refused(file.path());
  CHECK(error.key == "context");
  CHECK_THAT(error.text, ContainsSubstring("trained for 4"));
  made(file.path(), {{"context", std::int64_t{64}}});
}

TEST_CASE("llama files: a file that stops libllama is a sentence, and this process goes on") {
  // Two tokens with one text: an assertion of libllama's vocabulary.
  std::string twins = test::TinyGguf{}.bytes();
  const std::size_t at = twins.find("<0x41>");
  REQUIRE(at != std::string::npos);
  twins.replace(at, 6, "<0x42>");
  const TempFile file(twins);
  const Error error = refused(file.path());
  CHECK_THAT(error.text, ContainsSubstring(file.path()) && ContainsSubstring("ends libllama") &&
                             ContainsSubstring("GGML_ASSERT"));
  const TempFile good(test::TinyGguf{}.bytes());
  made(good.path());
}

TEST_CASE("llama files: a large file that was found sound is not probed again until it changes") {
  const fs::path cache = fs::temp_directory_path() / ("assay_llama_cache_" + std::to_string(::getpid()));
  ::setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  const auto notes = [&] {
    std::error_code failure;
    return std::distance(fs::directory_iterator(cache / "assay/llama", failure), fs::directory_iterator());
  };
  std::string large = test::TinyGguf{}.bytes();
  large.resize(std::size_t{17} << 20U);
  const TempFile file(large);
  made(file.path());
  CHECK(notes() == 1);
  made(file.path());
  CHECK(notes() == 1);
  fs::last_write_time(file.path(), fs::last_write_time(file.path()) + std::chrono::seconds(5));
  made(file.path());
  CHECK(notes() == 2);
  fs::remove_all(cache);
  ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("llama files: seeded mutations never end this process") {
  const std::string whole = test::TinyGguf{}.bytes();
  const std::size_t header = whole.size() - whole.size() / 2 > 16000 ? 16000 : whole.size() / 2;
  const long only = setting("ASSAY_LLAMA_SEED", -1);
  const long count = setting("ASSAY_LLAMA_MUTATIONS", 120);
  int sound = 0;
  int stopped = 0;
  for (long seed = only < 0 ? 0 : only; seed < (only < 0 ? count : only + 1); ++seed) {
    INFO("ASSAY_LLAMA_SEED=" << seed);
    const TempFile file(mutated(whole, header, static_cast<std::uint64_t>(seed)));
    auto model = prepared(file.path());
    const auto done = model->configure();
    if (!done) {
      CHECK(done.error().text.size() > 20);
      stopped += done.error().text.find("ends libllama") != std::string::npos ? 1 : 0;
      continue;
    }
    ++sound;
    const auto answer = scored(*model, "the man", " and the water, caf\xC3\xA9.");
    if (answer.done) {
      for (const double logprob : answer.logprobs()) CHECK_FALSE(logprob > 1e-6);
    }
    assay_request request = request_of(ASSAY_REQUEST_GENERATE, "the man", "", kAll);
    request.max_tokens = 3;
    const Answer generated(*model, request);
    if (!generated.done) CHECK(generated.error().size() > 20);
  }
  if (only < 0) {
    INFO(sound << " files were taken, " << stopped << " stopped libllama in the child");
    CHECK(sound > 0);
    CHECK(sound < count);
  }
}
