//! macOS and its relatives: flags follow in calls of their own, addresses carry their length, SIGPIPE is
//! switched off per socket.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Result, ioctl_fioclex, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, sockopt};

pub(crate) const HAS_ABSTRACT_NAMES: bool = false;

/// Tells the structure its own length, which is at most that of the structure.
pub(super) fn set_length(raw: &mut libc::sockaddr_un, length: usize) {
    raw.sun_len = length as u8;
}

/// A new socket, non-blocking, close-on-exec and without SIGPIPE.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    prepared(rustix::net::socket(AddressFamily::UNIX, kind, None)?)
}

/// Takes one connection, non-blocking, close-on-exec and without SIGPIPE, without asking for the client's
/// address.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    let connection = rustix::net::accept(listener)?;
    // A client that is already gone leaves a connection which takes no options (EINVAL), but can be read to
    // its end.
    match prepared_in_place(&connection) {
        Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(connection),
        Err(error) => Err(error),
    }
}

/// The system declares the question (SO_ACCEPTCONN), but does not answer it; `accept` will (EINVAL).
pub(crate) fn is_listening(_socket: BorrowedFd<'_>) -> Result<bool> {
    Ok(true)
}

fn prepared(socket: OwnedFd) -> Result<OwnedFd> {
    prepared_in_place(&socket)?;
    Ok(socket)
}

/// The socket option comes last, because it alone may fail on a connection that has ended.
fn prepared_in_place(socket: &OwnedFd) -> Result<()> {
    ioctl_fioclex(socket)?;
    ioctl_fionbio(socket, true)?;
    sockopt::set_socket_nosigpipe(socket, true)
}
