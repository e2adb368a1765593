//! A reactor over socket pairs: what it reports, in which order, and what it leaves alone.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::IoSlice;
use udsock::SocketType::Stream;
use udsock_reactor::{
    Answer, Arrival, Destination, Errno, Event, EventKind, Id, Mailbox, PollMemory, Polled, Reactor, Rights,
    Role, Shutdown, negative,
};

mod bench;

use bench::{Bench, SCRATCH, get, pair, put};

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
fn bulk_is_read_into_memory_of_its_own_without_loss() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    let bytes: Vec<u8> = (0..1 << 20).map(|index: u32| (index / 7) as u8).collect();
    let sender = std::thread::spawn({
        let bytes = bytes.clone();
        move || {
            rustix::io::ioctl_fionbio(&peer, false).unwrap();
            let mut sent = 0;
            while sent < bytes.len() {
                sent += send(&peer, &bytes[sent..], SendFlags::NOSIGNAL).unwrap();
            }
        }
    });
    let (received, ended) = bench.read_until(id, |_, ended| ended);
    sender.join().unwrap();
    assert!(ended);
    assert!(received == bytes);
}

#[test]
fn bulk_is_asked_for_once_and_small_reads_return_to_the_scratch_memory() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    put(&peer, &[7; 100_000]);
    let (events, more) = bench.poll();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Data, EventKind::Bulk]);
    assert!(more);
    let mut memory = vec![0; 64 << 10];
    assert_eq!(bench.read(id, &mut memory), Ok(100_000 - (64 << 10)));
    assert_eq!(bench.read(id, &mut memory), Err(Errno::AGAIN));
    assert_eq!(bench.poll(), (vec![], false));
    put(&peer, b"small");
    let mut seen = Vec::new();
    for _ in 0..2 {
        for event in bench.poll().0 {
            if event.kind == EventKind::Bulk {
                assert_eq!(bench.read(id, &mut memory), Ok(5));
            }
            seen.push(event.kind);
        }
    }
    put(&peer, b"again");
    let (events, _) = bench.poll();
    assert_eq!(bench.data(events[0]), b"again");
    assert_eq!(bench.read(id, &mut []), Err(Errno::INVAL));
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

#[test]
fn bulk_that_keeps_meeting_a_full_buffer_gets_a_larger_one_and_small_messages_do_not() {
    use rustix::net::sockopt::socket_send_buffer_size;
    let mut bench = Bench::new();
    for (length, raised) in [(64 << 10, true), (64, false)] {
        let (id, peer) = bench.connection();
        let before = socket_send_buffer_size(bench.reactor.fd(id).unwrap()).unwrap();
        let bytes = vec![1; length];
        for _ in 0..20 {
            while bench.write(id, &[IoSlice::new(&bytes)]) == Ok(length) {}
            while !get(&peer).is_empty() {}
        }
        let after = socket_send_buffer_size(bench.reactor.fd(id).unwrap()).unwrap();
        assert_eq!(after > before, raised, "{before} became {after}");
    }
}

/// Checks that nothing is left to do after a short read. Where the kernel cannot refuse descriptors (Linux before 6.16), a control
/// message may have ended that read; one more read then finds the connection empty.
fn expect_drained(bench: &mut Bench, id: Id) {
    if udsock::refuse_rights(&pair().0).is_err() {
        let (events, _) = bench.poll();
        assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Bulk]);
        assert_eq!(bench.read(id, &mut [0; 4]), Err(Errno::AGAIN));
    }
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn a_reader_with_memory_of_its_own_gets_no_copy_however_little_comes() {
    let mut bench = Bench::new();
    let (id, peer) = bench.connection();
    bench.reactor.read_stop(id).unwrap();
    put(&peer, b"abcdef");
    bench.reactor.read_start(id, Destination::Own).unwrap();
    let (events, _) = bench.poll();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Bulk]);
    let mut memory = [0; 4];
    assert_eq!(bench.read(id, &mut memory), Ok(4));
    assert_eq!(&memory, b"abcd");
    let (events, _) = bench.poll();
    assert_eq!(events.len(), 1, "the rest was left");
    assert_eq!(bench.read(id, &mut memory), Ok(2));
    assert_eq!(&memory[..2], b"ef");
    expect_drained(&mut bench, id);
    for round in 0_u8..30 {
        put(&peer, &[round]);
        let (events, _) = bench.poll();
        assert_eq!((events.len(), events[0].kind), (1, EventKind::Bulk));
        assert_eq!(bench.read(id, &mut memory), Ok(1));
        assert_eq!(memory[0], round);
        expect_drained(&mut bench, id);
    }
    drop(peer);
    assert_eq!(bench.poll().0[0].kind, EventKind::Bulk);
    assert_eq!(bench.read(id, &mut memory), Ok(0));
    assert_eq!(bench.poll(), (vec![], false));
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
