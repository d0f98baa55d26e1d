// Remembering the hashes of files that have not changed since they were hashed.
#include <sys/stat.h>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"
#include "harness/base/limits.hpp"
#include "harness/data/detail.hpp"

namespace assay::host::detail {
namespace {

namespace fs = std::filesystem;

/// Above this the memory starts anew, so that it stays small.
constexpr std::size_t kRememberedMax = 4096;
/// A file written so shortly before it was hashed may change again without a new modification time.
constexpr std::int64_t kSettledNs = 2'000'000'000;

struct Stamp {
  std::int64_t size = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const Stamp&) const = default;
};

std::optional<Stamp> stamp_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Stamp{static_cast<std::int64_t>(info.st_size),
               static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

std::int64_t now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

/// The remembered table, or an empty one when the file is absent or not what this program writes.
Json remembered(const fs::path& file) {
  const Json empty = {{"version", 1}, {"files", Json::object()}};
  auto bytes = read_file(file, limits::kConfigBytesMax);
  if (!bytes) return empty;
  auto tree = parse_json(*bytes, file.string());
  if (!tree || !tree->is_object() || tree->value("version", Json()) != Json(1)) return empty;
  const auto files = tree->find("files");
  if (files == tree->end() || !files->is_object() || files->size() > kRememberedMax) return empty;
  return std::move(*tree);
}

std::mutex& table_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

Result<std::string> remembered_sha256(const fs::path& path, const DataOptions& options) {
  const fs::path file = cache_folder(options) / "verified.json";
  const std::string key = path.string();
  const auto before = stamp_of(path);
  if (before) {
    const std::lock_guard lock(table_mutex());
    const Json table = remembered(file);
    const auto found = table["files"].find(key);
    if (found != table["files"].end() && found->is_object() &&
        found->value("size", Json()) == Json(before->size) &&
        found->value("mtime_ns", Json()) == Json(before->mtime_ns)) {
      const auto sha = found->find("sha256");
      if (sha != found->end() && sha->is_string() && sha->get_ref<const std::string&>().size() == 64)
        return sha->get<std::string>();
    }
  }
  auto sha = sha256_file(path);
  if (!sha) return sha;
  const auto after = stamp_of(path);
  if (!before || after != before || now_ns() - before->mtime_ns < kSettledNs) return sha;
  const std::lock_guard lock(table_mutex());
  Json table = remembered(file);  // read again: another process may have added to it meanwhile
  table["files"][key] = {{"size", before->size}, {"mtime_ns", before->mtime_ns}, {"sha256", *sha}};
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  const auto written = write_file(file, canonical(table) + "\n");
  static_cast<void>(written.ok());  // the next run hashes again
  return sha;
}

}  // namespace assay::host::detail
