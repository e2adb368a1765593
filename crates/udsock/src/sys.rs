//! The system's socket structures and calls, where rustix's own types do not fit: its addresses do not hold
//! every address, and its name queries do not survive every answer. Everything unsafe that is not about
//! credentials is in here.

#[cfg(target_vendor = "apple")]
#[path = "sys/apple.rs"]
mod platform;
#[cfg(target_os = "freebsd")]
#[path = "sys/freebsd.rs"]
mod platform;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "sys/linux.rs"]
mod platform;
mod readiness;
mod sockaddr;

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;
use rustix::net::SocketType;

use crate::fault;

pub(crate) use platform::HAS_ABSTRACT_NAMES;
pub(crate) use readiness::watch_readable;
pub(crate) use sockaddr::{PATH_CAPACITY, Sockaddr, local_name, peer_name};

/// A new socket, non-blocking and close-on-exec.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    fault::call("socket", || platform::socket(kind))
}

/// Takes one connection, non-blocking and close-on-exec, without asking for the client's address.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    fault::call("accept", || platform::accept(listener))
}

/// Whether the socket listens, as far as the system says.
pub(crate) fn is_listening(socket: BorrowedFd<'_>) -> Result<bool> {
    fault::call("getsockopt", || platform::is_listening(socket))
}

pub(crate) fn bind(socket: &OwnedFd, name: &Sockaddr) -> Result<()> {
    fault::call("bind", || rustix::net::bind(socket, name))
}

pub(crate) fn listen(socket: BorrowedFd<'_>, backlog: i32) -> Result<()> {
    fault::call("listen", || rustix::net::listen(socket, backlog))
}

pub(crate) fn connect(socket: &OwnedFd, name: &Sockaddr) -> Result<()> {
    fault::call("connect", || rustix::net::connect(socket, name))
}

/// Connects to find out what is there.
pub(crate) fn probe(socket: &OwnedFd, name: &Sockaddr) -> Result<()> {
    fault::call("probe", || rustix::net::connect(socket, name))
}

/// A new stream socket, non-blocking and close-on-exec.
pub(crate) fn stream_socket() -> Result<OwnedFd> {
    socket(SocketType::STREAM)
}
