"""The golden files: safetensors with tap names, large float tensors thinned out, everything described in the header.

The header's __metadata__ has one key, `json`. Its `tensors` gives for each tensor what the whole one was: dtype, shape,
max_abs, fnv1a64 of its bytes, and the stride at which the flattened tensor was thinned (1: it is whole).
"""
import json
import math
import os
import platform

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from run_oracle import versions

DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
          torch.uint8: "U8"}


def fnv1a64(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{value:016x}"


def is_prime(n):
    return n > 1 and all(n % k for k in range(2, math.isqrt(n) + 1))


def stride_for(shape, keep):
    """The smallest odd prime that leaves at most `keep` elements and divides no dimension, so that the elements kept
    come from every channel and every position."""
    stride = max(3, math.ceil(math.prod(shape) / keep))
    while not is_prime(stride) or any(size % stride == 0 for size in shape if size > 1):
        stride += 1
    return stride


def raw_bytes(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def max_abs(tensor):
    """Of the finite elements."""
    values = tensor.double().flatten()
    return values[values.isfinite()].abs().max().item()


def describe(tensor, stride):
    return {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "stride": stride,
            "max_abs": max_abs(tensor), "fnv1a64": fnv1a64(raw_bytes(tensor))}


def write(path, tensors, strides, **header):
    """`strides` names the tensors that are thinned out; a thinned tensor is one-dimensional."""
    kept = {name: t.flatten()[::strides[name]].contiguous() if strides.get(name, 1) > 1 else t.contiguous()
            for name, t in tensors.items()}
    header["versions"] = {**versions(), "python": platform.python_version()}
    header["tensors"] = {name: describe(t, strides.get(name, 1)) for name, t in sorted(tensors.items())}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file(kept, path, metadata={"json": json.dumps(header, sort_keys=True, separators=(",", ":"))})


def read_header(path):
    with safe_open(path, "pt") as f:
        return json.loads(f.metadata()["json"])


def verify(path):
    """Raises when the header and the tensors of a golden don't fit."""
    with safe_open(path, "pt") as f:
        described = json.loads(f.metadata()["json"])["tensors"]
        assert sorted(described) == sorted(f.keys()), path
        for name, about in described.items():
            tensor, count, stride = f.get_tensor(name), math.prod(about["shape"]), about["stride"]
            assert DTYPES[tensor.dtype] == about["dtype"], name
            assert tensor.numel() == -(-count // stride), name
            if stride == 1:
                assert list(tensor.shape) == about["shape"] and fnv1a64(raw_bytes(tensor)) == about["fnv1a64"], name
            else:
                assert is_prime(stride) and all(size % stride for size in about["shape"] if size > 1), name
            assert math.isfinite(about["max_abs"]), name
