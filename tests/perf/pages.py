#!/usr/bin/env python3
"""Time and size of the pages, on the real program: comparison, leaderboard and report of two runs of 100,000 items, and the
leaderboard and site of 50 runs of 20 tasks. Beside each page stands the same verb without one, measured in turn.
Usage: tests/perf/pages.py [BUILD] [TURNS]. Writes only below a temporary folder."""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
turns = int(sys.argv[2]) if len(sys.argv) > 2 else 3
assay = str(build / "bin/assay")
work = tempfile.TemporaryDirectory()
folder = pathlib.Path(work.name)
environment = dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"))
random.seed(1)


def run(*words):
    start = time.monotonic()
    done = subprocess.run([assay, *words], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return time.monotonic() - start


def items(task, n):
    with open(folder / f"{task}.jsonl", "w") as out:
        for i in range(n):
            out.write(json.dumps({"id": f"{task}-{i}", "prompt": f"Question {i} of {task}?", "target": f"a{i}"}) + "\n")


def answers(file, tasks, n, right):
    with open(folder / file, "w") as out:
        out.write('{"format":"assay.replay/1","model":"m","capabilities":["generate"],"key_mode":"item"}\n')
        for task in tasks:
            for i in range(n):
                text = f"a{i}" if random.random() < right else f"perhaps <b>{i * 7 % 13}</b>"
                out.write(json.dumps({"key": f"{task}-{i}", "text": text, "finish_reason": "stop"}) + "\n")


def suite(name, tasks):
    text = f'[suite]\nname = "{name}"\n'
    for task in tasks:
        text += f'[[task]]\nplugin = "assay.jsonl"\nname = "{task}"\nparams = {{ data = "{task}.jsonl" }}\n'
        text += 'metrics = ["assay.exact_match"]\n'
    (folder / f"{name}.toml").write_text(text)


def both(what, plain, page, file):
    pairs = [(run(*plain), run(*page)) for _ in range(turns)]
    without, with_page = (statistics.median(x) for x in zip(*pairs))
    size = (folder / file).stat().st_size
    print(f"{what}: {without:.2f} s without a page, {with_page:.2f} s with it, {size / 1e6:.2f} MB", flush=True)


items("large", 100_000)
suite("large", ["large"])
for name, right in (("a", 0.700), ("b", 0.695)):
    answers(f"{name}.jsonl", ["large"], 100_000, right)
    run("run", "large.toml", "--db", "large.db", "--quiet", "--label", name, "--model", f'm=replay(path="{name}.jsonl")')
both("compare, 2 x 100,000 items", ["compare", "a", "b", "--db", "large.db"],
     ["compare", "a", "b", "--db", "large.db", "--html", "c.html"], "c.html")
both("leaderboard, 2 x 100,000 items, with history", ["leaderboard", "--db", "large.db"],
     ["leaderboard", "--db", "large.db", "--html", "l.html"], "l.html")
both("run, 100,000 items", ["show", "b", "--db", "large.db"], ["report", "b", "--db", "large.db", "--html", "r.html"], "r.html")

tasks = [f"topic-{t:02d}" for t in range(20)]
for task in tasks:
    items(task, 100)
suite("many", tasks)
for m in range(50):
    answers(f"m{m}.jsonl", tasks, 100, 0.4 + 0.01 * m)
    run("run", "many.toml", "--db", "many.db", "--quiet", "--model", f'team/some-model-{m:02d}-instruct=replay(path="m{m}.jsonl")')
both("leaderboard, 50 runs x 20 tasks", ["leaderboard", "--db", "many.db"],
     ["leaderboard", "--db", "many.db", "--html", "m.html"], "m.html")
both("site of them, 51 pages", ["leaderboard", "--db", "many.db"], ["leaderboard", "--db", "many.db", "--site", "site"],
     "site/index.html")
