// The model file. Little endian:
//   magic "ASNGRAM\n", u32 version, u8 estimator, u8 tokenizer, u8 order, u8 field width in bytes,
//   f64 beta, f64 cache_lambda, 32 bytes SHA-256 of the tokenizer, u32 words, then u32 length + bytes of
//   each, u64 events, u64 rows, then per row `order` fields (as GramRows) and u64 count, 32 bytes SHA-256 of
//   all that.
// It says nothing about documents, so nothing about forgotten ones.
#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>

#include "model.hpp"

namespace assay::ngram {
namespace {

constexpr std::string_view kMagic = "ASNGRAM\n";
constexpr std::uint32_t kVersion = 1;

void put(std::string& out, std::uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; ++i) out.push_back(static_cast<char>((value >> (8U * i)) & 0xFFU));
}

std::string_view view(const Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// Bytes needed for the largest field, BOS + 1.
unsigned field_width(Id vocab_size) {
  return (static_cast<unsigned>(std::bit_width(std::uint64_t{vocab_size} + 1U)) + 7U) / 8U;
}

/// Reads forward through untrusted bytes; after the first failure every read gives 0 and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t number(unsigned width) {
    const std::string_view raw = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(raw[i])} << (8U * i);
    }
    return value;
  }
  double real() { return std::bit_cast<double>(number(8)); }
  std::string_view take(std::size_t size) {
    if (size > left()) failed_ = true;
    if (failed_) return {};
    const std::string_view part = bytes_.substr(at_, size);
    at_ += size;
    return part;
  }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] bool ok() const { return !failed_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

Error bad(const Reader& reader, const std::string& what) {
  return Error{Code::kData, "The ngram model file is not valid: " + what + " Save the model again.",
               "offset " + std::to_string(reader.at())};
}

/// Why a row cannot be one of this model's n-grams, or nullptr.
const char* row_defect(const GramShape& shape, const std::uint32_t* field) {
  const auto order = static_cast<std::size_t>(shape.order);
  const std::uint32_t bos = shape.vocab_size + 1;
  std::size_t length = 0;
  while (length + 1 < order && field[length] != 0) ++length;
  for (std::size_t i = length; i + 1 < order; ++i) {
    if (field[i] != 0) return "a context has a gap";
  }
  for (std::size_t i = 0; i < length; ++i) {
    const bool begin = field[i] == bos && shape.bos && i + 1 == length;
    if (field[i] > shape.vocab_size && !begin) return "a context symbol is out of range";
    if (shape.eos != kNoId && field[i] == shape.eos + 1) return "a context holds the end of a document";
  }
  if (length + 1 < order && shape.bos && (length == 0 || field[length - 1] != bos)) {
    return "a short context does not begin a document";
  }
  if (field[order - 1] == 0 || field[order - 1] > shape.vocab_size)
    return "a predicted symbol is out of range";
  return nullptr;
}

Result<GramRows> read_rows(Reader& in, const GramShape& shape, unsigned width, std::uint64_t events) {
  const std::uint64_t count = in.number(8);
  const std::uint64_t row_bytes = std::uint64_t{static_cast<unsigned>(shape.order)} * width + 8U;
  if (!in.ok() || in.left() / row_bytes != count || in.left() % row_bytes != 0) {
    return bad(in, "it announces " + std::to_string(count) + " n-grams, but holds " +
                       std::to_string(in.left()) + " bytes for them.");
  }
  GramRows rows;
  rows.order = shape.order;
  const auto order = static_cast<std::size_t>(shape.order);
  rows.fields.reserve(count * order);
  rows.counts.reserve(count);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    for (std::size_t f = 0; f < order; ++f)
      rows.fields.push_back(static_cast<std::uint32_t>(in.number(width)));
    rows.counts.push_back(in.number(8));
    const std::uint32_t* row = rows.fields.data() + i * order;
    if (const char* defect = row_defect(shape, row); defect != nullptr) {
      return bad(in, "in n-gram " + std::to_string(i + 1) + ", " + defect + ".");
    }
    if (i > 0 && !std::lexicographical_compare(row - order, row, row, row + order)) {
      return bad(in, "n-gram " + std::to_string(i + 1) + " is not above the one before it.");
    }
    if (rows.counts.back() == 0 || rows.counts.back() > events - sum) {
      return bad(in, "the counts up to n-gram " + std::to_string(i + 1) + " do not fit the total.");
    }
    sum += rows.counts.back();
  }
  if (sum != events) return bad(in, "the counts do not add up to the total.");
  return rows;
}

}  // namespace

std::string Model::save() const {
  const GramRows rows = store_->rows();
  const unsigned width = field_width(shape_.vocab_size);
  std::string out(kMagic);
  out.reserve(256 + rows.fields.size() * width + rows.size() * 8);
  put(out, kVersion, 4);
  put(out, static_cast<std::uint64_t>(estimator_), 1);
  put(out, static_cast<std::uint64_t>(tokenizer_->kind()), 1);
  put(out, static_cast<std::uint64_t>(shape_.order), 1);
  put(out, width, 1);
  put(out, std::bit_cast<std::uint64_t>(beta_), 8);
  put(out, std::bit_cast<std::uint64_t>(cache_lambda_), 8);
  out += view(tokenizer_->digest());
  put(out, tokenizer_->words().size(), 4);
  for (const std::string& word : tokenizer_->words()) {
    put(out, word.size(), 4);
    out += word;
  }
  put(out, events_, 8);
  put(out, rows.size(), 8);
  const auto order = static_cast<std::size_t>(rows.order);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t f = 0; f < order; ++f) put(out, rows.fields[i * order + f], width);
    put(out, rows.counts[i], 8);
  }
  out += view(sha256(out));
  return out;
}

Result<Model> Model::load(std::string_view bytes) {
  constexpr std::size_t kDigest = Sha256{}.size();
  Reader in(bytes.size() > kDigest ? bytes.substr(0, bytes.size() - kDigest) : std::string_view());
  if (in.take(kMagic.size()) != kMagic) return bad(in, "it does not begin with the mark of this format.");
  const std::uint64_t version = in.number(4);
  if (!in.ok() || version != kVersion) {
    return bad(in, "it has the version " + std::to_string(version) + "; this program reads version 1.");
  }
  if (view(sha256(bytes.substr(0, bytes.size() - kDigest))) != bytes.substr(bytes.size() - kDigest)) {
    return bad(in, "the checksum does not match; it was cut short or changed.");
  }
  const std::uint64_t estimator = in.number(1);
  const std::uint64_t kind = in.number(1);
  Config config;
  config.order = static_cast<int>(in.number(1));
  const std::uint64_t width = in.number(1);
  config.beta = in.real();
  config.cache_lambda = in.real();
  if (estimator > 4 || kind > 2) return bad(in, "it names an unknown estimator or tokenizer.");
  config.estimator = static_cast<Estimator>(estimator);
  config.tokenizer = static_cast<TokenizerKind>(kind);
  if (std::signbit(config.cache_lambda)) return bad(in, "the cache weight has a minus sign.");
  const std::string digest(in.take(kDigest));
  const std::uint64_t words = in.number(4);
  for (std::uint64_t i = 0; i < words && in.ok(); ++i) config.words.emplace_back(in.take(in.number(4)));
  const std::uint64_t events = in.number(8);
  if (!in.ok()) return bad(in, "it ends inside the word list.");
  if (events > kMaxEvents) return bad(in, "the number of events is out of range.");
  auto model = create(std::move(config));
  if (!model) return std::move(model).error().within("The ngram model file");
  if (view(model->tokenizer_->digest()) != digest)
    return bad(in, "the tokenizer is not the one it was saved with.");
  if (width != field_width(model->shape_.vocab_size)) return bad(in, "the width of its symbols is wrong.");
  auto rows = read_rows(in, model->shape_, static_cast<unsigned>(width), events);
  if (!rows) return std::move(rows).error();
  model->store_->load(*rows);
  model->events_ = events;
  return model;
}

Result<void> Model::save_file(const std::string& path) const {
  const std::string bytes = save();
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    return Error{Code::kResourceExhausted,
                 "Writing the ngram model to \"" + path + "\" failed; check the folder and the free space.",
                 path};
  }
  return {};
}

Result<Model> Model::load_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Error{Code::kNotFound, "The ngram model file \"" + path + "\" cannot be opened; check the path.",
                 path};
  }
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return Error{Code::kData, "Reading the ngram model file \"" + path + "\" failed.", path};
  auto model = load(bytes);
  if (!model) return std::move(model).error().within(path);
  return model;
}

}  // namespace assay::ngram
