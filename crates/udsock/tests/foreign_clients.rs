//! Clients that are not ours, with every address that a client can give itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::io::{Read, Write};
use std::mem::{offset_of, size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use common::{Directory, soon, when_free};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use udsock::{Address, Listener};

/// A client as written in C: it binds itself to `bytes`, terminators included if there are any, and connects.
fn client_bound_to(bytes: &[u8], listener: &Address) -> UnixStream {
    // SAFETY: no pointers are involved.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) };
    assert!(fd >= 0);
    // SAFETY: the descriptor is new and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let (address, length) = raw_address(bytes);
    when_free(|| {
        // SAFETY: the pointer is to a live `sockaddr_un`, and `length` is within it.
        let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    });
    let (address, length) = raw_address(listener.as_bytes());
    // SAFETY: the pointer is to a live `sockaddr_un`, and `length` is within it.
    assert_eq!(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) }, 0);
    socket.into()
}

fn raw_address(bytes: &[u8]) -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all fields are integers or arrays of them, for which zero is a value.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let length = offset_of!(libc::sockaddr_un, sun_path) + bytes.len();
    assert!(length <= size_of::<libc::sockaddr_un>());
    for (slot, &byte) in address.sun_path.iter_mut().zip(bytes) {
        *slot = byte as libc::c_char;
    }
    (address, length as libc::socklen_t)
}

/// Accepts the client, and shows by bytes that each is the other's peer.
async fn serve(listener: &Listener, client: UnixStream, expected: Option<&Address>) {
    let mut server = soon(listener.accept()).await.unwrap();
    let peer = Address::peer(&server).unwrap();
    match expected {
        Some(expected) => assert_eq!(peer, *expected),
        None => assert!(peer.is_unnamed()),
    }
    assert_eq!(Address::local(&client).unwrap(), peer);
    assert_eq!(Address::peer(&client).unwrap(), listener.local_address().unwrap());
    (&client).write_all(b"ping").unwrap();
    let mut four = [0; 4];
    soon(server.read_exact(&mut four)).await.unwrap();
    assert_eq!(&four, b"ping");
    server.write_all(b"pong").await.unwrap();
    (&client).read_exact(&mut four).unwrap();
    assert_eq!(&four, b"pong");
}

#[tokio::test]
async fn a_client_without_an_address() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let client = UnixStream::connect(address.as_pathname().unwrap()).unwrap();
    serve(&listener, client, None).await;
}

#[tokio::test]
async fn clients_bound_to_pathnames_of_every_length() {
    let directory = Directory::new();
    let listener = Listener::bind(&directory.address("s"), 4).unwrap();
    for length in 1..=udsock::MAX_PATHNAME {
        let Some(name) = directory.address_of_length(length) else { continue };
        if name == listener.local_address().unwrap() {
            continue;
        }
        let client = client_bound_to(name.as_bytes(), &listener.local_address().unwrap());
        serve(&listener, client, Some(&name)).await;
    }
}

#[tokio::test]
async fn clients_bound_to_pathnames_with_terminators() {
    let directory = Directory::new();
    let listener = Listener::bind(&directory.address("s"), 4).unwrap();
    for zeros in 1..20 {
        let name = directory.address(&format!("client-{zeros}"));
        let bytes = [name.as_bytes(), &vec![0; zeros]].concat();
        let client = client_bound_to(&bytes, &listener.local_address().unwrap());
        serve(&listener, client, Some(&name)).await;
    }
}

#[tokio::test]
async fn listeners_at_the_longest_pathnames() {
    let directory = Directory::new();
    for length in udsock::MAX_PATHNAME - 2..=udsock::MAX_PATHNAME {
        let address = directory.address_of_length(length).unwrap();
        let listener = Listener::bind(&address, 4).unwrap();
        let name = directory.address(&format!("client-{length}"));
        serve(&listener, client_bound_to(name.as_bytes(), &address), Some(&name)).await;
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn clients_bound_to_abstract_names_of_every_length() {
    let directory = Directory::new();
    let listener = Listener::bind(&directory.address("s"), 4).unwrap();
    for length in 0..=udsock::MAX_PATHNAME - 1 {
        let seed = format!("{}\0foreign", std::process::id()).into_bytes();
        let bytes: Vec<u8> = seed.into_iter().rev().cycle().take(length).collect();
        let name = Address::abstract_name(&bytes).unwrap();
        let client = client_bound_to(name.as_bytes(), &listener.local_address().unwrap());
        serve(&listener, client, Some(&name)).await;
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_client_that_the_kernel_named() {
    let directory = Directory::new();
    let listener = Listener::bind(&directory.address("s"), 4).unwrap();
    let client = client_bound_to(b"", &listener.local_address().unwrap());
    let name = Address::local(&client).unwrap();
    assert_eq!(name.as_abstract_name().map(<[u8]>::len), Some(5));
    serve(&listener, client, Some(&name)).await;
}

#[tokio::test]
async fn a_client_whose_file_is_gone_or_that_has_left() {
    let directory = Directory::new();
    let listener = Listener::bind(&directory.address("s"), 4).unwrap();
    let name = directory.address_of_length(udsock::MAX_PATHNAME).unwrap();
    let client = client_bound_to(name.as_bytes(), &listener.local_address().unwrap());
    std::fs::remove_file(name.as_pathname().unwrap()).unwrap();
    serve(&listener, client, Some(&name)).await;

    let client = client_bound_to(name.as_bytes(), &listener.local_address().unwrap());
    drop(client);
    let mut server = soon(listener.accept()).await.unwrap();
    assert_eq!(soon(server.read(&mut [0])).await.unwrap(), 0);
}
