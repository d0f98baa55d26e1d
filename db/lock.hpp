// Turn-taking between processes that write one database: an flock on "DB.lock", held for one write
// transaction or checkpoint. Needed because two connections that write or checkpoint at the same moment can
// corrupt a file in WAL mode before SQLite 3.51.3. Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "assay/sdk/result.hpp"

namespace assay::host {

/// The lock file of one database. The file stays; only the lock on it matters, and it dies with its process.
class FileLock {
 public:
  FileLock() = default;
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;

  /// Opens or creates "DATABASE.lock". kResourceExhausted when it cannot be written.
  static Result<FileLock> open(const std::filesystem::path& database);
  /// Waits up to `wait_ms`; kUnavailable naming the holder (process, host, program) when the time is over.
  /// A process that has just let the lock go lets a waiting one pass first.
  Result<void> acquire(std::int64_t wait_ms);
  /// Who is told, once for each long wait, who holds the database.
  void tell(std::function<void(const std::string&)> on_wait) { on_wait_ = std::move(on_wait); }
  void release();
  [[nodiscard]] bool held() const { return held_; }

 private:
  int file_ = -1;
  std::string path_;  ///< of the lock file
  std::string database_;
  std::string self_;  ///< what is written into the file: who holds it
  std::function<void(const std::string&)> on_wait_;
  [[nodiscard]] std::string holder() const;
  bool held_ = false;
  bool give_way_ = false;  ///< somebody waited when the lock was last released
};

/// Holds a lock for a scope.
class Turn {
 public:
  explicit Turn(FileLock& lock) : lock_(lock) {}
  ~Turn() { lock_.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  FileLock& lock_;
};

/// This process, for ownership of runs: number, start (clock ticks since boot, 0 unknown) and machine.
struct ProcessIdentity {
  std::int64_t pid = 0, start = 0;
  std::string host;
};
ProcessIdentity this_process();
/// True while the process lives on this machine; false when it has ended or its number was given to another.
bool process_alive(const ProcessIdentity& process);
/// A process on another machine counts as dead when its heartbeat has been silent for so long.
inline constexpr std::int64_t kOwnerSilentSeconds = 60;

}  // namespace assay::host
