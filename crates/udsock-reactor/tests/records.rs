//! Sockets of records in a reactor: what arrives is what was sent, record by record.
#![cfg(any(target_os = "linux", target_os = "android"))]
// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Arrived, Bench, get, packets, put};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use udsock::records::{MOST_IN_SEND, ReceivedRecords, RecordBatch, RecordPlaces};
use udsock::{Address, BindOptions, SocketType, autobind, bind_with, connect_datagrams, datagram_socket};
use udsock_reactor::{
    Destination, Errno, EventKind, Id, PollMemory, Reactor, Rights, Role, SentRecords, Shutdown,
};

fn abstract_address(name: &str) -> Address {
    let name = format!("udsock-records-{}-{name}", std::process::id());
    Address::abstract_name(name.as_bytes()).unwrap()
}

/// A reading socket for datagrams, bound to `address`.
fn datagrams(bench: &mut Bench, address: &Address) -> Id {
    let options = BindOptions::new(0).socket_type(SocketType::Datagram).refuse_rights(true);
    let bound = bind_with(address, &options, &false.into()).unwrap();
    let id = bench.reactor.add(bound.socket, Role::Connection(SocketType::Datagram, Rights::Refuse)).unwrap();
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    id
}

fn send_all(bench: &mut Bench, id: Id, records: &[Vec<u8>]) {
    let slices: Vec<_> = records.iter().map(|record| IoSlice::new(record)).collect();
    assert_eq!(bench.reactor.send_records(id, &slices, None), Ok(SentRecords::Records(records.len())));
}

#[test]
fn every_record_is_an_event_and_an_empty_one_is_no_end() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    for record in [&b"one"[..], b"", b"another", b""] {
        put(&peer, record);
    }
    assert_eq!(bench.records(id), ["one", "", "another", ""]);
    assert_eq!(bench.poll(), (vec![], false));
    put(&peer, b"");
    drop(peer);
    assert_eq!(bench.arrived(id), [Arrived::record(""), Arrived::End]);
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn many_records_come_in_one_poll_and_the_others_in_later_ones() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    let sent: Vec<_> = (0..100).map(|number| format!("record {number}")).collect();
    for record in &sent {
        put(&peer, record.as_bytes());
    }
    let mut received = bench.records(id);
    // More than one receive has room for.
    assert!(received.len() > 8, "{}", received.len());
    while received.len() < sent.len() {
        let more = bench.records(id);
        assert!(!more.is_empty());
        received.extend(more);
    }
    assert_eq!(received, sent);
}

#[test]
fn small_records_lie_side_by_side_in_the_scratch_memory() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    for _ in 0..8 {
        put(&peer, b"12345678");
    }
    let (events, _) = bench.poll();
    let offsets: Vec<_> = events.iter().map(|event| event.detail).collect();
    assert_eq!(offsets, [0, 8, 16, 24, 32, 40, 48, 56]);
    assert!(events.iter().all(|event| event.subject == id.slot()));
}

#[test]
fn a_record_longer_than_the_longest_is_marked_and_the_next_is_whole() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    bench.reactor.set_longest_record(id, 4).unwrap();
    for record in [&b"1234"[..], b"12345", b"", b"123"] {
        put(&peer, record);
    }
    let cut = Arrived::Record { bytes: b"1234".to_vec(), from: vec![], is_truncated: true };
    let expected = [Arrived::record("1234"), cut, Arrived::record(""), Arrived::record("123")];
    assert_eq!(bench.arrived(id), expected);
}

#[test]
fn a_socket_that_takes_no_byte_tells_empty_records_from_others() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    bench.reactor.set_longest_record(id, 0).unwrap();
    put(&peer, b"");
    put(&peer, b"1");
    drop(peer);
    let cut = Arrived::Record { bytes: vec![], from: vec![], is_truncated: true };
    assert_eq!(bench.arrived(id), [Arrived::record(""), cut, Arrived::End]);
}

#[test]
fn records_are_sent_with_one_call_each_whole() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    send_all(&mut bench, id, &[b"one".to_vec(), vec![], b"another".to_vec()]);
    assert_eq!([get(&peer), get(&peer), get(&peer)], [b"one".to_vec(), vec![], b"another".to_vec()]);
    send_all(&mut bench, id, &[b"alone".to_vec()]);
    assert_eq!(get(&peer), b"alone");
}

#[test]
fn without_room_the_rest_waits_for_one_writable_event_and_nothing_is_lost() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    let sent: Vec<_> = (0..4000_u32).map(|number| number.to_le_bytes().repeat(500)).collect();
    let mut received = Vec::new();
    let (mut next, mut is_blocked) = (0, false);
    let deadline = Instant::now() + Duration::from_secs(20);
    while received.len() < sent.len() {
        assert!(Instant::now() < deadline, "{next} sent, {} received", received.len());
        while !is_blocked && next < sent.len() {
            let slices: Vec<_> =
                sent[next..].iter().take(MOST_IN_SEND).map(|record| IoSlice::new(record)).collect();
            let taken = match bench.reactor.send_records(id, &slices, None).unwrap() {
                SentRecords::Records(taken) => taken,
                SentRecords::Full => 0,
            };
            next += taken;
            is_blocked = taken < slices.len();
        }
        while let bytes @ [_, ..] = &get(&peer)[..] {
            received.push(bytes.to_vec());
        }
        for event in bench.poll().0 {
            assert_eq!((event.kind, event.subject), (EventKind::Writable, id.slot()));
            assert!(is_blocked);
            is_blocked = false;
        }
    }
    assert_eq!(received, sent);
}

#[test]
fn what_a_peer_sent_before_it_went_arrives_before_the_end() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    put(&peer, b"last words");
    drop(peer);
    assert_eq!(bench.arrived(id), [Arrived::record("last words"), Arrived::End]);
    let slices = [IoSlice::new(b"lost")];
    assert_eq!(bench.reactor.send_records(id, &slices, None), Err(Errno::PIPE));
}

#[test]
fn a_peer_that_goes_without_reading_is_an_error_behind_its_records() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    send_all(&mut bench, id, &[b"unread".to_vec()]);
    put(&peer, b"read");
    put(&peer, b"");
    drop(peer);
    let reset = Arrived::Error(Errno::CONNRESET);
    assert_eq!(bench.arrived(id), [Arrived::record("read"), Arrived::record(""), reset]);
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn empty_records_hold_a_hang_up_back() {
    for has_unread in [false, true] {
        let mut bench = Bench::new();
        let (id, peer) = bench.packets();
        bench.reactor.read_stop(id).unwrap();
        if has_unread {
            send_all(&mut bench, id, &[b"unread".to_vec()]);
        }
        put(&peer, b"");
        drop(peer);
        assert_eq!(bench.poll(), (vec![], false));
        bench.reactor.read_start(id, Destination::Scratch).unwrap();
        let end = if has_unread { Arrived::Error(Errno::CONNRESET) } else { Arrived::End };
        assert_eq!(bench.arrived(id), [Arrived::record(""), end]);
    }
}

#[test]
fn closing_with_unread_records_is_a_clean_end_for_the_peer() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    bench.reactor.read_stop(id).unwrap();
    for record in [&b"unread"[..], b"", b"unread, too"] {
        put(&peer, record);
    }
    bench.reactor.close(id).unwrap();
    assert_eq!(recv(&peer, &mut [0; 8], RecvFlags::DONTWAIT).map(|(length, _)| length), Ok(0));
}

#[test]
fn a_record_beyond_every_buffer_fails_alone() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    let huge = vec![0; 64 << 20];
    let slices = [IoSlice::new(&huge), IoSlice::new(b"next")];
    assert_eq!(bench.reactor.send_records(id, &slices, None), Err(Errno::MSGSIZE));
    send_all(&mut bench, id, &[b"next".to_vec()]);
    assert_eq!(get(&peer), b"next");
}

#[test]
fn a_half_closed_connection_goes_on_in_the_other_direction() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    send_all(&mut bench, id, &[b"question".to_vec()]);
    bench.reactor.shutdown(id, Shutdown::Write).unwrap();
    assert_eq!([get(&peer), get(&peer)], [b"question".to_vec(), vec![]]);
    put(&peer, b"answer");
    assert_eq!(bench.records(id), ["answer"]);
}

#[test]
fn a_hang_up_is_reported_to_a_socket_that_does_not_read() {
    let mut bench = Bench::new();
    let (id, peer) = bench.packets();
    bench.reactor.read_stop(id).unwrap();
    drop(peer);
    let kinds: Vec<_> = bench.poll().0.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::HangUp]);
}

#[test]
fn datagrams_bring_their_senders_addresses() {
    let mut bench = Bench::new();
    let (to, from) = (abstract_address("to"), abstract_address("from"));
    let id = datagrams(&mut bench, &to);
    let sender = datagrams(&mut bench, &from);
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
    let id = datagrams(&mut bench, &here);
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
    let id = datagrams(&mut bench, &here);
    let other = datagrams(&mut bench, &there);
    connect_datagrams(bench.reactor.fd(id).unwrap(), &there).unwrap();
    bench.reactor.close(other).unwrap();
    let slices = [IoSlice::new(b"record")];
    let outcome = bench.reactor.send_records(id, &slices, None);
    assert!(matches!(outcome, Err(Errno::CONNREFUSED | Errno::CONNRESET)), "{outcome:?}");
    let other = datagrams(&mut bench, &there);
    connect_datagrams(bench.reactor.fd(id).unwrap(), &there).unwrap();
    send_all(&mut bench, id, &[b"again".to_vec()]);
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
    let receiver = datagrams(&mut bench, &there);
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
    let id = datagrams(&mut bench, &there);
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
    let id = datagrams(&mut bench, &there);
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

#[test]
fn a_longest_record_that_no_poll_has_room_for_is_an_error() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, peer) = packets();
    let id = reactor.add(ours, Role::Connection(SocketType::Packet, Rights::Refuse)).unwrap();
    reactor.set_longest_record(id, 1 << 20).unwrap();
    reactor.read_start(id, Destination::Scratch).unwrap();
    send(&peer, b"record", SendFlags::empty()).unwrap();
    let (mut ring, mut scratch) = (vec![Default::default(); 1024], vec![0; 64 << 10]);
    let polled = reactor.poll(&mut PollMemory::of(&mut ring, &mut scratch)).unwrap();
    assert_eq!((polled.events, polled.more), (1, false));
    assert_eq!((ring[0].kind, ring[0].value), (EventKind::Error, -Errno::MSGSIZE.raw_os_error()));
}
