#!/usr/bin/env python
"""Write tests/goldens/tokenizer/*.json: the token ids upstream gives for many texts.

    python make_tokenizer_goldens.py

text_{a,nano}.json    ids of GlmImageProcessor's tokenizer; `plain` (split_special_tokens=True) where it differs
layout_{a,nano}.json  ids of GlmImageProcessor.apply_chat_template, called as GlmImagePipeline calls it
bytes_{a,nano}.json   ids of ByT5Tokenizer
glyphs_{a,nano}.json  GlmImagePipeline.get_glyph_texts, and the rows that _get_glyph_embeds gives its text encoder
preview.json          [h-1][w-1] -> preview grid, for h and w from 1 to 64
unicode.json          what upstream's regular expressions and bytes.decode(errors="replace") make of odd characters
"""
import hashlib
import json
import os
import platform
import random
import types
import unicodedata

import tokenizers
import torch
from tokenizers import Regex, pre_tokenizers

from make_goldens import CHECKPOINTS, GOLDENS
from run_oracle import load_pipeline, versions

OUT = os.path.join(GOLDENS, "tokenizer")

SCRIPTS = {
    "latin": "The quick brown fox jumps over the lazy dog", "german": "Größenwahn, Straße und Übermut: weiß",
    "french": "Où est l'été? Là-bas, à Nîmes; ça va", "polish": "Zażółć gęślą jaźń",
    "vietnamese": "Tiếng Việt rất đẹp",
    "greek": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "cyrillic": "Съешь ещё этих мягких французских булок",
    "armenian": "Բարեւ աշխարհ", "georgian": "გამარჯობა მსოფლიო", "hebrew": "שָׁלוֹם עולם",
    "arabic": "مرحبا بالعالم ١٢٣٤",
    "persian": "می‌خواهم", "devanagari": "नमस्ते दुनिया १२३", "bengali": "ওহে বিশ্ব", "tamil": "வணக்கம் உலகம்",
    "telugu": "హలో ప్రపంచం", "thai": "สวัสดีชาวโลก ๑๒๓๔", "khmer": "សួស្តី​ពិភពលោក", "tibetan": "བཀྲ་ཤིས་བདེ་ལེགས།",
    "mongolian": "ᠮᠣᠩᠭᠣᠯ᠎ᠠ", "chinese": "一只可爱的猫坐在木桌上，海报上写着“欢迎光临”。", "traditional": "龜鶴延年，萬壽無疆",
    "japanese": "日本語のテキスト「看板」カタカナ、ひらがな", "korean": "안녕하세요 세계", "jamo": "한글", "amharic": "ሰላም ልዑል",
    "cherokee": "ᎣᏏᏲ", "gothic": "𐌲𐌿𐍄𐌹𐍃𐌺", "cuneiform": "𒀀𒈾", "maths": "𝔸𝕓𝟙𝟚 ∑ᵢ xᵢ² ≤ ∞ ½ Ⅷ ①",
}
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽👍", "🇩🇪🇫🇷", "☎️ ✈ ⛄", "a😀b 😀😀 c", "1️⃣2️⃣", "🫨🪿", "❤️‍🔥!!"]
CODE = ["int main(void) { return 0; }\n", "#include <vector>\nstd::vector<int64_t> v{1, 2};",
        "def f(x):\n\treturn x**2  # hi\n",
        "<html>\n  <body class='a'>&amp;</body>\n</html>", "SELECT * FROM t WHERE a='b' AND c>=1000;",
        "a+=b--; c&&d||!e",
        "https://example.org/path?q=1&r=%20#frag", "C:\\new\\table", "{\"k\": [1.5e-3, null]}", "$\\alpha_{i}^{2}$",
        "x\r\ny\r\n\r\nz"]
WORDS = ["don't", "it's they're we'll I'd you've I'm", "IT'S DON'T WE'LL THEY'RE", "it'ſ a'S b'T", "'s 't 're", "''s",
         "x's's",
         "a'b c'd", "’s it’s", "0", "12", "123", "1234", "1234567890123", "3.14159", "1,000,000",
         "2024-01-02T03:04:05Z", "a1b22c333d4444",
         "٠١٢٣٤", "Ⅳ½²", "oracle", " oracle", "an oracle oracle", "  oracle", "aa" * 20, "a", "", "!", "...", "?!?!",
         "--- ===", "_" * 33,
         "=" * 70, "cafe\u0301 \u0301x", "\u0301", "ﬁﬂ ſt", "ǅ ǲ", "İstanbul ıI", "ẞß", "\ufeffbom",
         "soft\u00adhyphen", "\u202eright\u202c",
         "\ufffd", "\U0010ffff", "\ue000private", "\ud7ff", "32 32", "36 24", "1024x768", "\x7f", "A\u030a"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", " \n \n ", "\t\t x", "a ", " a", "  a",
          "a  b", "a   b", "a\nb",
          "a\n\nb", "a \n b", "a\n b", "a\r\rb", "a\vb\fc", "a\x1cb\x1db\x1eb\x1fb", "a\x85b", "a\xa0b", "a\xa0\xa0b",
          "a\u1680b", "a\u180eb",
          "\u180e", " \u180e x", "a\u2000\u2001\u200ab", "a\u200bb", "a\u2028b\u2029c", "a\u202fb", "a\u205fb",
          "a\u2060b", "a\u3000b", "　全角",
          "x\n\n\n", "x  ", "x \t", "!\n", "!\n\n x", " !\r\n", "..\n..", "\u3000\n\u3000", "a\u2028\n b", " " * 100,
          "\n" * 60, " \n" * 40,
          "\t" * 30 + "x", "x" + " " * 99 + "y"]
NULS = ["\0", "a\0b", "\0\0\0", " \0 ", "\x01\x02\x03\x1b[0m", "a\0<sop>\0b"]
SPECIALS = ["<sop>", "<eop>", "a<sop>b", "a <sop> b", "<sop><eop>", "<sop", "sop>", "<<sop>>", "<so<sop>p>", "<SOP>",
            "<sop>8 8<eop>", "[MASK]",
            "[gMASK]<sop>", "[sMASK] x", "<|endoftext|>", "<|image|>", "<|image|", "|image|>", "x<|image|>y<|video|>",
            "<|user|>\nhi<|assistant|>",
            "<|dit_token_0|>", "<|dit_token_5|>", "<|dit_token_25|><|dit_token_255|>", "<|dit_token_256|>",
            "<|dit_token_257|>",
            "<|dit_token_1024|>", "<|dit_token_1025|> x", "<|dit_token_16384|>", "<|dit_token_99999|>",
            "<|dit_token_07|>", "<|dit_token_-1|>",
            "<|dit_token_<|dit_token_1|>", "<|begin_of_image|><|end_of_image|>", "</s>", "<pad>", "<unk>", "<s>",
            "<|system|>\n\n<|observation|>",
            "猫<sop>猫", "\n<eop>\n", "  <eop>  ", "it's<sop>'s", "1<sop>2", "<sop>\0<eop>", "<|im_start|>", "Ġ", "Ċ",
            "ĠĠ oracle Ġoracle"]
LONG = ["a" * 500, "ab" * 300, "1" * 400, "。" * 120, "猫" * 150, "\u0301" * 100, "!" * 300,
        "A photo of an astronaut riding a horse on mars. " * 8,
        "the " * 100, "=-" * 200, "😀" * 60]
PROMPTS = ["A photo of an astronaut riding a horse on mars",
           "A cute cat sitting on a wooden table, holding a sign that says \"Hello World\".",
           "watercolor painting of mountains at sunset, highly detailed, 4k\n\nstyle: soft light", "a tower 'UP'",
           "poster 'A' \"Bread & butter\" 'déjà vu'",
           "a big red star and the letter \"B\"", "Add a red hat to this cat.",
           "A poster with the text 'OPEN 24 HOURS' and the number 1234567890."]

GLYPHS = ["", "no quotes", "'one'", "'one' 'two'", "'a' 'b' 'c'", "\"x\"", "“x”", "「x」", "\"b\" 'a' 「d」 “c”", "\"\"",
          "''", "“”", "「」", "'' ''",
          "it's a dog's life", "don't", "don't \"do\" it's", "\"it's\" and 'he said \"hi\"'",
          "“nested “inner” outer”", "“open only", "close only”",
          "“ “ “ x ” ”", "「a「b」c」", "「」「」「」", "‘curly’", "'spans\nlines'", "\"tab\there\"", "\" padded \"",
          "'猫' “欢迎光临” 「看板」 \"été\"",
          "“mixed \" quotes” 'x\"", "'" * 7, "\"" * 8, "'a'b'c'", "“a”“b”", "'\0'", "'😀👩‍👩‍👧‍👦'",
          "poster 'A' \"Bread & butter\" 'déjà vu'",
          "\"a </s> b\"", "\"</s>\"", "'x</s>' 'y'", "'<pad>' '<unk>'", "'<extra_id_0> <extra_id_124>'",
          "'<extra_id_125>'", "“<sop>”",
          "\"a\u3000</s>\u3000b\"", "'" + "x" * 2100 + "'", "'" + "x" * 2046 + "'", "'" + "x" * 2047 + "'",
          "'" + "é" * 1100 + "' 'b'", "“”” x “"]
BYTES = ["", "a", "Hello World", "déjà vu", "猫", "😀", "\0", "a\0b", "\x7f\x80ÿ", "</s>", "a</s>", "a </s>", "</s> a",
         "a </s> b", "a</s></s>", "a </s> </s> b",
         "<pad>", " <pad> ", "x<pad>y", "<unk>", "a\t<unk>\nb", "<s>", "</S>", "< /s>", "<</s>>", "</s</s>>",
         "a\u00a0</s>\u3000b", "a\x1c</s>\x1fb",
         "a\x85</s>\u2028b", "a\u180e</s>\u180eb", "a\u200b</s>\u200bb", "a\ufeff</s>b", "   ", " </s> <pad> <unk> ",
         "<extra_id_0>", "a <extra_id_1> b",
         "<extra_id_12><extra_id_124>", "<extra_id_125>", "<extra_id_00>", "<extra_id_", "x <extra_id_3> </s> y",
         "<pad></s>", "</s> <extra_id_7>  <unk> q",
         *SCRIPTS.values(), *EMOJI, *SPACES[20:45]]


def fuzz(count):
    """Texts that bring the same few pieces together in every order: where the order of merges could show."""
    draw = random.Random(0)
    alphabets = ["ab", "a ", " \n", "= -", "ae tsin", "the anort ", "'sx t", "019 .", "猫可爱的。 ", "\r\n\t x",
    "<|sop>e ", "é́ e", "12 34x", "aA'S "]
    return ["".join(draw.choice(alphabets[i % len(alphabets)]) for _ in range(draw.randint(5,
    60))) for i in range(count)]


def all_texts():
    texts = []
    for sentence in SCRIPTS.values():
        texts += [sentence, f" {sentence}!\n{sentence.upper()} 42", unicodedata.normalize("NFD", sentence)]
    texts += EMOJI + CODE + WORDS + SPACES + NULS + SPECIALS + LONG + PROMPTS + fuzz(112)
    return list(dict.fromkeys(texts))


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def write(name, made_from, **content):
    os.makedirs(OUT, exist_ok=True)
    meta = {"made_by": "weights_tools/reference/make_tokenizer_goldens.py", "made_from": made_from,
            "versions": {**versions(), "tokenizers": tokenizers.__version__, "python": platform.python_version()}}
    rows = {key: "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]"
            for key, value in content.items()}
    with open(os.path.join(OUT, name), "w", encoding="ascii") as f:
        f.write("{\"meta\": " + json.dumps(meta) + "".join(f",\n\"{key}\": {value}" for key,
        value in rows.items()) + "}\n")


def text_rows(tokenizer):
    rows = []
    for text in all_texts():
        row = {"text": text, "ids": tokenizer(text).input_ids}
        plain = tokenizer(text, split_special_tokens=True).input_ids
        rows.append(row if plain == row["ids"] else {**row, "plain": plain})
    return rows


def layout(processor, prompt, height, width):
    """As GlmImagePipeline.generate_prior_tokens for one prompt without images."""
    messages = [[{"role": "user", "content": [{"type": "text", "text": prompt}]}]]
    inputs = processor.apply_chat_template(messages, tokenize=True, padding=False, target_h=height, target_w=width,
                                           return_dict=True, return_tensors="pt")
    return inputs["input_ids"][0].tolist(), inputs["image_grid_thw"][:, 1:].tolist()


def layout_rows(processor):
    sizes = [(1024, 1024), (512, 512), (1152, 768), (768, 1152), (1088, 1920), (2048, 512), (128, 128), (32, 32),
    (128, 2048), (256, 192)]
    prompts = PROMPTS + ["", " ", "trailing \n", "\n\nleading", "a<sop>b", "ends with <", "<sop>",
    "x <|dit_token_3|>", "猫", "<eop> ", "a\0b", "don't", "<so", "1"]
    rows = []
    for i, prompt in enumerate(prompts + PROMPTS[:3]):
        height, width = sizes[i % len(sizes)]
        ids, grids = layout(processor, prompt, height, width)
        row = {"prompt": prompt, "target": grids[0], "preview": grids[1], "ids": ids}
        tail, _ = layout(processor, "", height, width)
        plain = processor.tokenizer(prompt, split_special_tokens=True).input_ids + tail
        rows.append(row if plain == ids else {**row, "plain": plain})
    return rows


def byte_rows(tokenizer):
    rows = []
    for text in BYTES:
        for length in (2048, 8, 4) if "<" in text else (2048, 5):
            row = {"text": text, "max_length": length, "ids": tokenizer(text, max_length=length,
            truncation=True).input_ids}
            plain = tokenizer(text, max_length=length, truncation=True, split_special_tokens=True).input_ids
            rows.append(row if plain == row["ids"] else {**row, "plain": plain})
    return rows


def glyph_ids(pipe, prompt, plain):
    """The rows of ids, without right padding, that _get_glyph_embeds hands to its text encoder."""
    seen = []

    def encode(input_ids, attention_mask):
        seen.extend(row[mask == 1].tolist() for row, mask in zip(input_ids, attention_mask))
        return types.SimpleNamespace(last_hidden_state=torch.zeros(*input_ids.shape, 1))

    encoder, pipe.text_encoder.forward = pipe.text_encoder.forward, encode
    pipe.tokenizer.split_special_tokens = plain
    try:
        pipe._get_glyph_embeds(prompt)
    finally:
        pipe.text_encoder.forward, pipe.tokenizer.split_special_tokens = encoder, False
    return seen


def glyph_rows(pipe):
    rows = []
    for prompt in GLYPHS:
        row = {"prompt": prompt, "texts": pipe.get_glyph_texts(prompt)[0], "ids": glyph_ids(pipe, prompt,
        plain=False)}
        plain = glyph_ids(pipe, prompt, plain=True)
        if max(map(len, row["ids"])) > 2000:      # long rows hold one repeated text: their ends say enough
            row["ids"] = [{"size": len(ids), "start": ids[:6], "end": ids[-4:]} for ids in row["ids"]]
        elif plain != row["ids"]:
            row["plain"] = plain
        rows.append(row)
    return rows


def preview_rows(processor):
    return [[list(processor._get_target_shape(height=32 * h, width=32 * w)[2:]) for w in range(1, 65)]
            for h in range(1, 65)]


def class_ranges(pattern):
    """The code points that match, as [first, last]; found by removing all matches from a text of all code points."""
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)
    kept = set("".join(t for t, _ in pre_tokenizers.Split(Regex(pattern + "+"), "removed").pre_tokenize_str(text)))
    ranges = []
    for code in (ord(c) for c in text if c not in kept):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ranges


def repair_rows():
    draw = random.Random(1)
    cases = [b"", b"abc", b"\xff", b"\x80", b"\xc0\xaf", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82x", b"\xe2(\xa1",
    b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80",
             b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80", b"\xf0\x9fx", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
             b"\xf4\x8f\xbf\xbf", b"\xf5\x80", b"\xe0\x80\xaf",
             b"\xe0\xa0", b"\xc1\xbf", b"a\x00b\xfe", b"\xe7\x8c\xab\xe7\x8c", b"\xf8\x88\x80\x80\x80",
             b"\xef\xbb\xbf", b"\xf1\x80\xe1\x80\xc2b\x80"]
    pool = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0,
    0xF1, 0xF4, 0xF5, 0xFF]
    cases += [bytes(draw.choice(pool) for _ in range(draw.randint(1, 12))) for _ in range(150)]
    return [[case.hex(), case.decode(errors="replace")] for case in cases]


def main():
    for name, folder in CHECKPOINTS.items():
        pipe = load_pipeline(folder, "float32")
        source = {"checkpoint": name, "tokenizer.json": sha256(f"{folder}/processor/tokenizer.json"),
                  "tokenizer_config.json": sha256(f"{folder}/tokenizer/tokenizer_config.json")}
        write(f"text_{name}.json", source, rows=text_rows(pipe.processor.tokenizer))
        write(f"layout_{name}.json", source, rows=layout_rows(pipe.processor))
        write(f"bytes_{name}.json", source, rows=byte_rows(pipe.tokenizer))
        write(f"glyphs_{name}.json", source, rows=glyph_rows(pipe))
    write("preview.json", {}, rows=preview_rows(pipe.processor))
    write("unicode.json", {}, repair=repair_rows(), space=class_ranges(r"\s"), letter=class_ranges(r"\p{L}"),
          number=class_ranges(r"\p{N}"))


if __name__ == "__main__":
    main()
