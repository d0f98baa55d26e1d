#include "reports/html/grids.hpp"

#include <algorithm>
#include <set>

namespace assay::host::html {
namespace {

constexpr double kFilledMin = 0.4;
constexpr int kOccurrencesMax = 4;

// Where `name` is split: before the k-th separator from the front, or from the back for negative k.
std::size_t cut(const std::string& name, char separator, int k) {
  if (k > 0) {
    std::size_t at = name.find(separator);
    while (--k > 0 && at != std::string::npos) at = name.find(separator, at + 1);
    return at;
  }
  std::size_t at = name.rfind(separator);
  while (++k < 0 && at != std::string::npos) at = at == 0 ? std::string::npos : name.rfind(separator, at - 1);
  return at;
}

std::size_t place_or_add(std::vector<std::string>& names, const std::string& name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

bool separates(char c) {
  return std::string("/.,|: _-").find(c) != std::string::npos;
}

// Takes away what all names begin and end with, up to a separator, as long as something is left of each.
void strip(std::vector<std::string>& names) {
  const std::string first = names.front();
  std::size_t front = first.size(), back = first.size();
  for (const std::string& name : names) {
    std::size_t i = 0, j = 0;
    while (i < std::min(front, name.size()) && name[i] == first[i]) ++i;
    while (j < std::min(back, name.size()) && name[name.size() - 1 - j] == first[first.size() - 1 - j]) ++j;
    front = i, back = j;
  }
  while (front > 0 && !separates(first[front - 1])) --front;
  while (back > 0 && !separates(first[first.size() - back])) --back;
  for (const std::string& name : names) {
    if (front + back >= name.size()) return;
  }
  for (std::string& name : names) name = name.substr(front, name.size() - front - back);
}

}  // namespace

std::optional<Grid> grid_of(const std::vector<std::string>& names) {
  std::optional<Grid> best;
  double filled = 0;
  std::size_t side = 0;
  for (const char separator : std::string("/.,|: ")) {
    for (int k = -kOccurrencesMax; k <= kOccurrencesMax; ++k) {
      if (k == 0) continue;
      Grid grid;
      std::set<std::pair<std::size_t, std::size_t>> cells;
      for (const std::string& name : names) {
        const std::size_t at = cut(name, separator, k);
        if (at == std::string::npos || at == 0 || at + 1 == name.size()) break;
        grid.places.emplace_back(place_or_add(grid.rows, name.substr(0, at)),
                                 place_or_add(grid.columns, name.substr(at + 1)));
        cells.insert(grid.places.back());
      }
      if (grid.places.size() != names.size() || cells.size() != names.size()) continue;
      const std::size_t narrow = std::min(grid.rows.size(), grid.columns.size());
      if (narrow < 2 || cells.size() < grid.rows.size() + grid.columns.size()) continue;
      const double share =
          static_cast<double>(cells.size()) / static_cast<double>(grid.rows.size() * grid.columns.size());
      if (share < kFilledMin || share < filled || (share == filled && narrow <= side)) continue;
      filled = share, side = narrow;
      best = std::move(grid);
    }
  }
  if (!best) return best;
  strip(best->rows);
  strip(best->columns);
  return best;
}

}  // namespace assay::host::html
