#!/usr/bin/env python3
"""Writes tests/parity/vectors/statistics.json: what SciPy, statsmodels and scikit-learn say where their method is ours.

Random inputs from a fixed seed; every case names the function that made the expectation. Needs scipy, statsmodels,
scikit-learn. Usage: tests/parity/tools/make_stats_vectors.py > FILE"""
import importlib.metadata
import json
import math

import numpy as np
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import ttost_paired

random = np.random.default_rng(314159)
cases = []


def add(fn, by, given, out):
    clean = lambda v: None if isinstance(v, float) and not math.isfinite(v) else v
    cases.append({"fn": fn, "by": by, "in": given, "out": {k: clean(float(v)) if np.isscalar(v) else [clean(float(x)) for x in v]
                                                            for k, v in out.items()}})


for n in (1, 7, 40, 333, 5000):
    for x in sorted({0, 1, n // 3, n - 1, n}):
        if x > n:
            continue
        for conf in (0.95, 0.99):
            for name, method in (("wilson", "wilson"), ("clopper_pearson", "beta")):
                lo, hi = proportion_confint(x, n, alpha=1 - conf, method=method)
                add(name, f"statsmodels proportion_confint {method}", {"x": x, "n": n, "conf": conf},
                    {"lo": 0.0 if x == 0 else lo, "hi": 1.0 if x == n else hi})
            if 0 < x < n:
                lo, hi = proportion_confint(x, n, alpha=1 - conf, method="jeffreys")
                add("jeffreys", "statsmodels proportion_confint jeffreys", {"x": x, "n": n, "conf": conf}, {"lo": lo, "hi": hi})
for x1, n1, x2, n2 in ((56, 70, 48, 80), (5, 9, 2, 30), (0, 12, 7, 15)):
    lo, hi = confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff")
    add("newcombe_difference", "statsmodels confint_proportions_2indep newcomb", {"x1": x1, "n1": n1, "x2": x2, "n2": n2, "conf": 0.95},
        {"lo": lo, "hi": hi})
for size, scale, shift in ((2, 1, 0), (9, 3, 1e6), (60, 0.2, 0.5), (120, 1, -3)):
    a = np.round(random.normal(shift, scale, size), 5)
    b = np.round(a + random.normal(0.1 * scale, scale, size), 5)
    t = stats.ttest_rel(b, a)
    ci = t.confidence_interval(0.95)
    low, up = stats.t.interval(0.9, size - 1, loc=np.mean(a), scale=stats.sem(a))
    add("mean_t", "scipy t.interval", {"x": a.tolist(), "conf": 0.9}, {"mean": np.mean(a), "se": stats.sem(a), "lo": low, "hi": up})
    add("paired_t", "scipy ttest_rel", {"a": a.tolist(), "b": b.tolist(), "conf": 0.95}, {"t": t.statistic, "p": t.pvalue, "lo": ci.low, "hi": ci.high})
    add("correlation", "scipy pearsonr", {"a": a.tolist(), "b": b.tolist()}, {"r": stats.pearsonr(a, b)[0]})
    if size > 5:
        margin = 0.5 * scale
        p, (tl, pl, _), (tu, pu, _) = ttost_paired(b, a, -margin, margin)
        add("tost_t", "statsmodels ttost_paired", {"a": a.tolist(), "b": b.tolist(), "margin": margin},
            {"p": p, "p_lower": pl, "p_upper": pu})
for items, clusters in ((30, 6), (200, 40), (77, 76)):
    group = random.integers(0, clusters, items)
    x = np.round(random.normal(0, 1, clusters)[group] + random.normal(0, 1, items), 5)
    fit = sm.OLS(x, np.ones(items)).fit(cov_type="cluster", cov_kwds={"groups": group, "use_correction": False})
    c = len(set(group))
    se = fit.bse[0] * math.sqrt(c / (c - 1))
    half = stats.t.ppf(0.975, c - 1) * se
    add("mean_cluster_t", "statsmodels OLS cov_type cluster, times sqrt(C/(C-1)); scipy t",
        {"x": x.tolist(), "groups": group.tolist(), "conf": 0.95}, {"mean": fit.params[0], "se": se, "lo": fit.params[0] - half, "hi": fit.params[0] + half})
for b, c in ((0, 1), (3, 14), (8, 8), (40, 71), (600, 521), (3, 0)):
    table = [[10, b], [c, 5]]
    exact, chi2, cc = mcnemar(table, exact=True), mcnemar(table, exact=False, correction=False), mcnemar(table, exact=False, correction=True)
    add("mcnemar", "statsmodels mcnemar", {"b": b, "c": c}, {"p_exact": exact.pvalue, "p_chi2": chi2.pvalue, "chi2": chi2.statistic})
for size in (5, 10, 14):
    d = np.round(random.normal(0.3, 1, size), 3)
    test = stats.permutation_test((d,), lambda x, axis: np.abs(np.sum(x, axis=axis)), permutation_type="samples", n_resamples=np.inf,
                                  alternative="greater", vectorized=True)
    add("sign_flip_exact", "scipy permutation_test samples", {"d": d.tolist()}, {"p": test.pvalue})
for size in (1, 4, 25):
    p = np.sort(random.uniform(0, 1, size) ** 3)
    random.shuffle(p)
    add("holm", "statsmodels multipletests holm", {"p": p.tolist()}, {"p": multipletests(p, method="holm")[1]})
    add("bh", "statsmodels multipletests fdr_bh", {"p": p.tolist()}, {"p": multipletests(p, method="fdr_bh")[1]})
for m, n, digits in ((3, 4, 1), (40, 60, 1), (40, 60, 6), (300, 200, 2)):
    x, y = np.round(random.normal(0.8, 1, m), digits), np.round(random.normal(0, 1, n), digits)
    label, score = np.r_[np.ones(m), np.zeros(n)], np.r_[x, y]
    fpr, tpr, _ = metrics.roc_curve(label, score, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(label, score)
    u = stats.mannwhitneyu(x, y).statistic / (m * n)
    add("roc", "sklearn roc_auc_score, average_precision_score, auc(recall, precision), roc_curve; scipy mannwhitneyu",
        {"positives": x.tolist(), "negatives": y.tolist()},
        {"auroc": metrics.roc_auc_score(label, score), "u": u, "average_precision": metrics.average_precision_score(label, score),
         "pr_auc": metrics.auc(recall, precision), "tpr_at_0.1": max(t for f, t in zip(fpr, tpr) if f <= 0.1 + 1e-15),
         "youden": np.max(tpr - fpr)})
for size, kinds in ((20, 2), (200, 4)):
    a = random.integers(0, kinds, size)
    b = np.where(random.uniform(size=size) < 0.6, a, random.integers(0, kinds, size))
    add("cohen_kappa", "sklearn cohen_kappa_score", {"a": a.tolist(), "b": b.tolist()}, {"kappa": metrics.cohen_kappa_score(a, b)})
for n, c, k in ((10, 3, 5), (5, 0, 2), (7, 7, 3), (200, 13, 10)):
    draw = stats.hypergeom(n, c, k)
    add("pass_at_k", "scipy hypergeom", {"n": n, "c": c, "k": k}, {"pass_at_k": 1 - draw.pmf(0), "pass_hat_k": draw.pmf(k)})
for size in (11, 64):
    x = np.round(random.gamma(1.5, 1, size), 5)
    add("summary", "numpy quantile (linear), scipy skew", {"x": x.tolist()},
        {"q025": np.quantile(x, 0.025), "q9": np.quantile(x, 0.9), "median": np.median(x), "variance": np.var(x, ddof=1), "skewness": stats.skew(x)})
versions = {p: importlib.metadata.version(p) for p in ("numpy", "scipy", "statsmodels", "scikit-learn")}
print(json.dumps({"made_by": "tests/parity/tools/make_stats_vectors.py", "versions": versions, "cases": cases}, separators=(",", ":")))
