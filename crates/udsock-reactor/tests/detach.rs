//! Sockets of records that leave a reactor.
#![cfg(any(target_os = "linux", target_os = "android"))]
// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Bench, abstract_address, get, put};
use rustix::fs::{OFlags, fcntl_getfl};
use std::os::fd::{AsRawFd, OwnedFd};
use udsock::records::{ReceivedRecords, RecordBatch, RecordPlaces};
use udsock::{Address, BindOptions, SocketType, bind_with, connect_datagrams, datagram_socket};
use udsock_reactor::{Errno, Id, Rights, Role};

/// Takes a socket out of the reactor.
fn detached(bench: &mut Bench, id: Id) -> OwnedFd {
    let number = bench.reactor.fd(id).unwrap().as_raw_fd();
    let held = bench.reactor.detach(id).unwrap();
    assert_eq!(bench.reactor.detach(id), Err(Errno::BADF));
    let fd = bench.reactor.descriptors().release(held).unwrap();
    assert_eq!(fd.as_raw_fd(), number);
    assert!(!fcntl_getfl(&fd).unwrap().contains(OFlags::NONBLOCK));
    fd
}

/// Receives one record as the reactor does, from a socket that it has not prepared. Returns also whether the sender's credentials came with it.
fn receive(fd: &OwnedFd, socket_type: SocketType) -> (ReceivedRecords, bool) {
    let (mut memory, mut batch) = ([0; 512], RecordBatch::new());
    let places = RecordPlaces::of(&mut memory, 0, 64);
    let received = batch.receive(fd, socket_type, places, 1, drop).unwrap();
    (received, batch.record(0).is_some_and(|record| record.sender.is_some()))
}

const ONE: ReceivedRecords = ReceivedRecords::Records { count: 1, was_last: false };

#[test]
fn a_connection_of_packets_that_leaves_is_as_a_new_one() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    bench.reactor.read_stop(id).unwrap();
    put(&peer, b"unread");
    put(&peer, b"");
    let fd = detached(&mut bench, id);
    put(&peer, b"later");
    assert_eq!(receive(&fd, SocketType::Packet), (ONE, false));
    // Without a mark nothing tells an empty record from the end.
    assert_eq!(receive(&fd, SocketType::Packet), (ReceivedRecords::End, false));
    assert_eq!(receive(&fd, SocketType::Packet), (ONE, false));
    put(&fd, b"back");
    assert_eq!(get(&peer), b"back");
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn a_socket_for_datagrams_that_leaves_stays_bound_and_gets_no_credentials() {
    let mut bench = Bench::new();
    let there = abstract_address("leaves");
    let id = bench.datagrams(&there);
    udsock::pass_credentials(bench.reactor.fd(id).unwrap(), true).unwrap();
    bench.reactor.read_stop(id).unwrap();
    let sender = datagram_socket().unwrap();
    connect_datagrams(&sender, &there).unwrap();
    let fd = detached(&mut bench, id);
    assert_eq!(Address::local(&fd).unwrap(), there);
    put(&sender, b"record");
    assert_eq!(receive(&fd, SocketType::Datagram), (ONE, false));
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn a_listener_does_not_leave() {
    let mut bench = Bench::new();
    let options = BindOptions::new(1).socket_type(SocketType::Packet);
    let bound = bind_with(&abstract_address("listener"), &options, &false.into()).unwrap();
    let id = bench.reactor.add(bound.socket, Role::Listener(SocketType::Packet, Rights::Discard)).unwrap();
    assert_eq!(bench.reactor.detach(id), Err(Errno::BADF));
    assert!(bench.reactor.fd(id).is_ok());
}
