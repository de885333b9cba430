#!/usr/bin/env python3
"""The Python client `runware`, which speaks WebSocket alone. runware_test.py GLM-IMAGE CHECKPOINT FOLDER-FOR-WHEELS"""

import asyncio
import base64
import os
import sys
import tempfile
import time

import wheels

PROGRAM, CHECKPOINT = sys.argv[1:3]
APPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc", "apple.jpg")
wheels.install("runware.txt", sys.argv[3])

from runware import IImageInference, ISafety, Runware  # noqa: E402
from shim import Shim  # noqa: E402

MODEL = "runware:glm-image@0"
MAGIC = {"JPG": b"\xff\xd8\xff", "PNG": b"\x89PNG", "WEBP": b"RIFF"}


def picture(**changes):
    same = dict(model=MODEL, positivePrompt=" a red star ", width=128, height=128, steps=1, CFGScale=1.0, seed=3)
    return IImageInference(**{**same, **changes})


async def delivery(client, shim):
    (image,) = await client.imageInference(picture(outputFormat="PNG", seed=2**53 + 1))
    sent = shim.sent("imageInference")[-1]
    # What a plain request of this client holds: the prompt is trimmed, and defaults come along.
    assert sent["positivePrompt"] == "a red star" and sent["numberResults"] == 1 and sent["deliveryMethod"] == "sync", sent
    assert set(sent) == {"taskType", "taskUUID", "model", "positivePrompt", "width", "height", "steps", "CFGScale", "seed", "numberResults",
                         "outputFormat", "deliveryMethod"}, sent  # fmt: skip
    assert image.seed == 2**53 + 1 and image.imageURL.endswith(image.imageUUID + ".png") and image.cost is None
    with open(image.imageURL.removeprefix("file://"), "rb") as file:
        assert file.read().startswith(MAGIC["PNG"])
    (zero,) = await client.imageInference(picture(seed=0, outputType=["base64Data", "dataURI"], outputFormat="JPEG", includeCost=True, outputQuality=50))
    assert zero.seed == 0 and zero.cost == 0 and zero.imageDataURI.endswith(zero.imageBase64Data)
    assert base64.b64decode(zero.imageBase64Data).startswith(MAGIC["JPG"])
    three = await client.imageInference(picture(numberResults=3, outputFormat="webp", ttl=60))
    assert [image.seed for image in three] == [3, 4, 5] and len({image.imageUUID for image in three}) == 3


async def later(client, shim):
    ack = await client.imageInference(picture(deliveryMethod="async", numberResults=2))
    begin = time.monotonic()
    images = await client.getResponse(taskUUID=ack.taskUUID, numberResults=2)
    # Without imageUUID in its processing items this client would wait 30 seconds for each.
    assert len({image.imageUUID for image in images}) == 2 and time.monotonic() - begin < 25, images
    assert shim.sent("getResponse")[-1] == {"taskType": "getResponse", "taskUUID": ack.taskUUID}
    details = await client.getTaskDetails(ack.taskUUID)
    assert shim.sent("getTaskDetails")[-1] == {"taskType": "getTaskDetails", "taskUUID": ack.taskUUID}
    assert details.request[0].taskUUID == ack.taskUUID, details


async def references(client, shim):
    await client.imageInference(picture(referenceImages=[APPLE]))
    sent = shim.sent("imageInference")[-1]
    assert sent["referenceImages"][0].startswith("data:image/jpeg;base64,"), "a local file is sent as a data URI, at the top level"
    await client.imageInference(picture(inputs={"referenceImages": [APPLE]}))
    assert shim.sent("imageInference")[-1]["inputs"]["referenceImages"][0].startswith("data:")
    upload = await client.uploadImage(APPLE)
    assert shim.sent("imageUpload")[-1]["image"].startswith("data:") and upload.imageURL.endswith(upload.imageUUID + ".png")
    (image,) = await client.imageInference(picture(inputs={"referenceImages": [upload.imageUUID]}))
    assert shim.sent("imageInference")[-1]["inputs"]["referenceImages"] == [upload.imageUUID] and image.imageURL
    with open(APPLE, "rb") as file:
        bare = base64.b64encode(file.read()).decode()
    uploads = len(shim.sent("imageUpload"))
    assert (await client.uploadImage(bare)).imageUUID == bare and len(shim.sent("imageUpload")) == uploads, "nothing is sent for base64"


async def errors(client, shim):
    async def refused(request):
        try:
            await client.imageInference(request)
        except Exception as error:  # its own classes differ from place to place
            return str(error), request.taskUUID
        raise AssertionError("expected an error")

    message, task = await refused(picture(steps=1000))
    assert "invalidSteps" in message and task in message, message
    message, _ = await refused(picture(negativePrompt="blue"))
    assert "unsupportedParameter" in message, message
    # What its classes make of safety: the keys that were given, and no others.
    message, _ = await refused(picture(safety=ISafety(checkContent=True)))
    assert shim.sent("imageInference")[-1]["safety"] == {"checkContent": True} and "--safety-model" in message, message
    (image,) = await client.imageInference(picture(safety=ISafety(checkContent=False, mode="none")))
    assert shim.sent("imageInference")[-1]["safety"] == {"checkContent": False, "mode": "none"} and image.NSFWContent is None


async def main():
    with tempfile.TemporaryDirectory() as media:
        async with Shim(PROGRAM, CHECKPOINT, media) as shim:
            client = Runware(api_key="any", url=shim.ws)
            await client.connect()
            assert {key for task in shim.sent("authentication") for key in task} == {"taskType", "apiKey"}
            for part in (delivery, later, references, errors):
                await part(client, shim)
                print(part.__name__, flush=True)
            # Every five seconds, without a taskUUID.
            assert all(task == {"taskType": "ping", "ping": True} for task in shim.sent("ping")), shim.sent("ping")
            await client.disconnect()


asyncio.run(asyncio.wait_for(main(), 240))
os._exit(0)  # the client leaves threads and tasks behind
