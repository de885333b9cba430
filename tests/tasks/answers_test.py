#!/usr/bin/env python3
"""What glm-image run answers, to the letter of the contract. python3 answers_test.py GLM-IMAGE CHECKPOINT

CHECKPOINT is a small one, so that pictures take a moment.
"""

import base64
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import uuid

from contract import ANSWERS, CHECKPOINT, MAGIC, ROOT, code, command, file_of, run, run_parts, task

def delivery(folder):
    for form, names in {"JPG": ("JPG", "jpg", "JPEG", None), "PNG": ("PNG", "png"), "WEBP": ("WEBP", "WebP")}.items():
        for name in names:
            (item,) = run([task(outputFormat=name)], folder=folder)["data"]
            assert list(item) == ["taskType", "taskUUID", "imageUUID", "imageURL", "seed"], item
            ending = {"JPG": ".jpg", "PNG": ".png", "WEBP": ".webp"}[form]
            assert os.path.basename(file_of(item["imageURL"])) == item["imageUUID"] + ending
            with open(file_of(item["imageURL"]), "rb") as file:
                assert file.read().startswith(MAGIC[form])
    files = set(os.listdir(folder))
    (item,) = run([task(outputType=["dataURI", "base64Data"], outputFormat="PNG")], folder=folder)["data"]
    assert list(item)[3:] == ["imageBase64Data", "imageDataURI", "seed"], item
    assert base64.b64decode(item["imageBase64Data"], validate=True).startswith(MAGIC["PNG"])
    assert item["imageDataURI"] == "data:image/png;base64," + item["imageBase64Data"]
    assert set(os.listdir(folder)) == files, "only URL makes files"
    best, worst = (run([task(outputQuality=q, outputType="base64Data")])["data"][0]["imageBase64Data"] for q in (99, 20))
    assert len(best) > len(worst)
    (item,) = run([task(includeCost=True)], "--token-price", "0.5", "--step-price", "100", folder=folder)["data"]
    assert list(item)[-2:] == ["cost", "seconds"] and item["seconds"] > 0
    assert abs(item["cost"] - (0.5 * 16 + 100 * 128 * 128 / 1e6)) < 1e-5, item
    with tempfile.TemporaryDirectory() as odd:
        name = os.path.join(odd, "a b%#ä", "c")
        (item,) = run([task()], folder=name)["data"]
        assert os.path.dirname(file_of(item["imageURL"])) == name, "a folder that was missing, and is quoted"


def seeds(folder):
    same = dict(outputType="base64Data", outputFormat="PNG")
    items = run([task(numberResults=3, **same), task(seed=5, **same)], folder=folder)["data"]
    assert [item["seed"] for item in items] == [3, 4, 5, 5]
    assert items[2]["imageBase64Data"] == items[3]["imageBase64Data"], "result i is the picture of seed plus i"
    assert len({item["imageUUID"] for item in items}) == 4
    for seed in (0, 2**53 - 1, 2**53 + 1, 2**63 - 1, 9223372036854776000):
        (item,) = run([task(seed=seed, **same)])["data"]
        assert item["seed"] == seed
    drawn = {run([task(seed=None, **same)])["data"][0]["seed"] for _ in range(3)}
    assert len(drawn) == 3 and all(0 <= seed < 2**32 for seed in drawn), drawn


def order_and_async(folder):
    late, bad, first = task(deliveryMethod="async", numberResults=2), task(steps=0), task()
    asked = [
        first, bad, late,
        {"taskType": "getResponse", "taskUUID": late["taskUUID"]},
        {"taskType": "getResponse", "taskUUID": first["taskUUID"].upper()},
        {"taskType": "getTaskDetails", "taskUUID": late["taskUUID"]},
        {"taskType": "getResponse", "taskUUID": str(uuid.uuid4())},
        {"taskType": "ping", "ping": True},
        {"taskType": "ping", "taskUUID": first["taskUUID"]},
        {"taskType": "authentication", "apiKey": "any"},
        task(taskUUID=first["taskUUID"]),
    ]  # fmt: skip
    answer = run(asked, folder=folder)
    data, errors = answer["data"], answer["errors"]
    assert [item["taskType"] for item in data] == ["imageInference"] * 5 + ["getTaskDetails", "ping", "ping", "authentication"]
    assert data[1] == {"taskType": "imageInference", "taskUUID": late["taskUUID"]}, "the acknowledgement has no more"
    assert [item.get("status") for item in data[:5]] == [None, None, "success", "success", "success"]
    assert data[4]["imageUUID"] == data[0]["imageUUID"]
    assert data[5]["request"] == [late] and data[5]["response"] == {"data": data[2:4]}
    assert data[6] == {"taskType": "ping", "pong": True} and data[7]["taskUUID"] == first["taskUUID"]
    assert "taskUUID" not in data[8] and uuid.UUID(data[8]["connectionSessionUUID"]).version == 4
    assert [error["code"] for error in errors] == ["invalidSteps", "taskNotFound", "conflictTaskUUID"]
    expected = {"code": "invalidSteps", "message": "steps: expected a whole number from 1 to 999, found 0"}
    expected |= {"parameter": "steps", "type": "integer", "taskType": "imageInference", "taskUUID": bad["taskUUID"]}
    assert errors[0] == expected, errors[0]
    lines = run(asked[:5], "--stream", folder=folder)
    kinds = ["errors" if "errors" in line else line["data"][0].get("status") or ("ack" if len(line["data"][0]) == 2 else "result") for line in lines]
    assert kinds == ["errors", "ack", "result", "success", "success", "success"], kinds
    early = task()
    answer = run([{"taskType": "getResponse", "taskUUID": early["taskUUID"]}, early], folder=folder)
    assert [error["code"] for error in answer["errors"]] == ["taskNotFound"] and len(answer["data"]) == 1
    for wrong in ({"taskType": "upscale", "taskUUID": early["taskUUID"]}, {"taskUUID": early["taskUUID"]}):
        assert run([wrong])["errors"][0]["taskUUID"] == early["taskUUID"], "every error names its task"
    assert list(run([{"taskType": "ping"}])) == ["data"] and list(run([bad])) == ["errors"], "no empty lists"


def references(folder):
    upload_id = str(uuid.uuid4())
    with open(os.path.join(ROOT, "doc", "apple.jpg"), "rb") as file:
        bare = base64.b64encode(file.read()).decode()
    uri = "data:image/anything;base64," + bare
    same = dict(outputType="base64Data", outputFormat="PNG")
    pictures = set()
    for change in (
        {"inputs": {"referenceImages": [bare]}}, {"inputs": {"referenceImages": [uri]}}, {"referenceImages": [bare]},
        {"inputs": {"references": [bare], "referenceImages": [bare]}}, {"inputs": {"referenceImages": [{"image": bare, "role": "x"}]}},
    ):  # fmt: skip
        (item,) = run([task(**same, **change)])["data"]
        pictures.add(item["imageBase64Data"])
    assert len(pictures) == 1, "all spellings mean the same picture"
    assert run([task(**same)])["data"][0]["imageBase64Data"] not in pictures
    (item,) = run([{"taskType": "imageUpload", "taskUUID": upload_id, "image": uri}], folder=folder)["data"]
    assert list(item) == ["taskType", "taskUUID", "imageUUID", "imageURL"]
    with open(file_of(item["imageURL"]), "rb") as file:
        assert file.read().startswith(MAGIC["PNG"])
    assert code([task(inputs={"referenceImages": [uri], "references": [bare + "AAAA"]})]) == "invalidReferenceImages"
    for wrong in ("not base64!", "data:image/png,raw", "iVBORw0KGgo=", base64.b64encode(b"text").decode(), "data:", "data:;base64,"):
        assert code([task(inputs={"referenceImages": [wrong]})]) == "invalidReferenceImages", wrong
        assert code([{"taskType": "imageUpload", "taskUUID": upload_id, "image": wrong}]) == "invalidImage", wrong
    for field in ("references", "referenceImages"):
        (error,) = run([task(inputs={field: [bare, bare]})])["errors"]
        assert (error["code"], error["parameter"]) == ("invalidReferenceImages", "inputs.referenceImages"), error
    secret = "https://example.org/a.png?token=secret"
    for change, expected in (
        ({"inputs": {"referenceImages": [secret]}}, "invalidReferenceImages"), ({"webhookURL": secret}, "invalidWebhookURL"),
        ({"uploadEndpoint": secret}, "invalidUploadEndpoint"), ({"inputs": {"referenceImages": [upload_id]}}, "mediaNotFound"),
        ({"webhookURL": "ftp://user:secret@example.org"}, "invalidWebhookURL"),
        ({"safety": {"checkContent": True}}, "unsupportedParameter"), ({"safety": {"mode": "fast"}}, "unsupportedParameter"),
        ({"uploadEndpoint": secret, "numberResults": 2}, "incompatibleParameters"),
    ):  # fmt: skip
        (error,) = run([task(**change)])["errors"]
        assert error["code"] == expected and "secret" not in json.dumps(error), error


def garbage(folder):
    def peak():
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    for text in ("", " ", "x", "{}", "[]", "null", "[", "[1", '[{"taskType":"ping"}', '[{"taskType":"ping"}] x', "\x00", "NaN"):
        assert code(text) == "invalidRequest", text
    for text in ("[1]", "[null]", '["ping"]', "[[]]", '[{"taskType":"ping","taskType":"ping"}]', "[" * 100_000, "[NaN]",
                 '[{"taskType":"ping","a":' + '{"a":' * 20 + "1" + "}" * 20 + "}]", '["\\ud800"]', b'["\xff"]'):  # fmt: skip
        assert code(text) == "invalidRequest", text[:100]
    assert code([{"taskType": "ping"}] * 1000 + [{"taskType": "ping"}]) == "maxPayloadExceeded"
    assert len(run([{"taskType": "ping"}] * 1000)["data"]) == 1000
    before = peak()
    assert code(b"[" + b'{"taskType":"ping"},' * 100_000 + b"1]") == "maxPayloadExceeded"
    assert code(b"\x00\xff" * 5_000_000) == "invalidRequest"
    assert code(b"[" + b"1," * 5_000_000 + b"1]") == "maxPayloadExceeded"
    assert code(json.dumps([task()] * 100_000)) == "maxPayloadExceeded"
    for number in ("1e400", "-1e400", "9" * 400, "-" + "9" * 400 + ".5"):
        text = json.dumps([{"taskType": "ping", "ping": True}, task(width=7)]).replace(" 7,", f" {number},")
        answer = run(text)
        assert answer["data"] and answer["errors"][0]["code"] == "invalidWidth", "one number stops no other task"
        assert len(json.dumps(answer)) < 1000
    upload = {"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": ""}
    with open(os.path.join(ROOT, "models", "nano", "contact_sheet.png"), "rb") as file:
        upload["image"] = base64.b64encode(file.read()).decode()
    details = {"taskType": "getTaskDetails", "taskUUID": upload["taskUUID"]}
    answer = run([upload] + [details] * 900, folder=folder)
    assert {error["code"] for error in answer["errors"]} == {"maxPayloadExceeded"} and len(answer["data"]) > 100
    assert code('[{"taskType":"' + "x" * 10_000_000 + '"}]') == "unsupportedTaskType"
    assert peak() - before < 600_000, f"{peak() - before} kB more"
    assert code([task(positivePrompt="\U0001f600" * 3001)]) == "invalidPositivePrompt"
    assert len(run([task(positivePrompt="\U0001f600" * 3000, outputType="base64Data")])["data"]) == 1
    assert code([task(positivePrompt="a\0b")]) == "invalidPositivePrompt"
    assert code([task(positivePrompt='"a" ' * 300)]) == "invalidPositivePrompt", "the model takes fewer texts"
    assert run([task(model=os.path.basename(CHECKPOINT), outputType="base64Data")])["data"]
    assert code([task(model="other")]) == "invalidModel"


def full_disk(folder):
    """A picture that is drawn isn't thrown away, whether the folder is full or the media store."""
    if os.geteuid() != 0:
        return
    small = os.path.join(folder, "small")
    os.mkdir(small)
    for media, out, size in ((None, small, "64k"), (small, None, "200k")):
        start = " ".join(command(*(["--out", out] if out else []), media=media))
        done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={size} none {small} && exec {start}"],
                              input=json.dumps([task(numberResults=8, outputFormat="PNG")]), capture_output=True, text=True, check=False,
                              env={**os.environ, "TMPDIR": folder})  # fmt: skip
        if "mount" in done.stderr:
            return
        items = json.loads(done.stdout)["data"]
        assert len(items) == 8 and done.returncode == 0, done
        last = file_of(items[-1]["imageURL"])
        assert os.path.dirname(last) == folder and os.path.getsize(last) > 1000, last


def interrupted(folder):
    many = [task(numberResults=20, steps=30, outputType="base64Data") for _ in range(3)]
    with subprocess.Popen(command("--out", folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        program.stdin.write(json.dumps(many).encode())
        program.stdin.close()
        time.sleep(3)
        program.send_signal(signal.SIGTERM)
        program.send_signal(signal.SIGTERM)  # as timeout does: to the child, and to the group
        answer = json.loads(program.stdout.read())
        assert program.wait(60) == -signal.SIGTERM
    ANSWERS.validate(answer)
    assert {error["code"] for error in answer["errors"]} == {"taskCancelled"}, answer["errors"]
    assert answer["errors"][-1]["taskUUID"] == many[-1]["taskUUID"]
    for item in answer.get("data", []):
        assert item["imageBase64Data"]


PARTS = [delivery, seeds, order_and_async, references, garbage, full_disk, interrupted]
run_parts([part for part in PARTS if not sys.argv[3:] or part.__name__ in sys.argv[3:]])
