"""Layers whose weights are kept in float32 and take the type of what goes through them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Linear(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class Conv2d(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.weight.to(x.dtype), self.bias.to(x.dtype), self.stride, self.padding)


class GroupNorm(nn.GroupNorm):
    def forward(self, x):
        return F.group_norm(x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class LayerNorm(nn.LayerNorm):
    def forward(self, x):
        return F.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Part(nn.Module):
    """Only a name between a module and its parts."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def rope_tables(angles):
    """Angles [..., d / 2] to cosines and sines [..., d] for rotate; the first half of the sines is negative."""
    return torch.cat([angles.cos()] * 2, -1), torch.cat([-angles.sin(), angles.sin()], -1)


def rotate(x, cos, sin):
    """x [..., d], its first half turned against its second."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def save_rounded(module_states, path):
    """Writes {name: state_dict} rounded to bfloat16, as the checkpoint will hold them."""
    torch.save(
        {
            name: {key: value.detach().to("cpu", torch.bfloat16) for key, value in state.items()}
            for name, state in module_states.items()
        },
        path,
    )


def load_rounded(path, device):
    """What save_rounded wrote, widened to float32."""
    states = torch.load(path, map_location=device, weights_only=True)
    return {name: {key: value.float() for key, value in state.items()} for name, state in states.items()}
