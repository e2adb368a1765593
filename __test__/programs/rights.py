"""A peer that sends descriptors, with the credentials of the sender.

"ROLE WHAT PATH [COMMAND...]". ROLE: "client" connects to PATH, "server" listens there for one client, "parent" listens
there (with credentials passed on, for WHAT "mixed"), is its own client, and starts COMMAND with the number of the
listening descriptor behind.

WHAT "linger": a byte with a TCP socket whose last close blocks for 3 seconds. "mixed": a byte, and once the other side
has made PATH.busy, four more in messages with descriptors, without, and from another process; then PATH.sent is made.
Both keep the connection until the other side ends it.
"""

import array
import os
import socket
import struct
import subprocess
import sys
import time

role, what, path, *command = sys.argv[1:]


def lingering():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    client = socket.socket()
    client.connect(server.getsockname())
    peer, _ = server.accept()
    client.setblocking(False)
    try:
        while True:
            client.send(b"x" * 65536)
    except BlockingIOError:
        pass
    client.setblocking(True)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3))
    return client, peer


def send(connection, data, descriptor):
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
    try:
        connection.sendmsg([data], [rights])
    except PermissionError:
        connection.sendall(data)


def begin(connection):
    if what == "linger":
        global kept
        gift, kept = lingering()
        send(connection, b"x", gift.fileno())
        gift.close()
    else:
        connection.sendall(b"a")


def go_on(connection):
    if what == "mixed":
        while not os.path.exists(path + ".busy"):
            time.sleep(0.01)
        gift = os.open("/dev/null", os.O_RDONLY)
        send(connection, b"b", gift)
        connection.sendall(b"c")
        if os.fork() == 0:
            connection.sendall(b"d")
            os._exit(0)
        os.wait()
        send(connection, b"e", gift)
        open(path + ".sent", "w").close()
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass


def connected():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


if role == "client":
    connection = connected()
    begin(connection)
    go_on(connection)
else:
    listener = socket.socket(socket.AF_UNIX)
    if role == "parent" and what == "mixed":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    listener.bind(path)
    listener.listen(8)
    if role == "server":
        print("listening", flush=True)
        connection, _ = listener.accept()
        begin(connection)
        go_on(connection)
    else:
        connection = connected()
        begin(connection)
        child = subprocess.Popen([*command, str(listener.fileno())], pass_fds=[listener.fileno()])
        listener.close()
        go_on(connection)
        sys.exit(child.wait())
