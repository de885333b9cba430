"""The cases that upstream is run on, and what is kept of each. make_goldens.py runs them."""
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Case:
    checkpoint: str
    name: str
    prompt: str
    width: int
    height: int
    steps: int
    cfg: float
    seed: int
    greedy: bool = False
    dtype: str = "float32"
    # full: also from inside the models; sources: from inside what references go through; stages: the stage results; run: what
    # shows that a whole run agrees; picture: tokens and picture; tokens: only those
    level: str = "full"
    head: str = ""           # a name in HEAD_EDITS
    rng: str = "cpu"         # cuda: torch's random numbers are those of a card, see cuda_random.py
    references: tuple = ()   # (width, height, pattern) of each: see draw_reference
    min_pixels: int = 0      # of the preprocessor, instead of the checkpoint's
    images: int = 1          # num_images_per_prompt
    exact: bool = False      # what comes of references is computed in float64, see exact_references

    def parameters(self):
        """What the header says; the later fields only where they are set."""
        plain = {"head": "", "rng": "cpu", "references": (), "min_pixels": 0, "images": 1, "exact": False}
        return {name: value for name, value in asdict(self).items() if plain.get(name) != value}


SIGN = 'A cute cat holding a sign that says "Hello World"'
ASTRONAUT = "A photo of an astronaut riding a horse on mars"
FIRST_CASES = [
    Case("a", "words_none", "watercolor mountains", 128, 128, 3, 1.5, 1, level="stages"),
    Case("a", "words_one", SIGN, 128, 128, 4, 1.5, 7),
    Case("a", "words_two", SIGN + " and 'open' now", 256, 128, 2, 3.0, 2, greedy=True),
    Case("a", "words_three", "poster 'A' \"Bread & butter\" 'déjà vu'", 128, 128, 2, 3.0, 11, greedy=True),
    Case("a", "cjk", "一只可爱的猫 “欢迎光临” 「看板」 it's x dog's \"\"", 192, 384, 2, 3.0, 4, level="stages"),
    Case("a", "empty_quotes", 'a door with "" on it', 128, 128, 1, 1.5, 5),
    Case("a", "apostrophe", "the fox doesn't jump", 256, 192, 2, 1.0, 6, level="stages"),
    Case("a", "square_256", SIGN, 256, 256, 3, 1.5, 42, level="stages"),
    Case("a", "wide_512x320", ASTRONAUT, 512, 320, 2, 1.5, 8, greedy=True, level="stages"),
    Case("a", "tall_128x2048", "a tower 'UP'", 128, 2048, 1, 1.0, 9, level="stages"),
    Case("a", "one_letter", "x", 128, 128, 1, 1.0, 4294967303, greedy=True),
    Case("a", "bf16_words", SIGN, 128, 128, 3, 1.5, 7, dtype="bfloat16"),
    Case("a", "bf16_wide", "poster 'A' 'B'", 384, 256, 2, 3.0, 3, dtype="bfloat16"),

    Case("nano", "apple", "a red apple on a yellow background", 256, 256, 3, 1.5, 1, level="stages"),
    Case("nano", "letter_a", 'the letter "A" in red on a white background', 256, 256, 2, 7.5, 2, level="stages"),
    Case("nano", "letters_two", "the letter 'A' beside the letter 'B' on the grass", 128, 128, 4, 1.5, 3),
    Case("nano", "cat_no_guidance", "a cat on a blue background", 256, 256, 3, 1.0, 4, level="stages"),
    Case("nano", "panda_greedy", "a panda on the grass", 256, 256, 2, 1.5, 5, greedy=True, level="stages"),
    # at sizes that nano wasn't trained at it may end too early, on which upstream fails (512x320: each time)
    Case("nano", "wide_256x192", "a red apple", 256, 192, 2, 1.5, 6, level="stages"),
    Case("nano", "wide_384x256", 'the number "5" in white on a blue background', 384, 256, 2, 1.5, 7, greedy=True, level="stages"),
    Case("nano", "tall_256x384", "a rocket at night", 256, 384, 2, 7.5, 8, level="stages"),
    Case("nano", "bf16_star", "a yellow star on a purple background", 256, 256, 3, 1.5, 9, dtype="bfloat16", level="stages"),
    Case("nano", "bf16_letters", "the letters 'A' and 'B'", 128, 128, 2, 1.5, 10, dtype="bfloat16"),
]
FIXED = ["a red apple on a yellow background", "a panda on the grass", "a red circle on a blue background",
         'the letter "A" in red on a white background']
FIRST_CASES += [Case("nano", f"fixed_{k}_{seed}", prompt, 256, 256, 20, 1.5, seed, level="picture")
                for k, prompt in enumerate(FIXED) for seed in (100, 101)]

# Checkpoint a with rows of lm_head multiplied, then their column 0 set: rows first..last, both included.
HEAD_EDITS = {
    "eos": {"tensor": "lm_head.weight", "rows": [257, 257], "multiply": 0.25, "column0": 1.0},
    "oob": {"tensor": "lm_head.weight", "rows": [258, 271], "multiply": 0.25, "column0": 1.5},
}
EACH_QUOTE = "a wall with 'A' “Bé” \"C d\" and 「店」"
# 2,100 bytes in 300 tokens, cut to 2,048 glyph ids. Where the number of texts is even, upstream puts one id in front: 2,049.
ORACLES = " oracle" * 300
MORE_CASES = [
    Case("a", "long_quote", f"'{ORACLES}' on a “scroll”", 128, 128, 1, 1.5, 21, level="stages"),
    Case("a", "four_quotes", EACH_QUOTE, 128, 192, 2, 7.5, 22),
    Case("a", "curly_256x448", "the dog's ‘bone’ and the cat’s ‘fish’ 🐟", 256, 448, 1, 1.5, 23, level="stages"),
    Case("a", "wide_2048x128", "一条河 「川」", 2048, 128, 1, 1.0, 24, level="stages"),
    Case("a", "wide_640x384", "it's raining “猫 🐱” and they're \"happy", 640, 384, 1, 7.5, 25, level="stages"),
    Case("a", "eos_preview", ASTRONAUT, 256, 192, 1, 1.0, 15, level="tokens", head="eos"),
    Case("a", "eos_large", ASTRONAUT, 256, 192, 1, 1.0, 28, level="tokens", head="eos"),
    Case("a", "eos_in_time", ASTRONAUT, 256, 192, 1, 1.0, 104, level="tokens", head="eos"),   # after the last cell
    Case("a", "oob_large", "watercolor mountains", 128, 128, 1, 1.0, 5, level="tokens", head="oob"),
    Case("a", "oob_preview", "watercolor mountains", 128, 128, 1, 1.0, 3, level="tokens", head="oob"),
    Case("a", "oob_greedy", "x", 128, 128, 1, 1.0, 1, greedy=True, level="tokens", head="oob"),

    Case("b", "words_none", "a lighthouse by the sea", 128, 128, 2, 1.5, 31),
    Case("b", "words_one", SIGN, 192, 128, 3, 7.5, 32),
    Case("b", "each_quote", EACH_QUOTE, 128, 128, 2, 1.5, 33, greedy=True, level="stages"),
    Case("b", "wide_640x384", "a cat “ねこ” at night", 640, 384, 1, 1.0, 34, level="stages"),
    Case("b", "tall_256x448", "一只可爱的猫 🐈 'ok'", 256, 448, 2, 1.5, 35, level="stages"),
    Case("b", "tall_128x2048", "a dog's tower", 128, 2048, 1, 1.0, 36, level="stages"),
    Case("b", "unmatched", "never \"closed, nor “this 「nor that", 224, 160, 2, 7.5, 37, level="stages"),
    Case("b", "one_letter", "猫", 128, 128, 1, 1.0, 38, level="stages"),
    Case("b", "apostrophes", "it's the dog's bone, isn't it", 256, 128, 1, 1.5, 39, level="stages"),
    Case("b", "bf16_words", SIGN, 128, 128, 3, 1.5, 40, dtype="bfloat16"),
    Case("b", "bf16_none", "watercolor mountains", 192, 128, 2, 7.5, 41, dtype="bfloat16", level="stages"),
    Case("b", "bf16_quotes", EACH_QUOTE, 128, 256, 2, 1.0, 42, dtype="bfloat16", level="stages"),
    Case("b", "bf16_greedy", "poster 'A' 'B'", 128, 128, 1, 1.5, 43, greedy=True, dtype="bfloat16", level="stages"),

    Case("c", "words_none", "a lighthouse by the sea", 128, 128, 3, 1.5, 51),
    Case("c", "words_one", SIGN, 256, 128, 2, 7.5, 52),
    Case("c", "words_two", "'left' and \"right\"", 192, 192, 2, 1.5, 53, level="stages"),
    Case("c", "words_three", "“左” 'и' 「右」", 128, 128, 2, 1.0, 54, greedy=True, level="stages"),
    Case("c", "each_quote", EACH_QUOTE, 128, 160, 2, 1.5, 55, level="stages"),
    Case("c", "tall_256x448", "海报上写着“欢迎光临”。", 256, 448, 1, 7.5, 56, level="stages"),
    Case("c", "wide_2048x128", "a long train", 2048, 128, 1, 1.0, 57, level="stages"),
    Case("c", "wide_640x384", "🚀 over the \"🌍🌙\"", 640, 384, 1, 1.5, 58, level="stages"),
    Case("c", "apostrophes", "it's a dog's day, they're happy", 128, 192, 2, 1.5, 59, level="stages"),
    Case("c", "curly", "‘single’ quotes aren’t words", 160, 128, 2, 1.0, 60, level="stages"),
    Case("c", "unmatched", "an \"opener, a “second, a 「third", 128, 128, 2, 7.5, 61, level="stages"),
    Case("c", "one_letter", "?", 128, 128, 1, 1.5, 62, greedy=True, level="stages"),
    Case("c", "long_quote", f"“{ORACLES}”", 128, 128, 1, 1.5, 63, level="stages"),
    Case("c", "empty_quotes", "“” and '' on a door", 384, 256, 1, 1.5, 2**63 - 1, level="stages"),

    Case("d", "words_none", "a lighthouse by the sea", 128, 128, 2, 1.5, 171),
    Case("d", "words_one", SIGN, 128, 128, 3, 1.5, 172),
    Case("d", "wide_384x192", "a cat “ねこ” at night", 384, 192, 2, 3.0, 173, level="stages"),
    Case("d", "tall_160x320", "it's 'A' beside \"B\"", 160, 320, 1, 1.0, 174, greedy=True, level="stages"),

    Case("k", "words_none", "a lighthouse by the sea", 128, 128, 2, 1.5, 71),
    Case("k", "words_one", SIGN, 128, 192, 3, 7.5, 72),
    Case("k", "each_quote", EACH_QUOTE, 128, 128, 2, 1.0, 73, level="stages"),
    Case("k", "wide_640x384", "a photo of mars", 640, 384, 1, 1.5, 74, level="stages"),
    Case("k", "tall_256x448", "海报 「看板」 and \"sea\"", 256, 448, 1, 1.5, 75, level="stages"),
    Case("k", "tall_128x2048", "a ladder “up”", 128, 2048, 1, 1.0, 76, level="stages"),
    Case("k", "apostrophes", "we'll see the fox's den 🦊", 224, 128, 2, 7.5, 77, level="stages"),
    Case("k", "one_letter", "é", 128, 128, 1, 1.5, 78, greedy=True, level="stages"),
    Case("k", "bf16_words", SIGN, 128, 128, 3, 1.5, 79, dtype="bfloat16"),
    Case("k", "bf16_wide", "watercolor mountains", 256, 128, 2, 1.0, 80, dtype="bfloat16", level="stages"),
    Case("k", "bf16_quotes", EACH_QUOTE, 192, 160, 2, 7.5, 81, dtype="bfloat16", level="stages"),
    Case("k", "bf16_greedy", "it's 'A'", 128, 128, 1, 1.5, 82, greedy=True, dtype="bfloat16", level="stages"),

    Case("nano", "strawberry", "a strawberry on a white background", 128, 128, 1, 1.5, 91),
    Case("nano", "each_quote", "the letters 'A' “B” \"C\" 「D」 on the grass", 128, 128, 2, 7.5, 91, level="stages"),
    Case("nano", "tall_128x192", "it's a lion’s head ‘at’ sunset", 128, 192, 2, 1.5, 92, level="stages"),
    Case("nano", "wide_384x128", "a \"green triangle", 384, 128, 2, 1.0, 91, level="stages"),
    Case("nano", "wide_256x128", "a red circle", 256, 128, 2, 1.5, 91, greedy=True, level="stages"),
    Case("nano", "square_512x512", "three owls at night", 512, 512, 2, 1.5, 95, level="stages"),
    Case("nano", "cjk", "一只熊猫 🐼", 256, 256, 1, 1.5, 93, level="stages"),
]
MORE_CASES += [replace(case, rng="cuda", level="run") for case in (
    Case("a", "cuda_words", SIGN, 128, 128, 3, 1.5, 101),
    Case("a", "cuda_wide", "a dog's ‘day’", 640, 384, 1, 1.0, 102),
    Case("a", "cuda_seed", "poster 'A'", 128, 256, 2, 7.5, 2**32 + 103),
    Case("c", "cuda_words", SIGN, 128, 128, 3, 1.5, 104),
    Case("c", "cuda_tall", "海报 「看板」", 256, 448, 1, 7.5, 105),
    Case("c", "cuda_long_2048x128", "a long train", 2048, 128, 1, 1.0, 106),
    Case("d", "cuda_words", SIGN, 192, 128, 2, 1.5, 175),
    Case("nano", "cuda_apple", "a red apple on the beach", 256, 256, 3, 1.5, 107),
    Case("nano", "cuda_no_guidance", "a cat on a blue background", 256, 256, 2, 1.0, 108),
    Case("nano", "cuda_128", "the letter 'A'", 128, 128, 2, 7.5, 109),
    Case("nano", "cuda_wide", "a red circle", 256, 128, 2, 1.5, 112),
)]
MORE_CASES += [Case("nano", f"fixed_cuda_{k}_{seed}", prompt, 256, 256, 20, 1.5, seed, level="picture", rng="cuda")
               for k, prompt in enumerate(FIXED) for seed in (100, 101)]


def source_cases(checkpoint, seed, dtypes=()):
    """Picture to picture: sides that map to exactly half, sides that have to be rounded, two references, a batch, and the
    checkpoint's own preprocessor."""
    own = {"a": 512, "b": 512, "c": 128, "d": 512, "nano": 256}[checkpoint]    # pixels: below, its preprocessor enlarges
    small = dict(level="sources", min_pixels=4096)
    cases = [
        Case(checkpoint, "from_square", "a red hat", 128, 128, 2, 1.5, seed, references=((64, 64, 1),), **small),
        Case(checkpoint, "from_rounded", "at night", 160, 128, 1, 1.0, seed + 1, references=((104, 72, 2),), **small),
        Case(checkpoint, "from_two", "both 'side' by side", 128, 128, 2, 3.0, seed + 2,
             references=((64, 96, 3), (128, 64, 4)), **small),
        Case(checkpoint, "from_two_greedy", "the same", 128, 160, 1, 1.5, seed + 3, greedy=True,
             references=((96, 64, 5), (96, 64, 6)), level="stages", min_pixels=4096),
        Case(checkpoint, "from_own", "in the snow", 128, 128, 1, 1.5, seed + 4, references=((own, own + 32, 7),),
             level="sources", exact=own == 512),
        Case(checkpoint, "from_batch", "two of them", 128, 128, 2, 1.5, seed + 5, references=((64, 64, 8),), images=2,
             level="batch", min_pixels=4096),
    ]
    return cases + [
        Case(checkpoint, f"bf16_from_{k}", "a blue door", 128, 128, 2, 1.5, seed + 6 + k, dtype="bfloat16", level="stages",
             references=tuple((64, 64 + 32 * n, 9 + n) for n in range(k + 1)), min_pixels=4096) for k in range(2)
        if "bfloat16" in dtypes]


SOURCE_CASES = (source_cases("a", 121) + source_cases("b", 131, ["bfloat16"]) + source_cases("c", 141) +
                [case for case in source_cases("d", 181) if case.name in ("from_rounded", "from_two")] +
                source_cases("nano", 151, ["bfloat16"]) +
                [Case("k", "bf16_from_0", "a blue door", 128, 128, 1, 1.5, 167, dtype="bfloat16", level="stages",
                      references=((64, 64, 9),), min_pixels=4096)])
# These checkpoints hold codes. Upstream can't read codes, so it runs on the numbers that the packages make of them.
QUANTISED_CASES = [case for name, seed in (("q_autoround", 191), ("q_sdnq", 195)) for case in (
    Case(name, "bf16_words", SIGN, 128, 128, 2, 1.5, seed, dtype="bfloat16"),
    Case(name, "bf16_greedy", "poster 'A' \"B\"", 128, 192, 1, 7.5, seed + 1, greedy=True, dtype="bfloat16", level="stages"),
    Case(name, "bf16_from_0", "a blue door", 128, 128, 1, 1.5, seed + 2, dtype="bfloat16", level="stages",
         references=((64, 64, 9),), min_pixels=4096))]
CASES = FIRST_CASES + MORE_CASES + SOURCE_CASES + QUANTISED_CASES

# What is kept of each tap: a larger tensor than `whole` elements (None: no limit) is thinned to about `thinned` elements.
# The first pattern that fits holds. Whole are the integers, and what the test of a later stage starts from.
STAGES = [
    (r"ar\.(in\.input_ids|in\.image_grid_thw|position_ids_prefill|position_ids_decode|generated)", None, None),
    (r"prior\.(d32_ids\.0|ids)|glyph\.call\d+\.(ids|mask)", None, None),
    (r"glyph\.(prompt|negative)_embeds|sched\.(mu|sigmas|timesteps)|step\d+\.timestep", None, None),
    (r"latents\.final_scaled", 33_000, 2048),               # all but the two largest pictures of `a`
    (r"step\d+\.latents", 4096, 1024),                      # whole for pictures of 128x128
    (r"latents\.init|step\d+\.(cond\.out|uncond\.out|noise_pred)", 1024, 1024),
    (r"ar\.logits", 4096, 4096),
    (r"vae\.decoded", 2048, 2048),
    (r"image", 8192, 8192),
]
INSIDE = [
    (r"ar\.prefill\.layer\d+", 1024, 1024),
    (r"step0\.cond\.(temb|image_hidden|prior_hidden|glyph_hidden|norm_out|block\d+(\.text)?)", 1024, 1024),
    (r"glyph\.call\d+\.hidden", 1024, 1024),
]
KEEP = {
    "full": STAGES + INSIDE,
    "stages": STAGES,
    "picture": [(r"ar\.generated", None, None), (r"image", 16384, 16384)],
}

# The same for MORE_CASES, where less is kept, of integers too if no test starts from them: their hash says that all are equal.
LESS_STAGES = [
    (r"ar\.(in\.input_ids|in\.image_grid_thw|generated)|prior\.(d32_ids\.0|ids)", None, None),
    (r"ar\.position_ids_(prefill|decode)|glyph\.call\d+\.(ids|mask)", 256, 128),
    (r"sched\.(mu|sigmas|timesteps)|step\d+\.timestep|ar\.(argmax|top2)", None, None),
    (r"glyph\.(prompt|negative)_embeds", 4096, 2048),       # all but the prompts of 2,048 bytes between quotes
    (r"latents\.final_scaled", 4096, 512),                  # whole for pictures of 128x128
    (r"step\d+\.latents", 2048, 512),                       # whole for pictures of 128x128 of `c` and `d`
    (r"step\d+\.(cond\.out|uncond\.out)|latents\.init|vae\.decoded", 512, 512),
    (r"step\d+\.noise_pred", 256, 256),
    (r"ar\.logits", 1024, 1024),
    (r"image", 3072, 3072),
]
LESS = {
    "full": LESS_STAGES + [(pattern, 256, 256) for pattern, _, _ in INSIDE],
    "stages": LESS_STAGES,
    "run": [(r"ar\.(in\.input_ids|generated)", None, None),
            (r"latents\.(init|final_scaled)|step\d+\.latents|vae\.decoded", 512, 512), (r"image", 3072, 3072)],
    "picture": [(r"ar\.generated", None, None), (r"image", 8192, 8192)],
    "tokens": [(r"ar\.(in\.input_ids|generated)", None, None)],
}
# The same for SOURCE_CASES. The sources' ids are whole in ar.vq_ids.
SOURCE_STAGES = [
    (r"ar\.vq_ids|prior\.source0\.grid", None, None),
    (r"prior\.source0\.ids", 256, 128),
    (r"vae\.cond\d+\.pixels", 256, 256),
    (r"vae\.cond\d+\.mean", 1024, 512),                      # whole for references of 64x64
    (r"ar\.logits|step\d+\.(cond\.out|uncond\.out|noise_pred|latents)", 256, 192),
    (r"vae\.decoded|latents\.(init|final_scaled)|glyph\.negative_embeds", 256, 192),
    (r"image", 768, 768),
] + LESS_STAGES
SOURCES = {
    "stages": [(r"vae\.cond\d+\.mean", 256, 256)] + SOURCE_STAGES,
    "sources": SOURCE_STAGES + [(r"vision\..*|vq\..*|dit\.write\d+\.out", 128, 128), (r"dit\.kv\..*", 64, 64)],
    "batch": [(r"ar\.(in\.input_ids|generated|vq_ids)", None, None),
              (r"latents\.(init|final_scaled)|step\d+\.latents|vae\.decoded", 512, 512), (r"image", 1024, 1024)],
}


def keep_of(case):
    return (SOURCES if case.references else KEEP if case in FIRST_CASES else LESS)[case.level]
