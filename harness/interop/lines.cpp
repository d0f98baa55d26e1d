#include "harness/interop/lines.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "harness/base/limits.hpp"

namespace assay::host::interop {
namespace {
constexpr std::size_t kFirstBuffer = std::size_t{1} << 20;

Error unreadable(const std::filesystem::path& path, std::uint64_t offset) {
  return Error{Code::kData,
               "'" + path.string() + "' cannot be read from byte " + std::to_string(offset) +
                   " on: " + std::strerror(errno),
               path.string()};
}
}  // namespace

Result<LineReader> LineReader::open(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return Error{Code::kNotFound, "the file '" + path.string() + "' does not exist", path.string()};
  }
  if (!std::filesystem::is_regular_file(path, ignored)) {
    return Error{Code::kData, "'" + path.string() + "' is not a file", path.string()};
  }
  LineReader reader;
  reader.path_ = path;
  reader.file_.reset(std::fopen(path.c_str(), "rb"));
  if (!reader.file_) return unreadable(path, 0);
  std::setvbuf(reader.file_.get(), nullptr, _IONBF, 0);  // the buffer below is the only one
  reader.buffer_.resize(kFirstBuffer + kPadding);
  return reader;
}

/// Moves the unread bytes to the front and reads behind them; false at the end of the file.
Result<bool> LineReader::fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ + kPadding == buffer_.size()) buffer_.resize(2 * end_ + kPadding);
  const std::size_t got = std::fread(buffer_.data() + end_, 1, buffer_.size() - kPadding - end_, file_.get());
  if (got == 0 && std::ferror(file_.get()) != 0) return unreadable(path_, offset_ + end_);
  end_ += got;
  return got != 0;
}

Result<bool> LineReader::next(Line& line) {
  if (number_ == 0 && offset_ == 0) {
    while (end_ < 3) {
      const auto more = fill();
      if (!more) return more.error();
      if (!*more) break;
    }
    if (end_ >= 3 && std::memcmp(buffer_.data(), "\xEF\xBB\xBF", 3) == 0) begin_ = offset_ = 3;
  }
  std::size_t searched = 0;
  for (;;) {
    const char* const first = buffer_.data() + begin_;
    const std::size_t unread = end_ - begin_;
    const void* const found =
        unread == searched ? nullptr : std::memchr(first + searched, '\n', unread - searched);
    const bool too_long = found == nullptr && unread > limits::kTextBytesMax;
    if (found == nullptr && !too_long && !ended_) {
      searched = unread;
      const auto more = fill();
      if (!more) return more.error();
      ended_ = !*more;
      continue;
    }
    if (found == nullptr && unread == 0) return false;
    const std::size_t length =
        found == nullptr ? unread : static_cast<std::size_t>(static_cast<const char*>(found) - first);
    line = {{first, length}, ++number_, offset_, too_long};
    const std::size_t taken = length + (found == nullptr ? 0 : 1);
    begin_ += taken;
    offset_ += taken;
    if (!too_long) return true;
    break;
  }
  // The rest of a line beyond the limit is read over, not kept.
  line.text = {};
  for (;;) {
    const auto more = fill();
    if (!more) return more.error();
    const void* const found = end_ == 0 ? nullptr : std::memchr(buffer_.data(), '\n', end_);
    const std::size_t taken =
        found == nullptr ? end_
                         : static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data()) + 1;
    begin_ = taken;
    offset_ += taken;
    if (found != nullptr || !*more) return true;
  }
}

Result<void> LineReader::seek(std::uint64_t offset, std::uint64_t number) {
  if (offset >= offset_ && offset - offset_ <= end_ - begin_) {
    begin_ += static_cast<std::size_t>(offset - offset_);
  } else {
    if (::fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET) != 0) return unreadable(path_, offset);
    begin_ = end_ = 0;
    ended_ = false;
  }
  offset_ = offset;
  number_ = number - 1;
  return {};
}

Result<std::string_view> LineReader::at(std::uint64_t offset, std::uint64_t length,
                                        std::vector<char>& buffer) const {
  if (buffer.size() < length + kPadding) buffer.resize(length + kPadding);
  std::size_t done = 0;
  while (done < length) {
    const ssize_t got = ::pread(::fileno(file_.get()), buffer.data() + done, length - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path_, offset + done);
    if (got == 0) {
      return Error{Code::kData, "'" + path_.string() + "' became shorter while it was read", path_.string()};
    }
    done += static_cast<std::size_t>(got);
  }
  return std::string_view(buffer.data(), length);
}

}  // namespace assay::host::interop
