// Reading registry files.
#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "harness/base/files.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/data/data.hpp"

namespace assay::host {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string>& set_keys() {
  static const std::vector<std::string> keys = {"name",      "title", "licence",    "source", "kind",
                                                "file",      "url",   "rows",       "sha256", "bytes",
                                                "generator", "seed",  "parameters", "files"};
  return keys;
}
const std::vector<std::string>& file_keys() {
  static const std::vector<std::string> keys = {"file", "url", "sha256", "bytes", "rows"};
  return keys;
}

/// One registry file while it is read; every error carries file:line.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  [[nodiscard]] std::string at(const toml::node& node) const {
    return where_ + ":" + std::to_string(node.source().begin.line);
  }
  [[nodiscard]] Error bad(const toml::node& node, const std::string& sentence,
                          const std::string& key = {}) const {
    return Error{Code::kInvalidArgument, at(node) + ": " + sentence, key};
  }

  Result<void> known_keys(const toml::table& table, std::span<const std::string> keys,
                          const char* what) const {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (std::find(keys.begin(), keys.end(), name) == keys.end())
        return Error{Code::kInvalidArgument,
                     where_ + ":" + std::to_string(key.source().begin.line) + ": unknown key '" +
                         printable(name) + "' in " + what + did_you_mean(name, keys) +
                         "; known keys: " + join(keys, ", "),
                     name};
    }
    return {};
  }

  /// A string; "" when absent and not required.
  Result<std::string> text(const toml::table& table, const char* key, bool required) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (!required) return std::string();
      return bad(table, std::string("the data set has no '") + key + "'; add " + key + " = \"...\"", key);
    }
    const auto value = node->value_exact<std::string>();
    if (!value) return bad(*node, std::string("'") + key + "' must be a string", key);
    if (required && trimmed(*value).empty())
      return bad(*node, std::string("'") + key + "' must not be empty", key);
    return *value;
  }
  Result<std::uint64_t> count(const toml::table& table, const char* key, bool required) const {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (!required) return std::uint64_t{0};
      return bad(table, std::string("the data set has no '") + key + "'; add " + key + " = NUMBER", key);
    }
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < (required ? 1 : 0))
      return bad(*node,
                 std::string("'") + key + "' must be a whole number of at least " + (required ? "1" : "0"),
                 key);
    return static_cast<std::uint64_t>(*value);
  }

  Result<DataFile> file(const toml::table& table, bool generated) const;
  Result<DataSet> set(const toml::table& table) const;

 private:
  Result<void> generator_of(const toml::table& table, DataSet& out) const;
  Result<void> files_of(const toml::table& table, DataSet& out) const;
  std::string where_;
};

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

/// Relative, without "." and ".." parts, no backslash: it stays inside the mirror.
bool stays_inside(const std::string& file) {
  if (file.empty() || file.front() == '/' || file.back() == '/') return false;
  if (file.find('\\') != std::string::npos || file.find('\0') != std::string::npos) return false;
  for (const std::string& part : split(file, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

bool is_web_address(std::string_view url) {
  const auto rest = url.substr(0, 8) == "https://"  ? url.substr(8)
                    : url.substr(0, 7) == "http://" ? url.substr(7)
                                                    : std::string_view();
  if (rest.empty() || rest.front() == '/') return false;
  return std::none_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
}

Result<DataFile> Reader::file(const toml::table& table, bool generated) const {
  DataFile out;
  auto path = text(table, "file", true);
  if (!path) return std::move(path).error();
  out.file = std::move(*path);
  if (!stays_inside(out.file))
    return bad(*table.get("file"),
               "file '" + printable(out.file) +
                   "' must be a relative path with '/' and without '..' inside a mirror",
               "file");
  out.name = out.file.substr(out.file.rfind('/') + 1);
  auto url = text(table, "url", false);
  if (!url) return std::move(url).error();
  out.url = std::move(*url);
  if (!out.url.empty() && generated)
    return bad(*table.get("url"), "a generated file has no 'url'; its bytes follow from the seed", "url");
  if (!out.url.empty() && !is_web_address(out.url))
    return bad(*table.get("url"), "url '" + printable(out.url) + "' must begin with https:// or http://",
               "url");
  auto sha = text(table, "sha256", true);
  if (!sha) return std::move(sha).error();
  out.sha256 = std::move(*sha);
  if (!is_sha256(out.sha256))
    return bad(*table.get("sha256"),
               "sha256 '" + printable(out.sha256) + "' must be 64 lower-case hexadecimal digits", "sha256");
  auto bytes = count(table, "bytes", true);
  if (!bytes) return std::move(bytes).error();
  out.bytes = *bytes;
  auto rows = count(table, "rows", false);
  if (!rows) return std::move(rows).error();
  out.rows = *rows;
  return out;
}

Result<void> Reader::generator_of(const toml::table& table, DataSet& out) const {
  if (out.kind == DataKind::kFile) {
    for (const char* key : {"generator", "seed", "parameters"})
      if (const toml::node* node = table.get(key))
        return bad(*node, std::string("'") + key + "' belongs to a set with kind = \"generated\"", key);
    return {};
  }
  auto generator = text(table, "generator", true);
  if (!generator) return std::move(generator).error();
  out.generator = std::move(*generator);
  auto seed = count(table, "seed", true);
  if (!seed) return std::move(seed).error();
  out.seed = *seed;
  const toml::node* node = table.get("parameters");
  if (node == nullptr) return {};
  const toml::table* parameters = node->as_table();
  if (parameters == nullptr) return bad(*node, "'parameters' must be a table { key = value }", "parameters");
  for (const auto& [key, value] : *parameters) {
    const std::string name(key.str());
    if (const auto number = value.value_exact<std::int64_t>())
      out.parameters.emplace_back(name, std::to_string(*number));
    else if (const auto word = value.value_exact<std::string>())
      out.parameters.emplace_back(name, *word);
    else
      return bad(value, "parameter '" + printable(name) + "' must be a whole number or a string", name);
  }
  std::sort(out.parameters.begin(), out.parameters.end());
  return {};
}

Result<void> Reader::files_of(const toml::table& table, DataSet& out) const {
  const bool generated = out.kind == DataKind::kGenerated;
  const toml::node* list = table.get("files");
  if (list == nullptr) {
    auto one = file(table, generated);
    if (!one) return std::move(one).error();
    out.files.push_back(std::move(*one));
    return {};
  }
  for (const char* key : {"file", "url", "sha256", "bytes", "rows"})
    if (const toml::node* node = table.get(key))
      return bad(*node, std::string("'") + key + "' belongs into the rows of 'files' of this set", key);
  const toml::array* rows = list->as_array();
  if (rows == nullptr || rows->empty())
    return bad(*list, "'files' must be a list of tables, not empty", "files");
  for (const toml::node& row : *rows) {
    const toml::table* entry = row.as_table();
    if (entry == nullptr)
      return bad(row, "a row of 'files' must be a table { file = ..., sha256 = ... }", "files");
    if (auto known = known_keys(*entry, file_keys(), "a row of 'files'"); !known)
      return std::move(known).error();
    auto one = file(*entry, generated);
    if (!one) return std::move(one).error();
    for (const DataFile& other : out.files)
      if (other.name == one->name)
        return bad(row, "the set has two files named '" + one->name + "'", "files");
    out.files.push_back(std::move(*one));
  }
  return {};
}

Result<DataSet> Reader::set(const toml::table& table) const {
  if (auto known = known_keys(table, set_keys(), "[[data]]"); !known) return std::move(known).error();
  DataSet out;
  out.declared_at = at(table);
  struct Field {
    const char* key;
    std::string* to;
  };
  for (const Field field : std::array<Field, 4>{{{"name", &out.name},
                                                 {"title", &out.title},
                                                 {"licence", &out.licence},
                                                 {"source", &out.source}}}) {
    auto value = text(table, field.key, true);
    if (!value) return std::move(value).error();
    *field.to = std::move(*value);
  }
  if (!stays_inside(out.name))
    return bad(*table.get("name"), "name '" + printable(out.name) + "' must look like 'wikimia/32'", "name");
  auto kind = text(table, "kind", false);
  if (!kind) return std::move(kind).error();
  if (*kind == "generated")
    out.kind = DataKind::kGenerated;
  else if (!kind->empty() && *kind != "file")
    return bad(*table.get("kind"), "kind '" + printable(*kind) + "' must be \"file\" or \"generated\"",
               "kind");
  if (auto generator = generator_of(table, out); !generator) return std::move(generator).error();
  if (auto files = files_of(table, out); !files) return std::move(files).error();
  return out;
}

Result<std::vector<DataSet>> read(const fs::path& path) {
  auto bytes = read_file(path, limits::kConfigBytesMax);
  if (!bytes) {
    Error error = std::move(bytes).error();
    return std::move(error).within("the data registry cannot be read");
  }
  const std::string where = path.string();
  toml::table root;
  try {
    root = toml::parse(*bytes, where);
  } catch (const toml::parse_error& error) {
    return Error{Code::kInvalidArgument,
                 where + ":" + std::to_string(error.source().begin.line) +
                     ": the data registry is not valid TOML: " + std::string(error.description()),
                 {}};
  }
  const Reader reader(where);
  static const std::vector<std::string> top = {"data"};
  if (auto known = reader.known_keys(root, top, "the data registry"); !known) return std::move(known).error();
  std::vector<DataSet> out;
  const toml::node* list = root.get("data");
  if (list == nullptr) return out;
  const toml::array* rows = list->as_array();
  if (rows == nullptr) return reader.bad(*list, "'data' must be written as [[data]]", "data");
  for (const toml::node& row : *rows) {
    const toml::table* table = row.as_table();
    if (table == nullptr)
      return reader.bad(row, "an entry of 'data' must be a table, written as [[data]]", "data");
    auto set = reader.set(*table);
    if (!set) return std::move(set).error();
    out.push_back(std::move(*set));
  }
  return out;
}

}  // namespace

std::uint64_t DataSet::bytes() const {
  std::uint64_t sum = 0;
  for (const DataFile& file : files) sum += file.bytes;
  return sum;
}

bool DataSet::obtainable() const {
  return kind == DataKind::kGenerated ||
         std::all_of(files.begin(), files.end(), [](const DataFile& file) { return !file.url.empty(); });
}

Result<DataRegistry> DataRegistry::load(const fs::path& path) {
  DataRegistry out;
  if (auto added = out.add(path); !added) return std::move(added).error();
  return out;
}

Result<DataRegistry> DataRegistry::open() {
  std::error_code ignored;
  fs::path path = executable_folder().parent_path() / "share" / "assay" / "registry.toml";
  if (!fs::is_regular_file(path, ignored)) path = ASSAY_SOURCE_REGISTRY;
  auto out = load(path);
  if (!out) return out;
  if (const std::string extra = environment("ASSAY_REGISTRY"); !extra.empty()) {
    if (auto added = out->add(extra); !added) {
      Error error = std::move(added).error();
      return std::move(error).within("ASSAY_REGISTRY");
    }
  }
  return out;
}

Result<void> DataRegistry::add(const fs::path& path) {
  auto more = read(path);
  if (!more) return std::move(more).error();
  std::vector<DataSet> all = sets_;
  for (DataSet& set : *more) {
    for (const DataSet& other : all)
      if (other.name == set.name)
        return Error{Code::kInvalidArgument,
                     set.declared_at + ": the data set '" + set.name + "' is declared already at " +
                         other.declared_at + "; rename one of them",
                     set.name};
    all.push_back(std::move(set));
  }
  std::sort(all.begin(), all.end(), [](const DataSet& a, const DataSet& b) { return a.name < b.name; });
  sets_ = std::move(all);
  return {};
}

}  // namespace assay::host
