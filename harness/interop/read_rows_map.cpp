// Which field of a row is what: a mapping file, or the usual names.
#include <toml++/toml.h>

#include <algorithm>
#include <array>

#include "harness/base/files.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/read_rows.hpp"

namespace assay::host::interop::rows {
namespace {

struct Name {
  std::string_view text;
  Role role;
};
constexpr std::array<Name, 20> kRoles{{{"id", Role::kId},
                                       {"input", Role::kInput},
                                       {"output", Role::kOutput},
                                       {"target", Role::kTarget},
                                       {"repeat", Role::kRepeat},
                                       {"cluster", Role::kCluster},
                                       {"error", Role::kError},
                                       {"state", Role::kState},
                                       {"model", Role::kModel},
                                       {"prompt_tokens", Role::kTokensIn},
                                       {"completion_tokens", Role::kTokensOut},
                                       {"latency_ms", Role::kLatency},
                                       {"logprobs", Role::kLogprobs},
                                       {"task", Role::kTask},
                                       {"variant", Role::kVariant},
                                       {"group", Role::kCluster},
                                       {"label", Role::kLabel},
                                       {"message", Role::kMessage},
                                       {"cached", Role::kCached},
                                       {"other_outputs", Role::kOtherOutputs}}};
constexpr std::size_t kGuessed = 13;  ///< so many of them mean themselves in any file without a mapping
constexpr std::array<Name, 16> kUsual{{{"id", Role::kId},
                                       {"uid", Role::kId},
                                       {"key", Role::kId},
                                       {"prompt", Role::kInput},
                                       {"input", Role::kInput},
                                       {"question", Role::kInput},
                                       {"output", Role::kOutput},
                                       {"response", Role::kOutput},
                                       {"completion", Role::kOutput},
                                       {"prediction", Role::kOutput},
                                       {"gen", Role::kOutput},
                                       {"target", Role::kTarget},
                                       {"reference", Role::kTarget},
                                       {"references", Role::kTarget},
                                       {"answer", Role::kTarget},
                                       {"label", Role::kTarget}}};
constexpr std::array<std::string_view, 3> kUsualMetrics{"score", "correct", "acc"};
constexpr std::array<Name, 4> kPrefixes{{{"metric:", Role::kMetric},
                                         {"state:", Role::kScoreState},
                                         {"note:", Role::kNote},
                                         {"output:", Role::kFurtherOutput}}};
/// The fields of an exported row that are there whatever it holds.
constexpr std::array<std::string_view, 15> kExported{"task",  "model",  "id",     "variant",       "group",
                                                     "label", "repeat", "state",  "error",         "message",
                                                     "input", "target", "output", "prompt_tokens", "cached"};

/// The keys a JSON pointer (RFC 6901) or a plain field name leads along.
Result<std::vector<std::string>> path_of(const std::string& written) {
  if (!written.starts_with('/')) return std::vector<std::string>{written};
  std::vector<std::string> keys = split(std::string_view(written).substr(1), '/');
  for (std::string& key : keys) {
    for (std::size_t i = key.find('~'); i != std::string::npos; i = key.find('~', i + 1)) {
      if (i + 1 == key.size() || (key[i + 1] != '0' && key[i + 1] != '1')) {
        return Error{Code::kInvalidArgument,
                     "'" + printable(written) + "' is not a JSON pointer: '~' must be followed by 0 or 1",
                     {}};
      }
      key.replace(i, 2, key[i + 1] == '0' ? "~" : "/");
    }
  }
  return keys;
}

Result<void> add(Mapping& mapping, const std::string& key, const std::string* field,
                 const std::string& where) {
  Source source;
  if (std::optional<Source> named = by_prefix(key)) {
    source.role = named->role;
    source.name = std::move(named->name);
  } else {
    const Name* found = nullptr;
    std::vector<std::string> known;
    for (const Name& name : kRoles) {
      known.emplace_back(name.text);
      if (name.text == key) found = &name;
    }
    if (found == nullptr) {
      return Error{Code::kInvalidArgument,
                   where + ": unknown key '" + printable(key) + "'" + did_you_mean(key, known) +
                       "; known are " + join(known, ", ") +
                       ", metric:NAME, state:NAME, note:NAME and output:NAME",
                   key};
    }
    source.role = found->role;
  }
  if (field == nullptr || field->empty()) {
    return Error{Code::kInvalidArgument,
                 where + ": '" + printable(key) +
                     "' must be the name of a field, or a JSON pointer such as \"/meta/id\"",
                 key};
  }
  auto path = path_of(*field);
  if (!path) return std::move(path).error().within(where);
  source.written = *field;
  source.path = std::move(*path);
  mapping.sources.push_back(std::move(source));
  return {};
}

Result<Mapping> from_toml(const std::string& text, const std::string& where) {
  Mapping mapping;
  mapping.given = true;
  toml::table table;
  try {
    table = toml::parse(text, where);
  } catch (const toml::parse_error& problem) {
    return Error{
        Code::kInvalidArgument,
        where + ":" + std::to_string(problem.source().begin.line) + ": " + std::string(problem.description()),
        where};
  }
  for (const auto& [key, node] : table) {
    const auto field = node.value<std::string>();
    auto added = add(mapping, std::string(key.str()), node.is_string() && field ? &*field : nullptr, where);
    if (!added) return std::move(added).error();
  }
  return mapping;
}

Result<Mapping> from_json(const std::string& text, const std::string& where) {
  Mapping mapping;
  mapping.given = true;
  std::vector<std::string> warnings;
  const auto tree = parse_tolerant(text, where, warnings);
  if (!tree) return Error{Code::kInvalidArgument, tree.error().text, where};
  if (!warnings.empty()) return Error{Code::kInvalidArgument, warnings.front(), where};
  if (!tree->is_object()) {
    return Error{Code::kInvalidArgument,
                 where + ": expected an object such as {\"id\": \"uid\", \"metric:em\": \"em\"}", where};
  }
  for (const auto& [key, value] : tree->items()) {
    auto added = add(mapping, key, value.is_string() ? &value.get_ref<const std::string&>() : nullptr, where);
    if (!added) return std::move(added).error();
  }
  return mapping;
}

}  // namespace

bool Mapping::has(Role role) const {
  for (const Source& source : sources) {
    if (source.role == role) return true;
  }
  return false;
}

std::optional<Source> by_prefix(const std::string& field) {
  for (const Name& prefix : kPrefixes) {
    if (!field.starts_with(prefix.text) || field.size() == prefix.text.size()) continue;
    return Source{prefix.role, field.substr(prefix.text.size()), field, {field}};
  }
  return std::nullopt;
}

bool is_exported(const std::vector<std::string>& fields) {
  return std::all_of(kExported.begin(), kExported.end(), [&](std::string_view name) {
    return std::find(fields.begin(), fields.end(), name) != fields.end();
  });
}

Mapping exported_mapping() {
  Mapping mapping;
  mapping.given = mapping.open = true;
  for (const Name& name : kRoles)
    mapping.sources.push_back({name.role, {}, std::string(name.text), {std::string(name.text)}});
  return mapping;
}

Result<Mapping> load_mapping(const std::filesystem::path& file, bool number_lines) {
  if (file.empty()) {
    Mapping usual;
    for (const Name& name : kUsual) {
      usual.sources.push_back({name.role, {}, std::string(name.text), {std::string(name.text)}});
    }
    for (const std::string_view name : kUsualMetrics) {
      usual.sources.push_back({Role::kMetric, std::string(name), std::string(name), {std::string(name)}});
    }
    // The names of the other roles mean themselves.
    for (std::size_t i = 0; i < kGuessed; ++i) {
      const Name& name = kRoles[i];
      if (!usual.has(name.role))
        usual.sources.push_back({name.role, {}, std::string(name.text), {std::string(name.text)}});
    }
    return usual;
  }
  const auto text = read_file(file, limits::kConfigBytesMax);
  if (!text) return text.error();
  const std::string where = file.filename().string();
  auto mapping = file.extension() == ".toml" ? from_toml(*text, where) : from_json(*text, where);
  if (mapping && !mapping->has(Role::kId) && !number_lines) {
    return Error{
        Code::kInvalidArgument,
        where + ": the mapping does not say which field is the id; add \"id\", or give --number-lines", "id"};
  }
  return mapping;
}

}  // namespace assay::host::interop::rows
