#!/usr/bin/env python
"""Writes the small random safety checker and tests/goldens/safety/<case>.safetensors: what upstream's checker says of pictures.

The checker goes to build/reference/safety in the layout of a pipeline's folder, and what tests/checkpoints keeps of it (json
files, the recipe of the weights) to tests/checkpoints/safety. A case is a picture, by the formula of draw_reference(), and what
it changes in the json files (`config`, `preprocessor`: keys with their new values) or in the type of the stored weights.

    pixels_u8        u8 [1, 3, H, W]     resized and cropped, before they are normalised
    pixels           f32 [1, 3, H, W]
    embeddings, pre_layrnorm, block{i}   f32 [1, N + 1, D]
    pooled           f32 [1, D]          image_embeds: f32 [1, E]
    special_cos      f32 [1, 3]          concept_cos: f32 [1, 17]
    special_scores   f32 [3]             concept_scores: f32 [17], rounded to thousandths as upstream does
    flagged          u8 [1]
"""
import json
import os
import shutil
import tempfile

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion import safety_checker as upstream
from transformers import CLIPConfig, CLIPImageProcessor

import golden_format
from make_goldens import GOLDENS, draw_reference
from run_oracle import ROOT, checkpoint_folder
from tiny_weights import component, randomize, write_recipe

SEED = 9000
TRACKED = os.path.join(ROOT, "tests/checkpoints/safety")
SIDE = 56
VISION = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": SIDE,
          "patch_size": 14}
TEXT = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 8,
        "bos_token_id": 6, "eos_token_id": 7}

CASES = {      # width, height and pattern of the picture, and what differs
    "portrait": {"picture": (96, 160, 0)},           # 0.0003 above a threshold, which is rounded to 0
    "landscape": {"picture": (200, 120, 1)},
    "smaller": {"picture": (40, 30, 2)},
    "odd": {"picture": (57, 113, 3)},
    "large": {"picture": (2048, 1024, 4)},           # flagged only because a special-care concept was seen
    "square": {"picture": (56, 56, 5)},              # 0.0007 above a threshold, which is rounded to 0.001
    "one_pixel": {"picture": (1, 1, 6)},             # a special-care concept at 0.0003, which is rounded to 0: no adjustment
    "wide": {"picture": (8192, 16, 7)},
    "tall": {"picture": (16, 8192, 7)},
    "adjusted": {"picture": (128, 128, 8)},          # a special-care concept was seen, and no other
    "flagged": {"picture": (333, 77, 9)},
    "almost": {"picture": (500, 401, 10)},           # with the adjustment 0.0001 below a threshold
    "special_twice": {"picture": (128, 160, 0)},     # two special-care concepts: the first one helps the second
    "gelu": {"picture": (128, 160, 0), "config": {"vision_config": {**VISION, "hidden_act": "gelu"}}},
    "config_dict": {"picture": (128, 160, 0),        # the second object holds, as a whole
                    "config": {"vision_config": {"hidden_act": "gelu", "layer_norm_eps": 0.5}, "vision_config_dict": VISION}},
    "padded": {"picture": (91, 64, 1), "preprocessor": {"size": {"shortest_edge": 45}}},
    "cropped": {"picture": (64, 91, 1), "preprocessor": {"size": 75, "crop_size": SIDE}},
    "colours": {"picture": (91, 64, 1), "preprocessor": {"image_mean": [0.5, 0.25, 0.0], "image_std": [0.5, 1.0, 2.0],
                                                         "rescale_factor": 1 / 127.5}},
    "float16": {"picture": (333, 77, 9), "dtype": "float16"},
    "bfloat16": {"picture": (333, 77, 9), "dtype": "bfloat16"},
}
WHOLE = 400      # elements up to which a tensor is kept whole


def write_json(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(content, f, indent=2)
        f.write("\n")


def make_checker(out):
    shutil.rmtree(out, ignore_errors=True)
    config = CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=32)
    model = upstream.StableDiffusionSafetyChecker(config).float().eval()
    draws = randomize(model, torch.Generator().manual_seed(SEED), "safety_checker", 0)
    model.save_pretrained(f"{out}/safety_checker")
    CLIPImageProcessor(size=SIDE, crop_size=SIDE).save_pretrained(f"{out}/feature_extractor")
    part = component(out, "safety_checker", "float32", draws)
    write_recipe(f"{out}/weights.json", SEED, 0, [part])
    return part["files"]["model.safetensors"]


def keep_json(out):
    shutil.rmtree(TRACKED, ignore_errors=True)
    shutil.copytree(out, TRACKED, ignore=shutil.ignore_patterns("*.safetensors"))


def patch(path, changes):
    with open(path) as f:
        content = json.load(f)
    write_json(path, {**content, **changes})


def load(folder, case):
    """Upstream's checker in fp32 and its processor, from a copy with the case's changes."""
    patch(f"{folder}/safety_checker/config.json", case.get("config", {}))
    patch(f"{folder}/feature_extractor/preprocessor_config.json", case.get("preprocessor", {}))
    checker = upstream.StableDiffusionSafetyChecker
    if "dtype" in case:
        checker.from_pretrained(f"{folder}/safety_checker").to(getattr(torch, case["dtype"])).save_pretrained(
            f"{folder}/safety_checker")
    model, info = checker.from_pretrained(f"{folder}/safety_checker", torch_dtype=torch.float32, output_loading_info=True)
    assert not any(info.values()), info
    return model.eval(), CLIPImageProcessor.from_pretrained(f"{folder}/feature_extractor")


def watch(model, processor, seen):
    """Keeps what upstream's own functions return, in `seen`."""
    def keep(name):
        return lambda _module, _inputs, output: seen.setdefault(name, output[0] if isinstance(output, tuple) else output)

    vision = model.vision_model
    for name, module in (("embeddings", vision.embeddings), ("pre_layrnorm", vision.pre_layrnorm), ("pooled", vision.post_layernorm),
                         ("image_embeds", model.visual_projection),
                         *((f"block{i}", layer) for i, layer in enumerate(vision.encoder.layers))):
        module.register_forward_hook(keep(name))

    normalize = processor.rescale_and_normalize

    def rescale_and_normalize(images, *arguments):
        seen["pixels_u8"] = images.clone()
        return normalize(images, *arguments)
    processor.rescale_and_normalize = rescale_and_normalize


def check(model, clip_input, seen):
    """Upstream's forward(). Its distances and its scores are values inside of it: they pass through these two functions."""
    distances, scores, distance = [], [], upstream.cosine_distance

    def cosine_distance(*arguments):
        distances.append(distance(*arguments))
        return distances[-1]

    def rounded(value, digits):
        scores.append(round(value, digits))
        away = abs(abs(float(value)) * 1000 % 1 - 0.5)
        assert away > 0.0007, f"{value} is too close to where rounding turns: another CPU would give another score"
        return scores[-1]

    upstream.cosine_distance, upstream.round = cosine_distance, rounded
    _, flagged = model(clip_input=clip_input, images=[np.zeros((1, 1, 3))])
    upstream.cosine_distance = distance
    del upstream.round
    seen["special_cos"], seen["concept_cos"] = distances
    seen["special_scores"], seen["concept_scores"] = torch.tensor(np.array(scores[:3])), torch.tensor(np.array(scores[3:]))
    seen["flagged"] = torch.tensor(flagged, dtype=torch.uint8)


@torch.no_grad()
def run(out, case):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(out, folder, dirs_exist_ok=True)
        model, processor = load(folder, case)
    seen = {}
    watch(model, processor, seen)
    seen["pixels"] = processor(draw_reference(*case["picture"]), return_tensors="pt")["pixel_values"]
    check(model, seen["pixels"], seen)
    return {name: tensor.detach().contiguous() for name, tensor in seen.items()}


def main():
    torch.set_num_threads(1)
    out = checkpoint_folder("safety")
    weights_sha256 = make_checker(out)
    keep_json(out)
    shutil.rmtree(os.path.join(GOLDENS, "safety"), ignore_errors=True)
    for name, case in CASES.items():
        tensors = run(out, case)
        strides = {key: golden_format.stride_for(t.shape, WHOLE) for key, t in tensors.items() if t.numel() > WHOLE}
        path = os.path.join(GOLDENS, "safety", f"{name}.safetensors")
        golden_format.write(path, tensors, strides, case={"checkpoint": "safety", **case}, weights_sha256=weights_sha256,
                            made_by="weights_tools/reference/make_safety_goldens.py",
                            upstream=["StableDiffusionSafetyChecker", "CLIPImageProcessor"])
        golden_format.verify(path)
        best = tensors["concept_scores"].max().item()
        print(f"{name:14} flagged {tensors['flagged'].item()}, concepts at most {best:6.3f}, special care "
              f"{[round(x, 3) for x in tensors['special_scores'].tolist()]}, {os.path.getsize(path) / 1000:.1f} kB")


if __name__ == "__main__":
    main()
