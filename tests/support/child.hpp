// Runs a program as a child: its own process group, output captured in files, a time limit.
//
// A Child that is destroyed while it runs is killed. Not thread-safe; one thread per Child.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace assay::test {

struct ChildOptions {
  std::vector<std::string> arguments;              ///< program (absolute path or found in PATH), arguments
  std::filesystem::path folder;                    ///< working directory
  std::map<std::string, std::string> environment;  ///< the whole environment; nothing is inherited
  std::filesystem::path out, err;                  ///< files that receive stdout and stderr
  double seconds_max = 120;                        ///< afterwards the child is killed
};

struct ChildResult {
  int code = -1;      ///< exit code; -1 if it did not exit by itself
  int signal = 0;     ///< the signal that ended it, or 0
  bool late = false;  ///< killed because of the time limit
  double seconds = 0;
  std::string out, err;
};

class Child {
 public:
  /// Throws std::runtime_error if the program cannot be started.
  explicit Child(ChildOptions options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t id() const { return pid_; }
  /// Sends a signal to the child alone.
  void send(int signal) const;
  /// True while it runs; collects the exit status otherwise.
  bool running();
  /// Waits for the end, at most until the time limit counted from the start, then kills the whole group.
  ChildResult wait();
  /// What the child has written to stderr so far.
  [[nodiscard]] std::string error_text() const;

 private:
  void end_group();
  [[nodiscard]] double elapsed() const;

  ChildOptions options_;
  pid_t pid_ = -1;
  bool done_ = false;
  int status_ = 0;
  double start_ = 0, end_ = 0;
};

/// Starts and waits.
ChildResult run_child(ChildOptions options);

/// The whole file, or "" if it cannot be read.
std::string slurp(const std::filesystem::path& path);

}  // namespace assay::test
