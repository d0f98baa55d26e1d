#include "harness/base/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

extern char** environ;

namespace assay::host {
namespace {

struct Pipe {
  int read_end = -1, write_end = -1;
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = ends[0], write_end = ends[1];
    return true;
  }
  void close_write() {
    if (write_end >= 0) ::close(write_end), write_end = -1;
  }
  void close_read() {
    if (read_end >= 0) ::close(read_end), read_end = -1;
  }
  ~Pipe() {
    close_write();
    close_read();
  }
};

// Reads what is there; returns false at the end of the stream.
bool drain(Pipe& pipe, std::string& text, std::size_t keep_max, bool keep_tail) {
  char buffer[16384];
  const ssize_t got = ::read(pipe.read_end, buffer, sizeof buffer);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  text.append(buffer, static_cast<std::size_t>(got));
  if (text.size() > keep_max) text.erase(keep_tail ? 0 : keep_max, text.size() - keep_max);
  return true;
}

}  // namespace

Result<ChildResult> run_child(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                              int limit_ms, std::size_t out_bytes_max) {
  Pipe out, err;
  if (!out.open() || !err.open()) {
    return Error{Code::kResourceExhausted, std::string("cannot create a pipe: ") + std::strerror(errno), {}};
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, 1);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  std::string name = program.string();
  std::vector<std::string> storage = arguments;
  std::vector<char*> argv{name.data()};
  for (std::string& argument : storage) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failure = ::posix_spawn(&child, name.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) {
    return Error{Code::kNotFound, "cannot start '" + name + "': " + std::strerror(failure), {}};
  }
  out.close_write();
  err.close_write();

  ChildResult result;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  bool out_open = true, err_open = true;
  while (out_open || err_open) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) {
      result.timed_out = true;
      break;
    }
    pollfd fds[2] = {{out_open ? out.read_end : -1, POLLIN, 0}, {err_open ? err.read_end : -1, POLLIN, 0}};
    if (::poll(fds, 2, static_cast<int>(left)) < 0 && errno != EINTR) break;
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
      out_open = drain(out, result.out, out_bytes_max, false);
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) err_open = drain(err, result.err, 4096, true);
  }
  if (result.timed_out) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace assay::host
