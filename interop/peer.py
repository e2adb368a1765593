"""One conversation over a Unix-domain socket:
  python3 peer.py listen|connect ADDRESS echo|endsLast|endsFirst
ADDRESS is a path, or `@name` for an abstract name, where every `@` stands for a zero byte.
Prints `listening` once it listens, and at the end the SHA-256 of what it received.
"""

import hashlib
import socket
import sys


def address(argument):
    return argument.replace("@", "\0").encode() if argument.startswith("@") else argument


def connection(role, path):
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if role == "connect":
        endpoint.connect(path)
        return endpoint
    endpoint.bind(path)
    endpoint.listen()
    print("listening", flush=True)
    with endpoint:
        return endpoint.accept()[0]


def converse(peer, manner):
    received = hashlib.sha256()
    if manner == "endsFirst":
        peer.sendall(b"greeting")
        peer.shutdown(socket.SHUT_WR)
    while chunk := peer.recv(65536):
        received.update(chunk)
        if manner == "echo":
            peer.sendall(chunk)
    if manner == "endsLast":
        peer.sendall(received.hexdigest().encode())
    peer.close()
    print(received.hexdigest(), flush=True)


role, argument, manner = sys.argv[1:]
converse(connection(role, address(argument)), manner)
