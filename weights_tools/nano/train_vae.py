"""The VAE: encoder and decoder together, then the encoder is frozen and the decoder goes on alone."""

import random

import torch

import domain
import layers
import training
from render import Renderer, to_input
from vae import Vae

TOGETHER = 0.45  # share of the budget after which the encoder is frozen
RATE = 1e-3


def random_scenes(count, seed):
    rnd, held = random.Random(seed), domain.held_scenes()
    return [scene for scene in (domain.random_scene(rnd) for _ in range(count)) if scene not in held]


def crops(pictures, count, side):
    """Random crops [count, 3, side, side] in -1..1 of pictures [n, 3, H, W] uint8; some mirrored or recoloured."""
    height, width = pictures.shape[-2:]
    device = pictures.device
    index = torch.randint(len(pictures), (count, 1, 1, 1), device=device)
    top = torch.randint(height - side + 1, (count, 1, 1, 1), device=device)
    left = torch.randint(width - side + 1, (count, 1, 1, 1), device=device)
    along = torch.arange(side, device=device)
    mirrored = torch.rand(count, 1, 1, 1, device=device) < 0.5
    columns = left + torch.where(mirrored, side - 1 - along, along)
    channels = torch.arange(3, device=device)[None, :, None, None]
    turned = (torch.rand(count, 1, 1, 1, device=device) < 0.3) * torch.randint(1, 3, (count, 1, 1, 1), device=device)
    return to_input(pictures[index, (channels + turned) % 3, top + along[:, None], columns])


def difference(made, wanted):
    """Mean absolute difference of the pixels, of the steps between neighbours, and the squared one of the pixels."""
    error = made - wanted
    steps = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean(), steps, (error**2).mean()


@torch.no_grad()
def statistics(encoder, pictures):
    """Mean and standard deviation of each latent channel, rounded to bfloat16."""
    latents = torch.cat([encoder(to_input(part).to(part_type(part))).float() for part in pictures.split(64)])
    return [value.bfloat16().float() for value in (latents.mean((0, 2, 3)), latents.std((0, 2, 3)))]


def part_type(tensor):
    """The type the networks compute in on a tensor's device: bfloat16 where it is fast (a CPU has AVX512_BF16)."""
    fast = tensor.device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def train(context):
    """Writes vae.pt: vae and latents (mean, std)."""
    torch.manual_seed(0)
    renderer = Renderer(context.sprites(), context.device)
    count = context.scaled(6000)
    pictures = [
        renderer.pictures(random_scenes(count, 11), 256, 256),
        renderer.pictures(random_scenes(count // 8 + 1, 12), 512, 512),
    ]
    dtype = part_type(pictures[0])
    vae, graphs = Vae().to(context.device), training.Graphs(context)

    def together(chosen):
        x = crops(chosen, context.scaled(96), 128)
        z = vae.encoder(x.to(dtype))
        spread = 0.2 * torch.rand(len(x), 1, 1, 1, device=x.device)
        level, steps, squared = difference(
            vae.decoder(z + (spread * torch.randn(z.shape, device=x.device)).to(dtype)).float(), x
        )
        (level + 0.5 * steps + 1e-3 * (z.float() ** 2).mean()).backward()
        return {"level": level, "steps": steps, "squared": squared}

    def decoder_alone(chosen):
        x = crops(chosen, context.scaled(48), 192)
        with torch.no_grad():
            z = vae.encoder(x.to(dtype))
        spread = 0.12 * std.view(1, -1, 1, 1) * torch.rand(len(x), 1, 1, 1, device=x.device)
        level, steps, squared = difference(
            vae.decoder(z + (spread * torch.randn(z.shape, device=x.device)).to(dtype)).float(), x
        )
        (level + 0.5 * steps).backward()
        return {"level": level, "steps": steps, "squared": squared}

    for part, weights, step in ((TOGETHER, vae, together), (1 - TOGETHER, vae.decoder, decoder_alone)):
        if step is decoder_alone:
            vae.encoder.load_state_dict(
                {key: value.bfloat16().float() for key, value in vae.encoder.state_dict().items()}
            )
            mean, std = statistics(vae.encoder, pictures[0][: context.scaled(1024)])
        clock = training.Clock(context.budget * part, context.device)
        optimizer = training.Optimizer([], list(weights.parameters()), 0, RATE, graphs=graphs)
        average, means = training.WeightAverage(weights), training.LossMeans(context.log, clock)
        calls = [training.Graphed(lambda chosen=chosen: step(chosen), graphs) for chosen in pictures]
        for share in clock.steps():
            means.add(context.scaled(96), **calls[clock.step % 4 == 3]())
            optimizer.step(clock.rate(share) if step is decoder_alone else clock.rate(0.75 * share))
            average.update()
        average.apply()
    layers.save_rounded(
        {"vae": vae.state_dict(), "latents": {"latents_mean": mean, "latents_std": std}}, context.path("vae.pt")
    )
