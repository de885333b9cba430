#!/usr/bin/env python
"""What upstream computes with nano, for `glm-image weights selftest`: the rows of nano in engine/checkpoint/known_models.cc.

    python make_selftest_tokens.py            print the rows, in C++
    python make_selftest_tokens.py --check    fail where the file has other rows

A row has a prompt, the ids that upstream's processor lays it out in, and the first 30 tokens that upstream's prior writes
greedily in float32 on the CPU. One starts from a picture, which is drawn by a formula. Rows without a prompt hold the sizes
alone, as they end each prompt.
"""
import argparse
import os
import sys

import numpy as np
import torch
from PIL import Image

from run_oracle import ROOT, Recorder, checkpoint_folder, load_pipeline, stable_sort

TABLE = os.path.join(ROOT, "engine", "checkpoint", "known_models.cc")
TOKENS = 30
# Prompt, width, height, and sides of the picture to start from. Prompts were chosen whose first tokens aren't all of one
# background, and whose likeliest token leads clearly each time.
CASES = [("three owls at night", 256, 256, None),
         ('the number "5" in red on the grass', 128, 256, None),
         ("a rocket at night", 256, 256, (256, 256))]
SIZES = [(512, 512), (1024, 1024), (768, 1152)]
LEAST_LEAD = 0.1    # of the largest logit before the second; fp32 on another CPU differs by less than 0.001


def draw_slopes(width, height):
    """Red grows to the right, green downwards. draw_slopes() in known_models.cc draws the same."""
    y, x = np.ogrid[:height, :width]
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[..., 0] = x * 255 // (width - 1)
    picture[..., 1] = y * 255 // (height - 1)
    return Image.fromarray(picture)


def numbers(values):
    return "{" + ", ".join(str(value) for value in values) + "}"


def row(prompt, width, height, picture, ids, tokens):
    text = prompt.replace('"', '\\"')
    return (f'{{.prompt = "{text}", .grid = {{{height // 32}, {width // 32}}}, .picture = {picture}, '
            f".ids = {numbers(ids)}, .tokens = {numbers(tokens)}}}")


def case_row(pipe, prompt, width, height, sides):
    images = [[draw_slopes(*sides)]] if sides else None
    with Recorder(pipe, full=False, greedy=True) as recorder, stable_sort():
        pipe.generate_prior_tokens(prompt, height, width, image=images)
    taps = recorder.taps
    best = taps["ar.logits"][0, :TOKENS].sort(descending=True).values
    lead = (best[:, 0] - best[:, 1]).min().item()
    if lead < LEAST_LEAD:
        sys.exit(f"{prompt}: expected a likeliest token that leads by {LEAST_LEAD}, found {lead}; choose another prompt")
    ids, picture = taps["ar.in.input_ids"][0].tolist(), "{}"
    if sides:
        sources = taps["ar.vq_ids"].tolist()
        ids = ids[2 + len(sources):]    # behind the picture's begin, places and end
        picture = f'KnownPicture{{.width = {sides[0]}, .height = {sides[1]}, .tokens = {numbers(sources)}}}'
    return row(prompt, width, height, picture, ids, taps["ar.generated"][0, :TOKENS].tolist())


def sizes_row(pipe, width, height):
    """The ids behind the one of the letter x, which stands for any prompt."""
    message = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    inputs = pipe.processor.apply_chat_template([message], tokenize=True, target_h=height, target_w=width, return_dict=True,
                                                return_tensors="pt")
    ids = inputs["input_ids"][0].tolist()
    assert ids[0] == pipe.processor.tokenizer("x").input_ids[0]
    return row("", width, height, "{}", ids[1:], [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of printing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipe = load_pipeline(checkpoint_folder("nano"), "float32")
    rows = [sizes_row(pipe, *size) for size in SIZES] + [case_row(pipe, *case) for case in CASES]
    if not args.check:
        print(",\n".join(rows))
        return
    with open(TABLE) as f:
        table = "".join(f.read().split())
    different = [made for made in rows if "".join(made.split()) not in table]
    if different:
        sys.exit(f"{TABLE}: expected these rows of nano, found others:\n" + ",\n".join(different))
    print(f"{len(rows)} rows are upstream's")


if __name__ == "__main__":
    main()
