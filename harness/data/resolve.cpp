// Finding files: names, places, hashes, and generators on demand.
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/process.hpp"
#include "harness/base/strings.hpp"
#include "harness/data/data.hpp"
#include "harness/data/detail.hpp"

namespace assay::host {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(const std::vector<DataFile>& files) {
  std::vector<std::string> out;
  for (const DataFile& file : files) out.push_back(file.name);
  return out;
}

/// The sentence for a file that no place holds.
Error missing(const DataSet& set, const DataFile& file) {
  const std::string about = " (" + size_text(set.bytes()) + ", " + set.licence + ")";
  std::string text = "data set '" + set.name + "' is missing: ";
  if (set.kind == DataKind::kGenerated || set.obtainable())
    text += "run `assay data get " + set.name + "`" + about +
            ", or point --data / ASSAY_DATA at a mirror that holds " + file.file;
  else
    text +=
        "it has no public address with these bytes, so point --data / ASSAY_DATA at a mirror that holds " +
        file.file + about;
  return Error{Code::kNotFound, text, set.name};
}

fs::path generator_program(const DataOptions& options) {
  if (!options.generators.empty()) return options.generators;
  const fs::path folder = executable_folder();
  std::error_code ignored;
  // Test programs live beside bin/, not in it.
  for (const fs::path& place : {folder / "assay-planted", folder.parent_path() / "bin" / "assay-planted"})
    if (fs::is_regular_file(place, ignored)) return place;
  return folder / "assay-planted";
}

std::string child_failure(const ChildResult& child, int limit_ms) {
  if (child.timed_out) return "did not end within " + std::to_string(limit_ms) + " ms";
  if (child.signal != 0) return "was ended by signal " + std::to_string(child.signal);
  return "ended with exit code " + std::to_string(child.exit_code);
}

/// A folder that is removed when it goes out of scope.
class ScratchFolder {
 public:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) {}
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

const char* data_origin_name(DataOrigin origin) {
  switch (origin) {
    case DataOrigin::kMirror:
      return "--data";
    case DataOrigin::kEnvironment:
      return "ASSAY_DATA";
    case DataOrigin::kCache:
      return "cache";
    case DataOrigin::kGenerated:
      return "generated";
  }
  return "cache";
}

std::string size_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  // Integer tenths, so that the text does not depend on the locale.
  std::size_t unit = 0;
  std::uint64_t scale = 1024;
  while (unit + 1 < kUnits.size() && bytes / scale >= 1024) {
    scale *= 1024;
    ++unit;
  }
  const std::uint64_t tenths = bytes / scale * 10 + (bytes % scale) * 10 / scale;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + kUnits[unit];
}

namespace detail {

fs::path cache_folder(const DataOptions& options) {
  return options.cache.empty() ? cache_home() / "data" : fs::absolute(options.cache);
}

fs::path cache_path(const DataOptions& options, const DataFile& file) {
  return cache_folder(options) / file.sha256 / file.name;
}

Result<std::vector<Place>> places(const DataFile& file, const DataOptions& options) {
  std::vector<Place> out;
  std::error_code ignored;
  const auto mirror = [&](const fs::path& root, DataOrigin origin) -> Result<void> {
    if (!fs::is_directory(root, ignored))
      return Error{
          Code::kInvalidArgument,
          std::string(data_origin_name(origin)) + " names '" + printable(root.string()) +
              "', which is not a folder; give the root of a data mirror (it holds mia/, detection/, ...)",
          data_origin_name(origin)};
    out.push_back({fs::absolute(root) / file.file, origin});
    return {};
  };
  if (!options.mirror.empty())
    if (auto added = mirror(options.mirror, DataOrigin::kMirror); !added) return std::move(added).error();
  if (options.use_environment)
    if (const std::string root = environment("ASSAY_DATA"); !root.empty())
      if (auto added = mirror(root, DataOrigin::kEnvironment); !added) return std::move(added).error();
  out.push_back({cache_path(options, file), DataOrigin::kCache});
  return out;
}

Result<std::optional<ResolvedFile>> look_up(const DataSet& set, const DataFile& file,
                                            const DataOptions& options) {
  auto where = places(file, options);
  if (!where) return std::move(where).error();
  for (const Place& place : *where) {
    std::error_code failure;
    const auto status = fs::status(place.path, failure);
    if (!fs::exists(status)) {
      if (failure && failure != std::errc::no_such_file_or_directory && failure != std::errc::not_a_directory)
        return Error{Code::kData, "'" + place.path.string() + "' cannot be examined: " + failure.message(),
                     set.name};
      continue;
    }
    auto sha = remembered_sha256(place.path, options);
    if (!sha) return std::move(sha).error();
    if (*sha != file.sha256) {
      const std::string remedy = place.origin == DataOrigin::kCache
                                     ? "delete the file and get it again"
                                     : "replace the file or use another mirror";
      return Error{Code::kData,
                   "data set '" + set.name + "': '" + place.path.string() + "' (" +
                       data_origin_name(place.origin) + ") has SHA-256 " + *sha + ", the registry expects " +
                       file.sha256 + "; " + remedy,
                   set.name};
    }
    return std::optional<ResolvedFile>(
        ResolvedFile{fs::absolute(place.path), std::move(*sha), place.origin, &set, &file});
  }
  return std::optional<ResolvedFile>();
}

Result<void> generate(const DataSet& set, const DataOptions& options) {
  static std::atomic<unsigned> counter{0};
  const fs::path program = generator_program(options);
  const ScratchFolder scratch(cache_folder(options) /
                              ("generating-" + std::to_string(::getpid()) + "-" + std::to_string(counter++)));
  std::error_code failure;
  fs::create_directories(scratch.path(), failure);
  if (failure)
    return Error{Code::kResourceExhausted,
                 "the folder '" + scratch.path().string() + "' cannot be made: " + failure.message() +
                     "; set XDG_CACHE_HOME to a folder that can be written",
                 set.name};
  std::vector<std::string> arguments = {set.generator, "--seed", std::to_string(set.seed)};
  for (const auto& [key, value] : set.parameters) {
    arguments.push_back("--" + key);
    arguments.push_back(value);
  }
  arguments.insert(arguments.end(), {"--out", scratch.path().string()});
  auto child = run_child(program, arguments, options.generate_limit_ms);
  if (!child) {
    Error error = std::move(child).error();
    return std::move(error).within("data set '" + set.name + "' cannot be generated");
  }
  if (child->timed_out || child->signal != 0 || child->exit_code != 0)
    return Error{Code::kInternal,
                 "data set '" + set.name + "' cannot be generated: '" + program.string() + " " +
                     join(arguments, " ") + "' " + child_failure(*child, options.generate_limit_ms) + ": " +
                     printable(trimmed(child->err), 1000),
                 set.name};
  for (const DataFile& file : set.files) {
    auto sha = sha256_file(scratch.path() / file.name);
    if (!sha) {
      Error error = std::move(sha).error();
      return std::move(error).within("data set '" + set.name + "': generator '" + set.generator +
                                     "' made no " + file.name);
    }
    if (*sha != file.sha256)
      return Error{Code::kData,
                   "data set '" + set.name + "': generator '" + set.generator + "' made " + file.name +
                       " with SHA-256 " + *sha + ", the registry expects " + file.sha256 +
                       "; the registry (" + set.declared_at + ") and '" + program.string() +
                       "' are of different versions",
                   set.name};
  }
  for (const DataFile& file : set.files) {
    const fs::path to = cache_path(options, file);
    fs::create_directories(to.parent_path(), failure);
    fs::rename(scratch.path() / file.name, to, failure);
    if (failure)
      return Error{Code::kResourceExhausted, "'" + to.string() + "' cannot be written: " + failure.message(),
                   set.name};
  }
  return {};
}

}  // namespace detail

Result<const DataSet*> DataRegistry::find(const std::string& name) const {
  const auto at = std::lower_bound(sets_.begin(), sets_.end(), name,
                                   [](const DataSet& set, const std::string& key) { return set.name < key; });
  if (at != sets_.end() && at->name == name) return &*at;
  std::vector<std::string> names;
  for (const DataSet& set : sets_) names.push_back(set.name);
  return Error{Code::kNotFound,
               "the data registry has no data set '" + printable(name) + "'" + did_you_mean(name, names) +
                   "; `assay data list` shows all " + std::to_string(names.size()),
               name};
}

Result<DataRegistry::Target> DataRegistry::target(const std::string& name) const {
  auto whole = find(name);
  if (whole) return Target{*whole, nullptr};
  const std::size_t slash = name.rfind('/');
  if (slash == std::string::npos) return std::move(whole).error();
  auto set = find(name.substr(0, slash));
  if (!set) return std::move(whole).error();
  const std::string part = name.substr(slash + 1);
  for (const DataFile& file : (*set)->files)
    if (file.name == part) return Target{*set, &file};
  const std::vector<std::string> names = names_of((*set)->files);
  return Error{Code::kNotFound,
               "data set '" + (*set)->name + "' has no file '" + printable(part) + "'" +
                   did_you_mean(part, names) + "; it holds " + join(names, ", "),
               name};
}

Result<ResolvedFile> DataRegistry::resolve(const std::string& name, const DataOptions& options) const {
  auto wanted = target(name);
  if (!wanted) return std::move(wanted).error();
  const DataSet& set = *wanted->set;
  if (wanted->file == nullptr && set.files.size() > 1)
    return Error{Code::kInvalidArgument,
                 "data set '" + set.name + "' has " + std::to_string(set.files.size()) +
                     " files; name one of them: " + set.name + "/" +
                     join(names_of(set.files), ", " + set.name + "/"),
                 name};
  const DataFile& file = wanted->file != nullptr ? *wanted->file : set.files.front();
  auto found = detail::look_up(set, file, options);
  if (!found) return std::move(found).error();
  if (*found) return std::move(**found);
  if (set.kind != DataKind::kGenerated || !options.generate) return missing(set, file);
  if (auto made = detail::generate(set, options); !made) return std::move(made).error();
  found = detail::look_up(set, file, options);
  if (!found) return std::move(found).error();
  if (!*found) return missing(set, file);
  (*found)->origin = DataOrigin::kGenerated;
  return std::move(**found);
}

Result<std::vector<ResolvedFile>> DataRegistry::resolve_all(const std::string& name,
                                                            const DataOptions& options) const {
  auto set = find(name);
  if (!set) return std::move(set).error();
  std::vector<ResolvedFile> out;
  for (const DataFile& file : (*set)->files) {
    auto one = resolve((*set)->name + "/" + file.name, options);
    if (!one) return std::move(one).error();
    out.push_back(std::move(*one));
  }
  return out;
}

}  // namespace assay::host
