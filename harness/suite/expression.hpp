// Model expressions: `ensemble(of=[ngram(order=2), ngram(order=5)], weights="equal")`.
//
// Grammar: NAME [ "(" [ KEY "=" VALUE { "," KEY "=" VALUE } ] ")" ]; VALUE is a number, "text" or 'text'
// (with \" \\ \n \t escapes in double quotes), true, false, a list in brackets, another expression, or a path
// with a slash (a/b). A bare word is an expression without arguments where a model is wanted, else a text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host {

struct Expression;

/// An argument as written, before the schema gives it a type. Suites use the same form for their parameters.
struct Argument {
  using List = std::vector<Argument>;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, std::shared_ptr<Expression>>
      value;
  std::string where;  ///< "suite.toml:12:9" or "column 14", for messages

  [[nodiscard]] bool is_text() const { return value.index() == 4; }
};

struct Expression {
  std::string name;
  std::vector<std::pair<std::string, Argument>> arguments;
  std::string where;
};

/// kInvalidArgument with the column and what was expected there.
Result<Expression> parse_expression(std::string_view text);
/// One canonical line: arguments in the order given, shortest numbers, double quotes.
std::string to_text(const Expression& expression);
std::string to_text(const Argument& argument);

}  // namespace assay::host
