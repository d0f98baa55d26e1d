#!/usr/bin/env python3
"""Log-probabilities of texts under a small GGUF model (architecture llama, F32, SentencePiece), computed with PyTorch in
double precision and with a tokenizer of its own: an implementation that shares no code with libllama. A development
tool: its output is what tests/parity/llama_parity_test.cpp compares with. Needs numpy and torch.

  gguf_logprobs.py MODEL.gguf TEXTS.jsonl --split member --rows 100 ... > values.txt

Output: one line a row: id, number of scored tokens, mean log-probability of at most 256 tokens behind BOS, and the
first 80 of these log-probabilities in units of -1e-5, base 36, separated by blanks. No text.
"""
import argparse
import json
import struct
import sys

import numpy as np
import torch

VALUE = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_gguf(path):
    data = open(path, "rb").read()
    at = 4

    def number(code):
        nonlocal at
        size = struct.calcsize("<" + code)
        value = struct.unpack_from("<" + code, data, at)[0]
        at += size
        return value

    def text():
        nonlocal at
        size = number("Q")
        value = data[at:at + size].decode("utf-8", "surrogateescape")
        at += size
        return value

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = number("I"), number("Q")
            return [value(inner) for _ in range(count)]
        return number(VALUE[kind])

    assert data[:4] == b"GGUF" and number("I") == 3
    tensor_count, pair_count = number("Q"), number("Q")
    meta = {}
    for _ in range(pair_count):
        key = text()
        meta[key] = value(number("I"))
    infos = []
    for _ in range(tensor_count):
        name = text()
        shape = [number("Q") for _ in range(number("I"))]
        kind, offset = number("I"), number("Q")
        assert kind == 0, "only F32 tensors are read"
        infos.append((name, shape, offset))
    base = (at + 31) // 32 * 32
    tensors = {}
    for name, shape, offset in infos:
        count = int(np.prod(shape))
        array = np.frombuffer(data, dtype="<f4", count=count, offset=base + offset)
        tensors[name] = torch.tensor(array.astype(np.float64)).reshape(list(reversed(shape)))
    return meta, tensors


class Tokenizer:
    def __init__(self, meta):
        self.tokens = meta["tokenizer.ggml.tokens"]
        self.scores = meta["tokenizer.ggml.scores"]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.bos = meta["tokenizer.ggml.bos_token_id"]

    def encode(self, text):
        parts = list("\u2581" + text.replace(" ", "\u2581"))
        while True:
            best, where = None, -1
            for i in range(len(parts) - 1):
                token = self.ids.get(parts[i] + parts[i + 1])
                if token is not None and (best is None or self.scores[token] > best):
                    best, where = self.scores[token], i
            if best is None:
                break
            parts[where:where + 2] = [parts[where] + parts[where + 1]]
        out = []
        for part in parts:
            if part in self.ids:
                out.append(self.ids[part])
            else:
                out.extend(self.ids["<0x%02X>" % byte] for byte in part.encode())
        return out


class Model:
    def __init__(self, meta, tensors):
        arch = meta["general.architecture"]
        assert arch == "llama"
        get = lambda key: meta[arch + "." + key]
        self.t = tensors
        self.layers = get("block_count")
        self.heads = get("attention.head_count")
        self.kv_heads = get("attention.head_count_kv")
        self.eps = get("attention.layer_norm_rms_epsilon")
        self.size = get("embedding_length") // self.heads
        self.base = meta.get(arch + ".rope.freq_base", 10000.0)

    def norm(self, x, weight):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.eps) * weight

    def rotate(self, x):
        # Neighbouring pairs turn by position * base^(-2i/size).
        positions = torch.arange(x.shape[0], dtype=torch.float64)
        angles = positions[:, None] * self.base ** (-torch.arange(0, self.size, 2, dtype=torch.float64) / self.size)
        cos, sin = torch.cos(angles)[:, None, :], torch.sin(angles)[:, None, :]
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def logits(self, ids):
        t = self.t
        x = t["token_embd.weight"][torch.tensor(ids)]
        n = len(ids)
        mask = torch.full((n, n), float("-inf"), dtype=torch.float64).triu(1)
        for layer in range(self.layers):
            w = lambda name: t["blk.%d.%s.weight" % (layer, name)]
            h = self.norm(x, w("attn_norm"))
            q = self.rotate((h @ w("attn_q").T).reshape(n, self.heads, self.size))
            k = self.rotate((h @ w("attn_k").T).reshape(n, self.kv_heads, self.size))
            v = (h @ w("attn_v").T).reshape(n, self.kv_heads, self.size)
            share = self.heads // self.kv_heads
            k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
            weight = torch.softmax(torch.einsum("qhd,khd->hqk", q, k) / self.size ** 0.5 + mask, -1)
            x = x + torch.einsum("hqk,khd->qhd", weight, v).reshape(n, -1) @ w("attn_output").T
            h = self.norm(x, w("ffn_norm"))
            x = x + (torch.nn.functional.silu(h @ w("ffn_gate").T) * (h @ w("ffn_up").T)) @ w("ffn_down").T
        return self.norm(x, t["output_norm.weight"]) @ t.get("output.weight", t["token_embd.weight"]).T


def base36(value):
    digits = ""
    while True:
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36] + digits
        value //= 36
        if value == 0:
            return digits


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("texts")
    parser.add_argument("--split", action="append", required=True)
    parser.add_argument("--rows", type=int, default=100, help="rows of each split")
    parser.add_argument("--tokens", type=int, default=256)
    args = parser.parse_args()
    torch.set_num_threads(1)
    meta, tensors = read_gguf(args.model)
    tokenizer, model = Tokenizer(meta), Model(meta, tensors)
    taken = {split: 0 for split in args.split}
    with torch.no_grad():
        for line in open(args.texts, encoding="utf-8"):
            row = json.loads(line)
            if row["split"] not in taken or taken[row["split"]] == args.rows:
                continue
            taken[row["split"]] += 1
            ids = [tokenizer.bos] + tokenizer.encode(row["text"])[:args.tokens]
            table = torch.log_softmax(model.logits(ids[:-1]), -1)
            values = table[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
            print(row["id"], len(values), "%.8f" % values.mean().item(),
                  *(base36(round(-1e5 * value)) for value in values[:80].tolist()))
            sys.stdout.flush()


main()
