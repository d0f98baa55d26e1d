// Models: override the request kinds the model can serve; what is not overridden is not offered.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/plugin.hpp"
#include "assay/sdk/record.hpp"

namespace assay {
inline namespace sdk_v1 {

struct ModelInfo {
  std::string_view id;
  std::string_view version = "1.0.0";
  std::string_view title = {};
  std::string_view doc = {};
  std::string_view licence = "Apache-2.0";
  std::uint64_t provides = 0;  ///< the most an instance can offer, ASSAY_CAP_*
  int concurrency = ASSAY_CONCURRENCY_PER_INSTANCE;
  std::uint32_t flags = 0;
  std::uint32_t preferred_batch = 0;
  std::uint32_t max_batch = 0;
};

/// A request as a model sees it.
class RequestView {
 public:
  explicit RequestView(const assay_request* raw) : raw_(raw) {}
  [[nodiscard]] std::string_view prompt() const { return view(raw_->prompt); }
  [[nodiscard]] std::string_view continuation() const { return view(raw_->continuation); }
  [[nodiscard]] bool wants(std::uint64_t caps) const { return (raw_->want & caps) != 0; }
  [[nodiscard]] bool has(std::uint32_t flag) const { return (raw_->flags & flag) != 0; }
  [[nodiscard]] int samples() const { return raw_->n <= 0 ? 1 : raw_->n; }
  [[nodiscard]] const assay_request& raw() const { return *raw_; }
  /// prompt(), or the messages as "role: content" lines when the request is a chat.
  [[nodiscard]] std::vector<std::string_view> stops() const {
    std::vector<std::string_view> list;
    for (std::size_t i = 0; i < raw_->stop.count; ++i) list.push_back(view(raw_->stop.items[i]));
    return list;
  }

 private:
  const assay_request* raw_;
};

/// Token statistics under construction; the arrays live in the arena and are NaN until written.
struct TokensWriter {
  assay_tokens* raw = nullptr;
  std::span<std::int32_t> ids;
  std::span<std::uint32_t> begin, end;
  std::span<double> stat[ASSAY_STAT_COUNT];  ///< empty unless asked for
};

/// Writes one response.
class ResponseWriter {
 public:
  ResponseWriter(assay_response& raw, const Call& call) : raw_(raw), call_(call) {
    raw_.struct_size = sizeof(assay_response);
    raw_.mean_logprob = kMissing;
  }
  [[nodiscard]] const Call& call() const { return call_; }
  /// Arrays for `count` tokens and the statistics of the bit mask (1 << assay_stat).
  [[nodiscard]] TokensWriter make_tokens(std::size_t count, std::uint32_t stat_mask, bool with_ids = true,
                                         bool with_spans = true) const {
    TokensWriter out;
    out.raw = call_.allocate<assay_tokens>(1);
    *out.raw = {};
    out.raw->struct_size = sizeof(assay_tokens);
    out.raw->count = count;
    auto** table = call_.allocate<const double*>(ASSAY_STAT_COUNT);
    for (std::uint32_t s = 0; s < ASSAY_STAT_COUNT; ++s) {
      table[s] = nullptr;
      if ((stat_mask & (1U << s)) == 0 || count == 0) continue;
      auto* values = call_.allocate<double>(count);
      for (std::size_t i = 0; i < count; ++i) values[i] = kMissing;
      out.stat[s] = {values, count};
      table[s] = values;
    }
    out.raw->stats = table;
    out.raw->stat_count = ASSAY_STAT_COUNT;
    if (with_ids && count != 0) {
      out.ids = {call_.allocate<std::int32_t>(count), count};
      out.raw->ids = out.ids.data();
    }
    if (with_spans && count != 0) {
      out.begin = {call_.allocate<std::uint32_t>(count), count};
      out.end = {call_.allocate<std::uint32_t>(count), count};
      out.raw->begin = out.begin.data();
      out.raw->end = out.end.data();
    }
    return out;
  }
  ResponseWriter& tokens(const TokensWriter& tokens) {
    raw_.tokens = tokens.raw;
    return *this;
  }
  /// One generated sample; call once per sample, in order.
  ResponseWriter& choice(std::string_view text, Finish finish, double mean_logprob = kMissing,
                         const assay_tokens* tokens = nullptr) {
    assay_choice c{};
    c.struct_size = sizeof c;
    c.finish = static_cast<std::int32_t>(finish);
    c.text = call_.copy(text);
    c.tokens = tokens;
    c.mean_logprob = mean_logprob;
    choices_.push_back(c);
    return *this;
  }
  ResponseWriter& mean_logprob(double mean, std::int64_t scored) {
    raw_.mean_logprob = mean;
    raw_.scored_count = scored;
    return *this;
  }
  ResponseWriter& values(std::span<const double> numbers) {
    raw_.values = call_.copy(numbers);
    raw_.value_count = numbers.size();
    return *this;
  }
  ResponseWriter& series(std::string_view name, std::span<const double> numbers) {
    series_.push_back({call_.copy(name), call_.copy(numbers), numbers.size()});
    return *this;
  }
  ResponseWriter& usage(std::int64_t tokens_in, std::int64_t tokens_out) {
    raw_.tokens_in = tokens_in;
    raw_.tokens_out = tokens_out;
    return *this;
  }
  [[nodiscard]] assay_response& raw() { return raw_; }
  /// Moves the collected lists into the arena; called by the SDK.
  void finish() {
    if (!choices_.empty()) {
      raw_.choices = call_.copy(std::span<const assay_choice>(choices_));
      raw_.choice_count = choices_.size();
      raw_.choice_size = sizeof(assay_choice);
    }
    if (!series_.empty()) {
      raw_.series = call_.copy(std::span<const assay_series>(series_));
      raw_.series_count = series_.size();
    }
  }

 private:
  assay_response& raw_;
  const Call& call_;
  std::vector<assay_choice> choices_;
  std::vector<assay_series> series_;
};

/// Hands distributions to whoever asked for them. Positions ascend; false: the visitor has seen enough.
class RowSink {
 public:
  RowSink(const Call& call, std::size_t request) : call_(call), request_(request) {}
  bool probabilities(std::int64_t position, std::int32_t target, std::span<const double> row,
                     int member = -1) {
    return send(position, target, ASSAY_ROW_PROBABILITIES, ASSAY_F64, row.data(), row.size(), member);
  }
  bool logits(std::int64_t position, std::int32_t target, std::span<const float> row, int member = -1) {
    return send(position, target, ASSAY_ROW_LOGITS, ASSAY_F32, row.data(), row.size(), member);
  }

 private:
  bool send(std::int64_t position, std::int32_t target, int form, int dtype, const void* data,
            std::size_t width, int member) {
    assay_row row{};
    row.struct_size = sizeof row;
    row.form = form;
    row.dtype = dtype;
    row.member = member;
    row.position = position;
    row.target = target;
    row.vocabulary = static_cast<std::uint32_t>(width);
    row.data = data;
    return call_.raw()->row != nullptr && call_.raw()->row(call_.raw()->ctx, request_, &row) == 0;
  }
  const Call& call_;
  std::size_t request_;
};

struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> begin, end;  ///< byte spans
};

class Model : public Plugin {
 public:
  /// What this instance offers: a subset of ModelInfo::provides. Default: all of it.
  [[nodiscard]] virtual std::uint64_t capabilities(std::uint64_t declared) const { return declared; }

  virtual Result<void> generate(const RequestView&, ResponseWriter&, Call&) {
    return not_offered("generate");
  }
  virtual Result<void> score(const RequestView&, ResponseWriter&, Call&) { return not_offered("score"); }
  virtual Result<void> rows(const RequestView&, RowSink&, Call&) { return not_offered("rows"); }
  virtual Result<void> classify(const RequestView&, ResponseWriter&, Call&) {
    return not_offered("classify");
  }
  virtual Result<void> embed(const RequestView&, ResponseWriter&, Call&) { return not_offered("embed"); }

  virtual Result<Encoding> encode(std::string_view) { return not_offered("tokenize"); }
  virtual Result<std::string> decode(std::span<const std::int32_t>) { return not_offered("tokenize"); }
  [[nodiscard]] virtual std::uint64_t vocabulary() const { return 0; }
  [[nodiscard]] virtual std::int32_t bos() const { return -1; }
  [[nodiscard]] virtual std::int32_t eos() const { return -1; }
  /// 64 hex digits, equal exactly for interchangeable tokenizers.
  virtual Result<std::string> tokenizer_fingerprint() { return not_offered("tokenize"); }

  /// SHA-256 of weights or trained counts, beyond the parameters. Empty: the parameters say everything.
  virtual Result<std::string> content_identity() { return std::string(); }
  virtual std::vector<std::string> class_names() { return {}; }
  [[nodiscard]] virtual std::uint32_t member_count() const { return 0; }

  virtual Result<void> reset() { return not_offered("train"); }
  virtual Result<void> train(std::span<const assay_document>, Call&) { return not_offered("train"); }
  virtual Result<void> unlearn(std::span<const assay_document>, Call&) { return not_offered("unlearn"); }

 protected:
  static Error not_offered(std::string_view what) {
    return {Code::kUnsupported, "the model does not offer '" + std::string(what) + "'", {}};
  }
};

namespace detail {

template <class P>
const assay_descriptor* model_descriptor() {
  static const DescriptorStore kStore = [] {
    DescriptorStore store;
    store.build(std::make_unique<P>());
    assay_descriptor& d = store.descriptor;
    d.kind = ASSAY_MODEL;
    d.concurrency = P::info.concurrency;
    d.flags = P::info.flags;
    d.id = str(P::info.id);
    d.version = str(P::info.version);
    d.title = str(P::info.title);
    d.doc = str(P::info.doc);
    d.licence = str(P::info.licence);
    d.provides = P::info.provides;
    d.preferred_batch = P::info.preferred_batch;
    d.max_batch = P::info.max_batch;
    return store;
  }();
  return &kStore.descriptor;
}

using Answer = Result<void> (Model::*)(const RequestView&, ResponseWriter&, Call&);

template <Answer kAnswer>
std::int32_t model_batch(void* instance, const assay_request* requests, std::size_t n,
                         assay_response* responses, const assay_call* raw) noexcept {
  Call call(raw);
  Model& model = object_of<Model>(instance);
  for (std::size_t i = 0; i < n; ++i) {
    assay_response& response = *element(responses, raw->res_size, i);
    if (call.cancelled() || call.late()) {
      set_status(response.status, call.cancelled() ? Code::kCancelled : Code::kTimeout, "stopped", call);
      continue;
    }
    guarded(response.status, call, [&]() -> Result<void> {
      ResponseWriter writer(response, call);
      Result<void> done = (model.*kAnswer)(RequestView(element(requests, raw->req_size, i)), writer, call);
      if (done) writer.finish();
      return done;
    });
    if (response.status.code == ASSAY_OK) call.complete(i);
  }
  return ASSAY_OK;
}

inline std::int32_t model_rows(void* instance, const assay_request* requests, std::size_t n,
                               assay_response* responses, const assay_call* raw) noexcept {
  Call call(raw);
  Model& model = object_of<Model>(instance);
  for (std::size_t i = 0; i < n; ++i) {
    assay_response& response = *element(responses, raw->res_size, i);
    if (call.cancelled() || call.late()) {
      set_status(response.status, call.cancelled() ? Code::kCancelled : Code::kTimeout, "stopped", call);
      continue;
    }
    guarded(response.status, call, [&]() -> Result<void> {
      ResponseWriter writer(response, call);
      RowSink sink(call, i);
      return model.rows(RequestView(element(requests, raw->req_size, i)), sink, call);
    });
  }
  return ASSAY_OK;
}

inline std::int32_t copy_text(const Result<std::string>& made, assay_str* text, const assay_call* raw) {
  *text = {};
  if (!made) return static_cast<std::int32_t>(made.error().code);
  *text = Call(raw).copy(*made);
  return ASSAY_OK;
}

inline std::int32_t model_encode(void* instance, assay_str text, const std::int32_t** ids,
                                 const std::uint32_t** begin, const std::uint32_t** end, std::size_t* count,
                                 const assay_call* raw) noexcept {
  try {
    const Call call(raw);
    const Result<Encoding> made = object_of<Model>(instance).encode(view(text));
    if (!made) return static_cast<std::int32_t>(made.error().code);
    *ids = call.copy(std::span<const std::int32_t>(made->ids));
    *begin = call.copy(std::span<const std::uint32_t>(made->begin));
    *end = call.copy(std::span<const std::uint32_t>(made->end));
    *count = made->ids.size();
    return ASSAY_OK;
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

inline std::int32_t model_decode(void* instance, const std::int32_t* ids, std::size_t count, assay_str* text,
                                 const assay_call* raw) noexcept {
  try {
    return copy_text(object_of<Model>(instance).decode({ids, count}), text, raw);
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

inline std::int32_t model_tokenizer(void* instance, assay_str* text, const assay_call* raw) noexcept {
  try {
    return copy_text(object_of<Model>(instance).tokenizer_fingerprint(), text, raw);
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

inline std::int32_t model_content(void* instance, assay_str* text, const assay_call* raw) noexcept {
  try {
    return copy_text(object_of<Model>(instance).content_identity(), text, raw);
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

inline std::int32_t model_reset(void* instance) noexcept {
  try {
    const Result<void> done = object_of<Model>(instance).reset();
    return done ? ASSAY_OK : static_cast<std::int32_t>(done.error().code);
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

template <bool kForget>
std::int32_t model_train(void* instance, const assay_document* documents, std::size_t n, assay_status* status,
                         const assay_call* raw) noexcept {
  Call call(raw);
  guarded(*status, call, [&] {
    Model& model = object_of<Model>(instance);
    return kForget ? model.unlearn({documents, n}, call) : model.train({documents, n}, call);
  });
  return status->code;
}

inline std::int32_t model_classes(void* instance, assay_str_list* names, const assay_call* raw) noexcept {
  try {
    const Call call(raw);
    std::vector<assay_str> list;
    for (const std::string& name : object_of<Model>(instance).class_names()) list.push_back(call.copy(name));
    *names = {call.copy(std::span<const assay_str>(list)), list.size()};
    return ASSAY_OK;
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

/// A number of the model; `otherwise` if finding it throws.
template <class T, T (Model::*kNumber)() const, T kOtherwise>
T model_number(void* instance) noexcept {
  try {
    return (object_of<Model>(instance).*kNumber)();
  } catch (...) {
    return kOtherwise;
  }
}

/// True if class P (or a base of it below Model) overrides the member.
template <class Own, class Inherited>
constexpr bool overridden(Own, Inherited) {
  return !std::is_same_v<Own, Inherited>;
}

template <class P>
const void* model_extension(std::string_view id) {
  static const assay_model_batch_v1 kGenerate = {sizeof(assay_model_batch_v1), 0,
                                                 model_batch<&Model::generate>};
  static const assay_model_batch_v1 kScore = {sizeof(assay_model_batch_v1), 0, model_batch<&Model::score>};
  static const assay_model_batch_v1 kClassify = {sizeof(assay_model_batch_v1), 0,
                                                 model_batch<&Model::classify>};
  static const assay_model_batch_v1 kEmbed = {sizeof(assay_model_batch_v1), 0, model_batch<&Model::embed>};
  static const assay_model_batch_v1 kRows = {sizeof(assay_model_batch_v1), 0, model_rows};
  static const assay_model_tokenize_v1 kTokenize = {sizeof(assay_model_tokenize_v1),
                                                    0,
                                                    model_encode,
                                                    model_decode,
                                                    model_number<std::uint64_t, &Model::vocabulary, 0>,
                                                    model_number<std::int32_t, &Model::bos, -1>,
                                                    model_number<std::int32_t, &Model::eos, -1>,
                                                    model_tokenizer};
  static const assay_model_identity_v1 kIdentity = {sizeof(assay_model_identity_v1), 0, model_content};
  static const assay_model_train_v1 kTrain = {
      sizeof(assay_model_train_v1), 0, model_reset, model_train<false>,
      overridden(&P::unlearn, &Model::unlearn) ? model_train<true> : nullptr};
  static const assay_model_classes_v1 kClasses = {sizeof(assay_model_classes_v1), 0, model_classes};
  static const assay_model_members_v1 kMembers = {sizeof(assay_model_members_v1), 0,
                                                  model_number<std::uint32_t, &Model::member_count, 0>};

  if (id == "assay.model.generate/1" && overridden(&P::generate, &Model::generate)) return &kGenerate;
  if (id == "assay.model.score/1" && overridden(&P::score, &Model::score)) return &kScore;
  if (id == "assay.model.rows/1" && overridden(&P::rows, &Model::rows)) return &kRows;
  if (id == "assay.model.classify/1" && overridden(&P::classify, &Model::classify)) return &kClassify;
  if (id == "assay.model.embed/1" && overridden(&P::embed, &Model::embed)) return &kEmbed;
  if (id == "assay.model.tokenize/1" && overridden(&P::encode, &Model::encode)) return &kTokenize;
  if (id == "assay.model.identity/1") return &kIdentity;
  if (id == "assay.model.train/1" && overridden(&P::train, &Model::train)) return &kTrain;
  if (id == "assay.model.classes/1" && overridden(&P::class_names, &Model::class_names)) return &kClasses;
  if (id == "assay.model.members/1" && overridden(&P::member_count, &Model::member_count)) return &kMembers;
  return nullptr;
}

}  // namespace detail

template <class P>
requires std::is_base_of_v<Model, P> PluginClass plugin_class_of() {
  return {detail::model_descriptor<P>, []() -> Plugin* { return new P(); },
          [](Plugin& plugin, std::uint64_t* caps) -> int {
            *caps = static_cast<P&>(plugin).capabilities(P::info.provides) & P::info.provides;
            return ASSAY_OK;
          },
          detail::model_extension<P>};
}

}  // namespace sdk_v1
}  // namespace assay
