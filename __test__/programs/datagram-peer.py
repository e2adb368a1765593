"""Sends datagrams to a socket and prints the lengths of the answers; or receives them slowly.

datagram-peer.py client PATH
datagram-peer.py server PATH COUNT
"""

import array
import os
import socket
import sys
import time

role, path = sys.argv[1:3]
own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if role == 'client':
    own.bind(path + '-python')
    own.connect(path)
    null = os.open('/dev/null', os.O_RDONLY)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [null]))]
    own.send(b'')
    own.send(b'x')
    own.sendmsg([b'x' * 60000], rights)
    print(*(len(own.recv(100000)) for _ in range(3)))
else:
    count = int(sys.argv[3])
    own.bind(path)
    received, descriptors = [], []
    while len(received) < count:
        message, fds, _, sender = socket.recv_fds(own, 1000, 8)
        received.append(int(message))
        descriptors += fds
        if len(received) % 500 == 0:
            time.sleep(0.05)
    order = 'in order' if received == list(range(count)) else 'in disorder'
    own.sendto(b'done', sender)
    print(f'{count} {order}, {len(descriptors)} descriptor')
