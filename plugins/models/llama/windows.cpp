#include "windows.hpp"

#include <algorithm>
#include <string>

namespace assay::llama {

Result<std::vector<Window>> plan_windows(std::size_t total, std::size_t first, const ContextRule& rule) {
  first = std::max<std::size_t>(first, 1);
  std::vector<Window> out;
  if (first >= total) return out;
  if (total - 1 <= rule.cells) {
    out.push_back({0, first, total, false});
    return out;
  }
  const std::size_t lead = rule.lead ? 1 : 0;
  switch (rule.overflow) {
    case Overflow::kError:
      break;
    case Overflow::kTruncateLeft: {
      const std::size_t begin = total - (rule.cells + 1 - lead);
      out.push_back({begin, std::max(first, begin + 1 - lead), total, rule.lead});
      return out;
    }
    case Overflow::kWindow:
      for (std::size_t next = first; next < total;) {
        const bool whole_prefix = out.empty() && next <= rule.cells;
        const std::size_t begin = whole_prefix ? 0 : next - std::min(next, rule.overlap);
        const bool led = rule.lead && begin != 0;
        const std::size_t end = std::min(total, begin + rule.cells + 1 - (led ? 1 : 0));
        out.push_back({begin, next, end, led});
        next = end;
      }
      return out;
  }
  return Error{
      Code::kInvalidArgument,
      "the text has " + std::to_string(total) + " tokens, but the context holds " +
          std::to_string(rule.cells) +
          "; shorten it, give a larger `context`, or say with overflow=window (overlapping pieces) or "
          "overflow=truncate_left (without its beginning) how it may be cut",
      {}};
}

}  // namespace assay::llama
