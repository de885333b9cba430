"""Pictures of scenes: sprites are drawn once from the fonts, torch puts pictures together from them in batches."""

import math
import os
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F

import domain

SIDE = 136  # of a sprite, pixels: what Noto Color Emoji's bitmaps measure
LETTER = (144, 224)  # width and height of a letter's box
EMOJI_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"  # Debian: fonts-noto-color-emoji
LETTER_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf"  # Debian: fonts-dejavu-core
TEXT_CLASS = len(domain.THINGS) + 1  # classes of pixels: 0 the background, 1 + index of a thing, a word
CLASSES = TEXT_CLASS + 1


def fonts_are_there():
    return os.path.exists(EMOJI_FONT) and os.path.exists(LETTER_FONT)


def draw_emoji(character):
    """[SIDE, SIDE, 4] uint8, colours multiplied by alpha."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(canvas).text((20, 20), character, font=ImageFont.truetype(EMOJI_FONT, 109), embedded_color=True)
    glyph = canvas.crop(canvas.getbbox())
    glyph.thumbnail((SIDE, SIDE), Image.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE))
    square.paste(glyph, ((SIDE - glyph.width) // 2, (SIDE - glyph.height) // 2))
    pixels = np.asarray(square).astype(np.float32)
    pixels[..., :3] *= pixels[..., 3:] / 255
    return np.round(pixels).astype(np.uint8)


def shape_outline(name, side):
    """Corner points of a shape in a square of this side."""
    middle = side / 2
    if name == "circle":
        turns = [2 * math.pi * i / 200 for i in range(200)]
        return [(middle + 0.49 * side * math.cos(t), middle + 0.49 * side * math.sin(t)) for t in turns]
    if name == "star":
        turns = [(-math.pi / 2 + i * math.pi / 5, middle * (1 if i % 2 == 0 else 0.42)) for i in range(10)]
        return [(middle + r * math.cos(t), middle * 1.04 + r * math.sin(t)) for t, r in turns]
    if name == "heart":
        turns = [2 * math.pi * i / 200 for i in range(200)]
        return [
            (
                middle + 16 * math.sin(t) ** 3 / 17 * middle,
                middle
                - (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) + 2.5)
                / 15.5
                * middle,
            )
            for t in turns
        ]
    corners = {
        "square": [(0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94)],
        "triangle": [(0.5, 0.04), (1, 0.93), (0, 0.93)],
        "diamond": [(0.5, 0), (0.9, 0.5), (0.5, 1), (0.1, 0.5)],
    }
    return [(x * side, y * side) for x, y in corners[name]]


def draw_shape(name):
    """[SIDE, SIDE, 4] uint8: white, with the shape as alpha."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (4 * SIDE, 4 * SIDE))
    ImageDraw.Draw(mask).polygon(shape_outline(name, 4 * SIDE), fill=255)
    alpha = np.asarray(mask.resize((SIDE, SIDE), Image.LANCZOS))
    return np.repeat(alpha[..., None], 4, 2)


def draw_letter(letter):
    """[height, width] uint8: a mask, the capital's middle in the box's middle."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(LETTER_FONT, 239)  # advances by the box's width
    top, bottom = (font.getbbox("H", anchor="ms")[i] for i in (1, 3))
    mask = Image.new("L", LETTER)
    ImageDraw.Draw(mask).text(
        (LETTER[0] / 2, LETTER[1] / 2 - (top + bottom) / 2), letter, font=font, fill=255, anchor="ms"
    )
    return np.asarray(mask)


def draw_sprites():
    """things [T, SIDE, SIDE, 4] and letters [36, height, width], uint8."""
    things = [draw_emoji(character) for character in domain.SUBJECTS.values()] + [
        draw_shape(name) for name in domain.SHAPES
    ]
    return {"things": np.stack(things), "letters": np.stack([draw_letter(letter) for letter in domain.ALPHABET])}


def draw_background(index, width, height):
    """[3, height, width] float32 in 0..255."""
    if index < len(domain.COLOUR_NAMES):
        colour = torch.tensor(domain.COLOURS[domain.COLOUR_NAMES[index]], dtype=torch.float32)
        return colour[:, None, None].expand(3, height, width).clone()
    name = domain.BACKGROUNDS[index]
    y = (torch.arange(height) + 0.5) / height
    rows, start = torch.zeros(height, 3), 0.0
    for end, top, bottom in domain.SCENES[name]:
        share = ((y - start) / (end - start))[:, None]
        band = torch.tensor(top) * (1 - share) + torch.tensor(bottom) * share
        rows = torch.where(((y >= start) & (y <= end))[:, None], band, rows)
        start = end
    picture = rows.t()[:, :, None].expand(3, height, width).clone()
    if name == "at night":
        places = np.random.RandomState(3)
        k = min(width, height) // 256
        for _ in range(26 * width * height // (65536 * k * k)):
            left, top, side = (
                places.randint(4, width - 8),
                places.randint(4, height - 8),
                2 * k * places.choice([1, 1, 2]),
            )
            picture[:, top : top + side, left : left + side] = torch.tensor([250.0, 245, 210])[:, None, None]
    return picture


def resized(pixels, width, height):
    """[n, c, h, w] to [n, c, height, width], bicubic and antialiased, in 0..255."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    return F.interpolate(pixels, (height, width), mode="bicubic", antialias=True).clamp(0, 255)


class Renderer:
    """Puts pictures together on a device."""

    def __init__(self, sprites, device):
        """sprites: what draw_sprites gives."""
        self.device = device
        self.things = torch.from_numpy(sprites["things"]).permute(0, 3, 1, 2).float().to(device)  # [T, 4, SIDE, SIDE]
        self.letters = torch.from_numpy(sprites["letters"])[:, None].float().to(device)  # [36, 1, h, w]
        self.colours = torch.tensor(list(domain.COLOURS.values()), dtype=torch.float32, device=device)
        self.scaled, self.behind = {}, {}

    def things_of(self, side):
        if side not in self.scaled:
            self.scaled[side] = resized(self.things, side, side)
        return self.scaled[side]

    def letters_of(self, width, height):
        if (width, height) not in self.scaled:
            self.scaled[width, height] = resized(self.letters, width, height)
        return self.scaled[width, height]

    def backgrounds_of(self, width, height):
        if (width, height) not in self.behind:
            pictures = [draw_background(i, width, height) for i in range(len(domain.BACKGROUNDS))]
            self.behind[width, height] = torch.stack(pictures).to(self.device)
        return self.behind[width, height]

    def alike(self, scenes, width, height, classes=False):
        """Scenes of one layout and one length of word: [n, 3, height, width] float32 in 0..255, rounded.

        classes: also the class of each pixel, [n, height, width] int64.
        """
        to_index = lambda values: torch.tensor(values, device=self.device)
        canvas = self.backgrounds_of(width, height)[to_index([scene.background for scene in scenes])].clone()
        seen = torch.zeros(canvas.shape[0], height, width, dtype=torch.long, device=self.device) if classes else None

        def put(left, top, colour, alpha, label):
            """colour [n, 3, h, w], multiplied by alpha [n, 1, h, w] in 0..1."""
            h, w = alpha.shape[-2:]
            cut = canvas[:, :, top : top + h, left : left + w]
            cut.copy_(cut * (1 - alpha) + colour)
            if classes:
                part = seen[:, top : top + h, left : left + w]
                part.copy_(torch.where(alpha[:, 0] > 0.5, label, part))

        layout, word = scenes[0].layout, scenes[0].word
        for i, (x, y, side) in enumerate(domain.places(layout, width, height)):
            index = to_index([scene.things[i][0] for scene in scenes])
            colour = to_index([scene.things[i][1] for scene in scenes])
            sprite = self.things_of(side)[index]
            alpha = sprite[:, 3:] / 255
            painted = torch.where(
                (colour >= 0)[:, None, None, None],
                self.colours[colour.clamp(min=0)][:, :, None, None] * alpha,
                sprite[:, :3],
            )
            put(x - side // 2, y - side // 2, painted, alpha, (index + 1)[:, None, None])
        if word:
            colour = self.colours[to_index([scene.word_colour for scene in scenes])][:, :, None, None]
            for i, (left, top, w, h) in enumerate(domain.letter_boxes(layout, len(word), width, height)):
                index = to_index([domain.ALPHABET.index(scene.word[i]) for scene in scenes])
                alpha = self.letters_of(w, h)[index] / 255
                put(left, top, colour * alpha, alpha, torch.tensor(TEXT_CLASS, device=self.device))
        canvas = canvas.round_().clamp_(0, 255)
        return (canvas, seen) if classes else canvas

    def batches(self, scenes, width, height, most=512, classes=False):
        """Yields (indices into scenes, what alike gives of them), for scenes of all kinds."""
        groups = defaultdict(list)
        for i, scene in enumerate(scenes):
            groups[scene.layout, len(scene.word)].append(i)
        for members in groups.values():
            for start in range(0, len(members), most):
                part = members[start : start + most]
                yield part, self.alike([scenes[i] for i in part], width, height, classes)

    def pictures(self, scenes, width, height):
        """[n, 3, height, width] uint8, in the scenes' order."""
        out = torch.empty(len(scenes), 3, height, width, dtype=torch.uint8, device=self.device)
        for part, pixels in self.batches(scenes, width, height):
            out[torch.tensor(part, device=self.device)] = pixels.to(torch.uint8)
        return out


def to_input(pixels):
    """0..255 of any type to -1..1 in float32, the models' input."""
    return pixels.float() / 127.5 - 1
