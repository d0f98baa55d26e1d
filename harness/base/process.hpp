// Running a child program with a time limit and collecting what it says. The host starts children for
// plugin scans and for planted-data generators only.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host {

struct ChildResult {
  int exit_code = -1;      ///< valid when neither `signal` nor `timed_out` is set
  int signal = 0;          ///< the signal that ended the child, or 0
  bool timed_out = false;  ///< the limit passed and the child was killed
  std::string out;         ///< standard output, at most `out_bytes_max`
  std::string err;         ///< the last 4 KiB of standard error
};

/// Runs `program` with `arguments` (argv[1..]), no shell, standard input empty. The child is killed with
/// its group after `limit_ms`. Error only if the program cannot be started.
Result<ChildResult> run_child(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                              int limit_ms, std::size_t out_bytes_max = std::size_t{16} << 20);

}  // namespace assay::host
