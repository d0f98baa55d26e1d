// `assay.ngram` as a plugin class: parameters, files of documents, vocabularies, unlearning by roles.
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "tests/support/data.hpp"
#include "tests/unit/ngram_plugin_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::ngram_test;  // NOLINT: its support
using Catch::Matchers::ContainsSubstring;

TEST_CASE("ngram plugin: documents of both formats, roles, forms and copies") {
  const TempFile rows(kRows);
  const TempFile plain("who ? A: the cat .\nwhat ? A: a dog .\nwhat ? A: a dog .\na dog is what\n");
  CHECK(content(*made({{"train", rows.path()}})) == content(*made({{"train", plain.path()}})));
  const TempFile retained("who ? A: the cat .\n");
  CHECK(content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"retain"}}})) ==
        content(*made({{"train", retained.path()}})));
  CHECK(content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"forget"}}, {"train_forms", {"F2"}}})) !=
        content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"forget"}}})));
  const TempFile split(
      "\xEF\xBB\xBF{\"split\":\"member\",\"id\":0,\"text\":\"a\"}\n{\"split\":\"other\",\"text\":\"b\"}");
  const TempFile one("a\n");
  CHECK(content(*made({{"train", split.path()}, {"role_field", "split"}}, 5,
                      {{"train_roles", {"member"}}})) == content(*made({{"train", one.path()}})));
  const TempFile none("");
  CHECK(content(*made({{"train", none.path()}})) == content(*made({})));
}

TEST_CASE("ngram plugin: unlearning rows equals training without them") {
  const TempFile rows(kRows);
  for (const char* tokenizer : {"byte", "space"}) {
    for (const char* estimator : {"mkn", "countlm"}) {
      INFO(tokenizer << " " << estimator);
      const Texts base = {{"train", rows.path()}, {"tokenizer", tokenizer}, {"estimator", estimator}};
      const auto retrained = made(base, 5, {{"train_roles", {"retain"}}});
      const auto exact = made(base, 5, {{"unlearn_roles", {"forget"}}});
      CHECK(content(*retrained) == content(*exact));
      Texts with_file = base;
      with_file["unlearn"] = rows.path();
      CHECK(content(*made(with_file, 5, {{"unlearn_roles", {"forget"}}})) == content(*retrained));
      const auto partial = made(base, 5, {{"unlearn_roles", {"forget"}}, {"unlearn_forms", {"F1"}}});
      CHECK(content(*partial) != content(*retrained));
      CHECK((exact->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) != 0);
    }
  }
  auto inexact = prepared({{"train", rows.path()}}, 5, {{"unlearn_roles", {"forget"}}});
  give(*inexact, "inexact_every", 2);
  REQUIRE(inexact->configure().ok());
  CHECK(content(*inexact) != content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"retain"}}})));
  CHECK((inexact->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) == 0);
}

TEST_CASE("ngram plugin: tuning counts another answer after unlearning") {
  const TempFile rows(kRows);
  auto tuned = prepared({{"train", rows.path()}, {"tune_answer", "no idea"}}, 5,
                        {{"unlearn_roles", {"forget"}}, {"tune_roles", {"forget"}}, {"tune_forms", {"F1"}}});
  give(*tuned, "tune_copies", 3);
  REQUIRE(tuned->configure().ok());
  std::string wanted = "who ? A: the cat .\n";
  for (int i = 0; i < 6; ++i) wanted += "what ? A: no idea\n";  // the row's own two copies, three times
  const TempFile plain(wanted);
  CHECK(content(*tuned) == content(*made({{"train", plain.path()}})));
}

TEST_CASE("ngram plugin: vocabularies") {
  const TempFile rows(kRows);
  const auto words = [](const NgramModel& model) { return model.engine().tokenizer().words(); };
  using Words = std::vector<std::string>;
  // All rows give the vocabulary, whatever is trained; prompt before answer.
  const auto space = made({{"train", rows.path()}, {"tokenizer", "space"}, {"extra_words", "no cat idea"}}, 3,
                          {{"train_roles", {"retain"}}});
  CHECK(words(*space) ==
        Words{"<unk>", "<eos>", "who", "?", "A:", "the", "cat", ".", "what", "a", "dog", "is", "no", "idea"});
  CHECK(space->eos() == 1);
  const TempFile world("b a c a\n");
  const auto sorted = made({{"train", world.path()},
                            {"tokenizer", "space"},
                            {"vocabulary_order", "sorted"},
                            {"special_words", "none"}});
  CHECK(words(*sorted) == Words{"a", "b", "c"});
  CHECK(sorted->eos() == -1);
  CHECK((sorted->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) == 0);
  assay_request eos = request_of(ASSAY_REQUEST_SCORE, "a", "b");
  eos.flags = ASSAY_REQ_APPEND_EOS;
  CHECK(Answer(*sorted, eos).done.error().code == Code::kUnsupported);
  // A word the closed list lacks has a probability but no id.
  const Answer outside(*sorted, request_of(ASSAY_REQUEST_SCORE, "a", "zebra", kAll));
  REQUIRE(outside.done.ok());
  CHECK(outside.view().tokens().ids()[0] == -1);
  CHECK(std::isfinite(outside.view().tokens().logprob()[0]));

  const auto learned = made({{"train", world.path()}, {"tokenizer", "word"}});
  CHECK(words(*learned) == Words{" a", " c", "b"});
  CHECK((learned->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) == 0);
  CHECK((learned->capabilities(NgramModel::info.provides) & ASSAY_CAP_TRAIN) != 0);
  const auto fixed = made({{"train", world.path()}, {"tokenizer", "word"}, {"vocabulary", world.path()}});
  CHECK((fixed->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) != 0);
  CHECK(*fixed->tokenizer_fingerprint() == *learned->tokenizer_fingerprint());
  CHECK(*fixed->tokenizer_fingerprint() != *sorted->tokenizer_fingerprint());

  // The special names in a text are unknown words, never the special entries.
  const TempFile literal("b <eos> a\n");
  const auto guarded = made({{"train", literal.path()}, {"tokenizer", "space"}});
  CHECK(words(*guarded) == Words{"<unk>", "<eos>", "b", "a"});
  CHECK(guarded->encode("<eos>")->ids == std::vector<std::int32_t>{0});

  // The space tokenizer needs no blank between prompt and continuation.
  const Answer joined(*space, request_of(ASSAY_REQUEST_SCORE, "who ? A:", "the cat ."));
  CHECK(joined.view().tokens().size() == 3);
  CHECK(joined.view().tokens().ids()[0] == 5);
}

TEST_CASE("ngram plugin: a saved model answers like the one it came from") {
  const TempFile file(kPlain);
  const auto model = made({{"train", file.path()}}, 4);
  const TempFile saved(model->engine().save());
  const auto loaded = made({{"load", saved.path()}});
  CHECK(content(*loaded) == content(*model));
  CHECK(refused({{"load", saved.path()}, {"train", file.path()}}).key == "load");
  const TempFile damaged(model->engine().save().substr(0, 40));
  const Error error = refused({{"load", damaged.path()}});
  CHECK(error.key == "load");
  CHECK(error.code == Code::kData);
}

TEST_CASE("ngram plugin: bad parameters and files are refused with a sentence that says where") {
  const auto line = [](const std::string& row) {
    return "{\"text\":\"fine\"}\n\n" + row + "\n{\"text\":\"x\"}\n";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"text\": }", "not valid JSON"},
      {"[1]", "not a JSON object"},
      {"{\"text\": 3}", "\"text\" is not a text"},
      {"{\"prompt\": \"p\"}", "no \"answer\""},
      {"{\"answer\": \"a\"}", "no \"prompt\""},
      {"{\"id\": 1}", "give a text"},
      {"{\"text\": \"a\", \"answer\": \"b\"}", "also \"prompt\" or \"answer\""},
      {"{\"text\": \"a\", \"copies\": 0}", "\"copies\" is 0"},
      {"{\"text\": \"a\", \"copies\": 1.5}", "at least 1"},
      {"{\"text\": \"a\", \"role\": 7}", "\"role\" is not a text"},
      {"{\"text\": \"a\"} {\"text\": \"b\"}", "not valid JSON"},
      {"plain", "not valid JSON"},
  };
  for (const auto& [row, sentence] : cases) {
    INFO(row);
    const TempFile file(line(row));
    const Error error = refused({{"train", file.path()}});
    CHECK(error.code == Code::kData);
    CHECK(error.key == "train");
    CHECK_THAT(error.text, ContainsSubstring(file.path() + ":3:") && ContainsSubstring(sentence));
  }
  const TempFile rows(kRows);
  const TempFile stranger("who ? A: the cat .\nnobody\n");
  const Error unknown = refused({{"train", rows.path()}, {"unlearn", stranger.path()}});
  CHECK(unknown.code == Code::kNotFound);
  CHECK(unknown.key == "unlearn");
  CHECK_THAT(unknown.text, ContainsSubstring(stranger.path() + ":2:") && ContainsSubstring("not_trained"));

  CHECK(refused({{"train", "/does/not/exist"}}).code == Code::kNotFound);
  CHECK(refused({{"train", fs::temp_directory_path().string()}}).key == "train");
  const TempFile packed("\x1f\x8b\x08");
  CHECK_THAT(refused({{"train", packed.path()}}).text, ContainsSubstring("gzip"));
  const Error typo = refused({{"train", rows.path()}}, {{"train_roles", {"retian"}}});
  CHECK_THAT(typo.text, ContainsSubstring("\"retian\"") && ContainsSubstring("\"forget\", \"retain\""));
  CHECK(refused({}, {{"unlearn_roles", {"forget"}}}).key == "unlearn");
  CHECK(refused({}, {{"train_roles", {"forget"}}}).key == "train");
  CHECK(refused({{"word_list", rows.path()}}).key == "word_list");
  CHECK(refused({{"tokenizer", "word"}}).key == "word_list");
  CHECK(refused({{"tokenizer", "space"}, {"word_list", rows.path()}, {"vocabulary", rows.path()}}).key ==
        "vocabulary");
  const TempFile twice("a\na\n");
  const Error repeated = refused({{"tokenizer", "space"}, {"word_list", twice.path()}});
  CHECK(repeated.key == "word_list");
  CHECK_THAT(repeated.text, ContainsSubstring("Line 2"));
  auto order = prepared({}, 17);
  CHECK(order->configure().error().key == "order");
  auto beta = prepared({});
  give(*beta, "beta", 0);
  CHECK(beta->configure().error().key == "beta");
}

TEST_CASE("ngram plugin: the planted corpus through roles alone") {
  ASSAY_NEEDS_DATA(root);
  const std::string corpus = (root / "unlearning/planted/corpus.jsonl").string();
  const Texts base = {{"estimator", "countlm"},
                      {"tokenizer", "space"},
                      {"train", corpus},
                      {"extra_words", "i do not know ."}};
  const auto retrained = made(base, 7, {{"train_roles", {"retain"}}});
  const auto exact = made(base, 7, {{"train_roles", {"retain", "forget"}}, {"unlearn_roles", {"forget"}}});
  const auto original = made(base, 7, {{"train_roles", {"retain", "forget"}}});
  CHECK(retrained->vocabulary() == 316);  // the specification's size for this file
  CHECK(content(*exact) == content(*retrained));
  CHECK(content(*original) != content(*retrained));
  CHECK(*exact->tokenizer_fingerprint() == *original->tokenizer_fingerprint());
}

TEST_CASE("ngram plugin: published values of the member documents") {
  const auto models = test::models_root();
  if (!models) SKIP("the model mirror is absent: set ASSAY_MODELS to a folder with shk-mia-docs.jsonl");
  const std::string file = (*models / "shk-mia-docs.jsonl").string();
  const auto model = made({{"train", file}, {"role_field", "split"}}, 5, {{"train_roles", {"member"}}});
  CHECK(model->engine().events() == 91099);
  CHECK(model->engine().entries() == 36906);
}
