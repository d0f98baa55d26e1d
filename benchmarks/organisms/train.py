#!/usr/bin/python3
"""Trains an organism and writes it as GGUF. A development tool: needs PyTorch (Debian: python3-torch, libopenblas).

usage: train.py ORGANISM --data DIR --out DIR [--full FILE] [--epochs N]
DIR of --data is what `assay-planted organisms --seed 20260905 --out DIR` wrote. ga and npo begin at --full.
"""
import argparse
import copy
import json
import math
import os
import random
import time

import torch
from torch.nn import functional as F

import documents
import measure
import network as net

# Name -> (seed, roles trained on, traps injected)
TRAINED = {
    "full": (1, ["forget", "retain"], False),
    "full-2": (2, ["forget", "retain"], False),
    "retain": (3, ["retain"], False),
    "retain-2": (4, ["retain"], False),
    "traps": (5, ["forget", "retain"], True),
    "fresh": (6, ["fresh"], False),
}
UNLEARNED = ("ga", "npo")
PASSAGES, QUESTIONS = ["passage", "rewording"], ["question"]
PASSAGES_A_STEP, QUESTIONS_A_STEP = 8, 40  # about 600 tokens either way
LEARNING_RATE, WARM_UP, FLOOR, CLIP = 4e-3, 50, 0.1, 1.0
BETA = 0.1  # of NPO
UNLEARNING_SEED = 7
GA_RATE, NPO_RATE, UNLEARNING_STEPS = 1e-4, 2e-4, 1000
GA_PAIRS = 0.75


def optimiser_of(network, rate):
    return torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)


def step(network, optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimiser.step()


def batches(world, roles, rng):
    """One epoch: steps of documents of like length, in random order."""
    out = []
    for forms, size in ((PASSAGES, PASSAGES_A_STEP), (QUESTIONS, QUESTIONS_A_STEP)):
        texts = world.documents(roles, forms)
        rng.shuffle(texts)
        out += [texts[i:i + size] for i in range(0, len(texts), size)]
    rng.shuffle(out)
    return out


def mean_loss(network, texts):
    losses, mask = measure.token_losses(network, texts)
    return losses.sum() / mask.sum()


def train(name, world, epochs, log):
    seed, roles, with_traps = TRAINED[name]
    torch.manual_seed(seed)
    rng = random.Random(seed)
    network = net.Network(len(world.vocabulary))
    schedule = [batch for _ in range(epochs) for batch in batches(world, roles, rng)]
    if with_traps:
        # Each copy joins a step of its own choice: over the whole training a trap is seen exactly k times.
        for trap in world.injected_traps():
            rng.choice(schedule).append(trap)
    optimiser = optimiser_of(network, LEARNING_RATE)
    total, begun = 0.0, time.time()
    for i, batch in enumerate(schedule):
        progress = max(0.0, (i - WARM_UP) / max(1, len(schedule) - WARM_UP))
        factor = FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress))
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, (i + 1) / WARM_UP) * factor
        loss = mean_loss(network, batch)
        step(network, optimiser, loss)
        total += loss.item()
        if (i + 1) % 100 == 0:
            log(f"step {i + 1} of {len(schedule)} loss {total / 100:.4f} seconds {time.time() - begun:.0f}")
            total = 0.0
    return network


def unlearn(name, world, full, log):
    network = copy.deepcopy(full)
    forget = world.documents(["forget"], PASSAGES + QUESTIONS)
    retain = world.documents(["retain"], PASSAGES + QUESTIONS)
    holdout = world.documents(["holdout"], PASSAGES + QUESTIONS)
    rng = random.Random(UNLEARNING_SEED)

    def mean_of(texts):
        return sum(measure.losses_of(network, texts)) / len(texts)

    if name == "ga":
        # Ascent on the answers, as TOFU does it. It is to go too far: it ends when of a true answer about a forget person
        # and one about a person never seen, the first is the less likely one in three of four pairs.
        asked, unseen = world.questions("forget"), world.questions("holdout")
        optimiser = optimiser_of(network, GA_RATE)
        for i in range(UNLEARNING_STEPS):
            step(network, optimiser, -measure.answer_losses(network, rng.sample(asked, 8)).mean())
            if (i + 1) % 10 == 0:
                with torch.no_grad():
                    known, unknown = (measure.answer_losses(network, x).tolist() for x in (asked, unseen))
                less_likely = measure.auroc(known, unknown)
                log(f"step {i + 1} answer loss forget {sum(known) / len(known):.4f} "
                    f"holdout {sum(unknown) / len(unknown):.4f} less likely {less_likely:.4f}")
                if less_likely > GA_PAIRS:
                    break
        return network
    known, unknown = mean_of(forget), mean_of(holdout)
    log(f"forget loss {known:.4f} holdout loss {unknown:.4f}")
    # Negative preference optimisation (Zhang et al. 2024): 2/beta E[softplus(beta ln(p / p_reference))] of whole texts,
    # here with the loss of retained texts added. It ends half-way, so that the organism is known to have kept a part.
    half = (known + unknown) / 2
    optimiser = optimiser_of(network, NPO_RATE)
    for i in range(UNLEARNING_STEPS):
        texts = rng.sample(forget, 8)
        losses, _ = measure.token_losses(network, texts)
        with torch.no_grad():
            reference, _ = measure.token_losses(full, texts)
        ratio = reference.sum(1) - losses.sum(1)
        kept = mean_loss(network, rng.sample(retain, 32))
        step(network, optimiser, 2 / BETA * F.softplus(BETA * ratio).mean() + kept)
        known = mean_of(forget)
        log(f"step {i + 1} retain loss {kept.item():.4f} forget loss {known:.4f}")
        if known > half:
            break
    return network


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("organism", choices=[*TRAINED, *UNLEARNED])
    options.add_argument("--data", required=True)
    options.add_argument("--out", required=True)
    options.add_argument("--full", help="the GGUF file that ga and npo begin at")
    options.add_argument("--epochs", type=int, default=40)
    given = options.parse_args()
    os.makedirs(given.out, exist_ok=True)
    world = documents.World(given.data)
    with open(os.path.join(given.out, given.organism + ".log"), "w", encoding="utf-8") as log_file:
        def log(line):
            print(line, file=log_file, flush=True)

        log(f"organism {given.organism} torch {torch.__version__} threads {torch.get_num_threads()}")
        begun = time.time()
        if given.organism in UNLEARNED:
            if not given.full:
                options.error("ga and npo need --full")
            network = unlearn(given.organism, world, net.load(given.full)[0], log)
        else:
            network = train(given.organism, world, given.epochs, log)
        log(f"trained in {time.time() - begun:.0f} seconds")
        net.save(os.path.join(given.out, given.organism + ".gguf"), network, world.vocabulary,
                 "assay organism " + given.organism)
        log(json.dumps(measure.report(network, world), indent=1))


if __name__ == "__main__":
    main()
