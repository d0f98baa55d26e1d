// The project's own format: JSON Lines, one record per request, found through an index of offsets.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

#include "plugins/models/replay/canonical_request.hpp"
#include "plugins/models/replay/recording.hpp"
#include "plugins/models/replay/response_reader.hpp"
#include "plugins/models/replay/row_index.hpp"
#include "plugins/models/replay/source_file.hpp"

namespace assay::replay {
namespace {

namespace json = simdjson::ondemand;

struct CapName {
  std::string_view name;
  std::uint64_t bits;
};

// Token log-probabilities also serve requests for their mean.
constexpr std::array kCapNames = {
    CapName{"generate", ASSAY_CAP_GENERATE},
    CapName{"chat", ASSAY_CAP_CHAT},
    CapName{"score_mean", ASSAY_CAP_SCORE_MEAN},
    CapName{"logprob", ASSAY_CAP_LOGPROB | ASSAY_CAP_SCORE_MEAN},
    CapName{"prompt_logprobs", ASSAY_CAP_LOGPROB | ASSAY_CAP_SCORE_MEAN},
    CapName{"rank", ASSAY_CAP_RANK},
    CapName{"ranks", ASSAY_CAP_RANK},
    CapName{"entropy", ASSAY_CAP_ENTROPY},
    CapName{"moments", ASSAY_CAP_MOMENTS},
    CapName{"top1", ASSAY_CAP_TOP1},
    CapName{"classify", ASSAY_CAP_CLASSIFY},
    CapName{"embed", ASSAY_CAP_EMBED},
    CapName{"generate_stats", ASSAY_CAP_GENERATE_STATS},
    CapName{"gen_logprobs", ASSAY_CAP_GENERATE_STATS},
    CapName{"image", ASSAY_CAP_IMAGE},
};

std::uint64_t capability(std::string_view name) {
  for (const CapName& known : kCapNames) {
    if (known.name == name) return known.bits;
  }
  std::string list;
  for (const CapName& known : kCapNames) list += (list.empty() ? "" : ", ") + std::string(known.name);
  throw Error{Code::kData, "unknown capability '" + std::string(name) + "'; known are " + list, {}};
}

struct Header {
  std::uint64_t caps = ASSAY_CAP_GENERATE;
  bool by_digest = false;
  std::vector<std::string> classes;
};

/// A record's address as written; texts live in the parser's buffer.
struct Address {
  KeyView key;
  std::string item_digits;  // an item written as a number
  std::string run, format;
  bool has_key = false;
};

class Rows final : public Recording {
 public:
  explicit Rows(SourceFile file) : file_(std::move(file)) {}

  Result<void> load(const std::string& run) {
    const std::string_view text = file_.text();
    index_.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
    json::parser parser;
    std::size_t released = 0;
    bool first = true;
    for (std::size_t at = 0, next = 0; at < text.size(); at = next) {
      const std::string_view line = line_at(text, at, next);
      if (is_blank(line)) continue;
      try {
        json::document document = parser.iterate(
            simdjson::padded_string_view(line.data(), line.size(), file_.readable(line.data())));
        json::object object = document.get_object();
        read_line(object, at, line, run, first);
      } catch (const simdjson::simdjson_error& error) {
        return Error{Code::kData,
                     std::string("the line is not a JSON object (") + error.what() +
                         "); one record per line was expected",
                     {}}
            .within(file_.place(at));
      } catch (Error& error) {
        return std::move(error).within(file_.place(at));
      }
      first = false;
      if (at - released > kReleaseEvery) file_.release_pages(), released = at;
    }
    file_.release_pages();
    if (index_.size() == 0) {
      return Error{Code::kData,
                   "'" + file_.path() + "' holds no record" + (run.empty() ? "" : " of run '" + run + "'") +
                       "; expected JSON Lines with a \"key\" in each record",
                   {}};
    }
    // The most specific form is asked first.
    std::sort(masks_.begin(), masks_.end(), [](std::uint32_t a, std::uint32_t b) {
      const int bits_a = std::popcount(a), bits_b = std::popcount(b);
      return bits_a != bits_b ? bits_a > bits_b : a > b;
    });
    return {};
  }

  [[nodiscard]] std::uint64_t capabilities() const override { return header_.caps; }
  [[nodiscard]] std::vector<std::string> class_names() const override { return header_.classes; }

  Result<void> answer(const assay_request& request, ResponseWriter& out) const override {
    const std::optional<std::uint64_t> found = locate(request);
    if (!found) return no_record(request, file_.path());
    // A long run would otherwise end with the whole recording resident.
    if (served_.fetch_add(1, std::memory_order_relaxed) % kReleaseAnswers == kReleaseAnswers - 1)
      file_.release_pages();
    std::size_t next = 0;
    const std::string_view line = line_at(file_.text(), *found, next);
    Result<void> done = read_response(line, file_.readable(line.data()), request, out);
    if (!done) return std::move(done).error().within(file_.place(*found));
    return done;
  }

 private:
  static constexpr std::size_t kReleaseEvery = std::size_t{16} << 20U;
  static constexpr std::uint64_t kReleaseAnswers = 65536;

  [[nodiscard]] std::optional<std::uint64_t> locate(const assay_request& request) const;
  /// Takes in the header (possible on the first line) or a record.
  void read_line(json::object& object, std::size_t at, std::string_view line, const std::string& run,
                 bool first);
  Address read_address(json::object& object, Header* header) const;
  void add(const KeyView& key, std::size_t at, std::string_view line);

  SourceFile file_;
  mutable std::atomic<std::uint64_t> served_{0};
  RowIndex index_;
  std::vector<std::uint32_t> masks_;
  Header header_;
};

std::optional<std::uint64_t> Rows::locate(const assay_request& request) const {
  if (header_.by_digest) {
    const std::string digest = request_digest(request);
    KeyView key;
    key.mask = kDigestMask;
    key.item = digest;
    return index_.find(fingerprint(key));
  }
  for (const std::uint32_t mask : masks_) {
    if (auto found = index_.find(fingerprint(key_of(request, mask)))) return found;
  }
  return std::nullopt;
}

void read_item_key(json::value value, Address& address) {
  KeyView& key = address.key;
  const auto part = [&key](KeyPart bit, std::string_view& where, json::value& text) {
    where = text.get_string();
    key.mask |= bit;
  };
  if (value.type() == json::json_type::string) return part(kPartItem, key.item, value);
  for (json::field member : value.get_object()) {
    const std::string_view name = member.unescaped_key();
    json::value text = member.value();
    if (name == "task") {
      part(kPartTask, key.task, text);
    } else if (name == "item") {
      if (text.type() == json::json_type::number) {
        address.item_digits = std::to_string(std::int64_t{text.get_int64()});
        key.item = address.item_digits;
        key.mask |= kPartItem;
      } else {
        part(kPartItem, key.item, text);
      }
    } else if (name == "variant") {
      part(kPartVariant, key.variant, text);
    } else if (name == "kind") {
      part(kPartKind, key.kind, text);
    } else if (name == "name") {
      part(kPartName, key.name, text);
    } else if (name == "repeat") {
      key.repeat = static_cast<std::uint32_t>(std::uint64_t{text.get_uint64()});
    } else {
      throw Error{Code::kData,
                  "unknown part '" + std::string(name) +
                      "' of a key; known are task, item, variant, kind, name, repeat",
                  {}};
    }
  }
  if ((key.mask & kPartItem) == 0) throw Error{Code::kData, "the key names no item", {}};
}

void read_capabilities(json::value value, Header& header) {
  header.caps = 0;
  for (json::value name : value.get_array()) header.caps |= capability(name.get_string());
}

Address Rows::read_address(json::object& object, Header* header) const {
  Address address;
  for (json::field member : object) {
    const std::string_view field = member.unescaped_key();
    json::value value = member.value();
    if (field == "key") {
      address.has_key = true;
      if (!header_.by_digest) {
        read_item_key(value, address);
      } else {
        address.key.mask = kDigestMask;
        address.key.item = value.get_string();
      }
    } else if (field == "run") {
      address.run = std::string(std::string_view(value.get_string()));
    } else if (header != nullptr && field == "format") {
      address.format = std::string(std::string_view(value.get_string()));
    } else if (header != nullptr && field == "capabilities") {
      read_capabilities(value, *header);
    } else if (header != nullptr && field == "class_names") {
      for (json::value name : value.get_array())
        header->classes.emplace_back(std::string_view(name.get_string()));
    } else if (header != nullptr && field == "key_mode") {
      const std::string_view mode = value.get_string();
      if (mode != "item" && mode != "request") {
        throw Error{Code::kData, "key_mode is '" + std::string(mode) + "'; expected item or request", {}};
      }
      header->by_digest = mode == "request";
    }
  }
  return address;
}

void Rows::read_line(json::object& object, std::size_t at, std::string_view line, const std::string& run,
                     bool first) {
  Header header;
  const Address address = read_address(object, first ? &header : nullptr);
  if (!address.has_key && !address.format.empty()) {
    if (address.format != "assay.replay/1") {
      throw Error{Code::kData,
                  "the header's format is '" + address.format + "'; this version reads \"assay.replay/1\"",
                  {}};
    }
    header_ = std::move(header);
    return;
  }
  if (!address.has_key) {
    throw Error{Code::kData, "the record has no \"key\"; expected an item id or an object with an item", {}};
  }
  if (run.empty() || address.run == run) add(address.key, at, line);
}

void Rows::add(const KeyView& key, std::size_t at, std::string_view line) {
  if (std::find(masks_.begin(), masks_.end(), key.mask) == masks_.end()) masks_.push_back(key.mask);
  const auto earlier = index_.insert(fingerprint(key), at);
  if (!earlier) return;
  std::size_t next = 0;
  if (line_at(file_.text(), *earlier, next) == line) return;
  throw Error{Code::kData,
              "a second, different record for " + to_text(key) + "; the first is on line " +
                  std::to_string(file_.line_of(*earlier)) + ". Remove one, or select one with 'run'",
              {}};
}

}  // namespace

Result<std::unique_ptr<Recording>> open_rows(const std::string& path, const std::string& run) {
  Result<SourceFile> file = SourceFile::open(path);
  if (!file) return std::move(file).error();
  auto recording = std::make_unique<Rows>(std::move(*file));
  if (Result<void> loaded = recording->load(run); !loaded) return std::move(loaded).error();
  return std::unique_ptr<Recording>(std::move(recording));
}

}  // namespace assay::replay
