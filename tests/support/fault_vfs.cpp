#include "tests/support/fault_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

namespace assay::test {
namespace {

constexpr std::int64_t kSector = 512;

enum class Operation : std::uint64_t { kRead = 1, kWrite, kFull, kSync, kLock, kTear, kLose };

/// SplitMix64's finishing step (Vigna).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

/// What a write replaced, to undo it.
struct Undo {
  std::int64_t offset = 0, old_size = 0;
  std::vector<char> old_bytes;
};

/// An open file. The file of the VFS below lies behind it in memory.
struct FaultFile {
  sqlite3_file base;  // first: SQLite sees only this
  bool watched;
  std::vector<Undo>* unsynced;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
static_assert(alignof(FaultFile) <= 8);

struct State {
  mutable std::mutex mutex;
  FaultPlan plan;
  bool armed = false, real_time = true;
  FaultCounts counts;
  int busy_left = 0;
  int open = 0;
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs{};
  sqlite3_io_methods methods{};

  std::uint64_t draw(Operation what, std::int64_t number) const {
    return mixed(mixed(plan.seed ^ (static_cast<std::uint64_t>(what) << 56U)) ^
                 static_cast<std::uint64_t>(number));
  }
  [[nodiscard]] bool hits(double rate, Operation what, std::int64_t number) const {
    if (!armed || number <= plan.quiet || rate <= 0) return false;
    return static_cast<double>(draw(what, number) >> 11U) * 0x1p-53 < rate;
  }
  int fault(int code) {
    ++counts.faults;
    return code;
  }
  /// True when nothing works any more.
  bool dead() {
    if (counts.crashed) ++counts.dead;
    return counts.crashed;
  }
};

State& state() {
  static State made;
  return made;
}

FaultFile& self(sqlite3_file* file) {
  return *reinterpret_cast<FaultFile*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
  return self(file).real();
}

/// What is about to be overwritten.
Undo remember(sqlite3_file* file, int amount, std::int64_t offset) {
  Undo undo;
  undo.offset = offset;
  sqlite3_int64 size = 0;
  (void)file->pMethods->xFileSize(file, &size);
  undo.old_size = size;
  const std::int64_t there = std::clamp<std::int64_t>(size - offset, 0, amount);
  undo.old_bytes.resize(static_cast<std::size_t>(there));
  if (there != 0) (void)file->pMethods->xRead(file, undo.old_bytes.data(), static_cast<int>(there), offset);
  return undo;
}

/// Takes the newest writes back until `keep` of them are left.
std::int64_t undo_writes(sqlite3_file* file, std::vector<Undo>& writes, std::size_t keep) {
  std::int64_t undone = 0;
  for (; writes.size() > keep; writes.pop_back(), ++undone) {
    const Undo& last = writes.back();
    if (!last.old_bytes.empty()) {
      (void)file->pMethods->xWrite(file, last.old_bytes.data(), static_cast<int>(last.old_bytes.size()),
                                   last.offset);
    }
    sqlite3_int64 size = 0;
    (void)file->pMethods->xFileSize(file, &size);
    if (size > last.old_size) (void)file->pMethods->xTruncate(file, last.old_size);
  }
  return undone;
}

int x_close(sqlite3_file* file) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  FaultFile& mine = self(file);
  if (mine.watched) --s.open;
  delete mine.unsynced;
  return real(file)->pMethods->xClose(real(file));
}

int x_read(sqlite3_file* file, void* to, int amount, sqlite3_int64 offset) {
  State& s = state();
  {
    const std::scoped_lock lock(s.mutex);
    if (self(file).watched) {
      if (s.dead()) return SQLITE_IOERR_READ;
      const std::int64_t number = ++s.counts.reads;
      if (s.hits(s.plan.read_error, Operation::kRead, number)) return s.fault(SQLITE_IOERR_READ);
    }
  }
  return real(file)->pMethods->xRead(real(file), to, amount, offset);
}

int x_write(sqlite3_file* file, const void* from, int amount, sqlite3_int64 offset) {
  State& s = state();
  FaultFile& mine = self(file);
  sqlite3_file* under = real(file);
  if (!mine.watched) return under->pMethods->xWrite(under, from, amount, offset);
  const std::scoped_lock lock(s.mutex);
  if (s.dead()) return SQLITE_IOERR_WRITE;
  const std::int64_t number = ++s.counts.writes;
  if (s.hits(s.plan.full, Operation::kFull, number)) return s.fault(SQLITE_FULL);
  if (s.armed && s.plan.lose_unsynced) mine.unsynced->push_back(remember(under, amount, offset));
  int part = amount;
  int code = SQLITE_OK;
  if (s.hits(s.plan.short_write, Operation::kWrite, number)) {
    part = static_cast<int>(s.draw(Operation::kTear, number) % static_cast<std::uint64_t>(amount));
    code = s.fault(SQLITE_IOERR_WRITE);
  }
  const bool last = s.armed && s.plan.crash_after_writes >= 0 && number >= s.plan.crash_after_writes;
  if (last && s.plan.torn) {
    const std::uint64_t sectors = static_cast<std::uint64_t>((amount + kSector - 1) / kSector);
    part = static_cast<int>(std::min<std::int64_t>(
        amount, kSector * static_cast<std::int64_t>(s.draw(Operation::kTear, number) % (sectors + 1))));
  }
  const int written = part == 0 ? SQLITE_OK : under->pMethods->xWrite(under, from, part, offset);
  if (last) {
    if (s.plan.lose_unsynced) {
      const std::size_t keep =
          static_cast<std::size_t>(s.draw(Operation::kLose, number) % (mine.unsynced->size() + 1));
      s.counts.lost_writes += undo_writes(under, *mine.unsynced, keep);
    }
    s.counts.crashed = true;
    return s.fault(SQLITE_IOERR_WRITE);
  }
  return code != SQLITE_OK ? code : written;
}

int x_truncate(sqlite3_file* file, sqlite3_int64 size) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  if (self(file).watched && s.dead()) return SQLITE_IOERR_TRUNCATE;
  self(file).unsynced->clear();  // undoing across a truncation would not give an earlier content
  return real(file)->pMethods->xTruncate(real(file), size);
}

int x_sync(sqlite3_file* file, int flags) {
  State& s = state();
  {
    const std::scoped_lock lock(s.mutex);
    if (self(file).watched) {
      if (s.dead()) return SQLITE_IOERR_FSYNC;
      const std::int64_t number = ++s.counts.syncs;
      if (s.hits(s.plan.sync_fail, Operation::kSync, number)) return s.fault(SQLITE_IOERR_FSYNC);
    }
    self(file).unsynced->clear();
    if (!s.real_time) return SQLITE_OK;
  }
  return real(file)->pMethods->xSync(real(file), flags);
}

int x_file_size(sqlite3_file* file, sqlite3_int64* size) {
  State& s = state();
  {
    const std::scoped_lock lock(s.mutex);
    if (self(file).watched && s.dead()) return SQLITE_IOERR_FSTAT;
  }
  return real(file)->pMethods->xFileSize(real(file), size);
}

/// SQLITE_BUSY or a failure by plan; SQLITE_OK: go on.
int refuse_lock() {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  if (s.dead()) return SQLITE_IOERR_LOCK;
  const std::int64_t number = ++s.counts.locks;
  if (s.armed && s.busy_left > 0) {
    --s.busy_left;
    return s.fault(SQLITE_BUSY);
  }
  if (s.hits(s.plan.busy, Operation::kLock, number)) {
    s.busy_left = s.plan.busy_burst - 1;
    return s.fault(SQLITE_BUSY);
  }
  return SQLITE_OK;
}

int x_lock(sqlite3_file* file, int level) {
  if (self(file).watched) {
    if (const int refused = refuse_lock(); refused != SQLITE_OK) return refused;
  }
  return real(file)->pMethods->xLock(real(file), level);
}
// Locks die with their process, so letting go works after a crash too.
int x_unlock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int x_check_reserved(sqlite3_file* file, int* out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
int x_control(sqlite3_file* file, int what, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), what, argument);
}
int x_sector_size(sqlite3_file* file) {
  return real(file)->pMethods->xSectorSize(real(file));
}
// No promises of atomic or ordered writes: whatever the system would keep, this layer may not.
int x_device(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file)) &
         ~(SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_BATCH_ATOMIC);
}
int x_shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  State& s = state();
  {
    const std::scoped_lock lock(s.mutex);
    if (s.dead()) return SQLITE_IOERR_SHMMAP;
  }
  return real(file)->pMethods->xShmMap(real(file), region, size, extend, out);
}
int x_shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  if ((flags & SQLITE_SHM_LOCK) != 0) {
    if (const int refused = refuse_lock(); refused != SQLITE_OK) return refused;
  }
  return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}
void x_shm_barrier(sqlite3_file* file) {
  real(file)->pMethods->xShmBarrier(real(file));
}
int x_shm_unmap(sqlite3_file* file, int remove) {
  bool dead = false;
  {
    State& s = state();
    const std::scoped_lock lock(s.mutex);
    dead = s.counts.crashed;
  }
  return real(file)->pMethods->xShmUnmap(real(file), dead ? 0 : remove);
}

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  State& s = state();
  constexpr int kWatched = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  const std::scoped_lock lock(s.mutex);
  FaultFile& mine = *new (file) FaultFile{};
  mine.watched = (flags & kWatched) != 0;
  if (mine.watched && s.dead()) return SQLITE_CANTOPEN;
  const int code = s.real->xOpen(s.real, name, mine.real(), flags, out);
  if (code != SQLITE_OK) {
    if (mine.real()->pMethods != nullptr) (void)mine.real()->pMethods->xClose(mine.real());
    return code;
  }
  mine.unsynced = new std::vector<Undo>();
  mine.base.pMethods = &s.methods;
  if (mine.watched) ++s.open;
  return SQLITE_OK;
}
int x_delete(sqlite3_vfs*, const char* name, int sync) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  if (s.dead()) return SQLITE_IOERR_DELETE;
  return s.real->xDelete(s.real, name, s.real_time ? sync : 0);
}
int x_access(sqlite3_vfs*, const char* name, int flags, int* out) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  if (s.dead()) return SQLITE_IOERR_ACCESS;
  return s.real->xAccess(s.real, name, flags, out);
}
int x_full_path(sqlite3_vfs*, const char* name, int n, char* out) {
  sqlite3_vfs* under = state().real;
  return under->xFullPathname(under, name, n, out);
}
int x_randomness(sqlite3_vfs*, int n, char* out) {
  sqlite3_vfs* under = state().real;
  return under->xRandomness(under, n, out);
}
int x_sleep(sqlite3_vfs*, int microseconds) {
  State& s = state();
  {
    const std::scoped_lock lock(s.mutex);
    if (!s.real_time) return microseconds;
  }
  return s.real->xSleep(s.real, microseconds);
}
int x_time(sqlite3_vfs*, double* out) {
  sqlite3_vfs* under = state().real;
  return under->xCurrentTime(under, out);
}
int x_time_ms(sqlite3_vfs*, sqlite3_int64* out) {
  sqlite3_vfs* under = state().real;
  return under->xCurrentTimeInt64(under, out);
}
int x_last_error(sqlite3_vfs*, int n, char* out) {
  sqlite3_vfs* under = state().real;
  return under->xGetLastError == nullptr ? 0 : under->xGetLastError(under, n, out);
}

}  // namespace

FaultVfs::FaultVfs() {
  State& s = state();
  s.real = sqlite3_vfs_find(nullptr);
  if (s.real == nullptr) throw std::runtime_error("SQLite has no default VFS");
  s.methods.iVersion = 2;  // 3 would be memory-mapped files, which bypass this layer
  s.methods.xClose = x_close;
  s.methods.xRead = x_read;
  s.methods.xWrite = x_write;
  s.methods.xTruncate = x_truncate;
  s.methods.xSync = x_sync;
  s.methods.xFileSize = x_file_size;
  s.methods.xLock = x_lock;
  s.methods.xUnlock = x_unlock;
  s.methods.xCheckReservedLock = x_check_reserved;
  s.methods.xFileControl = x_control;
  s.methods.xSectorSize = x_sector_size;
  s.methods.xDeviceCharacteristics = x_device;
  s.methods.xShmMap = x_shm_map;
  s.methods.xShmLock = x_shm_lock;
  s.methods.xShmBarrier = x_shm_barrier;
  s.methods.xShmUnmap = x_shm_unmap;
  s.vfs.iVersion = 2;
  s.vfs.szOsFile = static_cast<int>(sizeof(FaultFile)) + s.real->szOsFile;
  s.vfs.mxPathname = s.real->mxPathname;
  s.vfs.zName = "assay-faults";
  s.vfs.xOpen = x_open;
  s.vfs.xDelete = x_delete;
  s.vfs.xAccess = x_access;
  s.vfs.xFullPathname = x_full_path;
  s.vfs.xRandomness = x_randomness;
  s.vfs.xSleep = x_sleep;
  s.vfs.xCurrentTime = x_time;
  s.vfs.xCurrentTimeInt64 = x_time_ms;
  s.vfs.xGetLastError = x_last_error;
  if (sqlite3_vfs_register(&s.vfs, 1) != SQLITE_OK)
    throw std::runtime_error("SQLite refuses the VFS of the tests");
}

FaultVfs& FaultVfs::instance() {
  static FaultVfs made;
  return made;
}

void FaultVfs::arm(const FaultPlan& plan) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  s.plan = plan;
  s.armed = true;
  s.counts = {};
  s.busy_left = 0;
}

void FaultVfs::reset() {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  s.armed = false;
  s.counts.crashed = false;
  s.busy_left = 0;
}

FaultCounts FaultVfs::counts() const {
  const State& s = state();
  const std::scoped_lock lock(s.mutex);
  return s.counts;
}

int FaultVfs::open_files() const {
  const State& s = state();
  const std::scoped_lock lock(s.mutex);
  return s.open;
}

void FaultVfs::real_time(bool yes) {
  State& s = state();
  const std::scoped_lock lock(s.mutex);
  s.real_time = yes;
}

}  // namespace assay::test
