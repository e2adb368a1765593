//! Listeners that somebody else made.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{SocketType, sockopt};

use crate::address::Address;
use crate::error::errno;
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
    Address::local(socket)?;
    if sockopt::socket_type(socket)? != SocketType::STREAM {
        return Err(errno(libc::EPROTOTYPE));
    }
    if !sys::is_listening(socket)? {
        return Err(errno(libc::EINVAL));
    }
    Ok(())
}

/// Makes a listening socket that somebody else made, such as a service manager, fit for this crate:
/// non-blocking and close-on-exec. Whoever shares it shares the first of these. Its file is not touched, and the
/// socket itself not shut down, whatever happens to the descriptor.
///
/// # Errors
///
/// Those of [`inspect`], and the descriptor comes back as it was; whatever `fcntl` and `ioctl` report.
pub fn adopt(socket: OwnedFd) -> Result<OwnedFd, (OwnedFd, io::Error)> {
    let prepared = inspect(socket.as_fd()).and_then(|()| {
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        Ok(ioctl_fionbio(&socket, true)?)
    });
    match prepared {
        Ok(()) => Ok(socket),
        Err(error) => Err((socket, error)),
    }
}
