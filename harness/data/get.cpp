// Making files present and checking them: `assay data get` and `assay data verify`.
#include <algorithm>
#include <chrono>
#include <thread>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/data/data.hpp"
#include "harness/data/detail.hpp"

namespace assay::host {
namespace {

namespace fs = std::filesystem;

/// Bytes of a usable part file; one that is too long is worthless.
std::uint64_t part_size(const fs::path& part, std::uint64_t bytes) {
  std::error_code failure;
  const auto size = fs::file_size(part, failure);
  return failure || size > bytes ? 0 : static_cast<std::uint64_t>(size);
}

bool may_pass(Code code) {
  return code == Code::kUnavailable || code == Code::kRateLimited;
}

/// Downloads one file into its part file, with as many attempts as allowed. `resumed` tells whether bytes of
/// an earlier attempt are in it.
Result<void> fill_part(const DataFile& file, const fs::path& part, const DataOptions& options,
                       const DataProgress& progress, bool& resumed) {
  resumed = false;
  int wait_ms = std::max(0, options.retry_wait_ms);
  for (int attempt = 1;; ++attempt) {
    detail::Fetch fetch;
    fetch.url = file.url;
    fetch.part = part;
    fetch.bytes = file.bytes;
    fetch.resume_from = part_size(part, file.bytes);
    fetch.stall_seconds = options.stall_seconds;
    if (progress) fetch.progress = [&](std::uint64_t done) { return progress(file, done, file.bytes); };
    if (fetch.resume_from == file.bytes) {  // complete already, only unchecked
      resumed = true;
      return {};
    }
    auto fetched = detail::fetch_once(fetch);
    if (fetched) {
      resumed = fetched->resumed;
      return {};
    }
    if (!may_pass(fetched.error().code)) return std::move(fetched).error();
    if (attempt >= std::max(1, options.attempts)) {
      Error error = std::move(fetched).error();
      error.text += " (" + std::to_string(attempt) + " attempts)";
      return error;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    wait_ms = std::min(wait_ms * 2, 30'000);
  }
}

Error wrong_bytes(const DataSet& set, const DataFile& file, const std::string& sha, std::uint64_t bytes) {
  return Error{
      Code::kData,
      "data set '" + set.name + "': the download of " + file.url + " has SHA-256 " + sha + " (" +
          std::to_string(bytes) + " bytes), the registry expects " + file.sha256 + " (" +
          std::to_string(file.bytes) +
          " bytes); the part file was deleted. The public file has changed or was altered on the way; "
          "use a mirror (--data, ASSAY_DATA) that holds " +
          file.file,
      set.name};
}

Result<void> download(const DataSet& set, const DataFile& file, const DataOptions& options,
                      const DataProgress& progress) {
  if (file.url.empty())
    return Error{Code::kNotFound,
                 "data set '" + set.name +
                     "' has no public address with these bytes; point --data / ASSAY_DATA at a "
                     "mirror that holds " +
                     file.file + " (" + size_text(file.bytes) + ", " + set.licence + ")",
                 set.name};
  if (options.offline)
    return Error{Code::kInvalidArgument,
                 "data set '" + set.name + "' is not here and --offline forbids to download " + file.url +
                     "; leave --offline out, or point --data / ASSAY_DATA at a mirror that holds " +
                     file.file,
                 "offline"};
  const fs::path to = detail::cache_path(options, file);
  const fs::path part = to.string() + ".part";
  std::error_code failure;
  fs::create_directories(to.parent_path(), failure);
  if (failure)
    return Error{Code::kResourceExhausted,
                 "the folder '" + to.parent_path().string() + "' cannot be made: " + failure.message(),
                 set.name};
  for (;;) {
    bool resumed = false;
    if (auto filled = fill_part(file, part, options, progress, resumed); !filled) {
      Error error = std::move(filled).error();
      if (error.code == Code::kData) fs::remove(part, failure);
      return std::move(error).within("data set '" + set.name + "'");
    }
    auto sha = sha256_file(part);
    if (!sha) return std::move(sha).error();
    if (*sha == file.sha256) break;
    const auto bytes = fs::file_size(part, failure);
    fs::remove(part, failure);
    // The kept beginning may have belonged to another version of the file; only a fresh download can tell.
    if (!resumed) return wrong_bytes(set, file, *sha, static_cast<std::uint64_t>(bytes));
  }
  fs::rename(part, to, failure);
  if (failure)
    return Error{Code::kResourceExhausted, "'" + to.string() + "' cannot be written: " + failure.message(),
                 set.name};
  return {};
}

}  // namespace

Result<std::vector<ResolvedFile>> DataRegistry::get(const std::string& name, const DataOptions& options,
                                                    const DataProgress& progress) const {
  auto wanted = target(name);
  if (!wanted) return std::move(wanted).error();
  const DataSet& set = *wanted->set;
  std::vector<ResolvedFile> out;
  for (const DataFile& file : set.files) {
    if (wanted->file != nullptr && wanted->file != &file) continue;
    auto found = detail::look_up(set, file, options);
    if (!found) return std::move(found).error();
    DataOrigin origin = DataOrigin::kCache;
    if (!*found) {
      const bool generated = set.kind == DataKind::kGenerated;
      auto made = generated ? detail::generate(set, options) : download(set, file, options, progress);
      if (!made) return std::move(made).error();
      if (generated) origin = DataOrigin::kGenerated;
      found = detail::look_up(set, file, options);
      if (!found) return std::move(found).error();
      if (!*found)
        return Error{Code::kInternal, "data set '" + set.name + "' vanished after it was made", set.name};
    }
    if (origin == DataOrigin::kGenerated) (*found)->origin = origin;
    out.push_back(std::move(**found));
  }
  return out;
}

Result<std::vector<FileCheck>> DataRegistry::verify(const std::string& name,
                                                    const DataOptions& options) const {
  auto wanted = target(name);
  if (!wanted) return std::move(wanted).error();
  std::vector<FileCheck> out;
  for (const DataFile& file : wanted->set->files) {
    if (wanted->file != nullptr && wanted->file != &file) continue;
    FileCheck check;
    check.file = &file;
    auto where = detail::places(file, options);
    if (!where) return std::move(where).error();
    for (const detail::Place& place : *where) {
      std::error_code ignored;
      if (!fs::exists(place.path, ignored)) continue;
      auto sha = sha256_file(place.path);
      if (!sha) return std::move(sha).error();
      check.path = fs::absolute(place.path);
      check.state = *sha == file.sha256 ? FileCheck::State::kOk : FileCheck::State::kWrong;
      check.found_sha256 = std::move(*sha);
      break;
    }
    out.push_back(std::move(check));
  }
  return out;
}

}  // namespace assay::host
