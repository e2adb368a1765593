//! The system's socket structures and calls, in one place for every platform. rustix makes those that its types fit: its
//! addresses do not hold every address, and its name queries do not survive every answer. Almost all unsafe code of the crate is
//! in this module, and so is the fault shim's place for calls on sockets ([`fault`]).

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod bsd;
mod control;
#[cfg(not(target_vendor = "apple"))]
mod flags;
#[cfg(all(feature = "tokio", not(any(target_os = "linux", target_os = "android"))))]
mod kqueue;
mod option;
#[cfg(target_vendor = "apple")]
#[path = "sys/apple.rs"]
mod platform;
#[cfg(target_os = "freebsd")]
#[path = "sys/freebsd.rs"]
mod platform;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "sys/linux.rs"]
mod platform;
#[cfg(feature = "tokio")]
mod readiness;
pub(crate) mod records;
mod sockaddr;
mod transfer;

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;

use crate::ancillary::Passed;
use crate::fault;
use crate::peer::PeerCredentials;
use crate::socket_type::SocketType;

pub(crate) use control::MOST_DESCRIPTORS;
#[cfg(fuzzing)]
pub(crate) use control::numbers_in;
#[cfg(all(feature = "tokio", not(any(target_os = "linux", target_os = "android"))))]
pub(crate) use kqueue::{changed_vnode, kqueue, watch_vnode};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use platform::chmod_held;
pub(crate) use platform::{
    HAS_ABSTRACT_NAMES, abstract_name, from_abstract_name, overflow_ids, refuse_newcomers, without_sigpipe,
};
#[cfg(feature = "tokio")]
pub(crate) use readiness::watch_readable;
pub(crate) use sockaddr::{PATH_CAPACITY, Sockaddr, local_name, peer_name};
pub(crate) use transfer::{recv, recvmsg, send, send_with};

/// Returns a new socket, non-blocking and close-on-exec.
pub(crate) fn socket(socket_type: SocketType) -> Result<OwnedFd> {
    fault::call("socket", || platform::socket(socket_type.native()))
}

/// Takes one connection, non-blocking and close-on-exec, without asking for the client's address.
#[inline]
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    fault::call("accept", || platform::accept(listener))
}

/// Whether the kernel passes descriptors on to the socket's reader.
pub(crate) fn passes_rights(socket: BorrowedFd<'_>) -> Passed {
    answer(fault::call("getsockopt", || platform::passes_rights(socket)))
}

/// The same for each kind of message about the sender.
pub(crate) fn passes_senders(socket: BorrowedFd<'_>) -> impl Iterator<Item = Passed> {
    let kinds = platform::SENDER_OPTIONS.iter();
    kinds.map(move |&option| answer(fault::call("getsockopt", || platform::option(socket, option))))
}

/// A switch is 0 or 1. Any other value is no answer, and neither is an error.
fn answer(value: Result<i32>) -> Passed {
    match value {
        Ok(0) => Passed::Off,
        Ok(1) => Passed::On,
        _ => Passed::Unknown,
    }
}

/// Has the kernel refuse descriptors that peers send.
pub(crate) fn refuse_rights(socket: BorrowedFd<'_>) -> Result<()> {
    fault::call("setsockopt", || platform::refuse_rights(socket))
}

/// Has the kernel pass descriptors on, as it does for a new socket.
pub(crate) fn pass_rights(socket: BorrowedFd<'_>) -> Result<()> {
    fault::call("setsockopt", || platform::pass_rights(socket))
}

/// Returns two sockets that are connected to each other, non-blocking and close-on-exec.
pub(crate) fn socketpair(socket_type: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    fault::call("socketpair", || platform::socketpair(socket_type.native()))
}

/// Whether the socket listens, as far as the kernel says.
pub(crate) fn is_listening(socket: BorrowedFd<'_>) -> Result<bool> {
    fault::call("getsockopt", || platform::is_listening(socket))
}

/// Returns the credentials of a connected socket's peer.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> Result<PeerCredentials> {
    fault::call("getsockopt", || platform::peer_credentials(socket))
}

/// Returns the supplementary groups of a connected socket's peer.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> Result<Vec<u32>> {
    fault::call("getsockopt", || platform::peer_groups(socket))
}

pub(crate) fn bind(socket: BorrowedFd<'_>, name: &Sockaddr) -> Result<()> {
    fault::call("bind", || rustix::net::bind(socket, name))
}

pub(crate) fn listen(socket: BorrowedFd<'_>, backlog: i32) -> Result<()> {
    fault::call("listen", || rustix::net::listen(socket, backlog))
}

pub(crate) fn connect(socket: BorrowedFd<'_>, name: &Sockaddr) -> Result<()> {
    fault::call("connect", || rustix::net::connect(socket, name))
}

/// Ends the connection of a socket for datagrams.
pub(crate) fn disconnect(socket: BorrowedFd<'_>) -> Result<()> {
    fault::call("connect", || rustix::net::connect_unspec(socket))
}

/// Sets whether every record comes with its sender's credentials.
pub(crate) fn pass_credentials(socket: BorrowedFd<'_>, on: bool) -> Result<()> {
    fault::call("setsockopt", || platform::pass_credentials(socket, on))
}

/// Sets whether every record comes with a control message, which distinguishes an empty record from the end.
pub(crate) fn mark_records(socket: BorrowedFd<'_>, on: bool) -> Result<()> {
    fault::call("setsockopt", || records::mark_records(socket, on))
}

/// Connects, to find out what is there.
pub(crate) fn probe(socket: &OwnedFd, name: &Sockaddr) -> Result<()> {
    fault::call("probe", || rustix::net::connect(socket, name))
}
