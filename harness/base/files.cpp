#include "harness/base/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

namespace assay::host {
namespace fs = std::filesystem;
namespace {

fs::path xdg(const char* variable, const char* below_home) {
  const fs::path set = environment(variable);
  if (!set.empty() && set.is_absolute()) return set / "assay";
  const fs::path home = environment("HOME");
  return (home.is_absolute() ? home : fs::temp_directory_path()) / below_home / "assay";
}

}  // namespace

Result<std::string> read_file(const fs::path& path, std::size_t bytes_max) {
  std::error_code failure;
  if (fs::is_directory(path, failure)) {
    return Error{Code::kData, "'" + path.string() + "' is a folder; a file was expected", {}};
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Error{Code::kNotFound, "cannot open '" + path.string() + "': " + std::strerror(errno), {}};
  }
  std::string bytes;
  char buffer[65536];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    bytes.append(buffer, static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > bytes_max) {
      return Error{
          Code::kData, "'" + path.string() + "' is larger than " + std::to_string(bytes_max) + " bytes", {}};
    }
  }
  if (in.bad()) return Error{Code::kData, "reading '" + path.string() + "' failed", {}};
  return bytes;
}

Result<void> write_file(const fs::path& path, std::string_view bytes) {
  std::error_code failure;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), failure);
  const fs::path temporary = path.string() + ".part." + std::to_string(::getpid());
  const auto give_up = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    return Error{
        Code::kResourceExhausted, std::string(what) + " '" + path.string() + "' failed: " + reason, {}};
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return give_up("creating");
  for (std::string_view rest = bytes; !rest.empty();) {
    const ssize_t written = ::write(file, rest.data(), rest.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      ::close(file);
      return give_up("writing");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::close(file) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) return give_up("saving");
  return {};
}

fs::path cache_home() {
  return xdg("XDG_CACHE_HOME", ".cache");
}
fs::path data_home() {
  return xdg("XDG_DATA_HOME", ".local/share");
}

fs::path executable_folder() {
  std::error_code failure;
  const fs::path self = fs::read_symlink("/proc/self/exe", failure);
  return failure ? fs::path("/usr/bin") : self.parent_path();
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace assay::host
