//! What other threads deliver to a reactor.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::net::{RecvFlags, recv};
use std::io::IoSlice;
use udsock::SocketType::Stream;
use udsock_reactor::{Answer, Arrival, Errno, EventKind, Id, Mailbox, Rights, Role};

mod bench;

use bench::{Bench, get, pair};

#[test]
fn arrivals_from_another_thread_join_the_reactor() {
    let mut bench = Bench::new();
    let mailbox = bench.reactor.mailbox();
    let (ours, theirs) = pair();
    std::thread::spawn(move || {
        let outcome = Ok(Answer::Socket(ours, Role::Connection(Stream, Rights::Refuse)));
        assert!(mailbox.deliver(Arrival { request: 7, outcome }).is_ok());
        assert!(mailbox.deliver(Arrival { request: 8, outcome: Err(Errno::CONNREFUSED) }).is_ok());
    })
    .join()
    .unwrap();
    let (events, more) = bench.poll();
    assert_eq!((events.len(), more), (2, false));
    assert_eq!((events[0].subject, events[0].kind), (7, EventKind::Completed));
    let refused = -Errno::CONNREFUSED.raw_os_error();
    assert_eq!((events[1].subject, events[1].kind, events[1].value), (8, EventKind::Completed, refused));
    let bits = (u64::from(events[0].detail) << 21) | events[0].value as u64;
    bench.write(Id::from_bits(bits).unwrap(), &[IoSlice::new(b"joined")]).unwrap();
    assert_eq!(get(&theirs), b"joined");
}

#[test]
fn notes_come_in_the_order_in_which_they_were_delivered() {
    let mut bench = Bench::new();
    let mailbox = bench.reactor.mailbox();
    for note in [3, -4] {
        assert!(mailbox.deliver(Arrival { request: 9, outcome: Ok(Answer::Note(note)) }).is_ok());
    }
    let (events, more) = bench.poll();
    let seen: Vec<_> = events.iter().map(|event| (event.subject, event.kind, event.value)).collect();
    assert_eq!((seen, more), (vec![(9, EventKind::Note, 3), (9, EventKind::Note, -4)], false));
}

#[test]
fn a_full_mailbox_gives_back_and_a_closed_one_closes_what_comes() {
    let mut bench = Bench::new();
    let mailbox = bench.reactor.mailbox();
    for request in 0..Mailbox::CAPACITY as u32 {
        assert!(mailbox.deliver(Arrival { request, outcome: Err(Errno::PERM) }).is_ok());
    }
    let (ours, theirs) = pair();
    let refused = mailbox
        .deliver(Arrival {
            request: 1,
            outcome: Ok(Answer::Socket(ours, Role::Connection(Stream, Rights::Refuse))),
        })
        .unwrap_err();
    let mut requests = Vec::new();
    loop {
        let (events, more) = bench.poll();
        requests.extend(events.iter().map(|event| event.subject));
        if !more {
            break;
        }
    }
    assert_eq!(requests, (0..Mailbox::CAPACITY as u32).collect::<Vec<_>>());
    drop(bench);
    assert!(mailbox.deliver(refused).is_ok());
    let mut byte = [0];
    assert_eq!(recv(&theirs, &mut byte[..], RecvFlags::DONTWAIT).map(|(length, _)| length), Ok(0));
}
