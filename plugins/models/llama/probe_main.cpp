// assay-llama-probe FILE GPU_LAYERS CONTEXT: loads a model file so that whatever goes wrong goes wrong here.
// Exit code 0: sound; 3: refused, the sentence is on standard output; anything else is a defect of the file
// or of libllama.
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "probe.hpp"

namespace {

/// No core files, and no more memory than the machine has beside the file: a size that some number declares
/// must fail here rather than take the machine down.
void set_limits([[maybe_unused]] const char* path) {
  const rlimit none = {0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they reserve terabytes
  std::error_code failure;
  const std::uintmax_t size = std::filesystem::file_size(path, failure);
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  if (failure || pages <= 0 || page <= 0) return;
  const rlim_t memory = static_cast<rlim_t>(pages) * static_cast<rlim_t>(page) + size;
  const rlimit limit = {memory, memory};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
}

std::int64_t number(const char* text) {
  std::int64_t value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  set_limits(argv[1]);
  try {
    const auto done = assay::llama::try_file(argv[1], static_cast<std::int32_t>(number(argv[2])),
                                             static_cast<std::size_t>(number(argv[3])));
    if (done) return 0;
    std::fputs(done.error().text.c_str(), stdout);
    return 3;
  } catch (const std::exception& failure) {
    std::printf("'%s' cannot be loaded: %s", argv[1], failure.what());
    return 3;
  }
}
