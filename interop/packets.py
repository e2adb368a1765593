"""A foreign peer for records (SOCK_SEQPACKET).

packets.py listen|connect|return PATH

Sends 'hello', an empty record and a record of 50,000 bytes, ends its direction, and then prints the lengths of all records that it receives, up
to the end. Linux tells an empty record from the end by the record's time, which recvmsg(2) reports after SO_TIMESTAMP.

return: connects, and sends each record back, with the descriptors that came with it in reverse order, up to the end.
"""

import os
import socket
import sys

role, path = sys.argv[1:]
if path.startswith('@'):
    path = '\0' + path[1:]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if role == 'listen':
    listener = sock
    listener.bind(path)
    listener.listen(4)
    print('listening', flush=True)
    sock, _ = listener.accept()
else:
    sock.connect(path)
if role == 'return':
    while True:
        record, fds, _flags, _address = socket.recv_fds(sock, 1 << 16, 253)
        if not record:
            sys.exit()
        socket.send_fds(sock, [record], fds[::-1])
        for fd in fds:
            os.close(fd)
sock.setsockopt(socket.SOL_SOCKET, 29, 1)
for record in (b'hello', b'', b'p' * 50_000):
    sock.send(record)
sock.shutdown(socket.SHUT_WR)
lengths = []
while True:
    record, ancillary, _flags, _address = sock.recvmsg(1 << 20, 1024)
    if not record and not ancillary:
        break
    lengths.append(len(record))
print('received', *lengths, flush=True)
