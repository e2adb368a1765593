//! The entries of a reactor's table: sockets by kind. A new type of socket is a new kind here.

use crate::connection::Connection;
use crate::error::errno;
use crate::input::{Inheritance, Input, Rights};
use crate::listener::Listener;
use crate::records::Records;
use crate::stream::Stream;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use udsock::{SocketType, records, transfer};

/// The role of a descriptor that joins a reactor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A connected socket, or one for datagrams, that this process has made. With `Refuse`, it refused descriptors before it connected.
    Connection(SocketType, Rights),
    /// A connected socket, or one for datagrams, that other processes may have, too.
    InheritedConnection(SocketType, Rights),
    /// A listening socket that this process has made. With `Refuse`, it refused descriptors before it listened.
    Listener(SocketType, Rights),
    /// A listening socket that other processes may have, too: no option of it is changed.
    InheritedListener(SocketType, Rights),
}

pub(crate) enum Socket {
    Stream(Stream),
    Records(Records),
    // Few, and large: the table has room for thousands of connections.
    Listener(Box<Listener>),
}

impl Socket {
    /// A descriptor in its role.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`, with the descriptor.
    pub(crate) fn new(fd: OwnedFd, role: Role) -> Result<Self, (OwnedFd, Errno)> {
        let is_inherited = matches!(role, Role::InheritedConnection(..) | Role::InheritedListener(..));
        match role {
            Role::Connection(socket_type, rights) | Role::InheritedConnection(socket_type, rights) => {
                if let Err(error) = transfer::prepare(&fd) {
                    return Err((fd, errno(error)));
                }
                let input =
                    if is_inherited { Input::of_inherited(&fd, rights) } else { Input::of_own(&fd, rights) };
                Socket::connected(fd, socket_type, input, is_inherited)
            }
            Role::Listener(socket_type, rights) | Role::InheritedListener(socket_type, rights) => {
                let inheritance =
                    if is_inherited { Inheritance::Each(rights) } else { Inheritance::of_own(&fd, rights) };
                let listener = Listener::new(fd, socket_type, inheritance, is_inherited);
                Ok(Socket::Listener(Box::new(listener)))
            }
        }
    }

    /// A connection of this type.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`, with the descriptor.
    pub(crate) fn connected(
        fd: OwnedFd,
        socket_type: SocketType,
        input: Input,
        is_inherited: bool,
    ) -> Result<Self, (OwnedFd, Errno)> {
        if socket_type == SocketType::Packet
            && let Err(error) = records::mark_records(&fd)
        {
            return Err((fd, errno(error)));
        }
        let connection = Connection::new(fd, input, is_inherited);
        Ok(match socket_type {
            SocketType::Stream => Socket::Stream(Stream::new(connection)),
            SocketType::Packet | SocketType::Datagram => {
                Socket::Records(Records::new(connection, socket_type))
            }
        })
    }

    /// The connection of the socket; none for a listener.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match self {
            Socket::Stream(stream) => Some(&stream.connection),
            Socket::Records(records) => Some(&records.connection),
            Socket::Listener(_) => None,
        }
    }

    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Socket::Stream(stream) => Some(&mut stream.connection),
            Socket::Records(records) => Some(&mut records.connection),
            Socket::Listener(_) => None,
        }
    }

    /// Whether a `HangUp` event is due: no read will find the end, and nothing of the peer's is left.
    pub(crate) fn owes_hang_up(&mut self) -> bool {
        match self {
            Socket::Stream(stream) => stream.connection.owes_hang_up(),
            Socket::Records(records) => records.owes_hang_up(),
            Socket::Listener(_) => false,
        }
    }

    /// Whether the next read goes into memory of the reader's.
    pub(crate) fn is_bulk(&self) -> bool {
        matches!(self, Socket::Stream(Stream { is_bulk: true, .. }))
    }

    /// Whether the kernel may hold descriptors of the peer's that a close would close.
    pub(crate) fn may_hold_rights(&self) -> bool {
        match self {
            Socket::Stream(stream) => stream.connection.may_hold_rights(),
            Socket::Records(records) => records.may_hold_rights(),
            Socket::Listener(_) => false,
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Stream(Stream { connection, .. }) | Socket::Records(Records { connection, .. }) => {
                connection.fd.as_fd()
            }
            Socket::Listener(listener) => listener.fd.as_fd(),
        }
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        match self {
            Socket::Stream(Stream { connection, .. }) | Socket::Records(Records { connection, .. }) => {
                connection.fd
            }
            Socket::Listener(listener) => listener.fd,
        }
    }

    pub(crate) fn is_inherited(&self) -> bool {
        match self {
            Socket::Listener(listener) => listener.is_inherited,
            Socket::Stream(Stream { connection, .. }) | Socket::Records(Records { connection, .. }) => {
                connection.is_inherited
            }
        }
    }
}
