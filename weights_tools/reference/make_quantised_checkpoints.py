#!/usr/bin/env python3
"""Small whole checkpoints whose weights auto-round and sdnq have quantised, and the same with the numbers they make of them.

The tiny checkpoint `q` is the base; make_tiny.py writes it. What the engine reads goes to tests/data/quantised/q_autoround and
q_sdnq. There upstream can't read it, so build/reference/q_autoround and q_sdnq get the packages' own numbers in bf16, and
make_goldens.py runs upstream on them. README.md says what has to be installed.
"""
import json
import os
import re
import shutil

from make_quantised_layers import AUTO_ROUND_CONFIG, auto_round_tensors, sdnq_config, sdnq_tensors
import torch
from safetensors.torch import load_file, save_file

from run_oracle import ROOT, checkpoint_folder

STORED = os.path.join(ROOT, "tests", "data", "quantised")
GROUP = 32
# What each package quantises by itself: auto-round the blocks alone, sdnq each linear layer but those of its skip lists.
AUTO_ROUND = {"transformer": r"transformer_blocks\..*", "vision_language_encoder": r"model\.language_model\.layers\..*"}
SDNQ = {"transformer": r"transformer_blocks\.(?!0\.norm1\.).*",
        "vision_language_encoder": r"model\.(language_model\.layers|visual\.blocks)\..*", "text_encoder": r"encoder\.block\..*"}
SDNQ_DTYPES = ["uint4", "int5", "float5_e3m1fn"]


def is_linear(name, tensor, pattern):
    return (name.endswith(".weight") and tensor.dim() == 2 and "relative_attention_bias" not in name
            and re.fullmatch(pattern, name) is not None)


def auto_round_part(tensors, pattern):
    """Returns what is stored, the numbers of it, and the configuration."""
    stored, numbers = {}, {}
    for name, tensor in tensors.items():
        if is_linear(name, tensor, pattern):
            bias = tensors.get(name.removesuffix("weight") + "bias")
            parts, kinds = auto_round_tensors(tensor, bias, GROUP, sym=True)
            stored.update({name.removesuffix("weight") + key: value for key, value in parts.items()})
            numbers[name] = kinds["bf16"]
    for name, tensor in tensors.items():
        if name not in numbers:
            stored.setdefault(name, tensor)
            numbers[name] = stored[name].to(tensor.dtype)
    return stored, numbers, {**AUTO_ROUND_CONFIG, "group_size": GROUP, "sym": True}


def sdnq_part(tensors, pattern):
    stored, numbers, dtypes = {}, {}, {}
    for name, tensor in tensors.items():
        if not is_linear(name, tensor, pattern):
            stored[name] = numbers[name] = tensor
            continue
        dtype = SDNQ_DTYPES[sum(name.encode()) % 3]
        parts, kinds = sdnq_tensors(tensor.to(torch.bfloat16), dtype, {})
        stored.update({name.removesuffix("weight") + key: value for key, value in parts.items()})
        numbers[name] = kinds["bf16"]
        if dtype != "uint4":
            dtypes.setdefault(dtype, []).append(name)
    return stored, numbers, sdnq_config(dtypes, {})


def write_config(folder, config):
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**whole, "quantization_config": config}, file, indent=2, default=str)
        file.write("\n")


def make(name, parts, quantise):
    base, plain, stored = checkpoint_folder("q"), checkpoint_folder(name), os.path.join(STORED, name)
    for folder in (plain, stored):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns("weights.json"))
    for part, pattern in parts.items():
        file = next(f for f in os.listdir(os.path.join(base, part)) if f.endswith(".safetensors"))
        codes, numbers, config = quantise(load_file(os.path.join(base, part, file)), pattern)
        save_file(codes, os.path.join(stored, part, file), {"format": "pt"})
        save_file(numbers, os.path.join(plain, part, file), {"format": "pt"})
        write_config(os.path.join(stored, part), config)


def main():
    make("q_autoround", AUTO_ROUND, auto_round_part)
    make("q_sdnq", SDNQ, sdnq_part)


if __name__ == "__main__":
    main()
