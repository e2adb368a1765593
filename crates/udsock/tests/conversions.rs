//! Conversions between the crate's types and those of std and tokio, and connections as a stream.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net as std_net;
use std::panic::catch_unwind;
use std::path::Path;
use std::task::Poll;

use common::{Directory, is_nonblocking, soon};
use tokio::net as tokio_net;
use udsock::{Address, AddressError, BindOptions, Listener, MAX_PATHNAME, SocketType, try_connect};

#[test]
fn an_address_is_parsed_from_the_text_that_it_displays() {
    let texts = ["/run/app.sock", "relative", "./@name", "with space/ä"];
    for text in texts {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.as_pathname(), Some(Path::new(text)));
        assert_eq!(address.to_string(), text);
    }
    assert_eq!("".parse::<Address>(), Err(AddressError::Empty));
    assert_eq!("a\0b".parse::<Address>(), Err(AddressError::ContainsNul { position: 1 }));
    assert_eq!(Address::pathname("@name").unwrap().to_string(), "./@name");
    let (unnamed, _peer) = std_net::UnixStream::pair().unwrap();
    assert_eq!(Address::local(unnamed).unwrap().to_string(), "(unnamed)");
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn an_abstract_name_is_written_behind_an_at_sign() {
    let address: Address = "@app".parse().unwrap();
    assert_eq!(address.as_abstract_name(), Some(&b"app"[..]));
    assert_eq!(address.to_string(), "@app");
    let quoted = Address::abstract_name(br#"it's \a "name""#).unwrap();
    assert_eq!(quoted.to_string().parse(), Ok(quoted));
    assert_eq!(Address::abstract_name(b"a\0\xFF").unwrap().to_string(), r"@a\x00\xff");
}

#[test]
fn an_address_goes_to_std_and_back() {
    let directory = Directory::new();
    let mut addresses = vec![directory.address("s")];
    let (unnamed, _peer) = std_net::UnixStream::pair().unwrap();
    addresses.push(Address::local(&unnamed).unwrap());
    if cfg!(any(target_os = "linux", target_os = "android")) {
        addresses.push(Address::abstract_name(b"a\0b").unwrap());
    }
    for address in addresses {
        let theirs = std_net::SocketAddr::try_from(&address).unwrap();
        assert_eq!(Address::try_from(&theirs).unwrap(), address);
    }
    let theirs = tokio_net::unix::SocketAddr::from(unnamed.local_addr().unwrap());
    assert!(Address::try_from(&std_net::SocketAddr::from(theirs)).unwrap().is_unnamed());
    // std wants room for a terminator.
    let longest = Address::pathname("x".repeat(MAX_PATHNAME)).unwrap();
    let error = std_net::SocketAddr::try_from(&longest).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

#[tokio::test]
async fn a_listener_goes_through_the_types_of_std_and_tokio_without_losing_a_client() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let mut client = std_net::UnixStream::from(try_connect(&address).unwrap());
    let listener = std_net::UnixListener::from(listener);
    assert!(is_nonblocking(&listener));
    listener.set_nonblocking(false).unwrap();
    let listener = Listener::try_from(listener).unwrap();
    assert!(is_nonblocking(&listener));
    let listener = tokio_net::UnixListener::try_from(listener).unwrap();
    let listener = Listener::try_from(listener).unwrap();
    let listener = Listener::try_from(OwnedFd::from(listener)).unwrap();
    assert_eq!(listener.local_address().unwrap(), address);
    let mut server = soon(listener.accept()).await.unwrap().into_std().unwrap();
    server.write_all(b"hello").unwrap();
    drop(server);
    client.set_nonblocking(false).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[tokio::test]
async fn what_is_no_listener_is_not_converted() {
    let (stream, _peer) = std_net::UnixStream::pair().unwrap();
    let error = Listener::try_from(OwnedFd::from(stream)).unwrap_err();
    if cfg!(not(target_vendor = "apple")) {
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}

#[tokio::test]
async fn bind_with_gives_the_file_its_mode_and_names_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let address = directory.address("s");
    let path = address.as_pathname().unwrap();
    let listener = soon(Listener::bind_with(&address, &BindOptions::new(4).mode(0o600))).await.unwrap();
    assert_eq!(std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
    let file = listener.file().unwrap();
    assert_eq!(file.path(), path);
    assert!(file.remove().unwrap());
    assert!(!path.exists());
    drop(listener);

    let datagram = BindOptions::new(4).socket_type(SocketType::Datagram);
    let error = soon(Listener::bind_with(&address, &datagram)).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPROTOTYPE));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_bind_with_that_is_dropped_leaves_nothing() {
    let directory = Directory::new();
    let address = directory.address("s");
    let options = BindOptions::new(4);
    // The pool's thread may be so fast that the first poll has the outcome.
    loop {
        let mut binding = Box::pin(Listener::bind_with(&address, &options));
        match common::Probe::new().poll(binding.as_mut()) {
            Poll::Pending => break,
            Poll::Ready(bound) => assert!(bound.unwrap().file().unwrap().remove().unwrap()),
        }
    }
    soon(async {
        // The thread that binds may be between the file and its removal.
        while Listener::bind(&address, 4).is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[test]
fn a_bind_outside_a_runtime_makes_no_file() {
    let directory = Directory::new();
    let address = directory.address("s");
    let options = BindOptions::new(4);
    assert!(catch_unwind(|| Listener::bind(&address, 4)).is_err());
    let bind_with = || common::Probe::new().poll(Box::pin(Listener::bind_with(&address, &options)).as_mut());
    assert!(catch_unwind(bind_with).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[cfg(feature = "stream")]
#[tokio::test]
async fn a_stream_yields_each_connection_once() {
    use std::future::poll_fn;
    use std::pin::Pin;

    use futures_core::Stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use udsock::connect;

    let directory = Directory::new();
    let address = directory.address("s");
    let mut incoming = Listener::bind(&address, 4).unwrap().incoming();
    let mut next =
        async || soon(poll_fn(|context| Pin::new(&mut incoming).poll_next(context))).await.unwrap().unwrap();
    for byte in [1, 2, 3] {
        let mut client = soon(connect(&address, None)).await.unwrap();
        client.write_u8(byte).await.unwrap();
        let mut server = next().await;
        assert_eq!(soon(server.read_u8()).await.unwrap(), byte);
    }
    assert_eq!(incoming.as_ref().local_address().unwrap(), address);
    soon(connect(&address, None)).await.unwrap();
    soon(incoming.into_inner().accept()).await.unwrap();
}
