"""Listens at a path that every user may connect to, and passes the listener to a child when a line comes in.

Arguments: the path, and the child's command, to which the descriptor's number is added.
"""

import os
import socket
import subprocess
import sys

path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o777)
listener.listen(8)
print("bound", flush=True)
os.read(0, 1)
sys.exit(subprocess.call([*command, str(listener.fileno())], pass_fds=[listener.fileno()]))
