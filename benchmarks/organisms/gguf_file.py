"""Reading and writing GGUF version 3, as far as the organisms need it: scalars, strings, arrays, F32 tensors."""
import struct

import torch

UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
FORMATS = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}
ALIGNMENT = 32


def padded(n):
    return (n + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def text_bytes(text):
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def value_bytes(kind, value):
    if kind == STRING:
        return text_bytes(value)
    if kind == ARRAY:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(value_bytes(inner, i) for i in items)
    return struct.pack(FORMATS[kind], value)


def write(path, entries, tensors):
    """`entries`: key -> (kind, value), an array's value is (kind, list). `tensors`: name -> float tensor."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    for key, (kind, value) in entries.items():
        head += text_bytes(key) + struct.pack("<I", kind) + value_bytes(kind, value)
    offset, data = 0, b""
    for name, tensor in tensors.items():
        # GGUF names the innermost dimension first.
        shape = list(reversed(tensor.shape))
        head += text_bytes(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", 0, offset)
        raw = tensor.detach().to(torch.float32).contiguous().numpy().astype("<f4").tobytes()
        raw += b"\0" * (padded(len(raw)) - len(raw))
        data += raw
        offset += len(raw)
    head += b"\0" * (padded(len(head)) - len(head))
    with open(path, "wb") as out:
        out.write(head + data)


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, layout):
        size = struct.calcsize(layout)
        value, = struct.unpack_from(layout, self.raw, self.at)
        self.at += size
        return value

    def text(self):
        size = self.take("<Q")
        self.at += size
        return self.raw[self.at - size:self.at].decode("utf-8")

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            inner, count = self.take("<I"), self.take("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.take(FORMATS[kind])


def read(path):
    """Returns (key -> value, name -> tensor). Only what write() makes is understood."""
    with open(path, "rb") as source:
        reader = Reader(source.read())
    if reader.raw[:4] != b"GGUF":
        raise SystemExit(f"{path} is no GGUF file")
    reader.at = 4
    version, n_tensors, n_entries = reader.take("<I"), reader.take("<Q"), reader.take("<Q")
    if version != 3:
        raise SystemExit(f"{path} has GGUF version {version}; version 3 is expected")
    entries = {}
    for _ in range(n_entries):
        key = reader.text()
        entries[key] = reader.value(reader.take("<I"))
    places = []
    for _ in range(n_tensors):
        name = reader.text()
        shape = [reader.take("<Q") for _ in range(reader.take("<I"))]
        kind, offset = reader.take("<I"), reader.take("<Q")
        if kind != 0:
            raise SystemExit(f"{path}: the tensor {name} is not F32")
        places.append((name, list(reversed(shape)), offset))
    start, tensors = padded(reader.at), {}
    for name, shape, offset in places:
        count = 1
        for n in shape:
            count *= n
        raw = bytearray(reader.raw[start + offset:start + offset + 4 * count])
        tensors[name] = torch.frombuffer(raw, dtype=torch.float32).reshape(shape)
    return entries, tensors
