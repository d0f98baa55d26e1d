// The task `assay.text_pairs`: a human and a machine text on the same prompt, for detection of machine text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/task.hpp"
#include "json_rows.hpp"

namespace assay::text_pairs {

struct Pair {
  std::uint64_t number;  ///< position in the file, from 0
  std::string human, machine;
};

struct PairFile {
  std::vector<Pair> pairs;
  rows::Problems problems;
};

/// Reads {"original": [...], "sampled": [...]} (baoguangsheng/fast-detect-gpt, raw_data.json; item i of both
/// lists is a pair) or JSON rows {human, machine}. Pairs with a missing or empty text become problems.
Result<PairFile> read_pairs(const std::string& path, const std::string& human_field,
                            const std::string& machine_field);

/// "xsum_gpt2-xl" of "dir/xsum_gpt2-xl.raw_data.json".
std::string set_name(std::string_view path);

class TextPairs final : public Task {
 public:
  static constexpr TaskInfo info{.id = "assay.text_pairs",
                                 .title = "Human and machine texts in pairs",
                                 .doc =
                                     "Two items per pair, `3/human` (label 0) and `3/machine` (label 1), in "
                                     "the group 3, because both texts "
                                     "begin alike. The whole text, its prompt included, is scored as the "
                                     "continuation of an empty prompt "
                                     "(request `text`), as the DetectGPT lineage does."};

  Param<Path> data{*this, "data", std::nullopt,
                   "JSON object {original: [...], sampled: [...]}, or JSON rows {human, machine}",
                   REQUIRED | AFFECTS_RESULT};
  Param<std::string> variant{*this, "variant", std::string(), "Name of the set; empty: the file's name",
                             AFFECTS_RESULT};
  Param<std::string> human_field{*this, "human_field", std::string("human"),
                                 "JSON rows: field of the human text", AFFECTS_RESULT};
  Param<std::string> machine_field{*this, "machine_field", std::string("machine"),
                                   "JSON rows: field of the machine text", AFFECTS_RESULT};

  Result<void> open(Call& call) override;
  [[nodiscard]] std::int64_t count() const override { return 2 * static_cast<std::int64_t>(pairs_.size()); }
  Result<void> item(std::uint64_t index, ItemWriter& out) override;

 private:
  std::vector<Pair> pairs_;
  std::string set_;
};

}  // namespace assay::text_pairs
