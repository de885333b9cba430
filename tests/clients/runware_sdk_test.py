#!/usr/bin/env python3
"""The Python client `runware-sdk`, by WebSocket and REST. runware_sdk_test.py GLM-IMAGE CHECKPOINT FOLDER-FOR-WHEELS"""

import asyncio
import base64
import http.server
import json
import os
import sys
import tempfile
import threading
import uuid

import wheels

PROGRAM, CHECKPOINT = sys.argv[1:3]
APPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc", "apple.jpg")
if sys.version_info < (3, 11):
    print("skipped: runware-sdk needs Python 3.11")
    sys.exit(77)
wheels.install("runware_sdk.txt", sys.argv[3])

from runware import Runware, RunwareError  # noqa: E402
from runware.utils.file import file_to_base64, file_to_data_uri  # noqa: E402
from shim import Shim  # noqa: E402


def picture(**changes):
    same = {"taskType": "imageInference", "taskUUID": str(uuid.uuid4()), "model": "runware:glm-image@0", "positivePrompt": "a red star",
            "width": 128, "height": 128, "steps": 1, "CFGScale": 1, "seed": 3}  # fmt: skip
    return {**same, **changes}


async def delivery(client, shim, _):
    asked = picture(outputFormat="PNG", seed=2**53 + 1)
    (image,) = await client.run(asked)
    # Unless it is told otherwise this client asks for async, and polls.
    assert shim.sent("imageInference")[-1] == {**asked, "deliveryMethod": "async"}, shim.sent("imageInference")[-1]
    assert shim.sent("getResponse")[-1] == {"taskType": "getResponse", "taskUUID": asked["taskUUID"]}
    assert image["seed"] == 2**53 + 1 and image["imageURL"].endswith(image["imageUUID"] + ".png")
    for method in ("sync", "async"):
        three = await client.run(picture(numberResults=3, outputType=["base64Data", "dataURI"], outputFormat="WEBP", deliveryMethod=method))
        assert sorted(image["seed"] for image in three) == [3, 4, 5] and len({image["imageUUID"] for image in three}) == 3
        assert all(base64.b64decode(image["imageBase64Data"]).startswith(b"RIFF") for image in three)
    (one,) = await client.run(picture(deliveryMethod="sync", includeCost=True, ttl=60, outputQuality=50, seed=0))
    assert one["cost"] == 0 and one["seed"] == 0


async def later(client, shim, _):
    asked = picture(deliveryMethod="sync")
    (image,) = await client.run(asked)
    (again,) = await client.get_response({"taskUUID": asked["taskUUID"]})
    assert again["imageUUID"] == image["imageUUID"] and again["status"] == "success"
    (details,) = await client.get_task_details({"taskUUID": asked["taskUUID"]})
    assert details["request"][0]["taskUUID"] == asked["taskUUID"]
    try:
        await client.get_response({"taskUUID": str(uuid.uuid4())})
        raise AssertionError("expected an error")
    except RunwareError as error:
        assert error.code == "notFound" and not error.retryable


async def references(client, shim, _):
    (upload,) = await client.image_upload({"image": file_to_base64(APPLE)})
    assert upload["imageUUID"] and upload["imageURL"]
    pictures = set()
    for reference in (file_to_data_uri(APPLE), file_to_base64(APPLE), upload["imageUUID"]):
        (image,) = await client.run(picture(inputs={"referenceImages": [reference]}, outputType="base64Data", outputFormat="PNG"))
        pictures.add(image["imageBase64Data"])
    assert len(pictures) == 1, "the same picture, however it is given"


async def errors(client, shim, transport):
    for change, parameter in (({"steps": 1000}, "steps"), ({"strength": 0.5}, "strength"), ({"safety": {"checkContent": True}}, "safety.checkContent")):
        asked = picture(deliveryMethod="sync", **change)
        try:
            await client.run(asked)
            raise AssertionError("expected an error")
        except RunwareError as error:
            assert (error.code, error.parameter, error.task_uuid) == ("validation", parameter, asked["taskUUID"]), vars(error)
            assert error.status_code == (400 if transport == "rest" else None) and not error.retryable


async def webhook(client, shim, _):
    got = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_address[1]}"
    shim.command += ["--allow-host", host]
    (image,) = await client.run(picture(webhookURL=f"http://{host}/hook"))
    assert [one["data"][0]["imageUUID"] for one in got] == [image["imageUUID"]]


async def main():
    for transport in ("rest", "websocket"):
        with tempfile.TemporaryDirectory() as media:
            async with Shim(PROGRAM, CHECKPOINT, media) as shim:
                async with Runware(api_key="any", transport=transport, http_base_url=shim.rest, ws_base_url=shim.ws) as client:
                    for part in (delivery, later, references, errors, webhook):
                        await part(client, shim, transport)
                        print(transport, part.__name__, flush=True)


asyncio.run(asyncio.wait_for(main(), 240))
