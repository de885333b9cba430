#!/usr/bin/env python3
"""The other machine of README's examples: gives the pictures of doc/, prints what is posted, keeps what is put.

python3 doc/tasks/server.py [PORT]     8010, unless another is given
"""

import http.server
import os
import sys

DOC = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Server(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments):
        super().__init__(*arguments, directory=DOC)

    def do_POST(self):
        self.take(lambda body: print(body.decode(), flush=True))

    def do_PUT(self):
        def keep(body):
            with open(os.path.basename(self.path), "wb") as file:
                file.write(body)
            print("kept", file.name, flush=True)

        self.take(keep)

    def take(self, use):
        use(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8010), Server).serve_forever()
