#include "json_rows.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>

namespace assay::rows {
namespace {

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string message_of(int number) {
  char buffer[128];
  return strerror_r(number, buffer,
                    sizeof buffer);  // the GNU form returns the text; it does not use the locale
}

/// A file descriptor that closes itself.
struct Descriptor {
  int number;
  explicit Descriptor(int n) : number(n) {}
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

}  // namespace

Result<std::unique_ptr<Content>> Content::open(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number < 0) {
    return Error{
        Code::kNotFound,
        path + ": cannot open the data file (" + message_of(errno) + "); give an existing, readable file",
        "data"};
  }
  struct stat info {};
  if (fstat(file.number, &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error{Code::kData, path + ": this is not a regular file; give a file of JSON rows", "data"};
  }
  if (info.st_size == 0) {
    return Error{Code::kData, path + ": the file is empty; at least one row is expected", "data"};
  }
  std::unique_ptr<Content> content(new Content(path));
  if (Result<void> mapped = content->map(file.number, static_cast<std::size_t>(info.st_size)); !mapped) {
    return std::move(mapped).error();
  }
  if (content->bytes_.starts_with("\x1f\x8b")) {
    if (Result<void> done = content->unpack(); !done) return std::move(done).error();
  }
  if (content->bytes_.starts_with("\xEF\xBB\xBF")) content->bytes_.remove_prefix(3);
  return content;
}

Content::~Content() {
  if (mapped_ != nullptr) munmap(mapped_, mapped_size_);
}

void Content::release() const {
  // Only the file's own pages; a failure merely leaves them resident.
  if (mapped_ != nullptr) (void)madvise(mapped_, mapped_size_, MADV_DONTNEED);
}

Result<void> Content::map(int file, std::size_t size) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapped_size_ = (size / page + 2) * page;
  // Zero pages first, the file over them: the bytes behind the last one stay readable whatever the file's
  // size.
  void* whole = mmap(nullptr, mapped_size_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) {
    return Error{Code::kResourceExhausted,
                 path_ + ": no address space to map the file (" + message_of(errno) + ")", "data"};
  }
  mapped_ = whole;
  if (mmap(whole, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED) {
    return Error{Code::kResourceExhausted, path_ + ": cannot map the file (" + message_of(errno) + ")",
                 "data"};
  }
  bytes_ = {static_cast<const char*>(whole), size};
  return {};
}

Result<void> Content::unpack() {
  const auto damaged = [&](const char* why) {
    return Error{Code::kData, path_ + ": the gzip data are damaged (" + why + "); fetch the file again",
                 "data"};
  };
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) {
    return Error{Code::kResourceExhausted, path_ + ": no memory to unpack the file", "data"};
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, inflateEnd);
  std::string_view rest = bytes_;
  std::vector<char> chunk(1U << 18U);
  int state = Z_OK;
  while (!rest.empty() || stream.avail_in != 0) {
    if (stream.avail_in == 0) {
      const std::size_t part = std::min<std::size_t>(rest.size(), 1U << 30U);
      stream.next_in =
          reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));  // zlib's interface is not const
      stream.avail_in = static_cast<uInt>(part);
      rest.remove_prefix(part);
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    state = inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END)
      return damaged(stream.msg == nullptr ? "cut off" : stream.msg);
    unpacked_.append(chunk.data(), chunk.size() - stream.avail_out);
    const bool more = stream.avail_in != 0 || !rest.empty();  // a gzip file may hold several streams
    if (state == Z_STREAM_END && more && inflateReset(&stream) != Z_OK) return damaged("reset");
  }
  while (state == Z_OK) {  // output that did not fit into the last chunk
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    state = inflate(&stream, Z_NO_FLUSH);
    unpacked_.append(chunk.data(), chunk.size() - stream.avail_out);
  }
  if (state != Z_STREAM_END) return damaged("cut off");
  const std::size_t size = unpacked_.size();
  if (size == 0)
    return Error{Code::kData, path_ + ": the file is empty; at least one row is expected", "data"};
  unpacked_.resize(size + kPadding, '\0');
  munmap(mapped_, mapped_size_);
  mapped_ = nullptr;
  bytes_ = std::string_view(unpacked_).substr(0, size);
  return {};
}

Result<RowFile> RowFile::open(const std::string& path) {
  Result<std::unique_ptr<Content>> content = Content::open(path);
  if (!content) return std::move(content).error();
  return RowFile(std::move(*content));
}

Result<void> RowFile::scan(const Keep& keep) {
  begin_.clear();
  length_.clear();
  const std::string_view bytes = content_->bytes();
  std::size_t first = 0;
  while (first < bytes.size() && blank(bytes[first])) ++first;
  if (first < bytes.size() && bytes[first] == '[') return scan_array(keep, first);
  return scan_lines(keep);
}

Result<void> RowFile::visit(const Keep& keep, std::size_t begin, std::size_t end, std::uint64_t line) {
  const std::string_view bytes = content_->bytes();
  while (begin < end && blank(bytes[begin])) ++begin;
  while (end > begin && blank(bytes[end - 1])) --end;
  if (begin == end) return {};
  if (end - begin > std::numeric_limits<std::uint32_t>::max()) {
    return Error{Code::kData, path() + ":" + std::to_string(line) + ": the row is longer than 4 GiB", "data"};
  }
  if (keep(bytes.substr(begin, end - begin), line)) {
    begin_.push_back(begin);
    length_.push_back(static_cast<std::uint32_t>(end - begin));
  }
  return {};
}

Result<void> RowFile::scan_lines(const Keep& keep) {
  const std::string_view bytes = content_->bytes();
  std::uint64_t line = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t found = bytes.find('\n', at);
    const std::size_t end = found == std::string_view::npos ? bytes.size() : found;
    if (Result<void> seen = visit(keep, at, end, ++line); !seen) return seen;
    at = end + 1;
  }
  return {};
}

Result<void> RowFile::scan_array(const Keep& keep, std::size_t first) {
  const std::string_view bytes = content_->bytes();
  std::uint64_t line =
      1 + static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.begin() + std::ptrdiff_t(first), '\n'));
  std::uint64_t line_of_row = line;
  std::size_t begin = first + 1;
  std::size_t depth = 0;
  bool seen_any = false;
  for (std::size_t i = begin; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\n') ++line;
    if (!seen_any && !blank(c)) {
      seen_any = true;
      line_of_row = line;
    }
    if (c == '"') {
      for (++i; i < bytes.size() && bytes[i] != '"'; ++i) {
        if (bytes[i] == '\\') ++i;
        if (i < bytes.size() && bytes[i] == '\n') ++line;
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    } else if (c == ',' || c == ']') {
      if (depth > 0) continue;
      if (Result<void> seen = visit(keep, begin, i, line_of_row); !seen) return seen;
      if (c == ']') return {};
      begin = i + 1;
      seen_any = false;
    }
  }
  return Error{Code::kData,
               path() + ":" + std::to_string(line_of_row) +
                   ": the JSON array is not closed; the file seems to be cut off, fetch it again",
               "data"};
}

void RowFile::drop_duplicates(const std::vector<std::pair<std::size_t, std::size_t>>& found,
                              Problems& problems, std::vector<std::uint32_t>& numbers) {
  if (found.empty()) return;
  // One pass through the file finds the lines of all rows that are mentioned.
  std::map<std::size_t, std::uint64_t> lines;
  for (std::size_t i = 0; i < found.size() && i < Problems::kMost; ++i) {
    lines[found[i].first] = 0;
    lines[found[i].second] = 0;
  }
  const std::string_view bytes = content_->bytes();
  std::uint64_t line = 1;
  std::size_t at = 0;
  for (auto& [row, line_of_row] : lines) {
    const std::string_view between = bytes.substr(at, begin_[row] - at);
    line += static_cast<std::uint64_t>(std::count(between.begin(), between.end(), '\n'));
    at = begin_[row];
    line_of_row = line;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i >= Problems::kMost) {
      problems.add({});  // beyond the limit only the count matters
      continue;
    }
    problems.add(path() + ":" + std::to_string(lines[found[i].first]) + ": the row repeats the id of line " +
                 std::to_string(lines[found[i].second]) + " and is left out");
  }
  std::size_t next = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < begin_.size(); ++i) {
    if (next < found.size() && found[next].first == i) {
      ++next;
      continue;
    }
    begin_[kept] = begin_[i];
    length_[kept] = length_[i];
    if (!numbers.empty()) numbers[kept] = numbers[i];
    ++kept;
  }
  begin_.resize(kept);
  length_.resize(kept);
  if (!numbers.empty()) numbers.resize(kept);
}

std::uint64_t RowFile::line_of(std::size_t i) const {
  const std::string_view before = content_->bytes().substr(0, begin_[i]);
  return 1 + static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n'));
}

std::vector<std::string> Problems::finish(const std::string& path) const {
  std::vector<std::string> all = sentences_;
  if (count_ > kMost)
    all.push_back(path + ": " + std::to_string(count_) + " rows in all cannot be used; the first " +
                  std::to_string(kMost) + " are listed");
  return all;
}

void Duplicates::add(std::string_view key, std::size_t row) {
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a, finished with a SplitMix64 step
  for (const char c : key) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  h = (h ^ (h >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  hashes_.emplace_back(h ^ (h >> 27U), static_cast<std::uint32_t>(row));
}

std::vector<std::pair<std::size_t, std::size_t>> Duplicates::find(
    const std::function<std::string(std::size_t row)>& key_of) {
  std::sort(hashes_.begin(), hashes_.end());
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t i = 0; i < hashes_.size();) {
    std::size_t end = i + 1;
    while (end < hashes_.size() && hashes_[end].first == hashes_[i].first) ++end;
    if (end - i > 1) {
      std::map<std::string, std::size_t> first;
      for (std::size_t j = i; j < end; ++j) {
        const auto [at, fresh] = first.emplace(key_of(hashes_[j].second), hashes_[j].second);
        if (!fresh) found.emplace_back(hashes_[j].second, at->second);
      }
    }
    i = end;
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace assay::rows
