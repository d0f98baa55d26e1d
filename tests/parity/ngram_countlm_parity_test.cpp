// countlm on the planted unlearning corpus: generation, probabilities and the unlearning identities of the
// five models that need no wrapper.
#include <simdjson.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <sstream>

#include "plugins/models/ngram/ngram.hpp"
#include "tests/support/data.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::ngram;  // NOLINT: a test of this namespace

namespace {

using assay::test::check_near;

constexpr const char* kRefusal = "i do not know .";

struct Row {
  std::string role, form, prompt, answer;
};

struct Item {
  std::string role, name, alias, question, paraphrase, cloze, alias_question, answer;
  std::vector<std::string> perturbed;
};

struct Corpus {
  std::vector<Row> rows;
  std::vector<Item> items;
  std::vector<std::string> words;
};

std::vector<std::string> split(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Corpus read_corpus(const std::filesystem::path& folder) {
  Corpus corpus;
  simdjson::dom::parser parser;
  const auto text_of = [](simdjson::dom::element row, const char* key) {
    return std::string(row[key].get_string().value());
  };
  corpus.words = {std::string(kUnkWord), std::string(kEosWord)};
  const auto learn = [&](const std::string& text) {
    for (const std::string& word : split(text)) {
      if (std::find(corpus.words.begin(), corpus.words.end(), word) == corpus.words.end()) {
        corpus.words.push_back(word);
      }
    }
  };
  std::ifstream rows(folder / "corpus.jsonl");
  for (std::string line; std::getline(rows, line);) {
    const simdjson::dom::element row = parser.parse(line);
    corpus.rows.push_back(
        {text_of(row, "role"), text_of(row, "form"), text_of(row, "prompt"), text_of(row, "answer")});
    learn(corpus.rows.back().prompt);
    learn(corpus.rows.back().answer);
  }
  learn(kRefusal);
  std::ifstream items(folder / "items.jsonl");
  for (std::string line; std::getline(items, line);) {
    const simdjson::dom::element row = parser.parse(line);
    Item item{text_of(row, "role"),
              text_of(row, "name"),
              text_of(row, "alias"),
              text_of(row, "question"),
              text_of(row, "paraphrased_question"),
              text_of(row, "cloze"),
              text_of(row, "alias_question"),
              text_of(row, "answer"),
              {}};
    for (const auto value : row["perturbed_answer"].get_array())
      item.perturbed.emplace_back(value.get_string().value());
    corpus.items.push_back(std::move(item));
  }
  return corpus;
}

Model make(const Corpus& corpus, double lambda = 0.0) {
  Config config;
  config.estimator = Estimator::kCountlm;
  config.order = 7;  // contexts of 0 .. 6 tokens
  config.tokenizer = TokenizerKind::kSpace;
  config.words = corpus.words;
  config.cache_lambda = lambda;
  auto model = Model::create(std::move(config));
  REQUIRE(model.ok());
  return std::move(*model);
}

Model trained(const Corpus& corpus, bool with_forget, double lambda = 0.0) {
  Model model = make(corpus, lambda);
  for (const Row& row : corpus.rows) {
    if (row.role == "retain" || (with_forget && row.role == "forget")) {
      REQUIRE(model.train_pair(row.prompt, row.answer).ok());
    }
  }
  return model;
}

std::string generated(const Model& model, const std::string& prompt) {
  GenerateParams params;
  params.max_tokens = 8;
  params.sampling.temperature = 0;
  const auto made = generate(model, prompt, params);
  REQUIRE(made.ok());
  return made->text;
}

/// ROUGE-L recall over runs of letters and digits, lower-cased. The invented words have no English endings,
/// and "know" has none, so that a stemmer would change nothing here.
double rouge_l_recall(const std::string& reference, const std::string& text) {
  const auto tokens = [](const std::string& raw) {
    std::vector<std::string> out(1);
    for (const char c : raw) {
      const bool upper = c >= 'A' && c <= 'Z';
      if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
        out.back().push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
      } else if (!out.back().empty()) {
        out.emplace_back();
      }
    }
    if (out.back().empty()) out.pop_back();
    return out;
  };
  const std::vector<std::string> a = tokens(reference);
  const std::vector<std::string> b = tokens(text);
  std::vector<std::vector<std::size_t>> lcs(a.size() + 1, std::vector<std::size_t>(b.size() + 1, 0));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      lcs[i][j] = a[i - 1] == b[j - 1] ? lcs[i - 1][j - 1] + 1 : std::max(lcs[i - 1][j], lcs[i][j - 1]);
    }
  }
  return static_cast<double>(lcs[a.size()][b.size()]) / static_cast<double>(a.size());
}

/// Mean negative log-probability of the answer's tokens and EOS.
double loss(const Model& model, const std::string& prompt, const std::string& answer) {
  std::vector<Id> context;
  std::vector<Id> ids;
  model.tokenizer().encode_ids(prompt, context);
  model.tokenizer().encode_ids(answer, ids);
  ids.push_back(model.tokenizer().eos());
  const auto scores = model.score(context, ids);
  REQUIRE(scores.ok());
  double sum = 0;
  for (const TokenStats& token : *scores) sum -= token.logprob;
  return sum / static_cast<double>(ids.size());
}

double mean_recall(const Model& model, const Corpus& corpus, const std::string& role, std::size_t every,
                   const std::function<std::pair<std::string, std::string>(const Item&)>& probe) {
  double sum = 0;
  double n = 0;
  std::size_t index = 0;
  for (const Item& item : corpus.items) {
    if (item.role != role || index++ % every != 0) continue;
    const auto [prompt, reference] = probe(item);
    sum += rouge_l_recall(reference, generated(model, prompt));
    n += 1;
  }
  return sum / n;
}

void check_generation(const Model& model, const Corpus& corpus, simdjson::dom::element wanted) {
  const auto check = [&](const char* key, const char* role, std::size_t every, auto probe) {
    INFO(key);
    check_near(mean_recall(model, corpus, role, every, probe), wanted[key].get_double().value(), 1e-12);
  };
  using Pair = std::pair<std::string, std::string>;
  check("forget/base", "forget", 1, [](const Item& item) { return Pair{item.question, item.answer}; });
  check("forget/paraphrase", "forget", 1, [](const Item& item) {
    return Pair{item.paraphrase, item.answer};
  });
  check("forget/cloze", "forget", 1, [](const Item& item) { return Pair{item.cloze, item.answer}; });
  check("forget/alias", "forget", 1, [](const Item& item) { return Pair{item.alias_question, item.answer}; });
  check("forget/answer_prefix1", "forget", 1, [](const Item& item) {
    const std::size_t cut = item.answer.find(' ');
    return Pair{item.question + " " + item.answer.substr(0, cut), item.answer.substr(cut + 1)};
  });
  check("retain/base(every 8th item)", "retain", 8, [](const Item& item) {
    return Pair{item.question, item.answer};
  });
}

double auroc_above(const std::vector<double>& positive, const std::vector<double>& negative) {
  double wins = 0;
  for (const double a : positive) {
    for (const double b : negative) wins += a > b ? 1.0 : (a == b ? 0.5 : 0.0);
  }
  return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

void check_scores(const Model& model, const Corpus& corpus, simdjson::dom::element wanted) {
  double forget_prob = 0;
  double retain_prob = 0;
  double ratio = 0;
  std::vector<double> forget_loss;
  std::vector<double> holdout_loss;
  std::size_t retained = 0;
  for (const Item& item : corpus.items) {
    const double base = loss(model, item.question, item.answer);
    if (item.role == "retain") {
      retain_prob += std::exp(-base);
      ++retained;
    } else if (item.role == "holdout") {
      holdout_loss.push_back(base);
    } else {
      forget_prob += std::exp(-base);
      forget_loss.push_back(base);
      double wrong = 0;
      for (const std::string& answer : item.perturbed) wrong += loss(model, item.question, answer);
      const double r = std::exp(base - wrong / static_cast<double>(item.perturbed.size()));
      ratio += std::min(r, 1.0 / r);
    }
  }
  const auto n = static_cast<double>(forget_loss.size());
  check_near(forget_prob / n, wanted["forget Prob"].get_double().value(), 1e-9);
  check_near(retain_prob / static_cast<double>(retained), wanted["retain Prob"].get_double().value(), 1e-9);
  check_near(ratio / n, wanted["forget TruthRatio"].get_double().value(), 1e-9);
  // A member has the smaller loss.
  check_near(auroc_above(holdout_loss, forget_loss), wanted["AUC_ou LOSS"].get_double().value(), 1e-9);
}

/// Every probability after every prompt and half-finished answer of the corpus, as one list.
std::vector<double> all_probabilities(const Model& model, const Corpus& corpus) {
  std::vector<double> all;
  std::vector<double> p(model.vocab_size());
  for (const Item& item : corpus.items) {
    for (const std::string& prompt : {item.question, item.alias_question + " " + item.answer}) {
      auto state = model.begin(prompt);
      REQUIRE(state.ok());
      state->distribution(p);
      all.insert(all.end(), p.begin(), p.end());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("countlm parity: generation, probabilities and identities on the planted corpus") {
  ASSAY_NEEDS_DATA(root);
  const Corpus corpus = read_corpus(root / "unlearning/planted");
  simdjson::dom::parser parser;
  const simdjson::dom::element expected = parser.load((root / "unlearning/planted/EXPECTED.json").string());
  CHECK(corpus.words.size() == expected["vocab"].get_uint64().value());

  const Model untouched = trained(corpus, true);
  Model original = untouched;
  Model retrain = trained(corpus, false);
  Model exact = original;
  Model partial = original;
  for (const Row& row : corpus.rows) {
    if (row.role != "forget") continue;
    REQUIRE(exact.unlearn_pair(row.prompt, row.answer).ok());
    if (row.form == "F1") REQUIRE(partial.unlearn_pair(row.prompt, row.answer).ok());
  }
  Model refusal = exact;
  for (const Row& row : corpus.rows) {
    if (row.role == "forget" && row.form == "F1") REQUIRE(refusal.train_pair(row.prompt, kRefusal, 3).ok());
  }
  const auto check = [&](const char* name, Model& model) {
    INFO(name);
    REQUIRE(model.finalise().ok());
    check_generation(model, corpus, expected["generation_rougeL_recall_stem"][name]);
    check_scores(model, corpus, expected["scores"][name]);
  };
  check("original", original);
  check("retrain", retrain);
  check("exact", exact);
  check("partial", partial);
  check("refusal_tuned", refusal);

  CHECK(exact.save() == retrain.save());
  CHECK(exact.fingerprint() == retrain.fingerprint());
  CHECK(all_probabilities(exact, corpus) == all_probabilities(retrain, corpus));
  CHECK(all_probabilities(partial, corpus) != all_probabilities(retrain, corpus));
  for (auto row = corpus.rows.rbegin(); row != corpus.rows.rend(); ++row) {
    if (row->role == "forget") REQUIRE(exact.train_pair(row->prompt, row->answer).ok());
  }
  CHECK(exact.save() == untouched.save());
  // Holdout rows were never trained.
  for (const Row& row : corpus.rows) {
    if (row.role != "holdout") continue;
    const auto refused = exact.unlearn_pair(row.prompt, row.answer);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().key == kNotTrained);
  }
}

TEST_CASE("countlm parity: in-context reintroduction with the prompt cache") {
  ASSAY_NEEDS_DATA(root);
  const Corpus corpus = read_corpus(root / "unlearning/planted");
  simdjson::dom::parser parser;
  const simdjson::dom::element expected = parser.load((root / "unlearning/planted/EXPECTED.json").string());
  const auto context = [&](const Item& item, int level) -> std::string {
    if (level == 0) return item.question;
    if (level == 1) return item.name + " has " + item.alias + " ; " + item.question;
    if (level == 3) return item.question + " " + item.answer + " " + item.question;
    std::string others;
    int found = 0;
    for (const Item& other : corpus.items) {
      if (other.name != item.name || other.question == item.question || found == 2) continue;
      others += other.question + " " + other.answer + " ";
      ++found;
    }
    return others + item.question;
  };
  const auto check = [&](const char* name, Model model) {
    REQUIRE(model.finalise().ok());
    for (int level = 0; level <= 3; ++level) {
      const std::string key = std::string(name) + "/level" + std::to_string(level);
      INFO(key);
      const double recall = mean_recall(model, corpus, "forget", 1, [&](const Item& item) {
        return std::pair<std::string, std::string>{context(item, level), item.answer};
      });
      check_near(recall, expected["icr_cache1_rougeL_recall"][key].get_double().value(), 1e-12);
    }
  };
  check("original", trained(corpus, true, 1.0));
  check("retrain", trained(corpus, false, 1.0));
  Model exact = trained(corpus, true, 1.0);
  for (const Row& row : corpus.rows) {
    if (row.role == "forget") REQUIRE(exact.unlearn_pair(row.prompt, row.answer).ok());
  }
  check("exact", std::move(exact));
}
