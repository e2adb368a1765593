//! A reactor over socket pairs: what it reports, in which order, and what it leaves alone.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::IoSlice;
use udsock_reactor::{Destination, Errno, Event, EventKind, PollMemory, Polled, Reactor, Shutdown, negative};

mod bench;

use bench::{Bench, SCRATCH, get, put};

#[test]
fn bytes_arrive_once_in_order_and_silence_brings_no_event() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    assert_eq!(bench.poll(), (vec![], false));
    put(&peer, b"first");
    put(&peer, b"second");
    let (events, more) = bench.poll();
    assert_eq!((events.len(), more), (1, false));
    assert_eq!(events[0].subject, id.slot());
    assert_eq!(bench.data(events[0]), b"firstsecond");
    assert_eq!(bench.poll(), (vec![], false));
    put(&peer, b"third");
    let (events, _) = bench.poll();
    assert_eq!(bench.data(events[0]), b"third");
}

#[test]
fn nothing_is_read_that_nobody_asked_for() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    bench.reactor.read_stop(id).unwrap();
    put(&peer, b"later");
    assert_eq!(bench.poll(), (vec![], false));
    assert_eq!(bench.poll(), (vec![], false));
    assert_eq!(bench.reactor.read_start(id, Destination::Scratch), Ok(true));
    let (events, _) = bench.poll();
    assert_eq!(bench.data(events[0]), b"later");
}

#[test]
fn data_and_end_in_one_edge_are_both_reported() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    put(&peer, b"last words");
    drop(peer);
    let (bytes, ended) = bench.read_until(id, |_, ended| ended);
    assert_eq!((bytes.as_slice(), ended), (&b"last words"[..], true));
    // And the end is reported once.
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn half_close_ends_reading_and_leaves_writing() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    rustix::net::shutdown(&peer, Shutdown::Write).unwrap();
    let (events, _) = bench.poll();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::End]);
    assert_eq!(bench.write(id, &[IoSlice::new(b"still here")]), Ok(10));
    assert_eq!(get(&peer), b"still here");
    bench.reactor.shutdown(id, Shutdown::Write).unwrap();
    assert_eq!(bench.write(id, &[IoSlice::new(b"x")]), Err(Errno::PIPE));
    assert_eq!(get(&peer), b"");
}

#[test]
fn a_peer_that_closes_with_unread_input_is_an_error_after_its_data() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    assert_eq!(bench.write(id, &[IoSlice::new(b"never read")]), Ok(10));
    put(&peer, b"goodbye");
    drop(peer);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(bench.poll().0.iter().map(|event| (event.kind, event.value)));
    }
    assert_eq!(seen, [(EventKind::Data, 7), (EventKind::Error, negative(Errno::CONNRESET))]);
    assert_eq!(bench.write(id, &[IoSlice::new(b"x")]), Err(Errno::PIPE));
}

#[test]
fn a_partial_write_is_followed_by_one_writable_event() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    let bytes: Vec<u8> = (0..4 << 20).map(|index: u32| (index % 251) as u8).collect();
    let mut sent = bench.write(id, &[IoSlice::new(&bytes)]).unwrap();
    assert!(sent < bytes.len());
    assert_eq!(bench.write(id, &[IoSlice::new(&bytes[sent..])]), Err(Errno::AGAIN));
    assert_eq!(bench.poll(), (vec![], false));
    let mut received = Vec::new();
    while sent < bytes.len() {
        received.extend(get(&peer));
        for event in bench.poll().0 {
            assert_eq!((event.subject, event.kind), (id.slot(), EventKind::Writable));
            sent += bench.write(id, &[IoSlice::new(&bytes[sent..])]).unwrap();
        }
    }
    while received.len() < bytes.len() {
        received.extend(get(&peer));
    }
    assert_eq!(received, bytes);
    // No writer waits: bytes that the peer reads from here on wake the reactor at most once, and are no event.
    for _ in 0..3 {
        assert_eq!(bench.poll(), (vec![], false));
    }
}

#[test]
fn slices_are_sent_in_order_with_one_call() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    let slices = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two "), IoSlice::new(b"three")];
    assert_eq!(bench.write(id, &slices), Ok(13));
    assert_eq!(get(&peer), b"one two three");
}

#[test]
fn a_writer_whose_peer_goes_learns_it() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    bench.reactor.read_stop(id).unwrap();
    let bytes = vec![1; 4 << 20];
    assert!(bench.write(id, &[IoSlice::new(&bytes)]).unwrap() < bytes.len());
    drop(peer);
    let (events, _) = bench.poll();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Writable, EventKind::HangUp]);
    let failed = bench.write(id, &[IoSlice::new(b"x")]);
    assert!(matches!(failed, Err(Errno::PIPE | Errno::CONNRESET)), "{failed:?}");
}

#[test]
fn an_event_for_a_closed_socket_never_reaches_its_successor() {
    let mut bench = Bench::new();
    let (first, peer) = bench.connection();
    put(&peer, b"for the first");
    bench.reactor.close(first).unwrap();
    let (second, _peer) = bench.connection();
    assert_ne!(first, second);
    assert_eq!(bench.poll(), (vec![], false));
    // The slot is let again after a poll, under another generation, and the old id stays void.
    let (third, _other) = bench.connection();
    assert_eq!(third.slot(), first.slot());
    assert_ne!(third.generation(), first.generation());
    assert_eq!(bench.poll(), (vec![], false));
    assert_eq!(bench.write(first, &[IoSlice::new(b"x")]), Err(Errno::BADF));
    assert_eq!(bench.reactor.read_start(first, Destination::Scratch), Err(Errno::BADF));
    assert_eq!(bench.reactor.close(first), Err(Errno::BADF));
    assert!(bench.reactor.fd(third).is_ok());
}

#[test]
fn closing_with_unread_input_is_a_clean_end_for_the_peer() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    put(&peer, &[1; 150_000]);
    bench.write(id, &[IoSlice::new(b"bye")]).unwrap();
    bench.reactor.close(id).unwrap();
    assert_eq!(get(&peer), b"bye");
    let mut byte = [0];
    assert_eq!(recv(&peer, &mut byte[..], RecvFlags::DONTWAIT).map(|(length, _)| length), Ok(0));
}

#[test]
fn ending_the_read_side_discards_and_leaves_the_write_side() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    put(&peer, b"unheard");
    bench.reactor.shutdown(id, Shutdown::Read).unwrap();
    assert_eq!(bench.poll(), (vec![], false));
    assert_eq!(send(&peer, b"x", SendFlags::NOSIGNAL), Err(Errno::PIPE));
    assert_eq!(bench.write(id, &[IoSlice::new(b"spoken")]), Ok(6));
    assert_eq!(get(&peer), b"spoken");
}

#[test]
fn a_busy_connection_starves_no_other_and_a_poll_is_bounded() {
    let mut bench = Bench::new();
    let (busy, loud) = bench.connection();
    let quiet: Vec<_> = (0..50).map(|_| bench.connection()).collect();
    for round in 0..20 {
        while send(&loud, &[0; 8192], SendFlags::NOSIGNAL).is_ok() {}
        for (_, peer) in &quiet {
            put(peer, &[round]);
        }
        let mut heard = vec![0; quiet.len()];
        for _ in 0..2 {
            let (events, _) = bench.poll();
            let mut loudness = 0;
            for event in events {
                if event.subject == busy.slot() {
                    loudness += event.value;
                    if event.kind == EventKind::Bulk {
                        let mut memory = vec![0; 64 << 10];
                        bench.read(busy, &mut memory).unwrap();
                    }
                } else if let Some(index) = quiet.iter().position(|(id, _)| id.slot() == event.subject) {
                    assert_eq!(bench.data(event), [round]);
                    heard[index] += 1;
                }
            }
            assert!(loudness as usize <= 4 * (64 << 10));
        }
        assert!(heard.iter().all(|&times| times == 1), "{heard:?}");
    }
}

#[test]
fn more_connections_than_a_poll_can_report_are_all_served() {
    let mut bench = Bench::new();
    let connections: Vec<_> = (0..2000).map(|_| bench.connection()).collect();
    for (index, (_, peer)) in connections.iter().enumerate() {
        put(peer, &u32::try_from(index).unwrap().to_le_bytes());
    }
    let mut heard = vec![0; connections.len()];
    let mut polls = 0;
    while heard.contains(&0) {
        polls += 1;
        assert!(polls < 100);
        for event in bench.poll().0 {
            let index = u32::from_le_bytes(bench.data(event).try_into().unwrap()) as usize;
            assert_eq!(connections[index].0.slot(), event.subject);
            heard[index] += 1;
        }
    }
    assert!(heard.iter().all(|&times| times == 1));
}

#[test]
fn a_full_scratch_memory_loses_nothing_and_asks_for_another_poll() {
    let mut bench = Bench::new();
    bench.scratch = vec![0; 64 << 10];
    let connections: Vec<_> = (0..10).map(|_| bench.connection()).collect();
    for (_, peer) in &connections {
        put(peer, &[3; 30_000]);
    }
    let mut received = 0;
    let mut polls = 0;
    loop {
        let (events, more) = bench.poll();
        received += events.iter().map(|event| event.value).sum::<i32>();
        polls += 1;
        if !more {
            break;
        }
    }
    assert_eq!(received, 300_000);
    assert!(polls > 2);
}

#[test]
fn a_ring_that_is_too_small_is_refused() {
    let mut reactor = Reactor::new().unwrap();
    let mut ring = vec![Event::default(); Reactor::SMALLEST_RING - 1];
    assert_eq!(reactor.poll(&mut PollMemory::of(&mut ring, &mut vec![0; SCRATCH])), Err(Errno::INVAL));
    let mut ring = vec![Event::default(); Reactor::SMALLEST_RING];
    assert_eq!(reactor.poll(&mut PollMemory::of(&mut ring, &mut [0; 100])), Err(Errno::INVAL));
    assert_eq!(
        reactor.poll(&mut PollMemory::of(&mut ring, &mut vec![0; SCRATCH])),
        Ok(Polled { events: 0, more: false })
    );
}

#[test]
fn polling_for_a_while_ends_with_the_first_event_or_in_time() {
    let mut bench = Bench::new();
    let (_, peer) = bench.connection();
    let nothing = Polled { events: 0, more: false };
    let patience = std::time::Duration::from_millis(5);
    assert_eq!(
        bench.reactor.poll_for(&mut PollMemory::of(&mut bench.ring, &mut bench.scratch), patience),
        Ok(nothing)
    );
    let speaker = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        put(&peer, b"at last");
        peer
    });
    let patience = std::time::Duration::from_secs(20);
    let polled =
        bench.reactor.poll_for(&mut PollMemory::of(&mut bench.ring, &mut bench.scratch), patience).unwrap();
    assert_eq!(polled.events, 1);
    speaker.join().unwrap();
}
