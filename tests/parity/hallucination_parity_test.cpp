// Uncertainty, semantic entropy, calibration and selective prediction against golden vectors.
#include <catch2/catch_test_macros.hpp>

#include "assay/text/normalise.hpp"
#include "plugins/metrics/hallucination/calibration.hpp"
#include "plugins/metrics/hallucination/ranking.hpp"
#include "plugins/metrics/hallucination/semantic.hpp"
#include "plugins/metrics/hallucination/uncertainty.hpp"
#include "tests/support/data.hpp"
#include "tests/support/golden.hpp"

using namespace assay::hallucination;  // NOLINT: a test of this namespace
using namespace assay::test;           // NOLINT

namespace {

std::filesystem::path golden(const std::filesystem::path& root, const char* name) {
  return root / "hallucination/golden" / (std::string(name) + ".jsonl");
}

std::vector<std::size_t> sizes(Json list) {
  std::vector<std::size_t> out;
  for (const Json value : list.get_array()) out.push_back(std::size_t(std::uint64_t(value)));
  return out;
}

Entailment entailment(std::string_view name) {
  return name == "entailment" ? Entailment::kEntailment
         : name == "neutral"  ? Entailment::kNeutral
                              : Entailment::kContradiction;
}

}  // namespace

TEST_CASE("hallucination parity: ensemble uncertainty") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(golden(root, "ensemble_uncertainty"),
                        [](const std::string& name, Json in, Json expected) {
                          INFO(name);
                          std::vector<double> members;
                          std::size_t count = 0;
                          for (const Json p : in["p_per_member"].get_array()) {
                            const auto row = reals(p);
                            members.insert(members.end(), row.begin(), row.end());
                            ++count;
                          }
                          const EnsembleUncertainty u = ensemble_uncertainty(members, count);
                          CHECK(close(u.predictive, real(expected["predictive"])));
                          CHECK(close(u.aleatoric, real(expected["aleatoric"])));
                          CHECK(close(u.epistemic, real(expected["epistemic"])));
                        }) == 4);
}

TEST_CASE("hallucination parity: calibration and ranking of confidences") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(golden(root, "calibration"), [](const std::string& name, Json in, Json expected) {
          INFO(name);
          const auto confidence = reals(in["confidence"]), correct = reals(in["correct"]);
          CHECK(close(ece(confidence, correct, Bins::kW10), real(expected["ece_w10"])));
          CHECK(close(ece(confidence, correct, Bins::kW15), real(expected["ece_w15"])));
          CHECK(close(ece(confidence, correct, Bins::kW20), real(expected["ece_w20"])));
          CHECK(close(ece(confidence, correct, Bins::kW10Left), real(expected["ece_w10_left"])));
          CHECK(close(ece(confidence, correct, Bins::kM10), real(expected["ece_m10"])));
          CHECK(close(mce(confidence, correct, Bins::kW10), real(expected["mce_w10"])));
          CHECK(close(brier(confidence, correct), real(expected["brier"])));
          std::vector<char> positive;
          for (const double c : correct) positive.push_back(c == 1 ? 1 : 0);
          CHECK(close(auroc(confidence, positive), real(expected["auroc"])));
          CHECK(close(aupr_trapezoid(confidence, positive), real(expected["aupr_trap"])));
          CHECK(close(average_precision(confidence, positive), real(expected["ap"])));
        }) == 4);
}

TEST_CASE("hallucination parity: selective prediction") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(golden(root, "selective"), [](const std::string& name, Json in, Json expected) {
          INFO(name);
          const auto u = reals(in["uncertainty"]), a = reals(in["accuracy"]);
          const Selection s(u, a);
          if (!expected["auroc_unc_vs_incorrect"].is_null()) {
            std::vector<char> wrong;
            for (const double value : a) wrong.push_back(value == 0 ? 1 : 0);
            CHECK(close(auroc(u, wrong), real(expected["auroc_unc_vs_incorrect"])));
          }
          CHECK(close(s.aurac20(), real(expected["aurac_jlko20"])));
          for (const auto& [q, key] : {std::pair{0.8, "0.8"}, {0.9, "0.9"}, {0.95, "0.95"}, {1.0, "1.0"}}) {
            CHECK(close(s.accuracy_at(q), real(expected["accuracy_at"][key])));
          }
          CHECK(close(s.auarc(), real(expected["auarc_prefix"])));
          CHECK(close(s.aurc(), real(expected["aurc"])));
          CHECK(close(s.eaurc(), real(expected["eaurc"])));
          for (const auto& [r, key] : {std::pair{1.0, "prr_1.0"}, {0.5, "prr_0.5"}}) {
            const auto ratio = s.rejection_ratio(r);
            CHECK(close(ratio.raw, real(expected[key]["raw"])));
            CHECK(close(ratio.oracle, real(expected[key]["oracle"])));
            CHECK(close(ratio.random, real(expected[key]["random_expected"])));
            CHECK(close(ratio.normalised, real(expected[key]["normalised"])));
          }
          const auto curve = s.risk_coverage();
          std::size_t k = 0;
          for (const Json point : expected["risk_coverage"].get_array()) {
            const auto wanted = reals(point);
            CHECK(close(curve[k].first, wanted[0]));
            CHECK(close(curve[k].second, wanted[1]));
            ++k;
          }
          CHECK(k == curve.size());
        }) == 4);
}

TEST_CASE("hallucination parity: clustering of equivalent answers") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(golden(root, "se_clustering"), [](const std::string& name, Json in, Json expected) {
          INFO(name);
          std::vector<std::vector<std::size_t>> pairs;
          for (const Json pair : in["equivalent_pairs"].get_array()) pairs.push_back(sizes(pair));
          const auto same = [&](std::size_t i, std::size_t j) {
            for (const auto& pair : pairs) {
              if ((pair[0] == i && pair[1] == j) || (pair[0] == j && pair[1] == i)) return true;
            }
            return false;
          };
          const std::size_t n = std::size_t(std::uint64_t(in["n"]));
          CHECK(cluster(n, same, Clustering::kLastMatch) == sizes(expected["last_match"]));
          CHECK(cluster(n, same, Clustering::kFirstMatch) == sizes(expected["first_match"]));
          CHECK(cluster(n, same, Clustering::kFirstRepresentative) ==
                sizes(expected["first_representative"]));
          CHECK(cluster(n, same, Clustering::kComponents) == sizes(expected["components"]));
        }) == 5);
}

TEST_CASE("hallucination parity: entailment in two directions") {
  ASSAY_NEEDS_DATA(root);
  CHECK(for_each_golden(golden(root, "se_equivalence"), [](const std::string& name, Json in, Json expected) {
          INFO(name);
          const Entailment forward = entailment(in["forward"]), backward = entailment(in["backward"]);
          CHECK(equivalent_strict(forward, backward) == bool(expected["strict"]));
          CHECK(equivalent_nonstrict(forward, backward) == bool(expected["non_strict"]));
        }) == 9);
}

TEST_CASE("hallucination parity: semantic entropy in all its variants") {
  ASSAY_NEEDS_DATA(root);
  CHECK(
      for_each_golden(golden(root, "semantic_entropy"), [](const std::string& name, Json in, Json expected) {
        INFO(name);
        const auto ids = sizes(in["cluster_ids"]);
        const auto mean = reals(in["mean_token_loglik"]), sum = reals(in["sum_loglik"]);
        std::vector<std::string_view> texts;
        for (const Json text : in["texts"].get_array()) texts.push_back(text);
        CHECK(close(se_rao(ids, mean), real(expected["se_rao"])));
        CHECK(close(se_rao(ids, sum), real(expected["se_rao_sumll"])));
        CHECK(close(se_discrete(ids), real(expected["se_discrete"])));
        CHECK(close(naive_entropy(mean), real(expected["naive_entropy_meanll"])));
        CHECK(close(se_polygraph_mean(ids, sum), real(expected["se_polygraph_mean"])));
        CHECK(close(se_polygraph_direct(ids, sum), real(expected["se_polygraph_direct"])));
        CHECK(close(se_polygraph_freq_mean(ids), real(expected["se_polygraph_freq_mean"])));
        CHECK(close(se_polygraph_freq_direct(ids), real(expected["se_polygraph_freq_direct"])));
        CHECK(close(se_polygraph_unique_mean(ids, sum, texts), real(expected["se_polygraph_unique_mean"])));
      }) == 4);
}
