"""Sends unasked descriptors.

"serve PATH SIZE COUNT EACH": to each client of PATH, COUNT messages of SIZE bytes with EACH descriptors; a message
whose descriptors are refused goes without them.
"queue PATH SIZE COUNT EACH COMMAND...": from a client of its own into the queue of a listener, which the child then gets.

Prints, as JSON, how many bytes and descriptors were sent, how many descriptors were refused, and whether no copy of them
was left in the end.
"""

import json
import os
import select
import socket
import subprocess
import sys

SO_SNDBUFFORCE = 32
role, path, size, count, each, *command = sys.argv[1:]
reading, gift = os.pipe()
done = {"bytes": 0, "sent": 0, "refused": 0}


def give(connection):
    message = b"x" * int(size)
    gifts = [gift] * int(each)
    for _ in range(int(count)):
        try:
            taken = socket.send_fds(connection, [message], gifts)
            done["sent"] += len(gifts)
        except PermissionError:
            taken = 0
            done["refused"] += len(gifts)
        connection.sendall(message[taken:])
        done["bytes"] += len(message)
    connection.shutdown(socket.SHUT_WR)


listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(1)
if role == "serve":
    print("listening", flush=True)
    connection, _ = listener.accept()
    give(connection)
    while connection.recv(4096):
        pass
else:
    connection = socket.socket(socket.AF_UNIX)
    connection.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
    connection.connect(path)
    connection.settimeout(20)
    give(connection)
    status = subprocess.call([*command, str(listener.fileno())], pass_fds=[listener.fileno()])
    if status != 0:
        sys.exit(status)
connection.close()
os.close(gift)
ready, _, _ = select.select([reading], [], [], 20)
done["gone"] = ready != [] and os.read(reading, 1) == b""
print(json.dumps(done))
