#!/usr/bin/env python3
"""Figures of reuse and durability, on the real program: cost of an answer from the database, time of a resumed run to its
first new row, rows per second with --durable, bytes of database with and without token statistics.
Usage: tests/perf/cache_and_resume.py [BUILD] [ITEMS]. Writes only below a temporary folder."""
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
n = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
assay = str(build / "bin/assay")
work = tempfile.TemporaryDirectory()
folder = pathlib.Path(work.name)
environment = dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"))


def run(*words):
    start = time.monotonic()
    done = subprocess.run([assay, *words, "--json", "--quiet"], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 5):
        sys.exit(done.stderr)
    return time.monotonic() - start, json.loads(done.stdout)


def count(database):
    try:
        connection = sqlite3.connect(f"file:{folder / database}?mode=ro", uri=True, timeout=10)
        number = connection.execute("SELECT coalesce(sum(results), 0) FROM evaluation").fetchone()[0]
        connection.close()
        return number
    except sqlite3.Error:
        return 0


def size(database):
    return sum((folder / (database + tail)).stat().st_size for tail in ("", "-wal") if (folder / (database + tail)).exists())


with open(folder / "items.jsonl", "w") as items, open(folder / "answers.jsonl", "w") as answers:
    answers.write('{"format":"assay.replay/1","model":"demo","capabilities":["generate"],"key_mode":"item"}\n')
    for i in range(n):
        items.write(f'{{"id":"q{i}","prompt":"What is {i} plus {i % 97}?","targets":["{i + i % 97}"]}}\n')
        answers.write(f'{{"key":"q{i}","text":"{i + i % 97 if i % 10 else i}"}}\n')
(folder / "suite.toml").write_text("""[suite]
name = "perf"
[[model]]
name = "replayed"
expr = 'replay(path="answers.jsonl")'
[[task]]
plugin = "assay.jsonl"
name = "sums"
params = { data = "items.jsonl", target_field = "targets" }
metrics = ["assay.exact_match"]
""")
run("plan", "suite.toml")  # fills the scan cache

small = str(min(n, 100_000))
for words, what in (((), "first run"), (("--durable",), "first run, --durable")):
    name = "d.db" if words else "s.db"
    _, result = run("run", "suite.toml", "--db", name, "--limit", small, *words)
    print(f"{what}, {small} items: {result['seconds']:.2f} s, {int(small) / result['seconds']:,.0f} items/s, "
          f"{size(name) / int(small) * 1000 / 1024:,.0f} KiB of database per 1,000 items")
_, again = run("run", "suite.toml", "--db", "s.db", "--limit", small)
assert again["requests_served"] == int(small)
print(f"second run, all answers from the database: {again['seconds']:.2f} s, {int(small) / again['seconds']:,.0f} items/s, "
      f"{again['seconds'] / int(small) * 1e6:.1f} us an item (a result row and a score row are written for each)")

child = subprocess.Popen([assay, "run", "suite.toml", "--db", "r.db", "--quiet"], cwd=folder, env=environment,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while child.poll() is None and count("r.db") < n * 0.985:
    time.sleep(0.01)
child.send_signal(signal.SIGKILL)
child.wait()
before = count("r.db")
start = time.monotonic()
child = subprocess.Popen([assay, "resume", "--db", "r.db", "--quiet"], cwd=folder, env=environment,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while child.poll() is None and count("r.db") == before:
    time.sleep(0.01)
first = time.monotonic() - start
child.wait()
print(f"resume of {n} items with {before} done ({100 * before / n:.1f} %): {first:.2f} s to the first new committed row, "
      f"{time.monotonic() - start:.2f} s in all, exit code {child.returncode}, {count('r.db')} rows")

texts = min(n, 20_000)
with open(folder / "texts.jsonl", "w") as rows:
    for i in range(texts):
        rows.write(json.dumps({"id": f"t{i}", "text": f"text number {i} follows the word {i * 7919 % 100003} and some more words to be scored",
                               "label": i % 2}) + "\n")
(folder / "train.txt").write_text("".join(f"text number {i} follows some more words\n" for i in range(2000)))
(folder / "texts.toml").write_text("""[suite]
name = "texts"
[[model]]
name = "n"
expr = 'ngram(order=4, tokenizer="byte", train="train.txt")'
[[task]]
plugin = "assay.labelled_texts"
name = "texts"
params = { data = "texts.jsonl" }
metrics = ["mia.loss"]
""")
for which in ("needed", "all"):
    name = f"{which}.db"
    run("run", "texts.toml", "--db", name, "--statistics", which)
    connection = sqlite3.connect(folder / name)
    bytes_of, mean = connection.execute(
        "SELECT sum(length(tokens)), avg(length(json_extract(request, '$.continuation'))) FROM response").fetchone()
    connection.close()
    print(f"{texts} texts of {mean:.0f} byte tokens, --statistics {which}: {size(name) / texts * 1000 / 1024:,.0f} KiB of database "
          f"per 1,000 items, of which token statistics {bytes_of / texts * 1000 / 1024:,.0f} KiB")
