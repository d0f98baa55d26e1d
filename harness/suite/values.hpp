// From an argument as written to a typed, validated parameter value.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/plugins/spec.hpp"
#include "harness/suite/expression.hpp"

namespace assay::host {

/// One parameter of an instance, complete. Exactly the member of its type is meaningful.
struct ParamValue {
  std::string key;
  int type = 0;  ///< enum assay_param_type
  bool is_set = false;
  bool given = false;       ///< written by the user, not the default
  std::uint32_t flags = 0;  ///< ASSAY_PARAM_*
  std::int64_t integer = 0;
  double number = 0;
  std::string text;  ///< a PATH is absolute here; a SECRET is still the variable's name
  std::vector<std::string> list;
  std::string identity;  ///< canonical text that enters hashes; a path's is the sha256 of its content
  std::string shown;     ///< as the user wrote it, for tables and expressions
};

/// Resolves a path as written ("data:NAME[/FILE]", relative or absolute) to an absolute path and its sha256.
struct ResolvedPath {
  std::string path, sha256;
};
using PathResolver = std::function<Result<ResolvedPath>(const std::string& written)>;

/// kInvalidArgument: wrong type, out of bounds, not a choice; kNotFound / kData from the resolver.
Result<ParamValue> make_value(const ParamSpec& spec, const Argument* argument, const PathResolver& resolve);

}  // namespace assay::host
