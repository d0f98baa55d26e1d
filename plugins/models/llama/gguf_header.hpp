// The header of a GGUF file, read with every length checked against the file before libllama sees it.
//
// libllama is built to abort() on some impossible files; a bad file must end in a sentence instead. This
// reader checks the layout (versions 2 and 3 of the format, little endian): counts, strings, arrays, the
// tensor table and that every tensor lies inside of the file; and the few sizes of the architecture that
// later divide or allocate. It never allocates by a size it has not found backed by bytes of the file.
//
// Format: docs/gguf.md of the ggml project. Thread rule: pure function over a file.
#pragma once

#include <cstdint>
#include <string>

#include "assay/sdk/result.hpp"

namespace assay::llama {

struct GgufHeader {
  std::uint32_t version = 0;
  std::string architecture;  ///< "llama"
  std::string name;          ///< general.name, may be empty
  std::uint64_t tensor_count = 0;
  std::uint64_t token_count = 0;     ///< entries of tokenizer.ggml.tokens
  std::uint64_t context_length = 0;  ///< tokens the model was trained for; 0: not said
  std::string tokenizer_digest;      ///< SHA-256 (hex) of vocabulary, scores, types, merges, normalisation
  std::string chat_template_digest;  ///< SHA-256 (hex) of the template, empty without one
};

/// Errors: kNotFound or kData with the path, what was found at which byte, and what was expected.
Result<GgufHeader> read_gguf_header(const std::string& path);

}  // namespace assay::llama
