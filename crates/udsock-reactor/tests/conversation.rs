//! Request and response over one connection: the reactor reads it before it asks the kernel which sockets are readable.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Bench, pair, put};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use udsock::SocketType::Stream;
use udsock_reactor::{Answer, Arrival, Destination, Event, EventKind, Id, Rights, Role};

/// Has `peer` speak often enough to be expected.
fn converse(bench: &mut Bench, id: Id, peer: &std::os::fd::OwnedFd) {
    for round in 0_u8..10 {
        put(peer, &[round]);
        let (events, more) = bench.poll();
        assert_eq!((events.len(), more), (1, false));
        assert_eq!((events[0].subject, bench.data(events[0])), (id.slot(), &[round][..]));
    }
}

fn wants_a_poll(bench: &Bench) -> bool {
    let mut fds = [PollFd::new(&bench.reactor, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
}

#[test]
fn each_word_is_heard_once_and_silence_is_silent() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    for _ in 0..5 {
        converse(&mut bench, id, &peer);
        assert!(!wants_a_poll(&bench));
        assert_eq!(bench.poll(), (vec![], false));
    }
}

#[test]
fn another_that_speaks_in_between_is_heard_while_the_conversation_goes_on() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    let (other, stranger) = bench.connection();
    converse(&mut bench, id, &peer);
    put(&stranger, b"and I");
    let heard = (0..20).position(|_| {
        assert!(wants_a_poll(&bench));
        put(&peer, b"on");
        let (events, _) = bench.poll();
        assert!(events.iter().any(|event| event.subject == id.slot()));
        events.iter().any(|event| event.subject == other.slot() && bench.data(*event) == b"and I")
    });
    assert!(heard.is_some());
}

#[test]
fn an_arrival_is_heard_while_the_conversation_goes_on() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    converse(&mut bench, id, &peer);
    let arrival = Arrival {
        request: 7,
        outcome: Ok(Answer::Socket(pair().0, Role::Connection(Stream, Rights::Refuse))),
    };
    bench.reactor.mailbox().deliver(arrival).unwrap();
    let heard = (0..20).any(|_| {
        put(&peer, b"on");
        let (events, _) = bench.poll();
        events.iter().any(|event| event.kind == EventKind::Completed && event.subject == 7)
    });
    assert!(heard);
}

#[test]
fn last_words_and_the_end_behind_them_are_both_heard() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    converse(&mut bench, id, &peer);
    put(&peer, b"last");
    drop(peer);
    let mut events = Vec::new();
    while wants_a_poll(&bench) {
        events.extend(bench.poll().0);
    }
    let kinds: Vec<_> = events.iter().map(|&Event { subject, kind, .. }| (subject, kind)).collect();
    assert_eq!(kinds, [(id.slot(), EventKind::Data), (id.slot(), EventKind::End)]);
}

#[test]
fn who_stopped_listening_is_not_read() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    converse(&mut bench, id, &peer);
    bench.reactor.read_stop(id).unwrap();
    put(&peer, b"later");
    assert_eq!(bench.poll(), (vec![], false));
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    let (events, _) = bench.poll();
    assert_eq!(bench.data(events[0]), b"later");
}

#[test]
fn the_successor_in_a_slot_inherits_no_expectation() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    converse(&mut bench, id, &peer);
    bench.reactor.close(id).unwrap();
    bench.poll();
    let (successor, other) = bench.connection();
    assert_eq!(successor.slot(), id.slot());
    assert_eq!(bench.poll(), (vec![], false));
    converse(&mut bench, successor, &other);
}
