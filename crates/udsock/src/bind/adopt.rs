//! Sockets that somebody else made.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{SocketType, sockopt};

use crate::address::Address;
use crate::error::errno;
use crate::fault;
use crate::sys;

/// Whether `socket` is a Unix-domain stream socket that listens. Changes nothing.
///
/// # Errors
///
/// * `EINVAL`: it does not listen (macOS does not say; there `accept` will).
/// * `EPROTOTYPE`: it is no stream socket.
/// * `EAFNOSUPPORT`: it is no Unix-domain socket.
/// * `ENOTSOCK`: it is no socket. `EBADF`: it is closed.
pub fn inspect(socket: BorrowedFd<'_>) -> io::Result<()> {
    is_stream(socket)?;
    if !sys::is_listening(socket)? {
        return Err(errno(libc::EINVAL));
    }
    Ok(())
}

/// Whether `socket` is a connected Unix-domain stream socket. Changes nothing.
///
/// # Errors
///
/// * `ENOTCONN`: it is not connected.
/// * Those of [`inspect`] about what is no such socket.
pub fn inspect_connection(socket: BorrowedFd<'_>) -> io::Result<()> {
    is_stream(socket)?;
    Address::peer(socket).map(|_| ())
}

fn is_stream(socket: BorrowedFd<'_>) -> io::Result<()> {
    Address::local(socket)?;
    if fault::call("getsockopt", || sockopt::socket_type(socket))? == SocketType::STREAM {
        Ok(())
    } else {
        Err(errno(libc::EPROTOTYPE))
    }
}

/// Makes a listening socket that somebody else made, such as a service manager, fit for this crate:
/// non-blocking and close-on-exec. Whoever shares it shares the first of these. Its file is not touched, and the
/// socket itself not shut down, whatever happens to the descriptor.
///
/// # Errors
///
/// Those of [`inspect`], and the descriptor comes back as it was; whatever `fcntl` and `ioctl` report.
pub fn adopt(socket: OwnedFd) -> Result<OwnedFd, (OwnedFd, io::Error)> {
    prepare(socket, inspect)
}

/// Makes a connection that somebody else made fit for this crate, as [`adopt`] does with a listening socket.
///
/// # Errors
///
/// Those of [`inspect_connection`], and the descriptor comes back as it was; whatever `fcntl` and `ioctl` report.
pub fn adopt_connection(socket: OwnedFd) -> Result<OwnedFd, (OwnedFd, io::Error)> {
    prepare(socket, inspect_connection)
}

fn prepare(
    socket: OwnedFd,
    inspect: fn(BorrowedFd<'_>) -> io::Result<()>,
) -> Result<OwnedFd, (OwnedFd, io::Error)> {
    let prepared = inspect(socket.as_fd()).and_then(|()| {
        fault::call("fcntl", || fcntl_setfd(&socket, FdFlags::CLOEXEC))?;
        Ok(fault::call("ioctl", || ioctl_fionbio(&socket, true))?)
    });
    match prepared {
        Ok(()) => Ok(socket),
        Err(error) => Err((socket, error)),
    }
}
