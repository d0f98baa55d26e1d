#include "harness/cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace assay::host::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(30);

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (seconds < 10) return fmt::format("{:.1f}s", seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{}h {:02}m", whole / 3600, whole % 3600 / 60);
}

void Progress::update(const RunProgress& p) {
  if (quiet_) return;
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(p.done - p.before) / seconds : 0;
  const bool known = p.planned > 0;
  const double share =
      known ? std::min(1.0, static_cast<double>(p.done) / static_cast<double>(p.planned)) : 0;
  std::string eta;
  if (known && rate > 0) eta = ", " + duration_text(static_cast<double>(p.planned - p.done) / rate) + " left";
  std::string failed = p.failed != 0 ? fmt::format(", {} failed", p.failed) : std::string();
  if (terminal_) {
    if (now - last_ < kRedraw && p.done != p.planned) return;
    last_ = now;
    constexpr int kBar = 20;
    std::string bar(static_cast<std::size_t>(share * kBar), '#');
    bar.resize(kBar, '.');
    std::string line = known ? fmt::format("[{}] {}/{}  {:.0f} items/s{}{}  {}", bar, p.done, p.planned, rate,
                                           eta, failed, p.task)
                             : fmt::format("{} items  {:.0f} items/s{}  {}", p.done, rate, failed, p.task);
    if (line.size() >= terminal_width()) line.resize(terminal_width() - 1);
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    line_open_ = true;
    return;
  }
  const int tenth = static_cast<int>(share * 10);
  if ((!known || tenth == last_tenth_) && now - last_ < kPlainLine && last_tenth_ >= 0) return;
  last_ = now;
  last_tenth_ = std::max(tenth, 0);
  std::fprintf(stderr, "%ld%s items%s%s (%s)\n", static_cast<long>(p.done),
               known ? fmt::format("/{}", p.planned).c_str() : "", eta.c_str(), failed.c_str(),
               p.task.c_str());
}

void Progress::finish() {
  if (!line_open_) return;
  std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  line_open_ = false;
}

}  // namespace assay::host::cli
