//! System calls of the reactor that fail by rule. The plan is the process's, so the tests take turns.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;

use bench::{Bench, pair};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use udsock_reactor::{Answer, Arrival, Destination, Errno, Event, EventKind, Id, Reactor, Role};

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
    udsock_faults::set(rules, 1).unwrap();
}

/// Sends all of `bytes` from one connection of the reactor to another and ends; gives what arrives, or the failure.
fn carry(bench: &mut Bench, bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let (ours, theirs) = pair();
    let from = bench.reactor.add(ours, Role::Connection)?;
    let to = match bench.reactor.add(theirs, Role::Connection) {
        Ok(to) => to,
        Err(errno) => {
            bench.reactor.close(from);
            return Err(errno);
        }
    };
    let carried = carry_between(bench, from, to, bytes);
    bench.reactor.close(from);
    bench.reactor.close(to);
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
            match bench.reactor.write(from, &[IoSlice::new(one), IoSlice::new(other)]) {
                Ok(taken) => sent += taken,
                Err(Errno::AGAIN) => {}
                Err(errno) => return Err(errno),
            }
            blocked = sent < bytes.len();
            if sent == bytes.len() {
                bench.reactor.shutdown(from, udsock_reactor::Shutdown::Write)?;
            }
        }
        let polled = bench.reactor.poll(&mut bench.ring, &mut bench.scratch)?;
        for index in 0..polled.events {
            let event = bench.ring[index];
            match event.kind {
                EventKind::Writable if event.subject == from.slot() => blocked = false,
                EventKind::Data => received.extend_from_slice(bench.data(event)),
                EventKind::End => ended = true,
                EventKind::Error => return Err(Errno::from_raw_os_error(-event.value)),
                EventKind::Bulk => {
                    let mut memory = vec![0; 64 << 10];
                    match bench.reactor.read(to, &mut memory) {
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
    let id = reactor.add(fd, Role::Listener).unwrap();
    let mut ring = vec![Event::default(); Reactor::SMALLEST_RING];
    let mut scratch = vec![0; 64 << 10];
    for site in ["accept", "poll", "epoll_ctl"] {
        for (kind, errno) in ERRORS {
            let what = format!("{site}:{kind}");
            let client = stream();
            connect(&client, &address).unwrap();
            set(&format!("{what}:times=3"));
            // As JavaScript does: after EAGAIN it waits to be told, after a shortage for the pause.
            let (mut told, mut accepted) = (true, None);
            for _ in 0..2000 {
                if told {
                    match reactor.accept(id) {
                        Ok(connection) => accepted = Some(connection),
                        Err(Errno::AGAIN) => told = false,
                        // Such a failure of the poll object closes the connection, which its client sees.
                        Err(failure) if site == "epoll_ctl" && reactor.paused_for(id) == Ok(None) => {
                            assert_eq!(failure, errno, "{what}");
                            break;
                        }
                        Err(failure) => assert_eq!(
                            (site, failure == errno || matches!(failure, Errno::NOBUFS | Errno::BUSY)),
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
                    told = true;
                }
                let polled = reactor.poll(&mut ring, &mut scratch).unwrap();
                told |= ring[..polled.events].iter().any(|event| event.kind == EventKind::Acceptable);
            }
            set("");
            let closed = site == "epoll_ctl" && matches!(kind, "EINTR" | "ECONNRESET" | "EPIPE");
            assert_eq!(accepted.is_none(), closed, "{what}");
            if let Some(connection) = accepted {
                reactor.close(connection);
            }
            drop(client);
        }
    }
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
fn a_listener_that_cannot_join_goes_back_open() {
    let _alone = alone();
    let mut bench = Bench::new();
    let mailbox = bench.reactor.mailbox();
    let refused = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&refused);
    let keep = Box::new(move |fd, errno| *kept.lock().unwrap() = Some((fd, errno)));
    let (fd, address) = listener("refused");
    set("epoll_ctl:ENOSPC:times=1");
    assert!(mailbox.deliver(Arrival { request: 1, outcome: Ok(Answer::Listener(fd, keep)) }).is_ok());
    assert_eq!(bench.poll(), (vec![], false));
    let (_fd, errno) = refused.lock().unwrap().take().unwrap();
    assert_eq!(errno, Errno::NOSPC);
    connect(stream(), &address).unwrap();
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
