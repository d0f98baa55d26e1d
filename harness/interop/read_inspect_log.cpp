#include <fstream>
#include <map>
#include <utility>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"
#include "harness/interop/read_inspect.hpp"

namespace assay::host::interop::inspect {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kJsonBytesMax = std::size_t{2} << 30;

Result<Tree> parsed(const std::string& text, const std::string& where, ImportSink& sink) {
  std::vector<std::string> warnings;
  auto tree = parse_tolerant(text, where, warnings);
  for (const std::string& one : warnings) sink.warning("W_JSON", one);
  return tree;
}

}  // namespace

std::string Log::name(std::size_t i) const {
  return zip_ ? file_ + ":" + printable(members_[i].name) : file_ + ": sample " + std::to_string(i + 1);
}

Result<Tree*> Log::get(std::size_t i, std::vector<std::string>& warnings) {
  if (!zip_) return &list_[i];
  auto text = zip_->read(members_[i]);
  if (!text) return text.error();
  blank_events(*text, 1);
  auto tree = parse_tolerant(*text, name(i), warnings);
  if (!tree) return tree.error();
  current_ = std::move(*tree);
  return &current_;
}

Result<Tree> Log::member(const ZipMember& member, ImportSink& sink) const {
  auto text = zip_->read(member);
  if (!text) return text.error();
  return parsed(*text, file_ + ":" + printable(member.name), sink);
}

Result<void> Log::open(const fs::path& path, const ImportOptions& options, ImportSink& sink) {
  file_ = path.filename().string();
  std::error_code failure;
  if (fs::is_directory(path, failure)) {
    return Error{
        Code::kData, "'" + path.string() + "' is a folder; give one Inspect log (.eval or .json)", {}};
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Code::kNotFound, "cannot open '" + path.string() + "'", {}};
  char mark[2] = {};
  in.read(mark, sizeof mark);
  const bool zip = path.extension() == ".eval" || (mark[0] == 'P' && mark[1] == 'K');
  if (auto opened = zip ? open_archive(path, options, sink) : open_json(path, sink); !opened) return opened;
  if (const Tree* eval = peek(header, "eval"); eval == nullptr || !eval->is_object()) {
    return Error{
        Code::kData, "'" + path.string() + "' is not an Inspect log: its header has no object 'eval'", {}};
  }
  return {};
}

Result<void> Log::open_archive(const fs::path& path, const ImportOptions& options, ImportSink& sink) {
  auto zip = ZipFile::open(path);
  if (!zip && options.salvage && zip.error().code == Code::kData) {
    zip = ZipFile::salvage(path);
    if (zip)
      sink.warning("W_SALVAGED", file_ + ": the archive has no directory; " +
                                     std::to_string(zip->members().size()) +
                                     " complete members were found by searching");
  }
  if (!zip) return zip.error();
  zip_ = std::move(*zip);
  std::map<std::string, std::size_t> names;  // of samples
  const ZipMember *head = nullptr, *start = nullptr, *reductions = nullptr;
  for (const ZipMember& one : zip_->members()) {
    if (one.name == "header.json") head = &one;
    if (one.name == "_journal/start.json") start = &one;
    if (one.name == "reductions.json") reductions = &one;
    if (!one.name.starts_with("samples/") || !one.name.ends_with(".json")) continue;
    const auto [at, fresh] = names.emplace(one.name, members_.size());
    if (fresh) {
      members_.push_back(one);
    } else {
      members_[at->second] = one;  // written again: the later one counts
      sink.warning("W_DUPLICATE", file_ + ": the member '" + printable(one.name) +
                                      "' is there more than once; the last one counts");
    }
  }
  if (head == nullptr && start == nullptr) {
    return Error{
        Code::kData,
        "'" + path.string() + "' is not an Inspect log: neither header.json nor _journal/start.json is in it",
        {}};
  }
  closed = head != nullptr;
  auto tree = member(closed ? *head : *start, sink);
  if (!tree) return tree.error();
  header = std::move(*tree);
  if (!members_.empty()) return {};
  std::optional<Tree> table;
  if (reductions != nullptr) {
    auto read = member(*reductions, sink);
    if (!read) return read.error();
    table = std::move(*read);
  }
  return use_reductions(table ? &*table : nullptr);
}

Result<void> Log::open_json(const fs::path& path, ImportSink& sink) {
  auto text = read_file(path, kJsonBytesMax);
  if (!text) return text.error();
  blank_events(*text, 3);
  auto tree = parsed(*text, file_, sink);
  if (!tree) return tree.error();
  header = std::move(*tree);
  if (!header.is_object()) return {};  // open() says what is wrong
  if (const auto samples = header.find("samples"); samples != header.end() && samples->is_array()) {
    for (Tree& sample : *samples) list_.push_back(std::move(sample));
    header.erase("samples");
  }
  if (!list_.empty()) return {};
  return use_reductions(nullptr);
}

// Without samples the scores of the items may still be there, after reduction over the epochs.
Result<void> Log::use_reductions(const Tree* reductions) {
  if (reductions == nullptr) reductions = peek(header, "reductions");
  if (reductions == nullptr) reductions = peek(header, "results", "sample_reductions");
  if (reductions == nullptr || !reductions->is_array()) return {};
  std::map<std::string, std::size_t> rows;
  std::set<std::string> columns;
  std::vector<Tree> list;
  for (const Tree& reduction : *reductions) {
    const Tree* samples = peek(reduction, "samples");
    std::string scorer = peek_text(reduction, "scorer");
    if (samples == nullptr || !samples->is_array() || scorer.empty()) continue;
    if (!columns.insert(scorer).second) columns.insert(scorer += "@" + peek_text(reduction, "reducer"));
    for (const Tree& sample : *samples) {
      const Tree* id = peek(sample, "sample_id");
      const auto [at, fresh] = rows.emplace(id == nullptr ? std::string() : plain_text(*id), list.size());
      if (fresh || id == nullptr) {
        at->second = list.size();
        list.push_back(Tree::object());
        if (id != nullptr) list.back()["id"] = *id;
        list.back()["scores"] = Tree::object();
      }
      list[at->second]["scores"][scorer] = sample;
    }
  }
  scores_only = !list.empty();
  list_ = std::move(list);
  zip_.reset();
  return {};
}

}  // namespace assay::host::interop::inspect
