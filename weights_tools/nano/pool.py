"""The pool of training samples: scenes drawn at random, with their captions, tokens and latents on the device."""

import dataclasses
import functools
import gc
import multiprocessing
import os
import random

import torch

import domain
import render
import sizes
import text_tokenizer
from prior import grid_positions
from train_vae import part_type

SCENES = [90000, 16000, 16000, 6000]  # of each of domain.SIZES
EDITS = [24000, 4000, 4000, 1500]
WITH_LATENTS = 0.5  # of the samples: latents cost the most time
CHUNK = 2000


def draw(job):
    """A chunk of (scene or edit, caption); none is a held one."""
    seed, is_edit, count = job
    rnd, held, drawn = random.Random(seed), domain.held_scenes(), []
    while len(drawn) < count:
        if is_edit:
            edit = domain.random_edit(rnd)
            if edit.target not in held:
                drawn.append((edit, domain.decorated(edit.text, rnd)))
        else:
            scene = domain.random_scene(rnd)
            if scene not in held:
                drawn.append((scene, domain.caption(scene, rnd)))
    return drawn


class Drawing:
    """Draws all samples in processes of their own, from the start on; share: of the full counts."""

    def __init__(self, share):
        jobs, self.groups = [], []
        for is_edit, counts in ((False, SCENES), (True, EDITS)):
            for size, count in enumerate(counts):
                count = max(24, int(count * share))
                parts = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
                self.groups.append((size, is_edit, len(parts)))
                jobs += [(1000003 * (2 * size + is_edit) + i, is_edit, part) for i, part in enumerate(parts)]
        self.workers = multiprocessing.get_context("fork").Pool(min(len(jobs), os.cpu_count() or 1))
        self.made = self.workers.map_async(draw, jobs, chunksize=1)

    def groups_drawn(self):
        """[(size, is_edit, [(scene or edit, caption)])]"""
        chunks = iter(self.made.get())
        self.workers.terminate()
        return [
            (size, is_edit, [item for _ in range(parts) for item in next(chunks)])
            for size, is_edit, parts in self.groups
        ]


def glyph_ids(word):
    """ByT5's ids of a quoted word: its bytes + 3, then the end; of no word the end alone."""
    return [byte + 3 for byte in word.encode()] + [1]


def other_word(word, rnd):
    """Another word of the same length."""
    return "".join(rnd.choice(domain.ALPHABET) for _ in word)


@functools.cache  # a few layouts and lengths, many samples
def word_patches(layout, letters, width, height):
    """Which patches of 16x16 pixels letters stand on: [rows * columns] bool."""
    seen = torch.zeros(height // 16, width // 16, dtype=torch.bool)
    for left, top, w, h in domain.letter_boxes(layout, letters, width, height):
        seen[max(0, top) // 16 : -(-(top + h) // 16), max(0, left) // 16 : -(-(left + w) // 16)] = True
    return seen.flatten()


class Group:
    """The samples of one size and kind. N samples, the large grid has n tokens, the preview m.

    large, other [N, n]: the picture's tokens, and those of the same picture with another word in it; preview [N, m];
    latents [fewer, 8, H/8, W/8]: of the first ones; source_large, source_latents: of an edit's source;
    word_patches [N, 4 * n] bool: the decoder's patches that letters stand on
    prompt [N, longest] ids, padded on the right; prompt_length [N]; glyphs [N, 7], glyph_length [N]
    with_length {length: indices}: of the samples that have latents, by the number of their glyph ids
    """

    def __init__(self, size, is_edit):
        self.width, self.height = domain.SIZES[size]
        self.size, self.is_edit = size, is_edit
        self.grid = sizes.grid(self.width, self.height)
        self.preview_grid = sizes.preview_grid(self.width, self.height)
        self.count = 0

    def encode(self, drawn, tokenizer, renderer, networks, latents):
        """drawn: [(scene or edit, caption)]; networks: (image tokenizer, VAE encoder); latents: of how many samples."""
        device, rnd = renderer.device, random.Random(self.size)
        self.count = len(drawn)
        targets = [item.target if self.is_edit else item for item, _ in drawn]
        grids = [self.grid] if self.is_edit else [self.grid, self.preview_grid]
        ids = text_tokenizer.prompt_ids(tokenizer, [text for _, text in drawn], grids)
        longest = max(map(len, ids))
        self.prompt = torch.tensor([row + [0] * (longest - len(row)) for row in ids], device=device)
        self.prompt_length = torch.tensor([len(row) for row in ids], device=device)
        glyphs = [glyph_ids(scene.word) for scene in targets]
        self.glyphs = torch.tensor([row + [0] * (domain.LONGEST_WORD + 1 - len(row)) for row in glyphs], device=device)
        self.glyph_length = torch.tensor([len(row) for row in glyphs], device=device)

        self.word_patches = torch.stack(
            [word_patches(scene.layout, len(scene.word), self.width, self.height) for scene in targets]
        ).to(device)
        self.large, self.preview, self.latents = self.pictures(targets, renderer, networks, latents, not self.is_edit)
        self.other = self.large.clone()
        worded = [i for i, scene in enumerate(targets) if scene.word]
        changed = [dataclasses.replace(targets[i], word=other_word(targets[i].word, rnd)) for i in worded]
        if changed:
            self.other[torch.tensor(worded, device=device)] = self.pictures(changed, renderer, networks, 0, False)[0]
        if self.is_edit:
            sources = [item.source for item, _ in drawn]
            self.source_large, _, self.source_latents = self.pictures(sources, renderer, networks, latents, False)
        self.with_length = {
            length: found
            for length in range(1, domain.LONGEST_WORD + 2)
            if len(found := (self.glyph_length[:latents] == length).nonzero()[:, 0])
        }
        return self

    @torch.no_grad()
    def pictures(self, scenes, renderer, networks, latent_count, with_preview):
        """Tokens of the large grid and of the preview (None where not asked for), latents of the first ones."""
        image_tokenizer, encoder = networks
        (rows, columns), (preview_rows, preview_columns) = self.grid, self.preview_grid
        large, preview, latents = [], [], []
        area = self.width * self.height // 65536
        dtype = part_type(renderer.things)
        for start in range(0, len(scenes), 8192 // area):
            drawn = renderer.pictures(scenes[start : start + 8192 // area], self.width, self.height)
            for pixels in drawn.split(256 // area):  # few sizes of batches: convolutions are planned anew for each
                seen = lambda h, w: render.to_input(render.resized(pixels.float(), 16 * w, 16 * h).round()).to(dtype)
                large.append(image_tokenizer.tokens(seen(rows, columns)).to(torch.int16))
                if with_preview:
                    preview.append(image_tokenizer.tokens(seen(preview_rows, preview_columns)).to(torch.int16))
                if sum(map(len, latents)) < latent_count:
                    latents.append(encoder(render.to_input(pixels).to(dtype)).to(torch.bfloat16))
        return torch.cat(large), torch.cat(preview) if with_preview else None, torch.cat(latents) if latents else None

    def sequences(self, index):
        """What the prior reads of these samples: ids [B, S], positions [B, 3, S], where [B] it predicts first, grids.

        After the prompt (of an edit: after the source's tokens and the prompt) come the grids, then padding.
        """
        prompt, length = self.prompt[index], self.prompt_length[index]
        device, batch = prompt.device, len(index)
        if self.is_edit:
            edge = lambda value: torch.full((batch, 1), value, device=device)
            source = self.source_large[index].long()
            prompt = torch.cat([edge(sizes.IMAGE_BEGIN), source, edge(sizes.IMAGE_END), prompt], 1)
            before = source.shape[1] + 1
            start = torch.cat(
                [torch.zeros(3, 1, dtype=torch.long, device=device), grid_positions([self.grid], device) + 1], 1
            )
            text_start = 1 + max(self.grid)
            length = length + before + 1
            grids, order = self.large[index].long(), [self.grid]
        else:
            before, start, text_start = 0, torch.zeros(3, 0, dtype=torch.long, device=device), 0
            grids, order = torch.cat([self.preview[index], self.large[index]], 1).long(), [self.preview_grid, self.grid]
        tokens, longest = grids.shape[1], prompt.shape[1]
        place = torch.arange(longest + tokens, device=device)[None]
        after = place - length[:, None]  # place after the prompt, negative inside it
        ids = torch.cat([prompt, grids], 1).gather(
            1, torch.where(after < 0, place, longest + after.clamp(0, tokens - 1))
        )
        text = torch.cat([start, (torch.arange(longest - before, device=device) + text_start).expand(3, -1)], 1)
        inside = text[:, place[0].clamp(max=longest - 1)][None]  # [1, 3, S]
        offsets = grid_positions(order, device)[:, after.clamp(0, tokens - 1)].transpose(0, 1)  # [B, 3, S]
        begin = (length - before + text_start)[:, None, None]
        positions = torch.where((after < 0)[:, None], inside, begin + offsets)
        return ids, positions, length - 1, grids


def load(context):
    """All groups, from the networks that the stages before have left."""
    from vae import Vae
    from vision import ImageTokenizer

    renderer = render.Renderer(context.sprites(), context.device)
    image_tokenizer, vae = ImageTokenizer().to(context.device), Vae().to(context.device)
    image_tokenizer.load_state_dict(context.load("vq.pt")["tokenizer"])
    vae.load_state_dict(context.load("vae.pt")["vae"])
    text = context.text_tokenizer()
    drawn = context.drawing.groups_drawn()
    context.log(f"{sum(len(items) for *_, items in drawn)} samples drawn")
    groups = [
        Group(size, is_edit).encode(
            items, text, renderer, (image_tokenizer, vae.encoder), int(WITH_LATENTS * len(items))
        )
        for size, is_edit, items in drawn
    ]
    context.drawing = drawn = None
    gc.collect()
    gc.freeze()  # each capture of a graph collects garbage
    context.log("and encoded")
    return groups
