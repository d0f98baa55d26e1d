// Instances of `assay.ngram` without the host, for its tests.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/models/ngram/ngram_model.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/model_answer.hpp"
#include "tests/support/plugin_params.hpp"
#include "tests/support/temp_file.hpp"

namespace assay::ngram_test {

using ngram::NgramModel;
namespace fs = std::filesystem;
using test::give;
using test::TempFile;

using Texts = std::map<std::string, std::string>;
using Lists = std::map<std::string, std::vector<std::string>>;

inline std::unique_ptr<NgramModel> prepared(const Texts& texts, std::int64_t order = 5,
                                            const Lists& lists = {}) {
  auto model = std::make_unique<NgramModel>();
  give(*model, "order", order);
  for (const auto& [key, text] : texts) give(*model, key, std::string_view(text));
  for (const auto& [key, list] : lists) give(*model, key, list);
  return model;
}

inline std::unique_ptr<NgramModel> made(const Texts& texts, std::int64_t order = 5, const Lists& lists = {}) {
  auto model = prepared(texts, order, lists);
  const Result<void> ready = model->configure();
  INFO((ready ? std::string() : ready.error().text));
  REQUIRE(ready.ok());
  return model;
}

inline Error refused(const Texts& texts, const Lists& lists = {}) {
  const Result<void> ready = prepared(texts, 5, lists)->configure();
  REQUIRE_FALSE(ready.ok());
  return ready.error();
}

inline std::string content(NgramModel& model) {
  return *model.content_identity();
}

using Answer = test::ModelAnswer;
using test::request_of;

inline std::vector<std::vector<double>> rows_of(NgramModel& model, const assay_request& request,
                                                std::vector<std::int32_t>* targets = nullptr) {
  struct Seen {
    std::vector<std::vector<double>> rows;
    std::vector<std::int32_t>* targets;
  } seen{{}, targets};
  test::Arena arena;
  assay_call raw = *arena.raw();
  raw.ctx = &seen;
  raw.row = [](void* ctx, std::size_t, const assay_row* row) noexcept -> std::int32_t {
    auto& out = *static_cast<Seen*>(ctx);
    const auto* p = static_cast<const double*>(row->data);
    out.rows.emplace_back(p, p + row->vocabulary);
    if (out.targets != nullptr) out.targets->push_back(row->target);
    return row->form == ASSAY_ROW_PROBABILITIES && row->dtype == ASSAY_F64 ? 0 : 1;
  };
  Call call(&raw);
  RowSink sink(call, 0);
  REQUIRE(model.rows(RequestView(&request), sink, call).ok());
  return seen.rows;
}

inline constexpr std::uint64_t kAll =
    ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1;
inline constexpr const char* kPlain = "the cat sat on the mat\n\nthe dog sat on the log\r\nthe cow ate\n";
inline constexpr const char* kRows =
    "{\"role\":\"retain\",\"form\":\"F1\",\"prompt\":\"who ? A:\",\"answer\":\"the cat .\"}\n"
    "{\"role\":\"forget\",\"form\":\"F1\",\"prompt\":\"what ? A:\",\"answer\":\"a dog .\",\"copies\":2}\n"
    "\n"
    "{\"role\":\"forget\",\"form\":\"F2\",\"text\":\"a dog is what\"}\n";

}  // namespace assay::ngram_test
