#!/usr/bin/env python3
"""The validator and the printed schema say the same of thousands of tasks. python3 schema_test.py GLM-IMAGE CHECK_TASKS

schema_test.py --seeds FOLDER writes some of them as files, for tests/fuzz. An independent validator, Debian's python3-jsonschema, reads the schema. Each task is a good one with one or two fields
changed; the values are those where something begins or ends.
"""

import itertools
import json
import os
import random
import subprocess
import sys

from validator import Draft202012Validator

PROGRAM, CHECK = sys.argv[1:3]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UUID = "03ada9c5-16e0-409a-b2b7-9c77d7b51757"
RAW = "\0raw\0"  # marks a text that stands in the JSON as it is


def raw(text):
    return RAW + text + RAW


GOOD = {
    "imageInference": {
        "taskUUID": UUID,
        "model": "runware:glm-image@0",
        "positivePrompt": "a red star",
        "width": 1024,
        "height": 768,
    },
    "imageUpload": {"taskUUID": UUID, "image": "iVBORw0KGgo="},
    "getResponse": {"taskUUID": UUID},
    "getTaskDetails": {"taskUUID": UUID},
    "ping": {},
    "authentication": {"apiKey": "x"},
}
WRONG_TYPES = [None, True, "1024", 1.5, -1, [], {}, ["x"], raw("1e3"), raw("1024.0"), raw("-0"), raw("1e400")]
PICTURE = "data:image/png;base64,iVBORw0KGgo="
PICTURES = [
    [PICTURE], ["iVBORw0KGgo="], [], [PICTURE, PICTURE], [""], [1], PICTURE, [{"image": PICTURE}], [{}],
    [{"image": PICTURE, "role": "x", "tag": "y", "type": "z", "strength": 0.5}], [{"image": 1}], [{"image": ""}],
    [{"image": PICTURE, "strength": "1"}], [{"image": PICTURE, "other": 1}], ["https://example.org/a.png"],
    ["HTTP://example.org/a.png"], [UUID], [{"image": UUID}], ["httpsfoo"], [UUID + "\n"],
]  # fmt: skip
UUIDS = [
    UUID, UUID.upper(), UUID[:-1], UUID + "0", UUID + "\n", " " + UUID, "{" + UUID + "}", UUID.replace("-", ""),
    UUID.replace("-409a", "-109a"), UUID.replace("-b2b7", "-72b7"), "", "x", 1, None,
]  # fmt: skip


def around(low, high, *more):
    return [low - 1, low, low + 1, high - 1, high, high + 1, 0, -1, raw(f"{low}.0"), raw("1e2"), *more]


VALUES = {
    ("imageInference", "taskUUID"): UUIDS,
    ("imageInference", "model"): ["nano", "zai-glm-image", "runware:glm-image@1", "Nano", "", "nano\n"],
    ("imageInference", "positivePrompt"): [
        "", "a", "ab", " a ", "  ", "a b", " ab ", "\u3000\u3000", "\u00a0a\u2003", "\n\n", "x" * 2999, "x" * 3000,
        "x" * 3001, "\U0001f600" * 3000, "\U0001f600" * 3001, "a\u0000b", "ab\u0000", "\u0000ab", "ab\n", "\u200b\u200b",
        "é" * 3000, " " * 2998 + "ab", " " * 2999 + "ab",
    ],
    ("imageInference", "width"): around(128, 2048, raw("2048.5"), raw("1e400"), raw("-1e400")),
    ("imageInference", "height"): around(128, 2048),
    ("imageInference", "seed"): [
        0, -1, 1, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 9223372036854776000, 9223372036854776001, 2**64 - 1,
        2**64, 10**30, -(10**30), raw("1.5"), raw("7.0"), raw("1e400"), raw("1e18"), raw("9.223372036854776e18"), raw("1.9e19"),
        raw("9007199254740993.0"), raw("1e-400"), raw("9" * 400), raw("-" + "9" * 400), "7", True,
    ],
    ("imageInference", "steps"): around(1, 999),
    ("imageInference", "CFGScale"): [
        0, 1, 1.01, 0.99, 7.5, 7.35, 7.351, 29.99, 30, 30.01, 31, raw("7.50"), raw("1e1"), raw("1e400"), raw("30.0"), "7",
        *(raw(f"{i / 100:.2f}") for i in range(100, 3001, 7)), *(raw(f"{i / 1000:.3f}") for i in range(1000, 30001, 377)),
    ],
    ("imageInference", "numberResults"): around(1, 20),
    ("imageInference", "outputType"): [
        "URL", "dataURI", "base64Data", "url", "", ["URL"], ["URL", "dataURI"], ["URL", "URL"], [], ["x"], [1],
        ["base64Data", "dataURI", "URL"], "URL\n",
    ],
    ("imageInference", "outputFormat"): [
        "JPG", "jpg", "Jpg", "PNG", "png", "WEBP", "webp", "WebP", "JPEG", "jpeg", "TIFF", "", "PNG ", "PNG\n", "jpgx", ["PNG"],
    ],
    ("imageInference", "outputQuality"): around(20, 99),
    ("imageInference", "deliveryMethod"): ["sync", "async", "Sync", "stream", ""],
    ("imageInference", "webhookURL"): ["https://example.org/hook", "HTTP://x", "http:/x", "ftp://x", "x", "", " https://x"],
    ("imageInference", "uploadEndpoint"): ["https://example.org/put", "http://", "file:///tmp/x"],
    ("imageInference", "safety"): [
        {}, {"checkContent": False}, {"checkContent": True}, {"mode": "none"}, {"mode": "fast"}, {"mode": "x"},
        {"checkContent": False, "mode": "none"}, {"checkContent": "no"}, {"other": 1}, {"checkContent": 0}, {"mode": 0},
    ],
    ("imageInference", "ttl"): [59, 60, 61, 3600, 2**53, 2**63 - 1, 2**63, 2**64, raw("60.0"), raw("1e18"), raw("9" * 400 + ".5")],
    ("imageInference", "includeCost"): [True, False, 0, "true"],
    ("imageInference", "inputs"): [
        {}, *({"referenceImages": p} for p in PICTURES), *({"references": p} for p in PICTURES[:4]), {"seedImage": PICTURE},
        {"referenceImages": [PICTURE], "references": [PICTURE]}, {"frames": []},
    ],
    ("imageInference", "referenceImages"): PICTURES,
    ("imageInference", "scheduler"): ["Default", "default", "Euler", 0],
    ("imageInference", "clipSkip"): [0, 1, "0", False, raw("0.0")],
    ("imageInference", "negativePrompt"): ["x"],
    ("imageInference", "strength"): [0.5],
    ("imageUpload", "taskUUID"): UUIDS,
    ("imageUpload", "image"): [PICTURE, "", "https://example.org/a.png", UUID, {"image": PICTURE}, [PICTURE]],
    ("imageUpload", "other"): [1],
    ("getResponse", "taskUUID"): UUIDS,
    ("getTaskDetails", "taskUUID"): UUIDS,
    ("ping", "taskUUID"): UUIDS,
    ("ping", "ping"): [True, False, 1],
    ("authentication", "apiKey"): ["", "x" * 100, 1],
    ("authentication", "connectionSessionUUID"): ["", "x", UUID, 1],
    ("authentication", "taskUUID"): [UUID],
}  # fmt: skip


def text_of(task):
    """JSON in which raw values stand as they are."""
    parts = json.dumps([task]).split(json.dumps(RAW)[1:-1])
    whole = ""
    for i, part in enumerate(parts):
        if i % 2 == 1:
            whole = whole[:-1] + part
        else:
            whole += part[1:] if i > 0 else part
    return whole


def tasks():
    for kind, good in GOOD.items():
        base = {"taskType": kind, **good}
        yield base
        for name in good:
            yield {key: value for key, value in base.items() if key != name}
    yield {}
    yield {"taskType": "upscale", "taskUUID": UUID}
    yield {"taskType": 1}
    yield {"taskUUID": UUID}
    for (kind, name), values in VALUES.items():
        for value in values + WRONG_TYPES:
            yield {"taskType": kind, **GOOD[kind], name: value}
    chance = random.Random(1)
    inference = [(name, value) for (kind, name), values in VALUES.items() if kind == "imageInference" for value in values]
    for _ in range(3000):
        yield {"taskType": "imageInference", **GOOD["imageInference"], **dict(chance.choices(inference, k=chance.randint(2, 4)))}
    for pair in itertools.permutations(["width", "height"]):
        yield {key: value for key, value in {"taskType": "imageInference", **GOOD["imageInference"]}.items() if key != pair[0]}


def differs_by_design(task):
    """What no schema says: fields that mean the same have to have the same picture."""
    inputs = task.get("inputs") if isinstance(task.get("inputs"), dict) else {}
    return sum(key in place for place, key in [(inputs, "referenceImages"), (inputs, "references"), (task, "referenceImages")]) > 1


def main():
    if PROGRAM == "--seeds":  # for the fuzzer: CHECK is the folder
        for i, task in enumerate(itertools.islice(tasks(), 300)):
            with open(os.path.join(CHECK, str(i)), "w", encoding="utf-8") as file:
                file.write(text_of(task)[:2000])
        return
    printed = subprocess.run([PROGRAM, "run", "--schema"], check=True, capture_output=True, text=True).stdout
    with open(os.path.join(ROOT, "schema", "tasks.json"), encoding="utf-8") as file:
        assert file.read() == printed, "schema/tasks.json isn't what glm-image run --schema prints"
    answers = subprocess.run([PROGRAM, "run", "--answer-schema"], check=True, capture_output=True, text=True).stdout
    with open(os.path.join(ROOT, "schema", "answers.json"), encoding="utf-8") as file:
        assert file.read() == answers, "schema/answers.json isn't what glm-image run --answer-schema prints"
    schema = json.loads(printed)
    for each in (schema, json.loads(answers)):
        Draft202012Validator.check_schema(each)
    validator = Draft202012Validator(schema)

    every = [task for task in tasks() if not differs_by_design(task)]
    texts = [text_of(task) for task in every]
    said = subprocess.run([CHECK], input="\n".join(texts) + "\n", check=True, capture_output=True, text=True).stdout
    said = [json.loads(line) for line in said.splitlines()]
    assert len(said) == len(texts), (len(said), len(texts))
    good = 0
    for text, (one,) in zip(texts, said):
        valid = validator.is_valid(json.loads(text))  # 1e400 is infinite here
        assert valid == (one == "ok"), f"{text[:400]}\nthe schema says {valid}, the validator {one}"
        good += valid
        if one != "ok":
            assert one["code"] and one["message"], one
    assert good > 300 and len(texts) - good > 300, (good, len(texts))
    print(f"{len(texts)} tasks, {good} of them good: the schema and the validator agree")


main()
