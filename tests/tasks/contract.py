"""What the tests of the task interface share: tasks, glm-image run, and what its answers have to be."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import uuid

from validator import Draft202012Validator

PROGRAM, CHECKPOINT = sys.argv[1:3]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAGIC = {"JPG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF"}
MEDIA = tempfile.mkdtemp()  # the media store, unless a test has its own
atexit.register(shutil.rmtree, MEDIA, ignore_errors=True)


def printed(*options):
    return json.loads(subprocess.run([PROGRAM, "run", *options], check=True, capture_output=True, text=True).stdout)


ANSWERS = Draft202012Validator(printed("--answer-schema"))


def task(**changes):
    one = {"taskType": "imageInference", "taskUUID": str(uuid.uuid4()), "model": "runware:glm-image@0"}
    one |= {"positivePrompt": "a red star", "width": 128, "height": 128, "steps": 1, "CFGScale": 1, "seed": 3}
    return {key: value for key, value in (one | changes).items() if value is not None}


def command(*options, model=CHECKPOINT, media=None):
    return [PROGRAM, "run", "-", "-q", "--threads", "1", "--device", "cpu", "-m", model, "--media", media or MEDIA, *options]


def run(tasks, *options, status=None, folder=None, env=None, timeout=900, **more):
    """The answer, or the lines of --stream. folder: for --out. more: as command() takes it."""
    text = tasks if isinstance(tasks, (str, bytes)) else json.dumps(tasks)
    text = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    out = ["--out", folder] if folder else []
    done = subprocess.run(command(*out, *options, **more), input=text, capture_output=True, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})  # fmt: skip
    lines = done.stdout.decode().splitlines()
    answers = [json.loads(line) for line in lines]
    for each in answers:
        ANSWERS.validate(each)
    failed = any("errors" in each for each in answers)
    assert done.returncode == (int(failed) if status is None else status), (done.returncode, done.stderr, done.stdout[:2000])
    return answers if "--stream" in options else answers[0]


def code(tasks, *options, **more):
    (error,) = run(tasks, *options, **more)["errors"]
    return error["code"]


def file_of(url):
    assert url.startswith("file:///"), url
    return urllib.parse.unquote(url.removeprefix("file://"))


def run_parts(parts):
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            part(folder)
        print(part.__name__, flush=True)
