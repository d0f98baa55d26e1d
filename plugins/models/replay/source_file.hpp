// A data file as one piece of text: mapped when it is plain, inflated once when it is gzip.
//
// The text is followed by at least kPadding readable zero bytes, so that simdjson can read it in place. A
// leading UTF-8 byte order mark is left out. Thread rule: immutable after open(); any thread may read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::replay {

inline constexpr std::size_t kPadding = 64;

class SourceFile {
 public:
  /// Opens a file; gzip is recognised by its magic bytes, whatever the name. kNotFound if it cannot be
  /// opened, kData if the gzip data is damaged, kResourceExhausted if memory is short.
  static Result<SourceFile> open(const std::string& path);
  /// A text that did not come from a file; `name` appears in messages.
  static SourceFile from_text(std::string_view text, std::string name);

  SourceFile(SourceFile&& other) noexcept;
  SourceFile& operator=(SourceFile&& other) noexcept;
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;
  ~SourceFile();

  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Bytes that may be read from `at` (a position inside text()), padding included.
  [[nodiscard]] std::size_t readable(const char* at) const {
    return static_cast<std::size_t>(text_.data() + text_.size() - at) + kPadding;
  }
  /// Line number, from 1, of a byte offset in text(). Linear: for messages.
  [[nodiscard]] std::size_t line_of(std::size_t offset) const;
  /// "PATH:LINE".
  [[nodiscard]] std::string place(std::size_t offset) const;
  /// Gives mapped pages back to the system; they are read again on demand. No effect on inflated texts.
  void release_pages() const;

 private:
  SourceFile() = default;
  void close() noexcept;

  std::string path_;
  std::string owned_;        // inflated text with its padding
  void* mapping_ = nullptr;  // anonymous region whose front is the file
  std::size_t mapped_bytes_ = 0, file_bytes_ = 0;
  std::string_view text_;
};

/// The line that starts at `begin`, without its line end; `next` becomes the start of the following line.
inline std::string_view line_at(std::string_view text, std::size_t begin, std::size_t& next) {
  const std::size_t end = text.find('\n', begin);
  next = end == std::string_view::npos ? text.size() : end + 1;
  std::string_view line = text.substr(begin, (end == std::string_view::npos ? text.size() : end) - begin);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// True if the line holds nothing but blanks.
inline bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\f\v") == std::string_view::npos;
}

}  // namespace assay::replay
