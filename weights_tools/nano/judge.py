"""Says what is in a picture: a classifier of things and a reader of letters, from the renderer's own pictures."""

import os
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

import domain
import render

SIDE = 40  # of what the classifier sees of a place, pixels
NOTHING = len(domain.THINGS)
COLOURS = torch.tensor(list(domain.COLOURS.values()), dtype=torch.float32)


class Classifier(nn.Sequential):
    """[B, 3, SIDE, SIDE] in -1..1 to [B, things and nothing]."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 24, 3, padding=1),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(48, 96, 3, padding=1),
            nn.BatchNorm2d(96),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(96 * 25, NOTHING + 1),
        )


def cut(pictures, place):
    """A place (x, y, side) with a little around it: [n, 3, H, W] uint8 to [n, 3, SIDE, SIDE] in 0..255."""
    x, y, side = place
    half = side // 2 + side // 16
    height, width = pictures.shape[-2:]
    part = pictures[:, :, max(0, y - half) : min(height, y + half), max(0, x - half) : min(width, x + half)].float()
    return F.interpolate(part, (SIDE, SIDE), mode="bilinear", antialias=True)


def examples(renderer, count, seed):
    """Cuts [n, 3, SIDE, SIDE] uint8 of rendered pictures and what is there [n]; at some places nothing is."""
    rnd, cuts, labels = random.Random(seed), [], []
    scenes = [
        domain.random_scene(rnd, layout, layout == "centre" and rnd.random() < 0.2)
        for layout in rnd.choices(domain.LAYOUTS[:-1], k=count)
    ]
    for part, pixels in renderer.batches(scenes, 256, 256, 32):
        for i, place in enumerate(domain.places(scenes[part[0]].layout, 256, 256)):
            cuts.append(cut(pixels, place))
            labels += [scenes[k].things[i][0] for k in part]
    empty = [
        domain.Scene("word", (), domain.random_background(rnd), domain.random_word(rnd), rnd.randrange(11))
        for _ in range(count // 3)
    ]
    for part, pixels in renderer.batches(empty, 256, 256, 32):
        cuts.append(cut(pixels, domain.places(rnd.choice(domain.LAYOUTS[:-1]), 256, 256)[0]))
        labels += [NOTHING] * len(part)
    return torch.cat(cuts).round().to(torch.uint8), torch.tensor(labels)


def blurred(x):
    """As a decoder might draw it: shifted, softened, with a little noise."""
    shift = [random.randint(-2, 2) for _ in range(2)]
    x = x.roll(shift, (2, 3))
    if random.random() < 0.6:
        side = random.randint(SIDE // 3, SIDE)
        x = F.interpolate(
            F.interpolate(x, (side, side), mode="bilinear", antialias=True), (SIDE, SIDE), mode="bilinear"
        )
    return x * (1 + 0.1 * torch.randn(len(x), 3, 1, 1)) + 0.05 * torch.randn(()).abs() * torch.randn_like(x)


def train_classifier(renderer, log, steps=1200):
    torch.manual_seed(5)
    random.seed(5)
    cuts, labels = examples(renderer, 6000, 51)
    net = Classifier()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (steps - step) / (0.7 * steps))
        index = torch.randint(len(cuts), (96,))
        loss = F.cross_entropy(net(blurred(render.to_input(cuts[index]))), labels[index], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            log(f"classifier: step {step}, loss {float(loss.detach()):.3f}")
    net.eval()
    with torch.no_grad():
        cuts, labels = examples(renderer, 600, 52)
        right = (net(render.to_input(cuts)).argmax(1) == labels).float().mean()
        log(f"classifier: {float(right):.3f} of new places right")
    return net


class Judge:
    def __init__(self, renderer, path, log):
        """path: where the trained classifier is kept."""
        self.renderer, self.net = renderer, Classifier()
        if os.path.exists(path):
            self.net.load_state_dict(torch.load(path, weights_only=True))
        else:
            self.net = train_classifier(renderer, log)
            torch.save(self.net.state_dict(), path)
        self.net.eval()

    @torch.no_grad()
    def things(self, picture, layout):
        """Index in THINGS, or NOTHING, for each place of the layout; picture [3, H, W] uint8."""
        height, width = picture.shape[-2:]
        places = domain.places(layout, width, height)
        return [int(self.net(render.to_input(cut(picture[None], place))).argmax()) for place in places]

    def background(self, picture, scene):
        """Index in BACKGROUNDS that fits best where neither thing nor word stands."""
        height, width = picture.shape[-2:]
        free = torch.ones(height, width, dtype=torch.bool)
        for x, y, side in domain.places(scene.layout, width, height):
            half = side // 2 + side // 16
            free[max(0, y - half) : y + half, max(0, x - half) : x + half] = False
        for left, top, w, h in domain.letter_boxes(scene.layout, len(scene.word), width, height):
            free[max(0, top) : top + h, max(0, left) : left + w] = False
        wanted = self.renderer.backgrounds_of(width, height)
        return int((wanted - picture.float())[:, :, free].abs().mean((1, 2)).argmin())

    def ink(self, picture, scene):
        """How far each pixel is from the background, in 0..255 * 3: [H, W]."""
        height, width = picture.shape[-2:]
        behind = self.renderer.backgrounds_of(width, height)[scene.background]
        return (picture.float() - behind).abs().sum(0)

    def colour(self, picture, scene, box):
        """Index in COLOUR_NAMES of what stands out in a box (left, top, width, height)."""
        left, top, w, h = box
        strength = self.ink(picture, scene)[max(0, top) : top + h, max(0, left) : left + w]
        pixels = picture[:, max(0, top) : top + h, max(0, left) : left + w].float()
        threshold = max(60.0, 0.6 * float(strength.flatten().quantile(0.98)))
        seen = pixels[:, strength > threshold]
        if seen.shape[1] == 0:
            return scene.background if scene.background < len(COLOURS) else -1
        return int((COLOURS - seen.median(1).values).abs().sum(1).argmin())

    def word(self, picture, scene):
        """The letters read in the word's boxes: for each the template that fits best, moved by a few pixels."""
        height, width = picture.shape[-2:]
        strength, read = F.pad(self.ink(picture, scene), (8, 8, 8, 8)), ""
        for left, top, w, h in domain.letter_boxes(scene.layout, len(scene.word), width, height):
            templates = F.normalize(
                (lambda t: t - t.mean(1, keepdim=True))(self.renderer.letters_of(w, h).flatten(1)), dim=1
            )
            best = torch.full((len(domain.ALPHABET),), -1.0)
            for dy in range(-6, 7, 2):
                for dx in range(-6, 7, 2):
                    part = strength[top + dy + 8 : top + dy + 8 + h, left + dx + 8 : left + dx + 8 + w]
                    if part.shape == (h, w):
                        part = part.flatten() - part.mean()
                        best = torch.maximum(best, templates @ part / (part.norm() + 1e-6))
            read += domain.ALPHABET[int(best.argmax())] if float(best.max()) > 0.3 else "?"
        return read

    def count(self, picture, scene):
        """How many separate things stand out from the background."""
        mask = self.ink(picture, scene)[None, None] > 90
        mask = F.adaptive_max_pool2d(mask.float(), (64, 64 * picture.shape[2] // picture.shape[1]))
        mask = F.max_pool2d(mask, 3, 1, 1)
        labels = mask * torch.arange(1.0, mask.numel() + 1).view_as(mask)
        for _ in range(400):
            grown = F.max_pool2d(labels, 3, 1, 1) * mask
            if grown.equal(labels):
                break
            labels = grown
        sizes = labels.flatten().long().bincount()[1:]
        return int((sizes > 0.012 * mask.numel()).sum())
