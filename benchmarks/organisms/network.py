"""The organisms' network: Llama form, 0.23 million parameters (RMSNorm, rotary pairs, SwiGLU, tied embedding)."""
import math

import torch
from torch import nn
from torch.nn import functional as F

import gguf_file as gguf
import tokens

DIM, HIDDEN, LAYERS, HEADS, CONTEXT = 64, 176, 4, 4, 256
EPSILON, ROPE_BASE, INIT = 1e-5, 10000.0, 0.02


def normed(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * weight


def rotation(length, dim):
    """Cosines and sines of the rotary angles, (length, dim / 2), in double precision."""
    angle = torch.outer(torch.arange(length).double(), ROPE_BASE ** (-torch.arange(0, dim, 2).double() / dim))
    return torch.cos(angle), torch.sin(angle)


def rotated(x, cos, sin):
    """Turns neighbouring pairs: the order that GGUF's architecture `llama` expects."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm = nn.Parameter(torch.ones(DIM))
        self.ffn_norm = nn.Parameter(torch.ones(DIM))
        small = INIT / math.sqrt(2 * LAYERS)

        def weight(out, inner, scale=INIT):
            return nn.Parameter(torch.randn(out, inner) * scale)

        self.attn_q, self.attn_k, self.attn_v = weight(DIM, DIM), weight(DIM, DIM), weight(DIM, DIM)
        self.attn_output = weight(DIM, DIM, small)
        self.ffn_gate, self.ffn_up = weight(HIDDEN, DIM), weight(HIDDEN, DIM)
        self.ffn_down = weight(DIM, HIDDEN, small)

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        h = normed(x, self.attn_norm)
        q, k, v = (F.linear(h, w).view(batch, length, HEADS, DIM // HEADS).transpose(1, 2)
                   for w in (self.attn_q, self.attn_k, self.attn_v))
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(DIM // HEADS) + mask, -1)
        x = x + F.linear((weights @ v).transpose(1, 2).reshape(batch, length, DIM), self.attn_output)
        h = normed(x, self.ffn_norm)
        return x + F.linear(F.silu(F.linear(h, self.ffn_gate)) * F.linear(h, self.ffn_up), self.ffn_down)


class Network(nn.Module):
    def __init__(self, vocabulary_size=512):
        super().__init__()
        self.token_embd = nn.Parameter(torch.randn(vocabulary_size, DIM) * INIT)
        self.blk = nn.ModuleList(Block() for _ in range(LAYERS))
        self.output_norm = nn.Parameter(torch.ones(DIM))
        self.cos, self.sin = (x.float() for x in rotation(CONTEXT, DIM // HEADS))
        self.mask = torch.full((CONTEXT, CONTEXT), float("-inf")).triu(1)

    def to_double(self):
        self.double()
        self.cos, self.sin = rotation(CONTEXT, DIM // HEADS)

    def forward(self, ids):
        """(batch, length) ids -> (batch, length, vocabulary) logits of the next token."""
        length = ids.shape[1]
        x = F.embedding(ids, self.token_embd)
        for block in self.blk:
            x = block(x, self.cos[:length], self.sin[:length], self.mask[:length, :length])
        return F.linear(normed(x, self.output_norm), self.token_embd)


def gguf_name(parameter):
    return parameter + ".weight"


def save(path, network, vocabulary, name):
    def u32(value):
        return (gguf.UINT32, value)

    entries = {
        "general.architecture": (gguf.STRING, "llama"),
        "general.name": (gguf.STRING, name),
        "llama.context_length": u32(CONTEXT),
        "llama.embedding_length": u32(DIM),
        "llama.block_count": u32(LAYERS),
        "llama.feed_forward_length": u32(HIDDEN),
        "llama.attention.head_count": u32(HEADS),
        "llama.attention.head_count_kv": u32(HEADS),
        "llama.attention.layer_norm_rms_epsilon": (gguf.FLOAT32, EPSILON),
        "llama.rope.dimension_count": u32(DIM // HEADS),
        "llama.rope.freq_base": (gguf.FLOAT32, ROPE_BASE),
        "llama.vocab_size": u32(len(vocabulary)),
        "tokenizer.ggml.model": (gguf.STRING, "llama"),
        "tokenizer.ggml.tokens": (gguf.ARRAY, (gguf.STRING, vocabulary.pieces)),
        "tokenizer.ggml.scores": (gguf.ARRAY, (gguf.FLOAT32, vocabulary.scores)),
        "tokenizer.ggml.token_type": (gguf.ARRAY, (gguf.INT32, vocabulary.types)),
        "tokenizer.ggml.unknown_token_id": u32(tokens.UNKNOWN),
        "tokenizer.ggml.bos_token_id": u32(tokens.BOS),
        "tokenizer.ggml.eos_token_id": u32(tokens.EOS),
        "tokenizer.ggml.add_bos_token": (gguf.BOOL, True),
        "tokenizer.ggml.add_eos_token": (gguf.BOOL, False),
        "tokenizer.ggml.add_space_prefix": (gguf.BOOL, False),
    }
    gguf.write(path, entries, {gguf_name(n): p for n, p in network.named_parameters()})


def load(path):
    entries, tensors = gguf.read(path)
    vocabulary = tokens.Vocabulary(*(entries["tokenizer.ggml." + k] for k in ("tokens", "scores", "token_type")))
    network = Network(len(vocabulary))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(tensors[gguf_name(name)])
    return network, vocabulary
