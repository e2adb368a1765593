"""A client of another user: connects, sends "hello", and prints what comes back until the end.

Arguments: the path, the user, the group, supplementary groups ("1,2" or "") and how many connections, which are all made
before the first is read. Prints a JSON array of what each read, or of the error's name; "connected" before it.
"""

import errno
import json
import os
import socket
import sys

path, uid, gid, groups, count = sys.argv[1:]
os.setgroups([int(group) for group in groups.split(",") if group])
os.setgid(int(gid))
os.setuid(int(uid))
clients = []
for _ in range(int(count)):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    try:
        client.sendall(b"hello" * 1000)
    except BrokenPipeError:
        pass
    clients.append(client)
print("connected", flush=True)
outcomes = []
for client in clients:
    received = b""
    try:
        while piece := client.recv(4096):
            received += piece
        outcomes.append(received.decode())
    except OSError as error:
        outcomes.append(errno.errorcode[error.errno])
print(json.dumps(outcomes))
