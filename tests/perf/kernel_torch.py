#!/usr/bin/env python3
"""Time of one row of 128,256 logits with PyTorch on one thread, to compare with kernel_bench in one sitting.

quick:   log_softmax, gather, count of greater logits, mean and variance of ln p under p (what kernel_bench calls all).
argsort: the rank as published detection code takes it, by sorting the row, with the same other statistics.
Each on one row again and again, and on 64 rows at once as a model returns them (time of one row). Minimum and median.
"""
import statistics
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
VOCABULARY = 128256


def moments(logits, targets):
    lp = torch.log_softmax(logits, dim=-1)
    p = lp.exp()
    mean = (p * lp).sum(dim=-1)
    variance = (p * lp.square()).sum(dim=-1) - mean.square()
    return lp.gather(-1, targets.unsqueeze(-1)).squeeze(-1), mean, variance


def quick(logits, targets):
    own = logits.gather(-1, targets.unsqueeze(-1))
    return (*moments(logits, targets), (logits > own).sum(dim=-1) + 1, logits.max(dim=-1))


def argsort(logits, targets):
    matches = (logits.argsort(dim=-1, descending=True) == targets.unsqueeze(-1)).nonzero()
    return (*moments(logits, targets), matches[:, -1] + 1)


print(f"torch {torch.__version__}, 1 thread, {VOCABULARY} logits, microseconds a row")
repeat = int(sys.argv[1]) if len(sys.argv) > 1 else 40
for rows in (1, 64):
    logits = -4 + 2.2 * torch.randn(rows, VOCABULARY)
    targets = torch.randint(VOCABULARY, (rows,))
    for form in (quick, argsort):
        times = []
        for _ in range(max(3, repeat if rows == 1 else repeat // 8)):
            start = time.perf_counter()
            with torch.no_grad():
                form(logits, targets)
            times.append((time.perf_counter() - start) / rows * 1e6)
        print(f"{form.__name__:8} {rows:3} rows: minimum {min(times):9.1f}  median {statistics.median(times):9.1f}")
