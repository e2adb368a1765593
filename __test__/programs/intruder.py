"""Another user, which connects to a path in a loop until its input ends, and prints how often it tried and succeeded.

Argument: the path.
"""

import os
import select
import socket
import sys

os.setgroups([])
os.setgid(1234)
os.setuid(1234)
tries = refused = through = 0
print("trying", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(200):
        tries += 1
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            try:
                client.connect(sys.argv[1])
                through += 1
            except PermissionError:
                refused += 1
            except BlockingIOError:
                # A full backlog: the permissions were no obstacle.
                through += 1
            except (FileNotFoundError, ConnectionRefusedError):
                pass
print('{"tries": %d, "refused": %d, "through": %d}' % (tries, refused, through))
