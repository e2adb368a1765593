//! The part that Linux and FreeBSD have in common: flags are given with each call, and descriptors are close-on-exec from birth.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;
use rustix::net::{SocketFlags, sockopt};

/// The flags of a new socket.
pub(in crate::sys) const NEW: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// Neither call waits, and a send raises no SIGPIPE.
pub(in crate::sys) const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
pub(in crate::sys) const RECEIVE_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;

/// Whether the socket listens.
pub(crate) fn is_listening(socket: BorrowedFd<'_>) -> Result<bool> {
    sockopt::socket_acceptconn(socket)
}

/// Every send of this crate says that it wants no SIGPIPE.
pub(crate) fn without_sigpipe(_socket: BorrowedFd<'_>) -> Result<()> {
    Ok(())
}

/// Returns a descriptor that came in a message.
pub(in crate::sys) fn received(descriptor: OwnedFd) -> OwnedFd {
    descriptor
}
