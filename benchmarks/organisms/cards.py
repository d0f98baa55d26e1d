#!/usr/bin/python3
"""Writes cards.json: what every organism is, and size and SHA-256 of its file. usage: cards.py

The measured figures are the last lines of each training log.
"""
import hashlib
import json
import os

import train

HERE = os.path.dirname(os.path.abspath(__file__))

def card(name):
    with open(os.path.join(HERE, name + ".gguf"), "rb") as source:
        raw = source.read()
    with open(os.path.join(HERE, "logs", name + ".log"), encoding="utf-8") as source:
        log = source.read()
    out = {"organism": name, "file": name + ".gguf", "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    if name in train.TRAINED:
        seed, roles, traps = train.TRAINED[name]
        out.update(seed=seed, trained_on=roles + (["injected traps"] if traps else []))
    else:
        out.update(seed=train.UNLEARNING_SEED, begun_at="full.gguf", trained_on=["forget", "retain"], unlearned=["forget"])
    out["measured"] = json.loads(log[log.index("{"):])
    return out


def main():
    names = [*train.TRAINED, *train.UNLEARNED]
    cards = {"data": "planted/organisms", "licence": "project", "organisms": [card(name) for name in names]}
    with open(os.path.join(HERE, "cards.json"), "w", encoding="utf-8") as out:
        json.dump(cards, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
