"""What an organism knows: losses by role, membership AUROC, answered questions, traps. In the trainer's own forward."""
import torch
from torch.nn import functional as F

import tokens

NO_LABEL = -100


def batch_of(documents):
    """(ids, labels) of documents of token ids, padded on the right; padding carries no label."""
    longest = max(len(d) for d in documents) - 1
    ids = torch.full((len(documents), longest), tokens.EOS)
    labels = torch.full((len(documents), longest), NO_LABEL)
    for i, d in enumerate(documents):
        ids[i, :len(d) - 1] = torch.tensor(d[:-1])
        labels[i, :len(d) - 1] = torch.tensor(d[1:])
    return ids, labels


def token_losses(network, documents):
    """(losses, mask), each (documents, tokens)."""
    ids, labels = batch_of(documents)
    losses = F.cross_entropy(network(ids).transpose(1, 2), labels, reduction="none", ignore_index=NO_LABEL)
    return losses, labels != NO_LABEL


def mean_losses(network, documents):
    """Mean loss per token of every document (a tensor with gradient)."""
    losses, mask = token_losses(network, documents)
    return losses.sum(1) / mask.sum(1)


def answer_losses(network, questions):
    """Mean loss per token of the answer (EOS included) to each (document, index of the answer's first token)."""
    losses, mask = token_losses(network, [document for document, _ in questions])
    for row, (_, first) in zip(mask, questions):
        row[:first - 1] = False
    return (losses * mask).sum(1) / mask.sum(1)


def losses_of(network, documents, size=50):
    with torch.no_grad():
        return torch.cat([mean_losses(network, documents[i:i + size])
                          for i in range(0, len(documents), size)]).tolist()


def auroc(positives, negatives):
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    return wins / (len(positives) * len(negatives))


def generate(network, ids, longest, choose):
    ids = list(ids)
    start = len(ids)
    with torch.no_grad():
        while len(ids) - start < longest:
            token = choose(network(torch.tensor([ids]))[0, -1])
            if token == tokens.EOS:
                break
            ids.append(token)
    return ids[start:]


def greedy(logits):
    return int(logits.argmax())


def answered(network, vocabulary, items, key="question"):
    """Share of the questions whose greedy answer is the true one."""
    right = 0
    for item in items:
        prompt = [tokens.BOS] + vocabulary.encode(item[key])
        out = generate(network, prompt, 12, greedy)
        right += vocabulary.decode(out).strip() == item["answer"]
    return right / len(items)


def report(network, world):
    out = {}
    by_role = {}
    for role in ("forget", "retain", "holdout", "fresh"):
        by_role[role] = [-x for x in losses_of(network, world.documents([role], ["passage", "rewording"]))]
        questions = losses_of(network, world.documents([role], ["question"]))
        out[f"loss_passages_{role}"] = -sum(by_role[role]) / len(by_role[role])
        out[f"loss_questions_{role}"] = sum(questions) / len(questions)
    for role in ("forget", "retain"):
        out[f"auroc_{role}_holdout"] = auroc(by_role[role], by_role["holdout"])
    for role in ("forget", "retain", "holdout"):
        items = [i for i in world.items if i["role"] == role][:100]
        out[f"answered_{role}"] = answered(network, world.vocabulary, items)
    forget = [i for i in world.items if i["role"] in ("forget", "retain")][:200]
    out["answered_paraphrased"] = answered(network, world.vocabulary, forget, "paraphrased_question")
    for k in sorted({r["k"] for r in world.traps}):
        scores = {label: [-x for x in losses_of(network, [world.framed(r["text"]) for r in world.traps
                                                          if r["k"] == k and r["label"] == label])]
                  for label in (0, 1)}
        out[f"auroc_traps_{k}"] = auroc(scores[1], scores[0])
    return {key: round(value, 4) for key, value in out.items()}
