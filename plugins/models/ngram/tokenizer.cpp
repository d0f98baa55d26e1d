#include "tokenizer.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace assay::ngram {
namespace {

constexpr Id kByteEos = 256;

bool is_white(unsigned char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_word_byte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

void append_u64(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

Error list_error(std::size_t index, const std::string& word, const std::string& why) {
  return Error{Code::kInvalidArgument,
               "Line " + std::to_string(index + 1) + " of the word list, \"" + word + "\", " + why,
               "words:" + std::to_string(index + 1)};
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
  Sha256 digest{};
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  return digest;
}

std::string to_hex(const Sha256& digest) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(digest.size() * 2);
  for (const unsigned char byte : digest) {
    text.push_back(kDigits[byte >> 4U]);
    text.push_back(kDigits[byte & 15U]);
  }
  return text;
}

std::size_t piece_length(std::string_view text) {
  const std::size_t start = text[0] == ' ' ? 1 : 0;
  if (start == text.size() || is_white(byte_at(text, start))) return 1;
  std::size_t end = start;
  const bool word = is_word_byte(byte_at(text, start));
  while (end < text.size() && !is_white(byte_at(text, end)) && is_word_byte(byte_at(text, end)) == word)
    ++end;
  return end;
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::create(TokenizerKind kind,
                                                           std::vector<std::string> words) {
  if (kind == TokenizerKind::kByte && !words.empty()) {
    return Error{Code::kInvalidArgument,
                 "The tokenizer \"byte\" takes no word list, but " + std::to_string(words.size()) +
                     " entries were given; remove the list or use the tokenizer \"word\".",
                 "words"};
  }
  if (kind == TokenizerKind::kSpace && words.empty()) {
    return Error{
        Code::kInvalidArgument,
        "The tokenizer \"space\" needs a word list, which is its whole vocabulary; give at least one word.",
        "words"};
  }
  if (words.size() > (std::size_t{1} << 30)) {
    return Error{
        Code::kResourceExhausted,
        "The word list has " + std::to_string(words.size()) + " entries; at most 2^30 are supported.",
        "words"};
  }
  std::shared_ptr<Tokenizer> made(new Tokenizer());
  made->kind_ = kind;
  made->words_ = std::move(words);
  if (auto indexed = made->index_words(); !indexed) return std::move(indexed).error();
  std::string canonical(name_of(kind));
  for (const std::string& word : made->words_) {
    append_u64(canonical, word.size());
    canonical += word;
  }
  made->digest_ = sha256(canonical);
  return std::shared_ptr<const Tokenizer>(std::move(made));
}

Result<void> Tokenizer::index_words() {
  const bool bytes = kind_ != TokenizerKind::kSpace;
  const Id base = bytes ? kByteEos + 1 : 0;
  if (bytes) {
    for (int byte = 0; byte < 256; ++byte) bytes_.push_back(static_cast<char>(byte));
    eos_ = kByteEos;
  }
  index_.reserve(words_.size());
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const std::string& word = words_[i];
    if (word.empty()) return list_error(i, word, "is empty; remove the line.");
    if (bytes && piece_length(word) != word.size()) {
      return list_error(
          i, word,
          "can never match: a piece is an optional blank and a run of letters and digits, or of "
          "other signs. Cut the entry by this rule, and check for line ends of another system.");
    }
    if (!bytes) {
      for (std::size_t k = 0; k < word.size(); ++k) {
        if (is_white(byte_at(word, k))) {
          return list_error(i, word, "holds white space, which separates words; remove it.");
        }
      }
    }
    const Id id = base + static_cast<Id>(i);
    // The two special entries stay out of the index: the literal text "<eos>" must not end a document.
    Id* special = nullptr;
    if (!bytes && word == kEosWord) special = &eos_;
    if (!bytes && word == kUnkWord) special = &unk_;
    const bool fresh = special != nullptr ? *special == kNoId : index_.emplace(word, id).second;
    if (!fresh) return list_error(i, word, "occurs twice; every entry must be distinct.");
    if (special != nullptr) *special = id;
  }
  vocab_size_ = base + static_cast<Id>(words_.size());
  return {};
}

template <class Emit>
void Tokenizer::scan(std::string_view text, Emit&& emit) const {
  std::size_t at = 0;
  if (kind_ == TokenizerKind::kByte) {
    for (; at < text.size(); ++at) emit(Id{byte_at(text, at)}, at, at + 1);
    return;
  }
  if (kind_ == TokenizerKind::kWord) {
    while (at < text.size()) {
      const std::size_t length = piece_length(text.substr(at));
      const auto found = index_.find(text.substr(at, length));
      if (found != index_.end()) {
        emit(found->second, at, at + length);
        at += length;
        continue;
      }
      for (const std::size_t end = at + length; at < end; ++at) emit(Id{byte_at(text, at)}, at, at + 1);
    }
    return;
  }
  const Id unknown = unk_ != kNoId ? unk_ : outside();
  while (true) {
    while (at < text.size() && is_white(byte_at(text, at))) ++at;
    if (at == text.size()) return;
    std::size_t end = at;
    while (end < text.size() && !is_white(byte_at(text, end))) ++end;
    const auto found = index_.find(text.substr(at, end - at));
    emit(found != index_.end() ? found->second : unknown, at, end);
    at = end;
  }
}

Encoded Tokenizer::encode(std::string_view text) const {
  Encoded out;
  scan(text, [&](Id id, std::size_t begin, std::size_t end) {
    out.ids.push_back(id);
    out.spans.push_back({begin, end});
  });
  return out;
}

void Tokenizer::encode_ids(std::string_view text, std::vector<Id>& out) const {
  out.clear();
  scan(text, [&](Id id, std::size_t, std::size_t) { out.push_back(id); });
}

Tail Tokenizer::encode_tail(std::string_view prefix, std::string_view continuation) const {
  std::string joined(prefix);
  joined += continuation;
  Tail tail;
  tail.all = encode(joined);
  std::vector<Id> alone;
  encode_ids(prefix, alone);
  const std::vector<Id>& ids = tail.all.ids;
  bool begins = alone.size() <= ids.size() && std::equal(alone.begin(), alone.end(), ids.begin());
  // Equal ids are not enough for a lossy list: two unknown words have the same id but may differ in length.
  begins = begins && (alone.empty() || tail.all.spans[alone.size() - 1].end <= prefix.size());
  if (begins) {
    tail.first = alone.size();
    return tail;
  }
  while (tail.first < ids.size() && tail.all.spans[tail.first].end <= prefix.size()) ++tail.first;
  tail.boundary_merged = tail.first < ids.size() && tail.all.spans[tail.first].begin < prefix.size();
  return tail;
}

std::string_view Tokenizer::piece(Id id) const {
  if (id >= vocab_size_ || id == eos_) return {};
  if (kind_ == TokenizerKind::kSpace) return words_[id];
  if (id < 256) return std::string_view(bytes_).substr(id, 1);
  return words_[id - kByteEos - 1];
}

std::string Tokenizer::decode(std::span<const Id> ids) const {
  std::string text;
  bool first = true;
  for (const Id id : ids) {
    if (id >= vocab_size_ || id == eos_) continue;
    if (kind_ == TokenizerKind::kSpace && !first) text.push_back(' ');
    text += piece(id);
    first = false;
  }
  return text;
}

std::vector<std::string> split_word_list(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

Result<std::vector<std::string>> read_word_list(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Error{Code::kNotFound, "The word list \"" + path + "\" cannot be opened; check the path.", path};
  }
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return Error{Code::kData, "Reading the word list \"" + path + "\" failed.", path};
  return split_word_list(text);
}

}  // namespace assay::ngram
