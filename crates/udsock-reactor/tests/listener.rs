//! Listeners of a reactor: accepting on demand, and the pause when descriptors run out.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;
use udsock::SocketType::Stream;
use udsock_reactor::{Accepted, Destination, Errno, Event, EventKind, Id, PollMemory, Reactor, Rights, Role};

fn accept(reactor: &mut Reactor, id: Id) -> Id {
    match reactor.accept(id) {
        Ok(Accepted::Connection(connection)) => connection,
        nothing => panic!("{nothing:?}"),
    }
}

fn stream() -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

fn listener(name: &str) -> (OwnedFd, SocketAddrUnix) {
    let name = format!("udsock-reactor-{name}-{}", std::process::id());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let fd = stream();
    bind(&fd, &address).unwrap();
    listen(&fd, 128).unwrap();
    (fd, address)
}

fn client(address: &SocketAddrUnix) -> OwnedFd {
    let fd = stream();
    connect(&fd, address).unwrap();
    fd
}

fn poll(reactor: &mut Reactor) -> Vec<Event> {
    let mut ring = vec![Event::default(); 1024];
    let polled = reactor.poll(&mut PollMemory::of(&mut ring, &mut vec![0; 64 << 10])).unwrap();
    ring.truncate(polled.events);
    ring
}

#[test]
fn a_duplicate_listens_on_when_the_listener_is_closed_and_reports_nothing_here() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("duplicate");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let held = reactor.duplicate_listener(id).unwrap();
    // The socket must not refuse clients of the other owner.
    assert!(reactor.refuse_newcomers(id).is_err());
    let first = client(&address);
    reactor.close(id).unwrap();
    assert_eq!(reactor.duplicate_listener(id), Err(Errno::BADF));
    let second = client(&address);
    assert_eq!(poll(&mut reactor), []);
    let fd = reactor.descriptors().release(held).unwrap();
    let id = reactor.add(fd, Role::InheritedListener(Stream, Rights::Refuse)).unwrap();
    for _client in [first, second] {
        accept(&mut reactor, id);
    }
}

#[test]
fn a_connection_is_taken_when_asked_for() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("take");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    assert_eq!(reactor.is_acceptable(id), Ok(false));
    assert_eq!(reactor.accept(id), Ok(Accepted::Empty));
    let _clients = [client(&address), client(&address)];
    let events = poll(&mut reactor);
    assert_eq!(
        events.iter().map(|event| (event.subject, event.kind)).collect::<Vec<_>>(),
        [(id.slot(), EventKind::Acceptable)]
    );
    assert_eq!(reactor.is_acceptable(id), Ok(true));
    assert_eq!(reactor.is_acceptable(id), Ok(true));
    let first = accept(&mut reactor, id);
    let second = accept(&mut reactor, id);
    assert_ne!(first, second);
    assert_eq!(reactor.accept(id), Ok(Accepted::Empty));
    assert_eq!(reactor.is_acceptable(id), Ok(false));
}

#[test]
fn a_listener_is_no_connection_and_a_connection_no_listener() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("kinds");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let _client = client(&address);
    let connection = accept(&mut reactor, id);
    assert_eq!(reactor.read_start(id, Destination::Scratch), Err(Errno::BADF));
    assert_eq!(reactor.accept(connection), Err(Errno::BADF));
    assert_eq!(reactor.accept(Id::from_bits((9 << 40) | 12345).unwrap()), Err(Errno::BADF));
}

#[test]
fn listeners_come_before_everything_else_of_a_poll() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("first");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let talker = client(&address);
    let connection = accept(&mut reactor, id);
    reactor.read_start(connection, Destination::Scratch).unwrap();
    poll(&mut reactor);
    rustix::net::send(&talker, b"x", rustix::net::SendFlags::empty()).unwrap();
    let _next = client(&address);
    let kinds: Vec<_> = poll(&mut reactor).iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Acceptable, EventKind::Data]);
}

/// Starts this program once more: by itself, or by the emulator that runs it, which the kernel does not know.
fn this_program() -> Command {
    let program = std::env::current_exe().unwrap();
    let Some(emulator) = std::env::var_os("UDSOCK_EMULATOR") else { return Command::new(program) };
    let mut command = Command::new(emulator);
    command.arg(program);
    command
}

/// The only test here that lowers the limit; nextest gives each test a process, and cargo's harness runs this one in a child.
#[test]
fn without_descriptors_a_listener_pauses_and_goes_on_when_one_closes() {
    const CHILD: &str = "UDSOCK_REACTOR_EXHAUSTION";
    if std::env::var_os(CHILD).is_none() {
        let status = this_program()
            .args(["--exact", "without_descriptors_a_listener_pauses_and_goes_on_when_one_closes"])
            .env(CHILD, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("exhaustion");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let _clients: Vec<_> = (0..10).map(|_| client(&address)).collect();
    let held = accept(&mut reactor, id);
    poll(&mut reactor);

    let mut spare = Vec::new();
    while let Ok(fd) = rustix::io::fcntl_dupfd_cloexec(reactor.fd(id).unwrap(), 0) {
        spare.push(fd);
    }
    assert_eq!(reactor.accept(id), Err(Errno::MFILE));
    let mut longest = reactor.paused_for(id).unwrap().unwrap();
    assert!(longest <= Duration::from_millis(5) && longest > Duration::ZERO);
    // Within the pause the kernel is not asked again, although it would say yes.
    spare.pop();
    assert_eq!(reactor.accept(id), Ok(Accepted::Paused));
    // The pause doubles while the exhaustion lasts.
    while let Ok(fd) = rustix::io::fcntl_dupfd_cloexec(reactor.fd(id).unwrap(), 0) {
        spare.push(fd);
    }
    for _ in 0..3 {
        std::thread::sleep(reactor.paused_for(id).unwrap().unwrap());
        assert_eq!(reactor.accept(id), Err(Errno::MFILE));
        let pause = reactor.paused_for(id).unwrap().unwrap();
        assert!(pause > longest, "{pause:?} after {longest:?}");
        longest = pause;
    }
    assert_eq!(poll(&mut reactor), []);
    // A descriptor of ours closes: at once there is something to do.
    assert_eq!(reactor.close(held), Ok(true));
    let events: Vec<_> = poll(&mut reactor).iter().map(|event| (event.subject, event.kind)).collect();
    assert_eq!(events, [(id.slot(), EventKind::Acceptable)]);
    let accepted = accept(&mut reactor, id);
    assert_eq!(reactor.paused_for(id), Ok(None));
    assert_eq!(reactor.accept(id), Err(Errno::MFILE));
    assert!(reactor.paused_for(id).unwrap().unwrap() <= Duration::from_millis(5));
    drop(spare);
    reactor.close(accepted).unwrap();
    let mut served = 2;
    while matches!(reactor.accept(id), Ok(Accepted::Connection(_))) {
        served += 1;
    }
    assert_eq!(served, 10);
    // Without a client that waits, exhaustion causes no pause.
    while rustix::io::fcntl_dupfd_cloexec(reactor.fd(id).unwrap(), 0).map(std::mem::forget).is_ok() {}
    assert_eq!(reactor.accept(id), Ok(Accepted::Empty));
    assert_eq!(reactor.paused_for(id), Ok(None));
}

#[test]
fn a_descriptor_is_known_while_it_is_there() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, _) = listener("known");
    let number = fd.as_raw_fd();
    assert!(!reactor.has_fd(number));
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    assert!(reactor.has_fd(number));
    reactor.close(id).unwrap();
    assert!(!reactor.has_fd(number));
}

#[test]
#[cfg(target_os = "linux")]
fn newcomers_are_refused_and_those_that_wait_are_kept() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("refuse");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let _clients = [client(&address), client(&address)];
    poll(&mut reactor);
    assert_eq!(reactor.refuse_newcomers(id), Ok(()));
    assert_eq!(connect(stream(), &address), Err(Errno::CONNREFUSED));
    // The kernel says it once.
    assert_eq!(poll(&mut reactor).len(), 1);
    assert_eq!(poll(&mut reactor), []);
    accept(&mut reactor, id);
    accept(&mut reactor, id);
    assert_eq!(reactor.accept(id), Ok(Accepted::Empty));
    assert_eq!(poll(&mut reactor), []);
    assert_eq!(reactor.is_acceptable(id), Ok(true));
    reactor.close(id).unwrap();
    assert_eq!(reactor.refuse_newcomers(id), Err(Errno::BADF));
}

#[test]
fn a_gate_has_connections_closed_before_anybody_gets_them() {
    let mut reactor = Reactor::new().unwrap();
    let (fd, address) = listener("gate");
    let id = reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let waiting = client(&address);
    rustix::net::send(&waiting, b"hello", rustix::net::SendFlags::NOSIGNAL).unwrap();
    let open = std::rc::Rc::new(std::cell::Cell::new(false));
    let gate = std::rc::Rc::clone(&open);
    reactor.set_accept_filter(id, Box::new(move |_| gate.get())).unwrap();
    assert_eq!(reactor.accept(id), Ok(Accepted::Refused));
    assert_eq!(reactor.accept(id), Ok(Accepted::Empty));
    // A clean end, in spite of what it had sent.
    let mut byte = [0];
    let received = rustix::net::recv(&waiting, &mut byte[..], rustix::net::RecvFlags::DONTWAIT);
    assert_eq!(received.map(|(length, _)| length), Ok(0));
    open.set(true);
    let _client = client(&address);
    let connection = accept(&mut reactor, id);
    assert_eq!(reactor.set_accept_filter(connection, Box::new(|_| true)), Err(Errno::BADF));
}
