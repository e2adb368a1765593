//! When a reactor reports that a peer has gone whose connection is not read, and in which order a poll reports.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::IoSlice;
use std::os::fd::AsFd;
use udsock::SocketType::Stream;
use udsock_reactor::{Destination, Errno, Event, EventKind, Id, Rights, Role, Shutdown, negative};

mod bench;

use bench::{Bench, get, pair, put};

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

fn hang_up(id: Id) -> Vec<Event> {
    vec![Event { subject: id.slot(), kind: EventKind::HangUp, value: 0, detail: 0 }]
}

/// Whether the owner of the reactor would be woken.
fn is_awake(bench: &Bench) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(bench.reactor.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

#[test]
fn a_hang_up_is_reported_once_for_a_connection_that_was_never_read() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    assert_eq!(bench.poll(), (vec![], false));
    drop(peer);
    assert!(is_awake(&bench));
    assert_eq!(bench.poll(), (hang_up(id), false));
    assert_eq!(bench.poll(), (vec![], false));
    assert_eq!(bench.reactor.read_start(id, Destination::Scratch), Ok(true));
    assert_eq!(kinds(&bench.poll().0), [EventKind::End]);
}

#[test]
fn a_hang_up_before_the_registration_is_reported() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    drop(peer);
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    assert_eq!(bench.poll(), (hang_up(id), false));
}

#[test]
fn a_half_close_is_a_hang_up_and_leaves_writing() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    rustix::net::shutdown(&peer, Shutdown::Write).unwrap();
    assert_eq!(bench.poll(), (hang_up(id), false));
    assert_eq!(bench.write(id, &[IoSlice::new(b"still here")]), Ok(10));
    assert_eq!(get(&peer), b"still here");
    drop(peer);
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn unread_input_holds_a_hang_up_back_and_is_read_before_the_end() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    put(&peer, b"unread");
    drop(peer);
    for _ in 0..3 {
        assert_eq!(bench.poll(), (vec![], false));
    }
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    let (events, _) = bench.poll();
    assert_eq!(bench.data(events[0]), b"unread");
    assert_eq!(kinds(&events[1..]), [EventKind::End]);
}

#[test]
fn a_hang_up_with_a_reset_is_reported_and_read_as_the_error_that_it_is() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    assert_eq!(bench.write(id, &[IoSlice::new(b"never read")]), Ok(10));
    drop(peer);
    assert_eq!(bench.poll(), (hang_up(id), false));
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    let (events, _) = bench.poll();
    assert_eq!(kinds(&events), [EventKind::Error]);
    assert_eq!(events[0].value, negative(Errno::CONNRESET));
}

#[test]
fn a_reader_that_stops_between_the_last_byte_and_the_end_is_woken_for_the_hang_up() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    // Read into memory of the reader's, so that the end is not read with the bytes.
    bench.reactor.read_start(id, Destination::Own).unwrap();
    put(&peer, b"last words");
    drop(peer);
    assert_eq!(kinds(&bench.poll().0), [EventKind::Bulk]);
    let mut memory = [0; 6];
    assert_eq!(bench.read(id, &mut memory), Ok(6));
    bench.reactor.read_stop(id).unwrap();
    assert_eq!(bench.poll(), (vec![], false), "four bytes are unread");
    assert!(!is_awake(&bench));
    bench.reactor.read_start(id, Destination::Own).unwrap();
    assert_eq!(bench.read(id, &mut memory), Ok(4));
    bench.reactor.read_stop(id).unwrap();
    assert!(is_awake(&bench));
    assert_eq!(bench.poll(), (hang_up(id), false));
    assert!(!is_awake(&bench));
}

#[test]
fn a_hang_up_is_not_reported_once_the_end_was_read_or_the_read_side_was_closed() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    rustix::net::shutdown(&peer, Shutdown::Write).unwrap();
    assert_eq!(kinds(&bench.poll().0), [EventKind::End]);
    bench.reactor.read_stop(id).unwrap();
    let (ours, second) = pair();
    let closed = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    assert_eq!(bench.poll(), (vec![], false));
    bench.reactor.shutdown(closed, Shutdown::Read).unwrap();
    drop((peer, second));
    for _ in 0..3 {
        assert_eq!(bench.poll(), (vec![], false));
    }
}

#[test]
fn a_poll_reports_the_input_of_all_connections_before_writable() {
    let mut bench = Bench::new();
    let (writing, slow) = bench.connection();
    let (reading, other) = bench.connection();
    let bytes = vec![0; 4 << 20];
    bench.write(writing, &[IoSlice::new(&bytes)]).unwrap();
    assert_eq!(bench.write(writing, &[IoSlice::new(&bytes)]), Err(Errno::AGAIN));
    assert_eq!(bench.poll(), (vec![], false));
    put(&slow, b"an answer");
    put(&other, b"more");
    drop(slow);
    let (events, _) = bench.poll();
    let order: Vec<_> = events.iter().map(|event| (event.subject, event.kind)).collect();
    let input = &order[..3];
    for expected in [(writing, EventKind::Data), (writing, EventKind::Error), (reading, EventKind::Data)] {
        assert!(input.contains(&(expected.0.slot(), expected.1)), "{order:?}");
    }
    assert_eq!(order[3..], [(writing.slot(), EventKind::Writable)]);
}

#[test]
fn much_input_does_not_hold_a_writer_up() {
    let mut bench = Bench::new();
    let (writing, slow) = bench.connection();
    let bytes = vec![0; 4 << 20];
    bench.write(writing, &[IoSlice::new(&bytes)]).unwrap();
    let busy: Vec<_> = (0..600).map(|_| bench.connection()).collect();
    for (_, peer) in &busy {
        put(peer, b"x");
    }
    while !get(&slow).is_empty() {}
    bench.ring.truncate(udsock_reactor::Reactor::SMALLEST_RING);
    // 256 reports of the kernel a poll: after four of them the writer has had its own.
    let seen: Vec<_> = (0..4).flat_map(|_| bench.poll().0).collect();
    assert!(kinds(&seen).contains(&EventKind::Writable));
}
