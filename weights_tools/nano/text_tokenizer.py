"""The prior's text tokenizer: a byte-level BPE of the captions in GLM-4's manner, and the processor's files."""

import json
import os
import random
import re

import domain
import sizes

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
SPECIAL = [
    "<|endoftext|>",
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
    "<|image|>",
    "<|video|>",
]
QUOTED = re.compile("[\"'“].*?[\"'”]")


def corpus():
    """Captions without their quoted words, so that those stay letters; and the numbers that grids take."""
    rnd = random.Random(5)
    captions = [domain.caption(domain.random_scene(rnd), rnd) for _ in range(12000)]
    texts = [QUOTED.sub("", text) for text in captions + [domain.random_edit(rnd).text for _ in range(3000)]]
    texts += [f" {noun} {domain.plural(noun)}" for noun in domain.THINGS for _ in range(30)]
    texts += [str(number) for number in range(1, 65) for _ in range(100 if number in (8, 12, 13, 16, 19) else 10)]
    return texts


def all_merges(tokens):
    """Every split of every token into two tokens, a token's own together, in the tokens' order."""
    known = set(tokens)
    return [
        [token[:i], token[i:]]
        for token in tokens
        for i in range(1, len(token))
        if token[:i] in known and token[i:] in known
    ]


def train():
    """tokenizer.json as a dict; the ids of text begin at sizes.TEXT_BEGIN."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=900, min_frequency=20, initial_alphabet=alphabet, special_tokens=[], show_progress=False
        ),
    )
    trained = json.loads(tokenizer.to_str())
    texts = sorted(trained["model"]["vocab"], key=trained["model"]["vocab"].get)
    image_tokens = [f"<|dit_token_{i}|>" for i in range(sizes.TEXT_BEGIN)]
    vocabulary = {token: i for i, token in enumerate(image_tokens + texts + SPECIAL)}
    added = [
        {
            "id": vocabulary[token],
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in image_tokens + SPECIAL
    ]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": True,
        "vocab": vocabulary,
        "merges": all_merges(texts),
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": trained["pre_tokenizer"],
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": model,
    }


def facts(tokenizer_json):
    """Ids that the configuration names; vocabulary: rows of the embedding, a multiple of 64."""
    vocabulary = tokenizer_json["model"]["vocab"]
    return {
        "vocabulary": -(-len(vocabulary) // 64) * 64,
        "pad": vocabulary["<|endoftext|>"],
        "image": vocabulary["<|image|>"],
    }


def prompt_ids(tokenizer, texts, grids):
    """Token ids of [caption, the grids' sizes, the image's beginning] for each caption."""
    ending = "".join(f"<sop>{rows} {columns}<eop>" for rows, columns in grids) + f"<|dit_token_{sizes.IMAGE_BEGIN}|>"
    return [
        encoding.ids for encoding in tokenizer.encode_batch([text + ending for text in texts], add_special_tokens=False)
    ]


def write_folders(tokenizer_json, checkpoint):
    """processor/ and tokenizer/ of a checkpoint."""
    special = {"grid_bos_token": "<sop>", "grid_eos_token": "<eop>", "image_token": "<|image|>"}
    begin, end = f"<|dit_token_{sizes.IMAGE_BEGIN}|>", f"<|dit_token_{sizes.IMAGE_END}|>"
    tokenizer_config = {
        "bos_token": begin,
        "eos_token": end,
        "pad_token": end,
        **special,
        "padding_side": "left",
        "model_max_length": 65536,
        "clean_up_tokenization_spaces": False,
        "tokenizer_class": "TokenizersBackend",
        "backend": "tokenizers",
        "remove_space": False,
        "do_lower_case": False,
        "processor_class": "GlmImageProcessor",
        "extra_special_tokens": special,
        "model_specific_special_tokens": special,
    }
    preprocessor = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "image_processor_type": "GlmImageImageProcessor",
        "max_pixels": 4194304,
        "min_pixels": 65536,
        "merge_size": 1,
        "patch_size": sizes.PATCH,
        "processor_class": "GlmImageProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "temporal_patch_size": 1,
        "size": {"longest_edge": 4194304, "shortest_edge": 65536},
    }
    template = (
        "{%- for m in messages -%}{%- if m.content is string -%}{{ m.content }}{%- else -%}{%- for c in m.content -%}"
        "{%- if c.type == 'image' -%}"
        + begin
        + "<|image|>"
        + end
        + "{%- elif c.type == 'text' -%}{{ c.text }}{%- endif -%}"
        "{%- endfor -%}{%- endif -%}{%- endfor -%}"
    )
    bytes_config = {
        "added_tokens_decoder": {
            str(i): {
                "content": token,
                "lstrip": True,
                "normalized": True,
                "rstrip": True,
                "single_word": False,
                "special": False,
            }
            for i, token in enumerate(["<pad>", "</s>", "<unk>"])
        },
        "backend": "custom",
        "eos_token": "</s>",
        "extra_ids": 0,
        "extra_special_tokens": [],
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "tokenizer_class": "ByT5Tokenizer",
        "unk_token": "<unk>",
    }
    for folder, files in {
        "processor": {
            "tokenizer_config.json": tokenizer_config,
            "preprocessor_config.json": preprocessor,
            "tokenizer.json": tokenizer_json,
        },
        "tokenizer": {"tokenizer_config.json": bytes_config},
    }.items():
        os.makedirs(os.path.join(checkpoint, folder), exist_ok=True)
        for name, content in files.items():
            with open(os.path.join(checkpoint, folder, name), "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False, indent=None if name == "tokenizer.json" else 2)
    with open(os.path.join(checkpoint, "processor", "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write(template)
