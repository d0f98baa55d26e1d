#include "harness/interop/tolerant_json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "assay/text/utf8.hpp"
#include "harness/base/strings.hpp"

// nlohmann's parser refuses what Python writes (bare NaN, lone surrogates) and cannot be taught it, so the
// text is read here into nlohmann's tree. Strict JSON otherwise.

namespace assay::host::interop {
namespace {

using Members = Tree::object_t::Container;  // the pairs behind an object, in order

constexpr int kDepthMax = 512;
constexpr std::size_t kManyKeys = 24;  // beyond this, keys are found by hash instead of by looking at each

/// Like from_chars, but numbers out of range become 0 or infinite, as every other reader of JSON has them.
bool decimal(std::string_view text, double& number) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size()) return false;
  if (code == std::errc{}) return true;
  if (code != std::errc::result_out_of_range) return false;
  const std::size_t e = text.find_first_of("eE");
  const bool tiny = e != std::string_view::npos
                        ? text.substr(e + 1).starts_with('-')
                        : text.substr(text.starts_with('-') ? 1 : 0).starts_with("0.");
  number = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  if (text.starts_with('-')) number = -number;
  return true;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& where, std::vector<std::string>& warnings)
      : begin_(text.data()),
        at_(text.data()),
        end_(text.data() + text.size()),
        where_(where),
        warnings_(warnings) {}

  Result<Tree> run() {
    Tree tree;
    if (end_ - at_ >= 3 && std::memcmp(at_, "\xEF\xBB\xBF", 3) == 0) at_ += 3;
    blanks();
    if (value(tree, 0)) {
      blanks();
      if (at_ != end_) fail("trailing garbage after the JSON value");
    }
    if (!problem_.empty()) return Error{Code::kData, where_ + ": " + problem_, where_};
    return tree;
  }

 private:
  bool fail(const std::string& what) {
    problem_ = what + " at byte " + std::to_string(at_ - begin_);
    return false;
  }
  bool truncated(const char* inside) {
    at_ = end_;
    return fail(std::string("truncated JSON, the text ends inside ") + inside);
  }
  bool unexpected(const char* wanted) {
    return fail(std::string("not JSON, expected ") + wanted + " but found '" +
                printable({at_, text::decode_at({at_, left()}, 0).length}) + "'");
  }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool starts(std::string_view word) const {
    return std::string_view(at_, left()).starts_with(word);
  }
  void blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  bool value(Tree& out, int depth) {
    if (at_ == end_) return truncated("a value");
    switch (*at_) {
      case '{':
        return object(out, depth + 1);
      case '[':
        return array(out, depth + 1);
      case '"': {
        out = Tree::string_t{};
        return string(out.get_ref<Tree::string_t&>());
      }
      case 't':
        return word("true", true, out);
      case 'f':
        return word("false", false, out);
      case 'n':
        return word("null", nullptr, out);
      case 'N':
        return word("NaN", std::numeric_limits<double>::quiet_NaN(), out);
      case 'I':
        return word("Infinity", std::numeric_limits<double>::infinity(), out);
      default:
        return number(out);
    }
  }

  template <class T>
  bool word(std::string_view name, T meaning, Tree& out) {
    if (starts(name)) {
      at_ += name.size();
      out = meaning;
      return true;
    }
    if (left() < name.size() && name.starts_with(std::string_view(at_, left()))) return truncated("a word");
    return unexpected("a value");
  }

  bool number(Tree& out) {
    if (starts("-I")) {
      ++at_;
      return word("Infinity", -std::numeric_limits<double>::infinity(), out);
    }
    const char* const first = at_;
    const auto digits = [&] {
      const char* const from = at_;
      while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
      return at_ != from;
    };
    const auto missing = [&](const char* wanted) {
      return at_ == end_ ? truncated("a number") : unexpected(wanted);
    };
    if (*at_ == '-') ++at_;
    const char* const whole = at_;
    if (!digits()) return missing(at_ == first ? "a value" : "a digit");
    if (*whole == '0' && at_ - whole > 1) {
      at_ = whole;
      return fail("not JSON, a number begins with 0");
    }
    bool integer = true;
    if (at_ != end_ && *at_ == '.') {
      integer = false;
      ++at_;
      if (!digits()) return missing("a digit");
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      integer = false;
      ++at_;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits()) return missing("a digit");
    }
    const std::string_view text(first, static_cast<std::size_t>(at_ - first));
    if (!integer) {
      double real = 0;
      decimal(text, real);
      out = real;
      return true;
    }
    std::int64_t small = 0;
    std::uint64_t large = 0;
    if (std::from_chars(first, at_, small).ec == std::errc{}) {
      out = small;
    } else if (*first != '-' && std::from_chars(first, at_, large).ec == std::errc{}) {
      out = large;
    } else {
      out = std::string(text);
    }
    return true;
  }

  /// Reads the four digits of \uXXXX; at_ stands behind the u.
  bool hex4(char32_t& unit) {
    unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ == end_) return truncated("a string");
      const char c = *at_;
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return unexpected("a hexadecimal digit");
      unit = unit * 16 + static_cast<char32_t>(digit);
    }
    return true;
  }

  bool escape(std::string& out) {
    ++at_;
    if (at_ == end_) return truncated("a string");
    static constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = kNames.find(*at_); i != std::string_view::npos) {
      out += kMeanings[i];
      ++at_;
      return true;
    }
    if (*at_ != 'u') return unexpected("an escape");
    const std::string place = " at byte " + std::to_string(at_ - 1 - begin_);
    ++at_;
    char32_t unit = 0;
    if (!hex4(unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && starts("\\u")) {
      const char* const behind_high = at_;
      at_ += 2;
      char32_t low = 0;
      if (!hex4(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = behind_high;
      }
    }
    if (unit >= 0xD800 && unit < 0xE000) {
      warnings_.push_back(where_ + ": the lone surrogate" + place + " was replaced by U+FFFD");
    }
    text::append_utf8(out, unit);
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    for (;;) {
      const char* const from = at_;
      while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) ++at_;
      out.append(from, at_);
      if (at_ == end_) return truncated("a string");
      if (*at_ == '"') {
        ++at_;
        return true;
      }
      if (*at_ != '\\') return fail("not JSON, an unescaped control character in a string");
      if (!escape(out)) return false;
    }
  }

  bool array(Tree& out, int depth) {
    if (depth > kDepthMax) return fail("nesting above 512 levels");
    out = Tree::array_t{};
    auto& list = out.get_ref<Tree::array_t&>();
    ++at_;
    blanks();
    if (starts("]")) {
      ++at_;
      return true;
    }
    for (;;) {
      blanks();
      list.emplace_back();
      if (!value(list.back(), depth)) return false;
      blanks();
      if (at_ == end_) return truncated("a list");
      if (*at_ != ',' && *at_ != ']') return unexpected("',' or ']'");
      if (*at_++ == ']') return true;
    }
  }

  bool object(Tree& out, int depth) {
    if (depth > kDepthMax) return fail("nesting above 512 levels");
    out = Tree::object_t{};
    Members& members = out.get_ref<Tree::object_t&>();
    std::unordered_map<std::string, std::size_t> places;
    ++at_;
    blanks();
    if (starts("}")) {
      ++at_;
      return true;
    }
    for (;;) {
      blanks();
      if (at_ == end_) return truncated("an object");
      if (*at_ != '"') return unexpected("a key");
      std::string key;
      if (!string(key)) return false;
      blanks();
      if (at_ == end_) return truncated("an object");
      if (*at_ != ':') return unexpected("':'");
      ++at_;
      blanks();
      Tree* const slot = member(members, places, std::move(key));
      if (!value(*slot, depth)) return false;
      blanks();
      if (at_ == end_) return truncated("an object");
      if (*at_ != ',' && *at_ != '}') return unexpected("',' or '}'");
      if (*at_++ == '}') return true;
    }
  }

  /// The place of `key`'s value: a new one, or that of an equal key before it.
  Tree* member(Members& members, std::unordered_map<std::string, std::size_t>& places, std::string key) {
    std::size_t found = members.size();
    if (members.size() < kManyKeys) {
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (members[i].first == key) found = i;
      }
    } else {
      if (places.empty()) {
        for (std::size_t i = 0; i < members.size(); ++i) places.emplace(members[i].first, i);
      }
      found = places.emplace(key, members.size()).first->second;
    }
    if (found < members.size()) {
      warnings_.push_back(where_ + ": the key '" + printable(key) +
                          "' occurs twice in one object before byte " + std::to_string(at_ - begin_) +
                          "; the last value is used");
      return &members[found].second;
    }
    members.emplace_back(std::move(key), nullptr);
    return &members.back().second;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  const std::string& where_;
  std::vector<std::string>& warnings_;
  std::string problem_;
};

}  // namespace

std::size_t invalid_utf8_at(std::string_view text) {
  text::CodePoint c;
  for (std::size_t at = 0; at < text.size(); at += c.length) {
    c = text::decode_at(text, at);
    if (!c.valid) return at;
  }
  return std::string_view::npos;
}

Result<Tree> parse_tolerant(std::string_view text, const std::string& where,
                            std::vector<std::string>& warnings) {
  if (!text::is_valid_utf8(text)) {
    return Error{Code::kData, where + ": invalid UTF-8 at byte " + std::to_string(invalid_utf8_at(text)),
                 where};
  }
  return Parser(text, where, warnings).run();
}

bool read_number(const Tree& value, double& number, bool booleans) {
  if (value.is_number()) {
    number = value.get<double>();
    return true;
  }
  if (value.is_boolean()) {
    if (!booleans) return false;
    number = value.get<bool>() ? 1 : 0;
    return true;
  }
  if (!value.is_string()) return false;
  std::string_view text = trimmed(value.get_ref<const std::string&>());
  if (booleans && (text == "True" || text == "true" || text == "False" || text == "false")) {
    number = text.front() == 'T' || text.front() == 't' ? 1 : 0;
    return true;
  }
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  if (text.empty() || text.find('(') != std::string_view::npos) return false;  // "nan(...)" is C, not a log
  return decimal(text, number);
}

std::string plain_text(const Tree& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    const double number = value.get<double>();
    std::string text = number_text(number);
    // 1.0 and 1 are written differently by the source, so they stay different texts.
    if (std::isfinite(number) && text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
  }
  return value.dump(-1, ' ', false, Tree::error_handler_t::replace);
}

}  // namespace assay::host::interop
