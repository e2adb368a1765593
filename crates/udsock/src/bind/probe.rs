//! Whether a process is behind a socket file, by probing it: a connection attempt that is closed at once.

use std::io;

use rustix::io::Errno;

use super::file::SocketFile;
use super::permissions::OwnerWrite;
use crate::socket_type::SocketType;
use crate::sys::{self, Sockaddr};

/// The state of a socket file, as far as a knock finds out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Liveness {
    /// A listener, or what cannot be known to be none.
    Live,
    /// A socket is bound to the file and does not listen: its owner may be between bind and listen.
    Starting,
    /// Nothing is bound to the file, or there is no file any more.
    Dead,
}

/// Returns the kernel's answer to a socket of this type that connects to `name`.
fn knock(name: &Sockaddr, socket_type: SocketType) -> io::Result<Result<(), Errno>> {
    let socket = sys::socket(socket_type)?;
    loop {
        match sys::probe(&socket, name) {
            Err(Errno::INTR) => {}
            answer => return Ok(answer),
        }
    }
}

/// Knocks at a file that may lack its owner's write bit. Without the bit the kernel answers `EACCES` before it looks for
/// a socket. The bit is added for the knock: it gives a right to the file's owner alone, which can add it at any time. The
/// kernel's lists of sockets (/proc/net/unix, sock_diag) would not do: a path reaches sockets of other network
/// namespaces too, and those lists lack them.
fn knock_at(file: &SocketFile, socket_type: SocketType) -> io::Result<Result<(), Errno>> {
    let name = Sockaddr::of(file.path())?;
    match knock(&name, socket_type)? {
        Err(Errno::ACCESS) => match OwnerWrite::add(file) {
            Ok(Some(_added)) => knock(&name, socket_type),
            _ => Ok(Err(Errno::ACCESS)),
        },
        answer => Ok(answer),
    }
}

/// Whether there certainly is a listener of this type at `name`; a datagram socket is none.
pub(super) fn listens(name: &Sockaddr, socket_type: SocketType) -> io::Result<bool> {
    if socket_type == SocketType::Datagram {
        return Ok(false);
    }
    Ok(matches!(knock(name, socket_type)?, Ok(()) | Err(Errno::AGAIN)))
}

/// Whether a process listens at the socket file, or may be about to.
pub(super) fn liveness(file: &SocketFile, socket_type: SocketType) -> io::Result<Liveness> {
    match knock_at(file, socket_type)? {
        Err(Errno::CONNREFUSED) => {}
        // The caller finds out what is there now.
        Err(Errno::NOENT) => return Ok(Liveness::Dead),
        _ => return Ok(Liveness::Live),
    }
    // There is no listener. A socket that is bound to the file answers the wrong type with EPROTOTYPE all the same.
    let wrong = match socket_type {
        SocketType::Stream | SocketType::Packet => SocketType::Datagram,
        SocketType::Datagram => SocketType::Stream,
    };
    Ok(match knock_at(file, wrong)? {
        Err(Errno::CONNREFUSED) => Liveness::Dead,
        _ => Liveness::Starting,
    })
}

/// Whether the file belongs, as far as it can be known, to a socket of this type or to no socket. Only the wrong types knock: a
/// live listener notices nothing.
pub(super) fn may_be(file: &SocketFile, socket_type: SocketType) -> io::Result<bool> {
    for wrong in SocketType::ALL.into_iter().filter(|&other| other != socket_type) {
        match knock_at(file, wrong) {
            // EACCES: the system does not let the file's own user connect.
            Ok(Err(Errno::PROTOTYPE | Errno::CONNREFUSED | Errno::ACCESS | Errno::NOENT)) => {}
            Ok(_) => return Ok(false),
            // Some systems have no SEQPACKET.
            Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
