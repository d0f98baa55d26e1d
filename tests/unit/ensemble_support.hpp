// A small stand-in for the host, and models to put behind it, for the tests of `assay.ensemble`.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/models/ensemble/ensemble_model.hpp"
#include "plugins/models/ngram/ngram_model.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/model_answer.hpp"
#include "tests/support/numbers.hpp"
#include "tests/support/plugin_params.hpp"
#include "tests/support/temp_file.hpp"

namespace assay::ensemble_test {

using ensemble::EnsembleModel;
using ngram::NgramModel;
using test::give;

/// A model that gives the same rows whatever it is asked; its tokens are the letters a, b, c ...
class FixedRows final : public Model {
 public:
  std::vector<std::vector<double>> table;  ///< by position; the last row repeats
  int form = ASSAY_ROW_PROBABILITIES;
  bool narrow = false;     ///< float instead of double
  std::int32_t shift = 0;  ///< added to every target: a member that disagrees
  std::string tokenizer = "letters";
  Code failure = Code::kOk;
  mutable int asked = 0;

  Result<void> rows(const RequestView& request, RowSink&, Call& call) override {
    ++asked;
    if (failure != Code::kOk) return Error{failure, "the member has no answer", {}};
    const std::string_view text = request.continuation();
    const std::size_t count = text.size() + (request.has(ASSAY_REQ_INCLUDE_LAST) ? 1 : 0);
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<double>& values = table[std::min(i, table.size() - 1)];
      const std::vector<float> small(values.begin(), values.end());
      assay_row row{};
      row.struct_size = sizeof row;
      row.form = form;
      row.dtype = narrow ? ASSAY_F32 : ASSAY_F64;
      row.member = -1;
      row.position = static_cast<std::int64_t>(i);
      row.target = i < text.size() ? text[i] - 'a' + shift : -1;
      row.vocabulary = static_cast<std::uint32_t>(values.size());
      row.data = narrow ? static_cast<const void*>(small.data()) : values.data();
      if (call.raw()->row(call.raw()->ctx, 0, &row) != 0) break;
    }
    return {};
  }
  Result<Encoding> encode(std::string_view text) override {
    Encoding out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      out.ids.push_back(text[i] - 'a');
      out.begin.push_back(static_cast<std::uint32_t>(i));
      out.end.push_back(static_cast<std::uint32_t>(i + 1));
    }
    return out;
  }
  Result<std::string> decode(std::span<const std::int32_t> ids) override {
    std::string text;
    for (const std::int32_t id : ids) text += static_cast<char>('a' + id);
    return text;
  }
  [[nodiscard]] std::uint64_t vocabulary() const override { return table.front().size(); }
  Result<std::string> tokenizer_fingerprint() override { return tokenizer; }
};

/// A model as the stand-in host knows it.
struct Bound {
  Instance instance;  // what the C functions of the SDK take
  std::string tokenizer, identity;
  std::uint64_t caps = 0;
  const void* (*extension)(std::string_view) = nullptr;
};

/// Does for the ensemble what the host does: slots, nested calls with their own row visits.
class StandIn {
  assay_host host_{};
  assay_env env_{};
  std::vector<std::unique_ptr<Bound>> models_;

 public:
  template <class P>
  P& add(std::unique_ptr<P> model, std::uint64_t caps = ASSAY_CAP_ROWS | ASSAY_CAP_TOKENIZE) {
    auto bound = std::make_unique<Bound>();
    P& out = *model;
    bound->tokenizer = *model->tokenizer_fingerprint();
    bound->identity = "identity" + std::to_string(models_.size()) + "-0123456789";
    bound->caps = caps;
    bound->extension = detail::model_extension<P>;
    bound->instance.object = std::move(model);
    models_.push_back(std::move(bound));
    return out;
  }

  /// The ensemble over all models added so far.
  Result<std::unique_ptr<EnsembleModel>> make(std::string_view combine = "mean", std::int64_t window = 0) {
    host_.struct_size = sizeof host_;
    host_.abi_major = ASSAY_ABI_MAJOR;
    host_.get_extension = [](void*, assay_str id) noexcept -> const void* {
      return view(id) == "assay.host.models/1" ? &kModels : nullptr;
    };
    env_ = {sizeof env_, 0, &host_, this};
    auto made = std::make_unique<EnsembleModel>();
    made->attach(&env_);
    give(*made, "combine", combine);
    give(*made, "window", window);
    if (auto ready = made->configure(); !ready) return std::move(ready).error();
    return made;
  }

 private:
  static const Bound& bound(const assay_model_handle* handle) {
    return *reinterpret_cast<const Bound*>(handle);
  }

  static std::int32_t run(const assay_model_handle* handle, const assay_request* requests, std::size_t n,
                          assay_response* responses, const assay_call* parent,
                          std::int32_t (*row)(void*, std::size_t, const assay_row*) noexcept,
                          void* row_ctx) noexcept {
    struct Nested {
      const assay_call* parent;
      std::int32_t (*row)(void*, std::size_t, const assay_row*) noexcept;
      void* row_ctx;
    } nested{parent, row, row_ctx};
    assay_call call = *parent;
    call.ctx = &nested;
    call.complete = nullptr;
    call.alloc = [](void* ctx, std::size_t size, std::size_t align) noexcept -> void* {
      const assay_call* outer = static_cast<Nested*>(ctx)->parent;
      return outer->alloc(outer->ctx, size, align);
    };
    call.row = [](void* ctx, std::size_t i, const assay_row* seen) noexcept -> std::int32_t {
      auto* self = static_cast<Nested*>(ctx);
      return self->row == nullptr ? 1 : self->row(self->row_ctx, i, seen);
    };
    const Bound& model = bound(handle);
    const char* id = requests->kind == ASSAY_REQUEST_ROWS ? "assay.model.rows/1" : "assay.model.score/1";
    const auto* table = static_cast<const assay_model_batch_v1*>(model.extension(id));
    return table->run(const_cast<Instance*>(&model.instance), requests, n, responses, &call);
  }

  static const StandIn& self(const assay_env* env) { return *static_cast<const StandIn*>(env->bindings); }

  static constexpr assay_host_models_v1 kModels = {
      sizeof(assay_host_models_v1),
      0,
      [](const assay_env* env, assay_str) noexcept -> std::size_t { return self(env).models_.size(); },
      [](const assay_env* env, assay_str, std::size_t i) noexcept -> const assay_model_handle* {
        return reinterpret_cast<const assay_model_handle*>(self(env).models_[i].get());
      },
      [](const assay_model_handle* m) noexcept -> std::uint64_t { return bound(m).caps; },
      [](const assay_model_handle* m) noexcept -> assay_str { return str(bound(m).identity); },
      [](const assay_model_handle* m) noexcept -> assay_str { return str(bound(m).tokenizer); },
      [](const assay_model_handle* m, void** instance) noexcept -> const assay_model_tokenize_v1* {
        *instance = const_cast<Instance*>(&bound(m).instance);
        return static_cast<const assay_model_tokenize_v1*>(bound(m).extension("assay.model.tokenize/1"));
      },
      run};
};

inline std::unique_ptr<NgramModel> trained(std::string_view text, std::int64_t order,
                                           std::string_view tokenizer = "byte",
                                           std::string_view vocabulary = {}) {
  const test::TempFile file(text), words(vocabulary);
  auto model = std::make_unique<NgramModel>();
  give(*model, "order", order);
  give(*model, "tokenizer", tokenizer);
  give(*model, "train", std::string_view(file.path()));
  if (!vocabulary.empty()) give(*model, "vocabulary", std::string_view(words.path()));
  const Result<void> ready = model->configure();
  INFO((ready ? std::string() : ready.error().text));
  REQUIRE(ready.ok());
  return model;
}

inline std::unique_ptr<FixedRows> fixed(std::vector<std::vector<double>> table) {
  auto model = std::make_unique<FixedRows>();
  model->table = std::move(table);
  return model;
}

inline constexpr std::uint64_t kAll = ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY |
                                      ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1 | ASSAY_CAP_GENERATE_STATS;

/// Asks for everything.
inline assay_request request_of(int kind, std::string_view prompt, std::string_view continuation,
                                std::uint32_t flags = 0) {
  assay_request request = test::request_of(kind, prompt, continuation, kAll);
  request.flags = flags;
  return request;
}

using Answer = test::ModelAnswer;

struct SeenRow {
  int member;
  std::int64_t position;
  std::int32_t target;
  std::vector<double> p;
  bool operator==(const SeenRow&) const = default;
};

inline std::vector<SeenRow> rows_of(Model& model, const assay_request& request) {
  test::Arena arena;
  std::vector<SeenRow> seen;
  assay_call raw = *arena.raw();
  struct Ctx {
    test::Arena* arena;
    std::vector<SeenRow>* seen;
  } ctx{&arena, &seen};
  raw.ctx = &ctx;
  raw.alloc = [](void* at, std::size_t size, std::size_t align) noexcept -> void* {
    const assay_call* inner = static_cast<Ctx*>(at)->arena->raw();
    return inner->alloc(inner->ctx, size, align);
  };
  raw.row = [](void* at, std::size_t, const assay_row* row) noexcept -> std::int32_t {
    const auto* p = static_cast<const double*>(row->data);
    static_cast<Ctx*>(at)->seen->push_back(
        {row->member, row->position, row->target, {p, p + row->vocabulary}});
    return 0;
  };
  Call call(&raw);
  RowSink sink(call, 0);
  const Result<void> done = model.rows(RequestView(&request), sink, call);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
  return seen;
}

using test::check_near;

}  // namespace assay::ensemble_test
