// A layer under SQLite that fails by plan: short writes, a full disk, failing fsync, busy locks, unreadable
// pages, and a crash after the k-th write, after which nothing works until reset().
//
// It stands before the default VFS and becomes the default itself, so the program under test needs to know
// nothing of it. Faults concern databases, their logs and journals; temporary files are passed through. Draws
// are functions of (seed, kind of operation, number of the operation of that kind), hence the same for the
// same sequence of operations.
//
// Thread rule: the functions here may be called from any thread; arm() and reset() while no database is open.
#pragma once

#include <cstdint>
#include <string>

namespace assay::test {

/// What goes wrong. Rates are probabilities of one operation, in [0, 1].
struct FaultPlan {
  std::uint64_t seed = 0;
  std::int64_t quiet = 0;  ///< so many operations of each kind pass before rates apply

  double short_write = 0;  ///< a part is written, then SQLITE_IOERR_WRITE
  double full = 0;         ///< nothing is written: SQLITE_FULL
  double sync_fail = 0;    ///< SQLITE_IOERR_FSYNC
  double busy = 0;         ///< a lock is not given: SQLITE_BUSY
  int busy_burst = 1;      ///< ... and so are the next ones, so many in all
  double read_error = 0;   ///< SQLITE_IOERR_READ

  /// The write with this number (from 1) is the last; -1: no crash. It may be torn, see below.
  std::int64_t crash_after_writes = -1;
  /// The last write reaches the disk only up to a drawn multiple of 512 bytes.
  bool torn = false;
  /// Writes of the last file since its last fsync are lost from a drawn one on, as at power loss. Only what
  /// was committed with synchronous=FULL is safe then.
  bool lose_unsynced = false;
};

/// What has happened since arm().
struct FaultCounts {
  std::int64_t reads = 0, writes = 0, syncs = 0, locks = 0;  ///< operations asked for
  std::int64_t faults = 0;                                   ///< operations that failed by plan
  std::int64_t dead = 0;                                     ///< operations refused after the crash
  std::int64_t lost_writes = 0;                              ///< unsynced writes undone by the crash
  bool crashed = false;
};

/// The layer itself; one in a process.
class FaultVfs {
 public:
  /// Registered as default at the first call, for the rest of the process. Throws std::runtime_error if
  /// SQLite refuses.
  static FaultVfs& instance();

  /// Faults from now on.
  void arm(const FaultPlan& plan);
  /// No faults; what crashed works again, as after a restart of the machine. The files are as they were left.
  void reset();
  [[nodiscard]] FaultCounts counts() const;
  /// Databases, logs and journals that are open.
  [[nodiscard]] int open_files() const;
  /// False: fsync is not handed to the system, and sleeping takes no time. For simulations, in which nothing
  /// ever loses power but by plan.
  void real_time(bool yes);

  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

 private:
  FaultVfs();
};

}  // namespace assay::test
