//! Sockets for datagrams in a reactor.
#![cfg(any(target_os = "linux", target_os = "android"))]
// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Arrived, Bench, abstract_address, put};
use std::io::IoSlice;
use std::time::{Duration, Instant};
use udsock::records::MOST_IN_SEND;
use udsock::{Address, BindOptions, SocketType, autobind, bind_with, connect_datagrams, datagram_socket};
use udsock_reactor::{Destination, Errno, EventKind, Rights, Role, SentRecords};

#[test]
fn datagrams_bring_their_senders_addresses() {
    let mut bench = Bench::new();
    let (to, from) = (abstract_address("to"), abstract_address("from"));
    let id = bench.datagrams(&to);
    let sender = bench.datagrams(&from);
    let unbound = datagram_socket().unwrap();
    let slices = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"three")];
    assert_eq!(bench.reactor.send_records(sender, &slices, Some(&to)), Ok(SentRecords::Records(3)));
    connect_datagrams(&unbound, &to).unwrap();
    put(&unbound, b"nobody's");
    let datagram = |bytes: &[u8], from: &[u8]| Arrived::Record {
        bytes: bytes.to_vec(),
        from: from.to_vec(),
        is_truncated: false,
    };
    let from = from.as_bytes();
    let expected =
        [datagram(b"one", from), datagram(b"", from), datagram(b"three", from), datagram(b"nobody's", b"")];
    assert_eq!(bench.arrived(id), expected);
}

#[test]
fn a_datagram_without_a_receiver_fails_and_the_socket_goes_on() {
    let mut bench = Bench::new();
    let (here, there) = (abstract_address("here"), abstract_address("there"));
    let id = bench.datagrams(&here);
    let slices = [IoSlice::new(b"record")];
    assert_eq!(bench.reactor.send_records(id, &slices, Some(&there)), Err(Errno::CONNREFUSED));
    assert_eq!(bench.reactor.send_records(id, &slices, None), Err(Errno::NOTCONN));
    assert_eq!(bench.reactor.send_records(id, &slices, Some(&here)), Ok(SentRecords::Records(1)));
    let to_itself = bench.arrived(id);
    assert!(matches!(&to_itself[..], [Arrived::Record { bytes, .. }] if bytes == b"record"));
}

#[test]
fn a_receiver_that_restarts_is_an_error_and_the_socket_goes_on() {
    let mut bench = Bench::new();
    let (here, there) = (abstract_address("restart-here"), abstract_address("restart-there"));
    let id = bench.datagrams(&here);
    let other = bench.datagrams(&there);
    connect_datagrams(bench.reactor.fd(id).unwrap(), &there).unwrap();
    bench.reactor.close(other).unwrap();
    let slices = [IoSlice::new(b"record")];
    let outcome = bench.reactor.send_records(id, &slices, None);
    assert!(matches!(outcome, Err(Errno::CONNREFUSED | Errno::CONNRESET)), "{outcome:?}");
    let other = bench.datagrams(&there);
    connect_datagrams(bench.reactor.fd(id).unwrap(), &there).unwrap();
    let slices = [IoSlice::new(b"again")];
    assert_eq!(bench.reactor.send_records(id, &slices, None), Ok(SentRecords::Records(1)));
    let arrived = bench.arrived(other);
    assert!(matches!(&arrived[..], [Arrived::Record { bytes, .. }] if bytes == b"again"), "{arrived:?}");
}

#[test]
fn a_closed_socket_for_datagrams_gives_its_name_back_at_once() {
    let mut bench = Bench::new();
    let here = abstract_address("name");
    for is_refused in [true, false] {
        let options = BindOptions::new(0).socket_type(SocketType::Datagram).refuse_rights(is_refused);
        for _ in 0..2 {
            let socket = bind_with(&here, &options, &false.into()).unwrap().socket;
            let rights = if is_refused { Rights::Refuse } else { Rights::Discard };
            let id = bench.reactor.add(socket, Role::Connection(SocketType::Datagram, rights)).unwrap();
            let slices = [IoSlice::new(b"unread")];
            assert_eq!(bench.reactor.send_records(id, &slices, Some(&here)), Ok(SentRecords::Records(1)));
            bench.reactor.close(id).unwrap();
        }
    }
}

#[test]
fn a_full_receiver_that_the_socket_is_connected_to_reports_its_room() {
    let mut bench = Bench::new();
    let there = abstract_address("full");
    let receiver = bench.datagrams(&there);
    bench.reactor.read_stop(receiver).unwrap();
    let socket = datagram_socket().unwrap();
    connect_datagrams(&socket, &there).unwrap();
    let id = bench.reactor.add(socket, Role::Connection(SocketType::Datagram, Rights::Refuse)).unwrap();
    let slices: Vec<_> = (0..MOST_IN_SEND).map(|_| IoSlice::new(b"record")).collect();
    let mut sent = 0;
    while let SentRecords::Records(count) = bench.reactor.send_records(id, &slices, None).unwrap() {
        sent += count;
    }
    assert_eq!(bench.poll(), (vec![], false));
    bench.reactor.read_start(receiver, Destination::Scratch).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let (mut received, mut is_writable) = (0, false);
    while received < sent || !is_writable {
        assert!(Instant::now() < deadline, "{received} of {sent}, writable: {is_writable}");
        for event in bench.poll().0 {
            match event.kind {
                EventKind::Record => received += 1,
                EventKind::Writable if event.subject == id.slot() => is_writable = true,
                kind => panic!("{kind:?}"),
            }
        }
    }
}

#[test]
fn credentials_come_with_every_datagram_where_they_are_asked_for() {
    let mut bench = Bench::new();
    let there = abstract_address("credentials");
    let id = bench.datagrams(&there);
    udsock::pass_credentials(bench.reactor.fd(id).unwrap(), true).unwrap();
    let socket = datagram_socket().unwrap();
    autobind(&socket).unwrap();
    assert!(Address::local(&socket).unwrap().as_abstract_name().is_some());
    connect_datagrams(&socket, &there).unwrap();
    put(&socket, b"record");
    let (events, _) = bench.poll();
    let head = &bench.scratch[..events[0].detail as usize];
    let number = |index: usize| u32::from_ne_bytes(head[4 * index..][..4].try_into().unwrap());
    let ours = [std::process::id(), rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()];
    assert_eq!([number(0), number(1), number(2)], ours);
}
