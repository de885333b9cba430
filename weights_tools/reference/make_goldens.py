#!/usr/bin/env python
"""Run upstream on every case of golden_cases.py and write tests/goldens/<checkpoint>/<case>.safetensors.

    python make_goldens.py                      all cases
    python make_goldens.py --only a/words_two   the cases whose name starts so; repeat for more
    python make_goldens.py --check              write nothing; fail where a case gives other bytes than its file has

Cases `a/eos_*` and `a/oob_*` run on checkpoint a with some rows of lm_head changed (HEAD_EDITS): upstream's prior ends early,
or writes ids that are no codes. Upstream mostly fails after that, so only its tokens are kept, and its error in the header.

Cases `*/from_*` go from pictures to a picture. Their references are drawn by a formula (draw_reference); `min_pixels` is set
in a copy of the checkpoint's preprocessor_config.json, so that small references keep their grids as large ones do.

Sampled cases seed as upstream does. In greedy cases only `do_sample` is changed, to False, in the call of generate():
the argmax of the raw logits is taken, and everything after it works on those tokens.
"""
import argparse
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKLOutput
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from PIL import Image

import golden_format
from cuda_random import cuda_random
from golden_cases import CASES, FIRST_CASES, HEAD_EDITS, keep_of
from run_oracle import ROOT, Recorder, checkpoint_folder, load_pipeline, record, run

GOLDENS = os.path.join(ROOT, "tests", "goldens")


def choose(taps, keep):
    """Returns the taps that are kept and the strides of those that are thinned out."""
    kept, strides = {}, {}
    for name, tensor in taps.items():
        for pattern, whole, thinned in keep:
            if re.fullmatch(pattern, name):
                kept[name] = tensor
                if whole is not None and tensor.numel() > whole:
                    strides[name] = golden_format.stride_for(tensor.shape, thinned)
                break
    return kept, strides


def hash_checkpoint(folder):
    """sha256 over model_index.json and the files of the components: path, NUL, size in 8 bytes, content; sorted by path."""
    with open(os.path.join(folder, "model_index.json")) as f:
        components = [name for name in json.load(f) if not name.startswith("_")]
    paths = ["model_index.json"] + [os.path.relpath(os.path.join(parent, file), folder).replace(os.sep, "/")
                                    for component in components
                                    for parent, _, files in os.walk(os.path.join(folder, component)) for file in files]
    digest = hashlib.sha256()
    for path in sorted(paths):
        with open(os.path.join(folder, path), "rb") as f:
            content = f.read()
        digest.update(path.encode() + b"\0" + len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def stored_folder(checkpoint, folders):
    """Where the files are that the engine reads: upstream can't read codes, and computes with a checkpoint of their numbers."""
    return os.path.join(ROOT, "tests", "data", "quantised", checkpoint) if checkpoint.startswith("q_") else folders[checkpoint]


def class_name(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


@contextlib.contextmanager
def edited_head(pipe, edit):
    """Multiplies the rows of lm_head, then sets their column 0."""
    head = pipe.vision_language_encoder.lm_head.weight
    original = head.detach().clone()
    with torch.no_grad():
        first, last = edit["rows"]
        head[first:last + 1] *= edit["multiply"]
        head[first:last + 1, 0] = edit["column0"]
    try:
        yield
    finally:
        with torch.no_grad():
            head.copy_(original)


def draw_reference(width, height, pattern):
    """Slopes that wrap around, other ones in each channel. tests/support/reference_picture.cc draws the same."""
    y, x, c = np.ogrid[:height, :width, :3]
    return Image.fromarray(((x * (3 + pattern) + y * (5 + c) + (x * y >> 3) * (c + 1) + 60 * c) & 255).astype(np.uint8))


@contextlib.contextmanager
def folder_of(case, folders):
    """The case's checkpoint, or links to it around a preprocessor_config.json with another min_pixels."""
    plain = folders[case.checkpoint]
    if not case.min_pixels:
        yield plain
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(plain):
            if name != "processor":
                os.symlink(os.path.join(plain, name), os.path.join(folder, name))
        shutil.copytree(os.path.join(plain, "processor"), os.path.join(folder, "processor"))
        path = os.path.join(folder, "processor", "preprocessor_config.json")
        with open(path) as f:
            config = json.load(f)
        config["min_pixels"] = case.min_pixels
        with open(path, "w") as f:
            json.dump(config, f)
        yield folder


@contextlib.contextmanager
def exact_references(pipe):
    """The VAE's encoder, and the decoder where it writes what it keeps of a reference, compute in float64: fp32 weights and
    inputs as they are, fp32 results. On the CPU the fp32 encoder has a pixel's channels side by side, and its sums over 512x512
    pixels are 5e-5 from the exact ones, more or less with the number of threads."""
    vae, dit = pipe.vae, pipe.transformer
    encode, forward = vae.encode, dit.forward

    def wide(value):
        return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    @functools.wraps(encode)
    def exact_encode(x):
        vae.double()
        moments = encode(x.double()).latent_dist.parameters.float()
        vae.float()
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(moments))

    @functools.wraps(forward)
    def exact_forward(*args, **kwargs):
        caches = kwargs["kv_caches"]
        if caches[0].mode != "write":
            return forward(*args, **kwargs)
        dit.double()
        result = forward(*args, **{name: wide(value) for name, value in kwargs.items()})
        dit.float()
        for cache in caches.caches:
            cache.k_caches, cache.v_caches = [k.float() for k in cache.k_caches], [v.float() for v in cache.v_caches]
        return Transformer2DModelOutput(sample=result[0].float())

    vae.encode, dit.forward = exact_encode, exact_forward
    try:
        yield
    finally:
        for owner, method in ((vae, "encode"), (dit, "forward")):
            owner.__dict__.pop(method, None)  # Recorder's end may have taken it already


def compute(case, pipe):
    """Returns the taps and what the header says in addition."""
    parameters = (case.prompt, case.width, case.height, case.steps, case.cfg, case.seed)
    if not case.head:
        images = [draw_reference(*reference) for reference in case.references] or None
        with cuda_random() if case.rng == "cuda" else exact_references(pipe) if case.exact else contextlib.nullcontext():
            taps = record(pipe, *parameters, case.greedy, case.level in ("full", "sources"), images, case.images)
        if case.dtype == "bfloat16" and case not in FIRST_CASES:
            taps["ar.top2"], ids = taps["ar.logits"][0].float().sort(descending=True, stable=True)
            taps["ar.top2"], taps["ar.argmax"] = taps["ar.top2"][:, :2], ids[:, 0]
        return taps, {}
    error = None
    with edited_head(pipe, HEAD_EDITS[case.head]), Recorder(pipe, full=False, greedy=case.greedy) as recorder:
        try:
            run(pipe, *parameters)
        except (RuntimeError, IndexError) as e:
            error = f"{type(e).__name__}: {e}"
    return recorder.taps, {"lm_head_edit": HEAD_EDITS[case.head], "upstream_error": error}


def make(case, pipe, checkpoint_hash, path):
    taps, more = compute(case, pipe)
    kept, strides = choose(taps, keep_of(case))
    golden_format.write(
        path, kept, strides, case=case.parameters(), checkpoint_sha256=checkpoint_hash, **more,
        tokens="argmax of the raw logits: generate() called with do_sample=False" if case.greedy else "sampled by upstream",
        upstream={"pipeline": class_name(pipe), **{name: class_name(part) for name, part in pipe.components.items()}},
        made_by="weights_tools/reference/make_goldens.py")
    golden_format.verify(path)


def same_bytes(a, b):
    with open(a, "rb") as f, open(b, "rb") as g:
        return f.read() == g.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="CHECKPOINT/CASE", help="a case, or the beginning of its name")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("--nano", default=checkpoint_folder("nano"), help="the nano checkpoint (default: models/nano)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folders = {**{case.checkpoint: checkpoint_folder(case.checkpoint) for case in CASES}, "nano": args.nano}
    wanted = [c for c in CASES if not args.only or any(f"{c.checkpoint}/{c.name}".startswith(o) for o in args.only)]
    if not args.only:                       # make_all.sh doesn't run make_quantised_checkpoints.py
        wanted = [c for c in wanted if not c.checkpoint.startswith("q_") or os.path.isdir(folders[c.checkpoint])]
    if not wanted:
        sys.exit("no such case")

    total, different = 0, []
    loaded, pipe = None, None
    for case in wanted:
        if loaded != (case.checkpoint, case.dtype, case.min_pixels):
            loaded = (case.checkpoint, case.dtype, case.min_pixels)
            with folder_of(case, folders) as folder:
                pipe = load_pipeline(folder, case.dtype)
            checkpoint_hash = hash_checkpoint(stored_folder(case.checkpoint, folders))
        label = f"{case.checkpoint}/{case.name}"
        path = os.path.join(GOLDENS, f"{label}.safetensors")
        if args.check:
            with tempfile.TemporaryDirectory() as scratch:
                again = os.path.join(scratch, "golden.safetensors")
                make(case, pipe, checkpoint_hash, again)
                if not same_bytes(again, path):
                    different.append(label)
        else:
            make(case, pipe, checkpoint_hash, path)
        size = os.path.getsize(path)
        total += size
        print(f"{label:28} {case.width:4}x{case.height:<4} {case.steps:2} steps  cfg {case.cfg:<3}  {case.dtype:8} "
              f"{'greedy' if case.greedy else 'sampled':7} {case.level:7} {size / 1000:7.1f} kB", flush=True)
    print(f"{len(wanted)} goldens, {total / 1e6:.2f} MB")
    if different:
        sys.exit("other bytes than in the file: " + ", ".join(different))


if __name__ == "__main__":
    main()
