#!/usr/bin/env python3
"""The Python client `runware-sdk`, by REST and by WebSocket. runware_sdk_test.py GLM-IMAGE CHECKPOINT FOLDER-FOR-WHEELS [PART…]

Comments that begin with "A server" say what this client needs and a process for each request can't show.
"""

import asyncio
import base64
import os
import sys
import tempfile
import time
import uuid

import wheels

PROGRAM, CHECKPOINT, FOLDER = sys.argv[1:4]
os.environ["NO_PROXY"] = "127.0.0.1,localhost"  # the client obeys proxies even for ws://127.0.0.1
wheels.install("runware_sdk.txt", FOLDER)

from outside import APPLE, Outside, flagging_checker  # noqa: E402
from runware import Runware, RunwareError  # noqa: E402
from runware.types.sdk import RunOptions  # noqa: E402
from runware.utils.file import file_to_base64, file_to_data_uri  # noqa: E402
from shim import Shim  # noqa: E402

MAGIC = {"JPG": b"\xff\xd8\xff", "PNG": b"\x89PNG", "WEBP": b"RIFF"}
PNG = {"outputType": "base64Data", "outputFormat": "PNG", "deliveryMethod": "sync"}


def picture(**changes):
    same = {"taskType": "imageInference", "taskUUID": str(uuid.uuid4()), "model": "runware:glm-image@0", "positivePrompt": "a red star",
            "width": 128, "height": 128, "steps": 1, "CFGScale": 1, "seed": 3}  # fmt: skip
    return {**same, **changes}


async def draw(client, *asked):
    """Of each task its pictures. They are asked for at once."""
    return await asyncio.gather(*[client.run(one) for one in asked])


async def refused(awaitable):
    try:
        await awaitable
    except RunwareError as error:
        return error
    raise AssertionError("expected an error")


def file_of(image):
    with open(image["imageURL"].removeprefix("file://"), "rb") as file:
        return file.read()


def seeds(images):
    assert len({image["imageUUID"] for image in images}) == len(images)
    return sorted(image["seed"] for image in images)


async def delivery(client, shim, transport, _):
    several = {"numberResults": 3, "outputType": ["base64Data", "dataURI"], "outputFormat": "webp"}
    large, zero = picture(outputFormat="PNG", seed=2**53 + 1), picture(seed=0, deliveryMethod="sync", includeCost=True, ttl=60, outputQuality=50)
    now, soon, uri = picture(**several, deliveryMethod="sync"), picture(**several), picture(outputType="dataURI", outputFormat="JPEG")
    (first,), (second,), third, fourth, (fifth,) = await draw(client, large, zero, now, soon, uri)
    # Unless it is told otherwise this client asks for async, and polls. It sends what it is given, and no defaults.
    assert shim.sent("imageInference", large["taskUUID"]) == [{**large, "deliveryMethod": "async"}]
    assert shim.sent("imageInference", zero["taskUUID"]) == [zero]
    assert shim.sent("getResponse", large["taskUUID"])[0] == {"taskType": "getResponse", "taskUUID": large["taskUUID"]}
    assert first["seed"] == 2**53 + 1 and first["status"] == "success" and file_of(first).startswith(MAGIC["PNG"])
    # It only hands addresses on and fetches nothing: file:// is as good as http:// to it.
    assert first["imageURL"].startswith("file://") and first["imageURL"].endswith(f"/{first['imageUUID']}.png")
    assert second["seed"] == 0 and second["cost"] == 0 and "status" not in second and file_of(second).startswith(MAGIC["JPG"])
    for images in (third, fourth):
        assert seeds(images) == [3, 4, 5]
        assert all(base64.b64decode(image["imageBase64Data"]).startswith(MAGIC["WEBP"]) and "imageURL" not in image for image in images)
        assert all(image["imageDataURI"] == "data:image/webp;base64," + image["imageBase64Data"] for image in images)
    assert fifth["imageDataURI"].startswith("data:image/jpeg;base64,")
    for headers in [{name.lower(): value for name, value in one.items()} for one in shim.headers]:
        assert headers["user-agent"].startswith("runware-python/1.8.0 (python/"), headers
        assert transport == "websocket" or (headers["authorization"], headers["content-type"]) == ("Bearer any", "application/json")


async def later(client, shim, transport, _):
    asked = picture(deliveryMethod="sync", numberResults=3, steps=100)
    told = []
    images = await client.run(asked, RunOptions(on_result=told.append))
    assert [image["seed"] for image in told] == [3, 4, 5], "each result is told as it comes"
    again = await client.get_response({"taskUUID": asked["taskUUID"]})
    assert shim.sent("getResponse")[-1] == {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}
    assert {image["imageUUID"] for image in again} == {image["imageUUID"] for image in images} and {image["status"] for image in again} == {"success"}
    (details,) = await client.get_task_details({"taskUUID": asked["taskUUID"]})
    assert shim.sent("getTaskDetails") == [{"taskType": "getTaskDetails", "taskUUID": asked["taskUUID"]}]
    assert details["request"] == [asked] and details["response"] == {"data": again}
    error = await refused(client.get_response({"taskUUID": str(uuid.uuid4())}))
    assert error.code == "notFound" and not error.retryable and error.status_code == (404 if transport == "rest" else None)
    # A server has to answer getResponse in one frame: the client takes the first one for the whole answer, and the next
    # ones for the answer to whatever it asks of this task then.
    shim.one_by_one = True
    assert len(await client.get_response({"taskUUID": asked["taskUUID"]})) == (1 if transport == "websocket" else 3)
    shim.one_by_one = False


async def references(client, shim, _, outside):
    (upload,) = await client.image_upload({"image": file_to_base64(APPLE)})
    (sent,) = shim.sent("imageUpload")
    assert set(sent) == {"taskType", "taskUUID", "image"} and sent["image"] == file_to_base64(APPLE), "its helper sends no type"
    assert upload["imageUUID"] and upload["imageURL"]
    with open(APPLE, "rb") as file:
        untyped = file_to_data_uri(file.read())
    assert untyped.startswith("data:application/octet-stream;base64,"), "of bytes its helper knows no type"
    given = [file_to_data_uri(APPLE), untyped, file_to_base64(APPLE), upload["imageUUID"], outside.url("/apple.jpg")]
    results = await draw(client, *[picture(**PNG, inputs={"referenceImages": [one]}) for one in given])
    assert len({image["imageBase64Data"] for (image,) in results}) == 1, "the same picture, however it is given"
    # A server has to give http:// addresses, and take its own: the address of a result can't be a reference today.
    error = await refused(client.run(picture(inputs={"referenceImages": [upload["imageURL"]]})))
    assert (error.code, error.parameter) == ("validation", "inputs.referenceImages"), error
    error = await refused(client.run(picture(inputs={"referenceImages": [str(uuid.uuid4())]})))
    assert (error.code, error.parameter) == ("notFound", "inputs.referenceImages"), error
    # imageUpload is deprecated there in favour of mediaStorage, which the task interface hasn't got yet.
    error = await refused(client.media_storage({"operation": "upload", "media": given[2]}))
    assert error.code == "validation" and error.parameter == "taskType", error
    assert set(shim.sent("mediaStorage")[0]) == {"taskType", "taskUUID", "operation", "media"}


async def errors(client, shim, transport, _):
    for change, parameter in (
        ({"steps": 1000}, "steps"), ({"strength": 0.5}, "strength"), ({"deliveryMethod": "sync", "seed": -1}, "seed"), ({"model": "a:b@c"}, "model"),
        # This client has no class for safety: what a user writes is sent.
        ({"safety": {"checkContent": True}}, "safety.checkContent"), ({"safety": {"checkInputs": True}}, "safety.checkInputs"),
        ({"safety": {"mode": "full"}}, "safety.mode"),
    ):  # fmt: skip
        asked = picture(**change)
        error = await refused(client.run(asked))
        assert (error.code, error.parameter, error.task_uuid, error.task_type) == ("validation", parameter, asked["taskUUID"], "imageInference")
        assert error.status_code == (400 if transport == "rest" else None) and not error.retryable
        assert len(shim.sent("imageInference", asked["taskUUID"])) == 1, "it isn't tried again"
    ((image,),) = await draw(client, picture(safety={"checkContent": False, "mode": "none"}))
    assert "NSFWContent" not in image


async def outside_world(client, shim, transport, outside):
    hooked, put = picture(webhookURL=outside.url(f"/hook?{transport}")), picture(uploadEndpoint=outside.url(f"/put?{transport}"))
    (image,), (also,) = await draw(client, hooked, put)
    assert [one["imageUUID"] for one in await outside.results(f"/hook?{transport}")] == [image["imageUUID"]]
    assert await outside.wait_for(f"/put?{transport}") == [file_of(also)]


async def undelivered(client, shim, transport, outside):
    """The picture is drawn, but its webhook fails. The error beside it costs the client the picture: a server must not tell it so."""
    asked = picture(webhookURL=outside.url("/refuse"), deliveryMethod="sync")
    if transport == "rest":
        error = await refused(client.run(asked))
        assert (error.code, error.parameter) == ("unknown", "webhookURL"), error
    else:
        # The error comes after the picture, when nobody waits for it. Were another task at work, the client would tell it to that one.
        (image,) = await client.run(asked)
        assert image["imageURL"]
        while not any(error["code"] == "webhookFailed" for answer in shim.told for error in answer.get("errors", [])):
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # The client shares this event loop. Here it gets the time to read the error.
    (image,) = await client.get_response({"taskUUID": asked["taskUUID"]})
    assert image["status"] == "success" and file_of(image), "asked for later, the picture is there without an error"
    (details,) = await client.get_task_details({"taskUUID": asked["taskUUID"]})
    assert list(details["response"]) == ["data"], details


async def lost(client, shim, transport, outside):
    """The connection breaks while tasks are at work. A webhook that isn't answered keeps them at work."""
    now, soon = (picture(webhookURL=outside.url(f"/hold?{transport}{method}"), deliveryMethod=method) for method in ("sync", "async"))
    shim.silent |= {now["taskUUID"], soon["taskUUID"]}
    waiting = [asyncio.create_task(client.run(one)) for one in (now, soon)]
    for method in ("sync", "async"):
        await outside.wait_for(f"/hold?{transport}{method}")
    if transport == "websocket":
        shim.silent.clear()
        await shim.drop()
    error = await refused(waiting[0])
    if transport == "rest":
        # It posts again after each break, and doesn't know what a conflict means then. A server can let the second POST wait for
        # the first one's results.
        for each in (error, await refused(waiting[1])):
            assert (each.code, each.parameter) == ("validation", "taskUUID"), each
    else:
        # A sync task isn't sent again. An async one is, and a conflict counts as its acknowledgement.
        assert error.code == "connection" and error.retryable and len(shim.sent("imageInference", now["taskUUID"])) == 1
        (image,) = await waiting[1]
        assert image["status"] == "success" and len(shim.sent("imageInference", soon["taskUUID"])) == 2
        first, second = shim.sent("authentication")
        session = next(answer["data"][0] for answer in shim.told if answer.get("data", [{}])[0].get("taskType") == "authentication")
        assert second == {**first, "connectionSessionUUID": session["connectionSessionUUID"]} and first == {"taskType": "authentication", "apiKey": "any"}
    for one in (now, soon):
        (image,) = await client.get_response({"taskUUID": one["taskUUID"]})
        assert file_of(image), "what was drawn is there to be asked for"
    outside.release.set()


async def gone(client, shim, transport, _):
    """A client that leaves: the pictures are in the store, and another client finds them."""
    asked, leaving = picture(numberResults=2, steps=200, deliveryMethod="sync"), asyncio.Event()
    async with client_of(shim, transport) as other:
        waiting = asyncio.create_task(other.run(asked, RunOptions(cancel_event=leaving)))
        while not shim.sent("imageInference", asked["taskUUID"]):
            await asyncio.sleep(0.05)
        leaving.set()
        assert (await refused(waiting)).code == "aborted"
    while not any(item.get("taskUUID") == asked["taskUUID"] for answer in shim.told for item in answer.get("data", [])):
        await asyncio.sleep(0.05)
    images = [{"status": "processing"}]
    while images[0]["status"] == "processing":
        images = await client.get_response({"taskUUID": asked["taskUUID"]})
    assert seeds(images) == [3, 4]


async def flagged(client, shim, transport, _):
    """With a safety model that flags all: a result has no picture."""
    (image,) = await client.run(picture(safety={"checkContent": True}))
    assert image["NSFWContent"] is True and image["imageUUID"] and "imageURL" not in image, "async has status success, and so ends"
    # With neither status success nor a picture this client would wait for 20 minutes over WebSocket.
    (image,) = await client.run(picture(safety={"mode": "fast"}, deliveryMethod="sync"), RunOptions(timeout=20_000))
    assert image["NSFWContent"] is True and image["status"] == "success"


def client_of(shim, transport):
    return Runware(api_key="any", transport=transport, http_base_url=shim.rest, ws_base_url=shim.ws)


async def play(parts, transport, *options):
    outside = Outside()
    with tempfile.TemporaryDirectory() as folder:
        if options:
            options = ("--safety-model", flagging_checker(os.path.join(os.path.dirname(CHECKPOINT), "safety"), os.path.join(folder, "checker")))
        async with Shim(PROGRAM, CHECKPOINT, os.path.join(folder, "media"), FOLDER + ".jsonl", ["--allow-host", outside.host, *options]) as shim:
            async with client_of(shim, transport) as client:
                for part in parts:
                    begin = time.monotonic()
                    await part(client, shim, transport, outside)
                    print(f"{transport} {part.__name__} {time.monotonic() - begin:.1f}", flush=True)


async def main():
    if os.path.exists(FOLDER + ".jsonl"):
        os.remove(FOLDER + ".jsonl")
    every = (delivery, later, references, errors, outside_world, undelivered, lost, gone, flagged)
    chosen = [part for part in every if part.__name__ in sys.argv[4:] or not sys.argv[4:]]
    async def over(transport):
        await play([part for part in chosen if part is not flagged], transport)
        if flagged in chosen:
            await play([flagged], transport, "--safety-model")

    await asyncio.gather(over("rest"), over("websocket"))


asyncio.run(asyncio.wait_for(main(), 380))
