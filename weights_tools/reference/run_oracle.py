#!/usr/bin/env python
"""Run upstream's GlmImagePipeline on the CPU and keep the result of every stage under its tap name.

    python run_oracle.py --ckpt DIR --prompt TEXT --width W --height H --steps N --cfg G --seed S
        [--greedy] [--image PNG ...] [--num-images N] [--dtype float32|bfloat16] [--level full|stages] --out FILE.safetensors

The pipeline is not modified: Recorder wraps methods of one pipeline object and notes what goes in and comes out.
Only one thing is pinned, see stable_sort().
"""
import argparse
import contextlib
import functools
import json
import os
import sys

import diffusers
import numpy as np
import torch
import transformers
from diffusers import GlmImagePipeline
from PIL import Image
from safetensors.torch import save_file


ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))


def checkpoint_folder(name):
    """models/nano, or where make_tiny.py and make_quantised_checkpoints.py write the others."""
    return os.path.join(ROOT, "models/nano" if name == "nano" else f"build/reference/{name}")


def load_pipeline(ckpt, dtype):
    """Loads every component in one dtype ("float32" or "bfloat16"), whatever the files hold."""
    if not os.path.isdir(ckpt):
        sys.exit(f"{ckpt}: expected a checkpoint's folder, found none; make_all.sh writes the tiny ones there with make_tiny.py")
    pipe = GlmImagePipeline.from_pretrained(ckpt, torch_dtype=getattr(torch, dtype))
    pipe.set_progress_bar_config(disable=True)
    return pipe


@contextlib.contextmanager
def stable_sort():
    """Which of several equal logits top-p drops depends on the CPU, as torch.sort() uses unstable vector code where it can.
    Here the sort is stable: among equals the lower id is dropped first, on every machine."""
    plain = torch.sort
    torch.sort = functools.partial(plain, stable=True)
    try:
        yield
    finally:
        torch.sort = plain


class Recorder:
    """Context manager; `taps` maps tap names to contiguous tensors in the dtype they were computed in."""

    def __init__(self, pipe, full=True, greedy=False):
        self.pipe, self.full, self.greedy = pipe, full, greedy
        self.taps, self.undo = {}, []
        self.steps = 0                # denoising steps finished
        self.dit_inside = None        # prefix for what happens inside the DiT, None: not wanted

    def __enter__(self):
        for watch in (self.watch_ar, self.watch_vision, self.watch_prior, self.watch_glyphs, self.watch_schedule,
                      self.watch_dit, self.watch_vae):
            watch()
        return self

    def __exit__(self, *exception):
        for restore in reversed(self.undo):
            restore()

    # ------------------------------------------------------------------ tools

    def put(self, name, value):
        if not isinstance(value, torch.Tensor):
            value = torch.as_tensor(value)
        if value.dtype == torch.bool:
            value = value.to(torch.uint8)
        self.taps[name] = value.detach().clone().contiguous()

    def replace(self, owner, method, make):
        """Replaces owner.method by make(the old method). Upstream inspects signatures, so they are kept."""
        old = getattr(owner, method)
        setattr(owner, method, functools.wraps(old)(make(old)))
        self.undo.append(lambda: delattr(owner, method))

    def after(self, owner, method, note):
        """note(result, args, kwargs) after each call of owner.method."""
        def make(old):
            def call(*args, **kwargs):
                result = old(*args, **kwargs)
                note(result, args, kwargs)
                return result
            return call
        self.replace(owner, method, make)

    def hook(self, module, note):
        """note(output) after each forward pass of a submodule."""
        self.undo.append(module.register_forward_hook(lambda _module, _args, output: note(output)).remove)

    # ------------------------------------------------------------------ autoregressive prior

    def watch_ar(self):
        model = self.pipe.vision_language_encoder
        text = model.model.language_model
        positions, logits = [], []
        running = False

        def run_generate(old):
            def generate(**kwargs):
                nonlocal running
                self.put("ar.in.input_ids", kwargs["input_ids"])
                self.put("ar.in.image_grid_thw", kwargs["image_grid_thw"])
                if self.greedy:
                    kwargs["do_sample"] = False       # the pipeline passes True; the generation config stays as it is
                running = True
                sequence = old(**kwargs)
                running = False
                self.put("ar.generated", sequence[:, kwargs["input_ids"].shape[1]:])
                self.put("ar.position_ids_prefill", positions[0])
                self.put("ar.position_ids_decode", torch.cat(positions[1:], dim=-1))
                self.put("ar.logits", torch.stack(logits, dim=1))
                return sequence
            return generate

        def note_positions(old):
            def forward(*args, **kwargs):
                if running:
                    positions.append(kwargs["position_ids"].clone())
                return old(*args, **kwargs)
            return forward

        self.replace(model, "generate", run_generate)
        self.replace(text, "forward", note_positions)
        self.after(model, "forward", lambda out, args, kwargs: logits.append(out.logits[:, -1].clone()) if running else None)
        if self.full:
            def note_layer(name, out):
                if running and len(positions) == 1:
                    self.put(name, out[0] if isinstance(out, tuple) else out)
            for i, layer in enumerate(text.layers):
                self.hook(layer, functools.partial(note_layer, f"ar.prefill.layer{i}"))

    def watch_vision(self):
        """Only used with source images."""
        model = self.pipe.vision_language_encoder.model
        self.replace(model, "get_placeholder_mask", lambda old: lambda input_ids, image_ids: (
            self.put("ar.vq_ids", image_ids), old(input_ids, image_ids))[1])
        if self.full:
            self.hook(model.visual.patch_embed, functools.partial(self.put, "vision.patch_embed"))
            self.hook(model.visual.embeddings, functools.partial(self.put, "vision.embeddings"))
            for i, block in enumerate(model.visual.blocks):
                self.hook(block, lambda out, i=i: self.put(f"vision.block{i}", out[0] if isinstance(out, tuple) else out))
            self.hook(model.vqmodel.quant_conv, functools.partial(self.put, "vq.quant_conv"))

    def watch_prior(self):
        calls = iter(range(1000))
        self.after(self.pipe, "_extract_large_image_tokens",
                   lambda ids, args, kwargs: self.put(f"prior.d32_ids.{next(calls)}", ids[None]))

        def note(result, args, kwargs):
            ids, source_ids, source_grids = result
            self.put("prior.ids", ids)
            for i, (source, grid) in enumerate(zip(source_ids or [], source_grids or [])):
                self.put(f"prior.source{i}.ids", source)
                self.put(f"prior.source{i}.grid", grid)
        self.after(self.pipe, "generate_prior_tokens", note)

    # ------------------------------------------------------------------ glyph encoder

    def watch_glyphs(self):
        calls = iter(range(1000))

        def note_call(result, args, kwargs):
            name = f"glyph.call{next(calls)}"
            self.put(f"{name}.ids", args[0])
            self.put(f"{name}.mask", kwargs["attention_mask"])
            self.put(f"{name}.hidden", result.last_hidden_state)

        def note_embeds(result, args, kwargs):
            self.put("glyph.prompt_embeds", result[0])
            if result[1] is not None:
                self.put("glyph.negative_embeds", result[1])
        self.after(self.pipe.text_encoder, "forward", note_call)
        self.after(self.pipe, "encode_prompt", note_embeds)

    # ------------------------------------------------------------------ latents and schedule

    def watch_schedule(self):
        scheduler = self.pipe.scheduler

        def note_schedule(result, args, kwargs):
            self.put("sched.mu", torch.tensor([kwargs["mu"]], dtype=torch.float64))
            self.put("sched.sigmas", scheduler.sigmas)
            self.put("sched.timesteps", scheduler.timesteps)

        def note_step(result, args, kwargs):
            self.put(f"step{self.steps}.noise_pred", args[0])
            self.put(f"step{self.steps}.latents", result[0])
            self.steps += 1
        self.after(self.pipe, "prepare_latents", lambda latents, args, kwargs: self.put("latents.init", latents))
        self.after(scheduler, "set_timesteps", note_schedule)
        self.after(scheduler, "step", note_step)

    # ------------------------------------------------------------------ DiT

    def watch_dit(self):
        dit = self.pipe.transformer
        writes = iter(range(1000))

        def run_forward(old):
            def forward(*args, **kwargs):
                cache = kwargs["kv_caches"][0]
                if cache.mode == "write":             # a source image goes through to fill the caches
                    name, inside = f"dit.write{next(writes)}", True
                else:
                    unconditional = bool(kwargs["prior_token_drop"].any())
                    name, inside = f"step{self.steps}.{'uncond' if unconditional else 'cond'}", self.steps == 0
                    self.put(f"step{self.steps}.timestep", kwargs["timestep"])
                    if name == "step0.cond":
                        self.note_caches(kwargs["kv_caches"])
                self.dit_inside = name if inside else None
                result = old(*args, **kwargs)
                self.dit_inside = None
                self.put(f"{name}.out", result[0])
                return result
            return forward
        self.replace(dit, "forward", run_forward)

        def note(name, out):
            if self.dit_inside:
                self.put(f"{self.dit_inside}.{name}", out)

        def note_block(name, out):
            note(name, out[0])
            note(f"{name}.text", out[1])
        if self.full:
            for name, module in (("temb", dit.time_condition_embed), ("image_hidden", dit.image_projector),
                                 ("prior_hidden", dit.prior_projector), ("glyph_hidden", dit.glyph_projector),
                                 ("norm_out", dit.norm_out)):
                self.hook(module, functools.partial(note, name))
            for i, block in enumerate(dit.transformer_blocks):
                self.hook(block, functools.partial(note_block, f"block{i}"))

    def note_caches(self, caches):
        for layer, cache in enumerate(caches.caches if self.full else []):
            for sample, (k, v) in enumerate(zip(cache.k_caches, cache.v_caches)):
                self.put(f"dit.kv.sample{sample}.layer{layer}.k", k)
                self.put(f"dit.kv.sample{sample}.layer{layer}.v", v)

    # ------------------------------------------------------------------ VAE

    def watch_vae(self):
        calls = iter(range(1000))

        def note_encode(result, args, kwargs):
            name = f"vae.cond{next(calls)}"
            self.put(f"{name}.pixels", args[0])
            self.put(f"{name}.mean", result.latent_dist.mode())

        def note_decode(result, args, kwargs):
            self.put("latents.final_scaled", args[0])
            self.put("vae.decoded", result[0])
        self.after(self.pipe.vae, "encode", note_encode)
        self.after(self.pipe.vae, "decode", note_decode)


def run(pipe, prompt, width, height, steps, cfg, seed, images=None, num_images=1):
    with stable_sort():
        return pipe(prompt=prompt, image=images, width=width, height=height, num_inference_steps=steps,
                    guidance_scale=cfg, num_images_per_prompt=num_images, output_type="np",
                    generator=torch.Generator("cpu").manual_seed(seed))


def record(pipe, prompt, width, height, steps, cfg, seed, greedy=False, full=True, images=None, num_images=1):
    """Runs the pipeline once and returns the taps."""
    with Recorder(pipe, full, greedy) as recorder:
        result = run(pipe, prompt, width, height, steps, cfg, seed, images, num_images)
    recorder.put("image", (result.images * 255).round().astype(np.uint8))
    return recorder.taps


def versions():
    return {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", required=True)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--cfg", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--greedy", action="store_true", help="argmax tokens instead of sampled ones")
    parser.add_argument("--image", action="append", help="a source image; repeat for several")
    parser.add_argument("--num-images", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--level", default="full", choices=["full", "stages"], help="stages: nothing from inside the models")
    parser.add_argument("--out", required=True)
    parser.add_argument("--png", help="also write the first image here")
    args = parser.parse_args()

    torch.set_num_threads(1)
    images = [Image.open(path).convert("RGB") for path in args.image] if args.image else None
    taps = record(load_pipeline(args.ckpt, args.dtype), args.prompt, args.width, args.height, args.steps, args.cfg,
                  args.seed, args.greedy, args.level == "full", images, args.num_images)
    save_file(taps, args.out, metadata={"json": json.dumps({**vars(args), "versions": versions()})})
    if args.png:
        Image.fromarray(taps["image"][0].numpy()).save(args.png)
    print(f"{args.out}: {len(taps)} tensors, {taps['ar.generated'].shape[1]} tokens, image {tuple(taps['image'].shape)}")


if __name__ == "__main__":
    main()
