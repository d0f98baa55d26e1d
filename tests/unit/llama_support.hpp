// Instances of `assay.llama` without the host, for its tests.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plugins/models/llama/llama_model.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/model_answer.hpp"
#include "tests/support/plugin_params.hpp"
#include "tests/support/temp_file.hpp"
#include "tests/support/tiny_gguf.hpp"

namespace assay::llama_test {

using llama::LlamaModel;
namespace fs = std::filesystem;

struct TempFile : test::TempFile {
  explicit TempFile(std::string_view content) : test::TempFile(content, ".gguf") {}
};

using Params = std::map<std::string, std::variant<std::string, std::int64_t>>;

inline std::unique_ptr<LlamaModel> prepared(const std::string& path, const Params& params = {}) {
  auto model = std::make_unique<LlamaModel>();
  test::give(*model, "path", path);
  for (const auto& [key, value] : params) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      test::give(*model, key, *text);
    } else {
      test::give(*model, key, std::get<std::int64_t>(value));
    }
  }
  return model;
}
inline std::unique_ptr<LlamaModel> made(const std::string& path, const Params& params = {}) {
  auto model = prepared(path, params);
  test::ready(*model);
  return model;
}
inline Error refused(const std::string& path, const Params& params = {}) {
  const Result<void> done = prepared(path, params)->configure();
  REQUIRE_FALSE(done.ok());
  return done.error();
}

inline constexpr std::uint64_t kAll =
    ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1;

using Answer = test::ModelAnswer;
using test::request_of;

inline Answer scored(LlamaModel& model, std::string_view prompt, std::string_view continuation,
                     std::uint64_t want = kAll, std::uint32_t flags = 0) {
  assay_request request = request_of(ASSAY_REQUEST_SCORE, prompt, continuation, want);
  request.flags = flags;
  return Answer(model, request);
}

struct Row {
  std::int64_t position;
  std::int32_t target;
  std::vector<float> logits;
};
inline std::vector<Row> rows_of(LlamaModel& model, const assay_request& request) {
  std::vector<Row> seen;
  test::Arena arena;
  assay_call raw = *arena.raw();
  raw.ctx = &seen;
  raw.row = [](void* ctx, std::size_t, const assay_row* row) noexcept -> std::int32_t {
    const auto* z = static_cast<const float*>(row->data);
    static_cast<std::vector<Row>*>(ctx)->push_back({row->position, row->target, {z, z + row->vocabulary}});
    return row->form == ASSAY_ROW_LOGITS && row->dtype == ASSAY_F32 ? 0 : 1;
  };
  Call call(&raw);
  RowSink sink(call, 0);
  const Result<void> done = model.rows(RequestView(&request), sink, call);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
  return seen;
}

}  // namespace assay::llama_test
