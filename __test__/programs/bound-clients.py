"""Clients that have bound themselves, each to an address of its own.

Arguments: the listener's address, then the clients', all in hexadecimal, as the bytes that follow the family. Each client
binds, connects, sends its number as four bytes, and reads the same four bytes back and then the end.
Python itself refuses to bind to 108 bytes, so this calls the C library.
"""

import ctypes
import errno
import socket
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)


def call(function, client, path):
    address = struct.pack("=H", socket.AF_UNIX) + path
    if function(client.fileno(), address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), "bind or connect", path)


def bind(client, path):
    deadline = time.monotonic() + 20
    while True:
        try:
            return call(libc.bind, client, path)
        except OSError as error:
            # Another run of the suite may have a very short name for a moment.
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


listener, *own = [bytes.fromhex(argument) for argument in sys.argv[1:]]
for number, path in enumerate(own):
    with socket.socket(socket.AF_UNIX) as client:
        bind(client, path)
        call(libc.connect, client, listener)
        message = struct.pack("!I", number)
        client.sendall(message)
        answer = b""
        while chunk := client.recv(100):
            answer += chunk
        assert answer == message, (number, answer)
