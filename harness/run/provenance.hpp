// What is recorded for reproducibility: the program, its libraries, the machine.
#pragma once

#include <string>

namespace assay::host {

/// "0.1.0"
std::string program_version();
/// JSON: assay, build, compiler, ABI, Boost, SQLite, curl, OpenSSL, zlib.
std::string versions_json();
/// JSON: CPU model, cores, memory bytes, operating system, host name.
std::string machine_json();
/// 32 random hex digits.
std::string new_uuid();

}  // namespace assay::host
