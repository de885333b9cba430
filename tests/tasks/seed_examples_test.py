#!/usr/bin/env python3
"""The four examples of the seed document, unchanged, on the model that comes with the program, which takes minutes.
python3 seed_examples_test.py GLM-IMAGE CHECKPOINT

Two of them name pictures at https://assets.runware.ai. A server of this test has that name, and a certificate for it, in
namespaces of its own: nothing outside them is reached.
"""

import fcntl
import http.server
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

HOST = "assets.runware.ai"


def enter_namespaces():
    """Runs this test once more, as the user of a network and a file system of its own."""
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        return
    inside = ["unshare", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*inside, "true"], check=False, capture_output=True).returncode != 0:
        print("skipped: this machine allows no namespaces (unshare --map-root-user --mount --net)")
        sys.exit(77)
    os.execvp("unshare", [*inside, sys.executable, *sys.argv, "--inside"])


def start_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sh", b"lo", 1)  # IFF_UP
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS


def replace(file, text, folder):
    own = os.path.join(folder, os.path.basename(file))
    with open(own, "w", encoding="utf-8") as out:
        out.write(text)
    subprocess.run(["mount", "--bind", own, os.path.realpath(file)], check=True)


class Pictures(http.server.BaseHTTPRequestHandler):
    paths = []

    def do_GET(self):
        with open(os.path.join(ROOT, "doc", "apple.jpg"), "rb") as file:
            body = file.read()
        self.paths.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(folder):
    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext",
                    f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", certificate], check=True, capture_output=True)  # fmt: skip
    with open(certificate, encoding="utf-8") as file:
        replace("/etc/ssl/certs/ca-certificates.crt", file.read(), folder)
    replace("/etc/hosts", f"127.0.0.1 {HOST} localhost\n", folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Pictures)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


enter_namespaces()

from contract import MAGIC, ROOT, file_of, run  # noqa: E402

with tempfile.TemporaryDirectory() as place:
    start_loopback()
    serve(place)
    with open(os.path.join(ROOT, "tests", "tasks", "seed_examples.json"), encoding="utf-8") as examples:
        cases = json.load(examples)["cases"]
    requests = [case["request"] for case in cases]
    refused = run(requests[2:], model=os.path.join(ROOT, "models", "nano"))["errors"]
    assert [error["code"] for error in refused] == ["invalidReferenceImages"] * 2 and not Pictures.paths, "no host is allowed"
    answer = run(requests, "--allow-host", HOST, "--allow-host", "127.0.0.1:443", "--threads", "2",
                 model=os.path.join(ROOT, "models", "nano"), timeout=2300)  # fmt: skip
    assert len(cases) == 4 and list(answer) == ["data"] and len(Pictures.paths) == 2, answer
    for item, case in zip(answer["data"], cases, strict=True):
        documented = case["documentedResponse"]
        assert list(item) == [key for key in documented if key != "cost"], "cost comes with includeCost"
        assert item["taskUUID"] == documented["taskUUID"] and item["seed"] == documented["seed"]
        assert re.fullmatch(r"file:///.*/" + item["imageUUID"] + r"\.jpg", item["imageURL"])
        with open(file_of(item["imageURL"]), "rb") as picture:
            assert picture.read().startswith(MAGIC["JPG"])
print("4 examples")
