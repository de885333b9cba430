#!/usr/bin/env python
"""Write GLM-4's vocabulary (tests/data/glm4_tiktoken.model) as the tokenizer.json of a GLM-Image checkpoint.

    python tiktoken_to_tokenizer_json.py OUT/tokenizer.json

Ids: <|dit_token_N|> is N, below 16512; tiktoken's rank r is 16512 + r; GLM-4's special tokens follow. The list of merges is
closed: every split of every token into two tokens, by the token's rank, then the ranks of the parts (as transformers'
TikTokenConverter sorts them). tests/tokenizer/glm4_vocabulary.cc writes the same bytes.
"""
import argparse
import base64
import json
import os

VOCABULARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/data/glm4_tiktoken.model")
FIRST_ID = 16512
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
            "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>",
            "<|end_of_video|>", "<|image|>", "<|video|>"]


def read_ranks(path=VOCABULARY):
    """{bytes: rank}; the ranks are 0, 1, 2, ... in the file's order."""
    with open(path, "rb") as f:
        return {base64.b64decode(text): int(rank) for text, rank in (line.split() for line in f)}


def special_ids(ranks):
    codes = {f"<|dit_token_{i}|>": i for i in range(FIRST_ID)}
    return codes | {text: FIRST_ID + len(ranks) + i for i, text in enumerate(SPECIALS)}


def tiktoken_encoding(specials):
    """tiktoken itself, its ids those of the checkpoint. It is slow when it knows all 16,528 special tokens: it gets some."""
    import tiktoken
    ranks = read_ranks()
    ids = special_ids(ranks)
    return tiktoken.Encoding("glm4", pat_str=PATTERN, special_tokens={text: ids[text] for text in specials},
                             mergeable_ranks={text: FIRST_ID + rank for text, rank in ranks.items()})


def byte_alphabet():
    """GPT-2's: a printable character for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def tokenizer_json():
    ranks = read_ranks()
    alphabet = byte_alphabet()
    written = {text: "".join(alphabet[b] for b in text) for text in ranks}
    merges = []
    for text in ranks:
        splits = [(text[:i], text[i:]) for i in range(1, len(text)) if text[:i] in ranks and text[i:] in ranks]
        splits.sort(key=lambda parts: (ranks[parts[0]], ranks[parts[1]]))
        merges += [[written[left], written[right]] for left, right in splits]
    specials = special_ids(ranks)
    vocab = {f"<|dit_token_{i}|>": i for i in range(FIRST_ID)}
    vocab |= {written[text]: FIRST_ID + rank for text, rank in ranks.items()}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": text, **plain} for text, i in specials.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_]},
        "post_processor": None, "decoder": bytes_,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": vocab, "merges": merges},
    }


def text():
    return json.dumps(tokenizer_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    with open(parser.parse_args().out, "w", encoding="utf-8") as f:
        f.write(text())


if __name__ == "__main__":
    main()
