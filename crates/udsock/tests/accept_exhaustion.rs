//! Accepting when the process has no descriptor left. The limit is the process's, so the tests take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use common::{Directory, Probe, settle, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use udsock::{Listener, connect, descriptor_closed, try_connect};

/// Every descriptor that the process may still open, opened.
struct Hogged(Vec<OwnedFd>);

impl Hogged {
    fn all(something: impl AsFd) -> Self {
        let mut hogged = Vec::new();
        loop {
            match rustix::io::fcntl_dupfd_cloexec(&something, 0) {
                Ok(fd) => hogged.push(fd),
                Err(error) => {
                    assert_eq!(error, rustix::io::Errno::MFILE);
                    return Self(hogged);
                }
            }
        }
    }

    /// Closes some without a report.
    fn free(&mut self, count: usize) {
        self.0.truncate(self.0.len().checked_sub(count).unwrap());
    }
}

/// Runs the test with few descriptors, on a runtime whose reactor runs only when the test waits.
fn with_few_descriptors(test: impl Future<Output = ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live `rlimit`.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit.rlim_cur = limit.rlim_cur.min(128);
    // SAFETY: the pointer is to a live `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_pause_ends_at_once_when_a_descriptor_is_closed() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        let mut client = soon(connect(&address, None)).await.unwrap();
        soon(listener.ready()).await.unwrap();
        let mut hogged = Hogged::all(&listener);

        let mut accept = pin!(listener.accept());
        let probe = Probe::new();
        assert!(probe.poll(accept.as_mut()).is_pending());
        soon(listener.ready()).await.expect("the client is still queued");

        // No timer can fire from here to the end, because nothing waits.
        assert!(probe.poll(accept.as_mut()).is_pending());
        assert_eq!(probe.wakes(), 0);
        hogged.free(1);
        assert_eq!(probe.wakes(), 0);
        descriptor_closed();
        assert_eq!(probe.wakes(), 1);
        let Poll::Ready(accepted) = probe.poll(accept.as_mut()) else {
            panic!("there is a descriptor again")
        };

        let mut server = accepted.unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(soon(server.read_u8()).await.unwrap(), b'x');
    });
}

#[test]
fn poll_accept_pauses_and_goes_on_when_a_descriptor_is_closed() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        let _client = soon(connect(&address, None)).await.unwrap();
        soon(listener.ready()).await.unwrap();
        let mut hogged = Hogged::all(&listener);
        let mut accept = pin!(poll_fn(|context| listener.poll_accept(context)));
        let probe = Probe::new();
        assert!(probe.poll(accept.as_mut()).is_pending());
        hogged.free(2);
        descriptor_closed();
        assert_eq!(probe.wakes(), 1);
        assert!(matches!(probe.poll(accept.as_mut()), Poll::Ready(Ok(_))));
    });
}

#[test]
fn a_descriptor_that_is_closed_without_a_report_is_found_in_time() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        let _client = soon(connect(&address, None)).await.unwrap();
        soon(listener.ready()).await.unwrap();
        let mut hogged = Hogged::all(&listener);
        let mut accept = pin!(listener.accept());
        assert!(Probe::new().poll(accept.as_mut()).is_pending());
        hogged.free(1);
        soon(accept).await.unwrap();
    });
}

#[test]
fn a_dropped_listener_frees_a_descriptor_for_another() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let other = Listener::bind(&directory.address("other"), 4).unwrap();
        let listener = Listener::bind(&address, 4).unwrap();
        let _client = soon(connect(&address, None)).await.unwrap();
        soon(listener.ready()).await.unwrap();
        let _hogged = Hogged::all(&listener);
        let mut accept = pin!(listener.accept());
        let probe = Probe::new();
        assert!(probe.poll(accept.as_mut()).is_pending());
        drop(other);
        assert_eq!(probe.wakes(), 1);
        assert!(probe.poll(accept.as_mut()).is_ready());
    });
}

#[test]
fn without_a_client_it_is_the_client_that_is_waited_for() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        let _first = soon(connect(&address, None)).await.unwrap();
        // Leaves the reactor's readiness set, so that the next accept tries.
        let _served = soon(listener.accept()).await.unwrap();
        let mut hogged = Hogged::all(&listener);
        let mut accept = pin!(listener.accept());
        let probe = Probe::new();
        assert!(probe.poll(accept.as_mut()).is_pending());
        descriptor_closed();
        settle().await;
        assert_eq!(probe.wakes(), 0, "it does not pause, it waits for readiness");
        hogged.free(2);
        let _second = try_connect(&address).unwrap();
        soon(accept).await.unwrap();
    });
}

#[test]
fn an_accept_dropped_in_its_pause_has_taken_nothing() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        let _client = soon(connect(&address, None)).await.unwrap();
        soon(listener.ready()).await.unwrap();
        let mut hogged = Hogged::all(&listener);
        let mut accept = Box::pin(listener.accept());
        assert!(Probe::new().poll(accept.as_mut()).is_pending());
        drop(accept);
        hogged.free(1);
        soon(listener.accept()).await.unwrap();
    });
}

#[test]
fn connecting_reports_exhaustion() {
    with_few_descriptors(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        let _hogged = Hogged::all(&listener);
        let error = soon(connect(&address, None)).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert!(udsock::is_exhaustion(libc::EMFILE));
    });
}
