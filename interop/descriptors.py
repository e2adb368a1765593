"""Passes descriptors over a connection.

argv: a role and the path of the listener
  echo       sends back each message with its descriptors, in reverse order, until the peer's end
  supervise  gives its peer a listening socket, and is a client of it; a third argument is the path of that one
"""
import os
import socket
import sys


def connected(path):
    own = socket.socket(socket.AF_UNIX)
    own.connect(path)
    return own


def echo(path):
    with connected(path) as peer:
        while True:
            message, fds, flags, _ = socket.recv_fds(peer, 65536, 253)
            if not message:
                return
            assert not flags & socket.MSG_CTRUNC
            if fds:
                socket.send_fds(peer, [message], fds[::-1])
            else:
                peer.sendall(message)
            for fd in fds:
                os.close(fd)


def supervise(path, place):
    with connected(path) as peer:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place)
            listener.listen()
            socket.send_fds(peer, [b"serve this"], [listener.fileno()])
        # The listening socket lives on in the peer alone.
        with connected(place) as client:
            client.sendall(b"ping")
            print(client.recv(100).decode())


{"echo": echo, "supervise": supervise}[sys.argv[1]](*sys.argv[2:])
