// Recorded TOFU, WPU and dp2 runs through task and metrics: every cell, the utility, forget quality.
#include <simdjson.h>

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "row_file.hpp"
#include "tests/support/data.hpp"
#include "tests/support/simdjson_number.hpp"
#include "tests/unit/unlearning_support.hpp"
#include "tofu_metrics.hpp"
#include "tofu_task.hpp"

using namespace assay;              // NOLINT: a test of the plugins
using namespace assay::unlearning;  // NOLINT
using namespace assay::test;        // NOLINT

namespace {

namespace dom = simdjson::dom;
namespace fs = std::filesystem;

/// A recorded log; answers as the replay model does: by section, row number and request name.
class Log {
 public:
  explicit Log(const fs::path& path) {
    Result<std::string> text = read_text(path.string());
    REQUIRE(text.ok());
    REQUIRE(parser_.parse(*text).get(root_) == simdjson::SUCCESS);
  }
  [[nodiscard]] std::size_t rows(const char* section) const {
    dom::object losses;
    if (root_[section]["avg_gt_loss"].get(losses) != simdjson::SUCCESS) return 0;
    return losses.size();
  }
  Result<void> answer(const assay_request& request, ResponseWriter& out) const {
    static const std::map<std::string_view, const char*> kFiles = {
        {"retain", "eval_log.json"},
        {"real_authors", "eval_real_author_wo_options.json"},
        {"world_facts", "eval_real_world_wo_options.json"},
        {"forget", "eval_log_forget.json"},
        {"forget_paraphrased", "eval_log_forget_paraphrased.json"}};
    const std::string row(view(request.item));
    const std::string name(view(request.name));
    dom::element section;
    if (root_[kFiles.at(view(request.variant))].get(section) != simdjson::SUCCESS) return none();
    if (name == "answer") {
      dom::element texts;
      if (section["generated_text"][row].get(texts) == simdjson::SUCCESS) {
        out.choice(texts.at(1).get_string().value(), Finish::kNone);
        return {};
      }
      double recall = 0;
      if (section["rougeL_recall"][row].get(recall) != simdjson::SUCCESS) return none();
      out.series("rougeL_recall", {&recall, 1});
      return {};
    }
    double loss = std::nan("");
    dom::element list;
    if (name == "gold") {
      if (section["avg_gt_loss"][row].get(loss) != simdjson::SUCCESS) return none();
    } else if (name == "para") {
      if (section["avg_paraphrased_loss"][row].get(loss) != simdjson::SUCCESS) return none();
    } else {
      if (section["average_perturb_loss"][row].get(list) != simdjson::SUCCESS) return none();
      if (list.at(static_cast<std::size_t>(std::stoi(name.substr(5)))).get(loss) != simdjson::SUCCESS)
        return none();
    }
    out.mean_logprob(0.0 - loss, 0);
    return {};
  }

 private:
  static Error none() { return {Code::kNotFound, "no_record", {}}; }
  dom::parser parser_;
  dom::element root_;
};

struct Setting {
  std::string split;
  std::int64_t n_rows;
  bool paraphrased;
};

std::vector<assay_item> tofu_items(const fs::path& root, const Setting& setting, TofuTask& task,
                                   TestCall& call) {
  const fs::path folder = root / "unlearning/tofu";
  const std::vector<std::string> paths = {
      (folder / "retain_perturbed.jsonl").string(), (folder / "forget10_perturbed.jsonl").string(),
      (folder / "real_authors_perturbed.json").string(), (folder / "world_facts_perturbed.json").string()};
  give(task, "retain", paths[0]);
  give(task, "forget", paths[1]);
  give(task, "real_authors", paths[2]);
  give(task, "world_facts", paths[3]);
  give(task, "split", setting.split);
  give(task, "n_rows", setting.n_rows);
  std::vector<std::string> sections = {"retain", "real_authors", "world_facts", "forget"};
  if (setting.paraphrased) sections.push_back("forget_paraphrased");
  give(task, "sections", sections);
  const Result<void> opened = task.open(*call);
  INFO((opened ? std::string() : opened.error().text));
  REQUIRE(opened.ok());
  CHECK(task.problems().empty());
  return items_of(task, call);
}

Setting setting_of(const Log& log) {
  const std::size_t forget = log.rows("eval_log_forget.json");
  return {forget == 40 ? "forget01" : "forget10", log.rows("eval_log.json") == 400 ? 0 : 300,
          log.rows("eval_log_forget_paraphrased.json") != 0};
}

/// Cells and utility of one variant against a block of expected/runs.json; returns how many were compared.
std::size_t check_cells(const Answered& answers, const char* variant, dom::object wanted) {
  TofuUtility metric;
  give(metric, "variant", variant);
  const Scored scored = scores_of(metric, answers);
  for (std::size_t i = 0; i < scored.rows.size(); ++i) {
    if (scored.states[i] != State::kOk) FAIL(scored.notes[i]);
  }
  const std::vector<double> values = aggregate_of(metric, scored);
  const std::map<std::string, std::string> sections = {{"Retain", "retain"},
                                                       {"Real Authors", "real_authors"},
                                                       {"Real World", "world_facts"},
                                                       {"Forget", "forget"},
                                                       {"Forget Paraphrased", "forget_paraphrased"}};
  std::size_t compared = 0;
  const auto check = [&](const std::string& key, const std::string& value) {
    double expected = 0;
    if (wanted[key].get(expected) != simdjson::SUCCESS) return;
    INFO(variant << " " << key);
    const double got = custom<TofuUtility>(values, value);
    INFO(got << " wanted " << expected);
    CHECK(std::abs(got - expected) <= 1e-9);
    ++compared;
  };
  for (const auto& [theirs, ours] : sections) {
    check("Prob. " + theirs, ours + "_prob");
    check("ROUGE " + theirs, ours + "_rouge");
    check("Truth Ratio " + theirs, ours + "_truth_ratio");
  }
  check("Model Utility", "model_utility");
  return compared;
}

/// Forget quality of `target` against `reference`, both asked the same items.
std::vector<double> forget_quality(const Answered& target, const Answered& reference, const char* variant,
                                   const char* match) {
  ForgetQuality metric;
  give(metric, "variant", variant);
  give(metric, "reference_match", match);
  return aggregate_of(metric, scores_of(metric, target, &reference));
}

void check_quality(const std::vector<double>& got, dom::element wanted) {
  const double d = number(wanted["D"]);
  const double p = number(wanted["p"]);
  INFO("D " << d << " p " << p << " got p " << custom<ForgetQuality>(got, "forget_quality"));
  CHECK(std::abs(custom<ForgetQuality>(got, "ks_d") - d) <= 1e-15);
  if (p > 1e-300) CHECK(std::abs(custom<ForgetQuality>(got, "forget_quality") - p) <= 1e-9 * p);
  double log10_p = 0;
  if (wanted["log10_p"].get(log10_p) == simdjson::SUCCESS) {
    CHECK(std::abs(custom<ForgetQuality>(got, "log10_p") - log10_p) <= 1e-9);
  }
}

}  // namespace

TEST_CASE("unlearning parity: cells and utility of every recorded run, all variants") {
  ASSAY_NEEDS_DATA(root);
  dom::parser parser;
  const dom::object runs = parser.load((root / "unlearning/expected/runs.json").string()).get_object();
  std::size_t files = 0;
  std::size_t compared = 0;
  for (const auto& [name, wanted] : runs) {
    if (!name.starts_with("runs/")) continue;
    INFO(name);
    const Log log(root / "unlearning" / std::string(name));
    TestCall call;
    TofuTask task;
    const auto items = tofu_items(root, setting_of(log), task, call);
    const Answered answers = answers_of(
        items, [&](const auto& request, auto& out) { return log.answer(request, out); }, call);
    compared += check_cells(answers, "tofu-2024", wanted["tofu-2024"].get_object());
    compared +=
        check_cells(answers, "openunlearning-2025", wanted["openunlearning-2025-from-log"].get_object());
    dom::object published;
    if (wanted["published_csv"].get(published) == simdjson::SUCCESS) {
      compared += check_cells(answers, "tofu-2024", published);
    }
    double arithmetic = 0;
    if (wanted["variant tofu-2024-arith Model Utility"].get(arithmetic) == simdjson::SUCCESS) {
      TofuUtility metric;
      give(metric, "variant", "tofu-2024-arith");
      const auto values = aggregate_of(metric, scores_of(metric, answers));
      CHECK(std::abs(custom<TofuUtility>(values, "model_utility") - arithmetic) <= 1e-9);
      CHECK(std::isnan(custom<TofuUtility>(values, "forget_truth_ratio")));
      ++compared;
    }
    ++files;
  }
  CHECK(files == 19);
  CHECK(compared == 673);
}

TEST_CASE("unlearning parity: forget quality of every recorded pair, both variants") {
  ASSAY_NEEDS_DATA(root);
  dom::parser parser;
  const dom::object runs = parser.load((root / "unlearning/expected/runs.json").string()).get_object();
  std::size_t pairs = 0;
  for (const auto& [name, wanted] : runs) {
    if (!name.starts_with("runs/")) continue;
    const Log target_log(root / "unlearning" / std::string(name));
    for (const auto& [reference_name, qualities] : wanted["forget_quality"].get_object()) {
      INFO(name << " against " << reference_name);
      const Log reference_log(root / "unlearning" / std::string(reference_name));
      // The larger of the two logs decides how many rows are asked; what the other lacks stays without
      // partner.
      Setting setting = setting_of(target_log);
      if (setting_of(reference_log).n_rows == 0) setting.n_rows = 0;
      setting.paraphrased = false;
      TestCall call;
      TofuTask task;
      const auto items = tofu_items(root, setting, task, call);
      const auto ask = [&](const Log& log) {
        return answers_of(
            items, [&](const auto& request, auto& out) { return log.answer(request, out); }, call);
      };
      const Answered target = ask(target_log);
      const Answered reference = ask(reference_log);
      const std::size_t n = target_log.rows("eval_log_forget.json");
      const std::size_t m = reference_log.rows("eval_log_forget.json");
      // Target items without an answer do not reach the metric, so a larger reference is asked the other way
      // round: the statistic is symmetric.
      const bool swap = m > n;
      for (const char* variant : {"tofu-2024", "openunlearning-2025"}) {
        const std::string key = std::string(variant) + (variant[0] == 'o' ? "-from-log" : "");
        const auto got = forget_quality(swap ? reference : target, swap ? target : reference, variant,
                                        n == m ? "strict" : "any");
        check_quality(got, qualities[key]);
        CHECK(custom<ForgetQuality>(got, swap ? "n_reference" : "n") == static_cast<double>(n));
        CHECK(custom<ForgetQuality>(got, swap ? "n" : "n_reference") == static_cast<double>(m));
        ++pairs;
        if (n != m) {  // unequal logs have no value unless it is asked for
          const auto strict =
              forget_quality(swap ? reference : target, swap ? target : reference, variant, "strict");
          CHECK(std::isnan(custom<ForgetQuality>(strict, "forget_quality")));
        }
      }
    }
  }
  CHECK(pairs == 42);
}

TEST_CASE("unlearning parity: joining logs of different length uses the common rows") {
  ASSAY_NEEDS_DATA(root);
  dom::parser parser;
  const dom::element wanted =
      parser.load((root / "unlearning/expected/runs.json").string())["_intersect_reference_match"];
  const Log wpu(root / "unlearning/runs/wpu/retain_forget10.json.gz");
  const Log retain90(root / "unlearning/runs/tofu/llama2-7b_retain90.json.gz");
  const Log full(root / "unlearning/runs/tofu/llama2-7b_full.json");
  TestCall call;
  TofuTask task;
  const auto items = tofu_items(root, {"forget10", 0, false}, task, call);
  const auto ask = [&](const Log& log) {
    return answers_of(
        items, [&](const auto& request, auto& out) { return log.answer(request, out); }, call);
  };
  const auto check = [&](const Log& target, const Log& reference, const char* key) {
    const auto got = forget_quality(ask(target), ask(reference), "tofu-2024", "intersect");
    check_quality(got, wanted[key]);
    CHECK(custom<ForgetQuality>(got, "n") == number(wanted[key]["n"]));
    CHECK(custom<ForgetQuality>(got, "n_reference") == number(wanted[key]["n"]));
  };
  check(wpu, retain90, "wpu retain_forget10 (400) vs llama2-7b_retain90 (300)");
  check(full, wpu, "llama2-7b_full (300) vs wpu retain_forget10 (400)");
}
