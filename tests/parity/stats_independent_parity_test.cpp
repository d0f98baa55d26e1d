// Statistics against SciPy, statsmodels and scikit-learn (vectors/statistics.json, written by
// tools/make_stats_vectors.py; each case names the function behind it). Needs no data mirror.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/stats/agreement.hpp"
#include "harness/stats/clusters.hpp"
#include "harness/stats/mean.hpp"
#include "harness/stats/multiplicity.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/paired_binary.hpp"
#include "harness/stats/proportion.hpp"
#include "harness/stats/repeats.hpp"
#include "harness/stats/roc.hpp"
#include "harness/stats/sign_flip.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"
#include "tests/support/places.hpp"

using namespace assay::stats;

namespace {

using assay::test::Doubles;

using Json = nlohmann::json;
using Numbers = std::map<std::string, Doubles>;

Doubles list(const Json& in, const char* key) {
  return in.at(key).get<Doubles>();
}
double one(const Json& in, const char* key) {
  return in.at(key).get<double>();
}

Numbers numbers_of(const Interval& interval) {
  return {{"lo", {interval.lo}}, {"hi", {interval.hi}}};
}
Numbers numbers_of(const MeanEstimate& e) {
  return {{"mean", {e.mean}}, {"se", {e.se}}, {"lo", {e.interval.lo}}, {"hi", {e.interval.hi}}};
}

Numbers roc(const Json& in) {
  const Doubles x = list(in, "positives"), y = list(in, "negatives");
  const RocCurve curve = roc_curve(x, y);
  return {{"auroc", {auroc(x, y)}},
          {"u", {auroc(curve)}},
          {"average_precision", {average_precision(curve)}},
          {"pr_auc", {pr_auc(curve)}},
          {"tpr_at_0.1", {tpr_at_fpr(curve, 0.1).tpr}},
          {"youden", {youden(curve).value}}};
}

// What this library says for a case.
Numbers computed(const std::string& fn, const Json& in) {
  if (fn == "wilson") return numbers_of(wilson(one(in, "x"), one(in, "n"), one(in, "conf")));
  if (fn == "clopper_pearson")
    return numbers_of(clopper_pearson(one(in, "x"), one(in, "n"), one(in, "conf")));
  if (fn == "jeffreys") return numbers_of(jeffreys(one(in, "x"), one(in, "n"), one(in, "conf")));
  if (fn == "newcombe_difference")
    return numbers_of(
        newcombe_difference(one(in, "x1"), one(in, "n1"), one(in, "x2"), one(in, "n2"), one(in, "conf")));
  if (fn == "mean_t") return numbers_of(mean_t(list(in, "x"), one(in, "conf")));
  if (fn == "mean_cluster_t") {
    const auto groups = in.at("groups").get<std::vector<std::uint32_t>>();
    return numbers_of(mean_cluster_t(list(in, "x"), make_clusters(groups), one(in, "conf")));
  }
  if (fn == "paired_t") {
    const PairedTest t = paired_t(differences(list(in, "a"), list(in, "b")), one(in, "conf"));
    return {
        {"t", {t.t}}, {"p", {t.p}}, {"lo", {t.difference.interval.lo}}, {"hi", {t.difference.interval.hi}}};
  }
  if (fn == "correlation") return {{"r", {correlation(list(in, "a"), list(in, "b"))}}};
  if (fn == "tost_t") {
    const Doubles d = differences(list(in, "a"), list(in, "b"));
    const Tost t = tost_t(paired_t(d, 0.95).difference, one(in, "margin"), 0.05);
    return {{"p", {t.p}}, {"p_lower", {t.p_lower}}, {"p_upper", {t.p_upper}}};
  }
  if (fn == "mcnemar") {
    const McNemar m = mcnemar(in.at("b").get<std::uint64_t>(), in.at("c").get<std::uint64_t>());
    return {{"p_exact", {m.p_exact}}, {"p_chi2", {m.p_chi2}}, {"chi2", {m.chi2}}};
  }
  if (fn == "sign_flip_exact") {
    const auto flip = sign_flip_exact(list(in, "d"));
    return {{"p", {flip ? flip->p : kUndefined}}};
  }
  if (fn == "holm") return {{"p", holm(list(in, "p")).p}};
  if (fn == "bh") return {{"p", benjamini_hochberg(list(in, "p")).p}};
  if (fn == "roc") return roc(in);
  if (fn == "cohen_kappa") {
    const auto a = in.at("a").get<std::vector<std::uint32_t>>(),
               b = in.at("b").get<std::vector<std::uint32_t>>();
    return {{"kappa", {cohen_kappa(a, b).value_or(kUndefined)}}};
  }
  if (fn == "pass_at_k") {
    const auto n = in.at("n").get<std::uint64_t>(), c = in.at("c").get<std::uint64_t>(),
               k = in.at("k").get<std::uint64_t>();
    return {{"pass_at_k", {pass_at_k(n, c, k)}}, {"pass_hat_k", {pass_hat_k(n, c, k)}}};
  }
  if (fn == "summary") {
    const Doubles x = list(in, "x");
    return {{"q025", {quantile(x, 0.025)}},
            {"q9", {quantile(x, 0.9)}},
            {"median", {median(x)}},
            {"variance", {variance(x)}},
            {"skewness", {skewness(x)}}};
  }
  FAIL("no function " << fn);
  return {};
}

}  // namespace

TEST_CASE("statistics agree with SciPy, statsmodels and scikit-learn", "[parity][statistics]") {
  std::ifstream file(assay::test::source_dir() / "tests/parity/vectors/statistics.json");
  REQUIRE(file);
  const Json tree = Json::parse(file);
  std::map<std::string, int> seen;
  for (const Json& one_case : tree["cases"]) {
    const std::string fn = one_case["fn"];
    ++seen[fn];
    INFO(fn << " by " << one_case["by"].get<std::string>() << " of " << one_case["in"].dump().substr(0, 200));
    const Numbers got = computed(fn, one_case["in"]);
    for (const auto& [key, expected] : one_case["out"].items()) {
      const Json values = expected.is_array() ? expected : Json::array({expected});
      const Doubles& numbers = got.at(key);
      REQUIRE(numbers.size() == values.size());
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        INFO(key << ": " << numbers[i] << " and " << values[i]);
        if (values[i].is_null()) {
          CHECK_FALSE(std::isfinite(numbers[i]));
          continue;
        }
        // Quantiles by other algorithms agree to about ten digits; everything else to more.
        const double want = values[i].get<double>();
        CHECK(std::fabs(numbers[i] - want) <= 1e-9 * std::max(1.0, std::fabs(want)));
      }
    }
  }
  CHECK(seen.size() == 17);
}
