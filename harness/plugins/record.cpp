#include "harness/plugins/record.hpp"

#include <sys/stat.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/limits.hpp"

namespace assay::host {
namespace {

constexpr int kFormat = 1;  // increase when the JSON form of a record changes
constexpr std::int64_t kTimeoutKeptSeconds = 600;

constexpr std::pair<ScanState, const char*> kStates[] = {
    {ScanState::kOk, "OK"},
    {ScanState::kDisabled, "DISABLED"},
    {ScanState::kShadowed, "SHADOWED"},
    {ScanState::kNotAPlugin, "NOT_A_PLUGIN"},
    {ScanState::kBadElf, "BAD_ELF"},
    {ScanState::kWrongMachine, "WRONG_MACHINE"},
    {ScanState::kAbiTooNew, "ABI_TOO_NEW"},
    {ScanState::kAbiTooOld, "ABI_TOO_OLD"},
    {ScanState::kUnresolvedSymbol, "UNRESOLVED_SYMBOL"},
    {ScanState::kScanTimeout, "SCAN_TIMEOUT"},
    {ScanState::kScanCrashed, "SCAN_CRASHED"},
    {ScanState::kInitFailed, "INIT_FAILED"},
    {ScanState::kDescriptorInvalid, "DESCRIPTOR_INVALID"},
    {ScanState::kChangedSinceScan, "CHANGED_SINCE_SCAN"},
};

std::int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool worth_keeping(ScanState state) {
  return state != ScanState::kUnresolvedSymbol && state != ScanState::kScanCrashed &&
         state != ScanState::kInitFailed && state != ScanState::kDisabled;
}

}  // namespace

const char* scan_state_name(ScanState state) {
  for (const auto& [value, name] : kStates) {
    if (value == state) return name;
  }
  return "UNKNOWN";
}

std::optional<ScanState> scan_state_of(const std::string& name) {
  for (const auto& [value, known] : kStates) {
    if (name == known) return value;
  }
  return std::nullopt;
}

Json to_json(const LibraryRecord& record) {
  Json tree = {{"path", record.path.string()},
               {"sha256", record.sha256},
               {"size", record.size},
               {"mtime_ns", record.mtime_ns},
               {"build_id", record.build_id},
               {"build_info", record.build_info},
               {"abi", {record.abi_major, record.abi_minor}},
               {"state", scan_state_name(record.state)},
               {"reason", record.reason},
               {"plugins", Json::array()}};
  for (const PluginSpec& spec : record.plugins) tree["plugins"].push_back(to_json(spec));
  return tree;
}

Result<LibraryRecord> record_from_json(const Json& tree) {
  try {
    LibraryRecord record;
    record.path = tree.at("path").get<std::string>();
    record.sha256 = tree.at("sha256").get<std::string>();
    record.size = tree.at("size").get<std::uint64_t>();
    record.mtime_ns = tree.at("mtime_ns").get<std::int64_t>();
    record.build_id = tree.at("build_id").get<std::string>();
    record.build_info = tree.at("build_info").get<std::string>();
    record.abi_major = tree.at("abi").at(0).get<std::uint32_t>();
    record.abi_minor = tree.at("abi").at(1).get<std::uint32_t>();
    const std::string state = tree.at("state").get<std::string>();
    const auto known = scan_state_of(state);
    if (!known) return Error{Code::kData, "a scan record has the unknown state '" + state + "'", {}};
    record.state = *known;
    record.reason = tree.at("reason").get<std::string>();
    for (const Json& plugin : tree.at("plugins")) {
      Result<PluginSpec> spec = spec_from_json(plugin);
      if (!spec) return std::move(spec).error();
      record.plugins.push_back(std::move(*spec));
    }
    return record;
  } catch (const Json::exception& failure) {
    return Error{Code::kData, std::string("a scan record is incomplete: ") + failure.what(), {}};
  }
}

std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) return std::nullopt;
  return FileStamp{static_cast<std::uint64_t>(facts.st_size),
                   std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

ScanCache::ScanCache(std::filesystem::path file, std::string scanner)
    : file_(std::move(file)), scanner_(std::move(scanner)) {}

ScanCache::Lines ScanCache::read() const {
  Lines lines;
  const Result<std::string> bytes = read_file(file_, limits::kConfigBytesMax);
  if (!bytes) return lines;
  try {
    // Written by this program: duplicate keys and deep nesting cannot harm, so the plain parser is fast and
    // enough.
    const Json tree = Json::parse(*bytes);
    if (tree.at("format").get<int>() != kFormat) return lines;
    for (const Json& entry : tree.at("libraries")) {
      Result<LibraryRecord> record = record_from_json(entry.at("record"));
      if (!record) continue;
      std::string path = record->path.string();
      lines.insert_or_assign(std::move(path), Line{std::move(*record), entry.at("scanner").get<std::string>(),
                                                   entry.at("scanned_at").get<std::int64_t>()});
    }
  } catch (const Json::exception&) {
    lines.clear();
  }
  return lines;
}

void ScanCache::load() {
  lines_ = read();
}

std::optional<LibraryRecord> ScanCache::find(const std::filesystem::path& path, const FileStamp& stamp) {
  const auto found = lines_.find(path.string());
  if (found == lines_.end() || found->second.scanner != scanner_) return std::nullopt;
  const Line& line = found->second;
  if (line.record.state == ScanState::kScanTimeout) {
    const std::int64_t age = seconds_now() - line.scanned_at;
    if (age < 0 || age > kTimeoutKeptSeconds) return std::nullopt;
  }
  if (stamp == FileStamp{line.record.size, line.record.mtime_ns}) return line.record;
  if (stamp.size != line.record.size) return std::nullopt;
  const Result<std::string> digest = sha256_file(path);
  if (!digest || *digest != line.record.sha256) return std::nullopt;
  LibraryRecord same = line.record;
  same.mtime_ns = stamp.mtime_ns;
  store(same);
  return same;
}

void ScanCache::store(const LibraryRecord& record) {
  if (!worth_keeping(record.state)) return;
  fresh_.insert_or_assign(record.path.string(), Line{record, scanner_, seconds_now()});
}

void ScanCache::save() {
  if (fresh_.empty()) return;
  Lines merged = read();
  for (auto& [path, line] : fresh_) merged.insert_or_assign(path, line);
  Json tree = {{"format", kFormat}, {"libraries", Json::array()}};
  for (const auto& [path, line] : merged) {
    if (!stamp_of(path)) continue;  // the library is gone
    tree["libraries"].push_back(
        {{"record", to_json(line.record)}, {"scanner", line.scanner}, {"scanned_at", line.scanned_at}});
  }
  fresh_.clear();
  static_cast<void>(write_file(file_, tree.dump(-1, ' ', false, Json::error_handler_t::replace)).ok());
}

}  // namespace assay::host
