//! FreeBSD: flags are given at birth, addresses carry their length, and SIGPIPE is switched off per socket.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;
use rustix::net::{AddressFamily, SocketType, accept_with, socket_with, sockopt};

pub(crate) use super::bsd::*;
pub(crate) use super::flags::*;
use crate::peer::PeerCredentials;

/// Returns a new socket, non-blocking, close-on-exec and without SIGPIPE.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, kind, NEW, None)?;
    sockopt::set_socket_nosigpipe(&socket, true)?;
    Ok(socket)
}

/// Returns two sockets that are connected to each other, non-blocking, close-on-exec and without SIGPIPE.
pub(crate) fn socketpair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    let (one, other) = rustix::net::socketpair(AddressFamily::UNIX, kind, NEW, None)?;
    sockopt::set_socket_nosigpipe(&one, true)?;
    sockopt::set_socket_nosigpipe(&other, true)?;
    Ok((one, other))
}

/// Takes one connection, non-blocking, close-on-exec and without SIGPIPE, without asking for the client's
/// address.
#[inline]
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    let connection = accept_with(listener, NEW)?;
    sockopt::set_socket_nosigpipe(&connection, true)?;
    Ok(connection)
}

/// The first group is the effective one. The process is known since FreeBSD 13.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> Result<PeerCredentials> {
    let credentials = local_peercred(socket)?;
    let [gid, ..] = credentials.cr_groups;
    // SAFETY: all bits of the union are initialized (with zeros at least), and every pattern is a `pid_t`.
    let pid = unsafe { credentials.cr_pid__c_anonymous_union.cr_pid };
    Ok(PeerCredentials { uid: credentials.cr_uid, gid, pid: PeerCredentials::visible(pid) })
}
