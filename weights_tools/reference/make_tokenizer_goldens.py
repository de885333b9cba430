#!/usr/bin/env python
"""Write tests/goldens/tokenizer/*.json: the token ids upstream gives for many texts.

    python make_tokenizer_goldens.py [--only glm4]

text_{a,nano}.json    ids of GlmImageProcessor's tokenizer; `plain` (split_special_tokens=True) where it differs
layout_{a,nano}.json  ids of GlmImageProcessor.apply_chat_template, called as GlmImagePipeline calls it
bytes_{a,nano}.json   ids of ByT5Tokenizer
glyphs_{a,nano}.json  GlmImagePipeline.get_glyph_texts, and the rows that _get_glyph_embeds gives its text encoder
preview.json          [h-1][w-1] -> preview grid, for h and w from 1 to 64
glm4.json             tiktoken's ids with GLM-4's vocabulary, in groups. A row: text, number of ids, FNV-1a (64 bits) over
                      them as 4 bytes each, the low one first; both again where special tokens aren't parsed, if that
                      differs. `repeated`: the text is row[0] times row[1]; those of a megabyte are by tokenizers,
                      which is fast with them. `whole`: text, the ids themselves.
unicode.json          what upstream's regular expressions and bytes.decode(errors="replace") make of odd characters
"""
import argparse
import array
import hashlib
import json
import os
import platform
import random
import types
import unicodedata

import tiktoken
import tokenizers
import torch
from tokenizers import Regex, pre_tokenizers

import fuzz_tokenizer
import tiktoken_to_tokenizer_json as glm4
from make_goldens import GOLDENS
from run_oracle import checkpoint_folder, load_pipeline, versions

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


# ------------------------------------------------------------------------------------------ GLM-4's vocabulary

GLM4_SENTENCES = {
    **{script: SCRIPTS[script] for script in ("latin", "greek", "cyrillic", "armenian", "georgian", "hebrew", "arabic",
                                              "devanagari", "bengali", "tamil", "telugu", "thai", "khmer", "tibetan",
                                              "mongolian", "cherokee")},
    "hangul": "안녕하세요 세계, 고양이가 나무 탁자에 앉아 있다 '환영합니다'", "ethiopic": "ሰላም ልዑል። የኢትዮጵያ ቋንቋ ፩፪፫",
    "kana": "ひらがなとカタカナのテキスト「かんばん」、コーヒー！", "han": SCRIPTS["chinese"] + SCRIPTS["traditional"],
    "gurmukhi": "ਸਤ ਸ੍ਰੀ ਅਕਾਲ ਦੁਨੀਆ", "lao": "ສະບາຍດີຊາວໂລກ ໑໒໓", "myanmar": "မင်္ဂလာပါ ကမ္ဘာလောက။",
}
SNIPPETS = CODE + [
    "for (int i = 0; i < n; ++i) {\n    total += values[i];\n}", "if err != nil {\n\treturn nil, fmt.Errorf(\"x: %w\", err)\n}",
    "fn main() -> Result<(), Box<dyn Error>> {\n    println!(\"{:?}\", x);\n    Ok(())\n}", "let {a, ...rest} = await f(`${x}`);",
    "public static void main(String[] args) throws IOException {}", "SELECT id, name FROM users u JOIN t ON t.id=u.id LIMIT 10;",
    "git commit -m 'fix' && git push --force-with-lease", "<div class=\"row\" id='x'><br/></div>", "a { color: #ff00AA; margin: 0 -1px }",
    "\\begin{equation}\n  E = mc^2\n\\end{equation}", "% matlab\nx = A\\b';", "0xDEADBEEF 0b1010 1e-10 1_000_000 0o755", "#!/usr/bin/env bash\nset -euo pipefail",
    "template <typename T, std::enable_if_t<true>* = nullptr>", "import numpy as np\nx = np.zeros((3, 4), dtype=np.float32)[::-1]",
    "lambda x: x if x else None", "@decorator\nasync def f(*args, **kwargs) -> None:\n    \"\"\"Doc.\"\"\"\n    pass",
    "{\n  \"name\": \"x\",\n  \"list\": [1, 2, {\"a\": null}]\n}", "key: value\nlist:\n  - a\n  - b: 'c'\n", "| a | b |\n|---|:-:|\n| 1 | 2 |",
    "```python\nprint('hi')\n```", "regex: ^(?:[a-z]+\\d*|\\s)+$", "x := <-ch; go func() {}()", "$HOME/.config/*.{json,yaml}",
    "std::unordered_map<std::string, std::vector<int64_t>> m;", "////////////////////////", "/* ---- */", "# ------------", "\t\t\t}\n\t\t}\n\t}\n}",
    "    \n        \n            return;\n", "i++; --j; k += 1; l ^= m << 2; n >>= 3;", "a?.b ?? c !== d === e", "&mut *self.0", "<<<<<<< HEAD\n=======\n>>>>>>>",
]


def glm4_script(script, sentence, pieces):
    """100 texts and more: words, pieces of the vocabulary and letters of the script's blocks."""
    draw = random.Random("glm4 " + script)
    letters = fuzz_tokenizer.letters(script)
    own = set(letters)
    known = [piece for piece in pieces if len(piece) < 12 and not own.isdisjoint(piece) and
             all(c in own or not c.isalpha() for c in piece)]
    words = sentence.split()
    parts = known if len(known) > 40 else known + words + ["".join(draw.sample(word, min(3, len(word)))) for word in words]
    texts = [sentence, sentence.upper(), unicodedata.normalize("NFD", sentence), sentence.replace(" ", "\n")]
    while len(set(texts)) < 34:
        texts.append("".join(draw.choice(words) + draw.choice([" ", "  ", "\n", ", ", "!", " 12 ", "'", "\""])
                             for _ in range(draw.randint(1, 3))))
    while len(set(texts)) < 70:
        texts.append("".join(draw.choices(parts, k=draw.randint(1, 7))))
    while len(set(texts)) < 102:
        texts.append("".join(draw.choice(["", " ", "'", "\t"]) + "".join(draw.choices(letters, k=draw.randint(1, 6)))
                             for _ in range(draw.randint(1, 3))))
    return texts


def glm4_emoji():
    draw = random.Random("glm4 emoji")
    people, tools, tones = "👩👨🧑👧👦", "🚀🎨💻🔬🍳🏫⚕✈🌾🚒🦰🦱", ["", "🏻", "🏼", "🏽", "🏾", "🏿"]
    texts = list(EMOJI)
    texts += [p + draw.choice(tones) + "\u200d" + t + draw.choice(["", "\ufe0f"]) for p in people for t in tools]
    texts += ["\u200d".join(draw.choices(people, k=k)) for k in (2, 3, 4) for _ in range(4)]
    texts += ["".join(chr(0x1F1E6 + draw.randrange(26)) for _ in range(k)) for k in (1, 2, 3, 4, 6, 10)]
    texts += ["🏴" + "".join(chr(0xE0000 + ord(c)) for c in tag) + "\U000e007f" for tag in ("gbeng", "gbsct", "gbwls")]
    texts += [digit + "\ufe0f\u20e3" for digit in "0123456789*#"]
    texts += [chr(draw.randrange(0x1F300, 0x1F650)) + draw.choice(["\ufe0f", "\ufe0e", " ", "a", "1"]) for _ in range(40)]
    texts += ["".join(draw.choice([*people, *tools, *tones, "\u200d", "\ufe0f", " ", "x", "❤️‍🔥", "🏳️‍⚧️", "🫡"])
                      for _ in range(draw.randint(2, 14))) for _ in range(40)]
    return texts


def glm4_code():
    draw = random.Random("glm4 code")
    texts = SNIPPETS + [snippet.replace("\n", "\r\n") for snippet in SNIPPETS if "\n" in snippet]
    texts += [("\n" + indent).join(["", *draw.choice(SNIPPETS).split("\n"), ""]) for indent in (" ", "  ", "\t", "    ", "\t\t") * 8]
    return texts


def glm4_spaces():
    draw = random.Random("glm4 spaces")
    kinds = [*fuzz_tokenizer.SPACES, "\r\n", "\0", "\u00ad"]
    texts = SPACES + kinds + [f"a{s}b" for s in kinds] + [f"{s}{s}x" for s in kinds] + [f"x {s}\n{s} 猫{s}" for s in kinds]
    return texts + ["".join(draw.choices(kinds + ["a", "1", "!"], k=draw.randint(2, 9))) for _ in range(60)]


def glm4_numbers():
    draw = random.Random("glm4 numbers")
    zeros = [chr(c) for c in range(0x20000) if fuzz_tokenizer.assigned(c) and unicodedata.digit(chr(c), -1) == 0
             and unicodedata.category(chr(c)) == "Nd"]
    texts = [str(n) for n in (*range(1, 65), 100, 999, 1000, 1024, 2048, 123456789)] + [f"{h} {w}" for h, w in ((32, 32), (36, 24), (8, 8))]
    texts += ["".join(chr(ord(zero) + draw.randrange(10)) for _ in range(draw.randint(1, 8))) for zero in zeros]
    texts += ["".join(draw.choices("½¾²³①⑳ⅣⅫ㊿〇一二三⅔1٣", k=draw.randint(1, 7))) for _ in range(30)]
    return texts + ["3.14", "-1,234.50", "1e9", "2024-01-02", "12:34:56", "1/2", "50%", "$9.99", "a1b22c333d4444", "IPv6 fe80::1"]


def glm4_contractions():
    draw = random.Random("glm4 contractions")
    ends = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'LL", "'ſ", "’s", "'x", "''", "'"]
    words = ["it", "they", "don", "I", "we", "café", "猫", "1", "", " ", "\n", "O'Neill", "_", "Straße"]
    return WORDS + ["".join(draw.choice(words) + draw.choice(ends) for _ in range(draw.randint(1, 4))) for _ in range(110)]


RUNS = ["a", "A", "ab", "aab", "xyx", " ", "  ", "\n", "\r\n", "\t", " \n", "0", "01", "=", "-", "=-", "_", "*", "#", "/", ".", "。", "猫",
        "é", "e\u0301", "\u0301", "😀", "👩\u200d", "\u3000", "\xa0", "ha", "the ", " the", "'s", "'", "\"", "<", "<sop>", "\0", "\ufffd",
        "Привет ", "안녕", "สวัสดี", "1 2\n", "A photo of 12345 astronauts, it's “猫” <sop> \n"]
MEGABYTE = ["a", "=", "猫", "\ufffd", "0", "'s", "word ", "\t x", RUNS[-1]]


def glm4_rows():
    ranks = glm4.read_ranks()
    pieces = []
    for token in ranks:
        try:
            pieces.append(token.decode())
        except UnicodeDecodeError:
            pass                            # part of a character
    with open(os.path.join(os.path.dirname(glm4.VOCABULARY), "seed_prompts.json"), encoding="utf-8") as f:
        prompts = json.load(f)
    groups = {script: glm4_script(script, sentence, pieces) for script, sentence in GLM4_SENTENCES.items()}
    groups |= {"code": glm4_code(), "emoji": glm4_emoji(), "spaces": glm4_spaces(), "numbers": glm4_numbers(),
               "contractions": glm4_contractions(), "specials": SPECIALS + NULS, "prompts": PROMPTS + prompts, "orders": fuzz(112)}

    everything = "\n".join(text for texts in groups.values() for text in texts)
    encoding = glm4.tiktoken_encoding([s for s in glm4.special_ids(ranks) if s in everything])
    large = tokenizers.Tokenizer.from_str(glm4.text())      # tiktoken takes minutes for one word of a megabyte

    def encode(text, parse_special):
        if len(text) > 50000:
            large.encode_special_tokens = not parse_special
            return large.encode(text, add_special_tokens=False).ids
        return encoding.encode(text, allowed_special="all") if parse_special else encoding.encode_ordinary(text)

    def numbers(text):
        both = []
        for ids in (encode(text, True), encode(text, False)):
            both.append([len(ids), f"{fnv1a64(array.array('i', ids).tobytes()):016x}"])
        return both[0] if both[0] == both[1] else both[0] + both[1]

    def known(text):                        # by the oldest Unicode that a test runs on
        return all(unicodedata.category(c) != "Cn" or c == "\U0010ffff" for c in text)

    rows = {name: [[text, *numbers(text)] for text in dict.fromkeys(filter(known, texts))] for name, texts in groups.items()}
    rows["repeated"] = [[unit, times, *numbers(unit * times)] for unit in RUNS for times in (3, 100, 1000)]
    rows["repeated"] += [[unit, times, *numbers(unit * times)] for unit in MEGABYTE for times in [2**20 // len(unit.encode())]]
    rows["whole"] = [[text, encoding.encode(text, allowed_special="all")] for text in PROMPTS + prompts]
    return rows


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def write_glm4():
    rows = glm4_rows()
    meta = {"made_by": "weights_tools/reference/make_tokenizer_goldens.py",
            "made_from": {"glm4_tiktoken.model": sha256(glm4.VOCABULARY)},
            "tokenizer.json": f"{fnv1a64(glm4.text().encode()):016x}",
            "versions": {"tiktoken": tiktoken.__version__, "tokenizers": tokenizers.__version__, "python": platform.python_version(),
                         "unicode": unicodedata.unidata_version}}
    groups = ",\n".join(json.dumps(name) + ": [\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in part)
                        + "\n]" for name, part in rows.items())
    with open(os.path.join(OUT, "glm4.json"), "w", encoding="utf-8") as f:
        f.write("{\"meta\": " + json.dumps(meta) + ",\n" + groups + "}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["glm4"])
    write_glm4()
    if parser.parse_args().only:
        return
    for name in ("a", "nano"):
        folder = checkpoint_folder(name)
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
