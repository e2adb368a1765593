//! Sockets for datagrams. [`bind_with`](crate::bind_with) binds one to a path; [`records`](crate::records) sends and receives.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::address::Address;
use crate::socket_type::SocketType;
use crate::sys::{self, Sockaddr};

/// Returns a new socket for datagrams: unbound, non-blocking and close-on-exec. It can send, but cannot be answered.
///
/// # Errors
///
/// Those of `socket`.
pub fn datagram_socket() -> io::Result<OwnedFd> {
    Ok(sys::socket(SocketType::Datagram)?)
}

/// Binds an unbound socket to an abstract name that the kernel chooses.
///
/// # Errors
///
/// `EOPNOTSUPP` elsewhere than on Linux; those of `bind`.
pub fn autobind(socket: impl AsFd) -> io::Result<()> {
    if !sys::HAS_ABSTRACT_NAMES {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    Ok(sys::bind(socket.as_fd(), &Sockaddr::unnamed())?)
}

/// Binds an unbound socket to `address`, now: with the umask's mode, and only where no file exists. [`bind_with`](crate::bind_with) makes a socket
/// that is bound in other ways.
///
/// # Errors
///
/// `EADDRINUSE`, and whatever else `bind` reports.
pub fn bind_datagrams(socket: impl AsFd, address: &Address) -> io::Result<()> {
    Ok(sys::bind(socket.as_fd(), &Sockaddr::new(address.as_bytes())?)?)
}

/// Makes `address` the receiver of what a socket for datagrams sends, and the only sender that it receives from. Datagrams that have
/// arrived from others stay.
///
/// # Errors
///
/// * `ECONNREFUSED`: no socket is bound there any more.
/// * `EPROTOTYPE`: the socket there is not for datagrams.
/// * `EPERM`: the socket there is connected to another one.
/// * `ENOENT`, `EACCES` and any other error of `connect`.
pub fn connect_datagrams(socket: impl AsFd, address: &Address) -> io::Result<()> {
    Ok(sys::connect(socket.as_fd(), &Sockaddr::new(address.as_bytes())?)?)
}

/// Undoes [`connect_datagrams`].
///
/// # Errors
///
/// Those of `connect`.
pub fn disconnect_datagrams(socket: impl AsFd) -> io::Result<()> {
    Ok(sys::disconnect(socket.as_fd())?)
}

/// Has every record that arrives come with its sender's credentials, or not. On Linux, a socket of this kind that sends without a name gets
/// one by [`autobind`].
///
/// # Errors
///
/// `EOPNOTSUPP` elsewhere than on Linux; those of `setsockopt`.
pub fn pass_credentials(socket: impl AsFd, on: bool) -> io::Result<()> {
    Ok(sys::pass_credentials(socket.as_fd(), on)?)
}
