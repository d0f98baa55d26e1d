#include "probe.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "decoder.hpp"
#include "digest.hpp"
#include "runtime.hpp"

extern char** environ;

namespace assay::llama {
namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kRefused = 3;  ///< exit code of the child: its sentence is on standard output
/// A child that is not done by then hangs: a minute, and a second for every 10 MB.
constexpr std::uintmax_t kBytesPerSecond = 10'000'000;
constexpr std::size_t kOutputMax = 16384;
/// Smaller files are probed every time: that takes a moment.
constexpr off_t kRememberedBytesMin = off_t{16} << 20U;

/// The program, seen from the library (plugins/model_llama.so) or the program of tests that holds this code.
fs::path probe_program() {
  Dl_info found{};
  if (dladdr(reinterpret_cast<const void*>(&probe_file), &found) == 0 || found.dli_fname == nullptr)
    return {};
  std::error_code failure;
  const fs::path own = fs::canonical(found.dli_fname, failure).parent_path();
  for (const char* place : {"../assay-llama-probe", "../lib/assay/assay-llama-probe"}) {
    const fs::path program = (own / place).lexically_normal();
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

/// The note that says a file was found sound; empty when it cannot be kept.
fs::path note_of(const std::string& path, std::int32_t gpu_layers, std::size_t context) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || status.st_size < kRememberedBytesMin) return {};
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr && *cache != '\0') {
    folder = cache;
  } else if (home != nullptr && *home != '\0') {
    folder = fs::path(home) / ".cache";
  } else {
    return {};
  }
  Digest digest;
  digest.add(path).add(library_version());
  for (const long long number :
       {static_cast<long long>(status.st_size), static_cast<long long>(status.st_mtim.tv_sec),
        static_cast<long long>(status.st_mtim.tv_nsec), static_cast<long long>(status.st_ino),
        static_cast<long long>(gpu_layers), static_cast<long long>(context)}) {
    digest.add(std::to_string(number));
  }
  return folder / "assay/llama" / digest.hex();
}

/// A child and the end of the pipe that its output comes from.
struct Child {
  pid_t pid = -1;
  int output = -1;
};

Result<Child> start(const fs::path& program, const std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{Code::kResourceExhausted, "no pipe for the probe of a model", {}};
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  // Without this libllama starts a debugger when it stops.
  std::string no_backtrace = "GGML_NO_BACKTRACE=1";
  std::vector<char*> variables = {no_backtrace.data()};
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) variables.push_back(*one);
  variables.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  Child child;
  const int code =
      posix_spawn(&child.pid, program.c_str(), &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  child.output = ends[0];
  if (code == 0) return child;
  ::close(ends[0]);
  return Error{Code::kResourceExhausted,
               "'" + program.string() + "' could not be started: " + std::strerror(code),
               {}};
}

/// All the child says until it ends or the time is over (false).
bool read_until(const Child& child, Clock::time_point end, std::string& output) {
  char buffer[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd wait = {child.output, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<long long>(left, 1000)));
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    const ssize_t count = ::read(child.output, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    if (output.size() < kOutputMax) output.append(buffer, static_cast<std::size_t>(count));
  }
}

/// The line in which libllama says what it did not expect.
std::string assertion_in(const std::string& output) {
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, end - at);
    if (line.find("GGML_") != std::string::npos || line.find("error") != std::string::npos) return line;
    at = end + 1;
  }
  return {};
}

}  // namespace

std::size_t effective_context(std::size_t wanted, std::uint64_t trained) {
  if (wanted != 0) return wanted;
  if (trained == 0) return kDefaultContextMax;
  return static_cast<std::size_t>(std::min<std::uint64_t>(trained, kDefaultContextMax));
}

Result<void> try_file(const std::string& path, std::int32_t gpu_layers, std::size_t context) {
  if (auto started = start_library(nullptr); !started) return started;
  auto weights = Weights::load(path, gpu_layers);
  if (!weights) return std::move(weights).error();
  auto ids = (*weights)->encode("The 3 caf\xC3\xA9s,\n\t\"quoted\" \xE4\xBD\xA0\xF0\x9F\x98\x80 </s> end.  ");
  if (!ids) return std::move(ids).error();
  if (!(*weights)->generative()) return {};
  const std::size_t cells = effective_context(context, (*weights)->header().context_length);
  auto decoder = Decoder::make(*weights, {cells, 1, true});
  if (!decoder) return std::move(decoder).error();
  if (ids->ids.empty()) ids->ids.push_back(0);
  if (ids->ids.size() > cells) ids->ids.resize(cells);
  assay_call raw{};
  const Call call(&raw);
  const auto row = (*decoder)->begin(ids->ids, call);
  if (!row) return row.error();
  return {};
}

Result<void> probe_file(const std::string& path, std::int32_t gpu_layers, std::size_t context, bool* probed) {
  const fs::path note = note_of(path, gpu_layers, context);
  std::error_code failure;
  *probed = true;
  if (!note.empty() && fs::exists(note, failure)) return {};
  const fs::path program = probe_program();
  if (program.empty()) {
    *probed = false;
    return {};
  }
  auto child = start(program, {program.string(), path, std::to_string(gpu_layers), std::to_string(context)});
  if (!child) return std::move(child).error();
  const std::uintmax_t size = fs::file_size(path, failure);
  const auto limit = std::chrono::seconds(60 + (failure ? 0 : static_cast<long>(size / kBytesPerSecond)));
  std::string output;
  const bool done = read_until(*child, Clock::now() + limit, output);
  if (!done) ::kill(child->pid, SIGKILL);
  ::close(child->output);
  int status = 0;
  while (::waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!done) {
    return Error{Code::kTimeout,
                 "libllama did not load '" + path + "' within " + std::to_string(limit.count()) + " seconds",
                 "path"};
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    if (!note.empty()) {
      fs::create_directories(note.parent_path(), failure);
      std::ofstream(note) << path << '\n';
    }
    return {};
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kRefused) return Error{Code::kData, output, "path"};
  const std::string end = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                              : "code " + std::to_string(WEXITSTATUS(status));
  const std::string assertion = assertion_in(output);
  return Error{Code::kData,
               "'" + path + "' ends libllama " + library_version() + " (" + end +
                   ") when it is loaded: it is damaged, or made for another version" +
                   (assertion.empty() ? "" : "; " + assertion),
               "path"};
}

}  // namespace assay::llama
