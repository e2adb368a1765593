//! Bytes and descriptors between two ends of a stream, without a runtime.
#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use udsock::transfer::{
    RawSlice, Received, Sent, Shutdown, is_readable, prepare, receive, receive_message, send, send_raw,
    shutdown, unread_bytes,
};

fn pair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    for socket in [&one, &other] {
        socket.set_nonblocking(true).unwrap();
        prepare(socket).unwrap();
    }
    (one, other)
}

fn whole(length: usize) -> Received {
    Received::Bytes { length, is_split: false, is_cut: false }
}

#[test]
fn slices_arrive_in_order_and_then_the_end() {
    let (one, other) = pair();
    let mut memory = [0; 16];
    assert!(!is_readable(&other).unwrap());
    assert_eq!(receive(&other, &mut memory).unwrap(), Received::Empty);
    assert_eq!(
        send(&one, &[IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")]).unwrap(),
        Sent::Bytes(6)
    );
    assert!(is_readable(&other).unwrap());
    assert_eq!(unread_bytes(&other).unwrap(), 6);
    assert_eq!(receive(&other, &mut memory).unwrap(), whole(6));
    assert_eq!(&memory[..6], b"onetwo");
    shutdown(&one, Shutdown::Write).unwrap();
    assert_eq!(receive(&other, &mut memory).unwrap(), Received::End);
    assert_eq!(receive_message(&other, &mut memory, drop).unwrap(), Received::End);
}

#[test]
fn memory_without_a_reference_is_sent() {
    let (one, other) = pair();
    let bytes = *b"shared";
    let slices = [RawSlice::new(bytes.as_ptr(), 3), RawSlice::EMPTY, RawSlice::new(bytes[3..].as_ptr(), 3)];
    // SAFETY: all slices are parts of `bytes`.
    assert_eq!(unsafe { send_raw(&one, &slices) }.unwrap(), Sent::Bytes(6));
    let mut memory = [0; 16];
    assert_eq!(receive(&other, &mut memory).unwrap(), whole(6));
    assert_eq!(&memory[..6], b"shared");
}

#[test]
fn a_full_buffer_is_no_error_and_a_departed_peer_is_one() {
    let (one, other) = pair();
    let chunk = vec![0; 1 << 20];
    while send(&one, &[IoSlice::new(&chunk)]).unwrap() != Sent::Full {}
    drop(other);
    let code = send(&one, &[IoSlice::new(b"x")]).unwrap_err().raw_os_error();
    assert_eq!(code, Some(libc::EPIPE));
}

#[test]
fn descriptors_go_to_the_sink_with_the_bytes_that_they_came_with() {
    let (one, other) = pair();
    let (gift, _) = io::pipe().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [std::os::fd::AsFd::as_fd(&gift); 2];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(&one, &[IoSlice::new(b"gift")], &mut control, SendFlags::empty()).unwrap();
    send(&one, &[IoSlice::new(b"more")]).unwrap();
    let mut taken: Vec<OwnedFd> = Vec::new();
    let mut memory = [0; 16];
    let received = receive_message(&other, &mut memory, |fd| taken.push(fd)).unwrap();
    assert_eq!(received, Received::Bytes { length: 4, is_split: true, is_cut: false });
    assert_eq!(taken.len(), 2);
    for fd in &taken {
        assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
    assert_eq!(receive_message(&other, &mut memory, |fd| taken.push(fd)).unwrap(), whole(4));
}
