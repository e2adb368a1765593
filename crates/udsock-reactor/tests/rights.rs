//! Descriptors and other control messages that peers send: the bytes arrive, and nothing blocks.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, bind, connect, listen, recv, sendmsg, socket_with, sockopt,
};
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use udsock::SocketType::Stream;
use udsock_reactor::{Destination, Errno, EventKind, Id, Rights, Role, Shutdown};

mod bench;

use bench::{Bench, get, is_quick, lingering, pair, put};

/// As many descriptors as one message of Linux's carries.
const MOST: usize = 253;

/// Sends `bytes` with `count` copies of `gift`.
fn send_copies(peer: &OwnedFd, bytes: &[u8], gift: BorrowedFd<'_>, count: usize) -> Result<usize, Errno> {
    let fds = vec![gift; count];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(peer, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

/// A connection in `role`, read into the scratch memory.
fn connection(bench: &mut Bench, role: Role) -> (Id, OwnedFd) {
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, role).unwrap();
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    (id, peer)
}

/// Waits until all copies of one end of a pair are closed; `other` is the other end.
fn wait_for_end(other: &OwnedFd) {
    let mut fds = [PollFd::from_borrowed_fd(other.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 20, tv_nsec: 0 })), Ok(1), "a copy is open still");
    let mut byte = [0];
    assert_eq!(recv(other, &mut byte[..], RecvFlags::DONTWAIT).map(|(length, _)| length), Ok(0));
}

fn listener(name: &str) -> (OwnedFd, SocketAddrUnix) {
    let name = format!("udsock-rights-{name}-{}", std::process::id());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let fd = stream();
    bind(&fd, &address).unwrap();
    listen(&fd, 128).unwrap();
    (fd, address)
}

fn stream() -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

fn client(address: &SocketAddrUnix) -> OwnedFd {
    let fd = stream();
    connect(&fd, address).unwrap();
    fd
}

#[test]
fn descriptors_that_were_sent_before_they_could_be_refused_are_closed_and_their_bytes_arrive() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let (gift, other) = pair();
    assert_eq!(send_copies(&peer, b"gift", gift.as_fd(), 1), Ok(4));
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Refuse)).unwrap();
    bench.reactor.read_start(id, Destination::Scratch).unwrap();
    put(&peer, b" and text");
    let expected: &[u8] = match send_copies(&peer, b"!", gift.as_fd(), 1) {
        Ok(1) => b"gift and text!",
        Err(Errno::PERM) => b"gift and text",
        unexpected => panic!("{unexpected:?}"),
    };
    let (bytes, _) = bench.read_until(id, |bytes, _| bytes.len() >= expected.len());
    assert_eq!(bytes, expected);
    drop(gift);
    wait_for_end(&other);
}

#[test]
fn discarded_descriptors_are_closed_and_the_bytes_of_every_message_arrive() {
    for role in [Role::Connection, Role::InheritedConnection] {
        let mut bench = Bench::new();
        let (id, peer) = connection(&mut bench, role(Stream, Rights::Discard));
        let (gift, other) = pair();
        for round in 0..20_u8 {
            put(&peer, &[round, b'a']);
            assert_eq!(send_copies(&peer, b"bc", gift.as_fd(), if round == 7 { MOST } else { 1 }), Ok(2));
            put(&peer, b"d");
            assert_eq!(send_copies(&peer, b"e", gift.as_fd(), 2), Ok(1));
            // One wake-up is all that follows, so all of it has to come out.
            let mut bytes = Vec::new();
            loop {
                let (events, more) = bench.poll();
                for event in events {
                    bytes.extend_from_slice(bench.data(event));
                }
                if !more {
                    break;
                }
            }
            assert_eq!(bytes, [round, b'a', b'b', b'c', b'd', b'e']);
        }
        drop(gift);
        wait_for_end(&other);
        bench.reactor.close(id).unwrap();
    }
}

#[test]
fn a_read_into_small_memory_closes_descriptors_once_and_loses_no_byte() {
    let mut bench = Bench::new();
    let (ours, peer) = pair();
    let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Discard)).unwrap();
    bench.reactor.read_start(id, Destination::Own).unwrap();
    let (gift, other) = pair();
    assert_eq!(send_copies(&peer, b"abcde", gift.as_fd(), 3), Ok(5));
    put(&peer, b"fg");
    let mut bytes = Vec::new();
    let mut memory = [0; 2];
    while let Ok(length) = bench.read(id, &mut memory) {
        bytes.extend_from_slice(&memory[..length]);
    }
    assert_eq!(bytes, b"abcdefg");
    drop(gift);
    wait_for_end(&other);
}

/// Has another process write to `peer`.
fn write_from_another_process(peer: &OwnedFd, text: &str) {
    let standard = Stdio::from(peer.try_clone().unwrap());
    let status = Command::new("/bin/sh").args(["-c", &format!("printf {text}")]).stdout(standard).status();
    assert!(status.unwrap().success());
}

#[test]
#[cfg(target_os = "linux")]
fn bytes_of_two_senders_arrive_with_one_wake_up_where_credentials_are_passed() {
    for rights in [Rights::Refuse, Rights::Discard] {
        let mut bench = Bench::new();
        let (fd, address) = listener(&format!("passcred-{rights:?}"));
        sockopt::set_socket_passcred(&fd, true).unwrap();
        let id = bench.reactor.add(fd, Role::InheritedListener(Stream, rights)).unwrap();
        let client = client(&address);
        let accepted = bench.accept(id);
        bench.reactor.read_start(accepted, Destination::Scratch).unwrap();
        // Also once it is known how this connection is to be read.
        for _ in 0..10 {
            put(&client, b"b");
            write_from_another_process(&client, "c");
            put(&client, b"d");
            let (mut bytes, mut more) = (Vec::new(), true);
            while more {
                let (events, again) = bench.poll();
                for event in events.iter().filter(|event| event.kind == EventKind::Data) {
                    bytes.extend_from_slice(bench.data(*event));
                }
                more = again;
            }
            assert_eq!(bytes, b"bcd");
        }
    }
}

#[test]
fn a_lingering_socket_from_a_peer_blocks_no_read() {
    let mut bench = Bench::new();
    for role in [Role::Connection(Stream, Rights::Discard), Role::InheritedConnection(Stream, Rights::Refuse)]
    {
        let (ours, peer) = pair();
        let (gift, _reader) = lingering();
        send_copies(&peer, b"x", gift.as_fd(), 1).unwrap();
        drop(gift);
        let id = bench.reactor.add(ours, role).unwrap();
        bench.reactor.read_start(id, Destination::Scratch).unwrap();
        let (bytes, _) = is_quick(|| bench.read_until(id, |bytes, _| !bytes.is_empty()));
        assert_eq!(bytes, b"x");
    }
}

#[test]
fn where_every_thread_is_blocked_and_the_queue_is_full_descriptors_are_closed_at_once() {
    let mut bench = Bench::new();
    let (id, peer) = connection(&mut bench, Role::Connection(Stream, Rights::Discard));
    let (gift, other) = pair();
    let mut readers = Vec::new();
    for _ in 0..5 {
        let (blocking, reader) = lingering();
        send_copies(&peer, b"x", blocking.as_fd(), 1).unwrap();
        readers.push(reader);
    }
    for _ in 0..4 {
        send_copies(&peer, b"x", gift.as_fd(), MOST).unwrap();
    }
    // Beyond the queue, and not to be waited for either.
    let (blocking, _reader) = lingering();
    send_copies(&peer, b"x", blocking.as_fd(), 1).unwrap();
    drop((gift, blocking));
    let (bytes, _) = is_quick(|| bench.read_until(id, |bytes, _| bytes.len() >= 10));
    assert_eq!(bytes, b"xxxxxxxxxx");
    wait_for_end(&other);
}

#[test]
fn a_lingering_socket_in_unread_input_blocks_no_close_and_no_end_of_reading() {
    let mut bench = Bench::new();
    for uses in ["close", "shutdown", "drop"] {
        let (ours, peer) = pair();
        let (gift, _reader) = lingering();
        put(&peer, b"first");
        for _ in 0..3 {
            send_copies(&peer, b"x", gift.as_fd(), 1).unwrap();
        }
        drop(gift);
        let id = bench.reactor.add(ours, Role::Connection(Stream, Rights::Discard)).unwrap();
        is_quick(|| match uses {
            "close" => assert_eq!(bench.reactor.close(id), Ok(false)),
            "shutdown" => bench.reactor.shutdown(id, Shutdown::Read).unwrap(),
            _ => drop(std::mem::replace(&mut bench, Bench::new())),
        });
    }
}

#[test]
fn a_lingering_socket_from_a_client_that_nobody_accepts_blocks_no_close_of_the_listener() {
    for role in [Role::Listener, Role::InheritedListener] {
        let mut bench = Bench::new();
        let (fd, address) = listener("pending");
        let id = bench.reactor.add(fd, role(Stream, Rights::Discard)).unwrap();
        let client = client(&address);
        let (gift, _reader) = lingering();
        send_copies(&client, b"x", gift.as_fd(), 1).unwrap();
        drop(gift);
        is_quick(|| bench.reactor.close(id)).unwrap();
        // It is closed all the same.
        let mut fds = [PollFd::from_borrowed_fd(client.as_fd(), PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 20, tv_nsec: 0 })), Ok(1));
        let ended = recv(&client, &mut [0; 1][..], RecvFlags::DONTWAIT).map(|(length, _)| length);
        assert!(matches!(ended, Ok(0) | Err(Errno::CONNRESET)), "{ended:?}");
    }
}

#[test]
fn a_listener_that_refuses_descriptors_passes_that_on_to_clients_of_later() {
    let mut bench = Bench::new();
    let (fd, address) = listener("late");
    let (gift, other) = pair();
    // It comes before the listener can refuse.
    let early = client(&address);
    send_copies(&early, b"early", gift.as_fd(), 1).unwrap();
    let id = bench.reactor.add(fd, Role::Listener(Stream, Rights::Refuse)).unwrap();
    let late = client(&address);
    let refused = send_copies(&late, b"late", gift.as_fd(), 1);
    assert!(matches!(refused, Ok(4) | Err(Errno::PERM)), "{refused:?}");
    let accepted = bench.accept(id);
    bench.reactor.read_start(accepted, Destination::Scratch).unwrap();
    let (bytes, _) = bench.read_until(accepted, |bytes, _| bytes.len() >= 5);
    assert_eq!(bytes, b"early");
    drop((late, early));
    bench.reactor.close(id).unwrap();
    drop(gift);
    wait_for_end(&other);
}

#[test]
fn a_closed_socket_that_another_process_has_wakes_nobody() {
    let mut bench = Bench::new();
    let (fd, address) = listener("shared");
    let others = fd.try_clone().unwrap();
    let (ours, peer) = pair();
    let others_connection = ours.try_clone().unwrap();
    let id = bench.reactor.add(fd, Role::InheritedListener(Stream, Rights::Refuse)).unwrap();
    let connected = bench.reactor.add(ours, Role::InheritedConnection(Stream, Rights::Refuse)).unwrap();
    assert_eq!(bench.poll(), (vec![], false));
    bench.reactor.close(id).unwrap();
    bench.reactor.close(connected).unwrap();
    let _client = client(&address);
    put(&peer, b"for another process");
    let mut fds = [PollFd::from_borrowed_fd(bench.reactor.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0));
    assert_eq!(get(&others_connection), b"for another process");
    drop(others);
}

#[test]
fn a_gift_that_is_a_file_is_closed_too() {
    let mut bench = Bench::new();
    let (id, peer) = connection(&mut bench, Role::Connection(Stream, Rights::Discard));
    let (mut reader, writer) = std::io::pipe().unwrap();
    send_copies(&peer, b"x", writer.as_fd(), 4).unwrap();
    drop(writer);
    let (bytes, _) = bench.read_until(id, |bytes, _| !bytes.is_empty());
    assert_eq!(bytes, b"x");
    // Ends only when every copy is closed.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
