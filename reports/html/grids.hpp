// Names that are two names in one, such as "answer/forget" or "xsum_gpt2.likelihood": the two sides of a
// grid.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace assay::host::html {

/// Rows times columns, and the place of every name in them.
struct Grid {
  std::vector<std::string> rows, columns;  ///< without what all rows, all columns begin and end with
  std::vector<std::pair<std::size_t, std::size_t>> places;  ///< parallel to the names
};

/// Splits every name at the same separator (one of / . , | : and space, counted from the front or from the
/// back), so that there are at least two rows, two columns and as many names as rows and columns, and 40 % of
/// the cells are filled. Nothing when no separator does that. Among several the fullest grid is taken, then
/// the one nearest to a square. Pure function.
std::optional<Grid> grid_of(const std::vector<std::string>& names);

}  // namespace assay::host::html
