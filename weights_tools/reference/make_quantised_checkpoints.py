#!/usr/bin/env python3
"""Small whole checkpoints as auto-round and sdnq save them, and the same with the numbers they make of them.

The packages quantise the tiny checkpoint `q`, which make_tiny.py writes to build/reference. What they save is what the engine
reads: tests/data/quantised/q_autoround and q_sdnq. The packages then load it themselves, so it is complete, and their numbers
go in bf16 to build/reference/q_autoround and q_sdnq, where make_goldens.py runs upstream. README.md says what has to be
installed.
"""
import glob
import json
import os
import shutil
import tempfile

os.environ["SDNQ_USE_TORCH_COMPILE"] = "0"

import torch
from auto_round import AutoRound
from diffusers import GlmImagePipeline, GlmImageTransformer2DModel
from safetensors.torch import load_file, save_file
from sdnq import SDNQConfig
from sdnq.loader import load_sdnq_model, save_sdnq_model
from sdnq.utils import get_sdnq_params
from transformers import GlmImageForConditionalGeneration, T5EncoderModel

from run_oracle import ROOT, checkpoint_folder

STORED = os.path.join(ROOT, "tests", "data", "quantised")
BASE = checkpoint_folder("q")
CLASSES = {"transformer": GlmImageTransformer2DModel, "vision_language_encoder": GlmImageForConditionalGeneration,
           "text_encoder": T5EncoderModel}
AUTO_ROUND_BLOCKS = {"transformer": "transformer_blocks", "vision_language_encoder": "model.language_model.layers"}
AUTO_ROUND = {"scheme": "W4A16", "group_size": 32, "iters": 0, "disable_opt_rtn": True, "device_map": "cpu"}
SDNQ_DTYPES = ["uint4", "int5", "float5_e3m1fn"]
SDNQ = {"weights_dtype": "uint4", "minimum_allowed_numel": 1024}     # sdnq leaves layers of fewer numbers as they are


def load(part, folder, **options):
    """Loads a component by upstream's own class, which asks the package where the component is quantised."""
    model, told = CLASSES[part].from_pretrained(os.path.join(folder, part), torch_dtype=torch.bfloat16, output_loading_info=True,
                                                **options)
    wrong = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in told[kind]]
    assert not wrong, (folder, part, wrong)
    return model


def weights_file(folder):
    return next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".safetensors"))


def auto_round_saves(part, folder):
    """Weights in bf16 would have scales in bf16, where nothing is tuned. Therefore all are a little larger, in fp32."""
    pipe = GlmImagePipeline.from_pretrained(BASE, torch_dtype=torch.float32)
    for layer in getattr(pipe, part).modules():
        if isinstance(layer, torch.nn.Linear):
            layer.weight.data *= 1.01
    if part == "transformer":
        rounding = AutoRound(pipe, to_quant_block_names=AUTO_ROUND_BLOCKS[part], **AUTO_ROUND)
    else:
        rounding = AutoRound(pipe.vision_language_encoder, tokenizer=pipe.processor.tokenizer, processor=pipe.processor,
                             to_quant_block_names=AUTO_ROUND_BLOCKS[part], **AUTO_ROUND)
    rounding.quantize_and_save(folder, format="auto_round")
    return os.path.dirname(glob.glob(os.path.join(folder, "**", "quantization_config.json"), recursive=True)[0])


def auto_round_numbers(part, folder, tensors):
    """What a layer multiplies with: its product with a unit matrix, without its bias. The scales are fp16 as in the file and in
    auto-round's layer, and as transformers loads them; diffusers 0.39 rounds them to bf16."""
    numbers = {}
    for name, layer in load(part, folder).named_modules():
        if hasattr(layer, "qweight"):
            layer.bias, layer.scales = None, tensors[name + ".scales"]
            numbers[name + ".weight"] = layer(torch.eye(layer.infeatures, dtype=torch.bfloat16)).t().contiguous()
    return numbers


def sdnq_layers(model):
    return {name + ".weight": layer for name, layer in model.named_modules() if hasattr(layer, "sdnq_dequantizer")}


def sdnq_saves(part, folder):
    dtypes = {dtype: [] for dtype in SDNQ_DTYPES}
    for name in sdnq_layers(load(part, BASE, quantization_config=SDNQConfig(**SDNQ))):
        dtypes[SDNQ_DTYPES[sum(name.encode()) % 3]].append(name)
    config = SDNQConfig(modules_dtype_dict=dtypes, **SDNQ)
    save_sdnq_model(load(part, BASE, quantization_config=config), folder)
    return folder


def sdnq_numbers(part, folder, _tensors):
    """sdnq's own loader keeps scales in fp32; diffusers 0.39 rounds them to bf16."""
    model = load_sdnq_model(os.path.join(folder, part), model_cls=CLASSES[part], dtype=torch.bfloat16)
    return {name: layer.sdnq_dequantizer(**get_sdnq_params(layer), dtype=torch.bfloat16).contiguous()
            for name, layer in sdnq_layers(model).items()}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def is_plain(name, tensors):
    layer = name.rpartition(".")[0]
    return not any(layer + part in tensors for part in (".qweight", ".scale"))


def store(part, saved, folder):
    """The configuration is the package's, in `q`'s own config.json. What isn't quantised stays as `q` has it, in bf16, because
    auto-round computes in fp32 on a CPU without bf16 and saves that."""
    with open(os.path.join(saved, "quantization_config.json"), encoding="utf-8") as file:
        options = json.load(file)
    for lists in (options, options.get("modules_dtype_dict", {})):
        lists.update({key: sorted(value) for key, value in lists.items() if isinstance(value, list)})   # sdnq has sets of them
    path = os.path.join(folder, part, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    write_json(path, {**config, "quantization_config": options})
    write_json(os.path.join(folder, part, "quantization_config.json"), options)
    file = weights_file(os.path.join(folder, part))
    plain = load_file(file)
    coded = load_file(weights_file(saved))
    tensors = {name: plain[name].to(torch.bfloat16) if is_plain(name, coded) else value for name, value in coded.items()}
    save_file(tensors, file, {"format": "pt"})


def make_plain(part, numbers, stored, folder):
    file = weights_file(os.path.join(folder, part))
    save_file({name: (numbers if name in numbers else stored)[name].to(torch.bfloat16) for name in load_file(file)}, file,
              {"format": "pt"})


def make(name, parts, saves, numbers_of):
    plain, stored = checkpoint_folder(name), os.path.join(STORED, name)
    for folder in (plain, stored):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(BASE, folder, ignore=shutil.ignore_patterns("weights.json"))
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            store(part, saves(part, folder), stored)
        tensors = load_file(weights_file(os.path.join(stored, part)))
        make_plain(part, numbers_of(part, stored, tensors), tensors, plain)


def main():
    torch.set_num_threads(1)
    make("q_autoround", AUTO_ROUND_BLOCKS, auto_round_saves, auto_round_numbers)
    make("q_sdnq", CLASSES, sdnq_saves, sdnq_numbers)


if __name__ == "__main__":
    main()
