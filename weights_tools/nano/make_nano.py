#!/usr/bin/env python3
"""Makes models/nano anew: pictures from fonts, then each network, then the checkpoint. README.md says how.

Each stage leaves a file in the work folder; a stage whose file is there is passed over: an interrupted run goes on.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import layers  # noqa: E402
import pack  # noqa: E402
import pool  # noqa: E402
import render  # noqa: E402
import text_tokenizer  # noqa: E402
import train_decoder  # noqa: E402
import train_glyph  # noqa: E402
import train_prior  # noqa: E402
import train_vae  # noqa: E402
import train_vq  # noqa: E402


class Context:
    """What the stages know of a run; budget: seconds of the stage at hand."""

    def __init__(self, args):
        self.work, self.out, self.device = args.work, args.out, torch.device(args.device)
        self.scale = args.scale or (1.0 if self.device.type == "cuda" else 0.03)
        self.samples = args.samples or self.scale
        self.eager = args.eager
        self.budget, self.stage, self.begun = 0.0, "", time.monotonic()
        self.made_pool, self.drawing = None, None
        os.makedirs(self.work, exist_ok=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def scaled(self, count):
        """A batch or a number of samples, for this machine."""
        return max(4, int(count * self.scale))

    def log(self, text):
        print(f"{time.monotonic() - self.begun:6.1f} s  {self.stage:9}  {text}", flush=True)

    def load(self, name):
        return layers.load_rounded(self.path(name), self.device)

    def sprites(self):
        return dict(np.load(self.path("sprites.npz")))

    def tokenizer_json(self):
        with open(self.path("tokenizer.json"), encoding="utf-8") as file:
            return json.load(file)

    def tokenizer_facts(self):
        return text_tokenizer.facts(self.tokenizer_json())

    def text_tokenizer(self):
        from tokenizers import Tokenizer

        return Tokenizer.from_file(self.path("tokenizer.json"))

    def pool(self):
        """The training samples; drawn and encoded once a run."""
        if self.made_pool is None:
            self.made_pool = pool.load(self)
        return self.made_pool


def make_data(context):
    np.savez_compressed(context.path("sprites.npz"), **render.draw_sprites())


def make_tokenizer(context):
    with open(context.path("tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(text_tokenizer.train(), file, ensure_ascii=False)


# name, function, its file, its share of the budget
STAGES = [
    ("data", make_data, "sprites.npz", 0),
    ("tokenizer", make_tokenizer, "tokenizer.json", 0),
    ("vae", train_vae.train, "vae.pt", 0.14),
    ("vq", train_vq.train, "vq.pt", 0.10),
    ("prior", train_prior.train, "prior.pt", 0.22),
    ("glyph", train_glyph.train, "glyph.pt", 0.02),
    ("decoder", train_decoder.train, "decoder.pt", 0.52),
    ("pack", lambda context: pack.pack(context.work, context.tokenizer_json(), context.out), None, 0),
]


def main():
    parser = argparse.ArgumentParser(description="Makes a nano checkpoint.")
    parser.add_argument(
        "--out", default="build/nano/checkpoint", help="where the checkpoint goes (default: %(default)s)"
    )
    parser.add_argument(
        "--work", default="build/nano/work", help="where the stages leave their files (default: %(default)s)"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=8.5, help="for all training together (default: %(default)s)")
    parser.add_argument("--scale", type=float, help="of batches (default: 1 on a GPU, 0.03 on a CPU)")
    parser.add_argument("--samples", type=float, help="share of the full pool of samples (default: the scale)")
    parser.add_argument("--stages", default=",".join(name for name, *_ in STAGES), help="only these (default: all)")
    parser.add_argument(
        "--again",
        metavar="STAGE",
        choices=["prior", "decoder"],
        help="only this stage, for all the minutes, from the weights that it has left",
    )
    parser.add_argument(
        "--unpack", metavar="CHECKPOINT", help="first take what the stages would have left from a checkpoint"
    )
    parser.add_argument("--eager", action="store_true", help="on a GPU: without CUDA graphs")
    args = parser.parse_args()
    context, stages = Context(args), args.stages.split(",")
    if args.unpack:
        pack.unpack(args.unpack, context.work)
    if args.again:
        stages = [args.again]
        os.replace(context.path(f"{args.again}.pt"), context.path(f"{args.again}.pt.partial"))
    if any(name in stages and not os.path.exists(context.path(f"{name}.pt")) for name in ("prior", "decoder")):
        context.drawing = pool.Drawing(context.samples)  # before CUDA is there, for processes are forked
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    for name, make, file, share in STAGES:
        context.stage, context.budget = name, (1 if args.again else share) * args.minutes * 60
        if name not in stages:
            continue
        if file and os.path.exists(context.path(file)):
            context.log(f"{file} is there")
            continue
        make(context)
        context.log("done")


if __name__ == "__main__":
    main()
