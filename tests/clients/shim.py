"""What the tests of real clients speak to: WebSocket and REST in front of glm-image run, one process for each request.

It knows as little as it can. The array that a client sends goes to the program as it is, and what the program prints goes
back: line by line over WebSocket, so that an acknowledgement comes before its pictures, and whole over REST. What a server
has to do beyond that is what the tests say in their comments.
"""

import asyncio
import contextlib
import copy
import http.server
import json
import subprocess
import threading
import uuid

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

MOST = 64 << 20  # bytes of a line
LATER = ("getResponse", "getTaskDetails")
# What the program answers to these is asked once, and then told at once. A server has to do so, too: `runware` opens another
# connection after 0.7 seconds of silence, and waits for ever when it has two.
GREETINGS = {"authentication": {"taskType": "authentication", "apiKey": "any"}, "ping": {"taskType": "ping", "ping": True}}


class Shim:
    """record: a file for what the clients send, a line of raw JSON for each request."""

    def __init__(self, program, checkpoint, media, record, options=()):
        self.command = [program, "run", "-", "-q", "--threads", "1", "--device", "cpu", "-m", checkpoint, "--media", media, *options]
        self.record = open(record, "a", encoding="utf-8")
        self.requests = []  # every task that came, as it came
        self.headers = []  # of every connection and POST
        self.told = []  # every answer, and every line of one
        self.silent = set()  # taskUUIDs of which the client hears nothing
        self.one_by_one = False  # whether getResponse's items are told in a frame each
        self.greetings = {}  # by taskType what the program answers
        self.sockets = set()
        self.tasks = set()

    async def __aenter__(self):
        for kind in GREETINGS:
            done = subprocess.run(self.command, input=json.dumps([GREETINGS[kind]]), stdout=subprocess.PIPE, check=True, text=True)
            self.greetings[kind] = json.loads(done.stdout)
        self.server = await serve(self.speak, "127.0.0.1", 0, max_size=MOST)
        self.ws = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        self.rest_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest)
        self.rest_server.shim = self
        threading.Thread(target=self.rest_server.serve_forever, daemon=True).start()
        self.rest = f"http://127.0.0.1:{self.rest_server.server_address[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.rest_server.shutdown()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self.record.close()

    def came(self, text):
        self.record.write(text + "\n")
        asked = json.loads(text)
        self.requests += asked
        return asked

    async def speak(self, socket):
        self.headers.append(dict(socket.request.headers))
        self.sockets.add(socket)
        with contextlib.suppress(ConnectionClosed):
            await self.listen(socket)
        self.sockets.discard(socket)

    async def listen(self, socket):
        first = True
        async for message in socket:
            asked = self.came(message)
            assert not first or asked[0]["taskType"] == "authentication", "a socket's first message has the key"
            first = False
            if asked[0]["taskType"] in GREETINGS:
                await self.greet(socket, asked[0]["taskType"])
            else:
                self.tasks.add(asyncio.create_task(self.answer(socket, message, asked)))

    async def greet(self, socket, kind):
        answer = copy.deepcopy(self.greetings[kind])
        if kind == "authentication":
            answer["data"][0]["connectionSessionUUID"] = str(uuid.uuid4())  # each session has its own
        self.told.append(answer)
        with contextlib.suppress(ConnectionClosed):
            await socket.send(json.dumps(answer))

    async def answer(self, socket, message, asked):
        # What is known of an earlier task is one frame: see runware_sdk_test.py, "later".
        later = all(task["taskType"] in LATER for task in asked) and not self.one_by_one
        command = self.command + ([] if later else ["--stream"])
        program = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, limit=MOST)
        program.stdin.write(message.encode())
        program.stdin.close()
        async for line in program.stdout:
            answer = json.loads(line)
            items = answer.get("data", []) + answer.get("errors", [])
            if not any(item.get("taskUUID") in self.silent for item in items):
                with contextlib.suppress(ConnectionClosed):  # the client may have gone; the program goes on
                    await socket.send(line.decode())
            self.told.append(answer)
        assert await program.wait() in (0, 1), program.returncode

    async def drop(self):
        """Closes every socket, as a server does that restarts."""
        for socket in list(self.sockets):
            await socket.close(1012)

    def sent(self, kind, task_uuid=None):
        return [task for task in self.requests if task["taskType"] == kind and task_uuid in (None, task.get("taskUUID"))]


class Rest(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        shim = self.server.shim
        text = self.rfile.read(int(self.headers["Content-Length"]))
        shim.headers.append(dict(self.headers))
        asked = shim.came(text.decode())
        lost = {task.get("taskUUID") for task in asked} & shim.silent
        if lost:  # once: the connection breaks while the program is at work
            shim.silent -= lost
            threading.Thread(target=subprocess.run, args=(shim.command,), kwargs={"input": text, "capture_output": True}, daemon=True).start()
            self.close_connection = True
            return
        done = subprocess.run(shim.command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        answer = json.loads(done.stdout)
        shim.told.append(answer)
        missing = all(error["code"].endswith("NotFound") for error in answer.get("errors", []))
        try:
            self.send_response(200 if "data" in answer else 404 if missing else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(done.stdout)))
            self.end_headers()
            self.wfile.write(done.stdout)
        except OSError:  # the client has gone
            pass

    def log_message(self, *_):
        pass
