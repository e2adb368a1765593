"""A server that answers early and closes, whatever its client still sends.

argv: a directory. It gets three sockets:
  refuse  answers at once, as a server does that has too many clients
  first   answers the first bytes that it reads
  http    answers a request once it has read its head, by the status that the request's path names

An answer of `refuse` and `first` is a message behind its length, 4 bytes big-endian. Prints "ready", and ends with stdin.
"""

import os
import socket
import struct
import sys
import threading

text = b"sorry, too many clients already"
message = struct.pack(">I", len(text)) + text


def refuse(connection):
    connection.sendall(message)


def first(connection):
    connection.recv(10)
    connection.sendall(message)


def http(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(4096)
        if chunk == b"":
            return
        head += chunk
    status = head.split(b" ")[1].lstrip(b"/")
    connection.sendall(
        b"HTTP/1.1 " + status + b" Refused\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused"
    )


def serve(name, answer):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(sys.argv[1], name))
    listener.listen(511)

    def loop():
        while True:
            connection, _ = listener.accept()
            try:
                answer(connection)
            except OSError:
                pass
            connection.close()

    threading.Thread(target=loop, daemon=True).start()


for name, answer in {"refuse": refuse, "first": first, "http": http}.items():
    serve(name, answer)
print("ready", flush=True)
sys.stdin.read()
