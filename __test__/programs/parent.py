"""Makes a descriptor of a kind, passes it to a child, and accepts one connection itself when the child has ended.

Arguments: the kind, the socket's path, the child's command, to which the descriptor's number is added.
"""

import os
import socket
import subprocess
import sys

kind, path, *command = sys.argv[1:]


def bound(type):
    made = socket.socket(socket.AF_UNIX, type)
    made.bind(path)
    return made


if kind == "listener":
    made = bound(socket.SOCK_STREAM)
    os.chmod(path, 0o640)
    made.listen(8)
elif kind == "stream that does not listen":
    made = bound(socket.SOCK_STREAM)
elif kind == "connection":
    made, peer = socket.socketpair()
elif kind == "tcp":
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(8)
elif kind == "datagrams":
    made = bound(socket.SOCK_DGRAM)
elif kind == "packets":
    made = bound(socket.SOCK_SEQPACKET)
    made.listen(8)
elif kind == "file":
    made = open(path, "w")
elif kind == "pipe":
    made = os.fdopen(os.pipe()[0], "rb")
else:
    made = None

given = () if made is None else (made.fileno(),)
number = given[0] if given else 999
status = subprocess.call([*command, str(number)], pass_fds=given)
print("child ended", flush=True)
if kind == "listener" and status == 0:
    # The child has made it non-blocking: that belongs to the socket, not to the descriptor.
    made.setblocking(True)
    connection, _ = made.accept()
    connection.sendall(b"from the parent")
    connection.close()
    # The other options of the socket are as they were: descriptors can be sent to clients that the parent accepts.
    sender = socket.socket(socket.AF_UNIX)
    sender.connect(path)
    taker, _ = made.accept()
    socket.send_fds(sender, [b"x"], [0])
    _, taken, _, _ = socket.recv_fds(taker, 1, 1)
    print(f"{len(taken)} descriptor taken", flush=True)
sys.exit(status)
