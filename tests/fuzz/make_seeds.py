#!/usr/bin/env python3
"""What a fuzzing target starts from, where no golden file serves:  make_seeds.py TARGET FOLDER"""
import json
import os
import struct
import sys
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PICTURES = os.path.join(ROOT, "tests/pictures/goldens/files")


def chunks(png):
    at = 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at:at + 8])
        yield name, png[at + 8:at + 8 + size]
        at += size + 12


def of_pictures(name):
    for file in sorted(os.listdir(PICTURES)):
        if file.endswith(".png"):
            with open(os.path.join(PICTURES, file), "rb") as f:
                yield from (data for found, data in chunks(f.read()) if found == name)


def exif():
    yield from of_pictures(b"eXIf")


def profile():
    for data in of_pictures(b"iCCP"):
        yield zlib.decompress(data[data.index(b"\0") + 2:])
    with open(os.path.join(PICTURES, "inks.jpg"), "rb") as f:
        jpeg = f.read()
    at = jpeg.index(b"ICC_PROFILE\0") + 14
    yield jpeg[at:at + struct.unpack(">I", jpeg[at:at + 4])[0]]


def tokenizer():
    """The small checkpoint's, with its letters and a few merges: a million runs have to end."""
    with open(os.path.join(ROOT, "tests/checkpoints/a/processor/tokenizer.json")) as f:
        whole = json.load(f)
    model = whole["model"]
    merges = [merge for merge in model["merges"] if all(len(part) == 1 for part in merge)][:6]
    kept = [token for token in model["vocab"] if len(token) == 1] + ["".join(merge) for merge in merges]
    model["merges"] = merges
    model["vocab"] = {token: model["vocab"][token] for token in kept}
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["content"] in ("<sop>", "<eop>")]
    yield json.dumps(whole, ensure_ascii=False).encode()


def safetensors():
    for tensors, size in (({}, 0), ({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}, 24),
                          ({"__metadata__": {"k": "v"}, "b": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]},
                            "c": {"dtype": "I64", "shape": [1, 0], "data_offsets": [2, 2]}}, 2)):
        header = json.dumps(tensors).encode()
        yield struct.pack("<Q", len(header)) + header + bytes(range(size))


def main():
    target, folder = sys.argv[1:]
    for i, seed in enumerate(globals()[target]()):
        with open(os.path.join(folder, f"seed{i}"), "wb") as f:
            f.write(seed)


if __name__ == "__main__":
    main()
