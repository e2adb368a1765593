"""Listens, becomes another user, and sends that user's name to each client. Arguments: the path, the user."""

import os
import socket
import sys

path, uid = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(8)
os.setuid(int(uid))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        try:
            connection.sendall(b"accepted as %d" % os.getuid())
        except BrokenPipeError:
            pass
