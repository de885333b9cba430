"""The random weights of the tiny checkpoints, and the recipe from which the tests' own program draws them again.

What a tensor is made of stands in tests/checkpoints/rules.json alone; tests/checkpoints/README.md describes it and the recipe.
tests/checkpoints/make_checkpoints.cc reads both.
"""
import hashlib
import json
import os
import re

import torch

CHECKPOINTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../tests/checkpoints"))
with open(os.path.join(CHECKPOINTS, "rules.json")) as rules_file:
    RULES = json.load(rules_file)


def rule_for(name, shape):
    """`name` begins with its component's folder. The first rule that fits holds."""
    return next(rule for rule in RULES if re.search(rule["name"], name) and (len(shape) == 1 or not rule.get("vector")))


def take(steps, value, inputs, name, others):
    """`inputs`: how many numbers a row of the whole tensor has; `others`: the component's tensors by name."""
    for step, *what in steps:
        if step == "times":
            value = value * what[0]
        elif step == "plus":
            value = value + what[0]
        elif step == "gain":             # outputs of this deviation for inputs of deviation 1
            value = value * (what[0] / inputs ** 0.5)
        elif step == "plus_of":          # of the tensor whose name has what[2] in the place of what[1]
            value = value + others[name.replace(what[1], what[2])].float() * what[0]
        else:
            raise ValueError(f"rules.json: no such step: {step}")
    return value


def draw(generator, folder, name, shape, codebook, others):
    """One tensor, in fp32."""
    rule = rule_for(f"{folder}/{name}", shape)
    noise = torch.randn(shape, generator=generator, dtype=torch.float32)
    inputs = noise[0].numel()
    value = take(rule["do"], noise.clone(), inputs, name, others)
    for part in rule.get("parts", []):
        first, last = ({"codebook": codebook, "end": shape[0]}.get(row, row) for row in part["rows"])
        place = (slice(first, last),) + ((part["column"],) if "column" in part else ())
        value[place] = take(part["do"], noise[place], inputs, name, others)
    return value


@torch.no_grad()
def randomize(model, generator, folder, codebook):
    """Draws each parameter of the model. Returns the names and shapes in that order."""
    params = dict(model.named_parameters())
    for name, param in params.items():
        param.copy_(draw(generator, folder, name, param.shape, codebook, params))
    return [[name, *param.shape] for name, param in params.items()]


def component(out, folder, dtype, draws):
    """A component's part of the recipe, once its files stand in out/folder."""
    files = {}
    for name in sorted(os.listdir(os.path.join(out, folder))):
        if name.endswith(".safetensors"):
            with open(os.path.join(out, folder, name), "rb") as f:
                files[name] = hashlib.sha256(f.read()).hexdigest()
    return {"folder": folder, "dtype": dtype, "files": files, "draws": draws}


def write_recipe(path, seed, codebook, components):
    """A line for each tensor."""
    def text(part):
        return json.dumps({**part, "draws": []})[:-2] + "\n" + ",\n".join(map(json.dumps, part["draws"])) + "\n]}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'{{"seed": {seed}, "codebook": {codebook}, "components": [\n' + ",\n".join(map(text, components)) + "\n]}\n")
