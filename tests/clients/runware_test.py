#!/usr/bin/env python3
"""The Python client `runware`, which speaks WebSocket alone. runware_test.py GLM-IMAGE CHECKPOINT FOLDER-FOR-WHEELS [PART…]

Comments that begin with "A server" say what this client needs and a process for each request can't show.
"""

import asyncio
import base64
import os
import sys
import tempfile
import time
import traceback
import uuid
import warnings

import wheels

PROGRAM, CHECKPOINT, FOLDER = sys.argv[1:4]
os.environ["NO_PROXY"] = "127.0.0.1,localhost"  # the client obeys proxies even for ws://127.0.0.1
wheels.install("runware.txt", FOLDER)
warnings.simplefilter("ignore", DeprecationWarning)  # of the old spellings, which are tried on purpose

from outside import APPLE, Outside, flagging_checker  # noqa: E402
from runware import IImageInference, ISafety, Runware  # noqa: E402
from runware.types import IInputs  # noqa: E402
from runware.utils import RunwareAPIError  # noqa: E402
from shim import Shim  # noqa: E402

MAGIC = {"JPG": b"\xff\xd8\xff", "PNG": b"\x89PNG", "WEBP": b"RIFF"}
PNG = {"outputType": "base64Data", "outputFormat": "PNG"}


def picture(**changes):
    same = {"model": "runware:glm-image@0", "positivePrompt": " a red star ", "width": 128, "height": 128, "steps": 1, "CFGScale": 1.0, "seed": 3}
    return IImageInference(**{**same, **changes})


async def draw(client, *requests):
    """Of each request its pictures. They are asked for at once."""
    return await asyncio.gather(*[client.imageInference(request) for request in requests])


async def refused(awaitable):
    """What the client's own exception has. Its only attributes are the code and the error as it came."""
    try:
        await awaitable
    except RunwareAPIError as error:
        assert error.code == error.error_data["code"] and error.error_data["taskUUID"], error
        return error.error_data
    raise AssertionError("expected an error")


def file_of(image):
    with open(image.imageURL.removeprefix("file://"), "rb") as file:
        return file.read()


async def delivery(client, shim, _):
    large = picture(outputFormat="PNG", seed=2**53 + 1)
    zero = picture(seed=0, outputType=["base64Data", "dataURI"], outputFormat="JPEG", includeCost=True, outputQuality=50)
    three = picture(numberResults=3, outputFormat="webp", ttl=60)
    plain = picture(outputType="dataURI")
    ((first,), (second,), thirds, (fourth,)) = await draw(client, large, zero, three, plain)
    # A plain request of this client: the prompt is trimmed, and defaults come along.
    (sent,) = shim.sent("imageInference", large.taskUUID)
    assert sent == {"taskType": "imageInference", "taskUUID": large.taskUUID, "model": "runware:glm-image@0", "positivePrompt": "a red star",
                    "width": 128, "height": 128, "steps": 1, "CFGScale": 1.0, "seed": 2**53 + 1, "numberResults": 1, "outputFormat": "PNG",
                    "deliveryMethod": "sync"}, sent  # fmt: skip
    assert first.seed == 2**53 + 1 and first.cost is None and file_of(first).startswith(MAGIC["PNG"])
    # It only hands addresses on and fetches nothing: file:// is as good as http:// to it.
    assert first.imageURL.startswith("file://") and first.imageURL.endswith(f"/{first.imageUUID}.png")
    (sent,) = shim.sent("imageInference", zero.taskUUID)
    assert sent["outputType"] == ["base64Data", "dataURI"] and sent["outputFormat"] == "JPEG", "the spelling is the user's"
    assert second.seed == 0 and second.cost == 0 and second.imageDataURI.endswith(second.imageBase64Data) and second.imageURL is None
    assert base64.b64decode(second.imageBase64Data).startswith(MAGIC["JPG"])
    assert sorted(image.seed for image in thirds) == [3, 4, 5] and len({image.imageUUID for image in thirds}) == 3
    assert all(file_of(image).startswith(MAGIC["WEBP"]) and image.imageURL.endswith(".webp") for image in thirds)
    assert fourth.imageDataURI.startswith("data:image/jpeg;base64,") and fourth.imageBase64Data is None


async def later(client, shim, _):
    asked = picture(deliveryMethod="async", numberResults=2, steps=400)
    ack = await client.imageInference(asked)
    images = await client.getResponse(taskUUID=ack.taskUUID, numberResults=2)
    assert sorted(image.seed for image in images) == [3, 4]
    assert {image.status for image in images} == {"success"} and all(file_of(image) for image in images)
    assert shim.sent("getResponse")[-1] == {"taskType": "getResponse", "taskUUID": ack.taskUUID}, "a poll has no UUID of its own"
    told = [[item for item in answer.get("data", []) if item.get("taskUUID") == ack.taskUUID and "status" in item] for answer in shim.told]
    statuses = [{item["status"] for item in items} for items in told]
    assert {"processing"} in statuses and {"processing", "success"} not in statuses, "never a mix: this client adds replies up"
    # Without imageUUID in items that are processing this client would wait 30 seconds for each.
    assert all(item["imageUUID"] for items in told for item in items)
    details = await client.getTaskDetails(ack.taskUUID)
    assert shim.sent("getTaskDetails") == [{"taskType": "getTaskDetails", "taskUUID": ack.taskUUID}]
    assert details.request[0].taskUUID == ack.taskUUID and details.request[0].steps == 400
    assert {image.imageUUID for image in details.response} == {image.imageUUID for image in images}
    (finished,) = await client.imageInference(picture())
    (again,) = await client.getResponse(taskUUID=finished.taskUUID)
    assert again.imageUUID == finished.imageUUID, "sync tasks can be polled for, too"
    error = await refused(client.getResponse(taskUUID=str(uuid.uuid4())))
    assert error["code"] == "taskNotFound" and error["taskType"] == "getResponse", error


async def references(client, shim, outside):
    with open(APPLE, "rb") as file:
        bare = base64.b64encode(file.read()).decode()
    uri, address = f"data:image/jpeg;base64,{bare}", outside.url("/apple.jpg")
    # Of these it uploads nothing: the text comes back as the picture's UUID, and so arrives as a reference later.
    kept = [await client.uploadImage(text) for text in (bare, uri, address)]
    assert [one.imageUUID for one in kept] == [bare, uri, address] and not shim.sent("imageUpload")
    upload = await client.uploadImage(APPLE)
    (sent,) = shim.sent("imageUpload")
    assert sent == {"taskType": "imageUpload", "taskUUID": upload.taskUUID, "image": uri}, "a local file is sent as a data URI"
    assert upload.imageURL.endswith(f"/{upload.imageUUID}.png")
    given = [
        picture(**PNG, inputs={"referenceImages": [APPLE]}), picture(**PNG, inputs={"referenceImages": [upload.imageUUID]}),
        picture(**PNG, referenceImages=[kept[1]]), picture(**PNG, referenceImages=[kept[0]]),
        picture(**PNG, inputs=IInputs(references=[address])), picture(**PNG, inputs={"referenceImages": [{"image": APPLE, "role": "content"}]}),
    ]  # fmt: skip
    results = await draw(client, *given)
    assert len({image.imageBase64Data for (image,) in results}) == 1, "the same picture, however it is given"
    inputs = [shim.sent("imageInference", one.taskUUID)[0] for one in given]
    assert [one.get("inputs") for one in inputs] == [
        {"referenceImages": [uri]}, {"referenceImages": [upload.imageUUID]}, None, None,
        {"references": [address], "referenceImages": [address]}, {"referenceImages": [{"image": uri, "role": "content"}]},
    ]  # fmt: skip
    assert [one.get("referenceImages") for one in inputs] == [None, None, [uri], [bare], None, None], "the old spelling stays at the top"
    # A server has to give http:// addresses: with file:// an imageURL can't be a reference, the client itself refuses it.
    try:
        await client.imageInference(picture(referenceImages=[upload.imageURL]))
        raise AssertionError("expected an error")
    except FileNotFoundError:
        pass
    error = await refused(client.imageInference(picture(referenceImages=[str(uuid.uuid4())])))
    # The parameter is named by its place in the contract, also where the old spelling was sent.
    assert error["code"] == "mediaNotFound" and error["parameter"] == "inputs.referenceImages", error


async def errors(client, shim, _):
    for change, expected in (
        ({"steps": 1000}, ("invalidSteps", "steps")), ({"negativePrompt": "blue"}, ("unsupportedParameter", "negativePrompt")),
        ({"positivePrompt": "a"}, ("invalidPositivePrompt", "positivePrompt")), ({"model": "runware:1@1"}, ("invalidModel", "model")),
        ({"deliveryMethod": "async", "width": 2049}, ("invalidWidth", "width")),
    ):  # fmt: skip
        asked = picture(**change)
        error = await refused(client.imageInference(asked))
        assert (error["code"], error["parameter"], error["taskUUID"], error["taskType"]) == (*expected, asked.taskUUID, "imageInference"), error
    # Of uploadMedia the task interface has nothing yet.
    error = await refused(client.uploadMedia(APPLE))
    assert error["code"] == "unsupportedTaskType" and set(shim.sent("mediaStorage")[0]) == {"taskType", "taskUUID", "operation", "media"}


async def safety(client, shim, _):
    # What its classes make of safety: the fields that were set, and no others. checkNsfw is the old spelling of checkContent.
    for given, wire, parameter in (
        ({"safety": ISafety(checkContent=True)}, {"checkContent": True}, "safety.checkContent"),
        ({"safety": {"mode": "fast"}}, {"mode": "fast"}, "safety.mode"),
        ({"checkNsfw": True}, {"checkContent": True}, "safety.checkContent"),
        ({"safety": ISafety(checkInputs=True, tolerance=False)}, {"tolerance": False, "checkInputs": True}, "safety.checkInputs"),
        ({"safety": ISafety(checkContent=False, mode="none")}, {"checkContent": False, "mode": "none"}, None),
        ({"safety": ISafety()}, None, None), ({"checkNsfw": False}, None, None),
    ):  # fmt: skip
        asked = picture(**given)
        if parameter:
            error = await refused(client.imageInference(asked))
            assert error["code"] == "unsupportedParameter" and error["parameter"] == parameter, error
        else:
            ((image,),) = await draw(client, asked)
            assert image.NSFWContent is None and image.imageURL
        assert shim.sent("imageInference", asked.taskUUID)[0].get("safety") == wire, given


async def flagged(client, shim, _):
    """With a safety model that flags all: the result has no picture, and the client takes it all the same."""
    ((image,),) = await draw(client, picture(safety=ISafety(checkContent=True)))
    assert image.NSFWContent is True and image.imageUUID and image.imageURL is None


async def outside_world(client, shim, outside):
    asked = [picture(webhookURL=outside.url("/sync?token=secret")), picture(webhookURL=outside.url("/refuse")), picture(uploadEndpoint=outside.url("/put"))]
    # It sends deliveryMethod sync besides, and so gets its pictures, also where the webhook fails.
    (image,), (also,), (put,) = await draw(client, *asked)
    assert [one["deliveryMethod"] for one in shim.sent("imageInference")[-3:]] == ["sync"] * 3
    assert [one["imageUUID"] for one in await outside.results("/sync?token=secret")] == [image.imageUUID] and file_of(also)
    assert await outside.wait_for("/put") == [file_of(put)]
    ack = await client.imageInference(picture(webhookURL=outside.url("/async"), deliveryMethod="async", numberResults=2))
    images = await client.getResponse(taskUUID=ack.taskUUID, numberResults=2)
    assert {one["imageUUID"] for one in await outside.results("/async", 2)} == {image.imageUUID for image in images}


async def lost(client, shim, outside):
    """The connection breaks while a task is at work. A webhook that isn't answered keeps it at work."""
    asked = picture(taskUUID=str(uuid.uuid4()), webhookURL=outside.url("/hold"), numberResults=2)
    shim.silent.add(asked.taskUUID)  # what is sent is lost
    waiting = asyncio.create_task(client.imageInference(asked))
    await outside.wait_for("/hold")
    error = await refused(Runware.imageInference(client, picture(taskUUID=str(uuid.uuid4()), steps=1000)))
    assert error["code"] == "invalidSteps", "others go on meanwhile"
    shim.silent.clear()
    await shim.drop()
    images = await waiting
    assert sorted(image.seed for image in images) == [3, 4] and {image.status for image in images} == {"success"}
    # It sends the task again under its UUID, expects exactly conflictTaskUUID, and polls. A server has to say so of finished
    # tasks, too: a process that has ended knows nothing of them, and the next one would draw the pictures a second time.
    assert len(shim.sent("imageInference", asked.taskUUID)) == 2 and shim.sent("getResponse", asked.taskUUID)
    codes = [error["code"] for answer in shim.told for error in answer.get("errors", []) if error.get("taskUUID") == asked.taskUUID]
    assert codes == ["conflictTaskUUID"], codes
    # It opens two connections, one in the call and one a second later, and forgets the session. A server has to answer on the
    # socket that a task came by.
    await asyncio.sleep(1.5)
    assert [set(task) for task in shim.sent("authentication")] == [{"taskType", "apiKey"}] * 3 and client.isAuthenticated()
    # A task that another one's UUID is given to on purpose: the user hears of it.
    error = await refused(client.imageInference(picture(taskUUID=asked.taskUUID)))
    assert error["code"] == "conflictTaskUUID" and error["parameter"] == "taskUUID", error
    outside.release.set()


async def gone(client, shim, _):
    """A client that leaves: the pictures are in the store, and another client finds them."""
    asked = picture(taskUUID=str(uuid.uuid4()), numberResults=2, steps=200)
    leaving = Runware(api_key="another", url=shim.ws)
    await leaving.connect()
    waiting = asyncio.create_task(leaving.imageInference(asked))
    while not shim.sent("imageInference", asked.taskUUID):
        await asyncio.sleep(0.05)
    await leaving.disconnect()
    waiting.cancel()
    while not any(item.get("taskUUID") == asked.taskUUID for answer in shim.told for item in answer.get("data", [])):
        await asyncio.sleep(0.05)
    images = await client.getResponse(taskUUID=asked.taskUUID, numberResults=2)
    assert sorted(image.seed for image in images) == [3, 4]


async def play(parts, outside, *options):
    with tempfile.TemporaryDirectory() as folder:
        if options:
            options = ("--safety-model", flagging_checker(os.path.join(os.path.dirname(CHECKPOINT), "safety"), os.path.join(folder, "checker")))
        async with Shim(PROGRAM, CHECKPOINT, os.path.join(folder, "media"), FOLDER + ".jsonl", ["--allow-host", outside.host, *options]) as shim:
            client = Runware(api_key="any", url=shim.ws)
            await client.connect()
            assert shim.sent("authentication") == [{"taskType": "authentication", "apiKey": "any"}] and client.isAuthenticated()
            assert shim.headers[0]["x-sdk-name"] == "python" and shim.headers[0]["x-sdk-version"] == "0.5.24"
            for part in parts:
                begin = time.monotonic()
                await part(client, shim, outside)
                print(f"{part.__name__} {time.monotonic() - begin:.1f}", flush=True)
            # Every five seconds, without a taskUUID. Without an answer it would have broken off and begun anew.
            assert all(task == {"taskType": "ping", "ping": True} for task in shim.sent("ping")) and shim.sent("ping")
            assert {"data": [{"taskType": "ping", "pong": True}]} in shim.told
            await client.disconnect()


async def main():
    if os.path.exists(FOLDER + ".jsonl"):
        os.remove(FOLDER + ".jsonl")
    chosen = [part for part in (delivery, later, references, errors, safety, outside_world, lost, gone, flagged) if part.__name__ in sys.argv[4:] or not sys.argv[4:]]
    await play([part for part in chosen if part is not flagged], Outside())
    if flagged in chosen:
        await play([flagged], Outside(), "--safety-model")


async def whole():
    try:
        await asyncio.wait_for(main(), 380)
        os._exit(0)  # the client leaves tasks behind that would be waited for
    except BaseException:
        traceback.print_exc()
        os._exit(1)


asyncio.run(whole())
