//! Connecting: at once, or in turn behind a full backlog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::pin::pin;

use common::{Directory, Probe, is_close_on_exec, is_nonblocking, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use udsock::{Address, Listener, bind, connect, connect_fd, connect_in_turn, try_connect};

#[test]
fn without_a_runtime_and_with_room_it_connects_at_once() {
    let directory = Directory::new();
    let address = directory.address("s");
    let _listener = bind(&address, 4).unwrap();
    let connection = try_connect(&address).unwrap();
    assert!(is_nonblocking(&connection));
    assert!(is_close_on_exec(&connection));
    let mut future = pin!(connect_fd(&address, None));
    assert!(Probe::new().poll(future.as_mut()).is_ready(), "one poll is enough");
}

#[tokio::test]
async fn bytes_flow_both_ways() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let mut client = soon(connect(&address, None)).await.unwrap();
    let mut server = soon(listener.accept()).await.unwrap();
    client.write_all(b"ping").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    soon(server.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "ping");
    server.write_all(b"pong").await.unwrap();
    drop(server);
    text.clear();
    soon(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "pong");
}

#[test]
fn errors_carry_their_numbers() {
    let directory = Directory::new();
    let number = |address: &Address| try_connect(address).unwrap_err().raw_os_error();
    assert_eq!(number(&directory.address("missing")), Some(libc::ENOENT));
    let stale = directory.address("stale");
    drop(bind(&stale, 1).unwrap());
    assert_eq!(number(&stale), Some(libc::ECONNREFUSED));
    let (unnamed, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(number(&Address::local(unnamed).unwrap()), Some(libc::EINVAL));
}

#[tokio::test]
async fn errors_are_not_waited_for() {
    let directory = Directory::new();
    let error = soon(connect(&directory.address("missing"), None)).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn a_future_may_move_between_threads() {
    fn is_send(_: impl Send) {}
    let address = Address::pathname("unused").unwrap();
    is_send(connect(&address, None));
    is_send(connect_fd(&address, Some(Instant::now())));
}

// Only Linux distinguishes a full backlog from a missing listener.
#[cfg(target_os = "linux")]
mod full_backlog {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use super::common::{fill, settle};
    use super::*;

    #[tokio::test]
    async fn a_full_backlog_is_waited_for() {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 0).unwrap();
        let queued = fill(&address);
        assert_eq!(queued.len(), 1);
        let mut waiting = pin!(connect(&address, None));
        assert!(Probe::new().poll(waiting.as_mut()).is_pending());
        soon(listener.accept()).await.unwrap();
        let client = soon(waiting).await.unwrap();
        let server = soon(listener.accept()).await.unwrap();
        drop(client);
        assert_eq!(soon(server.readable()).await.map(|()| server.try_read(&mut [0]).unwrap()).unwrap(), 0);
    }

    #[tokio::test]
    async fn waiting_callers_are_served_in_order() {
        const CLIENTS: u8 = 12;
        let directory = Directory::new();
        let address = Arc::new(directory.address("s"));
        let listener = Listener::bind(&address, 0).unwrap();
        let filler = fill(&address);
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let address = Arc::clone(&address);
            clients.push(tokio::spawn(async move {
                let mut stream = connect(&address, None).await?;
                stream.write_all(&[number]).await
            }));
            // Its first poll is its place in the queue.
            tokio::task::yield_now().await;
        }
        for _ in filler {
            soon(listener.accept()).await.unwrap();
        }
        for expected in 0..CLIENTS {
            let mut server = soon(listener.accept()).await.unwrap();
            assert_eq!(soon(server.read_u8()).await.unwrap(), expected);
        }
        for client in clients {
            soon(client).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn later_callers_queue_behind_waiting_ones() {
        let directory = Directory::new();
        let (address, elsewhere) = (directory.address("s"), directory.address("t"));
        let listener = bind(&address, 0).unwrap();
        let _other = bind(&elsewhere, 4).unwrap();
        let _filler = fill(&address);
        let mut waiting = pin!(connect_fd(&address, None));
        assert!(Probe::new().poll(waiting.as_mut()).is_pending());
        rustix::net::accept(&listener).unwrap();
        // There is room now, but it belongs to the waiting caller.
        assert_eq!(try_connect(&address).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        assert!(Probe::new().poll(pin!(connect_fd(&address, None))).is_pending());
        try_connect(&elsewhere).unwrap();
        soon(waiting).await.unwrap();
        rustix::net::accept(&listener).unwrap();
        try_connect(&address).unwrap();
    }

    #[tokio::test]
    async fn a_deadline_covers_the_time_in_the_queue() {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let mut first = pin!(connect(&address, None));
        assert!(Probe::new().poll(first.as_mut()).is_pending());
        let deadline = Instant::now() + Duration::from_millis(30);
        let error = soon(connect(&address, Some(deadline))).await.unwrap_err();
        assert!(Instant::now() >= deadline);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
        soon(listener.accept()).await.unwrap();
        soon(first).await.unwrap();
    }

    #[tokio::test]
    async fn a_deadline_covers_the_attempts() {
        let directory = Directory::new();
        let address = directory.address("s");
        let _listener = bind(&address, 0).unwrap();
        let _filler = fill(&address);
        for deadline in [Instant::now(), Instant::now() + Duration::from_millis(30)] {
            let error = soon(connect(&address, Some(deadline))).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
        }
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_does_not_matter_when_there_is_room() {
        let directory = Directory::new();
        let address = directory.address("s");
        let _listener = bind(&address, 0).unwrap();
        soon(connect(&address, Some(Instant::now()))).await.unwrap();
    }

    #[tokio::test]
    async fn a_dropped_future_gives_its_place_to_the_next() {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let mut head = Box::pin(connect_fd(&address, None));
        let mut middle = Box::pin(connect_fd(&address, None));
        let mut tail = Box::pin(connect_fd(&address, None));
        let probe = Probe::new();
        for future in [&mut head, &mut middle, &mut tail] {
            assert!(probe.poll(future.as_mut()).is_pending());
        }
        drop(middle);
        drop(head);
        assert_eq!(probe.wakes(), 0, "there is no room yet");
        soon(listener.accept()).await.unwrap();
        soon(tail).await.unwrap();
        soon(listener.accept()).await.unwrap();
        try_connect(&address).expect("no place is left behind");
    }

    #[tokio::test]
    async fn a_future_that_is_not_polled_again_delays_no_other() {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let mut forgotten = Box::pin(connect(&address, None));
        assert!(Probe::new().poll(forgotten.as_mut()).is_pending());
        let other = tokio::spawn({
            let address = address.clone();
            async move { connect(&address, None).await }
        });
        // The filler, the connection of the future that is not polled, and the other's.
        for _ in 0..3 {
            soon(listener.accept()).await.unwrap();
        }
        soon(other).await.unwrap().unwrap();
        try_connect(&address).expect("no place is left behind");
        soon(forgotten).await.expect("its connection is kept for it");
    }

    #[tokio::test]
    async fn a_future_that_was_never_polled_delays_no_other() {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let _forgotten = connect_in_turn(address.clone(), None);
        assert_eq!(try_connect(&address).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        let other = tokio::spawn(connect_in_turn(address.clone(), None));
        for _ in 0..3 {
            soon(listener.accept()).await.unwrap();
        }
        soon(other).await.unwrap().unwrap();
    }

    #[test]
    fn an_idle_or_ended_runtime_delays_no_caller_of_another_runtime() {
        for ends in [false, true] {
            let directory = Directory::new();
            let address = directory.address("s");
            let listener = bind(&address, 0).unwrap();
            let _filler = fill(&address);
            let still = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut forgotten = Box::pin(connect_fd(&address, None));
            still.block_on(async { assert!(Probe::new().poll(forgotten.as_mut()).is_pending()) });
            let still = (!ends).then_some(still);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = Listener::from_fd(listener).unwrap();
                let other = tokio::spawn(connect_in_turn(address.clone(), None));
                for _ in 0..3 {
                    soon(listener.accept()).await.unwrap();
                }
                soon(other).await.unwrap().unwrap();
                soon(forgotten).await.unwrap();
            });
            drop(still);
        }
    }

    #[tokio::test]
    async fn the_next_has_its_turn_when_the_head_fails() {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let mut head = pin!(connect_fd(&address, None));
        let mut next = pin!(connect_fd(&address, None));
        assert!(Probe::new().poll(head.as_mut()).is_pending());
        assert!(Probe::new().poll(next.as_mut()).is_pending());
        drop(listener);
        assert_eq!(soon(head).await.unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
        assert_eq!(soon(next).await.unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
        assert_eq!(try_connect(&address).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    }

    #[tokio::test]
    async fn waiting_callers_connect_to_the_listener_that_replaces_theirs() {
        let directory = Directory::new();
        let address = directory.address("s");
        let old = bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let mut waiting = pin!(connect(&address, None));
        assert!(Probe::new().poll(waiting.as_mut()).is_pending());
        std::fs::remove_file(address.as_pathname().unwrap()).unwrap();
        let new = Listener::bind(&address, 0).unwrap();
        soon(waiting).await.unwrap();
        soon(new.accept()).await.unwrap();
        drop(old);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_clients_of_a_small_backlog_all_get_through_once() {
        const CLIENTS: u8 = 64;
        let directory = Directory::new();
        let address = Arc::new(directory.address("s"));
        let listener = Listener::bind(&address, 0).unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let address = Arc::clone(&address);
                tokio::spawn(async move {
                    let mut stream = connect(&address, None).await.unwrap();
                    stream.write_all(&[number]).await.unwrap();
                    stream.read_u8().await.unwrap()
                })
            })
            .collect();
        for _ in 0..CLIENTS {
            let mut server = soon(listener.accept()).await.unwrap();
            let number = soon(server.read_u8()).await.unwrap();
            server.write_all(&[number]).await.unwrap();
        }
        for (number, client) in clients.into_iter().enumerate() {
            assert_eq!(usize::from(soon(client).await.unwrap()), number);
        }
        settle().await;
        try_connect(&address).expect("no caller waits any more");
    }
}
