#!/usr/bin/python3
"""Draws texts from an organism and pairs them with held-out texts of its corpus (JSON on standard output).

usage: sample.py MODEL.gguf --data DIR [--pairs 100] [--seed 8] > samples.json
Human: the passages of the persons that no organism saw. Machine: samples at temperature 1 from BOS alone; a question,
a text that ends too early and a second text about the same person are drawn again. Both texts of a pair are cut to the
same number of words.
"""
import argparse
import json
from collections import Counter

import torch

import documents
import measure
import network as net
import tokens

LONGEST = 110  # tokens; the longest passage has 93


def person_of(text):
    """The pair of words that a passage repeats in every sentence."""
    words = text.split()
    return Counter(zip(words, words[1:])).most_common(1)[0][0]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("--data", required=True)
    options.add_argument("--pairs", type=int, default=100)
    options.add_argument("--seed", type=int, default=8)
    given = options.parse_args()
    network, vocabulary = net.load(given.model)
    chance = torch.Generator().manual_seed(given.seed)

    def draw(logits):
        return int(torch.multinomial(torch.softmax(logits, -1), 1, generator=chance))

    human = [r["text"] for r in documents.rows(given.data, "passages.jsonl")
             if r["role"] == "holdout" and r["form"] == "passage"][:given.pairs]
    pairs, seen = {"original": [], "sampled": []}, set()
    for text in human:
        while True:
            machine = vocabulary.decode(measure.generate(network, [tokens.BOS], LONGEST, draw))
            length = min(len(machine.split()), len(text.split()))
            if machine.startswith("Q:") or length < 25 or person_of(machine) in seen:
                continue
            break
        seen.add(person_of(machine))
        pairs["original"].append(" ".join(text.split()[:length]))
        pairs["sampled"].append(" ".join(machine.split()[:length]))
    print(json.dumps(pairs, indent=1))


if __name__ == "__main__":
    main()
