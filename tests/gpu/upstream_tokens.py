#!/usr/bin/env python
"""Tokens of this engine against upstream's, drawn by the same card's generator from the same seeds.

    upstream_tokens.py GLM_IMAGE_PROGRAM CHECKPOINT [--device cuda] [--seeds N]

Upstream's prior (transformers, bf16) is fed the ids that the program dumped, with torch.manual_seed as its pipeline sets it.
Prints for each seed how many tokens agree from the beginning, and upstream's two best scores where the first one differs:
tokens are expected to be equal as long as logits agree to bf16. A token that differs anywhere else than at a near tie fails.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import GlmImageForConditionalGeneration

options = argparse.ArgumentParser()
options.add_argument("program")
options.add_argument("checkpoint", type=Path)
options.add_argument("--device", default="cuda")
options.add_argument("--seeds", type=int, default=8)
options = options.parse_args()

model = GlmImageForConditionalGeneration.from_pretrained(options.checkpoint / "vision_language_encoder",
                                                         dtype=torch.bfloat16).to(options.device).eval()
failed = False
for seed in range(options.seeds):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.program, "generate", "a sign that says \"OPEN\"", "-m", str(options.checkpoint),
                        "--device", options.device, "--dtype", "bfloat16", "--rng",
                        "cuda" if options.device == "cuda" else "cpu", "--size", "256x192", "--steps", "1", "-q",
                        "--allow-early-stop", "-s", str(seed), "-o", f"{folder}/p.png", "--dump", f"{folder}/d.st"],
                       check=False, stderr=subprocess.PIPE)
        if not Path(f"{folder}/d.st").exists():   # a grid that ended early is no picture: masked then, as the program does
            print(f"seed {seed}: upstream's own way ends early here; not compared")
            continue
        dump = load_file(f"{folder}/d.st")
    ids = dump["ar.in.input_ids"].to(options.device)
    ours = dump["ar.generated"][0].tolist()
    torch.manual_seed(seed)
    with torch.no_grad():
        result = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids),
                                image_grid_thw=dump["ar.in.image_grid_thw"].to(options.device),
                                max_new_tokens=len(ours), do_sample=True, return_dict_in_generate=True,
                                output_logits=True)
    theirs = result.sequences[0, ids.shape[1]:].tolist()
    equal = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    line = f"seed {seed}: {equal} of {len(ours)} tokens are upstream's"
    if equal < len(ours) and equal < len(theirs):
        best = result.logits[equal][0].float().topk(2).values.tolist()
        line += f"; then {ours[equal]} against {theirs[equal]}, upstream's best logits {best[0]:.4f} and {best[1]:.4f}"
    failed |= equal == 0
    print(line, flush=True)
sys.exit(1 if failed else 0)
