// Parameters of plugin classes that a test makes without the host.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "assay/sdk/plugin.hpp"

namespace assay::test {

/// Gives a parameter a value, as the host does before configure(): texts, paths and choices by `text`,
/// numbers and truth values by `number`.
inline void set(Plugin& plugin, std::string_view key, std::string_view text, std::int64_t number = 0) {
  for (ParamBase* param : plugin.params()) {
    if (param->key() != key) continue;
    assay_value value{};
    value.struct_size = sizeof value;
    value.is_set = 1;
    value.text = str(text);
    value.integer = number;
    value.number = static_cast<double>(number);
    param->accept(value);
    return;
  }
  FAIL("no parameter " << key);
}
inline void set(Plugin& plugin, std::string_view key, std::int64_t number) {
  set(plugin, key, {}, number);
}

inline void ready(Plugin& plugin) {
  const Result<void> done = plugin.configure();
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
}

}  // namespace assay::test
