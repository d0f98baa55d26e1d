// A budget of bytes, so that a page stays a file that people can send. Inside this folder only.
#pragma once

#include <cstddef>
#include <string>

namespace assay::host::html {

/// Pieces of markup up to a number of bytes; what does not fit is counted.
class Bounded {
 public:
  explicit Bounded(std::size_t bytes_max) : left_(bytes_max) {}
  void add(const std::string& piece);
  [[nodiscard]] std::size_t left_out() const { return left_out_; }
  [[nodiscard]] std::size_t left() const { return left_; }
  /// What fitted, and a sentence about the rest: "3 PLURAL left out ...".
  [[nodiscard]] std::string html(const std::string& plural, const std::string& remedy) const;

 private:
  std::string out_;
  std::size_t left_, left_out_ = 0;
};

}  // namespace assay::host::html
