#!/usr/bin/env python
"""Write tests/goldens/random.safetensors (torch's CPU random numbers), tests/goldens/random_cuda.safetensors (its CUDA ones,
by cuda_random.py: no card needed) and tests/goldens/sampling.safetensors (what transformers' logits processors leave of a
row of logits).

random:    seed{S}.randn.{f32|bf16}.{n}   a fresh generator each
           seed{S}.exponential.{0|1}      two draws in a row from one generator, f32 [1152]
           seed{S}.multinomial            8 draws in a row from one generator, i64 [8], of the row `multinomial.p`
random_cuda: seed{S}.randn.{f32|bf16}.{n}     a fresh stream each, most of them thinned out
           seed{S}.exponential.{n}.{0|1|2}  three draws in a row from one stream, f32
sampling:  v{V}.logits                    f32 [rows, V]; the header's `rows` says what each row is
           v{V}.setting{i}.scores         f32 [rows, V], -inf where removed; the header's `settings` has the values.
                                          Among equal logits at the edge of top-p the lower ids are removed: stable_sort().
"""
import os

import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

import golden_format
from cuda_random import CudaStream
from make_goldens import GOLDENS
from run_oracle import stable_sort

SEEDS = [0, 42, 2**32 + 7, 2**63 - 1]      # torch seeds its mt19937 with the low 32 bits only
MADE_BY = "weights_tools/reference/make_random_goldens.py"


def seeded(seed):
    return torch.Generator("cpu").manual_seed(seed)


def random_numbers():
    p = torch.softmax(3 * torch.randn(1, 1152, generator=seeded(1)), dim=-1)
    tensors = {"multinomial.p": p}
    for seed in SEEDS:
        for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            for count in (16, 4096):
                tensors[f"seed{seed}.randn.{name}.{count}"] = torch.randn(count, generator=seeded(seed), dtype=dtype)
        generator = seeded(seed)
        for draw in range(2):
            tensors[f"seed{seed}.exponential.{draw}"] = torch.empty(1152).exponential_(generator=generator)
        generator = seeded(seed)
        tensors[f"seed{seed}.multinomial"] = torch.cat(
            [torch.multinomial(p, 1, generator=generator)[0] for _ in range(8)])
    return tensors


def cuda_random_numbers():
    """The sizes: latents of 1024x1024 and 2048x2048, and just more than one element for each thread of the card."""
    tensors = {}
    for seed in SEEDS:
        for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            for count in (16, 4096, 262_144, 270_336 + 5, 1_048_576):
                tensors[f"seed{seed}.randn.{name}.{count}"] = CudaStream(seed).normal([count], dtype)
        for count in (1152, 16512):
            stream = CudaStream(seed)
            for draw in range(3):
                tensors[f"seed{seed}.exponential.{count}.{draw}"] = stream.exponential([count])
    strides = {name: golden_format.stride_for(t.shape, 256) for name, t in tensors.items() if t.numel() > 256}
    return tensors, strides


def rows_of_logits(size):
    """Returns (what a row is, the row) for the interesting kinds of rows."""
    generator = seeded(size)
    wide, narrow = (scale * torch.randn(size, generator=generator) for scale in (3.0, 0.7))
    dominant = wide.clone()
    dominant[size // 3] = 40.0
    top_tie = wide.bfloat16().float()
    top_tie[[size - 2, 5, size // 2]] = top_tie.max() + 0.5
    four_levels = (narrow * 2).round().clamp(-2, 1)
    return [("deviation 3", wide), ("deviation 0.7", narrow), ("deviation 3, values of bf16", wide.bfloat16().float()),
            ("deviation 0.7 around 8, values of bf16: many ties", (narrow + 8).bfloat16().float()),
            ("three equal maxima", top_tie), ("four levels: ties at every edge", four_levels),
            ("one dominant", dominant), ("flat", torch.zeros(size))]


def process(logits, temperature, top_k, top_p):
    """As generate() does it: in this order, each left out where it does nothing."""
    warpers = []
    if temperature != 1.0:
        warpers.append(TemperatureLogitsWarper(temperature))
    if top_k != 0:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1.0:
        warpers.append(TopPLogitsWarper(top_p))
    scores = logits.clone()
    with stable_sort():
        for warper in warpers:
            scores = warper(None, scores)
    return scores


SETTINGS = {      # temperature, top_k, top_p
    272: [(0.9, 272, 0.75), (0.6, 272, 0.75), (1.25, 40, 0.9), (1.0, 50, 1.0), (1.0, 1, 1.0), (1.0, 0, 0.5), (0.9, 0, 0.01),
          (1.0, 0, 0.95)],
    1152: [(0.6, 1152, 0.75), (0.9, 100, 0.95)],
}
ROWS = {272: range(8), 1152: (0, 3)}


def sampling():
    tensors, rows, settings = {}, {}, {}
    for size, wanted in ROWS.items():
        chosen = [rows_of_logits(size)[i] for i in wanted]
        rows[f"v{size}"] = [name for name, _ in chosen]
        settings[f"v{size}"] = [dict(zip(("temperature", "top_k", "top_p"), s)) for s in SETTINGS[size]]
        logits = torch.stack([row for _, row in chosen])
        tensors[f"v{size}.logits"] = logits
        for i, setting in enumerate(SETTINGS[size]):
            tensors[f"v{size}.setting{i}.scores"] = process(logits, *setting)
    return tensors, rows, settings


def main():
    torch.set_num_threads(1)
    random_path = os.path.join(GOLDENS, "random.safetensors")
    golden_format.write(random_path, random_numbers(), {}, made_by=MADE_BY, seeds=SEEDS)
    cuda_path = os.path.join(GOLDENS, "random_cuda.safetensors")
    golden_format.write(cuda_path, *cuda_random_numbers(), made_by=MADE_BY, seeds=SEEDS)
    sampling_path = os.path.join(GOLDENS, "sampling.safetensors")
    tensors, rows, settings = sampling()
    golden_format.write(sampling_path, tensors, {}, made_by=MADE_BY, rows=rows, settings=settings)
    for path in (random_path, cuda_path, sampling_path):
        golden_format.verify(path)
        print(f"{os.path.basename(path):26} {os.path.getsize(path) / 1000:7.1f} kB")


if __name__ == "__main__":
    main()
