// Parameters of plugin classes that a test makes without the host.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/plugin.hpp"

namespace assay::test {

/// Gives a parameter a value, as the host does before configure().
inline void give(Plugin& plugin, std::string_view key, assay_value value) {
  value.struct_size = sizeof value;
  value.is_set = 1;
  for (ParamBase* param : plugin.params()) {
    if (param->key() == key) return param->accept(value);
  }
  FAIL("no parameter " << key);
}
/// A text, a path or a choice.
inline void give(Plugin& plugin, std::string_view key, std::string_view text) {
  assay_value value{};
  value.text = str(text);
  give(plugin, key, value);
}
/// A number or a truth value.
inline void give(Plugin& plugin, std::string_view key, std::int64_t number) {
  assay_value value{};
  value.integer = number;
  value.number = static_cast<double>(number);
  give(plugin, key, value);
}
inline void give(Plugin& plugin, std::string_view key, const std::vector<std::string>& list) {
  std::vector<assay_str> items;
  for (const std::string& item : list) items.push_back(str(item));
  assay_value value{};
  value.list = {items.data(), items.size()};
  give(plugin, key, value);
}

inline void ready(Plugin& plugin) {
  const Result<void> done = plugin.configure();
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
}

}  // namespace assay::test
