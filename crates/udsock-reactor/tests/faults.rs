//! System calls of the reactor that fail by rule. The plan is the process's, so the tests take turns.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Bench, is_quick, lingering, pair};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, socketpair,
};
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use udsock::SocketType::{Datagram, Packet, Stream};
use udsock::transfer::send_message;
use udsock_reactor::{
    Accepted, Answer, Arrival, Destination, Errno, Event, EventKind, Id, PollMemory, Reactor, Rights, Role,
    SentRecords,
};

const ERRORS: [(&str, Errno); 8] = [
    ("EINTR", Errno::INTR),
    ("EAGAIN", Errno::AGAIN),
    ("ENOBUFS", Errno::NOBUFS),
    ("ENOMEM", Errno::NOMEM),
    ("EMFILE", Errno::MFILE),
    ("ENFILE", Errno::NFILE),
    ("ECONNRESET", Errno::CONNRESET),
    ("EPIPE", Errno::PIPE),
];

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set("");
    alone
}

fn set(rules: &str) {
    udsock::fault::set(rules, 1).unwrap();
}

/// Sends all of `bytes` from one connection of the reactor to another and ends; gives what arrives, or the failure.
fn carry(bench: &mut Bench, bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let (ours, theirs) = pair();
    let from = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse))?;
    let to = match bench.reactor.add(theirs, Role::Connection(Stream, Rights::Refuse)) {
        Ok(to) => to,
        Err(errno) => {
            bench.reactor.close(from).unwrap();
            return Err(errno);
        }
    };
    let carried = carry_between(bench, from, to, bytes);
    bench.reactor.close(from).unwrap();
    bench.reactor.close(to).unwrap();
    carried
}

fn carry_between(bench: &mut Bench, from: Id, to: Id, bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    bench.reactor.read_start(to, Destination::Scratch)?;
    let (mut sent, mut blocked, mut ended) = (0, false, false);
    let mut received = Vec::new();
    // Every turn moves something, or readiness follows.
    for _ in 0..100_000 {
        if !blocked && sent < bytes.len() {
            let (one, other) = bytes[sent..].split_at((bytes.len() - sent) / 2);
            match bench.write(from, &[IoSlice::new(one), IoSlice::new(other)]) {
                Ok(taken) => sent += taken,
                Err(Errno::AGAIN) => {}
                Err(errno) => return Err(errno),
            }
            blocked = sent < bytes.len();
            if sent == bytes.len() {
                bench.reactor.shutdown(from, udsock_reactor::Shutdown::Write)?;
            }
        }
        let polled = bench.reactor.poll(&mut PollMemory::of(&mut bench.ring, &mut bench.scratch))?;
        for index in 0..polled.events {
            let event = bench.ring[index];
            match event.kind {
                EventKind::Writable if event.subject == from.slot() => blocked = false,
                EventKind::Data => received.extend_from_slice(bench.data(event)),
                EventKind::End => ended = true,
                EventKind::Error => return Err(Errno::from_raw_os_error(-event.value)),
                EventKind::Bulk => {
                    let mut memory = vec![0; 64 << 10];
                    match bench.read(to, &mut memory) {
                        Ok(0) => ended = true,
                        Ok(length) => received.extend_from_slice(&memory[..length]),
                        Err(Errno::AGAIN) => {}
                        Err(errno) => return Err(errno),
                    }
                }
                _ => {}
            }
        }
        if ended {
            return Ok(received);
        }
    }
    panic!("it hangs: {sent} of {} sent, {} received, blocked: {blocked}", bytes.len(), received.len());
}

#[test]
fn bytes_arrive_exactly_or_a_failure_is_told() {
    let _alone = alone();
    let bytes: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
    let mut bench = Bench::new();
    for site in ["recv", "send", "epoll_ctl", "epoll_wait", "shutdown", "setsockopt", "getsockopt"] {
        for (kind, errno) in ERRORS {
            for when in ["times=1", "times=3", "every=2", "every=3", "every=7", "p=0.2"] {
                let what = format!("{site}:{kind}:{when}");
                set(&what);
                let carried = carry(&mut bench, &bytes);
                set("");
                match carried {
                    Ok(received) => assert!(received == bytes, "{what}: {} bytes", received.len()),
                    // The poll object's EAGAIN is no socket's.
                    Err(told) => assert!(told == errno || told == Errno::NOBUFS, "{what}: {told}"),
                }
                assert!(carry(&mut bench, &bytes) == Ok(bytes.clone()), "after {what}");
            }
        }
    }
}

#[test]
fn what_passes_stops_no_stream() {
    let _alone = alone();
    let bytes: Vec<u8> = (0..30_000_u32).map(|at| (at % 251) as u8).collect();
    let mut bench = Bench::new();
    for site in ["recv", "send"] {
        for kind in ["EINTR", "EAGAIN", "short"] {
            for when in ["every=2", "every=3", "p=0.5"] {
                let rules = format!("{site}:{kind}:{when}");
                set(&rules);
                assert!(carry(&mut bench, &bytes) == Ok(bytes.clone()), "{rules}");
            }
        }
    }
    // One byte at a time, all the way.
    set("recv:short,send:short");
    assert!(carry(&mut bench, &bytes) == Ok(bytes.clone()));
    set("send:zero:every=2");
    assert!(carry(&mut bench, &bytes) == Ok(bytes.clone()));
    set("recv:zero:every=2");
    let received = carry(&mut bench, &bytes).unwrap();
    assert!(bytes.starts_with(&received));
}

fn stream() -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

fn listener(name: &str) -> (OwnedFd, SocketAddrUnix) {
    let name = format!("udsock-faults-{name}-{}", std::process::id());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let fd = stream();
    bind(&fd, &address).unwrap();
    listen(&fd, 128).unwrap();
    (fd, address)
}

#[test]
fn every_client_is_accepted_once_what_fails_has_passed() {
    let _alone = alone();
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("accept");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let mut ring = vec![Event::default(); Reactor::SMALLEST_RING];
    let mut scratch = vec![0; 64 << 10];
    for site in ["accept", "poll", "epoll_ctl"] {
        for (kind, errno) in ERRORS {
            let what = format!("{site}:{kind}");
            let client = stream();
            connect(&client, &address).unwrap();
            set(&format!("{what}:times=3"));
            // As JavaScript does: after EAGAIN it waits for an event, after exhaustion for the pause.
            let (mut is_ready, mut accepted) = (true, None);
            for _ in 0..2000 {
                if is_ready {
                    match reactor.accept(id) {
                        Ok(Accepted::Connection(connection)) => accepted = Some(connection),
                        Ok(Accepted::Empty) => is_ready = false,
                        Ok(Accepted::Paused) => {}
                        Ok(Accepted::Refused) => panic!("{what}: refused"),
                        // Such a failure of the poll object closes the connection, which its client sees.
                        Err(failure) if site == "epoll_ctl" && reactor.paused_for(id) == Ok(None) => {
                            assert_eq!(failure, errno, "{what}");
                            break;
                        }
                        Err(failure) => assert_eq!(
                            (site, failure == errno || failure == Errno::NOBUFS),
                            (site, true),
                            "{what}"
                        ),
                    }
                }
                if accepted.is_some() {
                    break;
                }
                if let Some(pause) = reactor.paused_for(id).unwrap() {
                    std::thread::sleep(pause);
                    is_ready = true;
                }
                let polled = reactor.poll(&mut PollMemory::of(&mut ring, &mut scratch)).unwrap();
                is_ready |= ring[..polled.events].iter().any(|event| event.kind == EventKind::Acceptable);
            }
            set("");
            let closed = site == "epoll_ctl" && matches!(kind, "EINTR" | "ECONNRESET" | "EPIPE");
            assert_eq!(accepted.is_none(), closed, "{what}");
            if let Some(connection) = accepted {
                reactor.close(connection).unwrap();
            }
            drop(client);
        }
    }
}

#[test]
fn a_listener_whose_pause_has_ended_and_that_is_closed_reports_nothing() {
    let _alone = alone();
    let mut bench = Bench::new();
    let (connection, _theirs) = bench.connection();
    let (fd, address) = listener("gone");
    let id = bench.reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    connect(stream(), &address).unwrap();
    set("accept:EMFILE:times=1");
    assert_eq!(bench.reactor.accept(id), Err(Errno::MFILE));
    assert_eq!(bench.reactor.close(connection), Ok(true));
    bench.reactor.close(id).unwrap();
    assert_eq!(bench.poll(), (vec![], false));
}

#[test]
fn a_lingering_socket_from_a_client_that_cannot_be_accepted_blocks_no_close_of_the_listener() {
    let _alone = alone();
    let mut bench = Bench::new();
    let (fd, address) = listener("pending");
    let id = bench.reactor.add(fd, Role::Listener(Stream, Rights::Discard)).unwrap();
    let client = stream();
    connect(&client, &address).unwrap();
    let (gift, _reader) = lingering();
    send_message(&client, &[IoSlice::new(b"x")], &[gift.as_fd()]).unwrap();
    drop(gift);
    set("accept:EMFILE");
    is_quick(|| bench.reactor.close(id)).unwrap();
    // It is closed all the same.
    let mut fds = [PollFd::from_borrowed_fd(client.as_fd(), PollFlags::HUP)];
    assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 20, tv_nsec: 0 })), Ok(1));
}

#[test]
fn an_arrival_for_which_nobody_is_woken_comes_back() {
    let _alone = alone();
    let mut bench = Bench::new();
    let mailbox = bench.reactor.mailbox();
    for (kind, _) in ERRORS {
        set(&format!("wake:{kind}:times=1"));
        let back = mailbox.deliver(Arrival { request: 1, outcome: Ok(Answer::Note(5)) });
        let arrival = back.expect_err(kind);
        assert!(mailbox.deliver(arrival).is_ok());
        let (events, _) = bench.poll();
        let notes: Vec<_> = events.iter().map(|event| (event.kind, event.value)).collect();
        assert_eq!(notes, [(EventKind::Note, 5)], "{kind}");
    }
}

#[test]
fn a_hang_up_for_which_nobody_is_woken_has_the_owner_poll() {
    let _alone = alone();
    for (kind, _) in ERRORS {
        let mut bench = Bench::new();
        let (id, peer) = bench.connection();
        bench.reactor.read_start(id, Destination::Own).unwrap();
        rustix::io::write(&peer, b"last").unwrap();
        drop(peer);
        assert_eq!(bench.poll().0.len(), 1, "{kind}");
        assert_eq!(bench.read(id, &mut [0; 4]), Ok(4), "{kind}");
        set(&format!("wake:{kind}:times=1"));
        assert_eq!(bench.reactor.read_stop(id), Ok(true), "{kind}");
        let kinds: Vec<_> = bench.poll().0.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::HangUp], "{kind}");
    }
}

#[test]
fn a_listener_that_cannot_join_goes_back_open() {
    let _alone = alone();
    let mut bench = Bench::new();
    let mailbox = bench.reactor.mailbox();
    let refused = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&refused);
    let keep = Box::new(move |fd, errno| *kept.lock().unwrap() = Some((fd, errno)));
    let (fd, address) = listener("refused");
    set("epoll_ctl:ENOSPC:times=1");
    assert!(
        mailbox
            .deliver(Arrival {
                request: 1,
                outcome: Ok(Answer::Listener(fd, Role::Listener(Stream, Rights::Refuse), keep))
            })
            .is_ok()
    );
    assert_eq!(bench.poll(), (vec![], false));
    let (_fd, errno) = refused.lock().unwrap().take().unwrap();
    assert_eq!(errno, Errno::NOSPC);
    connect(stream(), &address).unwrap();
}

#[test]
fn a_descriptor_that_cannot_be_taken_over_comes_back_open() {
    let _alone = alone();
    let mut bench = Bench::new();
    for (socket_type, site) in [(Stream, "epoll_ctl"), (Packet, "epoll_ctl"), (Packet, "setsockopt")] {
        let (ours, theirs) = if socket_type == Packet { bench::packets() } else { pair() };
        set(&format!("{site}:ENOSPC"));
        let role = Role::InheritedConnection(socket_type, Rights::Discard);
        let (ours, errno) = bench.reactor.take_over(ours, role).unwrap_err();
        assert_eq!(errno, Errno::NOSPC);
        set("");
        rustix::io::write(&theirs, b"still connected").unwrap();
        assert_eq!(rustix::io::read(&ours, &mut [0; 32]), Ok(15));
    }
}

#[test]
fn a_reactor_that_cannot_be_made_says_why() {
    let _alone = alone();
    for (site, (kind, errno)) in
        ["epoll_create", "eventfd"].iter().flat_map(|site| ERRORS.map(|error| (site, error)))
    {
        set(&format!("{site}:{kind}:times=1"));
        let told = Reactor::new().err();
        assert_eq!(told, Some(if errno == Errno::AGAIN { Errno::NOBUFS } else { errno }), "{site} {kind}");
    }
    assert!(Reactor::new().is_ok());
}

/// Sends `count` records between two sockets of the reactor, each of one byte more than the one before. Datagrams have no end.
fn carry_records(
    bench: &mut Bench,
    socket_type: udsock::SocketType,
    count: usize,
) -> Result<Vec<Vec<u8>>, Errno> {
    let (ours, theirs) = if socket_type == Packet { bench::packets() } else { datagrams() };
    let from = bench.reactor.add(ours, Role::Connection(socket_type, Rights::Refuse))?;
    let to = bench.reactor.add(theirs, Role::Connection(socket_type, Rights::Refuse))?;
    bench.reactor.read_start(to, Destination::Scratch)?;
    let sent: Vec<_> = (0..count).map(|length| vec![length as u8; length]).collect();
    let (mut next, mut blocked, mut received) = (0, false, Vec::new());
    for _ in 0..100_000 {
        if !blocked && next < count {
            let slices: Vec<_> = sent[next..].iter().take(64).map(|record| IoSlice::new(record)).collect();
            match bench.reactor.send_records(from, &slices, None)? {
                SentRecords::Records(taken) => {
                    next += taken;
                    blocked = taken < slices.len();
                }
                SentRecords::Full => blocked = true,
            }
            if next == count && socket_type == Packet {
                bench.reactor.shutdown(from, udsock_reactor::Shutdown::Write)?;
            }
        }
        if socket_type == Datagram && received.len() == count {
            return Ok(received);
        }
        for event in bench.poll().0 {
            match event.kind {
                EventKind::Record => {
                    received.push(bench.scratch[event.detail as usize..][..event.value as usize].to_vec());
                }
                EventKind::End => return Ok(received),
                EventKind::Error => return Err(Errno::from_raw_os_error(-event.value)),
                EventKind::Writable => blocked = false,
                _ => {}
            }
        }
    }
    panic!("stuck after {next} sent and {} received", received.len());
}

#[test]
fn records_arrive_once_in_order_whatever_comes_short_or_again() {
    let _alone = alone();
    for rules in [
        "recvmmsg:EAGAIN:every=2,sendmmsg:EAGAIN:every=2",
        "recvmmsg:EINTR:every=2,sendmmsg:EINTR:every=3",
        "recvmmsg:short,sendmmsg:short",
        "sendmmsg:zero:every=2",
        "recvmmsg:EAGAIN:p=0.5,sendmmsg:EAGAIN:p=0.5",
    ] {
        for socket_type in [Packet, Datagram] {
            let mut bench = Bench::new();
            set(rules);
            let expected: Vec<_> = (0..200).map(|length| vec![length as u8; length]).collect();
            assert_eq!(carry_records(&mut bench, socket_type, 200), Ok(expected), "{socket_type:?} {rules}");
            set("");
        }
    }
}

fn datagrams() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None).unwrap()
}

#[test]
fn a_socket_for_datagrams_is_read_on_after_the_error_of_a_receiver() {
    let _alone = alone();
    for (name, errno) in [("ECONNREFUSED", Errno::CONNREFUSED), ("ECONNRESET", Errno::CONNRESET)] {
        let mut bench = Bench::new();
        let (ours, theirs) = datagrams();
        let from = bench.reactor.add(ours, Role::Connection(Datagram, Rights::Refuse)).unwrap();
        let to = bench.reactor.add(theirs, Role::Connection(Datagram, Rights::Refuse)).unwrap();
        bench.reactor.read_start(to, Destination::Scratch).unwrap();
        set(&format!("recvmmsg:{name}:times=1"));
        let _ = bench.reactor.send_records(from, &[IoSlice::new(b"after it")], None).unwrap();
        let (events, _) = bench.poll();
        let seen: Vec<_> = events.iter().map(|event| (event.kind, event.value)).collect();
        assert_eq!(seen, [(EventKind::Error, -errno.raw_os_error()), (EventKind::Record, 8)], "{name}");
        set("");
    }
}

#[test]
fn a_failing_receive_or_send_of_records_is_reported_with_its_error() {
    let _alone = alone();
    for (name, errno) in ERRORS {
        if matches!(errno, Errno::INTR | Errno::AGAIN) {
            continue;
        }
        for site in ["recvmmsg", "sendmmsg", "setsockopt"] {
            let mut bench = Bench::new();
            set(&format!("{site}:{name}"));
            assert_eq!(carry_records(&mut bench, Packet, 5), Err(errno), "{site} {name}");
            set("");
        }
    }
}
