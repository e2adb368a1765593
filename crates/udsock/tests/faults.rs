//! System calls of the crate that fail by rule. The plan is the process's, so the tests take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Directory, open_descriptors, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use udsock::{
    Address, BindOptions, Bound, Listener, OnExisting, PeerCredentials, adopt, adopt_connection, bind,
    bind_with, connect, try_connect,
};

const ERRORS: [(&str, i32); 8] = [
    ("EINTR", libc::EINTR),
    ("EAGAIN", libc::EAGAIN),
    ("ENOBUFS", libc::ENOBUFS),
    ("ENOMEM", libc::ENOMEM),
    ("EMFILE", libc::EMFILE),
    ("ENFILE", libc::ENFILE),
    ("ECONNRESET", libc::ECONNRESET),
    ("EPIPE", libc::EPIPE),
];

/// These rules, until it is dropped.
struct Faults(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Faults {
    fn none() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let faults = Self(ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        faults.set("");
        faults
    }

    fn set(&self, rules: &str) {
        udsock_faults::set(rules, 1).unwrap();
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.set("");
    }
}

fn injected() -> u64 {
    let report = udsock_faults::report();
    report.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn options(on_existing: OnExisting) -> BindOptions {
    BindOptions { mode: Some(0o666), on_existing, ..BindOptions::new(4) }
}

fn claim(address: &Address, on_existing: OnExisting) -> io::Result<Bound> {
    bind_with(address, &options(on_existing), &AtomicBool::new(false))
}

#[test]
fn binding_that_fails_leaves_nothing_and_binding_again_works() {
    let faults = Faults::none();
    let sites =
        ["socket", "fchmod", "bind", "lstat", "probe", "open", "fstat", "chmod", "listen", "flock", "rename"];
    for on_existing in [OnExisting::Error, OnExisting::ReplaceStale, OnExisting::TakeOver] {
        for (site, (kind, errno)) in sites.iter().flat_map(|site| ERRORS.map(|error| (site, error))) {
            // What somebody listens at is not ours.
            if (*site, kind) == ("probe", "EAGAIN") {
                continue;
            }
            // Each call of the site in turn.
            for call in 1..8 {
                let directory = Directory::new();
                let address = directory.address("s");
                if on_existing != OnExisting::Error {
                    drop(claim(&address, OnExisting::Error).unwrap());
                }
                let (before, descriptors) = (names(&directory), open_descriptors());
                faults.set(&format!("{site}:{kind}:every={call}:times=1"));
                let outcome = claim(&address, on_existing);
                let hit = injected();
                faults.set("");
                let what = format!("{on_existing:?} {site} {kind} {call}");
                match outcome {
                    Ok(bound) => drop(bound),
                    Err(error) => {
                        assert_eq!(hit, 1, "{what}");
                        let number = error.raw_os_error().unwrap();
                        // A name at which something answers oddly is taken for one in use.
                        assert!(number == errno || number == libc::EADDRINUSE, "{what}: {error}");
                        let left = names(&directory);
                        // A stale file may be gone.
                        assert!(left == before || left.is_empty(), "{what}: {left:?}");
                        assert_eq!(open_descriptors(), descriptors, "{what}");
                        drop(claim(&address, on_existing).expect(&what));
                    }
                }
                if hit == 0 {
                    break;
                }
            }
        }
    }
}

fn names(directory: &Directory) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[tokio::test]
async fn connecting_and_accepting_succeed_or_say_why() {
    let faults = Faults::none();
    for (site, (kind, errno)) in
        ["socket", "connect", "accept", "poll"].iter().flat_map(|site| ERRORS.map(|error| (site, error)))
    {
        let what = format!("{site} {kind}");
        let directory = Directory::new();
        let address = directory.address("s");
        let listener = Listener::bind(&address, 4).unwrap();
        // Readiness is known to the runtime from here on.
        let descriptors = open_descriptors();
        faults.set(&format!("{site}:{kind}:times=3"));
        let converse = async {
            let mut client = until(errno, &what, || connect(&address, None)).await;
            until(errno, &what, || listener.ready()).await;
            let mut server = until(errno, &what, || listener.accept()).await;
            client.write_all(b"all of it").await.unwrap();
            drop(client);
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "all of it", "{what}");
        };
        soon(converse).await;
        assert!(injected() > 0, "{what}");
        faults.set("");
        assert_eq!(open_descriptors(), descriptors, "{what}");
    }
}

/// Repeats what fails with `errno`, a few times.
async fn until<T, F: Future<Output = io::Result<T>>>(errno: i32, what: &str, work: impl Fn() -> F) -> T {
    for _ in 0..5 {
        match work().await {
            Ok(value) => return value,
            Err(error) => assert_eq!(error.raw_os_error(), Some(errno), "{what}"),
        }
    }
    panic!("{what} fails for ever");
}

#[tokio::test]
async fn a_listener_that_the_runtime_cannot_watch_leaves_no_descriptor() {
    let faults = Faults::none();
    let directory = Directory::new();
    let address = directory.address("s");
    drop(Listener::bind(&address, 4).unwrap());
    let descriptors = open_descriptors();
    for (kind, errno) in ERRORS {
        std::fs::remove_file(directory.path().join("s")).unwrap();
        faults.set(&format!("epoll_ctl:{kind}"));
        let error = Listener::bind(&address, 4).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
        assert_eq!(open_descriptors(), descriptors);
    }
}

#[test]
fn adoption_that_fails_gives_the_descriptor_back() {
    let faults = Faults::none();
    let directory = Directory::new();
    let address = directory.address("s");
    let mut listener = bind(&address, 4).unwrap();
    let mut client = try_connect(&address).unwrap();
    for (site, (kind, errno)) in ["getsockname", "getsockopt", "fcntl", "ioctl"]
        .iter()
        .flat_map(|site| ERRORS.map(|error| (site, error)))
    {
        faults.set(&format!("{site}:{kind}:times=1"));
        listener = given_back(adopt(listener), errno);
        faults.set(&format!("{site}:{kind}:times=1"));
        client = given_back(adopt_connection(client), errno);
    }
    faults.set("getpeername:ENOBUFS,getsockopt:ENOBUFS");
    assert_eq!(Address::peer(&client).unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
    assert_eq!(PeerCredentials::of(&client).unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
    faults.set("");
    adopt(listener).unwrap();
    adopt_connection(client).unwrap();
}

fn given_back(adopted: Result<OwnedFd, (OwnedFd, io::Error)>, errno: i32) -> OwnedFd {
    let (fd, error) = adopted.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(errno));
    fd
}

#[test]
fn a_file_that_cannot_be_removed_stays_and_the_failure_is_told() {
    let faults = Faults::none();
    let directory = Directory::new();
    let bound = claim(&directory.address("s"), OnExisting::Error).unwrap();
    let file = bound.file.unwrap();
    for site in ["lstat", "unlink"] {
        faults.set(&format!("{site}:ENOMEM"));
        assert_eq!(file.remove().unwrap_err().raw_os_error(), Some(libc::ENOMEM), "{site}");
    }
    faults.set("flock:EIO");
    assert!(file.remove().unwrap(), "without the lock");
}
