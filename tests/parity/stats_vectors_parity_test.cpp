// Every case of statistics/vectors.json (40-digit references) through the public functions of assay::stats.
#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "harness/stats/aggregate.hpp"
#include "harness/stats/agreement.hpp"
#include "harness/stats/bootstrap.hpp"
#include "harness/stats/delong.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/mean.hpp"
#include "harness/stats/multiplicity.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/paired_binary.hpp"
#include "harness/stats/power.hpp"
#include "harness/stats/proportion.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/rank.hpp"
#include "harness/stats/repeats.hpp"
#include "harness/stats/roc.hpp"
#include "harness/stats/roc_bootstrap.hpp"
#include "harness/stats/sequential.hpp"
#include "harness/stats/sign_flip.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/data.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using nlohmann::json;

namespace {

using assay::test::Doubles;

// NaN becomes "undefined" in what the functions under test give.
using Handler = std::function<json(const json& in)>;

json number(double value) {
  return std::isfinite(value) ? json(value) : json("undefined");
}
json limits(const Interval& interval) {
  if (!interval.defined()) return {{"undefined", true}};
  return {{"lo", interval.lo}, {"hi", interval.hi}};
}
Doubles list(const json& j) {
  return j.get<Doubles>();
}
std::uint64_t big(const json& j) {
  return std::stoull(j.get<std::string>());
}

Doubles nullable(const json& j) {
  Doubles out;
  for (const json& value : j) out.push_back(value.is_null() ? kUndefined : value.get<double>());
  return out;
}

std::vector<Doubles> matrix(const json& j) {
  return j.get<std::vector<Doubles>>();
}

// Codes of arbitrary JSON labels, in order of first use.
class Codes {
 public:
  std::uint32_t of(const json& label) {
    return codes_.emplace(label.dump(), static_cast<std::uint32_t>(codes_.size())).first->second;
  }

 private:
  std::map<std::string, std::uint32_t> codes_;
};

Clusters clusters_of(const json& in) {
  return make_clusters(in["cluster"].get<std::vector<std::string>>());
}

json binomial(const json& in, Interval (*f)(double, double, double)) {
  return limits(f(in["x"].get<double>(), in["n"].get<double>(), in["conf"].get<double>()));
}

// Coverage by summing the binomial over all outcomes whose interval holds p. Wald exists here only, as the
// negative control; it is not offered by the library.
json coverage(const json& in) {
  const std::string method = in["method"];
  const int n = in["n"];
  const double p = in["p"];
  const double conf = in["conf"];
  const auto interval = [&](double x) {
    if (method == "wilson") return wilson(x, n, conf);
    if (method == "clopper_pearson") return clopper_pearson(x, n, conf);
    if (method == "beta11") return beta11(x, n, conf);
    if (method == "jeffreys") return jeffreys(x, n, conf);
    REQUIRE(method == "wald");
    const double half = normal_critical(conf) * std::sqrt(x / n * (1 - x / n) / n);
    return make_interval("wald", x / n - half, x / n + half);
  };
  CompensatedSum total;
  for (int x = 0; x <= n; ++x) {
    const Interval i = interval(x);
    if (i.lo <= p && p <= i.hi) total.add(binomial_pmf(x, n, p));
  }
  return {{"coverage", total.value()}};
}

json mean_fields(const MeanEstimate& e) {
  json out = {
      {"n", e.n},           {"mean", number(e.mean)},      {"sd", number(e.sd)},         {"se", number(e.se)},
      {"df", number(e.df)}, {"lo", number(e.interval.lo)}, {"hi", number(e.interval.hi)}};
  if (e.clusters > 0) {
    out["clusters"] = e.clusters;
    out["se_uncorrected"] = number(e.se_uncorrected);
    out["se_iid"] = number(e.se_iid);
    out["deff"] = e.deff ? json(*e.deff) : json("undefined");
  }
  return out;
}

json paired_fields(const PairedTest& test, double margin, double conf) {
  json out = mean_fields(test.difference);
  const Tost tost = tost_t(test.difference, margin, 1.0 - conf);
  out.update({{"t", number(test.t)},
              {"p", number(test.p)},
              {"tost_p_lower", number(tost.p_lower)},
              {"tost_p_upper", number(tost.p_upper)},
              {"tost_p", number(tost.p)},
              {"ci90_lo", tost.interval.lo},
              {"ci90_hi", tost.interval.hi}});
  return out;
}

BootstrapPlan plan_of(const json& in) {
  BootstrapPlan plan;
  plan.seed = big(in["seed"]);
  if (in.contains("stream")) plan.stream = in["stream"];
  plan.replicates = in["B"];
  if (in.contains("conf")) plan.conf = in["conf"];
  return plan;
}

json bootstrap_fields(const BootstrapResult& r) {
  const Doubles first(r.replicates.begin(), r.replicates.begin() + 5);
  return {{"estimate", r.estimate}, {"se", r.se},         {"lo", r.percentile.lo},
          {"hi", r.percentile.hi},  {"first5", first},    {"z0", r.z0},
          {"acc", r.acceleration},  {"bca_lo", r.bca.lo}, {"bca_hi", r.bca.hi}};
}

Statistic statistic_of(const json& in) {
  const std::string name = in["statistic"];
  if (name == "mean") return Statistic::kMean;
  if (name == "median") return Statistic::kMedian;
  REQUIRE(name == "exp_mean");
  return Statistic::kExpMean;
}

json auroc_delong(const json& in) {
  const Doubles pos = list(in["pos"]);
  const Doubles neg = list(in["neg"]);
  const double conf = in["conf"];
  const AurocEstimate e = delong(pos, neg);
  if (std::isnan(e.auroc)) return {{"undefined", true}};
  // Three ways to the same number.
  CHECK(std::fabs(auroc(pos, neg) - e.auroc) <= 1e-12);
  CHECK(std::fabs(auroc(drop_intermediate(roc_curve(pos, neg))) - e.auroc) <= 1e-12);
  const Interval wald = delong_wald(e, conf);
  const Interval logit = delong_logit(e, conf);
  const Interval score = auroc_score(e.auroc, e.positives, e.negatives, conf);
  json out = {{"auroc", e.auroc},   {"se", number(e.se)},   {"wald_lo", wald.lo},
              {"wald_hi", wald.hi}, {"score_lo", score.lo}, {"score_hi", score.hi}};
  if (logit.method == "delong_logit") {
    out["logit_lo"] = logit.lo;
    out["logit_hi"] = logit.hi;
  } else {
    CHECK(logit.method == "auroc.score");
    CHECK(logit.lo == score.lo);
  }
  return out;
}

json auroc_paired(const json& in) {
  const PairedAuroc r = delong_paired(list(in["pos_a"]), list(in["neg_a"]), list(in["pos_b"]),
                                      list(in["neg_b"]), in["conf"].get<double>());
  return {{"auroc_a", r.auroc_a},       {"auroc_b", r.auroc_b},
          {"delta", r.delta},           {"var_a", r.var_a},
          {"var_b", r.var_b},           {"cov", r.cov},
          {"se", number(r.se)},         {"z", number(r.z)},
          {"p", number(r.p)},           {"lo", number(r.interval.lo)},
          {"hi", number(r.interval.hi)}};
}

json tpr(const json& in) {
  const RocCurve curve = roc_curve(list(in["pos"]), list(in["neg"]));
  const double x = in["fpr"];
  const TprAtFpr strict = tpr_at_fpr(curve, x, TprRule::kStrict);
  const Interval fixed = tpr_conditional_interval(strict, curve.positives, in["conf"].get<double>());
  return {{"strict", strict.tpr},
          {"strict_fpr", strict.fpr},
          {"threshold", std::isfinite(strict.threshold) ? json(strict.threshold) : json(nullptr)},
          {"lt", number(tpr_at_fpr(curve, x, TprRule::kLt).tpr)},
          {"interp", tpr_at_fpr(curve, x, TprRule::kInterp).tpr},
          {"cp_lo", fixed.lo},
          {"cp_hi", fixed.hi}};
}

json two_sample_bootstrap(const json& in) {
  REQUIRE(in["streams"] == json({1, 6}));
  const Doubles pos = list(in["pos"]);
  const Doubles neg = list(in["neg"]);
  const RocSample sample{pos, neg};
  const BootstrapPlan plan = plan_of(in);
  BootstrapResult r;
  if (in.contains("fpr")) {
    REQUIRE(in["convention"] == "strict");
    r = tpr_at_fpr_bootstrap(sample, in["fpr"].get<double>(), plan);
  } else {
    r = auroc_bootstrap(sample, plan);
  }
  return {{"estimate", r.estimate}, {"se", r.se}, {"lo", r.percentile.lo}, {"hi", r.percentile.hi}};
}

json mcnemar_fields(const json& in) {
  const McNemar r = mcnemar(in["b"].get<std::uint64_t>(), in["c"].get<std::uint64_t>());
  return {{"p_exact", r.p_exact},         {"p_mid", r.p_mid},
          {"chi2", number(r.chi2)},       {"p_chi2", r.p_chi2},
          {"chi2_cc", number(r.chi2_cc)}, {"p_chi2_cc", r.p_chi2_cc}};
}

json newcombe10_fields(const json& in) {
  const Newcombe10 r = newcombe10({in["both"], in["b"], in["c"], in["neither"]}, in["conf"].get<double>());
  return {{"delta", r.delta}, {"phi", r.phi}, {"lo", r.interval.lo}, {"hi", r.interval.hi}};
}

json tango_fields(const json& in) {
  const std::uint64_t b = in["b"];
  const std::uint64_t c = in["c"];
  const std::uint64_t n = in["n"];
  json out = limits(tango(b, c, n, in["conf"].get<double>()));
  out["delta"] = FlipTable{n - b - c, b, c, 0}.delta();
  return out;
}

json newcombe_fields(const json& in) {
  const double x1 = in["x1"];
  const double n1 = in["n1"];
  const double x2 = in["x2"];
  const double n2 = in["n2"];
  json out = limits(newcombe_difference(x1, n1, x2, n2, in["conf"].get<double>()));
  out["delta"] = x1 / n1 - x2 / n2;
  return out;
}

json aggregate_fields(const json& in) {
  std::vector<TaskMean> tasks;
  for (std::size_t i = 0; i < in["mean"].size(); ++i)
    tasks.push_back({in["mean"][i], in["se"][i], in["n"][i]});
  const TaskAggregate r = aggregate(tasks);
  return {{"macro", r.macro},
          {"macro_se", r.macro_se},
          {"micro", r.micro},
          {"micro_se_stratified", r.micro_se_stratified},
          {"micro_se_lmeval", r.micro_se_lmeval},
          {"micro_se_pooled", r.micro_se_pooled}};
}

json reduced_fields(const json& in) {
  const Reduced r = reduce(nullable(in["x"]));
  if (r.n_scored == 0) return {{"undefined", true}};
  return {{"n_scored", r.n_scored}, {"n_missing", r.n_missing},     {"mean", r.mean},
          {"median", r.median},     {"median_high", r.median_high}, {"max", r.max},
          {"mode", r.mode},         {"mode_tied", r.mode_tied}};
}

json variance_fields(const json& in) {
  std::vector<Doubles> scores;
  for (const json& question : in["scores"]) scores.push_back(nullable(question));
  const RepeatVariance r = repeat_variance(scores);
  return {{"mean", r.mean},
          {"se", r.se},
          {"var_of_question_means", r.var_of_question_means},
          {"within", r.within},
          {"within_over_K", r.within_over_k},
          {"between", r.between}};
}

json rank_fields(const std::vector<RankInterval>& ranks) {
  json out = json::array();
  for (const RankInterval& r : ranks) out.push_back({r.best, r.worst});
  return {{"rank_interval", out}};
}

json kappa_fields(const json& in) {
  Codes codes;
  std::vector<std::uint32_t> a;
  std::vector<std::uint32_t> b;
  for (const json& label : in["a"]) a.push_back(codes.of(label));
  for (const json& label : in["b"]) b.push_back(codes.of(label));
  const auto kappa = cohen_kappa(a, b);
  return {{"kappa", kappa ? json(*kappa) : json("undefined")}};
}

json alpha_fields(const json& in) {
  Codes codes;
  std::vector<std::vector<std::optional<std::uint32_t>>> units;
  for (const json& unit : in["units"]) {
    auto& row = units.emplace_back();
    for (const json& label : unit) {
      row.push_back(label.is_null() ? std::nullopt : std::optional<std::uint32_t>(codes.of(label)));
    }
  }
  const auto alpha = krippendorff_nominal(units);
  return {{"alpha", alpha ? json(*alpha) : json("undefined")}};
}

json indices(const json& in) {
  const std::uint32_t n = in["n"];
  std::vector<std::uint32_t> idx(n);
  random_indices(big(in["seed"]), in["stream"], in["b"], n, idx);
  for (std::uint32_t i = 0; i < n; ++i) {
    REQUIRE(idx[i] == random_index(big(in["seed"]), in["stream"], in["b"], i, n));
  }
  idx.resize(std::min<std::size_t>(n, 12));
  return {{"idx", idx}};
}

json tost_fields(const json& in) {
  const TostBinary r = tost_tango(in["b"], in["c"], in["n"], in["margin"], in["alpha"]);
  return {{"ci90_lo", r.interval.lo},
          {"ci90_hi", r.interval.hi},
          {"equivalent", r.equivalent},
          {"non_inferior", r.non_inferior}};
}

json items_fields(const RequiredItems& r) {
  return {{"n_exact", r.exact}, {"n", r.items}};
}

json pass_fields(const json& in) {
  return {{"pass_at_k", number(pass_at_k(in["n"], in["c"], in["k"]))},
          {"pass_hat_k", number(pass_hat_k(in["n"], in["c"], in["k"]))}};
}

json g_pass_fields(const json& in) {
  const double g = g_pass_at_k(in["n"], in["c"], in["k"], in["tau"]);
  return std::isnan(g) ? json{{"undefined", true}} : json{{"g_pass", g}};
}

json bounds_fields(const json& in) {
  const MissingBounds r = missing_bounds(list(in["scored"]), in["n_missing"], in["min"], in["max"]);
  return {{"n_total", r.n_total},
          {"mean_excluding", number(r.excluding)},
          {"mean_missing_as_min", r.as_min},
          {"mean_missing_as_max", r.as_max}};
}

json paired_t_case(const json& in) {
  const Doubles d = differences(list(in["baseline"]), list(in["candidate"]));
  return paired_fields(paired_t(d, in["conf"]), in["margin"], in["conf"]);
}

json paired_cluster_case(const json& in) {
  const Doubles d = differences(list(in["baseline"]), list(in["candidate"]));
  return paired_fields(paired_cluster_t(d, clusters_of(in), in["conf"]), in["margin"], in["conf"]);
}

json flips_exact(const json& in) {
  const auto r = sign_flip_exact(list(in["d"]));
  REQUIRE(r.has_value());
  return {{"p", r->p}};
}

json flips_mc(const json& in) {
  REQUIRE(in["stream"] == kStreamSigns);
  const SignFlip r = sign_flip_mc(list(in["d"]), big(in["seed"]), in["B"]);
  return {{"p", r.p}, {"count", r.count}};
}

json significance(const json& in) {
  const auto delta = matrix(in["delta"]);
  const auto p = matrix(in["p"]);
  return rank_fields(rank_significance({delta, p}, in["alpha"]));
}

json philox(const json& in) {
  const auto words = philox4x32_10(in["counter"].get<std::array<std::uint32_t, 4>>(),
                                   in["key"].get<std::array<std::uint32_t, 2>>());
  return {{"words", words}};
}

const std::map<std::string, Handler>& handlers() {
  static const std::map<std::string, Handler> kHandlers{
      {"normal.quantile",
       [](const json& in) -> json {
         return {{"x", normal_quantile(in["p"])}};
       }},
      {"normal.cdf",
       [](const json& in) -> json {
         return {{"p", normal_cdf(in["x"])}};
       }},
      {"t.quantile",
       [](const json& in) -> json {
         return {{"x", student_quantile(in["p"], in["df"])}};
       }},
      {"t.cdf",
       [](const json& in) -> json {
         return {{"p", student_cdf(in["t"], in["df"])}};
       }},
      {"beta.quantile",
       [](const json& in) -> json {
         return {{"x", beta_quantile(in["p"], in["a"], in["b"])}};
       }},
      {"binom.wilson", [](const json& in) { return binomial(in, wilson); }},
      {"binom.clopper_pearson", [](const json& in) { return binomial(in, clopper_pearson); }},
      {"binom.jeffreys", [](const json& in) { return binomial(in, jeffreys); }},
      {"binom.beta11", [](const json& in) { return binomial(in, beta11); }},
      {"binom.wilson_neff",
       [](const json& in) { return limits(wilson_neff(in["p"], in["n"], in["deff"], in["conf"])); }},
      {"coverage.exact", coverage},
      {"mean.t", [](const json& in) { return mean_fields(mean_t(list(in["x"]), in["conf"])); }},
      {"mean.cluster_t",
       [](const json& in) {
         return mean_fields(mean_cluster_t(list(in["x"]), clusters_of(in), in["conf"]));
       }},
      {"quantile.type7",
       [](const json& in) -> json {
         return {{"q", quantile(list(in["x"]), in["p"])}};
       }},
      {"rng.philox4x32_10", philox},
      {"rng.u64",
       [](const json& in) -> json {
         return {{"u64", std::to_string(random_u64(big(in["seed"]), in["stream"], in["b"], in["i"]))}};
       }},
      {"rng.indices", indices},
      {"rng.shuffle",
       [](const json& in) -> json {
         return {{"perm", random_permutation(big(in["seed"]), in["n"], in["stream"])}};
       }},
      {"rng.task_seed",
       [](const json& in) -> json {
         return {{"u64", std::to_string(task_seed(big(in["seed"]), in["purpose"].get<std::string>(),
                                                  in["task"].get<std::string>()))}};
       }},
      {"bootstrap",
       [](const json& in) {
         return bootstrap_fields(bootstrap(list(in["x"]), statistic_of(in), plan_of(in)));
       }},
      {"bootstrap.cluster",
       [](const json& in) {
         return bootstrap_fields(bootstrap(list(in["x"]), clusters_of(in), statistic_of(in), plan_of(in)));
       }},
      {"auroc.delong", auroc_delong},
      {"auroc.delong_paired", auroc_paired},
      {"tpr_at_fpr", tpr},
      {"tpr_at_fpr.bootstrap", two_sample_bootstrap},
      {"auroc.bootstrap", two_sample_bootstrap},
      {"mcnemar", mcnemar_fields},
      {"paired_binary.newcombe10", newcombe10_fields},
      {"paired_binary.tango", tango_fields},
      {"unpaired_binary.newcombe", newcombe_fields},
      {"paired.t", paired_t_case},
      {"paired.cluster_t", paired_cluster_case},
      {"paired.signflip_exact", flips_exact},
      {"paired.signflip_mc", flips_mc},
      {"tost.tango", tost_fields},
      {"multiplicity",
       [](const json& in) -> json {
         const Doubles p = nullable(in["p"]);
         return {{"holm", holm(p).p}, {"bh", benjamini_hochberg(p).p}};
       }},
      {"power.required_n",
       [](const json& in) {
         return items_fields(
             required_items(in["delta"], in["var_a"], in["var_b"], in["rho"], in["alpha"], in["power"]));
       }},
      {"power.mde",
       [](const json& in) -> json {
         return {{"mde", minimum_detectable_effect(in["se"], in["alpha"], in["power"])}};
       }},
      {"power.mcnemar_n",
       [](const json& in) {
         return items_fields(mcnemar_items(in["discordant"], in["delta"], in["alpha"], in["power"]));
       }},
      {"aggregate", aggregate_fields},
      {"reduce.pass_k", pass_fields},
      {"reduce.g_pass_k", g_pass_fields},
      {"reduce.basic", reduced_fields},
      {"repeats.variance", variance_fields},
      {"missing.bounds", bounds_fields},
      {"rank.significance", significance},
      {"rank.bootstrap",
       [](const json& in) {
         const auto scores = matrix(in["scores"]);
         return rank_fields(rank_bootstrap(scores, plan_of(in)));
       }},
      {"sequential.e_mcnemar",
       [](const json& in) -> json {
         return {{"log_e", log_e_mcnemar(in["b"], in["c"], in["a0"])}};
       }},
      {"agreement.cohen_kappa", kappa_fields},
      {"agreement.krippendorff_nominal", alpha_fields}};
  return kHandlers;
}

// Absolute tolerance, relative for values above 1 in size.
bool close(const json& expected, const json& actual, double tolerance) {
  if (expected.is_array()) {
    if (!actual.is_array() || expected.size() != actual.size()) return false;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (!close(expected[i], actual[i], tolerance)) return false;
    }
    return true;
  }
  if (expected.is_number() && actual.is_number()) {
    const double e = expected;
    return std::fabs(e - actual.get<double>()) <= tolerance * std::max(1.0, std::fabs(e));
  }
  return expected == actual;
}

void check_case(const json& test) {
  INFO(test["id"].get<std::string>());
  const auto at = handlers().find(test["fn"].get<std::string>());
  if (at == handlers().end()) FAIL("no handler for the function " << test["fn"]);
  const json actual = at->second(test["in"]);
  const double tolerance = test["tol_abs"];
  for (const auto& [key, expected] : test["out"].items()) {
    INFO(key << ": expected " << expected.dump() << ", got " << actual.dump());
    if (key == "undefined" && expected.is_array()) {
      for (const json& field : expected) CHECK(actual.at(field.get<std::string>()) == "undefined");
      continue;
    }
    REQUIRE(actual.contains(key));
    CHECK(close(expected, actual[key], tolerance));
  }
}

}  // namespace

TEST_CASE("every recorded statistics vector is reproduced", "[parity][statistics]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream file(root / "statistics" / "vectors.json");
  const json vectors = json::parse(file);
  REQUIRE(vectors["cases"].size() == 308);
  std::set<std::string> seen;
  for (const json& test : vectors["cases"]) {
    check_case(test);
    seen.insert(test["fn"].get<std::string>());
  }
  for (const auto& [name, handler] : handlers()) {
    INFO("handler without a case: " << name);
    CHECK(seen.count(name) == 1);
  }
}

TEST_CASE("the far normal tail keeps ten relative digits", "[parity][statistics]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream file(root / "statistics" / "vectors.json");
  const json vectors = json::parse(file);
  int cases = 0;
  for (const json& test : vectors["cases"]) {
    if (test["fn"] != "normal.cdf") continue;
    const double expected = test["out"]["p"];
    CHECK(std::fabs(normal_cdf(test["in"]["x"]) / expected - 1.0) <= 1e-10);
    ++cases;
  }
  CHECK(cases > 0);
}
