"""The VAE, with the names and the arithmetic of diffusers' AutoencoderKL."""

import torch.nn as nn
import torch.nn.functional as F

import sizes
from layers import Conv2d, GroupNorm, Part

CHANNELS, GROUPS = sizes.VAE["block_out_channels"], sizes.VAE["norm_num_groups"]


class Resnet(nn.Module):
    def __init__(self, channels_in, channels):
        super().__init__()
        self.norm1 = GroupNorm(GROUPS, channels_in, 1e-6)
        self.conv1 = Conv2d(channels_in, channels, 3, padding=1)
        self.norm2 = GroupNorm(GROUPS, channels, 1e-6)
        self.conv2 = Conv2d(channels, channels, 3, padding=1)
        self.conv_shortcut = Conv2d(channels_in, channels, 1) if channels != channels_in else None

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_in = Conv2d(3, CHANNELS[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for i, channels in enumerate(CHANNELS):
            block = Part(resnets=nn.ModuleList([Resnet(CHANNELS[max(i - 1, 0)], channels)]))
            if i + 1 < len(CHANNELS):
                block.downsamplers = nn.ModuleList([Part(conv=Conv2d(channels, channels, 3, stride=2))])
            self.down_blocks.append(block)
        self.mid_block = Part(resnets=nn.ModuleList([Resnet(CHANNELS[-1], CHANNELS[-1]) for _ in range(2)]))
        self.conv_norm_out = GroupNorm(GROUPS, CHANNELS[-1], 1e-6)
        self.conv_out = Conv2d(CHANNELS[-1], 2 * sizes.LATENT_CHANNELS, 3, padding=1)

    def forward(self, x):
        """[B, 3, H, W] in -1..1 to means [B, 8, H/8, W/8] (the variances aren't used)."""
        h = self.conv_in(x)
        for block in self.down_blocks:
            h = block.resnets[0](h)
            if hasattr(block, "downsamplers"):
                h = block.downsamplers[0].conv(F.pad(h, (0, 1, 0, 1)))
        for resnet in self.mid_block.resnets:
            h = resnet(h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))[:, : sizes.LATENT_CHANNELS]


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        channels = CHANNELS[::-1]
        self.conv_in = Conv2d(sizes.LATENT_CHANNELS, channels[0], 3, padding=1)
        self.mid_block = Part(resnets=nn.ModuleList([Resnet(channels[0], channels[0]) for _ in range(2)]))
        self.up_blocks = nn.ModuleList()
        for i, wide in enumerate(channels):
            block = Part(resnets=nn.ModuleList([Resnet(channels[max(i - 1, 0)], wide), Resnet(wide, wide)]))
            if i + 1 < len(channels):
                block.upsamplers = nn.ModuleList([Part(conv=Conv2d(wide, wide, 3, padding=1))])
            self.up_blocks.append(block)
        self.conv_norm_out = GroupNorm(GROUPS, channels[-1], 1e-6)
        self.conv_out = Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, z):
        """Latents [B, 8, h, w] to pixels [B, 3, 8h, 8w], about -1..1."""
        h = self.conv_in(z)
        for resnet in self.mid_block.resnets:
            h = resnet(h)
        for block in self.up_blocks:
            for resnet in block.resnets:
                h = resnet(h)
            if hasattr(block, "upsamplers"):
                h = block.upsamplers[0].conv(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(h)))


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        for module in self.modules():  # unit gain, and each Resnet begins as the identity
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Resnet):
                nn.init.zeros_(module.conv2.weight)
        head = self.encoder.conv_out
        nn.init.zeros_(head.weight[sizes.LATENT_CHANNELS :])
        nn.init.constant_(head.bias[sizes.LATENT_CHANNELS :], -4.0)
