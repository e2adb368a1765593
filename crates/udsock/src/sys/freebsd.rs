//! FreeBSD: flags are given at birth, addresses carry their length, SIGPIPE is switched off per socket.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, socket_with, sockopt};

pub(crate) const HAS_ABSTRACT_NAMES: bool = false;

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// Tells the structure its own length, which is at most that of the structure.
pub(super) fn set_length(raw: &mut libc::sockaddr_un, length: usize) {
    raw.sun_len = length as u8;
}

/// A new socket, non-blocking, close-on-exec and without SIGPIPE.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    sockopt::set_socket_nosigpipe(&socket, true)?;
    Ok(socket)
}

/// Takes one connection, non-blocking, close-on-exec and without SIGPIPE, without asking for the client's
/// address.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    let connection = accept_with(listener, FLAGS)?;
    sockopt::set_socket_nosigpipe(&connection, true)?;
    Ok(connection)
}

/// Whether the socket listens.
pub(crate) fn is_listening(socket: BorrowedFd<'_>) -> Result<bool> {
    sockopt::socket_acceptconn(socket)
}
