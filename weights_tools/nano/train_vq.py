"""Vision tower and codebook: pictures and classes are made again from the tokens, by networks that are thrown away."""

import torch
import torch.nn as nn
import torch.nn.functional as F

import layers
import render
import sizes
import training
from train_vae import part_type, random_scenes
from vision import ImageTokenizer

FREE = 0.2  # share of the budget before the codebook is used
RATE = 1.5e-3
DIM = sizes.CODEBOOK["embed_dim"]


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm, self.first = layers.GroupNorm(8, channels), layers.Conv2d(channels, channels, 3, padding=1)
        self.second = layers.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x):
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))


class Guess(nn.Module):
    """From tokens' directions: the picture at half its size, and each token's class."""

    def __init__(self):
        super().__init__()
        self.picture = nn.Sequential(
            layers.Conv2d(DIM, 160, 3, padding=1),
            Residual(160),
            Residual(160),
            layers.Conv2d(160, 4 * 96, 3, padding=1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            Residual(96),
            layers.Conv2d(96, 4 * 48, 3, padding=1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            layers.Conv2d(48, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )
        self.label = nn.Sequential(layers.Linear(DIM, 256), nn.SiLU(), layers.Linear(256, render.CLASSES))

    def forward(self, directions, side):
        """[B, side * side, 32] to [B, 3, 8 side, 8 side] and [B, side * side, classes]."""
        square = directions.transpose(1, 2).unflatten(2, (side, side))
        return self.picture(square), self.label(directions)


class Codes:
    """The codebook in training: means of the directions that chose each code; what nobody chooses starts anew."""

    def __init__(self, device):
        self.code = F.normalize(torch.randn(sizes.CODES, DIM, device=device), dim=-1)
        self.count, self.sum = torch.ones(sizes.CODES, device=device), self.code.clone()

    def totals(self, directions, chosen):
        """How many directions chose each code, and their sums."""
        count = torch.zeros_like(self.count).index_add_(0, chosen, torch.ones_like(directions[:, 0]))
        return count, torch.zeros_like(self.code).index_add_(0, chosen, directions)

    def nearest(self, directions):
        return torch.cat([(part @ self.code.t()).argmax(1) for part in directions.split(16384)])

    def fit(self, directions, rounds):
        """k-means over directions [n, 32]; gives the number of codes used."""
        for _ in range(rounds):
            count, total = self.totals(directions, self.nearest(directions))
            self.code.copy_(torch.where(count[:, None] > 0, F.normalize(total, dim=-1), self.code))
        self.count.fill_(1)
        self.sum.copy_(self.code)
        return int((count > 0).sum())

    def begin(self, directions):
        """Codes that are directions found."""
        index = torch.randperm(len(directions), device=directions.device).repeat(-(-sizes.CODES // len(directions)))
        self.code.copy_(directions[index[: sizes.CODES]])

    @torch.no_grad()
    def follow(self, directions, chosen):
        speed, share = 0.02, sizes.CODES / len(chosen)
        count, total = self.totals(directions, chosen)
        self.count.lerp_(count * share, speed)
        self.sum.lerp_(total * share, speed)
        dead = self.count < 0.05
        fresh = directions[torch.randint(len(directions), (sizes.CODES,), device=directions.device)]
        self.sum.copy_(torch.where(dead[:, None], fresh * 0.5, self.sum))
        self.count.copy_(torch.where(dead, 0.5, self.count))
        self.code.copy_(F.normalize(self.sum, dim=-1))


def cell_classes(classes, side):
    """[B, 64, 64] to the commonest of each cell, [B, side * side]."""
    step = 64 // side
    cells = classes.unflatten(1, (side, step)).unflatten(3, (side, step)).transpose(2, 3)
    return cells.flatten(3).flatten(1, 2).mode(-1).values


def labelled_pictures(renderer, scenes):
    """Pictures [n, 3, 256, 256] uint8, and the classes of their cells: {8 or 16 a side: [n, side * side]}."""
    pictures = torch.empty(len(scenes), 3, 256, 256, dtype=torch.uint8, device=renderer.device)
    classes = {
        side: torch.empty(len(scenes), side * side, dtype=torch.long, device=renderer.device) for side in (8, 16)
    }
    for part, (pixels, seen) in renderer.batches(scenes, 256, 256, classes=True):
        index = torch.tensor(part, device=renderer.device)
        pictures[index] = pixels.to(torch.uint8)
        for side, labels in classes.items():
            labels[index] = cell_classes(seen[:, 2::4, 2::4], side)
    return pictures, classes


def train(context):
    """Writes vq.pt: tokenizer."""
    torch.manual_seed(1)
    renderer = render.Renderer(context.sprites(), context.device)
    pictures, classes = labelled_pictures(renderer, random_scenes(context.scaled(16000), 21))
    dtype = part_type(pictures)
    net, guess, codes = ImageTokenizer().to(context.device), Guess().to(context.device), Codes(context.device)
    trained = [weight for weight in [*net.parameters(), *guess.parameters()] if weight.requires_grad]
    graphs = training.Graphs(context)
    optimizer = training.Optimizer([], trained, 0, RATE, graphs=graphs)
    clock, average = training.Clock(context.budget, context.device), training.WeightAverage(net, 200)
    means = training.LossMeans(context.log, clock)

    def view(index, side):
        """Pictures as the vision tower takes them for a grid of side x side, in -1..1."""
        return render.to_input(render.resized(pictures[index].float(), 16 * side, 16 * side).round())

    def directions(index, side):
        return net.vqmodel.directions(net.visual(view(index, side).to(dtype)))

    def losses(side, count, quantized):
        index = torch.randint(len(pictures), (count,), device=context.device)
        z = directions(index, side)
        flat, commitment = z.detach().reshape(-1, DIM), torch.zeros((), device=z.device)
        if quantized:
            chosen = (flat @ codes.code.t()).argmax(1)
            nearest = codes.code[chosen].view_as(z)
            commitment, used = ((z - nearest) ** 2).sum(-1).mean(), z + (nearest - z).detach()
            codes.follow(flat, chosen)
        else:
            used = z + 0.05 * torch.randn_like(z)
        picture, label = guess((used * DIM**0.5).to(dtype), side)
        wanted = F.interpolate(view(index, side), scale_factor=0.5, mode="area")
        level = (picture.float() - wanted).abs().mean()
        return level, F.cross_entropy(label.float().flatten(0, 1), classes[side][index].flatten()), commitment

    def step(quantized):
        half, half_class, half_commitment = losses(8, context.scaled(256), quantized)
        full, full_class, full_commitment = losses(16, context.scaled(96), quantized)
        loss = (
            half
            + 0.07 * half_class
            + 0.25 * half_commitment
            + 0.5 * (full + 0.07 * full_class + 0.25 * full_commitment)
        )
        loss.backward()
        return {
            "half": half,
            "half_class": half_class,
            "full": full,
            "full_class": full_class,
            "commitment": half_commitment,
        }

    @torch.no_grad()
    def found(count):
        """Directions of the tokens of the first pictures [n, 32]."""
        parts = torch.arange(min(count, len(pictures)), device=context.device).split(64)
        return torch.cat([directions(index, side).flatten(0, 1) for index in parts for side in (8, 16)])

    calls, quantized = [training.Graphed(lambda used=used: step(used), graphs) for used in (False, True)], False
    for share in clock.steps():
        if not quantized and share > FREE:
            quantized = True
            codes.begin(found(1024))
            context.log(f"{codes.fit(found(1024), 8)} codes used after k-means")
        means.add(context.scaled(352), **calls[quantized]())
        optimizer.step(clock.rate(share, flat=0.4))
        average.update()
    average.apply()
    net.load_state_dict({key: value.bfloat16().float() for key, value in net.state_dict().items()})
    seen = found(2048)  # the codebook once more, for the averaged weights
    context.log(f"{codes.fit(seen, 4)} codes used, mean cosine {float((seen @ codes.code.t()).amax(1).mean()):.4f}")
    with torch.no_grad():
        net.vqmodel.quantize.embedding.weight.copy_(codes.code)
    layers.save_rounded({"tokenizer": net.state_dict()}, context.path("vq.pt"))
