#!/usr/bin/python3
"""Log-probabilities of texts under an organism, in double precision, from the weights in the GGUF file.

usage: reference_logprobs.py MODEL.gguf TEXTS.jsonl [--every N] [--limit N]
Prints one JSON object per text: id, text, tokens (ids without BOS), logprobs (natural logarithm of the probability of
each of these tokens, given BOS and the tokens before it; 5 decimals). TEXTS has the fields id and text.
"""
import argparse
import json

import torch

import network as net
import tokens


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("texts")
    options.add_argument("--every", type=int, default=1, help="take every N-th text")
    options.add_argument("--limit", type=int, default=0, help="at most so many texts; 0: all")
    given = options.parse_args()
    network, vocabulary = net.load(given.model)
    network.to_double()
    with open(given.texts, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source][::given.every]
    for row in rows[:given.limit or None]:
        ids = vocabulary.encode(row["text"])
        with torch.no_grad():
            logits = network(torch.tensor([[tokens.BOS] + ids[:-1]]))[0]
        chosen = torch.log_softmax(logits, -1)[torch.arange(len(ids)), torch.tensor(ids)]
        print(json.dumps({"id": row["id"], "text": row["text"], "tokens": ids,
                          "logprobs": [round(x, 5) for x in chosen.tolist()]}, separators=(",", ":")))


if __name__ == "__main__":
    main()
