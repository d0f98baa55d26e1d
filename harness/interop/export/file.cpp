#include "harness/interop/export/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace assay::host::exporting {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

}  // namespace

Error OutputFile::failure(const char* what) {
  const std::string reason = std::strerror(errno);
  const std::string name = path_ == "-" ? "standard output" : "'" + path_ + "'";
  Error error{Code::kResourceExhausted,
              std::string(what) + " " + name + " failed: " + reason + "; name another place with --out",
              path_};
  state_ = error;
  return error;
}

Result<std::unique_ptr<OutputFile>> OutputFile::open(const std::string& path) {
  std::unique_ptr<OutputFile> made(new OutputFile());
  OutputFile& out = *made;
  out.path_ = path;
  if (path == "-") {
    out.file_ = STDOUT_FILENO;
    return made;
  }
  namespace fs = std::filesystem;
  const fs::path target(path);
  std::error_code failed;
  if (target.has_parent_path() && !fs::is_directory(target.parent_path(), failed)) {
    fs::create_directories(target.parent_path(), failed);
    if (failed) {
      errno = failed.value();
      return out.failure("making the folder of");
    }
  }
  if (fs::is_directory(target, failed)) {
    errno = EISDIR;
    return out.failure("creating");
  }
  if (fs::exists(target, failed) && !fs::is_regular_file(target, failed)) {
    // A device or a pipe is written to, not replaced.
    out.file_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (out.file_ < 0) return out.failure("opening");
    return made;
  }
  out.temporary_ = path + ".part." + std::to_string(::getpid());
  out.file_ = ::open(out.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (out.file_ < 0) {
    out.temporary_.clear();
    return out.failure("creating");
  }
  return made;
}

OutputFile::~OutputFile() {
  if (file_ >= 0 && path_ != "-") ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::string_view bytes) {
  if (!state_) return state_;
  buffer_ += bytes;
  bytes_ += static_cast<std::int64_t>(bytes.size());
  return buffer_.size() < kBufferBytes ? Result<void>() : drain();
}

Result<void> OutputFile::drain() {
  hash_.bytes(buffer_);
  for (std::string_view rest = buffer_; !rest.empty();) {
    const ssize_t written = ::write(file_, rest.data(), rest.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return failure("writing");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
  return {};
}

Result<void> OutputFile::save() {
  if (!state_) return state_;
  if (Result<void> done = drain(); !done) return done;
  if (temporary_.empty()) return {};
  const int file = std::exchange(file_, -1);
  if (::close(file) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) return failure("saving");
  temporary_.clear();
  return {};
}

}  // namespace assay::host::exporting
