#include "harness/base/hash.hpp"

#include <openssl/evp.h>
#include <xxhash.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>
#include <vector>

namespace assay::host {
namespace {

// Fetching the algorithm once keeps OpenSSL 3 from looking it up for every digest.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* handle = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(handle); }
  void start() {
    if (handle == nullptr || EVP_DigestInit_ex2(handle, sha256_algorithm(), nullptr) != 1)
      throw std::bad_alloc();
  }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  context_->start();
}
Sha256::~Sha256() = default;

Sha256& Sha256::bytes(std::string_view data) {
  EVP_DigestUpdate(context_->handle, data.data(), data.size());
  return *this;
}

Sha256& Sha256::number(std::uint64_t value) {
  std::array<char, 8> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<char>((value >> (8 * i)) & 0xffU);
  return bytes({raw.data(), raw.size()});
}

Sha256& Sha256::real(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  return number(std::bit_cast<std::uint64_t>(value));
}

Sha256& Sha256::field(std::string_view data) {
  number(data.size());
  return bytes(data);
}

Digest Sha256::finish() {
  Digest digest{};
  unsigned length = 0;
  EVP_DigestFinal_ex(context_->handle, digest.data(), &length);
  context_->start();
  return digest;
}

Digest sha256(std::string_view data) {
  thread_local Sha256 state;
  state.bytes(data);
  return state.finish();
}

std::string hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string sha256_hex(std::string_view data) {
  return hex(sha256(data));
}

Result<std::string> sha256_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Code::kNotFound, "cannot open '" + path.string() + "' for reading", {}};
  Sha256 state;
  std::vector<char> buffer(std::size_t{1} << 18U);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    state.bytes({buffer.data(), static_cast<std::size_t>(in.gcount())});
  }
  if (in.bad()) return Error{Code::kData, "reading '" + path.string() + "' failed", {}};
  return hex(state.finish());
}

Key128 fast_key(std::string_view data) {
  const XXH128_hash_t hash = XXH3_128bits(data.data(), data.size());
  return {hash.low64, hash.high64};
}

}  // namespace assay::host
