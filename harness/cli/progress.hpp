// What a person sees while a run works: one updating line with ETA on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "harness/run/runner.hpp"

namespace assay::host::cli {

class Progress {
 public:
  /// `terminal`: stderr is a terminal. `quiet`: say nothing.
  Progress(bool terminal, bool quiet) : terminal_(terminal), quiet_(quiet), start_(Clock::now()) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const RunProgress& progress);
  /// Clears the line; called before anything else is printed.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_, quiet_;
  Clock::time_point start_, last_{};
  int last_tenth_ = -1;
  bool line_open_ = false;
};

/// "1m 05s"
std::string duration_text(double seconds);

}  // namespace assay::host::cli
