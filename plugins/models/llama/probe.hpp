// A first load of a model file in a child process. libllama stops the process on some impossible files that
// its own checks and those of gguf_header.hpp let pass (its assertions); the host must not go down with it.
//
// The child is the program `assay-llama-probe`, beside the folder of plugins. What it found sound is
// remembered under $XDG_CACHE_HOME/assay/llama by path, size, time stamp, settings and library version, so
// that a file is probed once.
//
// Thread rule: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "assay/sdk/result.hpp"

namespace assay::llama {

/// Errors: the child's sentence (kData and others), or kData naming the signal and the assertion it died of,
/// or kTimeout. Sets `*probed` to false, without an error, when the program is not there.
Result<void> probe_file(const std::string& path, std::int32_t gpu_layers, std::size_t context, bool* probed);

/// What the child does: loads the file, makes tokens, evaluates them in a context of `context` cells (0: as
/// trained, bounded).
Result<void> try_file(const std::string& path, std::int32_t gpu_layers, std::size_t context);

/// The context in effect for a wanted one (0: the trained length, at most kDefaultContextMax).
inline constexpr std::size_t kDefaultContextMax = 4096;
std::size_t effective_context(std::size_t wanted, std::uint64_t trained);

}  // namespace assay::llama
