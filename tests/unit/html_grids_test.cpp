// Names that are two names: how they are split, and the heat maps of a run that come of it.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "reports/html/grids.hpp"

using assay::host::html::grid_of;
using Words = std::vector<std::string>;

TEST_CASE("html: names of two parts make a grid, without what all of them begin and end with") {
  const auto probes = grid_of({"base/forget", "base/retain", "alias/forget", "alias/retain"});
  REQUIRE(probes);
  CHECK(probes->rows == Words{"base", "alias"});
  CHECK(probes->columns == Words{"forget", "retain"});
  CHECK(probes->places == std::vector<std::pair<std::size_t, std::size_t>>{{0, 0}, {0, 1}, {1, 0}, {1, 1}});
  // Dots in the names: only the split that fills the grid is taken.
  const auto recorded =
      grid_of({"main/results/xsum_gpt2-xl.likelihood.json", "main/results/xsum_gpt2-xl.rank.json",
               "main/results/squad_gpt-neo-2.7B.likelihood.json", "main/results/squad_gpt-neo-2.7B.rank.json",
               "main/results/xsum_opt-2.7B.likelihood.json", "main/results/xsum_opt-2.7B.rank.json"});
  REQUIRE(recorded);
  CHECK(recorded->rows == Words{"xsum_gpt2-xl", "squad_gpt-neo-2.7B", "xsum_opt-2.7B"});
  CHECK(recorded->columns == Words{"likelihood", "rank"});
}

TEST_CASE("html: a grid may have holes, but not be mostly holes, a line, or ambiguous names") {
  CHECK(grid_of({"a/x", "a/y", "a/z", "b/x", "b/z"}));
  CHECK_FALSE(grid_of({"a/x", "a/y", "b/x"}));
  CHECK_FALSE(grid_of({"a/x", "b/y", "c/z"}));
  CHECK_FALSE(grid_of({"a/x", "a/y", "a/z"}));
  CHECK_FALSE(grid_of({"k1", "k4", "k16"}));
  CHECK_FALSE(grid_of({"a/x", "a/y", "b/x", "plain"}));
  CHECK_FALSE(grid_of({}));
  CHECK_FALSE(grid_of({"/", "//", "///", "", "/a/"}));
}
