//! Descriptors that are sent and received with the bytes of a stream, and streams that leave the reactor.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use udsock::SocketType::{Packet, Stream};
use udsock::records::SentRecords;
use udsock::transfer::{MOST_DESCRIPTORS, RawSlice, send_message};
use udsock_reactor::{
    Destination, Errno, EventKind, Id, Lost, Received, Rights, Role, Sent, TakenDescriptors,
};

mod bench;

use bench::{Bench, pair, put};

/// Two streams of one reactor, which read, and take descriptors.
fn streams(bench: &mut Bench, limit: usize) -> (Id, Id) {
    let (one, other) = bench.reactor.add_pair(Stream, Rights::Discard).unwrap();
    for id in [one, other] {
        bench.reactor.receive_descriptors(id, limit).unwrap();
        bench.reactor.read_start(id, Destination::Scratch).unwrap();
    }
    (one, other)
}

fn hold(bench: &mut Bench, count: usize) -> Vec<Id> {
    let null = File::open("/dev/null").unwrap();
    let descriptors = bench.reactor.descriptors();
    (0..count).map(|_| descriptors.duplicate(null.as_fd()).unwrap()).collect()
}

fn send(bench: &mut Bench, id: Id, bytes: &[u8], descriptors: &[Id]) -> Result<Sent, Errno> {
    bench.reactor.write_with(id, &[IoSlice::new(bytes)], descriptors)
}

fn take(bench: &mut Bench, id: Id) -> (TakenDescriptors, Vec<Id>) {
    let mut ids = Vec::new();
    let taken = bench.reactor.take_descriptors(id, |id, _number| ids.push(id)).unwrap();
    (taken, ids)
}

/// The kinds of events of `id`, as far as they bring input.
fn input(bench: &mut Bench, id: Id) -> Vec<EventKind> {
    let (events, _more) = bench.poll();
    events.iter().filter(|event| event.subject == id.slot()).map(|event| event.kind).collect()
}

/// Whether the peer of the last end that is open reads the end of a stream.
fn reads_end(mut socket: &UnixStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.read(&mut [0; 1]).unwrap() == 0
}

#[test]
fn descriptors_are_released_with_the_first_byte_and_arrive_before_it() {
    let mut bench = Bench::new();
    let (one, other) = streams(&mut bench, 8);
    let held = hold(&mut bench, 3);
    assert_eq!(send(&mut bench, one, b"gift", &held), Ok(Sent::Bytes(4)));
    assert_eq!(bench.reactor.descriptors().get(held[0]).err(), Some(Errno::BADF));
    assert_eq!(input(&mut bench, other), [EventKind::Descriptors, EventKind::Data]);
    let (taken, ids) = take(&mut bench, other);
    assert_eq!((taken, ids.len()), (TakenDescriptors::Count(3), 3));
    for &id in &ids {
        let fd = bench.reactor.descriptors().release(id).unwrap();
        assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
    }
    assert_eq!(take(&mut bench, other).0, TakenDescriptors::None);
}

#[test]
fn one_poll_brings_one_lot_of_a_stream() {
    let mut bench = Bench::new();
    let (one, other) = streams(&mut bench, 8);
    for _ in 0..3 {
        let held = hold(&mut bench, 2);
        assert_eq!(send(&mut bench, one, b"x", &held), Ok(Sent::Bytes(1)));
    }
    for _ in 0..3 {
        assert_eq!(input(&mut bench, other), [EventKind::Descriptors, EventKind::Data]);
        assert_eq!(take(&mut bench, other).0, TakenDescriptors::Count(2));
    }
    assert_eq!(input(&mut bench, other), []);
}

#[test]
fn a_full_socket_keeps_the_descriptors_and_reports_room() {
    let mut bench = Bench::new();
    let (one, other) = streams(&mut bench, 8);
    bench.reactor.read_stop(other).unwrap();
    let chunk = vec![0; 100_000];
    while bench.write(one, &[IoSlice::new(&chunk)]) != Err(Errno::AGAIN) {}
    let held = hold(&mut bench, 1);
    assert_eq!(send(&mut bench, one, b"later", &held), Ok(Sent::Full));
    assert!(bench.reactor.descriptors().get(held[0]).is_ok());
    bench.reactor.read_start(other, Destination::Own).unwrap();
    let mut memory = vec![0; 1 << 20];
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline);
        while matches!(bench.reactor.read(other, &mut memory), Ok(Received::Bytes { .. })) {}
        let (events, _more) = bench.poll();
        if events.iter().any(|event| event.subject == one.slot() && event.kind == EventKind::Writable) {
            break;
        }
    }
    assert_eq!(send(&mut bench, one, b"later", &held), Ok(Sent::Bytes(5)));
    assert!(matches!(bench.reactor.read(other, &mut memory), Ok(Received::Bytes { length: 5, .. })));
    assert_eq!(take(&mut bench, other).0, TakenDescriptors::Count(1));
}

#[test]
fn more_descriptors_than_asked_for_are_closed_and_reported() {
    let mut bench = Bench::new();
    let (one, other) = streams(&mut bench, 1);
    let (gift, witness) = UnixStream::pair().unwrap();
    let held: Vec<Id> =
        (0..2).map(|_| bench.reactor.descriptors().duplicate(gift.as_fd()).unwrap()).collect();
    drop(gift);
    assert_eq!(send(&mut bench, one, b"x", &held), Ok(Sent::Bytes(1)));
    assert_eq!(input(&mut bench, other), [EventKind::Descriptors, EventKind::Data]);
    assert_eq!(take(&mut bench, other).0, TakenDescriptors::Lost(Lost::TooMany));
    assert!(reads_end(&witness));
}

#[test]
fn descriptors_that_are_not_taken_are_closed_with_their_stream() {
    for is_reactor in [false, true] {
        let mut bench = Bench::new();
        let (one, other) = streams(&mut bench, 8);
        let (gift, witness) = UnixStream::pair().unwrap();
        let held = bench.reactor.descriptors().hold(gift.into()).unwrap();
        assert_eq!(send(&mut bench, one, b"x", &[held]), Ok(Sent::Bytes(1)));
        assert_eq!(input(&mut bench, other), [EventKind::Descriptors, EventKind::Data]);
        if is_reactor {
            drop(bench);
        } else {
            bench.reactor.close(other).unwrap();
        }
        assert!(reads_end(&witness));
    }
}

#[test]
fn a_send_with_nothing_to_send_is_refused_and_keeps_the_descriptors() {
    let mut bench = Bench::new();
    let (one, _other) = streams(&mut bench, 8);
    let held = hold(&mut bench, MOST_DESCRIPTORS + 1);
    assert_eq!(send(&mut bench, one, b"", &held[..1]), Err(Errno::INVAL));
    assert_eq!(send(&mut bench, one, b"x", &[]), Err(Errno::INVAL));
    assert_eq!(send(&mut bench, one, b"x", &held), Err(Errno::INVAL));
    bench.reactor.descriptors().close(held[1]).unwrap();
    assert_eq!(send(&mut bench, one, b"x", &held[..2]), Err(Errno::BADF));
    assert!(bench.reactor.descriptors().get(held[0]).is_ok());
    assert_eq!(send(&mut bench, one, b"x", &held[2..][..1]), Ok(Sent::Bytes(1)));
}

#[test]
fn a_stream_that_leaves_is_not_shut_down_and_keeps_its_bytes() {
    let mut bench = Bench::new();
    let (ours, theirs) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    bench.reactor.read_stop(id).unwrap();
    put(&theirs, b"unread");
    let number = bench.reactor.fd(id).unwrap().as_raw_fd();
    let held = bench.reactor.detach(id).unwrap();
    assert_eq!(bench.reactor.detach(id), Err(Errno::BADF));
    assert_eq!(input(&mut bench, id), []);
    let fd = bench.reactor.descriptors().release(held).unwrap();
    assert_eq!(fd.as_raw_fd(), number);
    assert!(!fcntl_getfl(&fd).unwrap().contains(OFlags::NONBLOCK));
    let mut socket = UnixStream::from(fd);
    let mut bytes = [0; 6];
    socket.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"unread");
    // It takes descriptors, as a new socket does.
    let null = File::open("/dev/null").unwrap();
    assert_eq!(send_message(&theirs, &[IoSlice::new(b"x")], &[null.as_fd()]).unwrap(), Sent::Bytes(1));
    socket.write_all(b"back").unwrap();
    assert_eq!(bench::get(&theirs), b"back");
    // A duplicate that was taken before does not make the reactor report anything.
    assert_eq!(input(&mut bench, id), []);
}

#[test]
fn a_pair_refuses_descriptors_where_the_kernel_can() {
    let mut bench = Bench::new();
    let (one, other) = bench.reactor.add_pair(Stream, Rights::Refuse).unwrap();
    let held = hold(&mut bench, 1);
    let can_refuse = udsock::refuse_rights(UnixStream::pair().unwrap().0).is_ok();
    match send(&mut bench, one, b"x", &held) {
        Err(Errno::PERM) => assert!(can_refuse),
        sent => assert_eq!((sent, can_refuse), (Ok(Sent::Bytes(1)), false)),
    }
    bench.reactor.close(other).unwrap();
}

#[test]
fn a_record_carries_descriptors_also_when_it_is_empty() {
    let mut bench = Bench::new();
    let (one, other) = bench.reactor.add_pair(Packet, Rights::Discard).unwrap();
    bench.reactor.receive_descriptors(other, 2).unwrap();
    bench.reactor.read_start(other, Destination::Scratch).unwrap();
    for (bytes, count) in [(&b"gift"[..], 2), (b"", 1)] {
        let held = hold(&mut bench, count);
        let record = RawSlice::new(bytes.as_ptr(), bytes.len());
        // SAFETY: the bytes are static.
        let sent = unsafe { bench.reactor.send_record_with_raw(one, record, &held, None) };
        assert_eq!(sent, Ok(SentRecords::Records(1)));
        assert_eq!(bench.reactor.descriptors().get(held[0]).err(), Some(Errno::BADF));
        assert_eq!(input(&mut bench, other), [EventKind::Descriptors, EventKind::Record]);
        assert_eq!(take(&mut bench, other).0, TakenDescriptors::Count(count));
    }
    let held = hold(&mut bench, 3);
    // SAFETY: the bytes are static.
    let sent =
        unsafe { bench.reactor.send_record_with_raw(one, RawSlice::new(b"x".as_ptr(), 1), &held, None) };
    assert_eq!(sent, Ok(SentRecords::Records(1)));
    assert_eq!(input(&mut bench, other), [EventKind::Descriptors, EventKind::Record]);
    assert_eq!(take(&mut bench, other).0, TakenDescriptors::Lost(Lost::TooMany));
}
