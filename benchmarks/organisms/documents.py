"""The training documents of a world made by `assay-planted organisms`, as token ids."""
import functools
import json
import os

import tokens


def rows(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as source:
        return [json.loads(line) for line in source]


def text_of(row):
    return row["text"] if "text" in row else row["prompt"] + " " + row["answer"]


class World:
    def __init__(self, directory):
        self.corpus = rows(directory, "corpus.jsonl")
        self.items = rows(directory, "items.jsonl")
        self.traps = rows(directory, "traps.jsonl")
        # Learned from all roles alike: a tokenizer must not tell who was trained on.
        self.vocabulary = tokens.learn([text_of(row) for row in self.corpus])

    @functools.lru_cache(maxsize=None)
    def framed(self, text):
        """Ids with BOS and EOS; kept, because encoding takes longer than a training step. Not to be changed."""
        return [tokens.BOS] + self.vocabulary.encode(text) + [tokens.EOS]

    def documents(self, roles, forms):
        return [self.framed(text_of(r)) for r in self.corpus if r["role"] in roles and r["form"] in forms]

    def questions(self, role):
        """(document, index of the answer's first token) of every question about persons of the role."""
        return [(self.framed(text_of(r)), 1 + len(self.vocabulary.encode(r["prompt"])))
                for r in self.corpus if r["role"] == role and r["form"] == "question"]

    def injected_traps(self):
        """Every injected trap as often as its k says."""
        return [self.framed(r["text"]) for r in self.traps if r["label"] == 1 for _ in range(r["k"])]
