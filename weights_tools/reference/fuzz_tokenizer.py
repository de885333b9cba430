#!/usr/bin/env python
"""Compare the engine's text tokenizer with upstream's on random texts; exit status 1 when they differ.

    python fuzz_tokenizer.py BUILD/tokenize_lines --checkpoint ../../models/nano --count 200000
    python fuzz_tokenizer.py BUILD/tokenize_lines --glm4 --count 1000000        # tiktoken, GLM-4's own vocabulary
    python fuzz_tokenizer.py BUILD/tokenize_lines --glm4 --hf                   # tokenizers, on the same

Half of the texts are read with special tokens parsed, half without. Characters are those that this Python's Unicode
assigns: 3.11 has Unicode 14, as Debian 12's PCRE2 has. Mismatches are printed cut down to what still differs.
"""
import argparse
import array
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata

import tiktoken_to_tokenizer_json as glm4

BATCH = 20000
BLOCKS = {  # the ranges of code points that scripts are drawn from
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xAA, 0x24F), (0x1E00, 0x1EFF)], "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x52F), (0xA640, 0xA69F)], "armenian": [(0x530, 0x58F)], "hebrew": [(0x591, 0x5F4)],
    "arabic": [(0x600, 0x6FF), (0xFB50, 0xFDFF)], "syriac": [(0x700, 0x74F)], "devanagari": [(0x900, 0x97F)],
    "bengali": [(0x980, 0x9FF)], "gurmukhi": [(0xA00, 0xA7F)], "tamil": [(0xB80, 0xBFF)], "telugu": [(0xC00, 0xC7F)],
    "thai": [(0xE00, 0xE7F)], "lao": [(0xE80, 0xEFF)], "tibetan": [(0xF00, 0xFFF)], "myanmar": [(0x1000, 0x109F)],
    "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)], "hangul": [(0xAC00, 0xD7A3), (0x1100, 0x11FF)],
    "ethiopic": [(0x1200, 0x137F)], "cherokee": [(0x13A0, 0x13FF)], "khmer": [(0x1780, 0x17FF)],
    "mongolian": [(0x1800, 0x18AF)], "kana": [(0x3040, 0x30FF), (0xFF65, 0xFF9F)],
    "han": [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF)],
}
SPACES = [chr(c) for c in (*range(9, 14), 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200E),
                           0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)]
QUOTES = list("'\"`´‘’“”„«»「」『』") + ["'s", "'S", "'ſ", "'t", "'re", "'VE", "'m", "'ll", "'LL", "'d", "''", "’s"]
SYMBOLS = list("!?.,:;-_=+*/\\|<>()[]{}@#$%^&~…—·•、。，！？\0\x7f\u00ad\u0301\u200d\ufe0f\u20e3") + ["...", "->", "==", "\r\n"]
EMOJI = ["😀", "👩", "👨", "👧", "\u200d", "🏽", "🏻", "🏳\ufe0f", "🌈", "🇩🇪", "🇫🇷", "🇯", "☎", "❤\ufe0f", "🔥", "1\ufe0f\u20e3", "🫠", "✈"]
PERIODIC = ["a", "b", "ab", "aa", "aab", " ", "  ", "\n", "\t", " \n", "=", "-", "=-", "0", "01", "猫", "。", "é", "\u0301", "ha",
            "xyx", "the ", "_", "/*", "*", "ab a", "é ", "…", "😀", "\r\n"]


def assigned(code):
    return unicodedata.category(chr(code)) not in ("Cn", "Cs")


def letters(script):
    return [chr(c) for first, last in BLOCKS[script] for c in range(first, last + 1) if assigned(c)]


class Texts:
    """An endless stream of texts of many kinds; `pieces` are texts of the vocabulary, `specials` its special tokens."""

    def __init__(self, seed, pieces, specials):
        self.draw = random.Random(seed)
        self.pieces = pieces
        self.specials = specials + [s[:-1] for s in specials] + [s[1:] for s in specials]
        self.scripts = [letters(script) for script in BLOCKS]
        self.everything = [chr(c) for c in range(0x110000) if assigned(c) and not 0xE000 <= c < 0xF900 and c < 0xF0000]
        self.kinds = [self.of_pieces, self.of_few_characters, self.of_scripts, self.of_everything, self.of_mixture,
                      self.periodic, self.of_spaces, self.of_ascii]

    def several(self, source, most):
        return "".join(self.draw.choices(source, k=self.draw.randint(1, most)))

    def of_pieces(self):
        return self.several(self.pieces, 16)

    def of_few_characters(self):    # the same few in every order: where the order of merges could show
        source = self.several(self.pieces, 3)
        return self.several(source, 60)

    def of_scripts(self):
        draw = self.draw
        return "".join(self.several(draw.choice(self.scripts), 8) + draw.choice(["", " ", "\n", "12", ".", draw.choice(SPACES)])
                       for _ in range(draw.randint(1, 6)))

    def of_everything(self):
        return self.several(self.everything, 24)

    def of_mixture(self):
        draw = self.draw
        sources = [self.pieces, self.specials, SPACES, QUOTES, SYMBOLS, EMOJI, PERIODIC, "0123456789", "٠१๓Ⅳ½²", draw.choice(self.scripts)]
        return "".join(draw.choice(draw.choice(sources)) for _ in range(draw.randint(1, 24)))

    def periodic(self):             # where equal pairs overlap
        draw = self.draw
        source = [draw.choice(PERIODIC), draw.choice(self.pieces)]
        return "".join(draw.choice(source) * draw.randint(1, 12) for _ in range(draw.randint(1, 5)))

    def of_spaces(self):
        draw = self.draw
        source = [draw.choice(SPACES), draw.choice(SPACES), " ", "\n", draw.choice(QUOTES), draw.choice(SYMBOLS), "a", draw.choice("1é猫")]
        return self.several(source, 24)

    def of_ascii(self):
        return "".join(chr(self.draw.randrange(128)) for _ in range(self.draw.randint(1, 50)))

    def next(self):
        return self.draw.choice(self.kinds)()


class Ours:
    def __init__(self, program, tokenizer_json):
        self.process = subprocess.Popen([program, tokenizer_json], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def encode(self, texts, parse_special):
        """Sends all, then reads all: the program answers a batch only when it has read the whole of it."""
        encoded = [text.encode() for text in texts]
        self.process.stdin.write(struct.pack("<II", len(texts), parse_special))
        self.process.stdin.write(b"".join(struct.pack("<I", len(text)) + text for text in encoded))
        self.process.stdin.flush()
        return [array.array("i", self.read(4 * struct.unpack("<I", self.read(4))[0])).tolist() for _ in texts]

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            sys.exit("the program ended early")
        return data


class Tiktoken:
    def __init__(self, specials):
        self.encoding = glm4.tiktoken_encoding(specials)

    def encode(self, texts, parse_special):
        if parse_special:
            return self.encoding.encode_batch(texts, num_threads=1, allowed_special="all")
        return self.encoding.encode_ordinary_batch(texts, num_threads=1)


class HuggingFace:
    def __init__(self, folder):
        from transformers import TokenizersBackend
        self.tokenizer = TokenizersBackend.from_pretrained(folder).backend_tokenizer

    def encode(self, texts, parse_special):
        self.tokenizer.encode_special_tokens = not parse_special
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def minimised(text, differs):
    """`text` without every stretch that can go."""
    size = len(text)
    while size:
        start = 0
        while start < len(text):
            shorter = text[:start] + text[start + size:]
            if shorter and differs(shorter):
                text = shorter
            else:
                start += size
        size //= 2
    return text


def surfaces(tokenizer_json):
    """The vocabulary's entries that are texts by themselves, and the special tokens."""
    import json
    with open(tokenizer_json, encoding="utf-8") as f:
        contents = json.load(f)
    specials = [token["content"] for token in contents["added_tokens"]]
    byte_of = {character: byte for byte, character in glm4.byte_alphabet().items()}
    pieces = []
    for piece in contents["model"]["vocab"]:
        if not piece.startswith("<|dit_token_"):
            text = bytes(byte_of[character] for character in piece).decode(errors="ignore")
            if text and all(assigned(ord(c)) for c in text):
                pieces.append(text)
    return pieces, [s for s in specials if not s.startswith("<|dit")] + [s for s in specials if s.startswith("<|dit")][::257]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="tokenize_lines, which the tests build")
    parser.add_argument("--checkpoint", help="against the Hugging Face tokenizer of this folder")
    parser.add_argument("--glm4", action="store_true", help="GLM-4's vocabulary, against tiktoken")
    parser.add_argument("--hf", action="store_true", help="with --glm4: against tokenizers instead of tiktoken")
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if bool(args.checkpoint) == args.glm4:
        parser.error("one of --checkpoint and --glm4")
    with tempfile.TemporaryDirectory() as scratch:
        folder = scratch if args.glm4 else os.path.join(args.checkpoint, "processor")
        file = os.path.join(folder, "tokenizer.json")
        if args.glm4:
            with open(file, "w", encoding="utf-8") as f:
                f.write(glm4.text())
        ours = Ours(args.program, file)
        pieces, specials = surfaces(file)
        theirs = Tiktoken(specials) if args.glm4 and not args.hf else HuggingFace(folder)
        texts = Texts(args.seed, pieces, specials)
        start, wrong, characters, ids = time.time(), 0, 0, 0
        for first in range(0, args.count, BATCH):
            batch = [texts.next() for _ in range(min(BATCH, args.count - first))]
            for parse_special, part in enumerate((batch[::2], batch[1::2])):
                expected = theirs.encode(part, bool(parse_special))
                characters += sum(map(len, part))
                ids += sum(map(len, expected))
                for text, mine, upstreams in zip(part, ours.encode(part, parse_special), expected):
                    if mine == upstreams:
                        continue
                    wrong += 1
                    if wrong <= 10:
                        one = lambda t, s=parse_special: (ours.encode([t], s)[0], theirs.encode([t], bool(s))[0])
                        short = minimised(text, lambda t: len(set(map(tuple, one(t)))) == 2)
                        print(f"{'parsed' if parse_special else 'plain'} {short!r}: ours {one(short)[0]}, upstream {one(short)[1]}",
                              flush=True)
        print(f"{args.count} texts, {characters} characters, {ids} ids, seed {args.seed}: {wrong} mismatches, "
              f"{time.time() - start:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
