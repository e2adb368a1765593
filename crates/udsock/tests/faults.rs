//! System calls of the crate that fail by rule. The plan is the process's, so the tests take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{Directory, open_descriptors, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use udsock::{
    Address, BindOptions, Bound, BoundPath, Listener, OnExisting, PeerCredentials, SocketType, adopt,
    adopt_connection, bind, bind_with, connect, try_connect,
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
        udsock::fault::set(rules, 1).unwrap();
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.set("");
    }
}

/// Runs a test with a runtime whose descriptors no other test counts.
fn alone(test: impl AsyncFnOnce(&Faults)) {
    let faults = Faults::none();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(&faults));
    drop(runtime);
    drop(faults);
}

fn injected() -> u64 {
    let report = udsock::fault::report();
    report.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn options(on_existing: OnExisting) -> BindOptions {
    BindOptions::new(4).mode(0o666).on_existing(on_existing)
}

fn bind_at(address: &Address, on_existing: OnExisting) -> io::Result<Bound> {
    bind_with(address, &options(on_existing), &AtomicBool::new(false))
}

#[test]
fn binding_that_fails_leaves_nothing_and_binding_again_works() {
    let faults = Faults::none();
    let sites =
        ["socket", "fchmod", "bind", "lstat", "probe", "open", "fstat", "chmod", "listen", "flock", "rename"];
    for on_existing in [OnExisting::Error, OnExisting::ReplaceStale, OnExisting::TakeOver] {
        for (site, (kind, errno)) in sites.iter().flat_map(|site| ERRORS.map(|error| (site, error))) {
            // A path at which a process listens is left alone.
            if (*site, kind) == ("probe", "EAGAIN") {
                continue;
            }
            // Each call of the site in turn.
            for call in 1..8 {
                let directory = Directory::new();
                let address = directory.address("s");
                if on_existing != OnExisting::Error {
                    drop(bind_at(&address, OnExisting::Error).unwrap());
                }
                let (before, descriptors) = (directory.names(), open_descriptors());
                faults.set(&format!("{site}:{kind}:every={call}:times=1"));
                let outcome = bind_at(&address, on_existing);
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
                        let left = directory.names();
                        // A stale file may be gone.
                        assert!(left == before || left.is_empty(), "{what}: {left:?}");
                        assert_eq!(open_descriptors(), descriptors, "{what}");
                        drop(bind_at(&address, on_existing).expect(&what));
                    }
                }
                if hit == 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn connecting_and_accepting_succeed_or_say_why() {
    alone(async |faults| {
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
    });
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

#[test]
fn a_listener_that_the_runtime_cannot_watch_leaves_no_descriptor_and_no_file() {
    alone(async |faults| {
        let directory = Directory::new();
        let address = directory.address("s");
        drop(Listener::bind(&address, 4).unwrap());
        let descriptors = open_descriptors();
        std::fs::remove_file(directory.path().join("s")).unwrap();
        for (kind, errno) in ERRORS {
            faults.set(&format!("epoll_ctl:{kind}"));
            let error = Listener::bind(&address, 4).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno));
            assert_eq!(open_descriptors(), descriptors);
            assert!(!directory.path().join("s").exists());
        }
    });
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
        listener = given_back(adopt(listener, SocketType::Stream), errno);
        faults.set(&format!("{site}:{kind}:times=1"));
        client = given_back(adopt_connection(client, SocketType::Stream), errno);
    }
    faults.set("getpeername:ENOBUFS,getsockopt:ENOBUFS");
    assert_eq!(Address::peer(&client).unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
    assert_eq!(PeerCredentials::of(&client).unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
    faults.set("");
    adopt(listener, SocketType::Stream).unwrap();
    adopt_connection(client, SocketType::Stream).unwrap();
}

fn given_back(adopted: Result<OwnedFd, (OwnedFd, io::Error)>, errno: i32) -> OwnedFd {
    let (fd, error) = adopted.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(errno));
    fd
}

/// The only test of this process that uses the pool's threads, so that there are none before.
#[test]
fn without_a_thread_binding_fails_with_eagain_and_works_later() {
    alone(async |faults| {
        let directory = Directory::new();
        let address = directory.address("s");
        for _ in 0..3 {
            faults.set("thread:EAGAIN");
            let path = Arc::new(BoundPath::new());
            let refused = soon(path.bind(&address, &options(OnExisting::ReplaceStale))).await;
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EAGAIN));
            assert!(directory.names().is_empty());
        }
        // A file is removed all the same.
        let path = Arc::new(BoundPath::of(bind_at(&address, OnExisting::Error).unwrap().file.unwrap()));
        soon(path.remove(Duration::from_secs(5))).await;
        assert!(directory.names().is_empty());
        faults.set("");
        soon(Arc::new(BoundPath::new()).bind(&address, &options(OnExisting::Error))).await.unwrap();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_mode_needs_no_proc_file_system_or_the_error_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let faults = Faults::none();
    let directory = Directory::new();
    let wide = BindOptions::new(4).mode(0o777);
    let never = AtomicBool::new(false);
    for kernel_is_old in [false, true] {
        let address = directory.address("s");
        faults.set(if kernel_is_old { "chmod:ENOENT,fchmodat2:ENOSYS" } else { "chmod:ENOENT" });
        let outcome = bind_with(&address, &wide, &never);
        assert!(injected() > 0, "the umask should take a bit away");
        if kernel_is_old {
            assert_eq!(outcome.unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
            assert!(directory.names().is_empty());
        } else {
            let metadata = std::fs::symlink_metadata(address.as_pathname().unwrap()).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o777);
            assert!(outcome.unwrap().file.unwrap().remove().unwrap());
        }
    }
}

#[test]
fn a_file_that_cannot_be_removed_stays_and_the_failure_is_told() {
    let faults = Faults::none();
    let directory = Directory::new();
    let bound = bind_at(&directory.address("s"), OnExisting::Error).unwrap();
    let file = bound.file.unwrap();
    for site in ["lstat", "unlink"] {
        faults.set(&format!("{site}:ENOMEM"));
        assert_eq!(file.remove().unwrap_err().raw_os_error(), Some(libc::ENOMEM), "{site}");
    }
    faults.set("flock:EIO");
    assert!(file.remove().unwrap(), "without the lock");
}
