#include "tests/support/child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace assay::test {
namespace {

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

void require(int code, const char* what) {
  if (code != 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(code));
}

/// What posix_spawn is told, released at the end of the scope.
struct SpawnPlan {
  SpawnPlan() {
    require(posix_spawn_file_actions_init(&actions), "file actions");
    require(posix_spawnattr_init(&attributes), "spawn attributes");
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void file(int descriptor, const std::string& path, int flags) {
    require(posix_spawn_file_actions_addopen(&actions, descriptor, path.c_str(), flags, 0600), path.c_str());
  }
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

}  // namespace

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Child::Child(ChildOptions options) : options_(std::move(options)) {
  SpawnPlan plan;
  plan.file(0, "/dev/null", O_RDONLY);
  plan.file(1, options_.out.string(), O_WRONLY | O_CREAT | O_TRUNC);
  plan.file(2, options_.err.string(), O_WRONLY | O_CREAT | O_TRUNC);
  require(posix_spawn_file_actions_addchdir_np(&plan.actions, options_.folder.c_str()), "folder");
  // Signals that the test program blocks or ignores must not be blocked or ignored in the child.
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  sigdelset(&all, SIGKILL);
  sigdelset(&all, SIGSTOP);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setflags(
      &plan.attributes,
      static_cast<short>(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  std::vector<std::string> variables;
  for (const auto& [key, value] : options_.environment) variables.push_back(key + "=" + value);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (std::string& word : options_.arguments) argv.push_back(word.data());
  for (std::string& word : variables) envp.push_back(word.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  start_ = now();
  require(posix_spawnp(&pid_, argv[0], &plan.actions, &plan.attributes, argv.data(), envp.data()), argv[0]);
}

Child::~Child() {
  if (running()) end_group();
}

double Child::elapsed() const {
  return now() - start_;
}

void Child::send(int signal) const {
  if (!done_) ::kill(pid_, signal);
}

bool Child::running() {
  if (done_) return false;
  if (::waitpid(pid_, &status_, WNOHANG) == 0) return true;
  done_ = true;
  end_ = now();
  return false;
}

void Child::end_group() {
  ::kill(-pid_, SIGKILL);
  if (!done_) ::waitpid(pid_, &status_, 0);
  done_ = true;
  end_ = now();
}

std::string Child::error_text() const {
  return slurp(options_.err);
}

ChildResult Child::wait() {
  ChildResult result;
  while (running()) {
    if (elapsed() > options_.seconds_max) {
      result.late = true;
      end_group();
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (WIFEXITED(status_)) result.code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) result.signal = WTERMSIG(status_);
  result.seconds = end_ - start_;
  result.out = slurp(options_.out);
  result.err = slurp(options_.err);
  return result;
}

ChildResult run_child(ChildOptions options) {
  return Child(std::move(options)).wait();
}

}  // namespace assay::test
