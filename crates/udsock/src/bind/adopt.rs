//! Sockets that another program made, such as a service manager.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};

use crate::address::Address;
use crate::error::errno;
use crate::fault;
use crate::socket_type::SocketType;
use crate::sys;

/// Checks that `socket` is a Unix-domain socket of this type, and listens if sockets of this type can. Changes nothing.
///
/// # Errors
///
/// * `EINVAL`: it does not listen (macOS reports this only at `accept`).
/// * `EPROTOTYPE`: it has another type.
/// * `EAFNOSUPPORT`: it is not a Unix-domain socket.
/// * `ENOTSOCK`: it is not a socket. `EBADF`: it is closed.
pub fn inspect(socket: BorrowedFd<'_>, socket_type: SocketType) -> io::Result<()> {
    check_type(socket, socket_type)?;
    if socket_type != SocketType::Datagram && !sys::is_listening(socket)? {
        return Err(errno(libc::EINVAL));
    }
    Ok(())
}

/// Checks that `socket` is a connected Unix-domain socket of this type; one for datagrams need not be connected. Changes nothing.
///
/// # Errors
///
/// * `ENOTCONN`: it is not connected.
/// * Those of [`inspect`] about the type of the descriptor.
pub fn inspect_connection(socket: BorrowedFd<'_>, socket_type: SocketType) -> io::Result<()> {
    check_type(socket, socket_type)?;
    if socket_type == SocketType::Datagram {
        return Ok(());
    }
    Address::peer(socket).map(|_| ())
}

fn check_type(socket: BorrowedFd<'_>, socket_type: SocketType) -> io::Result<()> {
    Address::local(socket)?;
    if SocketType::of(socket)? == socket_type { Ok(()) } else { Err(errno(libc::EPROTOTYPE)) }
}

/// Takes over a listening socket that another program made, such as a service manager: makes it non-blocking and
/// close-on-exec. `O_NONBLOCK` is shared with every process that holds this socket. Its file is not touched, and closing the
/// descriptor does not shut the socket down.
///
/// # Errors
///
/// Those of [`inspect`], `fcntl` and `ioctl`. The descriptor is returned.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixListener;
/// use udsock::{SocketType, adopt};
///
/// # let path = std::env::temp_dir().join(format!("udsock-doc-adopt-{}", std::process::id()));
/// let theirs = UnixListener::bind(&path)?;
/// let socket = adopt(theirs.into(), SocketType::Stream).map_err(|(_socket, error)| error)?;
/// # drop(socket);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn adopt(socket: OwnedFd, socket_type: SocketType) -> Result<OwnedFd, (OwnedFd, io::Error)> {
    prepare(socket, |fd| inspect(fd, socket_type))
}

/// Takes over a connection that another program made, as [`adopt`] does with a listening socket.
///
/// # Errors
///
/// Those of [`inspect_connection`], `fcntl` and `ioctl`. The descriptor is returned.
pub fn adopt_connection(socket: OwnedFd, socket_type: SocketType) -> Result<OwnedFd, (OwnedFd, io::Error)> {
    prepare(socket, |fd| inspect_connection(fd, socket_type))
}

fn prepare(
    socket: OwnedFd,
    inspect: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
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
