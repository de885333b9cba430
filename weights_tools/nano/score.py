#!/usr/bin/env python3
"""Draws the held prompts with the built program, judges the pictures, and writes the score into models/nano/README.md.

python3 score.py --model models/nano            # draws, judges, prints
python3 score.py --model models/nano --write    # and writes scores, prompts and the contact sheet
"""

import argparse
import json
import os
import subprocess
import sys
import textwrap

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import domain  # noqa: E402
import judge  # noqa: E402
import render  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIRST = os.path.join(ROOT, "weights_tools", "nano", "first_score.json")  # the first nano's, for comparison
TARGETS = {"subject": 80, "colour": 90, "background": 95, "count": 70, "words": 60, "picture to picture": 70}


def save(picture, path):
    """[3, H, W] uint8"""
    from PIL import Image

    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)


def read(path):
    """[3, H, W] uint8"""
    import numpy as np
    from PIL import Image

    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)


def draw(program, model, folder, renderer, seeds, threads):
    """One picture of each prompt and seed: folder/PROMPT_SEED.png; what is there isn't drawn again."""
    os.makedirs(folder, exist_ok=True)
    for i, (_, width, height, text, item) in enumerate(domain.held_prompts()):
        missing = [seed for seed in seeds if not os.path.exists(f"{folder}/{i:03}_{seed}.png")]
        if not missing:
            continue
        command = [
            program,
            "generate",
            text,
            "-m",
            model,
            "--size",
            f"{width}x{height}",
            "--threads",
            str(threads),
            "--quiet",
            "--seeds",
            ",".join(map(str, missing)),
            "-o",
            f"{folder}/{i:03}_" + ("%s" if len(missing) > 1 else str(missing[0])) + ".png",  # %s stands for the seed of several pictures only
        ]
        if isinstance(item, domain.Edit):
            source = f"{folder}/{i:03}_source.png"
            save(renderer.pictures([item.source], width, height)[0], source)
            command += ["-i", source]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def judged(judge_, picture, kind, item):
    """What is right in a picture: {name: bool}."""
    scene = item.target if isinstance(item, domain.Edit) else item
    height, width = picture.shape[-2:]
    right = {"background": judge_.background(picture, scene) == scene.background}
    if scene.things:
        right["subject"] = judge_.things(picture, scene.layout) == [index for index, _ in scene.things]
    boxes = [(x - side // 2, y - side // 2, side, side) for x, y, side in domain.places(scene.layout, width, height)]
    colours = [
        judge_.colour(picture, scene, box) == colour for box, (_, colour) in zip(boxes, scene.things) if colour >= 0
    ]
    if scene.word:
        letters = domain.letter_boxes(scene.layout, len(scene.word), width, height)
        left, top, w, h = letters[0]
        colours.append(judge_.colour(picture, scene, (left, top, w * len(letters), h)) == scene.word_colour)
        right["words"] = judge_.word(picture, scene) == scene.word
    if colours:
        right["colour"] = all(colours)
    if kind == "count":
        right["count"] = judge_.count(picture, scene) == len(scene.things)
    return {"picture to picture": all(right.values())} if isinstance(item, domain.Edit) else right


def score(judge_, pictures):
    """pictures: {(prompt, seed): [3, H, W] uint8}. Percentages by name, and what was judged of each picture."""
    held, sums, each = domain.held_prompts(), {}, {}
    for (i, seed), picture in pictures.items():
        kind, *_, item = held[i]
        each[i, seed] = judged(judge_, picture, kind, item)
        for name, right in each[i, seed].items():
            sums.setdefault(name, []).append(right)
            sums.setdefault(f"{name}, {kind}", []).append(right)
    return {name: 100 * sum(values) / len(values) for name, values in sums.items()}, each


def contact_sheet(pictures, each, seed, path):
    """One draw of each prompt, twenty in a row; a red line under what was judged wrong."""
    from PIL import Image

    held, tile, columns = domain.held_prompts(), 72, 20
    rows = -(-len(held) // columns)
    sheet = Image.new("RGB", (columns * tile, rows * (tile + 4)), "white")
    for i in range(len(held)):
        picture = Image.fromarray(pictures[i, seed].permute(1, 2, 0).numpy())
        picture.thumbnail((tile - 4, tile - 4), Image.LANCZOS)
        x, y = i % columns * tile, i // columns * (tile + 4)
        sheet.paste(picture, (x + (tile - picture.width) // 2, y + 2))
        if not all(each[i, seed].values()):
            sheet.paste((220, 40, 40), (x + 4, y + tile, x + tile - 4, y + tile + 2))
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def report(percent, first, seeds):
    """The score as Markdown; first: the same numbers of the model before."""
    draws = {1: "one draw", 2: "two draws"}.get(len(seeds), f"{len(seeds)} draws")
    lines = [f"200 held prompts, {draws} of each, by the built program at the settings above; in percent:", ""]
    lines += ["| | wanted | the first nano, one draw | this one |", "|---|---|---|---|"]
    for name, wanted in TARGETS.items():
        before = f"{first[name]:.0f}" if name in first else ""
        lines.append(f"| {name} | {wanted} | {before} | {percent[name]:.0f} |")
    kinds = [name for name in percent if name.startswith(("subject, ", "words, ", "picture to picture, "))]
    wrapped = lambda text: textwrap.wrap(text, 128)
    lines += [
        "",
        *wrapped("By kind of prompt: " + "; ".join(f"{name} {percent[name]:.0f}" for name in sorted(kinds)) + "."),
    ]
    by_kind = {}
    for kind, width, height, text, _ in domain.held_prompts():
        size = "" if (width, height) == (256, 256) else f" ({width}x{height})"
        by_kind.setdefault(kind, []).append(f"{text}{size}")
    lines += [
        "",
        "![one draw of each prompt](contact_sheet.png)",
        "",
        "One draw of each, in the prompts' order; a red line:",
    ]
    lines[-1] += " something in it was judged wrong."
    for kind, texts in by_kind.items():
        lines += ["", *wrapped(f"**{kind}**: " + "; ".join(texts))]
    return "\n".join(lines) + "\n"


def write_report(path, text):
    """Replaces what stands between the marks."""
    begin, end = "<!-- score.py writes from here -->\n", "<!-- to here -->\n"
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + begin + text + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description="Scores a nano checkpoint on the held prompts.")
    parser.add_argument("--model", default=os.path.join(ROOT, "models", "nano"))
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "glm-image"))
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "nano", "score"), help="pictures and the judge")
    parser.add_argument("--name", default="new", help="the pictures' folder in it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", default="11,12")
    parser.add_argument("--draw-only", action="store_true")
    parser.add_argument(
        "--write", action="store_true", help="write MODEL/README.md's score and MODEL/contact_sheet.png"
    )
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    renderer = render.Renderer(render.draw_sprites(), "cpu")
    folder = os.path.join(args.work, args.name)
    if args.name != "rendered":
        draw(args.program, args.model, folder, renderer, seeds, args.threads)
    if args.draw_only:
        return
    judge_ = judge.Judge(renderer, os.path.join(args.work, "judge.pt"), lambda text: print(text, flush=True))
    held = domain.held_prompts()
    if args.name == "rendered":  # what the judge says of perfect pictures
        pictures = {
            (i, seeds[0]): renderer.pictures([item.target if isinstance(item, domain.Edit) else item], w, h)[0]
            for i, (_, w, h, _, item) in enumerate(held)
        }
    else:
        pictures = {(i, seed): read(f"{folder}/{i:03}_{seed}.png") for i in range(len(held)) for seed in seeds}
    percent, each = score(judge_, pictures)
    for name in sorted(percent, key=lambda name: (name.split(",")[0], name)):
        print(f"{name:34} {percent[name]:5.1f} %" + (f"   wanted {TARGETS[name]}" if name in TARGETS else ""))
    with open(os.path.join(args.work, f"{args.name}.json"), "w", encoding="utf-8") as file:
        json.dump({name: round(value, 1) for name, value in percent.items()}, file, indent=1)
    if args.write:
        with open(FIRST, encoding="utf-8") as file:
            first = json.load(file)
        contact_sheet(pictures, each, seeds[0], os.path.join(args.model, "contact_sheet.png"))
        write_report(os.path.join(args.model, "README.md"), report(percent, first, seeds))


if __name__ == "__main__":
    main()
