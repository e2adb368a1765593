//! The types of Unix-domain sockets.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::sockopt;

use crate::error::errno;
use crate::fault;

/// The type of a Unix-domain socket. A socket connects only to a socket of its own type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SocketType {
    /// A connection that carries a stream of bytes (`SOCK_STREAM`).
    #[default]
    Stream,
    /// A connection that carries records (`SOCK_SEQPACKET`). macOS does not have this type.
    Packet,
    /// Datagrams without a connection (`SOCK_DGRAM`). A socket of this type does not listen.
    Datagram,
}

impl SocketType {
    pub(crate) const ALL: [Self; 3] = [Self::Datagram, Self::Packet, Self::Stream];

    /// Returns the type of an open socket.
    ///
    /// # Errors
    ///
    /// * `EPROTOTYPE`: it has none of these types.
    /// * `ENOTSOCK`: it is no socket.
    pub(crate) fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let native = fault::call("getsockopt", || sockopt::socket_type(socket))?;
        Self::ALL.into_iter().find(|kind| kind.native() == native).ok_or_else(|| errno(libc::EPROTOTYPE))
    }

    pub(crate) fn native(self) -> rustix::net::SocketType {
        match self {
            Self::Stream => rustix::net::SocketType::STREAM,
            Self::Packet => rustix::net::SocketType::SEQPACKET,
            Self::Datagram => rustix::net::SocketType::DGRAM,
        }
    }
}
