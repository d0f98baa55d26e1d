#include "harness/base/json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

constexpr int kDepthMax = 64;

void write(const Json& value, std::string& out) {
  switch (value.type()) {
    case Json::value_t::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : value.items()) {  // nlohmann::json keeps keys sorted
        if (!first) out += ',';
        first = false;
        out += Json(key).dump(-1, ' ', false, Json::error_handler_t::replace);
        out += ':';
        write(member, out);
      }
      out += '}';
      return;
    }
    case Json::value_t::array: {
      out += '[';
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (i != 0) out += ',';
        write(value[i], out);
      }
      out += ']';
      return;
    }
    case Json::value_t::number_float: {
      const double number = value.get<double>();
      out += std::isfinite(number) ? number_text(number) : "null";
      return;
    }
    default:
      out += value.dump(-1, ' ', false, Json::error_handler_t::replace);
      return;
  }
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
  std::vector<std::set<std::string>> keys;
  std::string problem;
  const Json::parser_callback_t guard = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDepthMax) problem = "is nested deeper than 64 levels";
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty() &&
        !keys.back().insert(parsed.get_ref<const std::string&>()).second) {
      problem = "names the key '" + printable(parsed.get_ref<const std::string&>()) + "' twice";
    }
    return problem.empty();
  };
  try {
    Json tree = Json::parse(text.begin(), text.end(), guard, true, false);
    if (!problem.empty()) return Error{Code::kData, std::string(what) + " " + problem, {}};
    return tree;
  } catch (const Json::exception& failure) {
    return Error{Code::kData, std::string(what) + " is not valid JSON: " + printable(failure.what()), {}};
  }
}

std::string canonical(const Json& value) {
  std::string out;
  write(value, out);
  return out;
}

}  // namespace assay::host
