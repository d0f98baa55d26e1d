#include "db/lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kHolderBytes = 256;  ///< the holder's line is padded to this, so it is written at once
constexpr std::int64_t kPollFirstMs = 1, kPollMaxMs = 8;
constexpr std::int64_t kTellMs = 500;                ///< a longer wait is worth a word
constexpr std::int64_t kGiveWayMs = 2 * kPollMaxMs;  ///< longer than any waiter sleeps between two tries

/// Waiting processes hold a shared record lock on this byte; it is independent of the flock.
struct flock waiting_byte(short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(kHolderBytes);
  range.l_len = 1;
  return range;
}

std::string machine_name() {
  char name[128] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

/// Field 22 of /proc/PID/stat: the start of the process in clock ticks since boot. 0: no such process, or it
/// has ended.
std::int64_t start_of(std::int64_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(in, text)) return 0;
  const std::size_t name_end = text.rfind(')');  // the name may hold spaces and parentheses
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) {
    fields >> field;
    // Nobody has asked yet how it ended (common in containers), but it has ended.
    if (i == 3 && (field == "Z" || field == "X")) return 0;
  }
  return parse_int(field).value_or(0);
}

}  // namespace

ProcessIdentity this_process() {
  const std::int64_t pid = getpid();
  return {pid, start_of(pid), machine_name()};
}

bool process_alive(const ProcessIdentity& process) {
  if (process.pid <= 0) return false;
  if (kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return false;
  return process.start == 0 || start_of(process.pid) == process.start;
}

FileLock::~FileLock() {
  release();
  if (file_ >= 0) (void)close(file_);
}

FileLock::FileLock(FileLock&& other) noexcept {
  *this = std::move(other);
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(path_, other.path_);
  std::swap(database_, other.database_);
  std::swap(self_, other.self_);
  std::swap(held_, other.held_);
  std::swap(on_wait_, other.on_wait_);
  std::swap(give_way_, other.give_way_);
  return *this;
}

Result<FileLock> FileLock::open(const std::filesystem::path& database) {
  FileLock lock;
  lock.database_ = database.string();
  lock.path_ = lock.database_ + ".lock";
  lock.file_ = ::open(lock.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock.file_ < 0) {
    return Error{Code::kResourceExhausted,
                 "opening the database '" + lock.database_ + "' for writing failed: its lock file '" +
                     lock.path_ + "' cannot be created or written (" + std::strerror(errno) +
                     "); make the folder writable or choose another file with --db",
                 lock.database_};
  }
  // The command line may hold secrets, so only the program's name is written.
  const ProcessIdentity self = this_process();
  std::string line =
      "process " + std::to_string(self.pid) + " on " + self.host + " (" + program_invocation_short_name + ")";
  line.resize(kHolderBytes - 1, ' ');
  lock.self_ = line + '\n';
  return lock;
}

std::string FileLock::holder() const {
  char text[kHolderBytes] = {};
  const ssize_t got = pread(file_, text, sizeof text, 0);
  const std::string name(trimmed({text, got > 0 ? static_cast<std::size_t>(got) : 0}));
  return name.empty() ? "another process" : printable(name);
}

Result<void> FileLock::acquire(std::int64_t wait_ms) {
  if (held_) return {};
  if (std::exchange(give_way_, false)) std::this_thread::sleep_for(std::chrono::milliseconds(kGiveWayMs));
  const Clock::time_point start = Clock::now(), end = start + std::chrono::milliseconds(wait_ms);
  bool told = false;
  std::int64_t pause_ms = kPollFirstMs;
  bool waiting = false;
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return Error{Code::kResourceExhausted,
                   "locking '" + path_ + "' failed (" + std::strerror(errno) +
                       "); the database must be on a file system with locks",
                   database_};
    }
    struct flock mark = waiting_byte(F_RDLCK);
    if (!std::exchange(waiting, true)) (void)fcntl(file_, F_OFD_SETLK, &mark);
    if (Clock::now() >= end) {
      struct flock unmark = waiting_byte(F_UNLCK);
      (void)fcntl(file_, F_OFD_SETLK, &unmark);
      return Error{Code::kUnavailable,
                   "the database '" + database_ + "' is being written by " + holder() +
                       " and was not free for " + number_text(static_cast<double>(wait_ms) / 1000.0) +
                       " s; wait for that process, or end it if it hangs",
                   database_};
    }
    if (!told && on_wait_ && Clock::now() - start > std::chrono::milliseconds(kTellMs)) {
      told = true;
      on_wait_("waiting for the database '" + database_ + "', which " + holder() + " is writing (at most " +
               number_text(static_cast<double>(wait_ms) / 1000.0) + " s)");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    pause_ms = std::min(2 * pause_ms, kPollMaxMs);
  }
  held_ = true;
  if (waiting) {
    struct flock unmark = waiting_byte(F_UNLCK);
    (void)fcntl(file_, F_OFD_SETLK, &unmark);
  }
  // A failed write only costs the name in another process's message.
  [[maybe_unused]] const ssize_t written = pwrite(file_, self_.data(), self_.size(), 0);
  return {};
}

void FileLock::release() {
  if (!std::exchange(held_, false)) return;
  struct flock probe = waiting_byte(F_WRLCK);
  give_way_ = fcntl(file_, F_OFD_GETLK, &probe) == 0 && probe.l_type != F_UNLCK;
  (void)flock(file_, LOCK_UN);
}

}  // namespace assay::host
