// Models that misbehave: every answer that breaks the contract becomes a status with a sentence, and nothing
// of it is left for anybody to read.
#include <array>
#include <cmath>

#include "tests/support/garbage/host.hpp"

namespace {

using assay::Code;
using assay::Result;
using assay::view;
using assay::host::Arena;
using assay::host::ModelInstance;
using assay::test::check_misbehaving;
using assay::test::check_sound;
using assay::test::GarbageHost;

const std::string kModelId = "test.garbage_model";

struct Asked {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  std::array<assay_request, 2> requests{};
  std::array<assay_response, 2> responses{};
};

// Two requests of one kind.
Asked ask(const std::string& mode, int kind) {
  Asked asked;
  Result<const ModelInstance*> model = GarbageHost::get().model(mode);
  INFO((model ? std::string() : model.error().text));
  REQUIRE(model);
  for (assay_request& request : asked.requests) {
    request.struct_size = sizeof request;
    request.kind = kind;
    request.prompt = assay::str("a prompt");
    request.continuation = assay::str(" and more");
  }
  (*model)->run(kind, asked.requests, asked.responses, asked.arena, nullptr, 0);
  return asked;
}

// Nothing of a refused answer is visible.
void check_empty(const assay_response& response) {
  CHECK(response.struct_size == sizeof(assay_response));
  CHECK(response.choices == nullptr);
  CHECK(response.choice_count == 0);
  CHECK(response.tokens == nullptr);
  CHECK(std::isnan(response.mean_logprob));
  CHECK(response.values == nullptr);
  CHECK(response.value_count == 0);
  CHECK(response.rows == nullptr);
  CHECK(response.row_count == 0);
  CHECK(response.series == nullptr);
  CHECK(response.series_count == 0);
  CHECK(response.provider_id.len == 0);
}

struct ModelCase {
  const char* mode;
  int kind;
  const char* complaint;
};

constexpr int kGenerate = ASSAY_REQUEST_GENERATE, kScore = ASSAY_REQUEST_SCORE, kRows = ASSAY_REQUEST_ROWS,
              kClassify = ASSAY_REQUEST_CLASSIFY;

constexpr ModelCase kRefusedModels[] = {
    {"status_unset", kGenerate, "unset"},
    {"status_unknown", kGenerate, "unknown status 77"},
    {"status_of_host", kGenerate, "unknown status 13"},
    {"failure_silent", kGenerate, "without a sentence"},
    {"failure_static", kGenerate, "its message does not lie in memory obtained from call->alloc"},
    {"failure_wild", kGenerate, "its message does not lie"},
    {"failure_null", kGenerate, "its message does not lie"},
    {"failure_bad_utf8", kGenerate, "its message is not valid UTF-8"},
    {"failure_long", kGenerate, "longer than 4 KiB"},
    {"choices_many", kGenerate, "2 samples where 1 were asked for"},
    {"choices_huge", kGenerate, "samples where 1 were asked for"},
    {"choices_null", kGenerate, "the list of samples does not lie"},
    {"choices_static", kGenerate, "the list of samples does not lie"},
    {"choices_wild", kGenerate, "the list of samples does not lie"},
    {"choices_size_zero", kGenerate, "no element size"},
    {"choices_size_small", kGenerate, "no element size"},
    {"choices_size_huge", kGenerate, "impossible length"},
    {"text_static", kGenerate, "a generated text does not lie"},
    {"text_wild", kGenerate, "a generated text does not lie"},
    {"text_null", kGenerate, "a generated text does not lie"},
    {"text_bad_utf8", kGenerate, "a generated text is not valid UTF-8"},
    {"text_huge", kGenerate, "longer than 64 MiB"},
    {"text_past_arena", kGenerate, "a generated text does not lie"},
    {"choice_mean_positive", kGenerate, "the mean log-probability of a sample is 1"},
    {"choice_mean_infinite", kGenerate, "the mean log-probability of a sample is inf"},
    {"choice_tokens_wild", kGenerate, "the token record does not lie"},
    {"mean_infinite", kScore, "the mean log-probability is -inf"},
    {"mean_positive", kScore, "the mean log-probability is 3"},
    {"score_empty", kScore, "without tokens and without a mean"},
    {"tokens_static", kScore, "the token record does not lie"},
    {"tokens_wild", kScore, "the token record does not lie"},
    {"tokens_misaligned", kScore, "the token record is not aligned"},
    {"tokens_no_size", kScore, "no struct_size"},
    {"tokens_count_huge", kScore, "too many tokens"},
    {"tokens_count_past_arena", kScore, "a token statistic does not lie"},
    {"tokens_ids_static", kScore, "token ids does not lie"},
    {"tokens_spans_wild", kScore, "token spans does not lie"},
    {"tokens_stat_count_huge", kScore, "impossible number of statistics"},
    {"tokens_table_static", kScore, "token statistics does not lie"},
    {"tokens_stat_static", kScore, "a token statistic does not lie"},
    {"tokens_unknown_stat_wild", kScore, "a token statistic does not lie"},
    {"logprob_infinite", kScore, "infinite at token 1"},
    {"logprob_positive", kScore, "a log-probability is positive (0.25) at token 1"},
    {"rank_zero", kScore, "impossible value (0) at token 1"},
    {"variance_negative", kScore, "impossible value (-0.5) at token 1"},
    {"entropy_infinite", kScore, "infinite at token 1"},
    {"top_descending", kScore, "offsets do not ascend"},
    {"top_huge", kScore, "top-k table is too long"},
    {"top_missing", kScore, "top-k ids does not lie"},
    {"values_static", kClassify, "the list of values does not lie"},
    {"values_huge", kClassify, "the list of values has an impossible length"},
    {"values_null", kClassify, "the list of values does not lie"},
    {"provider_static", kGenerate, "the provider id does not lie"},
    {"provider_bad_utf8", kGenerate, "the provider id is not valid UTF-8"},
    {"series_static", kGenerate, "the list of series does not lie"},
    {"series_count_huge", kGenerate, "the list of series has an impossible length"},
    {"series_name_static", kGenerate, "the name of a series does not lie"},
    {"series_values_static", kGenerate, "a series does not lie"},
};

}  // namespace

TEST_CASE("a model's answer that breaks the contract is refused with a sentence", "[run][instances]") {
  for (const ModelCase& one : kRefusedModels) {
    DYNAMIC_SECTION(one.mode) {
      const Asked asked = ask(one.mode, one.kind);
      for (const assay_response& response : asked.responses) {
        check_misbehaving(response.status, kModelId, one.complaint);
        check_empty(response);
      }
    }
  }
}

TEST_CASE("a model that keeps the contract is left alone", "[run][instances]") {
  const Asked generated = ask("good", kGenerate);
  for (const assay_response& response : generated.responses) {
    REQUIRE(response.status.code == ASSAY_OK);
    REQUIRE(response.choice_count == 1);
    CHECK(view(response.choices->text) == "an answer");
  }
  const Asked scored = ask("good", kScore);
  REQUIRE(scored.responses[1].status.code == ASSAY_OK);
  REQUIRE(scored.responses[1].tokens != nullptr);
  CHECK(scored.responses[1].tokens->stats[ASSAY_STAT_LOGPROB][2] == -1.0);
  const Asked rows = ask("good", kRows);
  REQUIRE(rows.responses[1].row_count == 1);
  CHECK(static_cast<const float*>(rows.responses[1].rows->data)[1] == 0.25F);

  SECTION("an absent log-probability is absent, not an error") {
    const Asked asked = ask("logprob_nan", kScore);
    REQUIRE(asked.responses[0].status.code == ASSAY_OK);
    CHECK(std::isnan(asked.responses[0].tokens->stats[ASSAY_STAT_LOGPROB][1]));
    CHECK(asked.responses[0].tokens->stats[ASSAY_STAT_LOGPROB][0] == -1.0);
  }
  SECTION("a NUL inside a text is text") {
    const Asked asked = ask("text_with_nul", kGenerate);
    REQUIRE(asked.responses[0].status.code == ASSAY_OK);
    CHECK(view(asked.responses[0].choices->text) == std::string_view("a\0b", 3));
  }
  SECTION("an unknown finish reason is ignored") {
    CHECK(ask("choice_finish_unknown", kGenerate).responses[0].status.code == ASSAY_OK);
  }
  SECTION("an honest failure keeps its code and its sentence") {
    const Asked asked = ask("failure_honest", kGenerate);
    CHECK(asked.responses[0].status.code == ASSAY_DATA);
    CHECK(view(asked.responses[0].status.message) == "row 7 is torn");
  }
  SECTION("an honest failure leaves nothing unchecked behind, but the tokens it cost") {
    const Asked asked = ask("failure_wild_fields", kGenerate);
    CHECK(asked.responses[0].status.code == ASSAY_DATA);
    CHECK(view(asked.responses[0].status.message) == "row 7 is torn");
    CHECK(asked.responses[0].tokens_in == 12);
    check_empty(asked.responses[0]);
  }
}

TEST_CASE("a message about exhausted memory is never read from a stranger's address", "[run][instances]") {
  const Asked asked = ask("exhausted_wild", kGenerate);
  for (const assay_response& response : asked.responses) {
    CHECK(response.status.code == ASSAY_RESOURCE_EXHAUSTED);
    check_sound(response.status);
    CHECK(view(response.status.message).find("out of memory") != std::string_view::npos);
  }
}

TEST_CASE("rows that a model writes itself reach nobody", "[run][instances]") {
  for (const int kind : {kGenerate, kScore, kClassify}) {
    const Asked asked = ask("rows_forged", kind);
    for (const assay_response& response : asked.responses) {
      CHECK(response.rows == nullptr);
      CHECK(response.row_count == 0);
    }
  }
  const Asked asked = ask("rows_forged", kRows);
  for (const assay_response& response : asked.responses) {
    REQUIRE(response.status.code == ASSAY_OK);
    REQUIRE(response.row_count == 1);  // the visited one
    CHECK(asked.arena->owns(response.rows, sizeof(assay_row)));
  }
}

TEST_CASE("rows that cannot be kept are not kept", "[run][instances]") {
  for (const char* mode :
       {"row_no_data", "row_no_width", "row_huge", "row_dtype_unknown", "row_of_nobody", "row_null"}) {
    DYNAMIC_SECTION(mode) {
      const Asked asked = ask(mode, kRows);
      for (const assay_response& response : asked.responses) {
        check_sound(response.status);
        CHECK(response.rows == nullptr);
        CHECK(response.row_count == 0);
      }
    }
  }
}

TEST_CASE("a batch that fails as a whole fails for every unfinished request", "[run][instances]") {
  SECTION("with a known code") {
    for (const assay_response& response : ask("batch_fails", kGenerate).responses) {
      CHECK(response.status.code == ASSAY_UNAVAILABLE);
      CHECK(std::string(view(response.status.message)).find(kModelId) != std::string::npos);
    }
  }
  SECTION("with an unknown code") {
    for (const assay_response& response : ask("batch_unknown", kGenerate).responses)
      check_misbehaving(response.status, kModelId, "code 77");
  }
  SECTION("half way: what was finished stays") {
    const Asked asked = ask("batch_half", kGenerate);
    CHECK(asked.responses[0].status.code == ASSAY_OK);
    CHECK(asked.responses[0].choice_count == 1);
    CHECK(asked.responses[1].status.code == ASSAY_TIMEOUT);
    check_sound(asked.responses[1].status);
  }
}

TEST_CASE("what a model does not offer is unsupported", "[run][instances]") {
  for (const char* mode : {"no_extensions", "table_empty", "table_small"}) {
    DYNAMIC_SECTION(mode) {
      for (const assay_response& response : ask(mode, kGenerate).responses) {
        CHECK(response.status.code == ASSAY_UNSUPPORTED);
        CHECK(std::string(view(response.status.message)).find("does not offer assay.model.generate/1") !=
              std::string::npos);
      }
    }
  }
  for (const assay_response& response : ask("good", ASSAY_REQUEST_EMBED).responses)
    CHECK(response.status.code == ASSAY_UNSUPPORTED);
}

TEST_CASE("a plugin that cannot be set up is an error with a reason", "[run][instances]") {
  struct Setup {
    const char* mode;
    Code code;
    const char* text;
  };
  constexpr Setup kSetups[] = {
      {"create_silent", Code::kInvalidArgument, "gave no reason"},
      {"create_nothing", Code::kPluginMisbehaving, "gave no reason"},
      {"create_unknown", Code::kPluginMisbehaving, "(code 77)"},
      {"create_overlong", Code::kData, "gave no reason"},
      {"create_bad_utf8", Code::kData, "caf\xEF\xBF\xBD"},
      {"create_moved", Code::kData, "could not be set up"},
      {"capabilities_fail", Code::kPluginMisbehaving, "does not say what it can do"},
      {"identity_fails", Code::kPluginMisbehaving, "does not say what it holds"},
      {"identity_wild", Code::kPluginMisbehaving, "does not say what it holds"},
      {"identity_bad_utf8", Code::kPluginMisbehaving, "does not say what it holds"},
      {"identity_empty", Code::kPluginMisbehaving, "does not say what it holds"},
  };
  for (const Setup& one : kSetups) {
    DYNAMIC_SECTION(one.mode) {
      Result<const ModelInstance*> model = GarbageHost::get().model(one.mode);
      REQUIRE_FALSE(model);
      INFO(model.error().text);
      CHECK(model.error().code == one.code);
      CHECK(model.error().text.find("'" + kModelId + "'") != std::string::npos);
      CHECK(model.error().text.find(one.text) != std::string::npos);
      CHECK(assay::host::valid_utf8(model.error().text));
      CHECK(assay::host::valid_utf8(model.error().key));
    }
  }
}

TEST_CASE("a model cannot claim more than its descriptor does", "[run][instances]") {
  Result<const ModelInstance*> model = GarbageHost::get().model("capabilities_all");
  REQUIRE(model);
  CHECK(((*model)->capabilities() & ASSAY_CAP_TRAIN) == 0);
  CHECK(((*model)->capabilities() & ASSAY_CAP_GENERATE) != 0);
}

TEST_CASE("a tokenizer without a usable fingerprint is no tokenizer", "[run][instances]") {
  for (const char* mode : {"tokenizer_wild", "tokenizer_bad_utf8", "tokenizer_empty"}) {
    DYNAMIC_SECTION(mode) {
      Result<const ModelInstance*> model = GarbageHost::get().model(mode);
      REQUIRE(model);
      CHECK((*model)->tokenizer().empty());
      void* instance = nullptr;
      const bool callable = std::string(mode) != "tokenizer_empty";
      CHECK(((*model)->tokenize(&instance) != nullptr) == callable);
    }
  }
  Result<const ModelInstance*> good = GarbageHost::get().model("good");
  REQUIRE(good);
  CHECK((*good)->tokenizer() == "tokens");
}
