#!/usr/bin/env python3
"""Proofs that comparisons keep their promises, on the real program and real databases.

usage: benchmarks/proofs/proofs.py [--build BUILD] [--small] NAME...     NAME: aa regression detectors tofu history speed

README.md beside this file says what each shows. --small takes few repetitions (the tests labelled slow). Ends with 1 when a
promise is broken, 77 when data that a proof needs is absent (ASSAY_DATA names the mirror)."""
import argparse
import json
import math
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from lab import (DATA, Lab, MODEL, Report, SUITE, TASK, binomial, clopper_pearson, generator, mcnemar, right, values)

EXACT, F1 = '"assay.exact_match"', '"assay.token_f1"'


def share_text(x, n):
    low, high = clopper_pearson(x, n)
    return f"{x} of {n} = {x / n:.3f} (95 % {low:.3f} to {high:.3f})"


def aa(lab, report, small):
    """One n-gram model that samples, run again and again with other seeds: nothing differs, so nothing may be found."""
    repetitions, items = (30, 150) if small else (200, 300)
    random = generator(1)
    colours = ["red", "green", "blue", "old", "small", "tall"]
    lab.write("train.txt", "".join(f"key {k} holds {' '.join(random.choices(colours, weights=[9, 4, 3, 2, 1, 1], k=3))} .\n"
                                   for k in range(items) for _ in range(6)))
    lab.write("aa.jsonl", "".join(json.dumps({"id": f"q{k}", "prompt": f"key {k} holds", "targets": ["red red red"]}) + "\n"
                                  for k in range(items)))
    lab.write("aa.toml", SUITE.format(name="aa", seed=1)
              + "[[model]]\nname = \"sampler\"\nexpr = 'ngram(order=4, tokenizer=\"word\", train=\"train.txt\")'\n"
              + TASK.format(name="colours", items="aa.jsonl", metrics=f"{EXACT}, {F1}").replace(
                  '"targets" }', '"targets", max_tokens = 3, temperature = 1.0 }'))
    for seed in range(2 * repetitions):
        lab.run("run", "aa.toml", "--db", "aa.db", "--seed", 1000 + seed, "--label", f"s{seed}", "--json", "--quiet")
    found = single = tests = changed = 0
    for pair in range(repetitions):
        _, _, tree = lab.run("compare", f"s{2 * pair}", f"s{2 * pair + 1}", "--db", "aa.db", "--json", "--top-flips", 0)
        verdicts = [v for _, v in values(tree)]
        found += any(v["verdict"] in ("improved", "regressed") for v in verdicts)
        single += sum(v["p"] < 0.05 for v in verdicts)
        tests += len(verdicts)
        changed += sum(v["changed_items"] for v in verdicts)
    low, _ = clopper_pearson(found, repetitions)
    report.say(f"A/A: {repetitions} pairs of runs, {items} items, {tests} tests, {changed / tests:.0f} items changed a test")
    report.say(f"tests with p < 0.05, not adjusted: {share_text(single, tests)} (tests of a pair hang together)")
    report.check(changed > 0, "the seeds changed answers")
    report.check(low <= 0.05, f"comparisons with a false verdict: {share_text(found, repetitions)}, promised at most 0.05")


def power_of(n, lost, gained, alpha):
    """Probability that McNemar's exact test finds a regression, by enumeration."""
    flips, total = lost + gained, 0.0
    for m in range(n + 1):
        weight = binomial(n, m, flips)
        if weight < 1e-12:
            continue
        total += weight * sum(binomial(m, b, lost / flips) for b in range(m // 2 + 1, m + 1) if mcnemar(b, m - b) < alpha)
    return total


def regression(lab, report, small):
    """Recorded answers with a planted drop of 3 points at 10 % flips: the power is what was planned."""
    repetitions = 40 if small else 200
    lost, gained, accuracy, alpha, z, z_power = 0.065, 0.035, 0.7, 0.05, 1.959963984540054, 0.8416212335729143
    flips, delta = lost + gained, lost - gained
    n = math.ceil((z * math.sqrt(flips) + z_power * math.sqrt(flips - delta ** 2)) ** 2 / delta ** 2)
    random = generator(2)
    lab.items("items", n)
    suite = SUITE.format(name="regression", seed=1) + TASK.format(name="qa", items="items.jsonl", metrics=EXACT)
    for r in range(repetitions):
        base, new = [], []
        for _ in range(n):
            u = random.random()
            # Both right, lost, gained, both wrong.
            kept = accuracy - lost
            base.append(u < accuracy)
            new.append(u < kept or accuracy <= u < accuracy + gained)
        for name, flags in ((f"b{r}", base), (f"c{r}", new)):
            suite += MODEL.format(name=name, file=lab.answers(name, right(flags)))
    lab.write("regression.toml", suite)
    lab.run("run", "regression.toml", "--db", "r.db", "--json", "--quiet")
    found = wrong = 0
    for r in range(repetitions):
        _, _, tree = lab.run("compare", "latest", "latest", "--db", "r.db", "--json", "--top-flips", 0, "--model", f"b{r}=c{r}")
        (_, value), = values(tree)
        found += value["verdict"] == "regressed"
        wrong += value["verdict"] == "improved"
    planned = power_of(n, lost, gained, alpha)
    low, high = clopper_pearson(found, repetitions)
    report.say(f"regression of {delta:.3f} at {flips:.2f} flips: the formula of statistics.md 11 asks for {n} items at power 0.80; "
               f"McNemar's exact test has power {planned:.3f} there, by enumeration")
    report.check(low <= planned <= high, f"found: {share_text(found, repetitions)}, planned {planned:.3f}")
    report.check(wrong == 0, f"improvements reported where scores fell: {wrong}")


def mirror(*parts):
    path = pathlib.Path(DATA).joinpath(*parts)
    if not path.exists():
        print(f"skipped: needs the data mirror (ASSAY_DATA) with {'/'.join(parts)}")
        sys.exit(77)
    return path


FAST = "gpt-j-6B_gpt-neo-2.7B.sampling_discrepancy_analytic"


def detectors(lab, report, small):
    """Recorded detectors of machine text as models of one leaderboard, a task for each source."""
    rows = [json.loads(line) for line in open(mirror("detection", "scores", "fdgpt_gpt3to4_scores.jsonl"))]
    tasks = {}
    for row in rows:
        task, detector = pathlib.PurePosixPath(row["file"]).name.removesuffix(".json").split(".", 1)
        if task == "xsum_gpt-3" or detector.startswith("5-turbo."):  # the name of gpt-3.5-turbo holds a point
            task, detector = task + ".5-turbo", detector.removeprefix("5-turbo.")
        tasks.setdefault(task, {})[detector] = row
    names = sorted(set.intersection(*(set(t) for t in tasks.values())))
    suite = SUITE.format(name="detectors", seed=1)
    for task, runs in sorted(tasks.items()):
        first = runs[names[0]]
        lab.write(f"{task}.jsonl", json.dumps(dict(first, file=task)) + "\n")
        suite += (f'[[task]]\nplugin = "assay.recorded_scores"\nname = "{task}"\nparams = {{ data = "{task}.jsonl", paired = false }}\n'
                  'metrics = ["detection.recorded"]\n')
    for name in names:
        lines = [json.dumps({"format": "assay.replay/1", "model": name, "capabilities": ["classify"], "key_mode": "item",
                             "class_names": ["score"]})]
        for task, runs in sorted(tasks.items()):
            for kind, field in (("human", "real"), ("machine", "samples")):
                lines += [json.dumps({"key": {"task": task, "item": f"{kind}/{i}"}, "values": [x]})
                          for i, x in enumerate(runs[name][field])]
        lab.write(name + ".jsonl", "\n".join(lines) + "\n")
        suite += MODEL.format(name=name, file=name + ".jsonl")
    lab.write("detectors.toml", suite)
    lab.run("run", "detectors.toml", "--db", "d.db", "--json", "--quiet")
    _, _, board = lab.run("leaderboard", "--db", "d.db", "--json")
    report.say(f"{len(names)} detectors on {len(tasks)} tasks of {len(board['boards'][0]['rows'])} rows")
    leads = together = 0
    for one in board["boards"]:
        runs = tasks[one["task"]]
        ranked = [r for r in one["rows"] if r["rank_best"]]
        wrong = [r["model"] for r in ranked if abs(r["estimate"] - runs[r["model"]]["roc_auc"]) > 1e-6]
        report.check(not wrong, f"{one['task']}: every AUROC is the recorded one" + (f", but for {wrong}" if wrong else ""))
        best = {r["model"]: (r["rank_best"], r["rank_worst"], r["letter"], r["estimate"]) for r in ranked}
        inside = all(b <= 1 + sum(o["estimate"] > r["estimate"] for o in ranked) <= w for r in ranked for b, w in [(r["rank_best"], r["rank_worst"])])
        report.check(inside, f"{one['task']}: every rank by score lies inside its interval")
        # A rank interval is as wide as there are models that share a letter with its own.
        sound = all(r["rank_worst"] - r["rank_best"] == sum(bool(set(r["letter"]) & set(o["letter"])) for o in ranked if o is not r)
                    for r in ranked)
        report.check(sound, f"{one['task']}: letters and rank intervals say the same")
        fast = best[FAST]
        alone = fast[:2] == (1, 1)
        leads += alone
        together += fast[0] == 1
        report.say(f"        {one['task']}: Fast-DetectGPT ranks {fast[0]} to {fast[1]} ({fast[2]}), AUROC {fast[3]:.4f}; "
                            f"first by score: {ranked[0]['model']} {ranked[0]['estimate']:.4f}")
    report.say(f"Fast-DetectGPT: first alone on {leads} of {len(tasks)} tasks, among the first on {together}")
    for total in board["across_tasks"]:
        for row in total["rows"]:
            b = row["bradley_terry"]
            report.say(f"  {row['model']:60s} mean {row['mean']['value']:.4f}" + (f", Bradley-Terry {b['value']:+.3f}" if b["value"] is not None else ""))


def tofu(lab, report, small):
    """Recorded TOFU models: two that never saw the forget set, and the one that did."""
    mirror("unlearning", "runs", "tofu", "llama2-7b_full.json")
    suite = pathlib.Path(__file__).resolve().parent.parent / "suites" / "unlearning-tofu.toml"
    lab.run("run", suite, "--db", "t.db", "--json", "--quiet")
    margin = 0.05  # below a tenth of what knowing the forget set does to ROUGE (+0.58)
    found = {}
    for name, words in (("retrained", "retain90=retain90-wpu"), ("full", "retain90=full")):
        _, _, tree = lab.run("compare", "latest", "latest", "--db", "t.db", "--json", "--model", words, "--margin", margin, "--all-values",
                             "--top-flips", 0, codes=(0, 12))
        for _, v in values(tree):
            found.setdefault((v["metric"], v["value"], v["variant"]), {})[name] = v
    for key, sides in sorted(found.items()):
        if "retrained" not in sides or "full" not in sides or key[0].startswith("blind"):
            continue
        a, b = sides["retrained"], sides["full"]
        show = lambda v: "-" if v["delta"] is None else f"{v['delta']:+.4f}" + ("" if v["lo"] is None else f" [{v['lo']:+.4f}, {v['hi']:+.4f}]") + f" {v['verdict']}"
        report.say(f"  {' '.join(key):70s} retrained: {show(a)} | full: {show(b)}")
    for key in (("tofu.utility@tofu-2024", "model_utility", ""), ("unlearning.rouge@rougeL", "score", "forget"),
                ("unlearning.prob", "score", "forget"), ("unlearning.rouge@rougeL", "score", "retain")):
        v = found[key]["retrained"]
        report.check(v["verdict"] == "equivalent", f"two models without the forget set are equivalent on {' '.join(key)} within {margin}")
    for key in (("unlearning.rouge@rougeL", "score", "forget"), ("unlearning.prob", "score", "forget")):
        v = found[key]["full"]
        report.check(v["verdict"] != "equivalent" and v["lo"] > 0.5, f"the full model still knows the forget set: {' '.join(key)} {v['delta']:+.4f}, at least {v['lo']:+.4f}")
    v = found[("tofu.forget_quality@tofu-2024", "forget_quality", "")]["full"]
    report.check(v["baseline"] == 1 and v["candidate"] < 1e-20, f"its forget quality falls from {v['baseline']:g} to {v['candidate']:.3g} (a p-value itself, so no test of it)")
    # The verdict on it is a gate's: TOFU takes 0.05 as the least that counts as forgotten.
    lab.write("policy.toml", '[policy]\nname = "forgetting"\nalpha = 0.05\n[[rule]]\ntask = "tofu-forget10"\nmetric = "tofu.forget_quality@tofu-2024"\n'
              'kind = "absolute"\nmin = 0.05\nbound = "point"\n')
    for name, words, code in (("the retrained model", "retain90=retain90-wpu", 0), ("the full model", "retain90=full", 10)):
        _, seen, _ = lab.run("gate", "latest", "latest", "--db", "t.db", "--policy", "policy.toml", "--json", "--model", words, codes=(0, 10))
        report.check(seen == code, f"gate on forget quality, {name}: exit code {seen}, {code} expected")


def history(lab, report, small):
    """Sixty nights of twenty tasks with one planted drop: the gate finds it, once it is confirmed, and nothing else."""
    nights, tasks, items = (12, 5, 100) if small else (60, 20, 150)
    bad_night, bad_task = nights * 3 // 4, tasks // 3
    random = generator(3)
    base = {t: [random.random() < 0.75 for _ in range(items)] for t in range(tasks)}
    suite = SUITE.format(name="nights", seed=1)
    for t in range(tasks):
        lab.items(f"task{t}", items, prefix=f"t{t}-")
        suite += TASK.format(name=f"task{t}", items=f"task{t}.jsonl", metrics=EXACT)
    lab.write("policy.toml", '[policy]\nname = "nightly"\nalpha = 0.05\nfamily = "holm"\non_inconclusive = "pass"\nmin_n = 20\n'
              '[[rule]]\ntask = "*"\nmetric = "*"\nkind = "no_regression"\nconfirm = "2 of 3"\n')
    run_seconds, gate_seconds, codes = [], [], {}
    for night in range(nights):
        head = json.dumps({"format": "assay.replay/1", "model": "m", "capabilities": ["generate"], "key_mode": "item"})
        lines = [head]
        for t in range(tasks):
            for i in range(items):
                flag = base[t][i] != (random.random() < 0.02)
                if t == bad_task and night >= bad_night and i % 5 == 0:
                    flag = False
                lines.append(json.dumps({"key": f"t{t}-{i}", "text": "yes" if flag else "no"}))
        lab.write(f"night{night}.jsonl", "\n".join(lines) + "\n")
        lab.write("nights.toml", suite + MODEL.format(name="m", file=f"night{night}.jsonl"))
        run_seconds.append(lab.run("run", "nights.toml", "--db", "n.db", "--json", "--quiet", "--label", f"n{night}")[0])
        if night > 0:
            seconds, code, _ = lab.run("gate", "n0", f"n{night}", "--db", "n.db", "--policy", "policy.toml", "--json", codes=(0, 10))
            gate_seconds.append(seconds)
            codes[night] = code
    before = [n for n, c in codes.items() if c == 10 and n < bad_night]
    after = [n for n, c in codes.items() if c == 10 and n >= bad_night]
    report.say(f"{nights} nights x {tasks} tasks x {items} items: a run {sum(run_seconds) / nights:.2f} s, a gate {sum(gate_seconds) / len(gate_seconds):.2f} s "
               f"(last {gate_seconds[-1]:.2f} s)")
    report.check(not before, f"nights before the drop with exit code 10: {before}")
    report.check(bool(after) and after[0] <= bad_night + 2, f"drop of 15 points planted on night {bad_night}: gate fails from night {after[:1]}")
    seconds, _, tree = lab.run("leaderboard", "--db", "n.db", "--history", "*", "--json")
    text_seconds, _, text = lab.run("leaderboard", "--db", "n.db", "--history", "*")
    report.say(f"leaderboard --history: {seconds:.2f} s (JSON), {text_seconds:.2f} s (text, {len(text.splitlines())} lines)")
    points = [len(h["points"]) for h in tree["histories"]]
    report.check(sum(points) == nights * tasks, f"the history holds every night of every task ({sum(points)} points)")


def speed(lab, report, small):
    """Two runs of 100,000 items compared; a leaderboard of 200 runs; the report of a run."""
    n = 10_000 if small else 100_000
    random = generator(4)
    lab.items("big", n)
    for name, accuracy in (("old", 0.70), ("new", 0.69)):
        lab.write(name + ".toml", SUITE.format(name="big", seed=1) + TASK.format(name="qa", items="big.jsonl", metrics=EXACT)
                  + MODEL.format(name="m", file=lab.answers(name, right(random.random() < accuracy for _ in range(n)))))
        lab.run("run", name + ".toml", "--db", "big.db", "--label", name, "--json", "--quiet")
    report.say(f"compare of two runs of {n:,} items: {lab.times(3, 'compare', 'old', 'new', '--db', 'big.db', '--json')}; goal 2 s")
    report.say(f"report of a run of {n:,} items: {lab.times(3, 'report', 'old', '--db', 'big.db', '--html', 'r.html')}; goal 1 s")
    models, items = (40, 300) if small else (200, 1000)
    lab.items("items", items)
    ease = [random.gauss(0, 1) for _ in range(items)]
    for m in range(models):
        flags = [ease[i] + 1.5 * (m / models - 0.5) + random.gauss(0, 0.7) > 0 for i in range(items)]
        lab.write("one.toml", SUITE.format(name="board", seed=1) + TASK.format(name="qa", items="items.jsonl", metrics=f"{EXACT}, {F1}")
                  + MODEL.format(name=f"m{m}", file=lab.answers(f"m{m}", ["yes" if f else "yes maybe" if i % 3 == 0 else "no" for i, f in enumerate(flags)])))
        lab.run("run", "one.toml", "--db", "board.db", "--json", "--quiet")
    for words in ((), ("--no-usage",)):
        report.say(f"leaderboard {' '.join(words)} of {models} runs of {items} items, 2 metrics: "
                   f"{lab.times(3, 'leaderboard', '--db', 'board.db', '--json', *words)}; goal 2 s")
    keep = os.environ.get("ASSAY_PROOF_KEEP")
    if keep:  # for profiling
        pathlib.Path(keep).write_bytes((lab.folder / "board.db").read_bytes())


PROOFS = {"aa": aa, "regression": regression, "detectors": detectors, "tofu": tofu, "history": history, "speed": speed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("names", nargs="+", choices=PROOFS)
    options = parser.parse_args()
    report = Report()
    for name in options.names:
        start = time.monotonic()
        report.say(f"== {name}: {PROOFS[name].__doc__}")
        PROOFS[name](Lab(options.build), report, options.small)
        report.say(f"   {time.monotonic() - start:.0f} s")
    sys.exit(1 if report.failed else 0)


main()
