//! A reactor with socket pairs, for its tests.

#![allow(dead_code)]

use rustix::net::sockopt::{set_socket_linger, socket_type};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use udsock::SocketType::{Datagram, Packet, Stream};
use udsock::{Address, BindOptions, bind_with};
use udsock_reactor::{
    Accepted, DatagramHead, Destination, Errno, Event, EventKind, Id, PollMemory, Polled, Reactor, Received,
    Rights, Role, Sent, TRUNCATED,
};

pub(crate) const SCRATCH: usize = 512 << 10;

pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

pub(crate) fn packets() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

pub(crate) fn abstract_address(name: &str) -> Address {
    let name = format!("udsock-bench-{}-{name}", std::process::id());
    Address::abstract_name(name.as_bytes()).unwrap()
}

/// Longer than a turn may take, and much shorter than the linger time of the tests.
const TURN: Duration = Duration::from_millis(500);

/// A TCP socket whose last close blocks for seconds, and its peer, which reads nothing.
pub(crate) fn lingering() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    while send(&stream, &[0; 65_536], SendFlags::NOSIGNAL).is_ok() {}
    stream.set_nonblocking(false).unwrap();
    set_socket_linger(&stream, Some(Duration::from_secs(2))).unwrap();
    (stream.into(), peer)
}

pub(crate) fn is_quick<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    assert!(start.elapsed() < TURN, "{:?}", start.elapsed());
    done
}

/// What arrives at a socket of records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Arrived {
    Record { bytes: Vec<u8>, from: Vec<u8>, is_truncated: bool },
    End,
    Error(Errno),
}

impl Arrived {
    pub(crate) fn record(text: &str) -> Self {
        Arrived::Record { bytes: text.as_bytes().to_vec(), from: vec![], is_truncated: false }
    }
}

/// A reactor with the memory that its owner brings.
pub(crate) struct Bench {
    pub(crate) reactor: Reactor,
    pub(crate) ring: Vec<Event>,
    pub(crate) scratch: Vec<u8>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench {
            reactor: Reactor::new().unwrap(),
            ring: vec![Event::default(); 1024],
            scratch: vec![0; SCRATCH],
        }
    }

    /// A reading connection, and its peer outside.
    pub(crate) fn connection(&mut self) -> (Id, OwnedFd) {
        let (ours, theirs) = pair();
        let id = self.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
        self.reactor.read_start(id, Destination::Scratch).unwrap();
        (id, theirs)
    }

    pub(crate) fn poll(&mut self) -> (Vec<Event>, bool) {
        let Polled { events, more } =
            self.reactor.poll(&mut PollMemory::of(&mut self.ring, &mut self.scratch)).unwrap();
        (self.ring[..events].to_vec(), more)
    }

    /// Reads once; returns 0 at the end, and EAGAIN when nothing is there.
    pub(crate) fn read(&mut self, id: Id, memory: &mut [u8]) -> Result<usize, Errno> {
        match self.reactor.read(id, memory)? {
            Received::Bytes { length, .. } => Ok(length),
            Received::End => Ok(0),
            Received::Empty => Err(Errno::AGAIN),
        }
    }

    /// Writes once; returns EAGAIN when the kernel has no room.
    pub(crate) fn write(&mut self, id: Id, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        match self.reactor.write(id, slices)? {
            Sent::Bytes(length) => Ok(length),
            Sent::Full => Err(Errno::AGAIN),
        }
    }

    /// Accepts a client that waits.
    pub(crate) fn accept(&mut self, id: Id) -> Id {
        match self.reactor.accept(id) {
            Ok(Accepted::Connection(connection)) => connection,
            nothing => panic!("{nothing:?}"),
        }
    }

    /// A reading connection of packets, and its peer outside.
    pub(crate) fn packets(&mut self) -> (Id, OwnedFd) {
        let (ours, theirs) = packets();
        let id = self.reactor.add(ours, Role::Connection(Packet, Rights::Refuse)).unwrap();
        self.reactor.read_start(id, Destination::Scratch).unwrap();
        (id, theirs)
    }

    /// A reading socket for datagrams, bound to `address`.
    pub(crate) fn datagrams(&mut self, address: &Address) -> Id {
        let options = BindOptions::new(0).socket_type(Datagram).refuse_rights(true);
        let bound = bind_with(address, &options, &false.into()).unwrap();
        let id = self.reactor.add(bound.socket, Role::Connection(Datagram, Rights::Refuse)).unwrap();
        self.reactor.read_start(id, Destination::Scratch).unwrap();
        id
    }

    /// Polls once, and returns what has arrived at `id`.
    pub(crate) fn arrived(&mut self, id: Id) -> Vec<Arrived> {
        let (events, _) = self.poll();
        let ours = events.into_iter().filter(|event| event.subject == id.slot());
        ours.map(|event| self.arrival(id, event)).collect()
    }

    fn arrival(&self, id: Id, event: Event) -> Arrived {
        match event.kind {
            EventKind::Record => {
                let start = (event.detail & !TRUNCATED) as usize;
                let is_datagram = socket_type(self.reactor.fd(id).unwrap()).unwrap() == SocketType::DGRAM;
                let from = if is_datagram {
                    let head = &self.scratch[start - size_of::<DatagramHead>()..start];
                    let length = u32::from_ne_bytes(head[12..16].try_into().unwrap()) as usize;
                    head[16..][..length].to_vec()
                } else {
                    vec![]
                };
                Arrived::Record {
                    bytes: self.scratch[start..][..event.value as usize].to_vec(),
                    from,
                    is_truncated: event.detail & TRUNCATED != 0,
                }
            }
            EventKind::End => Arrived::End,
            EventKind::Error => Arrived::Error(Errno::from_raw_os_error(-event.value)),
            kind => panic!("{kind:?}"),
        }
    }

    /// Polls once, and returns the records that have arrived at `id`, as text.
    pub(crate) fn records(&mut self, id: Id) -> Vec<String> {
        let text = |arrived| match arrived {
            Arrived::Record { bytes, .. } => String::from_utf8(bytes).unwrap(),
            other => panic!("{other:?}"),
        };
        self.arrived(id).into_iter().map(text).collect()
    }

    pub(crate) fn data(&self, event: Event) -> &[u8] {
        assert_eq!(event.kind, EventKind::Data);
        &self.scratch[event.detail as usize..][..event.value as usize]
    }

    /// Polls until `done`, collecting the bytes of `id`.
    pub(crate) fn read_until(
        &mut self,
        id: Id,
        mut done: impl FnMut(&[u8], bool) -> bool,
    ) -> (Vec<u8>, bool) {
        let (mut bytes, mut ended) = (Vec::new(), false);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(&bytes, ended) {
            assert!(Instant::now() < deadline, "{} bytes, ended: {ended}", bytes.len());
            for event in self.poll().0 {
                if event.subject != id.slot() {
                    continue;
                }
                match event.kind {
                    EventKind::Data => bytes.extend_from_slice(self.data(event)),
                    EventKind::End => ended = true,
                    EventKind::Bulk => {
                        let mut memory = vec![0; 100_000];
                        match self.read(id, &mut memory) {
                            Ok(0) => ended = true,
                            Ok(length) => bytes.extend_from_slice(&memory[..length]),
                            Err(Errno::AGAIN) => {}
                            Err(errno) => panic!("{errno}"),
                        }
                    }
                    _ => {}
                }
            }
        }
        (bytes, ended)
    }
}

pub(crate) fn put(fd: &OwnedFd, bytes: &[u8]) {
    assert_eq!(send(fd, bytes, SendFlags::NOSIGNAL).unwrap(), bytes.len());
}

pub(crate) fn get(fd: &OwnedFd) -> Vec<u8> {
    let mut memory = vec![0; 1 << 20];
    match recv(fd, &mut memory[..], RecvFlags::DONTWAIT) {
        Ok((length, _)) => memory[..length].to_vec(),
        Err(Errno::AGAIN) => Vec::new(),
        Err(errno) => panic!("{errno}"),
    }
}
