#include "harness/run/provenance.hpp"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sqlite3.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <boost/version.hpp>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "assay/plugin.h"
#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"

namespace assay::host {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string os_name() {
  std::ifstream release("/etc/os-release");
  for (std::string line; std::getline(release, line);) {
    if (line.rfind("PRETTY_NAME=", 0) == 0 && line.size() > 14) return line.substr(13, line.size() - 14);
  }
  return "unknown";
}

}  // namespace

std::string program_version() {
  return ASSAY_VERSION;
}

std::string versions_json() {
  const Json tree = {{"assay", ASSAY_VERSION},
                     {"commit", ASSAY_COMMIT},
                     {"build", ASSAY_BUILD_TYPE},
                     {"compiler", __VERSION__},
                     {"abi", std::to_string(ASSAY_ABI_MAJOR) + "." + std::to_string(ASSAY_ABI_MINOR)},
                     {"boost", BOOST_LIB_VERSION},
                     {"sqlite", sqlite3_libversion()},
                     {"curl", curl_version_info(CURLVERSION_NOW)->version},
                     {"openssl", OpenSSL_version(OPENSSL_VERSION)}};
  return canonical(tree);
}

std::string machine_json() {
  utsname system{};
  ::uname(&system);
  const Json tree = {{"cpu", cpu_model()},
                     {"cores", std::thread::hardware_concurrency()},
                     {"memory_bytes", static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                          static_cast<std::int64_t>(::sysconf(_SC_PAGE_SIZE))},
                     {"os", os_name()},
                     {"kernel", std::string(system.sysname) + " " + system.release},
                     {"host", system.nodename}};
  return canonical(tree);
}

std::string new_uuid() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return sha256_hex(machine_json()).substr(0, 32);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace assay::host
