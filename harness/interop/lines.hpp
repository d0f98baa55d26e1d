// A file line by line in little memory, for files far larger than memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host::interop {

/// One line without its line feed. The view is good until the next call and is followed by kPadding readable
/// bytes.
struct Line {
  std::string_view text;     ///< a carriage return at the end is still there
  std::uint64_t number = 0;  ///< from 1
  std::uint64_t offset = 0;  ///< of the first byte in the file
  bool too_long = false;     ///< above limits::kTextBytesMax; `text` is then empty
};

class LineReader {
 public:
  static constexpr std::size_t kPadding = 64;  ///< what simdjson reads beyond the end

  /// kNotFound, or kData for something that is not a file.
  static Result<LineReader> open(const std::filesystem::path& path);
  /// The next line; false at the end. A byte-order mark at the beginning of the file is left out. kData when
  /// the file cannot be read on.
  Result<bool> next(Line& line);
  /// next() goes on with line `number`, which begins at `offset`: both as an earlier Line had them. Cheap for
  /// lines that lie a little ahead.
  Result<void> seek(std::uint64_t offset, std::uint64_t number);
  /// The bytes [offset, offset + length) of the file, in a buffer of the same kind. Does not move next().
  Result<std::string_view> at(std::uint64_t offset, std::uint64_t length, std::vector<char>& buffer) const;

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  LineReader() = default;
  Result<bool> fill();

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  ///< unread bytes of the buffer
  std::uint64_t offset_ = 0;         ///< of begin_ in the file
  std::uint64_t number_ = 0;
  bool ended_ = false;
};

}  // namespace assay::host::interop
