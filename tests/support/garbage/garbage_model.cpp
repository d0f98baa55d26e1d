// The misbehaving model.
#include "garbage.hpp"

namespace garbage {
namespace {

constexpr std::size_t kTokens = 3;
constexpr double kStaticNumbers[kTokens] = {-1, -2, -3};

// Good statistics for three tokens, from which every bad mode departs in one point.
struct Tokens {
  assay_tokens* raw;
  const double** table;
  double* logprob;
};

Tokens good_tokens(const assay_call* call) {
  Tokens made{reserve<assay_tokens>(call), reserve<const double*>(call, ASSAY_STAT_COUNT),
              reserve<double>(call, kTokens)};
  for (std::size_t i = 0; i < kTokens; ++i) made.logprob[i] = -1.0;
  made.table[ASSAY_STAT_LOGPROB] = made.logprob;
  made.raw->struct_size = sizeof(assay_tokens);
  made.raw->count = kTokens;
  made.raw->stats = made.table;
  made.raw->stat_count = ASSAY_STAT_COUNT;
  return made;
}

void other_stat(Tokens& tokens, assay_stat which, double value, const assay_call* call) {
  double* numbers = reserve<double>(call, kTokens);
  for (std::size_t i = 0; i < kTokens; ++i) numbers[i] = 1;
  numbers[1] = value;
  tokens.table[which] = numbers;
}

void spoil_tokens(const std::string& mode, Tokens& tokens, const assay_call* call) {
  assay_tokens& raw = *tokens.raw;
  static const assay_tokens kElsewhere = {};
  static const std::int32_t kIds[kTokens] = {1, 2, 3};
  static const double* const kTable[ASSAY_STAT_COUNT] = {};
  if (mode == "tokens_static") tokens.raw = const_cast<assay_tokens*>(&kElsewhere);
  if (mode == "tokens_wild")
    tokens.raw = const_cast<assay_tokens*>(reinterpret_cast<const assay_tokens*>(wild()));
  if (mode == "tokens_misaligned") {
    char* bytes = reserve<char>(call, sizeof(assay_tokens) + 16);
    bytes += reinterpret_cast<std::uintptr_t>(bytes) % 8 == 1
                 ? 0
                 : 9 - reinterpret_cast<std::uintptr_t>(bytes) % 8;
    std::memcpy(bytes, &raw, sizeof raw);
    tokens.raw = static_cast<assay_tokens*>(static_cast<void*>(bytes));
  }
  if (mode == "tokens_no_size") raw.struct_size = 0;
  if (mode == "tokens_count_huge") raw.count = kHuge;
  if (mode == "tokens_count_past_arena") raw.count = 1000000;
  if (mode == "tokens_ids_static") raw.ids = kIds;
  if (mode == "tokens_spans_wild") raw.begin = raw.end = reinterpret_cast<const std::uint32_t*>(wild());
  if (mode == "tokens_stat_count_huge") raw.stat_count = 4000000000U;
  if (mode == "tokens_table_static") raw.stats = kTable;
  if (mode == "tokens_stat_static") tokens.table[ASSAY_STAT_LOGPROB] = kStaticNumbers;
  if (mode == "tokens_unknown_stat_wild") {
    tokens.raw->stat_count = 12;
    const double** table = reserve<const double*>(call, 12);
    table[11] = reinterpret_cast<const double*>(wild());
    raw.stats = table;
  }
  if (mode == "logprob_nan") tokens.logprob[1] = kNan;
  if (mode == "logprob_infinite") tokens.logprob[1] = -kInfinity;
  if (mode == "logprob_positive") tokens.logprob[1] = 0.25;
  if (mode == "rank_zero") other_stat(tokens, ASSAY_STAT_RANK, 0, call);
  if (mode == "variance_negative") other_stat(tokens, ASSAY_STAT_VAR_LP, -0.5, call);
  if (mode == "entropy_infinite") other_stat(tokens, ASSAY_STAT_ENTROPY, kInfinity, call);
  if (mode == "top_descending" || mode == "top_huge") {
    auto* offsets = reserve<std::uint64_t>(call, kTokens + 1);
    offsets[1] = 2;
    offsets[2] = mode == "top_huge" ? 2 : 1;
    offsets[3] = mode == "top_huge" ? kHuge : 2;
    raw.top_offset = offsets;
    raw.top_id = reserve<std::int32_t>(call, 4);
    raw.top_logprob = reserve<double>(call, 4);
  }
  if (mode == "top_missing") {
    auto* offsets = reserve<std::uint64_t>(call, kTokens + 1);
    offsets[3] = 2;
    raw.top_offset = offsets;
  }
}

void spoil_response(const std::string& mode, assay_response& r, const assay_call* call) {
  if (mode == "mean_infinite") r.mean_logprob = -kInfinity;
  if (mode == "mean_positive") r.mean_logprob = 3;
  if (mode == "values_static") r.values = kStaticNumbers, r.value_count = kTokens;
  if (mode == "values_huge") r.values = reserve<double>(call), r.value_count = kHuge;
  if (mode == "values_null") r.values = nullptr, r.value_count = 5;
  if (mode == "provider_static") r.provider_id = kStatic;
  if (mode == "provider_bad_utf8") r.provider_id = copy(kBadUtf8, call);
  // An honest failure, with fields that nobody may look at.
  if (mode == "failure_wild_fields") {
    r.status.code = ASSAY_DATA;
    r.status.message = copy("row 7 is torn", call);
    r.choices = reinterpret_cast<const assay_choice*>(wild());
    r.choice_count = 3;
    r.provider_id = {wild(), 10};
    r.values = reinterpret_cast<const double*>(wild());
    r.value_count = 3;
    r.tokens_in = 12;
  }
  // Rows belong to the host; what a plugin writes there must not reach anybody.
  if (mode == "rows_forged") {
    r.rows = reinterpret_cast<const assay_row*>(wild());
    r.row_count = 5;
    r.row_size = sizeof(assay_row);
  }
  if (mode.rfind("series_", 0) != 0) return;
  auto* series = reserve<assay_series>(call);
  series->name = mode == "series_name_static" ? kStatic : copy("s", call);
  series->values = mode == "series_values_static" ? kStaticNumbers : reserve<double>(call, kTokens);
  series->count = kTokens;
  static const assay_series kElsewhere = {kStatic, kStaticNumbers, kTokens};
  r.series = mode == "series_static" ? &kElsewhere : series;
  r.series_count = mode == "series_count_huge" ? kHuge : 1;
}

void write_choices(const std::string& mode, assay_response& r, const assay_call* call) {
  static const assay_choice kElsewhere = {sizeof(assay_choice), ASSAY_FINISH_STOP, kStatic, nullptr, kNan};
  auto* choices = reserve<assay_choice>(call, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    choices[i] = {sizeof(assay_choice), ASSAY_FINISH_STOP, copy("an answer", call), nullptr, kNan};
  }
  r.choices = choices;
  r.choice_count = 1;
  r.choice_size = sizeof(assay_choice);
  assay_choice& first = choices[0];
  if (mode == "choices_many") r.choice_count = 2;
  if (mode == "choices_huge") r.choice_count = kHuge;
  if (mode == "choices_null") r.choices = nullptr;
  if (mode == "choices_static") r.choices = &kElsewhere;
  if (mode == "choices_wild") r.choices = reinterpret_cast<const assay_choice*>(wild());
  if (mode == "choices_size_zero") r.choice_size = 0;
  if (mode == "choices_size_small") r.choice_size = 8;
  if (mode == "choices_size_huge") r.choice_size = kHuge;
  if (mode == "text_static") first.text = kStatic;
  if (mode == "text_wild") first.text = {wild(), 30};
  if (mode == "text_null") first.text = {nullptr, 30};
  if (mode == "text_bad_utf8") first.text = copy(kBadUtf8, call);
  if (mode == "text_huge") first.text.len = kHuge;
  if (mode == "text_past_arena") first.text.len = 10000000;
  if (mode == "text_with_nul") first.text = copy(std::string_view("a\0b", 3), call);
  if (mode == "choice_mean_positive") first.mean_logprob = 1;
  if (mode == "choice_mean_infinite") first.mean_logprob = kInfinity;
  if (mode == "choice_finish_unknown") first.finish = 99;
  if (mode == "choice_tokens_wild") first.tokens = reinterpret_cast<const assay_tokens*>(wild());
}

template <int kKind>
std::int32_t run(void* instance, const assay_request*, std::size_t n, assay_response* responses,
                 const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "batch_fails") return ASSAY_UNAVAILABLE;
  if (mode == "batch_unknown") return 77;
  for (std::size_t i = 0; i < n; ++i) {
    assay_response& r = responses[i];
    if (mode == "batch_half" && i == 1) return ASSAY_TIMEOUT;
    if (bad_status(mode, r.status, call)) continue;
    r.status.code = ASSAY_OK;
    if (kKind == ASSAY_REQUEST_GENERATE) write_choices(mode, r, call);
    if (kKind == ASSAY_REQUEST_SCORE && mode != "score_empty") {
      Tokens tokens = good_tokens(call);
      spoil_tokens(mode, tokens, call);
      r.tokens = tokens.raw;
    }
    if (kKind == ASSAY_REQUEST_CLASSIFY) r.values = reserve<double>(call), r.value_count = 1;
    spoil_response(mode, r, call);
  }
  return ASSAY_OK;
}

std::int32_t run_rows(void* instance, const assay_request*, std::size_t n, assay_response* responses,
                      const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  const float data[2] = {0.5F, 0.25F};
  for (std::size_t i = 0; i < n; ++i) {
    responses[i].status.code = ASSAY_OK;
    assay_row row = {sizeof(assay_row), ASSAY_ROW_LOGITS, ASSAY_F32, -1, 0, 1, 2, data};
    std::size_t request = i;
    if (mode == "row_no_data") row.data = nullptr;
    if (mode == "row_no_width") row.vocabulary = 0;
    if (mode == "row_huge") row.vocabulary = 4000000000U;
    if (mode == "row_dtype_unknown") row.dtype = 9;
    if (mode == "row_of_nobody") request = kHuge;
    if (mode == "row_null") {
      call->row(call->ctx, i, nullptr);
    } else {
      call->row(call->ctx, request, &row);
    }
    spoil_response(mode, responses[i], call);
  }
  return ASSAY_OK;
}

std::int32_t content(void* instance, assay_str* out, const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "identity_fails") return ASSAY_INTERNAL;
  if (mode == "identity_wild") {
    *out = {wild(), 64};
  } else {
    *out = copy(mode == "identity_bad_utf8" ? kBadUtf8 : std::string_view("weights"), call);
  }
  return ASSAY_OK;
}

std::int32_t fingerprint(void* instance, assay_str* out, const assay_call* call) noexcept {
  const std::string& mode = mode_of(instance);
  if (mode == "tokenizer_wild") {
    *out = {wild(), 64};
  } else {
    *out = copy(mode == "tokenizer_bad_utf8" ? kBadUtf8 : std::string_view("tokens"), call);
  }
  return ASSAY_OK;
}

std::int32_t encode(void*, assay_str, const std::int32_t**, const std::uint32_t**, const std::uint32_t**,
                    std::size_t*, const assay_call*) noexcept {
  return ASSAY_UNSUPPORTED;
}
std::int32_t decode(void*, const std::int32_t*, std::size_t, assay_str*, const assay_call*) noexcept {
  return ASSAY_UNSUPPORTED;
}
std::uint64_t vocabulary(void*) noexcept {
  return 2;
}
std::int32_t no_token(void*) noexcept {
  return -1;
}

}  // namespace

const void* model_extension(const std::string& mode, std::string_view id) {
  constexpr std::uint32_t kSize = sizeof(assay_model_batch_v1);
  static const assay_model_batch_v1 kGenerate = {kSize, 0, run<ASSAY_REQUEST_GENERATE>};
  static const assay_model_batch_v1 kScore = {kSize, 0, run<ASSAY_REQUEST_SCORE>};
  static const assay_model_batch_v1 kClassify = {kSize, 0, run<ASSAY_REQUEST_CLASSIFY>};
  static const assay_model_batch_v1 kRows = {kSize, 0, run_rows};
  static const assay_model_batch_v1 kEmpty = {kSize, 0, nullptr};
  static const assay_model_batch_v1 kSmall = {4, 0, run<ASSAY_REQUEST_GENERATE>};
  static const assay_model_identity_v1 kIdentity = {sizeof(assay_model_identity_v1), 0, content};
  static const assay_model_identity_v1 kNoIdentity = {sizeof(assay_model_identity_v1), 0, nullptr};
  static const assay_model_tokenize_v1 kTokenize = {
      sizeof(assay_model_tokenize_v1), 0, encode, decode, vocabulary, no_token, no_token, fingerprint};
  static const assay_model_tokenize_v1 kNoTokenize = {
      sizeof(assay_model_tokenize_v1), 0, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  if (id == "assay.model.generate/1") {
    return mode == "table_empty" ? &kEmpty : mode == "table_small" ? &kSmall : &kGenerate;
  }
  if (id == "assay.model.score/1") return &kScore;
  if (id == "assay.model.classify/1") return &kClassify;
  if (id == "assay.model.rows/1") return &kRows;
  if (id == "assay.model.identity/1") return mode == "identity_empty" ? &kNoIdentity : &kIdentity;
  if (id == "assay.model.tokenize/1") return mode == "tokenizer_empty" ? &kNoTokenize : &kTokenize;
  return nullptr;
}

}  // namespace garbage
