// Text to token ids and back. Three closed vocabularies; none is learned from training text, because a
// vocabulary that depends on forgotten text would leak it (model-backends 1.1).
//
// Thread rule: const after creation, shareable.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "types.hpp"

namespace assay::ngram {

using Sha256 = std::array<unsigned char, 32>;
/// SHA-256 of a byte string.
Sha256 sha256(std::string_view bytes);
/// Lower-case hexadecimal, 64 characters.
std::string to_hex(const Sha256& digest);

/// Byte range of a token in the text it came from: [begin, end).
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const ByteSpan&, const ByteSpan&) = default;
};

/// Token ids of a text with their byte ranges; both vectors have the same length. EOS is never included.
struct Encoded {
  std::vector<Id> ids;
  std::vector<ByteSpan> spans;
};

/// Tokens of prefix + continuation and where the continuation starts among them.
struct Tail {
  Encoded all;                   ///< tokens of the joined text
  std::size_t first = 0;         ///< index of the first token that belongs to the continuation
  bool boundary_merged = false;  ///< a token lies across the border and counts as continuation
};

class Tokenizer {
 public:
  /// Errors: kInvalidArgument when the list has an empty, repeated or unusable entry (with its line), when
  /// `byte` is given a list, or when `space` has none.
  static Result<std::shared_ptr<const Tokenizer>> create(TokenizerKind kind, std::vector<std::string> words);

  Tokenizer(const Tokenizer&) = delete;  // the index points into the list
  Tokenizer& operator=(const Tokenizer&) = delete;

  [[nodiscard]] TokenizerKind kind() const { return kind_; }
  /// Number of predictable tokens |V|, EOS included where there is one.
  [[nodiscard]] Id vocab_size() const { return vocab_size_; }
  /// Id of EOS, or kNoId for a `space` list without "<eos>".
  [[nodiscard]] Id eos() const { return eos_; }
  /// Context-only begin symbol.
  [[nodiscard]] Id bos() const { return vocab_size_; }
  /// Stands for a word outside a `space` list that has no "<unk>".
  [[nodiscard]] Id outside() const { return vocab_size_ + 1; }
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }
  /// SHA-256 over the kind and the list; equal for equal vocabularies only.
  [[nodiscard]] const Sha256& digest() const { return digest_; }

  [[nodiscard]] Encoded encode(std::string_view text) const;
  /// Same ids, without the cost of the byte ranges. `out` is replaced.
  void encode_ids(std::string_view text, std::vector<Id>& out) const;
  /// Tokens of a continuation by the rule `joint-tail` (model-backends 0): the tail of the joined text when
  /// its tokens begin with those of the prefix, else every token that overlaps the continuation's bytes.
  [[nodiscard]] Tail encode_tail(std::string_view prefix, std::string_view continuation) const;

  /// Text of one token; empty for EOS, BOS and unknown ids (a `space` list's "<unk>" gives its name).
  [[nodiscard]] std::string_view piece(Id id) const;
  /// Text of a sequence: concatenated, or joined by single blanks for `space`. EOS contributes nothing.
  [[nodiscard]] std::string decode(std::span<const Id> ids) const;

 private:
  Tokenizer() = default;
  Result<void> index_words();
  template <class Emit>
  void scan(std::string_view text, Emit&& emit) const;

  TokenizerKind kind_ = TokenizerKind::kByte;
  Id vocab_size_ = 0;
  Id eos_ = kNoId;
  Id unk_ = kNoId;
  std::vector<std::string> words_;
  std::unordered_map<std::string_view, Id> index_;  // looked up only, never iterated
  std::string bytes_;                               // the 256 one-byte pieces
  Sha256 digest_{};
};

/// Length of the piece that starts at `text[0]` (text not empty) under the cutting rule of `word`: optional
/// one blank and a maximal run of ASCII letters, digits and bytes >= 0x80; or optional one blank and a run of
/// other bytes that are not white space; or one white-space byte.
std::size_t piece_length(std::string_view text);

/// Splits the text of a list file at "\n"; a last line break is optional, "\r" stays part of the entry.
std::vector<std::string> split_word_list(std::string_view text);
/// Reads a list file. Errors: kNotFound when the file cannot be read.
Result<std::vector<std::string>> read_word_list(const std::string& path);

}  // namespace assay::ngram
