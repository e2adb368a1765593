"""Gives one end of a pair of packet sockets to a child, whose last argument is its number, sends to it, and prints what comes back.

packet-parent.py COMMAND...
"""

import socket
import subprocess
import sys

ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
number = theirs.fileno()
child = subprocess.Popen([*sys.argv[1:], str(number)], pass_fds=[number])
theirs.close()
for record in (b'one', b'', b'three'):
    ours.send(record)
ours.shutdown(socket.SHUT_WR)
print(*(len(ours.recv(1000)) for _ in range(3)), child.wait(), flush=True)
