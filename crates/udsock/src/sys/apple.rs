//! macOS and its relatives: flags follow in calls of their own, addresses carry their length, and SIGPIPE is switched off
//! per socket.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result, ioctl_fioclex, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

pub(crate) use super::bsd::*;
use super::option::get_one;
use super::transfer::last_errno;
use crate::peer::PeerCredentials;

/// Neither call waits. There is no MSG_NOSIGNAL: see [`without_sigpipe`].
pub(super) const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT;
pub(super) const RECEIVE_FLAGS: libc::c_int = libc::MSG_DONTWAIT;

/// Returns a new socket, non-blocking, close-on-exec and without SIGPIPE.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    prepared(rustix::net::socket(AddressFamily::UNIX, kind, None)?)
}

/// Returns two sockets that are connected to each other, non-blocking, close-on-exec and without SIGPIPE.
pub(crate) fn socketpair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    let (one, other) = rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::empty(), None)?;
    Ok((prepared(one)?, prepared(other)?))
}

/// Takes one connection, non-blocking, close-on-exec and without SIGPIPE, without asking for the client's
/// address.
#[inline]
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    prepared(rustix::net::accept(listener)?)
}

/// The system declares the question (SO_ACCEPTCONN) and does not answer it; `accept` will (EINVAL).
pub(crate) fn is_listening(_socket: BorrowedFd<'_>) -> Result<bool> {
    Ok(true)
}

fn prepared(socket: OwnedFd) -> Result<OwnedFd> {
    ioctl_fioclex(&socket)?;
    ioctl_fionbio(&socket, true)?;
    without_sigpipe(socket.as_fd())?;
    Ok(socket)
}

/// Has no send on the socket raise SIGPIPE. A connection whose peer is gone takes no options (EINVAL), but can be read to
/// its end, and raises none.
pub(crate) fn without_sigpipe(socket: BorrowedFd<'_>) -> Result<()> {
    match sockopt::set_socket_nosigpipe(socket, true) {
        Err(Errno::INVAL) => Ok(()),
        outcome => outcome,
    }
}

/// Returns a descriptor that came in a message, close-on-exec, which it cannot be from birth here.
pub(super) fn received(descriptor: OwnedFd) -> OwnedFd {
    let _ = ioctl_fioclex(&descriptor);
    descriptor
}

pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> Result<PeerCredentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both pointers are to live integers of the types that the call wants.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } != 0 {
        return Err(last_errno());
    }
    // Unlike user and group, the process is not worth an error.
    let pid = get_one(socket, libc::SOL_LOCAL, libc::LOCAL_PEERPID, 0_i32);
    Ok(PeerCredentials { uid, gid, pid: pid.ok().and_then(PeerCredentials::visible) })
}
