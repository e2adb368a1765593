# Gives a bound socket and one of a pair, both for datagrams, to the command that follows the path of the first; prints what comes back.
import os, socket, subprocess, sys

path = sys.argv[1]
bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
bound.bind(path)
own, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
client.bind(path + '-client')
fds = [bound.fileno(), given.fileno()]
own.send(b'to the pair')
client.sendto(b'to the bound one', path)
client.sendto(b'', path)
child = subprocess.Popen(sys.argv[2:] + [str(fd) for fd in fds], pass_fds=fds, stdout=subprocess.PIPE)
bound.close()
given.close()
for received in [own.recv(100), client.recv(100), client.recv(100)]:
    print(received.decode())
print(child.communicate()[0].decode(), end='')
sys.exit(child.returncode)
