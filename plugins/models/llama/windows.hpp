// How a token sequence longer than the context is evaluated: in one piece, not at all, in overlapping
// windows, or without its beginning. Pure arithmetic, so that the layout depends on the request alone.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::llama {

enum class Overflow { kError, kWindow, kTruncateLeft };

struct ContextRule {
  std::size_t cells = 0;    ///< tokens one evaluation may hold
  std::size_t overlap = 0;  ///< kWindow: tokens that a window repeats of the one before, 1 .. cells - 2
  Overflow overflow = Overflow::kError;
  bool lead = false;  ///< a window that does not begin at token 0 is led by BOS
};

/// Tokens [begin, end) are evaluated, those of [first, end) are predicted; the last one is not decoded.
struct Window {
  std::size_t begin = 0;
  std::size_t first = 0;
  std::size_t end = 0;
  bool lead = false;
  bool operator==(const Window&) const = default;
};

/// The windows that predict tokens `first` .. `total` - 1 of a sequence; `first` 0 stands for 1 (nothing
/// precedes token 0). Empty when nothing is to be predicted. With kTruncateLeft, tokens from `first` on may
/// be left out; the window's own `first` says so. Errors: kInvalidArgument for kError and a sequence that
/// does not fit.
Result<std::vector<Window>> plan_windows(std::size_t total, std::size_t first, const ContextRule& rule);

}  // namespace assay::llama
