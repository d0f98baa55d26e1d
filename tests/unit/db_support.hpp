// A database for one test, and the number that is none.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <limits>
#include <memory>

#include "db/testing/fixture.hpp"
#include "tests/support/numbers.hpp"

namespace assay::test {

/// An open store in a folder that goes away with the object.
struct Opened {
  TempFolder folder;
  std::filesystem::path file = folder.file("a.db");
  std::unique_ptr<host::Store> store;
  Opened() {
    auto made = host::Store::open(file);
    REQUIRE(text_of(made) == "");
    store = std::move(*made);
  }
  std::unique_ptr<host::Reader> reader() {
    auto made = host::Reader::open(file);
    REQUIRE(text_of(made) == "");
    return std::move(*made);
  }
};

}  // namespace assay::test
