"""What the tests of real clients speak to: WebSocket and REST in front of glm-image run, one process for each request.

It knows as little as it can. The array that a client sends goes to the program as it is, and what the program prints goes
back: line by line over WebSocket, so that an acknowledgement comes before its pictures, and whole over REST.
"""

import asyncio
import http.server
import json
import subprocess
import threading

from websockets.asyncio.server import serve

MOST = 64 << 20  # bytes of a line


class Shim:
    def __init__(self, program, checkpoint, media):
        self.command = [program, "run", "-", "-q", "--threads", "1", "--device", "cpu", "-m", checkpoint, "--media", media]
        self.requests = []  # every task that came, as it came
        self.tasks = set()

    async def __aenter__(self):
        self.server = await serve(self.speak, "127.0.0.1", 0, max_size=MOST)
        self.ws = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        shim = self

        class Rest(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                shim.requests += json.loads(text)
                done = subprocess.run(shim.command, input=text, stdout=subprocess.PIPE, check=False)
                answer = json.loads(done.stdout)
                missing = all(error["code"].endswith("NotFound") for error in answer.get("errors", []))
                self.send_response(200 if "data" in answer else 404 if missing else 400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(done.stdout)))
                self.end_headers()
                self.wfile.write(done.stdout)

            def log_message(self, *_):
                pass

        self.rest_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest)
        threading.Thread(target=self.rest_server.serve_forever, daemon=True).start()
        self.rest = f"http://127.0.0.1:{self.rest_server.server_address[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.rest_server.shutdown()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def speak(self, socket):
        async for message in socket:
            task = asyncio.create_task(self.answer(socket, message))
            self.tasks.add(task)

    async def answer(self, socket, message):
        asked = json.loads(message)
        self.requests += asked
        # An earlier task's results are one frame: a client counts the items of each.
        later = all(task["taskType"] in ("getResponse", "getTaskDetails") for task in asked)
        command = self.command + ([] if later else ["--stream"])
        program = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, limit=MOST)
        program.stdin.write(message.encode())
        program.stdin.close()
        async for line in program.stdout:
            try:
                await socket.send(line.decode())
            except Exception:  # the client has gone; the program goes on
                await program.stdout.read()
        await program.wait()

    def sent(self, kind):
        return [task for task in self.requests if task["taskType"] == kind]
