//! Listeners that are no stream sockets: the type is the caller's in binding, probing and adopting.
#![cfg(any(target_os = "linux", target_os = "android"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;

use common::Directory;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, connect, recv, send, socket};
use udsock::{Address, BindOptions, Bound, OnExisting, SocketType, adopt, bind_with, inspect, try_accept};

fn bind(address: &Address, socket_type: SocketType, on_existing: OnExisting) -> io::Result<Bound> {
    let options = BindOptions::new(4).socket_type(socket_type).on_existing(on_existing);
    bind_with(address, &options, &AtomicBool::new(false))
}

fn client(address: &Address, socket_type: rustix::net::SocketType) -> OwnedFd {
    let client = socket(AddressFamily::UNIX, socket_type, None).unwrap();
    connect(&client, &SocketAddrUnix::new(address.as_pathname().unwrap()).unwrap()).unwrap();
    client
}

fn code<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_packet_listener_takes_records() {
    let directory = Directory::new();
    let address = directory.address("s");
    let Bound { socket, .. } = bind(&address, SocketType::Packet, OnExisting::Error).unwrap();
    let client = client(&address, rustix::net::SocketType::SEQPACKET);
    let accepted = try_accept(&socket).unwrap();
    for record in [&b"one"[..], b"another"] {
        send(&client, record, SendFlags::empty()).unwrap();
    }
    let mut memory = [0; 16];
    assert_eq!(recv(&accepted, &mut memory, RecvFlags::empty()).unwrap().0, 3);
    assert_eq!(recv(&accepted, &mut memory, RecvFlags::empty()).unwrap().0, 7);
}

#[test]
fn only_a_socket_of_the_same_type_is_replaced() {
    let directory = Directory::new();
    for (socket_type, wrong) in [
        (SocketType::Packet, SocketType::Stream),
        (SocketType::Stream, SocketType::Packet),
        (SocketType::Datagram, SocketType::Packet),
    ] {
        let address = directory.address(&format!("{socket_type:?}"));
        let live = bind(&address, socket_type, OnExisting::Error).unwrap();
        assert_eq!(code(bind(&address, wrong, OnExisting::TakeOver)), Some(libc::EADDRINUSE));
        assert_eq!(code(bind(&address, socket_type, OnExisting::ReplaceStale)), Some(libc::EADDRINUSE));
        let taken = bind(&address, socket_type, OnExisting::TakeOver).unwrap();
        drop((live, taken));
        bind(&address, wrong, OnExisting::ReplaceStale).unwrap();
    }
}

#[test]
fn only_a_socket_of_the_named_type_is_adopted() {
    let directory = Directory::new();
    let address = directory.address("s");
    let Bound { socket, .. } = bind(&address, SocketType::Packet, OnExisting::Error).unwrap();
    assert_eq!(code(inspect(socket.as_fd(), SocketType::Stream)), Some(libc::EPROTOTYPE));
    let (socket, error) = adopt(socket, SocketType::Datagram).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPROTOTYPE));
    adopt(socket, SocketType::Packet).unwrap();
}
