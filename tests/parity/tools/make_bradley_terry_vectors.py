#!/usr/bin/env python3
"""Writes tests/parity/vectors/bradley_terry.json: strengths and errors by independent implementations.

Strengths: choix (opt_pairwise, penalty 1e-14) and statsmodels (binomial GLM without intercept), which must agree to 1e-6;
kept is the GLM's. Errors: statsmodels' observed information, and its cluster-robust covariance, both moved from
"first model is 0" to "mean is 0". Comparisons are entered twice (a tie as one win each way), which changes neither
strengths nor cluster-robust errors; the information errors are multiplied by sqrt(2).
Needs numpy, choix and statsmodels. Usage: tests/parity/tools/make_bradley_terry_vectors.py > FILE"""
import itertools
import json

import choix
import numpy as np
import statsmodels.api as sm


def rows_of(scores, units):
    """One row a half comparison: design (+1, -1), outcome, unit."""
    models, items = scores.shape
    design, outcome, unit, wins = [], [], [], np.zeros((models, models))
    for k in range(items):
        for i, j in itertools.combinations(range(models), 2):
            row = np.zeros(models)
            row[i], row[j] = 1, -1
            halves = (1, 1) if scores[i, k] > scores[j, k] else (0, 0) if scores[i, k] < scores[j, k] else (1, 0)
            wins[i, j] += sum(halves) / 2
            wins[j, i] += 1 - sum(halves) / 2
            for half in halves:
                design.append(row)
                outcome.append(half)
                unit.append(units[k])
    return np.array(design), np.array(outcome), np.array(unit), wins


def case(name, scores, units):
    models = scores.shape[0]
    design, outcome, unit, wins = rows_of(scores, units)
    move = np.eye(models)[:, 1:] - np.ones((models, models - 1)) / models
    plain = sm.GLM(outcome, design[:, 1:], family=sm.families.Binomial()).fit(tol=1e-14, maxiter=200)
    strength = move @ plain.params
    pairs = [(int(np.argmax(d)), int(np.argmin(d))) if o else (int(np.argmin(d)), int(np.argmax(d)))
             for d, o in zip(design, outcome)]
    other = choix.opt_pairwise(models, pairs, alpha=1e-14, method="Newton-CG", tol=1e-12)
    other = other - other.mean()
    assert np.max(np.abs(other - strength)) < 1e-6, (name, other, strength)
    information = np.sqrt(2 * np.diag(move @ plain.cov_params() @ move.T))
    clusters = len(set(units))
    numbers = {u: n for n, u in enumerate(sorted(set(units)))}
    robust = sm.GLM(outcome, design[:, 1:], family=sm.families.Binomial()).fit(
        tol=1e-14, maxiter=200, cov_type="cluster",
        cov_kwds={"groups": np.array([numbers[u] for u in unit]), "use_correction": False})
    sandwich = np.sqrt(np.diag(move @ robust.cov_params() @ move.T) * clusters / (clusters - 1))
    return {"name": name, "scores": scores.tolist(), "units": units, "wins": wins.tolist(), "strength": strength.tolist(),
            "choix_difference": float(np.max(np.abs(other - strength))), "se_information": information.tolist(),
            "se_sandwich": sandwich.tolist()}


random = np.random.default_rng(20261129)
cases = []
ease = random.normal(size=60)
ability = np.array([-0.8, -0.2, 0.1, 0.7])
binary = (ease + ability[:, None] + random.logistic(size=(4, 60)) > 0).astype(float)
cases.append(case("binary answers, items as units", binary, [f"i{k}" for k in range(60)]))
cases.append(case("binary answers, documents of five items", binary, [f"d{k // 5}" for k in range(60)]))
real = np.round(ease + 0.6 * ability[:, None] + random.normal(size=(4, 60)), 3)
cases.append(case("real scores, no ties", real, [f"i{k}" for k in range(60)]))
cases.append(case("seven models, uneven groups", np.round(random.normal(size=(7, 30)) + np.linspace(-1, 1, 7)[:, None], 2),
                  [f"g{int(np.sqrt(k))}" for k in range(30)]))
cases.append(case("two models", np.array([[1, 0, 1, 1, 0, 1, 1, 1.0], [0, 1, 1, 0, 0, 1, 0, 1.0]]), [f"i{k}" for k in range(8)]))
versions = {"numpy": np.__version__, "choix": __import__("importlib.metadata").metadata.version("choix"),
            "statsmodels": sm.__version__ if hasattr(sm, "__version__") else __import__("statsmodels").__version__}
print(json.dumps({"made_by": "tests/parity/tools/make_bradley_terry_vectors.py", "versions": versions, "cases": cases}, indent=None,
                 separators=(",", ":")))
