#!/usr/bin/env python3
"""Layers as auto-round and sdnq store them, and the numbers that the packages themselves make of them.

  make_quantised_layers.py [TO]

Each case becomes a component's folder in tests/data/quantised: config.json, model.safetensors, and numbers.safetensors
with what the package computes with, in fp32 and in bf16. README.md says what has to be installed.
"""
import json
import os
import sys

os.environ["SDNQ_USE_TORCH_COMPILE"] = "0"

import auto_round
import torch
from auto_round.data_type.int import quant_tensor_asym, quant_tensor_sym
from auto_round_extension.torch.qlinear_torch_zp import QuantLinear
from safetensors.torch import save_file
from sdnq.common import sdnq_version
from sdnq.quantizer import SDNQConfig, sdnq_quantize_layer_weight

AUTO_ROUND = {"autoround_128": (128, True), "autoround_64": (64, True), "autoround_32": (32, False)}
SDNQ = {"sdnq": {}, "sdnq_bf16": {"dequantize_fp32": False}, "sdnq_rows": {"group_size": -1}, "sdnq_32": {"group_size": 32}}
AUTO_ROUND_CONFIG = {"quant_method": "auto-round", "bits": 4, "data_type": "int", "iters": 0,
                     "packing_format": "auto_round:auto_gptq", "autoround_version": auto_round.__version__}
SDNQ_LAYERS = {"four": "uint4", "five": "int5", "float": "float5_e3m1fn"}


def weight(name, out, columns):
    """Random numbers. Some rows are so small that fp16 has few bits for them, some have one sign, and one is nothing but zeros.
    They aren't bf16, because the scales of a symmetric layer would be bf16 too then."""
    generator = torch.Generator().manual_seed(sum(name.encode()))
    values = torch.randn(out, columns, generator=generator) * 0.03
    values[::5] *= 2e-3
    values[1::5] = values[1::5].abs()
    values[2::5] = -values[2::5].abs()
    values[3] = 0
    return values


def auto_round_tensors(values, bias, group, sym):
    """Returns the tensors of a layer, and its numbers as its forward pass has them: the product with a unit matrix."""
    out, columns = values.shape
    quantise = quant_tensor_sym if sym else quant_tensor_asym
    _, scale, zero = quantise(values, bits=4, group_size=group)
    linear = torch.nn.Linear(columns, out, bias=bias is not None)
    linear.weight.data = values
    if bias is not None:
        linear.bias.data = bias
    layer = QuantLinear(4, group, columns, out, bias is not None)
    zero = zero.reshape(out, -1) if isinstance(zero, torch.Tensor) else zero
    layer.pack_248_bits(linear, scale.reshape(out, -1), zero, device="cpu")
    tensors = {key: value.contiguous() for key, value in layer.state_dict().items()}
    layer.bias = None
    numbers = {kind: layer(torch.eye(columns, dtype=dtype)).t().contiguous()
               for kind, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
    return tensors, numbers


def sdnq_tensors(values, dtype, options):
    kwargs = {"weights_dtype": dtype, "layer_class_name": "Linear", "torch_dtype": torch.bfloat16, **options}
    dequantizer, tensors = sdnq_quantize_layer_weight(values, **kwargs)
    tensors = {key: value.contiguous() for key, value in tensors.items() if value is not None}
    numbers = {kind: dequantizer(**tensors, dtype=of).contiguous()
               for kind, of in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
    return tensors, numbers


def sdnq_config(dtypes, options):
    return SDNQConfig(weights_dtype="uint4", modules_dtype_dict=dtypes, **options).to_dict()


def write(folder, layers, config, version):
    os.makedirs(folder, exist_ok=True)
    stored = {f"{name}.{key}": value for name, (tensors, _) in layers.items() for key, value in tensors.items()}
    numbers = {f"{name}.{kind}": value for name, (_, kinds) in layers.items() for kind, value in kinds.items()}
    save_file(stored, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    save_file(numbers, os.path.join(folder, "numbers.safetensors"), {"made_by": f"{version}, torch {torch.__version__}"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"quantization_config": config}, file, indent=2, default=str)
        file.write("\n")


def main():
    to = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/quantised")
    for name, (group, sym) in AUTO_ROUND.items():
        layers = {layer: auto_round_tensors(weight(layer, 32, 256), bias, group, sym)
                  for layer, bias in (("plain", None), ("biased", torch.linspace(-1, 1, 32)))}
        config = {**AUTO_ROUND_CONFIG, "group_size": group, "sym": sym}
        write(os.path.join(to, name), layers, config, f"auto-round {auto_round.__version__}")
    for name, options in SDNQ.items():
        layers = {layer: sdnq_tensors(weight(layer, 24, 256).to(torch.bfloat16), dtype, options)
                  for layer, dtype in SDNQ_LAYERS.items()}
        config = sdnq_config({"int5": ["five.weight"], "float5_e3m1fn": ["float.weight"]}, options)
        write(os.path.join(to, name), layers, config, f"sdnq {sdnq_version}")


if __name__ == "__main__":
    main()
