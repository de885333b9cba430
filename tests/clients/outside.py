"""The other machine: it has a picture, and takes webhooks and uploads. And a safety model that flags every picture."""

import asyncio
import http.server
import json
import os
import shutil
import struct
import threading

APPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc", "apple.jpg")


class Outside(http.server.ThreadingHTTPServer):
    """/apple.jpg is a picture. Keeps what is posted and put; refuses it at /refuse, and at /hold waits for `release`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []  # (path, body)
        self.release = threading.Event()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://{self.host}{path}"

    def sent(self, path):
        return [body for where, body in list(self.got) if where == path]

    async def wait_for(self, path, count=1):
        """What was sent there. A result is told as soon as it is drawn, and is sent after that."""
        while len(self.sent(path)) < count:
            await asyncio.sleep(0.05)
        return self.sent(path)

    async def results(self, path, count=1):
        return [json.loads(body)["data"][0] for body in await self.wait_for(path, count)]


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with open(APPLE, "rb") as file:
            self.answer(200, file.read())

    def do_POST(self):
        self.server.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        if self.path.startswith("/hold"):
            self.server.release.wait(25)
        self.answer(400 if self.path.startswith("/refuse") else 200)

    do_PUT = do_POST

    def log_message(self, *_):
        pass


def flagging_checker(small, folder):
    """A copy of the small safety checker that flags whatever it sees."""
    shutil.copytree(small, folder)
    weights = os.path.join(folder, "safety_checker", "model.safetensors")
    with open(weights, "rb") as file:
        data = bytearray(file.read())
    length = int.from_bytes(data[:8], "little")
    begin, end = (8 + length + offset for offset in json.loads(data[8 : 8 + length])["concept_embeds_weights"]["data_offsets"])
    data[begin:end] = struct.pack("<17f", *[-2.0] * 17)
    with open(weights, "wb") as file:
        file.write(data)
    return folder
