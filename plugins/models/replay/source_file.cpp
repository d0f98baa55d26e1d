#include "plugins/models/replay/source_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace assay::replay {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

Error cannot(const std::string& path, const char* what) {
  const Code code = errno == ENOENT ? Code::kNotFound : Code::kUnavailable;
  return {code, "cannot " + std::string(what) + " '" + path + "': " + std::strerror(errno), {}};
}

Error damaged(const std::string& path, const char* reason) {
  return {Code::kData,
          "'" + path + "' begins like a gzip file but cannot be inflated (" + reason +
              "); fetch the file again or unpack it by hand",
          {}};
}

/// Inflates all members of a gzip file.
Result<std::string> inflate_all(std::string_view packed, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK)
    return Error{Code::kResourceExhausted, "no memory for zlib", {}};
  std::string out(std::max<std::size_t>(packed.size() * 4, 1U << 16U), '\0');
  std::size_t fed = 0, used = 0;
  int code = Z_OK;
  for (;;) {
    if (stream.avail_in == 0 && fed < packed.size()) {
      const std::size_t portion = std::min<std::size_t>(packed.size() - fed, 1U << 30U);
      // zlib's interface takes a non-const pointer and does not write through it.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + fed));
      stream.avail_in = static_cast<uInt>(portion);
      fed += portion;
    }
    if (used == out.size()) out.resize(out.size() * 2);
    const std::size_t room = std::min<std::size_t>(out.size() - used, 1U << 30U);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (code == Z_OK) continue;
    const bool more = stream.avail_in != 0 || fed < packed.size();
    if (code != Z_STREAM_END || !more || inflateReset(&stream) != Z_OK)
      break;  // else: another member follows
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END)
    return damaged(path, code == Z_DATA_ERROR ? "bad data" : "the file ends too early");
  out.resize(used);
  return out;
}

}  // namespace

Result<SourceFile> SourceFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cannot(path, "open");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    const Error error =
        S_ISDIR(info.st_mode)
            ? Error{Code::kInvalidArgument, "'" + path + "' is a folder, a file was expected", {}}
            : cannot(path, "read");
    ::close(fd);
    return error;
  }
  SourceFile file;
  file.path_ = path;
  file.file_bytes_ = static_cast<std::size_t>(info.st_size);
  // The file is laid over the front of an anonymous region: the zero page behind it is the padding.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  file.mapped_bytes_ = round_up(file.file_bytes_ + kPadding, page);
  void* region = ::mmap(nullptr, file.mapped_bytes_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) {
    ::close(fd);
    return Error{Code::kResourceExhausted, "cannot reserve address space for '" + path + "'", {}};
  }
  file.mapping_ = region;
  if (file.file_bytes_ != 0 &&
      ::mmap(region, file.file_bytes_, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
    const Error error = cannot(path, "map");
    ::close(fd);
    return error;
  }
  ::close(fd);
  file.text_ = {static_cast<const char*>(region), file.file_bytes_};
  if (file.text_.substr(0, 2) == "\x1F\x8B") {
    Result<std::string> text = inflate_all(file.text_, path);
    if (!text) return std::move(text).error();
    file.close();
    file.owned_ = std::move(*text);
    const std::size_t bytes = file.owned_.size();
    file.owned_.append(kPadding, '\0');
    file.text_ = std::string_view(file.owned_).substr(0, bytes);
  }
  if (file.text_.substr(0, 3) == kByteOrderMark) file.text_.remove_prefix(3);
  return file;
}

SourceFile SourceFile::from_text(std::string_view text, std::string name) {
  SourceFile file;
  file.path_ = std::move(name);
  file.owned_.assign(text);
  file.owned_.append(std::max<std::size_t>(kPadding, 32),
                     '\0');  // never the small-string form: moves keep the address
  file.text_ = std::string_view(file.owned_).substr(0, text.size());
  if (file.text_.substr(0, 3) == kByteOrderMark) file.text_.remove_prefix(3);
  return file;
}

SourceFile::SourceFile(SourceFile&& other) noexcept {
  *this = std::move(other);
}

SourceFile& SourceFile::operator=(SourceFile&& other) noexcept {
  if (this == &other) return *this;
  close();
  path_ = std::move(other.path_);
  owned_ = std::move(other.owned_);
  mapping_ = std::exchange(other.mapping_, nullptr);
  mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
  file_bytes_ = std::exchange(other.file_bytes_, 0);
  text_ = std::exchange(other.text_, {});
  return *this;
}

SourceFile::~SourceFile() {
  close();
}

void SourceFile::close() noexcept {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_bytes_);
  mapping_ = nullptr;
  text_ = {};
}

std::size_t SourceFile::line_of(std::size_t offset) const {
  const auto front = text_.substr(0, offset);
  return 1 + static_cast<std::size_t>(std::count(front.begin(), front.end(), '\n'));
}

std::string SourceFile::place(std::size_t offset) const {
  return path_ + ":" + std::to_string(line_of(offset));
}

void SourceFile::release_pages() const {
  if (mapping_ != nullptr && file_bytes_ != 0) (void)::madvise(mapping_, file_bytes_, MADV_DONTNEED);
}

}  // namespace assay::replay
