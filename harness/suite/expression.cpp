#include "harness/suite/expression.hpp"

#include <algorithm>

#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

constexpr int kNestingMax = 16;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Expression> whole() {
    Result<Expression> expression = call(0);
    if (!expression) return expression;
    skip();
    if (at_ != text_.size()) return fail("the end of the expression");
    return expression;
  }

 private:
  Error fail(const std::string& expected) const {
    const std::string found = at_ < text_.size() ? "'" + printable(text_.substr(at_, 12)) + "'"
                                                 : std::string("the end of the text");
    return {Code::kInvalidArgument,
            "model expression '" + printable(text_) + "', column " + std::to_string(at_ + 1) + ": expected " +
                expected + ", found " + found,
            {}};
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  static bool word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  }
  std::string word() {
    skip();
    const std::size_t start = at_;
    while (at_ < text_.size() && word_char(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::string column() const { return "column " + std::to_string(at_ + 1); }

  Result<Expression> call(int depth) {
    if (depth > kNestingMax) return fail("at most 16 levels of nesting");
    skip();
    Expression expression;
    expression.where = column();
    expression.name = word();
    if (expression.name.empty()) return fail("the name of a model");
    if (Result<void> read = arguments(expression, depth); !read) return std::move(read).error();
    return expression;
  }

  Result<void> arguments(Expression& expression, int depth) {
    if (depth > kNestingMax) return fail("at most 16 levels of nesting");
    if (!take('(') || take(')')) return {};
    do {
      const std::string key = word();
      if (key.empty()) return fail("an argument name");
      for (const auto& [known, unused] : expression.arguments) {
        if (known == key) return fail("each argument once ('" + key + "' is given twice)");
      }
      if (!take('=')) return fail("'=' after '" + key + "'");
      Result<Argument> value = argument(depth + 1);
      if (!value) return std::move(value).error();
      expression.arguments.emplace_back(key, *std::move(value));
    } while (take(','));
    if (!take(')')) return fail("',' or ')'");
    return {};
  }

  Result<Argument> argument(int depth) {
    skip();
    Argument out;
    out.where = column();
    if (at_ >= text_.size()) return fail("a value");
    const char c = text_[at_];
    if (c == '"' || c == '\'') {
      Result<std::string> text = quoted(c);
      if (!text) return std::move(text).error();
      out.value = *std::move(text);
      return out;
    }
    if (c == '[') return list(depth, std::move(out));
    return plain(depth, std::move(out));
  }

  Result<Argument> list(int depth, Argument out) {
    if (depth > kNestingMax) return fail("at most 16 levels of nesting");
    ++at_;
    Argument::List items;
    if (!take(']')) {
      do {
        Result<Argument> item = argument(depth + 1);
        if (!item) return item;
        items.push_back(*std::move(item));
      } while (take(','));
      if (!take(']')) return fail("',' or ']'");
    }
    out.value = std::move(items);
    return out;
  }

  // A number, a truth value, an expression with arguments, a bare word, or a bare path.
  Result<Argument> plain(int depth, Argument out) {
    const std::string text = word();
    if (at_ < text_.size() && text_[at_] == '/') {
      const std::size_t start = at_;
      while (at_ < text_.size() && (word_char(text_[at_]) || text_[at_] == '/' || text_[at_] == '+')) ++at_;
      out.value = text + std::string(text_.substr(start, at_ - start));
      return out;
    }
    if (text.empty()) return fail("a value");
    if (text == "true" || text == "false") {
      out.value = text == "true";
    } else if (const auto integer = parse_int(text)) {
      out.value = *integer;
    } else if (const auto number = parse_double(text)) {
      out.value = *number;
    } else if (skip(), at_ < text_.size() && text_[at_] == '(') {
      auto inner = std::make_shared<Expression>();
      inner->name = text;
      inner->where = out.where;
      if (Result<void> read = arguments(*inner, depth + 1); !read) return std::move(read).error();
      out.value = std::move(inner);
    } else {
      out.value = text;
    }
    return out;
  }

  Result<std::string> quoted(char quote) {
    std::string text;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      char c = text_[at_];
      if (c == '\\' && quote == '"') {
        if (++at_ >= text_.size()) break;
        const char escaped = text_[at_];
        if (escaped == 'n')
          c = '\n';
        else if (escaped == 't')
          c = '\t';
        else if (escaped == '"' || escaped == '\\')
          c = escaped;
        else
          return fail("one of \\n \\t \\\" \\\\ after a backslash");
      }
      text += c;
    }
    if (at_ >= text_.size()) return fail("a closing quote");
    ++at_;
    return text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '"' || c == '\\')
      out += '\\', out += c;
    else
      out += c;
  }
  return out + '"';
}

}  // namespace

Result<Expression> parse_expression(std::string_view text) {
  return Parser(text).whole();
}

std::string to_text(const Argument& argument) {
  switch (argument.value.index()) {
    case 1:
      return std::get<bool>(argument.value) ? "true" : "false";
    case 2:
      return std::to_string(std::get<std::int64_t>(argument.value));
    case 3:
      return number_text(std::get<double>(argument.value));
    case 4:
      return quote(std::get<std::string>(argument.value));
    case 5: {
      std::vector<std::string> parts;
      for (const Argument& item : std::get<Argument::List>(argument.value)) parts.push_back(to_text(item));
      return "[" + join(parts, ", ") + "]";
    }
    case 6:
      return to_text(*std::get<std::shared_ptr<Expression>>(argument.value));
    default:
      return "null";
  }
}

std::string to_text(const Expression& expression) {
  if (expression.arguments.empty()) return expression.name;
  std::vector<std::string> parts;
  for (const auto& [key, value] : expression.arguments) parts.push_back(key + "=" + to_text(value));
  return expression.name + "(" + join(parts, ", ") + ")";
}

}  // namespace assay::host
