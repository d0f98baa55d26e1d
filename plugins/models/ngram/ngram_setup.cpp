// Creation of `assay.ngram`: vocabulary, training, unlearning and tuning as the parameters say.
#include <algorithm>
#include <mutex>
#include <string_view>
#include <unordered_set>

#include "ngram_model.hpp"

namespace assay::ngram {
namespace {

Error wrong(std::string text, std::string key) {
  return Error{Code::kInvalidArgument, std::move(text), std::move(key)};
}

Error blame(Error error, std::string_view key) {
  error.text = std::string(key) + ": " + error.text;
  error.key = key;
  return error;
}

bool is_white(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Calls `use` for every word of a text (space) or every piece of it (word).
template <class Use>
void each_word(std::string_view text, bool space, Use&& use) {
  while (!text.empty()) {
    std::size_t length = 0;
    if (space) {
      if (is_white(text.front())) {
        text.remove_prefix(1);
        continue;
      }
      while (length < text.size() && !is_white(text[length])) ++length;
    } else {
      length = piece_length(text);
    }
    use(text.substr(0, length));
    text.remove_prefix(length);
  }
}

/// Distinct words in order of first appearance. The special names are never words of a text.
class WordSet {
 public:
  void add(std::string_view word, bool space) {
    if (space && (word == kEosWord || word == kUnkWord)) return;
    if (known_.emplace(word).second) words_.emplace_back(word);
  }
  std::vector<std::string>& words() { return words_; }

 private:
  std::unordered_set<std::string> known_;
  std::vector<std::string> words_;
};

}  // namespace

Result<void> NgramModel::check_parameters() const {
  const bool byte = tokenizer_.get() == "byte";
  if (byte && (word_list_.is_set() || vocabulary_.is_set())) {
    const std::string key = word_list_.is_set() ? "word_list" : "vocabulary";
    return wrong("'" + key +
                     "' was given, but the tokenizer is byte, which has no list; remove it or choose "
                     "tokenizer=word or tokenizer=space",
                 key);
  }
  if (word_list_.is_set() && vocabulary_.is_set()) {
    return wrong("'word_list' and 'vocabulary' were both given; a model has one vocabulary, keep one of them",
                 "vocabulary");
  }
  const auto needs_source = [&](const Param<Path>& file, const std::vector<std::string>& roles,
                                const std::vector<std::string>& forms, const char* name) -> Result<void> {
    if (file.is_set() || train_.is_set() || (roles.empty() && forms.empty())) return {};
    return wrong("'" + std::string(name) + "_roles' or '" + name + "_forms' selects rows, but neither '" +
                     name + "' nor 'train' names a file",
                 name);
  };
  if (!train_.is_set() && !(train_roles_.get().empty() && train_forms_.get().empty())) {
    return wrong("'train_roles' or 'train_forms' selects rows, but 'train' names no file", "train");
  }
  if (auto done = needs_source(unlearn_, unlearn_roles_, unlearn_forms_, "unlearn"); !done) return done;
  if (auto done = needs_source(tune_, tune_roles_, tune_forms_, "tune"); !done) return done;
  if (!load_.is_set()) return {};
  for (const Param<Path>* other : {&train_, &word_list_, &vocabulary_}) {
    if (other->is_set()) {
      return wrong("'load' and '" + other->key() +
                       "' were both given; a loaded model brings its counts and its "
                       "vocabulary, remove one of the two",
                   "load");
    }
  }
  return {};
}

Result<std::vector<std::string>> NgramModel::learn_words(const DocumentFile& source, bool space) const {
  WordSet found;
  auto done = source.each([&](const Document& document) -> Result<void> {
    const auto add = [&](std::string_view word) { found.add(word, space); };
    if (space) {
      each_word(document.prompt, true, add);
      each_word(document.text, true, add);
    } else {
      each_word(whole_text(document.prompt, document.text), false, add);
    }
    return {};
  });
  if (!done) return std::move(done).error();
  each_word(extra_words_.get(), space, [&](std::string_view word) { found.add(word, space); });
  std::vector<std::string> words = std::move(found.words());
  if (!space || vocabulary_order_.get() == "sorted") std::sort(words.begin(), words.end());
  if (!space) return words;
  std::vector<std::string> special;
  const std::string_view wanted = special_words_.get().text;
  if (wanted == "unk_eos" || wanted == "unk") special.emplace_back(kUnkWord);
  if (wanted == "unk_eos" || wanted == "eos") special.emplace_back(kEosWord);
  words.insert(words.begin(), special.begin(), special.end());
  return words;
}

Result<std::vector<std::string>> NgramModel::make_words(const DocumentFile* train_file) {
  const bool space = tokenizer_.get() == "space";
  if (tokenizer_.get() == "byte") return std::vector<std::string>{};
  if (word_list_.is_set()) {
    auto words = read_word_list(word_list_.get().text);
    if (!words) return blame(std::move(words).error(), "word_list");
    std::unordered_set<std::string> known(words->begin(), words->end());
    each_word(extra_words_.get(), space, [&](std::string_view word) {
      if (known.emplace(word).second) words->emplace_back(word);
    });
    return words;
  }
  if (!vocabulary_.is_set() && train_file == nullptr) {
    return wrong("the tokenizer " + tokenizer_.get().text +
                     " needs a vocabulary: give 'word_list', 'vocabulary' or "
                     "'train'",
                 "word_list");
  }
  if (vocabulary_.is_set()) {
    auto source = DocumentFile::open(vocabulary_.get().text, role_field_);
    if (!source) return blame(std::move(source).error(), "vocabulary");
    auto words = learn_words(*source, space);
    if (!words) return blame(std::move(words).error(), "vocabulary");
    return words;
  }
  // The words of a corpus file with roles are fixed whatever is trained and removed of it. The words of plain
  // text, or pieces, are learned from the training text, so that they would give away forgotten documents.
  words_learned_ = !space || !train_file->is_json();
  auto words = learn_words(*train_file, space);
  if (!words) return blame(std::move(words).error(), "train");
  return words;
}

Result<void> NgramModel::make_model(const DocumentFile* train_file) {
  if (load_.is_set()) {
    auto loaded = ngram::Model::load_file(load_.get().text);
    if (!loaded) return blame(std::move(loaded).error(), "load");
    words_learned_ = loaded->tokenizer().kind() != TokenizerKind::kByte;
    model_.emplace(std::move(*loaded));
    return {};
  }
  Config config;
  auto estimator = parse_estimator(estimator_.get().text);
  if (!estimator) return std::move(estimator).error();
  auto kind = parse_tokenizer(tokenizer_.get().text);
  if (!kind) return std::move(kind).error();
  auto words = make_words(train_file);
  if (!words) return std::move(words).error();
  config.estimator = *estimator;
  config.tokenizer = *kind;
  config.order = static_cast<int>(std::clamp<std::int64_t>(order_, 0, kMaxOrder + 1));
  config.words = std::move(*words);
  config.beta = beta_;
  config.cache_lambda = cache_lambda_;
  auto made = ngram::Model::create(std::move(config));
  if (!made) {
    Error error = std::move(made).error();
    if (error.key.starts_with("words")) {
      error.key = word_list_.is_set() ? "word_list" : vocabulary_.is_set() ? "vocabulary" : "train";
      if (word_list_.is_set()) error.text = word_list_.get().text + ": " + error.text;
    }
    return error;
  }
  model_.emplace(std::move(*made));
  return {};
}

Result<void> NgramModel::forget(ngram::Model& model, std::string_view prompt, std::string_view text,
                                std::uint64_t copies) const {
  const std::string whole = whole_text(prompt, text);
  const auto every = static_cast<std::uint64_t>(inexact_every_.get());
  Result<void> done;
  if (every == 0) {
    done = model.unlearn(whole, copies);
  } else {
    for (std::uint64_t i = 0; i < copies && done; ++i) done = model.unlearn_fraction(whole, every);
  }
  if (!done && done.error().key == kNotTrained) done.error().text = "not_trained: " + done.error().text;
  return done;
}

Result<void> NgramModel::apply_files(const DocumentFile* train_file) {
  ngram::Model& model = *model_;
  if (train_file != nullptr) {
    auto done = train_file->each_kept({train_roles_, train_forms_}, [&](const Document& document) {
      return model.train(whole_text(document.prompt, document.text), document.copies);
    });
    if (!done) return blame(std::move(done).error(), "train");
  }
  const auto rows_of = [&](const Param<Path>& path, const DocumentFilter& filter,
                           const DocumentFile::Visit& visit) -> Result<void> {
    if (!path.is_set() && filter.keeps_all()) return {};
    if (!path.is_set() && train_file != nullptr) return train_file->each_kept(filter, visit);
    auto file = DocumentFile::open(path.get().text, role_field_);
    if (!file) return std::move(file).error();
    return file->each_kept(filter, visit);
  };
  auto removed = rows_of(unlearn_, {unlearn_roles_, unlearn_forms_}, [&](const Document& document) {
    return forget(model, document.prompt, document.text, document.copies);
  });
  if (!removed) return blame(std::move(removed).error(), "unlearn");
  auto tuned = rows_of(tune_, {tune_roles_, tune_forms_}, [&](const Document& document) {
    const std::string_view answer =
        tune_answer_.get().empty() ? document.text : std::string_view(tune_answer_.get());
    return model.train(whole_text(document.prompt, answer),
                       document.copies * static_cast<std::uint64_t>(tune_copies_.get()));
  });
  if (!tuned) return blame(std::move(tuned).error(), "tune");
  return {};
}

Result<void> NgramModel::configure() {
  if (auto checked = check_parameters(); !checked) return checked;
  std::optional<DocumentFile> train_file;
  if (train_.is_set()) {
    auto opened = DocumentFile::open(train_.get().text, role_field_);
    if (!opened) return blame(std::move(opened).error(), "train");
    train_file.emplace(std::move(*opened));
  }
  const DocumentFile* source = train_file ? &*train_file : nullptr;
  if (auto made = make_model(source); !made) return made;
  if (auto applied = apply_files(source); !applied) return applied;
  return model_->finalise();
}

template <class Change>
Result<void> NgramModel::replace(Change&& change) {
  const std::unique_lock lock(mutex_);
  ngram::Model next = *model_;
  if (auto done = change(next); !done) return done;
  if (auto done = next.finalise(); !done) return done;
  model_.emplace(std::move(next));
  return {};
}

namespace {

Result<std::uint64_t> copies_of(const assay_document& document) {
  if (document.copies >= 1) return static_cast<std::uint64_t>(document.copies);
  return wrong("the document has copies = " + std::to_string(document.copies) + "; at least 1 is expected",
               "copies");
}

Error at_document(Error error, std::size_t i) {
  return std::move(error).within("document " + std::to_string(i + 1));
}

}  // namespace

Result<void> NgramModel::train(std::span<const assay_document> documents, Call& call) {
  return replace([&](ngram::Model& next) -> Result<void> {
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (call.cancelled())
        return Error{Code::kCancelled, "training was stopped; the model is unchanged", {}};
      const auto copies = copies_of(documents[i]);
      if (!copies) return at_document(copies.error(), i);
      auto done = next.train(whole_text(view(documents[i].prompt), view(documents[i].text)), *copies);
      if (!done) return at_document(std::move(done).error(), i);
    }
    return {};
  });
}

Result<void> NgramModel::unlearn(std::span<const assay_document> documents, Call& call) {
  return replace([&](ngram::Model& next) -> Result<void> {
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (call.cancelled())
        return Error{Code::kCancelled, "unlearning was stopped; the model is unchanged", {}};
      const auto copies = copies_of(documents[i]);
      if (!copies) return at_document(copies.error(), i);
      auto done = forget(next, view(documents[i].prompt), view(documents[i].text), *copies);
      if (!done) return at_document(std::move(done).error(), i);
    }
    return {};
  });
}

Result<void> NgramModel::reset() {
  return replace([](ngram::Model& next) -> Result<void> {
    Config config;
    config.estimator = next.estimator();
    config.order = next.order();
    config.tokenizer = next.tokenizer().kind();
    config.words = next.tokenizer().words();
    config.beta = next.beta();
    config.cache_lambda = next.cache_lambda();
    auto blank = ngram::Model::create(std::move(config));
    if (!blank) return std::move(blank).error();
    next = std::move(*blank);
    return {};
  });
}

}  // namespace assay::ngram
