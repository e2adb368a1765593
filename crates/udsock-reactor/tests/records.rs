//! Connections of records in a reactor: what arrives is what was sent, record by record.
#![cfg(any(target_os = "linux", target_os = "android"))]
// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Arrived, Bench, get, packets, put};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::IoSlice;
use std::time::{Duration, Instant};
use udsock::SocketType;
use udsock::records::MOST_IN_SEND;
use udsock_reactor::{
    Destination, Errno, EventKind, Id, PollMemory, Reactor, Rights, Role, SentRecords, Shutdown,
};

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
