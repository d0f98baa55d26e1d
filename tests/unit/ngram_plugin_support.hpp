// Instances of `assay.ngram` without the host, for its tests.
#pragma once

#include <unistd.h>

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

namespace assay::ngram_test {

using ngram::NgramModel;
namespace fs = std::filesystem;

class TempFile {
 public:
  explicit TempFile(std::string_view content) {
    static int counter = 0;
    path_ = fs::temp_directory_path() /
            ("assay_ngram_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TempFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

inline void give(Plugin& plugin, std::string_view key, assay_value value) {
  value.struct_size = sizeof value;
  value.is_set = 1;
  const auto found = std::find_if(plugin.params().begin(), plugin.params().end(),
                                  [&](const ParamBase* param) { return param->key() == key; });
  REQUIRE(found != plugin.params().end());
  (*found)->accept(value);
}
inline void give(Plugin& plugin, std::string_view key, std::string_view text) {
  assay_value value{};
  value.text = str(text);
  give(plugin, key, value);
}
inline void give(Plugin& plugin, std::string_view key, std::int64_t number) {
  assay_value value{};
  value.integer = number;
  value.number = static_cast<double>(number);
  give(plugin, key, value);
}
inline void give(Plugin& plugin, std::string_view key, const std::vector<std::string>& list) {
  std::vector<assay_str> items;
  for (const std::string& item : list) items.push_back(str(item));
  assay_value value{};
  value.list = {items.data(), items.size()};
  give(plugin, key, value);
}

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

inline assay_request request_of(int kind, std::string_view prompt, std::string_view continuation,
                                std::uint64_t want = 0) {
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = kind;
  request.prompt = str(prompt);
  request.continuation = str(continuation);
  request.want = want;
  return request;
}

/// A response and the memory behind it.
struct Answer {
  test::Arena arena;
  assay_response raw = test::empty_response();
  Result<void> done;

  Answer(NgramModel& model, const assay_request& request) {
    Call call = arena.call();
    ResponseWriter writer(raw, call);
    done = request.kind == ASSAY_REQUEST_SCORE ? model.score(RequestView(&request), writer, call)
                                               : model.generate(RequestView(&request), writer, call);
    if (done) writer.finish();
  }
  [[nodiscard]] ResponseView view() const { return ResponseView(&raw); }
};

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
