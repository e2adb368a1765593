//! Binding, listening, accepting, readiness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Directory, Probe, is_close_on_exec, is_nonblocking, settle, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use udsock::{Address, Listener, bind, connect, try_connect};

#[test]
fn a_bound_socket_listens_and_leaves_nothing_to_be_set() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = bind(&address, 4).unwrap();
    assert!(is_nonblocking(&listener));
    assert!(is_close_on_exec(&listener));
    assert_eq!(Address::local(&listener).unwrap(), address);
    try_connect(&address).unwrap();
}

#[test]
fn a_negative_backlog_is_refused_before_anything_is_made() {
    let directory = Directory::new();
    let address = directory.address("s");
    for backlog in [-1, i32::MIN] {
        let error = bind(&address, backlog).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
    assert!(!address.as_pathname().unwrap().exists());
}

#[test]
#[cfg(target_os = "linux")]
fn the_backlog_reaches_the_kernel_as_it_is() {
    let directory = Directory::new();
    for backlog in [0, 1, 5] {
        let address = directory.address(&backlog.to_string());
        let _listener = bind(&address, backlog).unwrap();
        // Linux queues one connection more than the backlog.
        assert_eq!(common::fill(&address).len(), usize::try_from(backlog).unwrap() + 1);
    }
    bind(&directory.address("max"), i32::MAX).unwrap();
}

#[test]
fn bind_reports_why_it_cannot_bind() {
    let directory = Directory::new();
    let number = |address: &Address| bind(address, 1).unwrap_err().raw_os_error();
    assert_eq!(number(&directory.address("no/directory")), Some(libc::ENOENT));
    let stale = directory.address("stale");
    drop(bind(&stale, 1).unwrap());
    assert_eq!(number(&stale), Some(libc::EADDRINUSE));
    let unbound = UnixDatagram::unbound().unwrap();
    assert_eq!(number(&Address::local(unbound).unwrap()), Some(libc::EINVAL));
}

#[tokio::test]
async fn an_accepted_connection_is_the_clients() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    assert_eq!(listener.local_address().unwrap(), address);
    assert!(format!("{listener:?}").contains("(pathname)"));
    let mut client = soon(connect(&address, None)).await.unwrap();
    let mut server = soon(listener.accept()).await.unwrap();
    assert!(is_nonblocking(&server));
    assert!(is_close_on_exec(&server));
    assert!(Address::peer(&server).unwrap().is_unnamed());
    assert_eq!(Address::local(&server).unwrap(), address);
    client.write_all(b"x").await.unwrap();
    assert_eq!(soon(server.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn accept_waits_for_a_client() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let mut accept = pin!(listener.accept());
    let probe = Probe::new();
    assert!(probe.poll(accept.as_mut()).is_pending());
    settle().await;
    assert_eq!(probe.wakes(), 0);
    let _client = try_connect(&address).unwrap();
    soon(accept).await.unwrap();
}

#[tokio::test]
async fn a_dropped_accept_has_taken_nothing() {
    const CLIENTS: u8 = 40;
    let directory = Directory::new();
    let address = Arc::new(directory.address("s"));
    let listener = Listener::bind(&address, 3).unwrap();
    let clients = tokio::spawn(async move {
        for number in 0..CLIENTS {
            let mut stream = connect(&address, None).await.unwrap();
            stream.write_all(&[number]).await.unwrap();
            stream.read_u8().await.unwrap_err();
        }
    });
    for expected in 0..CLIENTS {
        let mut server = loop {
            // Dropped in whatever state a single poll leaves it.
            let once = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
            match once {
                Ok(accepted) => break accepted.unwrap(),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(soon(server.read_u8()).await.unwrap(), expected);
    }
    soon(clients).await.unwrap();
}

#[tokio::test]
async fn an_accept_that_was_woken_and_dropped_leaves_the_client_to_the_next() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 3).unwrap();
    let mut first = Box::pin(listener.accept());
    let probe = Probe::new();
    assert!(probe.poll(first.as_mut()).is_pending());
    let _client = try_connect(&address).unwrap();
    while probe.wakes() == 0 {
        soon(tokio::task::yield_now()).await;
    }
    drop(first);
    soon(listener.accept()).await.unwrap();
}

#[tokio::test]
async fn concurrent_accepts_get_one_connection_each() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Arc::new(Listener::bind(&address, 8).unwrap());
    let accepts: Vec<_> = (0..8)
        .map(|_| {
            let listener = Arc::clone(&listener);
            tokio::spawn(async move { listener.accept().await.unwrap().read_u8().await.unwrap() })
        })
        .collect();
    settle().await;
    let mut clients = Vec::new();
    for number in 0..8 {
        let mut client = soon(connect(&address, None)).await.unwrap();
        client.write_all(&[number]).await.unwrap();
        clients.push(client);
    }
    let mut numbers = Vec::new();
    for accept in accepts {
        numbers.push(soon(accept).await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn ready_takes_nothing_and_believes_only_the_kernel() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    for _ in 0..3 {
        // After the first round the reactor still reports readable, because no accept has found the queue empty.
        let mut ready = pin!(listener.ready());
        let probe = Probe::new();
        assert!(probe.poll(ready.as_mut()).is_pending());
        settle().await;
        assert_eq!(probe.wakes(), 0);
        let _client = try_connect(&address).unwrap();
        soon(ready).await.unwrap();
        soon(listener.ready()).await.unwrap();
        soon(listener.accept()).await.unwrap();
    }
}

#[tokio::test]
async fn ready_and_accept_may_wait_side_by_side() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Arc::new(Listener::bind(&address, 4).unwrap());
    for _ in 0..20 {
        let (one, other) = (Arc::clone(&listener), Arc::clone(&listener));
        let ready = tokio::spawn(async move { one.ready().await });
        let accept = tokio::spawn(async move { other.accept().await.map(drop) });
        settle().await;
        let _client = try_connect(&address).unwrap();
        soon(accept).await.unwrap().unwrap();
        // The accept may have been first; the next client is certain to be seen.
        let _next = try_connect(&address).unwrap();
        soon(ready).await.unwrap().unwrap();
        soon(listener.accept()).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_has_left_is_accepted_and_read_to_its_end() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let mut client = soon(connect(&address, None)).await.unwrap();
    client.write_all(b"bye").await.unwrap();
    drop(client);
    let mut server = soon(listener.accept()).await.unwrap();
    let mut text = String::new();
    soon(server.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "bye");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_listener_that_was_shut_down_fails_accept_and_is_ready() {
    use rustix::net::{Shutdown, shutdown};
    let directory = Directory::new();
    for (name, how) in [("read", Shutdown::Read), ("both", Shutdown::Both)] {
        let listener = Listener::bind(&directory.address(name), 4).unwrap();
        let mut accept = pin!(listener.accept());
        assert!(Probe::new().poll(accept.as_mut()).is_pending());
        shutdown(&listener, how).unwrap();
        assert_eq!(soon(accept).await.unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert_eq!(soon(listener.accept()).await.unwrap_err().raw_os_error(), Some(libc::EINVAL));
        soon(listener.ready()).await.unwrap();
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn clients_queued_before_a_shutdown_are_still_accepted() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let _clients = [try_connect(&address).unwrap(), try_connect(&address).unwrap()];
    rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
    for _ in 0..2 {
        soon(listener.accept()).await.unwrap();
    }
    assert_eq!(soon(listener.accept()).await.unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[tokio::test]
async fn many_clients_leave_time_for_other_tasks() {
    const CLIENTS: usize = 200;
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 250).unwrap();
    let _clients: Vec<_> = (0..CLIENTS).map(|_| try_connect(&address).unwrap()).collect();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    let acceptor = tokio::spawn(async move {
        while counter.load(Ordering::SeqCst) < CLIENTS {
            listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let other = tokio::spawn(async move {
        while accepted.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        accepted.load(Ordering::SeqCst)
    });
    let seen = soon(other).await.unwrap();
    assert!(seen < CLIENTS, "the other task ran only after all {seen} clients");
    soon(acceptor).await.unwrap();
}

#[tokio::test]
async fn a_dropped_listener_refuses_clients_and_keeps_its_connections_and_its_file() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let mut client = soon(connect(&address, None)).await.unwrap();
    let mut server = soon(listener.accept()).await.unwrap();
    drop(listener);
    assert_eq!(try_connect(&address).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    assert!(address.as_pathname().unwrap().exists());
    server.write_all(b"x").await.unwrap();
    assert_eq!(soon(client.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn a_listener_from_elsewhere_is_made_nonblocking_and_close_on_exec() {
    let directory = Directory::new();
    let address = directory.address("s");
    let foreign = UnixListener::bind(address.as_pathname().unwrap()).unwrap();
    rustix::io::fcntl_setfd(&foreign, rustix::io::FdFlags::empty()).unwrap();
    assert!(!is_nonblocking(&foreign) && !is_close_on_exec(&foreign));
    let listener = Listener::from_fd(foreign.into()).unwrap();
    assert!(is_nonblocking(listener.as_fd()) && is_close_on_exec(listener.as_fd()));
    let _client = try_connect(&address).unwrap();
    soon(listener.accept()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_listen_on_a_unix_domain_is_refused() {
    let number = |fd: OwnedFd| Listener::from_fd(fd).unwrap_err().raw_os_error();
    assert_eq!(number(std::fs::File::open("/dev/null").unwrap().into()), Some(libc::ENOTSOCK));
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(number(tcp.into()), Some(libc::EAFNOSUPPORT));
    assert_eq!(number(UnixDatagram::unbound().unwrap().into()), Some(libc::EPROTOTYPE));
    #[cfg(not(target_vendor = "apple"))]
    assert_eq!(number(std::os::unix::net::UnixStream::pair().unwrap().0.into()), Some(libc::EINVAL));
}

#[test]
fn an_accept_may_move_between_threads() {
    fn is_send<T: Send>(_: fn(&'static Listener) -> T) {}
    fn is_shared<T: Send + Sync>() {}
    is_send(|listener| listener.accept());
    is_send(|listener| listener.ready());
    is_shared::<Listener>();
}
