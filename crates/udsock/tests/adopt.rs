//! Sockets that the process has already: which are taken, and that the others stay as they were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use common::{Directory, identity, is_close_on_exec, is_nonblocking};
use udsock::{SocketType, adopt, adopt_connection};

#[test]
fn what_is_no_stream_listener_is_not_adopted_and_comes_back_as_it_was() {
    let directory = Directory::new();
    let path = |name: &str| directory.path().join(name);
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused: [(OwnedFd, i32); 4] = [
        (fs::File::open(directory.path()).unwrap().into(), libc::ENOTSOCK),
        (tcp.into(), libc::EAFNOSUPPORT),
        (UnixDatagram::bind(path("d")).unwrap().into(), libc::EPROTOTYPE),
        (UnixStream::pair().unwrap().0.into(), libc::EINVAL),
    ];
    for (fd, number) in refused {
        let (fd, error) = adopt(fd, SocketType::Stream).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(number));
        assert!(!is_nonblocking(fd.as_fd()));
    }
    let listener = UnixListener::bind(path("s")).unwrap();
    let before = identity(&path("s"));
    let adopted = adopt(listener.into(), SocketType::Stream).unwrap();
    assert!(is_nonblocking(adopted.as_fd()) && is_close_on_exec(adopted.as_fd()));
    UnixStream::connect(path("s")).unwrap();
    drop(adopted);
    assert_eq!(identity(&path("s")), before);
}

#[test]
fn what_is_no_stream_connection_is_not_adopted_and_comes_back_as_it_was() {
    let directory = Directory::new();
    let path = |name: &str| directory.path().join(name);
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused: [(OwnedFd, i32); 4] = [
        (fs::File::open(directory.path()).unwrap().into(), libc::ENOTSOCK),
        (tcp.into(), libc::EAFNOSUPPORT),
        (UnixDatagram::pair().unwrap().0.into(), libc::EPROTOTYPE),
        (UnixListener::bind(path("s")).unwrap().into(), libc::ENOTCONN),
    ];
    for (fd, number) in refused {
        let (fd, error) = adopt_connection(fd, SocketType::Stream).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(number));
        assert!(!is_nonblocking(fd.as_fd()));
    }
    let unconnected = UnixDatagram::unbound().unwrap();
    let (unconnected, error) = adopt_connection(unconnected.into(), SocketType::Packet).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPROTOTYPE));
    assert!(is_nonblocking(adopt_connection(unconnected, SocketType::Datagram).unwrap().as_fd()));
    let (one, mut other) = UnixStream::pair().unwrap();
    let adopted = adopt_connection(one.into(), SocketType::Stream).unwrap();
    assert!(is_nonblocking(adopted.as_fd()) && is_close_on_exec(adopted.as_fd()));
    UnixStream::from(adopted).write_all(b"hello").unwrap();
    let mut text = String::new();
    other.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}
