#include "harness/plugins/units.hpp"

#include <cmath>
#include <span>

#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t scale;
};

constexpr Unit kDurations[] = {{"ns", 1},
                               {"us", 1'000},
                               {"ms", 1'000'000},
                               {"s", 1'000'000'000},
                               {"m", 60'000'000'000},
                               {"h", 3'600'000'000'000}};
constexpr Unit kSizes[] = {{"", 1},
                           {"B", 1},
                           {"KiB", std::int64_t{1} << 10},
                           {"MiB", std::int64_t{1} << 20},
                           {"GiB", std::int64_t{1} << 30},
                           {"TiB", std::int64_t{1} << 40},
                           {"kB", 1'000},
                           {"MB", 1'000'000},
                           {"GB", 1'000'000'000},
                           {"TB", 1'000'000'000'000}};

Result<std::int64_t> parse(std::string_view text, std::span<const Unit> units, const char* what,
                           const char* example) {
  const Error wrong{
      Code::kInvalidArgument, "'" + printable(text) + "' is not a " + what + "; write " + example, {}};
  const std::string_view whole = trimmed(text);
  const std::size_t digits = std::min(whole.find_first_not_of("0123456789."), whole.size());
  const std::string_view number = whole.substr(0, digits), name = trimmed(whole.substr(digits));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (const auto exact = parse_int(number)) {
      std::int64_t product = 0;
      if (__builtin_mul_overflow(*exact, unit.scale, &product)) return wrong;
      return product;
    }
    const auto value = parse_double(number);
    if (!value) return wrong;
    const double product = std::round(*value * static_cast<double>(unit.scale));
    if (!(product < 9.2e18)) return wrong;
    return static_cast<std::int64_t>(product);
  }
  return wrong;
}

// The largest unit that divides the value.
std::string text_of(std::int64_t value, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.scale == 0 && unit.scale > best->scale) best = &unit;
  }
  return std::to_string(value / best->scale) + std::string(best->name);
}

}  // namespace

Result<std::int64_t> parse_duration(std::string_view text) {
  return parse(text, kDurations, "duration", "for example 250ms, 10s or 2m");
}
Result<std::int64_t> parse_size(std::string_view text) {
  return parse(text, kSizes, "size", "for example 1024, 64KiB or 1GiB");
}
std::string duration_text(std::int64_t ns) {
  return ns == 0 ? "0s" : text_of(ns, kDurations);
}
std::string size_text(std::int64_t bytes) {
  return text_of(bytes, std::span(kSizes).first(6));
}

}  // namespace assay::host
