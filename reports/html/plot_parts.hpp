// What the plots share: axes, legends, the figure around picture and table. Inside this folder only.
#pragma once

#include <string>
#include <vector>

#include "reports/html/page.hpp"
#include "reports/html/svg.hpp"

namespace assay::host::html {

/// At most `points_max` code points, cut in the middle with an ellipsis, so that beginnings and ends stay.
std::string clipped(const std::string& raw, std::size_t points_max);
/// Ticks, grid lines from `top` and the title below.
void bottom_axis(Svg& svg, const Axis& axis, double top, double bottom, const std::string& title);
void left_axis(Svg& svg, const Axis& axis, double left, double right, const std::string& title);
std::string stroke_class(std::size_t series);
/// 0 .. 1 between the two ends of the theme's colours.
std::string heat_color(double share);

/// Names by series; an empty one is left out.
enum class Legend { kMarks, kLines };
std::string legend(const std::vector<std::string>& names, Legend kind);
/// Caption, picture in a region that scrolls, legend, folded table.
std::string figure(const std::string& title, const std::string& pictures, const std::string& legend_html,
                   const Table& table);

}  // namespace assay::host::html
