// assay-worker: the child that touches foreign libraries first. `assay-worker --scan FILE` prints one JSON
// object.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "harness/plugins/record.hpp"
#include "harness/plugins/registry.hpp"

namespace {

constexpr char kUsage[] =
    "Usage: assay-worker --scan FILE\n"
    "Examines one plugin library and prints what it holds as a JSON object. assay starts this program "
    "itself;\n"
    "it is of use to people who want to know why a plugin is refused.\n";

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A plugin that prints while it is loaded must not corrupt the answer: standard output becomes standard
// error, and the answer goes to a descriptor nobody else knows. Returns that descriptor.
int take_standard_output() {
  const int answer = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return answer;
}

int scan(const char* file) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no orphan keeps hanging in a plugin's init
  const int answer = take_standard_output();
  const assay::host::LibraryRecord record = assay::host::scan_library(file);
  const std::string text =
      assay::host::to_json(record).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const bool written = answer >= 0 && write_all(answer, text);
  // Without exit handlers: destructors of a foreign library must not change the outcome any more.
  ::_exit(written ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "--scan" && argc == 3) return scan(argv[2]);
  const bool asked = verb == "--help" && argc == 2;
  std::fputs(kUsage, asked ? stdout : stderr);
  return asked ? 0 : 2;
}
