#!/usr/bin/env python3
"""What quantising costs: nano in each format, against nano in bf16. Prints the table of README.md here.

    quality.py PROGRAM [--prompts N] [--steps N] [--score FOLDER]

auto-round and sdnq quantise nano layer by layer, and this script does what --precision does. The program draws each prompt with
nano itself, and then with every quantised nano from the same tokens and the same noise. The logits are upstream's: transformers'
own prior is fed with nano's tokens. --score: nano/score.py also draws its 200 prompts once and judges them; it keeps the judge and
the pictures in FOLDER.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "weights_tools", "reference"))

import torch
from make_quantised_layers import AUTO_ROUND_CONFIG, auto_round_tensors, sdnq_config, sdnq_tensors
from pytorch_msssim import ms_ssim
from safetensors.torch import load_file, save_file
from transformers import GlmImageForConditionalGeneration

NANO = os.path.join(ROOT, "models", "nano")
BLOCKS = {"transformer": ["transformer_blocks."], "vision_language_encoder": ["model.language_model.layers."]}
OWN = {"transformer": [".attn1.", ".ff."], "vision_language_encoder": ["model.language_model.layers.", "lm_head."]}
GROUP = 64      # nano's columns are multiples of 64, not of 128
PROMPTS = ["a red apple on a blue background", "a panda on the grass", 'the letter "A" in red on a white background',
           'a sign that says "OPEN" in blue on a yellow background', "a yellow star on a purple background", "two owls at night",
           'the number "5" in white on a blue background', "a rocket at night"]


def auto_round(name, tensor):
    tensors, numbers = auto_round_tensors(tensor.float(), None, GROUP, sym=True)
    return tensors, numbers["bf16"], "auto_round"


def sdnq(dtypes):
    def quantise(name, tensor):
        dtype = dtypes[sum(name.encode()) % len(dtypes)]
        tensors, numbers = sdnq_tensors(tensor, dtype, {})
        return tensors, numbers["bf16"], dtype
    return quantise


def own(bits):
    """What --precision makes of a weight: numbers, for a checkpoint that isn't quantised."""
    def quantise(name, tensor):
        wide = tensor.float()
        if bits == 8 or wide.shape[1] % 128:
            scale = (wide.abs().amax(1, keepdim=True) / 127).clamp_min(1e-30)
            numbers, size = (wide / scale).round() * scale, wide.numel() + 4 * wide.shape[0]
        else:
            groups = wide.unflatten(1, (-1, 128))
            lowest = groups.amin(-1, keepdim=True).clamp_max(0)
            scale = ((groups.amax(-1, keepdim=True).clamp_min(0) - lowest) / 15).clamp_min(1e-30).bfloat16().float()
            zero = (-lowest / scale).round().clamp(0, 15)
            codes = (groups / scale + zero).round().clamp(0, 15)
            numbers, size = ((codes - zero) * scale).flatten(1), wide.numel() // 2 + 4 * scale.numel()
        saved.append(2 * wide.numel() - size)
        return {"weight": numbers.bfloat16()}, numbers.bfloat16(), "ours"
    return quantise


SCORES = ["subject", "colour", "background", "count", "words", "picture to picture"]
saved = []      # bytes by which a weight in codes of ours is smaller than in bf16
FORMATS = [
    ("ours, `prior=int8,dit=int8`", OWN, own(8)),
    ("ours, `prior=int4`", {"vision_language_encoder": OWN["vision_language_encoder"]}, own(4)),
    ("ours, `dit=int4`", {"transformer": OWN["transformer"]}, own(4)),
    ("ours, `prior=int4,dit=int4`", OWN, own(4)),
    ("AutoRound int4, groups of 64", BLOCKS, auto_round),
    ("the same, the prior alone", {"vision_language_encoder": BLOCKS["vision_language_encoder"]}, auto_round),
    ("the same, the DiT alone", {"transformer": BLOCKS["transformer"]}, auto_round),
    ("SDNQ uint4", BLOCKS, sdnq(["uint4"])),
    ("SDNQ int5", BLOCKS, sdnq(["int5"])),
    ("SDNQ float5_e3m1fn", BLOCKS, sdnq(["float5_e3m1fn"])),
    ("SDNQ uint4, int5, float5_e3m1fn", BLOCKS, sdnq(["uint4", "int5", "float5_e3m1fn"])),
]


def weights_file(folder):
    return next(os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".safetensors"))


def quantise_part(folder, places, quantise):
    """Replaces a component's layers. Returns all its numbers."""
    file = weights_file(folder)
    stored, numbers, dtypes = {}, {}, {}
    for name, tensor in load_file(file).items():
        if not (any(place in name for place in places) and name.endswith(".weight") and tensor.dim() == 2):
            stored[name] = numbers[name] = tensor
            continue
        tensors, numbers[name], dtype = quantise(name, tensor)
        stored.update({name.removesuffix("weight") + key: value for key, value in tensors.items()})
        dtypes.setdefault(dtype, []).append(name)
    save_file(stored, file, {"format": "pt"})
    if "ours" in dtypes:
        return numbers
    tuned = "auto_round" in dtypes
    config_of = {**AUTO_ROUND_CONFIG, "group_size": GROUP, "sym": True} if tuned else sdnq_config(dtypes, {})
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({**config, "quantization_config": config_of}, f, default=str)
    return numbers


def size_of(folder):
    """Bytes of the weights of all components."""
    return sum(os.path.getsize(os.path.join(parent, name)) for parent, _, names in os.walk(folder) for name in names
               if name.endswith(".safetensors"))


def score_of(arguments, model, name):
    """Returns the columns of nano's score for one draw of each prompt."""
    if not arguments.score:
        return ""
    script = os.path.join(ROOT, "weights_tools", "nano", "score.py")
    subprocess.run([sys.executable, script, "--model", model, "--program", arguments.program, "--work", arguments.score,
                    "--name", name, "--seeds", "11", "--threads", "1"], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(arguments.score, name + ".json"), encoding="utf-8") as file:
        percent = json.load(file)
    return "".join(f" {percent[key]:.0f} |" for key in SCORES)


def draw(arguments, model, prompt, seed, folder, tokens=None):
    dump, picture = os.path.join(folder, "dump.safetensors"), os.path.join(folder, "picture.png")
    command = [arguments.program, "generate", prompt, "-m", model, "--device", "cpu", "--dtype", "bfloat16", "-s", str(seed),
               "--steps", str(arguments.steps), "--dump", dump, "-o", picture, "-y", "-q"]
    subprocess.run(command + (["--inject", tokens] if tokens else []), check=True, stdout=subprocess.DEVNULL)
    return load_file(dump)


def logits_of(numbers, said):
    """Of each position that writes a token, in fp32, by transformers' prior with these numbers."""
    model = GlmImageForConditionalGeneration.from_pretrained(os.path.join(NANO, "vision_language_encoder"), torch_dtype=torch.float32)
    model.load_state_dict({name: tensor.float() for name, tensor in numbers.items()}, strict=False)
    found = []
    for dump in said:
        ids = torch.cat([dump["ar.in.input_ids"], dump["ar.generated"][:, :-1]], 1)
        positions = torch.cat([dump["ar.position_ids_prefill"], dump["ar.position_ids_decode"]], 2)
        with torch.no_grad():
            language = model.model.language_model
            hidden = language(inputs_embeds=language.embed_tokens(ids), position_ids=positions, use_cache=False)[0]
            found.append(model.lm_head(hidden[:, dump["ar.in.input_ids"].shape[1] - 1:])[0])
    return torch.cat(found)


def compare_logits(right, found):
    """Returns how often the likeliest token is the same, and the mean KL divergence in nats."""
    same = (right.argmax(-1) == found.argmax(-1)).double().mean()
    divergence = torch.nn.functional.kl_div(found.log_softmax(-1), right.log_softmax(-1), log_target=True, reduction="none").sum(-1)
    return float(same), float(divergence.double().mean())


def compare_pictures(right, found):
    """Returns the mean cosine of the noise predictions, PSNR in dB and MS-SSIM, each the mean of all pictures."""
    cosines, psnrs, ssims = [], [], []
    for a, b in zip(right, found):
        for name in a:
            if name.endswith(".noise_pred"):
                cosines.append(torch.nn.functional.cosine_similarity(a[name].double().flatten(), b[name].double().flatten(), dim=0))
        one, other = (dump["image"].permute(0, 3, 1, 2).double() for dump in (a, b))
        psnrs.append(10 * torch.log10(255 ** 2 / (one - other).square().mean().clamp_min(1e-9)))
        ssims.append(ms_ssim(one, other, data_range=255))
    return tuple(float(torch.stack(values).mean()) for values in (cosines, psnrs, ssims))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--score")
    arguments = parser.parse_args()
    prompts = PROMPTS[:arguments.prompts]
    with tempfile.TemporaryDirectory() as work:
        said, tokens = [], []
        for k, prompt in enumerate(prompts):
            said.append(draw(arguments, NANO, prompt, k + 1, work))
            tokens.append(os.path.join(work, f"tokens{k}.safetensors"))
            save_file({"ar.generated": said[-1]["ar.generated"]}, tokens[-1])
        plain = load_file(weights_file(os.path.join(NANO, "vision_language_encoder")))
        logits = logits_of(plain, said)
        columns = ["format", "MB", "top-1", "KL", "cosine", "PSNR, dB", "MS-SSIM"] + (SCORES if arguments.score else [])
        print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
        print(f"| bf16 | {size_of(NANO) / 1e6:.1f} | 1 | 0 | 1 | ∞ | 1 |" + score_of(arguments, NANO, "bf16"), flush=True)
        for index, (name, parts, quantise) in enumerate(FORMATS):
            saved.clear()
            model = os.path.join(work, "model")
            shutil.copytree(NANO, model)
            numbers = {part: quantise_part(os.path.join(model, part), places, quantise) for part, places in parts.items()}
            top, divergence = compare_logits(logits, logits_of(numbers.get("vision_language_encoder", plain), said))
            drawn = [draw(arguments, model, prompt, k + 1, work, tokens[k]) for k, prompt in enumerate(prompts)]
            cosine, psnr, ssim = compare_pictures(said, drawn)
            shown = "∞" if psnr > 100 else f"{psnr:.1f}"
            size = (size_of(model) - sum(saved)) / 1e6
            print(f"| {name} | {size:.1f} | {top:.3f} | {divergence:.4f} | {cosine:.4f} | {shown} | {ssim:.3f} |"
                  + score_of(arguments, model, f"format{index}"), flush=True)
            shutil.rmtree(model)


if __name__ == "__main__":
    main()
