// Inline SVG: shapes whose colours are classes of the page's style, so that both themes work, and axes with
// ticks that people would choose. Coordinates are written with two decimals: the same numbers give the same
// bytes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::host::html {

enum class Scale { kLinear, kLog };

struct Tick {
  double value = 0;
  std::string label;
};

/// A range of values on a range of pixels (`to` may be smaller than `from`: upwards).
struct Axis {
  double lo = 0, hi = 1;  ///< lo < hi; both positive on a log axis
  double from = 0, to = 1;
  Scale scale = Scale::kLinear;

  /// Pixel of a value; values outside the range stay at its ends.
  [[nodiscard]] double at(double value) const;
  /// About `wanted` ticks: multiples of 1, 2 or 5 times a power of ten; on a log axis the powers of ten, with
  /// 2 and 5 between them when there are fewer than three of them.
  [[nodiscard]] std::vector<Tick> ticks(int wanted = 5) const;
};

/// An axis around values with some room at both ends; `floor` and `ceiling` (NaN: none) are never passed.
/// Values that are not finite are ignored; without any the range is 0 to 1.
Axis axis_around(const std::vector<double>& values, double floor, double ceiling);

enum class Anchor { kStart, kMiddle, kEnd };

/// A picture under construction. Class names are words of the page's style.
class Svg {
 public:
  /// `title` is what a screen reader says for the picture; `wide`: does not shrink, its region scrolls.
  Svg(double width, double height, std::string_view title, bool wide = false);
  void line(double x1, double y1, double x2, double y2, std::string_view css);
  void circle(double x, double y, double r, std::string_view css, std::string_view title = {});
  void rect(double x, double y, double width, double height, std::string_view css,
            std::string_view title = {}, std::string_view fill = {});
  void polygon(const std::vector<std::pair<double, double>>& points, std::string_view css,
               std::string_view title = {});
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view css,
                std::string_view dashes = {});
  /// `fill` overrides the colour of the style when not empty.
  void text(double x, double y, std::string_view raw, Anchor anchor = Anchor::kStart,
            std::string_view css = {}, std::string_view fill = {});
  /// Text turned by `degrees` around its anchor.
  void turned(double x, double y, std::string_view raw, int degrees, Anchor anchor);
  /// A mark whose shape depends on the series, for those who do not see its colour.
  void mark(double x, double y, std::size_t series, bool hollow, std::string_view title);
  [[nodiscard]] std::string html() const { return out_ + "</svg>"; }

 private:
  std::string out_;
};

/// "0.25", "1e-04", "1,200" for ticks and marks: short, the same for the same number.
std::string short_number(double value);
/// Stroke dashes of a series; empty: solid.
std::string_view dashes(std::size_t series);
/// Number of series that look different.
inline constexpr std::size_t kSeriesStyles = 8;

}  // namespace assay::host::html
