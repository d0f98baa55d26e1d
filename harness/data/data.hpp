// The data registry: names of data sets, where their files are found, and proof that the bytes are the pinned
// ones.
//
// A data set is one or more files with a size and a SHA-256. Files come from a mirror (--data, ASSAY_DATA),
// from the cache, from a public address (`assay data get`), or from a generator of planted data
// (assay-planted). No file is ever used whose hash differs from the registry. Thread rule: a loaded
// DataRegistry is immutable; its const members may be called from any thread, and several processes may share
// one cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host {

enum class DataKind : std::uint8_t {
  kFile,       ///< files of a mirror or of a public address
  kGenerated,  ///< files made from a seed by assay-planted
};

/// One file of a data set.
struct DataFile {
  std::string name;         ///< last part of `file`; unique in its set
  std::string file;         ///< path relative to a mirror's root
  std::string url;          ///< public address of these very bytes; empty: only a mirror has them
  std::string sha256;       ///< 64 lower-case hexadecimal digits
  std::uint64_t bytes = 0;  ///< exact size, > 0
  std::uint64_t rows = 0;   ///< number of items, 0 when the file is not a list
};

/// One entry of the registry.
struct DataSet {
  std::string name;     ///< "wikimia/32"
  std::string title;    ///< one line for lists
  std::string licence;  ///< as stated by the origin
  std::string source;   ///< where the data comes from, in words
  DataKind kind = DataKind::kFile;
  std::vector<DataFile> files;  ///< at least one
  std::string generator;        ///< kGenerated: the world's name, assay-planted's first argument
  std::uint64_t seed = 0;       ///< kGenerated
  std::vector<std::pair<std::string, std::string>> parameters;  ///< kGenerated: --key value, sorted by key
  std::string declared_at;                                      ///< "registry.toml:12"

  /// Sum of the sizes of its files.
  [[nodiscard]] std::uint64_t bytes() const;
  /// True when `assay data get` can supply every file without a mirror.
  [[nodiscard]] bool obtainable() const;
};

/// Where to look and what is allowed. The defaults are those of the command line.
struct DataOptions {
  std::filesystem::path mirror;      ///< --data; empty: not given
  std::filesystem::path cache;       ///< empty: cache_home()/data
  std::filesystem::path generators;  ///< the program assay-planted; empty: beside this executable
  bool use_environment = true;       ///< ASSAY_DATA
  bool generate = true;              ///< make missing generated files
  bool offline = false;              ///< --offline: get() refuses to use the network
  int attempts = 4;                  ///< download attempts while the failure may pass
  int retry_wait_ms = 500;           ///< wait before the second attempt; doubles each time
  int stall_seconds = 60;            ///< a transfer without a byte for so long has failed
  int generate_limit_ms = 300'000;   ///< time limit of one generator
};

/// Where a file was found.
enum class DataOrigin : std::uint8_t { kMirror, kEnvironment, kCache, kGenerated };
/// "--data", "ASSAY_DATA", "cache", "generated".
const char* data_origin_name(DataOrigin origin);

/// A file whose SHA-256 was checked. The pointers belong to the registry.
struct ResolvedFile {
  std::filesystem::path path;  ///< absolute
  std::string sha256;          ///< of the bytes on disk; equals file->sha256
  DataOrigin origin = DataOrigin::kCache;
  const DataSet* set = nullptr;
  const DataFile* file = nullptr;
};

/// What verify() found for one file.
struct FileCheck {
  enum class State : std::uint8_t { kOk, kMissing, kWrong };
  State state = State::kMissing;
  const DataFile* file = nullptr;
  std::filesystem::path path;  ///< empty when missing
  std::string found_sha256;    ///< empty when missing
};

/// Called while a file is fetched with its name, the bytes present and the bytes expected; false stops the
/// transfer (kCancelled; the next get() resumes).
using DataProgress = std::function<bool(const DataFile& file, std::uint64_t done, std::uint64_t total)>;

class DataRegistry {
 public:
  /// Reads a registry file strictly: kNotFound; kInvalidArgument with file:line for an unknown key (with the
  /// nearest known one), a missing or malformed value, a repeated name, a path that leaves the mirror.
  static Result<DataRegistry> load(const std::filesystem::path& path);
  /// Reads <prefix>/share/assay/registry.toml, or the source tree's registry in a build tree, and then the
  /// file that ASSAY_REGISTRY names, if it is set.
  static Result<DataRegistry> open();

  DataRegistry(DataRegistry&&) noexcept = default;
  DataRegistry& operator=(DataRegistry&&) noexcept = default;
  DataRegistry(const DataRegistry&) = delete;  // results point into the registry
  DataRegistry& operator=(const DataRegistry&) = delete;
  ~DataRegistry() = default;

  /// Adds the sets of a further file; a name that exists already is an error naming both places.
  Result<void> add(const std::filesystem::path& path);

  /// All sets, sorted by name.
  [[nodiscard]] const std::vector<DataSet>& sets() const { return sets_; }
  /// kNotFound with did-you-mean.
  [[nodiscard]] Result<const DataSet*> find(const std::string& name) const;

  /// The file `name` (a set of one file) or `name/file`, found in this order: options.mirror, ASSAY_DATA, the
  /// cache, a generator. Errors: kInvalidArgument (the set has several files and none is named, a mirror is
  /// not a folder), kNotFound (missing, with the remedy), kData (the bytes are not the pinned ones; both
  /// hashes are named). The hash of a file is computed once and then remembered by path, size and
  /// modification time.
  [[nodiscard]] Result<ResolvedFile> resolve(const std::string& name, const DataOptions& options) const;
  /// All files of a set, in the registry's order. Errors as resolve().
  [[nodiscard]] Result<std::vector<ResolvedFile>> resolve_all(const std::string& name,
                                                              const DataOptions& options) const;

  /// Makes every file of a set present: generates or downloads what resolve() does not find. http and https
  /// only, at most 3 redirects, never more bytes than the registry names, resumed from FILE.part, checked,
  /// then renamed into <cache>/<sha256>/. Errors: kInvalidArgument (offline), kNotFound (no public address,
  /// 404), kUnavailable, kRateLimited, kAuth, kCancelled, kData (other bytes; the part file is deleted),
  /// kResourceExhausted (disk).
  [[nodiscard]] Result<std::vector<ResolvedFile>> get(const std::string& name, const DataOptions& options,
                                                      const DataProgress& progress = {}) const;
  /// Hashes every file of a set anew, trusting nothing remembered. Does not generate or download.
  [[nodiscard]] Result<std::vector<FileCheck>> verify(const std::string& name,
                                                      const DataOptions& options) const;

 private:
  DataRegistry() = default;
  /// The set and its index of file; -1 when `name` names the whole set.
  struct Target {
    const DataSet* set = nullptr;
    const DataFile* file = nullptr;
  };
  [[nodiscard]] Result<Target> target(const std::string& name) const;
  std::vector<DataSet> sets_;
};

/// "172.0 KiB": a size as the messages show it.
std::string size_text(std::uint64_t bytes);

}  // namespace assay::host
