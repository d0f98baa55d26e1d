// Feeds a reader every truncation and many damaged copies of a small file. Whatever it makes of them, it must
// come back with a value or an error.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include "tests/support/import_box.hpp"

namespace assay::test {

/// Writes the file anew: some file systems write one that is cut and filled again to the disk at once.
inline std::filesystem::path rewrite(const ImportFolder& folder, const std::string& name,
                                     const std::string& bytes) {
  std::filesystem::remove(folder.path / name);
  return folder.file(name, bytes);
}

struct DamageCount {
  std::size_t read = 0, refused = 0;
};

/// `attempt` reads the given bytes. Errors must say something.
inline DamageCount damage(const std::string& bytes, int flips,
                          const std::function<Result<void>(const std::string&)>& attempt) {
  DamageCount count;
  const auto one = [&](const std::string& damaged) {
    const auto done = attempt(damaged);
    if (!done) CHECK(done.error().text.size() > 10);
    ++(done ? count.read : count.refused);
  };
  for (std::size_t size = 0; size < bytes.size(); ++size) one(bytes.substr(0, size));
  std::mt19937 random(5);
  for (int i = 0; i < flips; ++i) {
    std::string damaged = bytes;
    for (int n = 0; n <= i % 3; ++n) {
      // Half of them put another character of JSON there, so that more than the parser is tried.
      char& at = damaged[random() % damaged.size()];
      if (i % 2 == 0) {
        at = static_cast<char>(static_cast<unsigned char>(at) ^ (1U << (random() % 8)));
      } else {
        at = "{}[]\":,0-e \\nN"[random() % 14];
      }
    }
    one(damaged);
  }
  return count;
}

}  // namespace assay::test
