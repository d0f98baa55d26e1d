// SHA-256 over pieces of data.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace assay::llama {

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  /// Adds the length and the bytes, so that two different lists of pieces never give the same stream.
  Digest& add(std::string_view bytes) {
    const std::uint64_t size = bytes.size();
    unsigned char length[8];
    for (unsigned i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(size >> (8 * i));
    EVP_DigestUpdate(context_.get(), length, sizeof length);
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
    return *this;
  }
  /// 64 hex digits; ends the digest.
  std::string hex() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), bytes, &size);
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
      out += kHex[bytes[i] >> 4U];
      out += kHex[bytes[i] & 15U];
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

}  // namespace assay::llama
