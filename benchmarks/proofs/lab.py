"""What the proofs share: the real program in a temporary folder, recorded answers, and exact binomial intervals."""
import json
import math
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

# As tests/support/data.hpp: the variable, or a folder beside the sources.
DATA = os.environ.get("ASSAY_DATA") or str(pathlib.Path(__file__).resolve().parents[3] / "shared" / "data")
SUITE = '[suite]\nname = "{name}"\nseed = {seed}\n'
MODEL = '[[model]]\nname = "{name}"\nexpr = \'replay(path="{file}")\'\n'
TASK = """[[task]]
plugin = "assay.jsonl"
name = "{name}"
params = {{ data = "{items}", target_field = "targets" }}
metrics = [{metrics}]
"""


class Lab:
    """A folder that is removed at the end, and `assay` in it."""

    def __init__(self, build):
        self.assay = str(pathlib.Path(build).resolve() / "bin/assay")
        self._work = tempfile.TemporaryDirectory(prefix="assay-proof-")
        self.folder = pathlib.Path(self._work.name)
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"), ASSAY_DATA=DATA)
        cache = os.environ.get("ASSAY_PROOF_CACHE")  # keeps generated data between proofs
        if cache:
            self.environment["XDG_CACHE_HOME"] = cache

    def run(self, *words, codes=(0,)):
        """Runs a verb; gives wall seconds (self.cpu: seconds of processor), exit code and the parsed output (text when it is no JSON)."""
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([self.assay, *map(str, words)], cwd=self.folder, env=self.environment, capture_output=True, text=True)
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if done.returncode not in codes:
            sys.exit(f"assay {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stderr}{done.stdout[-2000:]}")
        text = done.stdout
        return seconds, done.returncode, json.loads(text) if "--json" in words else text

    def times(self, repetitions, *words):
        """The fastest of some runs of a verb, as text: other work on the machine only ever adds."""
        measured = []
        for _ in range(repetitions):
            seconds, _, _ = self.run(*words)
            measured.append((seconds, self.cpu))
        return f"{min(s for s, _ in measured):.2f} s wall, {min(c for _, c in measured):.2f} s processor (best of {repetitions})"

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return name

    def answers(self, name, texts, prefix="q"):
        """A file of recorded answers to the items PREFIX0, PREFIX1, ..."""
        head = json.dumps({"format": "assay.replay/1", "model": name, "capabilities": ["generate"], "key_mode": "item"})
        rows = (json.dumps({"key": f"{prefix}{i}", "text": text}) for i, text in enumerate(texts))
        return self.write(name + ".jsonl", "\n".join([head, *rows]) + "\n")

    def items(self, name, count, prefix="q"):
        rows = (json.dumps({"id": f"{prefix}{i}", "prompt": f"{name}: item {i}?", "targets": ["yes"]}) for i in range(count))
        return self.write(name + ".jsonl", "\n".join(rows) + "\n")


def right(flags):
    return ["yes" if x else "no" for x in flags]


def log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def binomial(n, k, p):
    if p <= 0 or p >= 1:
        return 1.0 if k == (0 if p <= 0 else n) else 0.0
    return math.exp(log_choose(n, k) + k * math.log(p) + (n - k) * math.log1p(-p))


def clopper_pearson(x, n, alpha=0.05):
    """By bisection on the binomial tails, independent of the program."""
    def root(f):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if f(middle) else (low, middle)
        return (low + high) / 2
    upper_tail = lambda p: sum(binomial(n, k, p) for k in range(x, n + 1))
    lower_tail = lambda p: sum(binomial(n, k, p) for k in range(0, x + 1))
    return (0.0 if x == 0 else root(lambda p: upper_tail(p) < alpha / 2), 1.0 if x == n else root(lambda p: lower_tail(p) > alpha / 2))


def mcnemar(b, c):
    n, k = b + c, min(b, c)
    return 1.0 if n == 0 else min(1.0, 2 * sum(binomial(n, i, 0.5) for i in range(k + 1)))


def values(comparison):
    """(task, value) of all compared values."""
    return [(task, value) for task in comparison["tasks"] for value in task["values"]]


class Report:
    """Prints what was measured; a broken promise ends the program with 1."""

    def __init__(self):
        self.failed = []

    def say(self, text):
        print(text, flush=True)

    def check(self, good, text):
        print(("ok      " if good else "BROKEN  ") + text, flush=True)
        if not good:
            self.failed.append(text)


def generator(seed):
    return random.Random(seed)
