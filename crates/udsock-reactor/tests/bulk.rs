//! Reads into the caller's memory: when they are announced, and that none is lost.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::net::{SendFlags, send};
use std::io::IoSlice;
use udsock_reactor::{Destination, Errno, EventKind, Id};

mod bench;

use bench::{Bench, get, pair, put};

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
