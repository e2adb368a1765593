//! Linux and Android: flags are given at birth, names may be abstract.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, socket_with, sockopt};

pub(crate) const HAS_ABSTRACT_NAMES: bool = true;

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// The structure has no length field here.
pub(super) fn set_length(_raw: &mut libc::sockaddr_un, _length: usize) {}

/// A new socket, non-blocking and close-on-exec.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, kind, FLAGS, None)
}

/// Takes one connection, non-blocking and close-on-exec, without asking for the client's address.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    accept_with(listener, FLAGS)
}

/// Whether the socket listens.
pub(crate) fn is_listening(socket: BorrowedFd<'_>) -> Result<bool> {
    sockopt::socket_acceptconn(socket)
}
