#!/usr/bin/env python3
"""A web server that behaves as the path says, for the tests of the network.  server.py [CERTIFICATE]

Prints its port. It ends with its standard input. CERTIFICATE: a file with a key and a certificate, for https.
/requests answers what has come in on other paths since it was last asked, each as its head and its body; /connections how
many connections there were, without its own.
"""
import os
import socket
import ssl
import struct
import sys
import threading
import time

requests, connections, counts, lock = [], [0], {}, threading.Lock()


def answer(status="200 OK", *headers, body=b"hello"):
    head = "".join(f"{header}\r\n" for header in (f"HTTP/1.1 {status}", *headers))
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def read_request(client):
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return None, b""
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    if b" /refuse-early " in head:  # and closes with bytes unread, which resets the connection
        return None, b""
    if b" /early " in head:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        return None, b""
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        more = client.recv(65536)
        if not more:
            break
        body += more
    return head, body


def send_slowly(client, pieces, pause):
    for piece in pieces:
        client.sendall(piece)
        time.sleep(pause)


def fails_first(path):
    """/flaky/N/NAME: 503 to the first N requests of this path, then 200."""
    _, _, first, _ = path.split("/")
    with lock:
        counts[path] = counts.get(path, 0) + 1
        return answer("503 Not Yet") if counts[path] <= int(first) else answer()


def behave(client, path, own_port):
    name, _, rest = path[1:].partition("/")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    if name == "status":
        client.sendall(answer(f"{rest} Word"))
    elif name == "status-then-stall":
        send_slowly(client, [f"HTTP/1.1 {rest} Word\r\nContent-Length: 100\r\n\r\n".encode()], 60)
    elif name == "flaky":
        client.sendall(fails_first(path))
    elif name == "redirect":
        client.sendall(answer("302 Found", "Location: " + rest.replace("OWN", f"http://127.0.0.1:{own_port}/target")))
    elif name == "stall":
        time.sleep(60)
    elif name == "stall-in-body":
        send_slowly(client, [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", b""], 60)
    elif name == "trickle":
        send_slowly(client, [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"] + [b"x"] * 100, 1)
    elif name == "slow":
        time.sleep(float(rest))
        client.sendall(answer())
    elif name == "too-short":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    elif name == "too-long":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more")
    elif name == "cut-chunks":
        client.sendall(chunked + b"5\r\nhello\r\n")
    elif name == "lying-type":
        client.sendall(answer("200 OK", "Content-Type: image/png", body=b"<html>"))
    elif name == "size":
        client.sendall(answer(body=bytes(int(rest))))
    elif name == "announced":
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {rest}\r\n\r\n".encode())
        time.sleep(60)
    elif name == "endless":
        client.sendall(chunked)
        while True:
            client.sendall(chunk)
    elif name == "gzip":
        client.sendall(answer("200 OK", "Content-Encoding: gzip", body=b"\x1f\x8b raw"))
    elif name == "http09":
        client.sendall(b"hello")
    elif name == "one-header":
        client.sendall(answer("200 OK", "X: " + "x" * int(rest)))
    elif name == "long-status":
        client.sendall(b"HTTP/1.1 200 " + b"x" * int(rest))
    elif name == "many-headers":
        client.sendall(answer("200 OK", *(f"X{i}: {'x' * 1000}" for i in range(int(rest)))))
    elif name == "endless-headers":
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            client.sendall(b"X: " + b"x" * 1000 + b"\r\n")
    elif name == "endless-interim":
        while True:
            client.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    elif name == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif name == "ok-then-reset":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif name == "cookie":
        client.sendall(answer("200 OK", "Set-Cookie: a=b; Path=/"))
    elif name == "nothing":
        pass
    else:
        client.sendall(answer())


def serve(client, own_port):
    try:
        with client:
            head, body = read_request(client)
            if head is None:
                return
            path = head.split(b" ")[1].decode()
            with lock:
                if path == "/requests":
                    client.sendall(answer(body=b"".join(requests)))
                    requests.clear()
                    return
                if path == "/connections":
                    connections[0] -= 1
                    client.sendall(answer(body=str(connections[0]).encode()))
                    return
                requests.append(head + b"\r\n\r\n" + body + b"\n")
            behave(client, path, own_port)
    except OSError:
        pass  # the client has gone


def accept(listener, context):
    while True:
        client = listener.accept()[0]
        with lock:
            connections[0] += 1
        try:
            client.settimeout(90)
            client = context.wrap_socket(client, server_side=True) if context else client
        except OSError:
            client.close()
            continue
        threading.Thread(target=serve, args=(client, listener.getsockname()[1]), daemon=True).start()


def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
