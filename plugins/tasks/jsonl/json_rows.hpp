// Files of JSON rows: JSON Lines or one JSON array, plain or gzip, with or without a byte order mark.
//
// The file is mapped, not read: memory use is the offsets of the kept rows (12 bytes each) plus what the
// system caches. A gzip file is unpacked into memory once. Thread rule: open and scan in one thread; row() is
// const.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::rows {

/// The bytes of a file, mapped or unpacked. At least kPadding readable bytes follow the last one, as simdjson
/// wants.
class Content {
 public:
  static constexpr std::size_t kPadding = 128;

  /// kNotFound, kData (not a regular file, empty, damaged gzip) or kResourceExhausted.
  static Result<std::unique_ptr<Content>> open(const std::string& path);
  ~Content();
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;

  /// Everything after the byte order mark.
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Gives mapped pages back to the system; they are read again on demand. Any thread.
  void release() const;

 private:
  explicit Content(std::string path) : path_(std::move(path)) {}
  Result<void> map(int file, std::size_t size);
  Result<void> unpack();

  std::string path_;
  std::string unpacked_;
  void* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
  std::string_view bytes_;
};

/// Collects sentences about bad rows, at most kMost of them, so that a file of nothing but bad rows stays
/// small.
class Problems {
 public:
  static constexpr std::size_t kMost = 1000;
  void add(std::string sentence) {
    if (count_++ < kMost) sentences_.push_back(std::move(sentence));
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  /// The sentences; a last one tells how many were left out.
  [[nodiscard]] std::vector<std::string> finish(const std::string& path) const;

 private:
  std::vector<std::string> sentences_;
  std::size_t count_ = 0;
};

/// The rows of a file. Every row is a view into the file with Content::kPadding readable bytes behind it.
class RowFile {
 public:
  static Result<RowFile> open(const std::string& path);

  /// What is said of a row while the file is read: its bytes and the number of its line, from 1.
  using Keep = std::function<bool(std::string_view row, std::uint64_t line)>;
  /// Visits every row that is not blank, in file order, and remembers those for which `keep` answers true.
  /// Error kData if an array is not closed; rows before the damage have been visited.
  Result<void> scan(const Keep& keep);

  [[nodiscard]] std::size_t size() const { return begin_.size(); }
  [[nodiscard]] std::string_view row(std::size_t i) const {
    return content_->bytes().substr(begin_[i], length_[i]);
  }
  /// Forgets the later row of every pair (later, earlier), reports each with both lines, and forgets the same
  /// entries of `numbers`, a list with one entry per kept row (or empty). The pairs ascend by their first.
  void drop_duplicates(const std::vector<std::pair<std::size_t, std::size_t>>& found, Problems& problems,
                       std::vector<std::uint32_t>& numbers);
  /// Line of a kept row, from 1; counts through the file.
  [[nodiscard]] std::uint64_t line_of(std::size_t i) const;
  [[nodiscard]] const std::string& path() const { return content_->path(); }
  [[nodiscard]] std::string_view bytes() const { return content_->bytes(); }
  /// See Content::release().
  void release() const { content_->release(); }

 private:
  explicit RowFile(std::unique_ptr<Content> content) : content_(std::move(content)) {}
  Result<void> scan_lines(const Keep& keep);
  Result<void> scan_array(const Keep& keep, std::size_t first);
  Result<void> visit(const Keep& keep, std::size_t begin, std::size_t end, std::uint64_t line);

  std::unique_ptr<Content> content_;
  std::vector<std::uint64_t> begin_;
  std::vector<std::uint32_t> length_;
};

/// Finds rows that repeat the key (variant and id) of an earlier row. Keys are remembered as 64-bit hashes;
/// rows of equal hash are compared through `key_of`.
class Duplicates {
 public:
  void add(std::string_view key, std::size_t row);
  /// Numbers of the later rows of every duplicate, ascending, each with the number of the first.
  [[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> find(
      const std::function<std::string(std::size_t row)>& key_of);

 private:
  std::vector<std::pair<std::uint64_t, std::uint32_t>> hashes_;
};

}  // namespace assay::rows
