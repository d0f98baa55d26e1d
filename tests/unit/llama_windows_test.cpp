// The plan for sequences longer than the context.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "plugins/models/llama/windows.hpp"

using namespace assay;         // NOLINT: a test
using namespace assay::llama;  // NOLINT: a test

namespace {

std::vector<Window> planned(std::size_t total, std::size_t first, const ContextRule& rule) {
  auto windows = plan_windows(total, first, rule);
  REQUIRE(windows.ok());
  return *windows;
}

}  // namespace

TEST_CASE("llama windows: what fits is evaluated in one piece, to the last token that fits") {
  const ContextRule rule{10, 5, Overflow::kError, true};
  CHECK(planned(11, 3, rule) == std::vector<Window>{{0, 3, 11, false}});  // the last token is not decoded
  CHECK(planned(2, 0, rule) == std::vector<Window>{{0, 1, 2, false}});    // nothing predicts token 0
  CHECK(planned(1, 0, rule).empty());
  CHECK(planned(0, 0, rule).empty());
  CHECK(planned(5, 5, rule).empty());
  const auto refused = plan_windows(12, 3, rule);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kInvalidArgument);
  CHECK_THAT(refused.error().text, Catch::Matchers::ContainsSubstring("has 12 tokens") &&
                                       Catch::Matchers::ContainsSubstring("holds 10") &&
                                       Catch::Matchers::ContainsSubstring("overflow=window"));
}

TEST_CASE("llama windows: every token is predicted once, in windows that fit and overlap as stated") {
  for (const bool lead : {false, true}) {
    for (std::size_t cells = 8; cells < 20; ++cells) {
      for (std::size_t overlap = 1; overlap <= cells - 2; ++overlap) {
        for (std::size_t total = cells + 2; total < 5 * cells; total += 3) {
          for (std::size_t first = 0; first < total; first += 4) {
            const ContextRule rule{cells, overlap, Overflow::kWindow, lead};
            std::size_t next = std::max<std::size_t>(first, 1);
            bool begins = true;
            for (const Window& window : planned(total, first, rule)) {
              REQUIRE(window.first == next);
              REQUIRE(window.end > window.first);
              REQUIRE(window.lead == (lead && window.begin != 0));
              REQUIRE(window.end - window.begin - 1 + (window.lead ? 1 : 0) <= cells);
              // A prefix as long as it can be for the first window, the stated overlap for the others.
              REQUIRE(window.first - window.begin ==
                      (begins && next <= cells ? next : std::min(next, overlap)));
              next = window.end;
              begins = false;
            }
            REQUIRE(next == total);
          }
        }
      }
    }
  }
}

TEST_CASE("llama windows: without its beginning a sequence fills the context") {
  const ContextRule led{10, 5, Overflow::kTruncateLeft, true};
  CHECK(planned(30, 25, led) == std::vector<Window>{{20, 25, 30, true}});  // BOS and 9 tokens are decoded
  CHECK(planned(30, 3, led) == std::vector<Window>{{20, 20, 30, true}});
  const ContextRule bare{10, 5, Overflow::kTruncateLeft, false};
  CHECK(planned(30, 25, bare) == std::vector<Window>{{19, 25, 30, false}});
  CHECK(planned(30, 3, bare) == std::vector<Window>{{19, 20, 30, false}});  // nothing precedes token 19
}
