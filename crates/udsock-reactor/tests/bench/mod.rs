//! A reactor with socket pairs, for its tests.

#![allow(dead_code)]

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use udsock_reactor::{Destination, Errno, Event, EventKind, Id, Polled, Reactor, Role};

pub(crate) const SCRATCH: usize = 512 << 10;

pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
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
        let id = self.reactor.add(ours, Role::Connection).unwrap();
        self.reactor.read_start(id, Destination::Scratch).unwrap();
        (id, theirs)
    }

    pub(crate) fn poll(&mut self) -> (Vec<Event>, bool) {
        let Polled { events, more } = self.reactor.poll(&mut self.ring, &mut self.scratch).unwrap();
        (self.ring[..events].to_vec(), more)
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
                        match self.reactor.read(id, &mut memory) {
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
