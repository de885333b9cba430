#!/usr/bin/env python3
"""Tasks that reach the media store, other machines and the safety model. python3 world_test.py GLM-IMAGE CHECKPOINT [PART…]

A server of this test is the other machine: it gives pictures, and takes webhooks and uploads.
"""

import base64
import http.server
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import uuid

from contract import ANSWERS, CHECKPOINT, MAGIC, MEDIA, PROGRAM, ROOT, code, command, file_of, run, run_parts, task

with open(os.path.join(ROOT, "doc", "apple.jpg"), "rb") as apple:
    APPLE = apple.read()


class World(http.server.ThreadingHTTPServer):
    """Keeps what it was sent. fails: how many requests of a path it answers with 503 first."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []  # (method, path, headers, body)
        self.fails = {}
        self.lock = threading.Lock()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://{self.host}{path}"

    def sent(self, method, path):
        return [(headers, body) for m, p, headers, body in self.requests if (m, p) == (method, path)]


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def record(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.requests.append((self.command, self.path, dict(self.headers), body))
            fails = self.server.fails.get(self.path, 0)
            self.server.fails[self.path] = fails - 1
        return fails > 0

    def do_GET(self):
        if self.record():
            return self.answer(503)
        if self.path.startswith("/apple"):
            return self.answer(200, APPLE, "text/html")
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/apple.jpg")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return self.answer(200, b"<html>", "image/png") if self.path.startswith("/page") else self.answer(404)

    def do_POST(self):
        self.answer(503 if self.record() else 400 if self.path.startswith("/refuse") else 200)

    do_PUT = do_POST

    def log_message(self, *_):
        pass


def reference(picture):
    return {"inputs": {"referenceImages": [picture]}}


SAME = {"outputType": "base64Data", "outputFormat": "PNG"}


def pictures_by_address(_):
    world = World()
    allowed = ("--allow-host", world.host)
    (expected,) = run([task(**SAME, **reference(base64.b64encode(APPLE).decode()))])["data"]
    both = run([task(**SAME, **reference(world.url("/apple.jpg?token=secret"))) for _ in range(2)], *allowed)["data"]
    assert all(item["imageBase64Data"] == expected["imageBase64Data"] for item in both)
    assert len(world.requests) == 1, "an address is asked once for all tasks of an array"
    (item,) = run([{"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": world.url("/apple.jpg")}], *allowed)["data"]
    (again,) = run([task(**SAME, **reference(item["imageUUID"].upper()))])["data"]
    assert again["imageBase64Data"] == expected["imageBase64Data"], "an upload is the same picture"
    for path, expected_code in (
        ("/moved", "invalidReferenceImages"), ("/page.png", "invalidReferenceImages"), ("/none", "invalidReferenceImages"),
    ):  # fmt: skip
        assert code([task(**reference(world.url(path + "?token=secret")))], *allowed) == expected_code, path
    world.fails["/apple.jpg?busy"] = 1
    assert code([task(**reference(world.url("/apple.jpg?busy")))], *allowed) == "downloadFailed"
    before = len(world.requests)
    good, bad = task(**SAME), task(**reference("http://user:secret@" + world.host + "/apple.jpg"))
    answer = run([good, bad], *allowed)
    assert len(answer["data"]) == 1 and answer["errors"][0]["code"] == "invalidReferenceImages"
    assert "secret" not in json.dumps(answer)
    for options in ((), ("--allow-host", "127.0.0.1"), ("--allow-host", "localhost:1"), ("--allow-host", "example.com")):
        assert code([task(**reference(world.url("/apple.jpg")))], *options) == "invalidReferenceImages", options
    assert len(world.requests) == before, "what isn't allowed is never asked"
    named = f"http://localhost:{world.server_address[1]}/apple.jpg"
    assert run([task(**SAME, **reference(named))], "--allow-host", named[7:].split("/")[0])["data"]
    bad_host = subprocess.run(command("--allow-host", "http://x"), input=b"[]", capture_output=True, check=False)
    assert bad_host.returncode == 2 and b"HOST" in bad_host.stderr, bad_host.stderr


def webhooks(_):
    world = World()
    allowed = ("--allow-host", world.host)
    world.fails["/flaky?token=secret"] = 2
    asked = [
        task(webhookURL=world.url("/flaky?token=secret"), deliveryMethod="sync", numberResults=3, **SAME),
        task(webhookURL=world.url("/acked"), **SAME),
        task(webhookURL=world.url("/refuse?token=secret"), deliveryMethod="sync", **SAME),
        task(webhookURL="http://192.0.2.1/hook", **SAME),
    ]
    answer = run(asked, *allowed)
    data, errors = answer["data"], answer["errors"]
    assert [len(item) == 2 for item in data] == [False] * 3 + [True, False], "a webhook alone means an acknowledgement"
    posts = world.sent("POST", "/flaky?token=secret")
    assert len(posts) == 5, "two failed tries, and one for each result"
    for headers, _body in posts:
        assert headers["Content-Type"] == "application/json" and "Expect" not in headers and "Transfer-Encoding" not in headers
    got = [json.loads(body) for _headers, body in posts]
    assert all(list(one) == ["data"] and len(one["data"]) == 1 for one in got)
    assert {one["data"][0]["imageUUID"] for one in got} == {item["imageUUID"] for item in data[:3]}
    (acked,) = world.sent("POST", "/acked")
    ANSWERS.validate(json.loads(acked[1]))
    assert json.loads(acked[1])["data"][0]["taskUUID"] == asked[1]["taskUUID"]
    assert [error["code"] for error in errors] == ["webhookFailed", "invalidWebhookURL"]
    assert errors[0]["parameter"] == "webhookURL" and errors[0]["taskUUID"] == asked[2]["taskUUID"]
    assert "secret" not in json.dumps(answer)
    failed = run([{"taskType": "getResponse", "taskUUID": asked[2]["taskUUID"]}])
    assert list(failed) == ["data"], "the picture is there, and so getResponse has no error"
    (stored,) = run([{"taskType": "getResponse", "taskUUID": asked[1]["taskUUID"]}])["data"]
    assert stored == {**json.loads(acked[1])["data"][0], "status": "success"}


def uploads(folder):
    world = World()
    allowed = ("--allow-host", world.host)
    asked = []
    for form, kind in (("JPG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")):
        path = f"/bucket/{kind}?X-Amz-Signature=secret"
        one = task(uploadEndpoint=world.url(path), outputFormat=form)
        asked.append(one)
        (item,) = run([one], *allowed, folder=folder)["data"]
        ((headers, body),) = world.sent("PUT", path)
        assert headers["Content-Type"] == kind and headers["Content-Length"] == str(len(body)), headers
        assert not {"Expect", "Transfer-Encoding", "Authorization"} & set(headers)
        with open(file_of(item["imageURL"]), "rb") as file:
            assert file.read() == body and body.startswith(MAGIC[form])
    world.fails["/flaky"] = 1
    run([task(uploadEndpoint=world.url("/flaky"))], *allowed)
    assert len(world.sent("PUT", "/flaky")) == 2
    answer = run([task(uploadEndpoint=world.url("/refuse?secret"))], *allowed)
    assert answer["data"][0]["imageURL"] and answer["errors"][0]["code"] == "uploadFailed", "the picture is there all the same"
    assert answer["errors"][0]["parameter"] == "uploadEndpoint" and "secret" not in json.dumps(answer["errors"])


def listed(media):
    text = subprocess.run([PROGRAM, "media", "list", "--json", "--media", media], check=True, capture_output=True, text=True).stdout
    return json.loads(text)


def store(folder):
    media = os.path.join(folder, "media")
    first = task(numberResults=2, ttl=600)
    late = task(deliveryMethod="async", outputType=["base64Data", "dataURI"], outputFormat="WEBP")
    failed = task(positivePrompt='"a" ' * 300)
    answer = run([first, late, failed], media=media)
    urls = [file_of(item["imageURL"]) for item in answer["data"][:2]]
    assert all(os.path.dirname(url) == media for url in urls), "without --out the addresses are the store's"
    pictures = listed(media)
    assert len(pictures) == 3 and {picture["kind"] for picture in pictures} == {"result"}
    assert {picture["file"] for picture in pictures} >= set(urls)
    assert [("expires" in picture) for picture in sorted(pictures, key=lambda p: p["taskUUID"] != first["taskUUID"])] == [True, True, False]
    polled = run([{"taskType": "getResponse", "taskUUID": late["taskUUID"].upper()}, {"taskType": "getTaskDetails", "taskUUID": late["taskUUID"]}], media=media)["data"]
    assert polled[0]["status"] == "success" and polled[0]["imageDataURI"].endswith(polled[0]["imageBase64Data"])
    assert base64.b64decode(polled[0]["imageBase64Data"]).startswith(MAGIC["WEBP"])
    assert polled[1]["request"] == [late] and polled[1]["response"] == {"data": [polled[0]]}
    assert code([{"taskType": "getResponse", "taskUUID": failed["taskUUID"]}], media=media) == "taskNotFound", "it was never accepted"
    (item,) = run([task(**SAME, **reference(os.path.basename(urls[0])[:-4]))], media=media)["data"]
    assert item["imageBase64Data"], "a result is a reference by its UUID"
    for wrong in (str(uuid.uuid4()), polled[0]["imageUUID"].upper()):
        expected = "mediaNotFound" if wrong not in json.dumps(polled).upper() else None
        if expected:
            assert code([task(**reference(wrong))], media=media) == expected
    os.remove(urls[0])
    answer = run([{"taskType": "getResponse", "taskUUID": first["taskUUID"]}], media=media)
    assert len(answer["data"]) == 1 and [error["code"] for error in answer["errors"]] == ["taskExpired"]
    run([first], media=media), run([first], media=media)  # a finished task may be sent again
    assert len(listed(media)) == 3 - 1 + 1 + 4
    pruned = subprocess.run([PROGRAM, "media", "prune", "--media", media], check=True, capture_output=True, text=True).stdout
    assert pruned == "0 pictures deleted\n"
    table = subprocess.run([PROGRAM, "media", "list"], check=True, capture_output=True, text=True, env={**os.environ, "GLM_IMAGE_MEDIA": media}).stdout
    assert len(table.splitlines()) == 8 and table.startswith("FILE "), table


def running(folder):
    """While a program draws a task, another one sees it at work; once it is killed, that it has ended."""
    media = os.path.join(folder, "media")
    slow = task(numberResults=20, steps=200)  # each is told as soon as it is there
    question = [{"taskType": "getResponse", "taskUUID": slow["taskUUID"]}]
    with subprocess.Popen(command("--stream", media=media), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        program.stdin.write(json.dumps([slow]))
        program.stdin.close()
        first = json.loads(program.stdout.readline())["data"][0]
        processing = run(question, media=media)["data"]
        assert {item["status"] for item in processing} == {"processing"} and len(processing) == 20
        assert first["imageUUID"] in {item["imageUUID"] for item in processing}
        assert code([slow], media=media) == "conflictTaskUUID"
        program.kill()
        kept = {first["imageUUID"]} | {json.loads(line)["data"][0]["imageUUID"] for line in program.stdout.read().splitlines()}
    answer = run(question, media=media)
    assert kept <= {item["imageUUID"] for item in answer["data"]}
    assert [error["code"] for error in answer["errors"]] == ["inferenceError"]


def killed(folder):
    """The program is killed at random points. Whatever it has told is in the store, whole, and has its line."""
    random.seed(3)
    media = os.path.join(folder, "media")
    told = set()
    for _ in range(40):
        many = [task(outputFormat="PNG") for _ in range(50)]
        with subprocess.Popen(command("--stream", media=media), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            program.stdin.write(json.dumps(many).encode())
            program.stdin.close()
            time.sleep(random.uniform(0.2, 2))
            program.kill()
            lines = program.stdout.read().decode().split("\n")[:-1]
        told |= {json.loads(line)["data"][0]["imageUUID"] for line in lines}
        pictures = {picture["imageUUID"]: picture for picture in listed(media)}
        files = {name[:-4] for name in os.listdir(media) if name.endswith(".png")}
        assert told <= set(pictures) == files, (told - set(pictures), files ^ set(pictures))
    for picture in pictures.values():
        with open(picture["file"], "rb") as file:
            assert file.read().endswith(b"IEND\xaeB`\x82"), "a half picture"
    assert len(told) > 40, len(told)
    print(len(told), "pictures were told of, and kept")


def broken_stores(folder):
    media = os.path.join(folder, "media")
    with open(media, "w", encoding="utf-8"):
        pass
    answer = run([task(), {"taskType": "ping"}, {"taskType": "getResponse", "taskUUID": str(uuid.uuid4())}], media=media)
    assert [error["code"] for error in answer["errors"]] == ["serviceUnavailable"] * 2 and media in answer["errors"][0]["message"]
    assert answer["data"] == [{"taskType": "ping", "pong": True}]
    locked = os.path.join(folder, "locked")
    finished = task(outputType="base64Data")
    run([finished], media=locked)
    index = sqlite3.connect(os.path.join(locked, "index.sqlite"), isolation_level=None)
    index.execute("BEGIN EXCLUSIVE")
    begin = time.monotonic()
    answer = run([task() for _ in range(5)] + [{"taskType": "getResponse", "taskUUID": finished["taskUUID"]}], media=locked)
    assert {error["code"] for error in answer["errors"]} == {"serviceUnavailable"} and len(answer["errors"]) == 6, answer
    assert "locked" in answer["errors"][0]["message"] and time.monotonic() - begin < 30, "the lock is waited for once"
    index.execute("COMMIT")
    done = subprocess.run([PROGRAM, "media", "list", "--media", media], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and media in done.stderr, done
    done = subprocess.run([PROGRAM, "media", "steal"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "list or prune" in done.stderr, done
    done = subprocess.run(command("--out", locked, media=locked), input=json.dumps([task()]), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "media store" in done.stderr, done
    nowhere = os.path.join(folder, "nowhere")
    done = subprocess.run([PROGRAM, "media", "list", "--media", nowhere], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and nowhere in done.stderr and not os.path.exists(nowhere), done
    odd = os.path.join(folder.encode(), b"a\xff")
    run([task()], media=odd)
    (one,) = listed(odd)
    assert base64.b64decode(one["file_base64"]).startswith(odd)
    homeless = {"HOME": "/nonexistent", "XDG_DATA_HOME": os.path.join(folder, "data")}
    subprocess.run([PROGRAM, "media", "list"], check=True, env={**os.environ, **homeless}, capture_output=True)
    assert not os.path.exists(os.path.join(folder, "data")), "looking makes nothing"
    ask = [arg for arg in command() if arg != "--media"]
    ask.remove(MEDIA)
    subprocess.run(ask, input=json.dumps([task()]), text=True, check=True, env={**os.environ, **homeless}, capture_output=True)
    assert os.path.isdir(os.path.join(folder, "data", "glm-image", "media"))


def moved_and_tampered(folder):
    """A store may be moved, and a record that a stranger has changed is an error and nothing worse."""
    media, other = os.path.join(folder, "media"), os.path.join(folder, "other")
    asked = task(outputType=["URL", "base64Data"])
    run([asked], media=media)
    os.rename(media, other)
    (item,) = run([{"taskType": "getResponse", "taskUUID": asked["taskUUID"]}], media=other)["data"]
    assert os.path.dirname(file_of(item["imageURL"])) == other and os.path.exists(file_of(item["imageURL"])), item
    questions = [{"taskType": kind, "taskUUID": asked["taskUUID"]} for kind in ("getResponse", "getTaskDetails")]
    with open(os.path.join(other, "tasks", asked["taskUUID"] + ".json"), encoding="utf-8") as file:
        record = json.load(file)
    deep = '{"task":{"taskType":"imageInference","x":' + "[" * 100_000 + "]" * 100_000 + '},"results":[],"errors":[]}'
    strange = '{"task":{"taskType":"imageInference","outputType":5},"results":[{"item":{"imageUUID":"../x"},"kept":true},7],"errors":[5]}'
    for change in ({"content": deep}, {"content": strange}, {"content": 5}, {"pictures": ["../x", 5]}, {"session": 5}, {"finished": "x"}):
        with open(os.path.join(other, "tasks", asked["taskUUID"] + ".json"), "w", encoding="utf-8") as file:
            json.dump({**record, **change}, file)
        run(questions, media=other)


def checker(folder, threshold):
    """A copy of the small safety checker in which every concept has this threshold."""
    copy = os.path.join(folder, f"checker{threshold}")
    shutil.copytree(os.path.join(os.path.dirname(CHECKPOINT), "safety"), copy)
    weights = os.path.join(copy, "safety_checker", "model.safetensors")
    with open(weights, "rb") as file:
        data = bytearray(file.read())
    length = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8 : 8 + length])["concept_embeds_weights"]
    assert entry["dtype"] == "F32" and entry["shape"] == [17], entry
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    data[begin:end] = struct.pack("<17f", *[threshold] * 17)
    with open(weights, "wb") as file:
        file.write(data)
    return copy


def safety(folder):
    world = World()
    nothing, everything = checker(folder, 2.0), checker(folder, -2.0)
    media = os.path.join(folder, "media")
    asked = [
        task(safety={"checkContent": True}, numberResults=2), task(safety={"mode": "fast"}), task(safety={"checkContent": True, "mode": "none"}),
        task(safety={"checkContent": False}), task(),
    ]  # fmt: skip
    data = run(asked, "--safety-model", nothing, media=media)["data"]
    assert [item.get("NSFWContent") for item in data] == [False, False, False, None, None, None]
    assert all(os.path.exists(file_of(item["imageURL"])) for item in data) and len(listed(media)) == 6
    flagged = [task(safety={"checkContent": True}, outputType=["URL", "base64Data", "dataURI"], webhookURL=world.url("/hook"),
                    uploadEndpoint=world.url("/put"), deliveryMethod="sync"), task(deliveryMethod="async", safety={"mode": "fast"})]  # fmt: skip
    out = os.path.join(folder, "out")
    answer = run(flagged, "--safety-model", everything, "--allow-host", world.host, media=media, folder=out)
    assert list(answer["data"][0]) == ["taskType", "taskUUID", "imageUUID", "status", "NSFWContent", "seed"], answer
    assert answer["data"][0]["NSFWContent"] is True
    (hook,) = world.sent("POST", "/hook")
    assert json.loads(hook[1]) == {"data": answer["data"][:1]} and not world.sent("PUT", "/put")
    assert os.listdir(out) == [] and len(listed(media)) == 6, "nothing of it stays"
    (item,) = run([{"taskType": "getResponse", "taskUUID": flagged[1]["taskUUID"]}], media=media)["data"]
    assert item["NSFWContent"] is True and item["status"] == "success" and "imageURL" not in item
    assert code([task(**reference(item["imageUUID"]))], media=media) == "mediaNotFound"
    for folder_of in (os.path.join(folder, "none"), out):
        done = subprocess.run(command("--safety-model", folder_of, media=media), input=json.dumps(asked[:1]), capture_output=True, text=True, check=False)
        assert done.returncode == 3 and folder_of in done.stderr and not done.stdout, done
    (error,) = run(asked[:1], media=media)["errors"]
    assert (error["code"], error["parameter"]) == ("unsupportedParameter", "safety.checkContent") and "--safety-model" in error["message"]


def examples(folder):
    """What README says of doc/tasks."""
    world = World()
    for name, method, path in (("reference", "GET", "/apple.jpg"), ("webhook", "POST", "/done"), ("upload", "PUT", "/panda.png")):
        with open(os.path.join(ROOT, "doc", "tasks", name + ".json"), encoding="utf-8") as file:
            text = file.read().replace("127.0.0.1:8010", world.host).replace('"steps": 20', '"steps": 1')
        assert "errors" not in run(text, "--allow-host", world.host, folder=folder)
        assert len(world.sent(method, path)) == (2 if name == "webhook" else 1), world.requests


def interrupted(folder):
    """Ctrl-C while a webhook doesn't answer: the answer comes at once, and says what wasn't sent."""
    world = World()
    world.fails["/down"] = 10**6
    asked = [task(webhookURL=world.url("/down"), deliveryMethod="sync", **SAME)]
    media = os.path.join(folder, "media")
    with subprocess.Popen(command("--allow-host", world.host, media=media), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        program.stdin.write(json.dumps(asked).encode())
        program.stdin.close()
        while not world.sent("POST", "/down"):
            time.sleep(0.05)
        time.sleep(0.5)
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        answer = json.loads(program.stdout.read())
        assert program.wait(60) == -signal.SIGINT and time.monotonic() - begin < 5
    ANSWERS.validate(answer)
    assert len(answer["data"]) == 1 and [error["code"] for error in answer["errors"]] == ["webhookFailed"], answer["errors"]


def given_up(folder):
    """A webhook that stays down is given up after a minute, and told."""
    world = World()
    world.fails["/down"] = 10**6
    begin = time.monotonic()
    answer = run([task(webhookURL=world.url("/down"), deliveryMethod="sync", **SAME)], "--allow-host", world.host, folder=folder)
    took = time.monotonic() - begin
    assert 45 < took < 90 and answer["errors"][0]["code"] == "webhookFailed", (took, answer["errors"])
    assert len(world.sent("POST", "/down")) > 6 and " tries over " in answer["errors"][0]["message"], answer["errors"]


PARTS = [pictures_by_address, webhooks, uploads, store, running, killed, broken_stores, moved_and_tampered, safety, examples, interrupted, given_up]
run_parts([part for part in PARTS if not sys.argv[3:] or part.__name__ in sys.argv[3:]])
