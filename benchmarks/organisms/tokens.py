"""The organisms' tokenizer: SentencePiece style with scores, as GGUF type "llama" and libllama have it.

Vocabulary: 3 specials, 256 bytes, the blank, and merges learned by byte-pair encoding. Encoding joins, again and
again, the two neighbours whose joined text is the piece of highest score (of equals the leftmost), and spells what is
no piece in bytes. Nothing here needs a library.
"""
from collections import Counter
from dataclasses import dataclass

UNKNOWN, BOS, EOS = 0, 1, 2
BLANK = "\u2581"
NORMAL, UNKNOWN_TYPE, CONTROL, BYTE = 1, 2, 3, 6


@dataclass
class Vocabulary:
    pieces: list  # text of every id
    scores: list
    types: list

    def __post_init__(self):
        self.ids = {p: i for i, p in enumerate(self.pieces) if self.types[i] == NORMAL}
        self.first_byte = self.types.index(BYTE)

    def __len__(self):
        return len(self.pieces)

    def encode(self, text):
        """Ids without BOS and EOS."""
        symbols = list(text.replace(" ", BLANK))
        while True:
            best, at = None, -1
            for i in range(len(symbols) - 1):
                identity = self.ids.get(symbols[i] + symbols[i + 1])
                if identity is not None and (best is None or self.scores[identity] > best):
                    best, at = self.scores[identity], i
            if best is None:
                break
            symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
        out = []
        for symbol in symbols:
            if symbol in self.ids:
                out.append(self.ids[symbol])
            else:
                out.extend(self.first_byte + b for b in symbol.encode("utf-8"))
        return out

    def decode(self, ids):
        raw = b""
        for i in ids:
            if self.types[i] == BYTE:
                raw += bytes([i - self.first_byte])
            elif self.types[i] == NORMAL:
                raw += self.pieces[i].replace(BLANK, " ").encode("utf-8")
        return raw.decode("utf-8", errors="replace")


def learn(texts, size=512):
    """Byte-pair encoding over words; a word is the blank before it and what follows up to the next blank."""
    words = Counter()
    for text in texts:
        parts = text.replace(" ", "\n" + BLANK).split("\n")
        words.update(p for p in parts if p)
    split = {w: list(w) for w in words}
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + [BLANK]
    merges = []
    while len(pieces) + len(merges) < size:
        pairs = Counter()
        for word, count in words.items():
            for a, b in zip(split[word], split[word][1:]):
                pairs[a, b] += count
        if not pairs:
            break
        # The most frequent pair; of equals the first in order of text, so that the result has no chance in it.
        a, b = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(a + b)
        for word, parts in split.items():
            i = 0
            while i + 1 < len(parts):
                if parts[i] == a and parts[i + 1] == b:
                    parts[i:i + 2] = [a + b]
                i += 1
    scores = [0.0] * 259 + [-1000.0] + [float(-i) for i in range(len(merges))]
    types = [UNKNOWN_TYPE, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (1 + len(merges))
    return Vocabulary(pieces + merges, scores, types)
