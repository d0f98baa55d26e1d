#include "text_pairs.hpp"

#include <optional>
#include <utility>

#include "assay/text/utf8.hpp"
#include "json_values.hpp"

namespace assay::text_pairs {
namespace {

bool usable(const std::optional<rows::Element>& value) {
  return value && value->is_string() && !text::trim(value->get_string().value_unsafe()).empty();
}

/// Reads the two lists of one object; nothing if the file is not of that form.
std::optional<Result<PairFile>> read_lists(const std::string& path, std::string_view bytes) {
  simdjson::dom::parser parser;
  const Result<rows::Object> object = rows::parse_object(parser, bytes);
  if (!object) return std::nullopt;
  simdjson::dom::array human;
  simdjson::dom::array machine;
  if (object->at_key("original").get(human) != simdjson::SUCCESS ||
      object->at_key("sampled").get(machine) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  PairFile file;
  auto one = human.begin();
  auto two = machine.begin();
  std::uint64_t number = 0;
  for (; one != human.end() && two != machine.end(); ++one, ++two, ++number) {
    const rows::Element h = *one;
    const rows::Element m = *two;
    if (!usable(h) || !usable(m)) {
      file.problems.add(path + ": pair " + std::to_string(number) + " has a text that is missing or empty");
      continue;
    }
    file.pairs.push_back(
        {number, std::string(h.get_string().value_unsafe()), std::string(m.get_string().value_unsafe())});
  }
  if (one != human.end() || two != machine.end()) {
    return Error{Code::kData,
                 path +
                     ": the lists 'original' and 'sampled' differ in length, so their texts are not "
                     "pairs; fetch the file again, or use assay.labelled_texts",
                 "data"};
  }
  return file;
}

}  // namespace

std::string set_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (const std::string_view ending : {".gz", ".json", ".jsonl", ".raw_data"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) name.remove_suffix(ending.size());
  }
  return std::string(name);
}

Result<PairFile> read_pairs(const std::string& path, const std::string& human_field,
                            const std::string& machine_field) {
  Result<rows::RowFile> source = rows::RowFile::open(path);
  if (!source) return std::move(source).error();
  if (source->bytes().find("\"original\"") < 4096) {  // one big object, unless it is a row of JSON Lines
    if (auto lists = read_lists(path, source->bytes())) return *std::move(lists);
  }
  PairFile file;
  simdjson::dom::parser parser;
  std::uint64_t number = 0;
  Result<void> scanned = source->scan([&](std::string_view bytes, std::uint64_t line) {
    const std::uint64_t this_row = number++;
    const std::string place = path + ":" + std::to_string(line) + ": ";
    const Result<rows::Object> object = rows::parse_object(parser, bytes);
    if (!object) {
      file.problems.add(place + object.error().text);
      return false;
    }
    const auto human = rows::member(*object, human_field);
    const auto machine = rows::member(*object, machine_field);
    if (!usable(human) || !usable(machine)) {
      file.problems.add(place + "the row has no text in '" + human_field + "' or '" + machine_field +
                        "' (fields: " + rows::keys_of(*object) + ")");
      return false;
    }
    file.pairs.push_back({this_row, std::string(human->get_string().value_unsafe()),
                          std::string(machine->get_string().value_unsafe())});
    return false;
  });
  if (!scanned) return std::move(scanned).error();
  return file;
}

Result<void> TextPairs::open(Call& /*call*/) {
  Result<PairFile> file = read_pairs(data.get().text, human_field, machine_field);
  if (!file) return std::move(file).error();
  const std::vector<std::string> sentences = file->problems.finish(data.get().text);
  if (file->pairs.empty()) {
    return Error{Code::kData,
                 data.get().text + ": no pair can be used" +
                     (sentences.empty() ? std::string() : " (" + sentences.front() + ")") +
                     "; an object {original: [...], sampled: [...]} or rows {" + human_field.get() + ", " +
                     machine_field.get() + "} are expected",
                 "data"};
  }
  for (const std::string& sentence : sentences) problem(sentence);
  pairs_ = std::move(file->pairs);
  set_ = variant.get().empty() ? set_name(data.get().text) : variant.get();
  return {};
}

Result<void> TextPairs::item(std::uint64_t index, ItemWriter& out) {
  const Pair& pair = pairs_[index / 2];
  const bool machine = index % 2 == 1;
  const std::string group = std::to_string(pair.number);
  const std::string& text = machine ? pair.machine : pair.human;
  out.id(group + (machine ? "/machine" : "/human"))
      .group(group)
      .variant(set_)
      .text(text)
      .label(machine ? 1 : 0);
  out.request({.kind = ASSAY_REQUEST_SCORE, .name = "text", .continuation = text});
  return {};
}

}  // namespace assay::text_pairs
