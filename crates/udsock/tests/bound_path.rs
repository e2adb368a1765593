//! Paths that are bound and given up from a runtime: nothing that waits parks a thread or delays another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Directory, soon};
use rustix::fs::{FlockOperation, flock};
use tokio::task::JoinHandle;
use udsock::{Address, BindOptions, BoundPath, OnExisting, try_connect};

const REPLACE: BindOptions = BindOptions::new(4).on_existing(OnExisting::ReplaceStale);

type Listening = JoinHandle<std::io::Result<std::os::fd::OwnedFd>>;

fn start(path: &Arc<BoundPath>, address: &Address, options: BindOptions) -> Listening {
    let (path, address) = (Arc::clone(path), address.clone());
    tokio::spawn(async move { path.bind(&address, &options).await })
}

fn lock(directory: &Directory) -> File {
    let held = File::open(directory.path()).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();
    held
}

fn count(directory: &Directory) -> usize {
    fs::read_dir(directory.path()).unwrap().count()
}

async fn until_empty(directory: &Directory) {
    while count(directory) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[cfg(target_os = "linux")]
fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test]
async fn callers_that_wait_for_a_lock_park_no_thread_and_delay_no_other_directory() {
    let (locked, free) = (Directory::new(), Directory::new());
    let held = lock(&locked);
    // Beyond the deadline of `soon`, so that no call ends by its own.
    let options = REPLACE.lock_timeout(Duration::from_secs(60));
    #[cfg(target_os = "linux")]
    let before = threads();
    let waiting: Vec<_> = (0..500)
        .map(|number| {
            let path = Arc::new(BoundPath::new());
            let listening = start(&path, &locked.address(&number.to_string()), options);
            (path, listening)
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let other = Arc::new(BoundPath::new());
    let listener = soon(other.bind(&free.address("s"), &options)).await.unwrap();
    assert!(waiting.iter().all(|(_, listening)| !listening.is_finished()), "they wait for the lock");
    // The other tests of this process have threads of the pool, too.
    #[cfg(target_os = "linux")]
    assert!(threads() <= before + 8, "{} threads", threads());
    // An abort needs neither the lock nor the deadline, wherever in the queue it is.
    for (path, _) in waiting.iter().step_by(2) {
        path.cancel();
    }
    let mut left = Vec::new();
    for (number, (path, listening)) in waiting.into_iter().enumerate() {
        if number % 2 == 0 {
            let error = soon(listening).await.unwrap().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        } else {
            left.push((path, listening));
        }
    }
    assert!(left.iter().all(|(_, listening)| !listening.is_finished()), "they wait for the lock");
    assert_eq!(count(&locked), 0);
    drop(held);
    for (_path, listening) in left {
        soon(listening).await.unwrap().unwrap();
    }
    assert_eq!(count(&locked), 250);
    drop(listener);
}

#[tokio::test]
async fn a_lock_that_another_keeps_is_waited_for_until_the_deadline() {
    let directory = Directory::new();
    let held = lock(&directory);
    let options = REPLACE.lock_timeout(Duration::from_millis(100));
    let calls: Vec<_> = (0..10)
        .map(|number| start(&Arc::new(BoundPath::new()), &directory.address(&number.to_string()), options))
        .collect();
    for call in calls {
        let error = soon(call).await.unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
    }
    assert_eq!(count(&directory), 0);
    drop(held);
    soon(start(&Arc::new(BoundPath::new()), &directory.address("s"), options)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_that_is_about_to_listen_is_waited_for_and_the_wait_can_be_cancelled() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, socket};
    let directory = Directory::new();
    let address = directory.address("s");
    let slow = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&slow, &SocketAddrUnix::new(address.as_pathname().unwrap()).unwrap()).unwrap();
    let path = Arc::new(BoundPath::new());
    let listening = start(&path, &address, REPLACE);
    tokio::time::sleep(Duration::from_millis(20)).await;
    path.cancel();
    assert_eq!(soon(listening).await.unwrap().unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    // Its lock is free again.
    drop(slow);
    soon(start(&Arc::new(BoundPath::new()), &address, REPLACE)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_start_that_is_cancelled_or_dropped_at_any_moment_leaves_nothing() {
    for on_existing in [OnExisting::Error, OnExisting::ReplaceStale, OnExisting::TakeOver] {
        let directory = Directory::new();
        let address = directory.address("s");
        let options = REPLACE.on_existing(on_existing);
        for round in 0..300_u64 {
            let path = Arc::new(BoundPath::new());
            let listening = start(&path, &address, options);
            tokio::time::sleep(Duration::from_micros(round)).await;
            if round % 2 == 0 {
                path.cancel();
                if let Ok(listener) = soon(listening).await.unwrap() {
                    path.remove(Duration::from_secs(5)).await;
                    drop(listener);
                }
                // At once, unless the processor was taken away for long.
                soon(until_empty(&directory)).await;
            } else if listening.is_finished() {
                let listener = soon(listening).await.unwrap().unwrap();
                path.remove(Duration::from_secs(5)).await;
                drop(listener);
            } else {
                listening.abort();
                let was_bound = soon(listening).await;
                if let Ok(Ok(_listener)) = was_bound {
                    path.remove(Duration::from_secs(5)).await;
                }
                soon(until_empty(&directory)).await;
            }
        }
    }
}

#[test]
fn the_end_of_a_runtime_leaves_nothing_of_a_binding() {
    for on_existing in [OnExisting::Error, OnExisting::ReplaceStale, OnExisting::TakeOver] {
        let directory = Directory::new();
        let address = directory.address("s");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let path = Arc::new(BoundPath::new());
            let context = runtime.enter();
            let listening = start(&path, &address, REPLACE.on_existing(on_existing));
            runtime.block_on(tokio::task::yield_now());
            drop(context);
            // The call ends with the runtime, although the path is bound. The pool's thread may be so fast that it has ended before.
            while path.file().is_none() {
                assert!(Instant::now() < deadline, "not bound");
                std::thread::sleep(Duration::from_millis(1));
            }
            if !listening.is_finished() {
                break;
            }
            assert!(path.try_remove());
        }
        while count(&directory) > 0 {
            assert!(Instant::now() < deadline, "the file stays");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_process_leaves_nothing_of_a_binding_under_way() {
    for round in 0..200_u64 {
        let directory = Directory::new();
        let options = REPLACE.on_existing(OnExisting::TakeOver);
        let paths: Vec<_> = (0..8).map(|_| Arc::new(BoundPath::new())).collect();
        let calls: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(number, path)| start(path, &directory.address(&number.to_string()), options))
            .collect();
        std::thread::sleep(Duration::from_micros(round * 3));
        let all = || paths.iter().map(|path| &**path);
        BoundPath::cancel_all(all(), Duration::from_secs(5));
        BoundPath::remove_all(all(), Duration::from_secs(5));
        assert_eq!(count(&directory), 0, "round {round}");
        for call in calls {
            let _ = soon(call).await.unwrap();
        }
        assert_eq!(count(&directory), 0, "round {round}");
    }
}

#[tokio::test]
async fn a_long_queue_that_moves_is_no_reason_to_give_up() {
    const COUNT: usize = 4000;
    let directory = Directory::new();
    // Less than all of them take.
    let limit = Duration::from_millis(300);
    let options = REPLACE.lock_timeout(limit);
    let paths: Vec<_> = (0..COUNT).map(|_| Arc::new(BoundPath::new())).collect();
    let mut listeners = Vec::new();
    // Within the limit of descriptors.
    for (number, part) in paths.chunks(500).enumerate() {
        let start = |(index, path)| start(path, &directory.address(&format!("{number}-{index}")), options);
        let calls: Vec<_> = part.iter().enumerate().map(start).collect();
        for call in calls {
            listeners.push(soon(call).await.unwrap().unwrap());
        }
        if listeners.len() > 500 {
            listeners.clear();
        }
    }
    assert_eq!(count(&directory), COUNT);
    let removals: Vec<_> =
        paths.into_iter().map(|path| tokio::spawn(async move { path.remove(limit).await })).collect();
    for removal in removals {
        soon(removal).await.unwrap();
    }
    assert_eq!(count(&directory), 0);
}

#[tokio::test]
async fn a_file_is_removed_when_the_lock_is_free_and_given_up_otherwise() {
    let directory = Directory::new();
    let paths: Vec<_> = (0..100).map(|_| Arc::new(BoundPath::new())).collect();
    let mut listeners = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        listeners.push(path.bind(&directory.address(&number.to_string()), &REPLACE).await.unwrap());
    }
    let held = lock(&directory);
    let begin = Instant::now();
    let all = || paths.iter().map(|path| &**path);
    BoundPath::remove_all(all(), Duration::from_millis(50));
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    let (given_up, removed) = paths.split_at(50);
    for path in given_up {
        path.remove(Duration::from_millis(2)).await;
    }
    assert_eq!(count(&directory), 100);
    let waiting: Vec<_> = removed
        .iter()
        .map(|path| {
            let path = Arc::clone(path);
            tokio::spawn(async move { path.remove(Duration::from_secs(20)).await })
        })
        .collect();
    drop(held);
    for removal in waiting {
        soon(removal).await.unwrap();
    }
    assert_eq!(count(&directory), 50);
    for path in given_up {
        assert!(path.try_remove());
        assert!(path.file().is_none());
    }
    assert_eq!(count(&directory), 50);
}

/// Takes from this thread the right to pass every permission check, which root has.
#[cfg(target_os = "linux")]
fn become_ordinary() {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    // Nothing effective, permitted or inheritable.
    let nothing = [0_u32; 6];
    // SAFETY: the structures of capset(2), which concern this thread alone.
    let outcome = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), nothing.as_ptr()) };
    assert_eq!(outcome, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_without_its_owner_s_write_bit_is_found_stale_or_live_and_keeps_its_mode() {
    use std::sync::atomic::AtomicBool;
    use udsock::bind_with;
    become_ordinary();
    let directory = Directory::new();
    let address = directory.address("s");
    let name = address.as_pathname().unwrap();
    let mode = || fs::symlink_metadata(name).unwrap().permissions().mode() & 0o7777;
    let never = AtomicBool::new(false);
    for on_existing in [OnExisting::ReplaceStale, OnExisting::TakeOver] {
        for bits in [0, 0o060, 0o444] {
            let stale = REPLACE.mode(bits);
            let options = stale.on_existing(on_existing);
            let live = bind_with(&address, &options, &never).unwrap();
            assert_eq!(try_connect(&address).unwrap_err().raw_os_error(), Some(libc::EACCES));
            let refused = bind_with(&address, &stale, &never).unwrap_err();
            assert_eq!((refused.raw_os_error(), mode()), (Some(libc::EADDRINUSE), bits));
            drop(live);
            drop(bind_with(&address, &options, &never).unwrap());
            assert_eq!(mode(), bits);
        }
    }
    // The type of what is live is found out, too.
    fs::remove_file(name).unwrap();
    let _datagrams = std::os::unix::net::UnixDatagram::bind(name).unwrap();
    fs::set_permissions(name, fs::Permissions::from_mode(0o060)).unwrap();
    for on_existing in [OnExisting::ReplaceStale, OnExisting::TakeOver] {
        let options = BindOptions::new(4).on_existing(on_existing);
        let refused = bind_with(&address, &options, &never).unwrap_err();
        assert_eq!((refused.raw_os_error(), mode()), (Some(libc::EADDRINUSE), 0o060));
    }
}

#[tokio::test]
async fn limits_may_be_as_long_as_a_duration() {
    let directory = Directory::new();
    let options = REPLACE.lock_timeout(Duration::MAX);
    let paths = [Arc::new(BoundPath::new()), Arc::new(BoundPath::new())];
    for (number, path) in paths.iter().enumerate() {
        let address = directory.address(&number.to_string());
        drop(soon(path.bind(&address, &options)).await.unwrap());
    }
    let [first, second] = &paths;
    soon(first.remove(Duration::MAX)).await;
    BoundPath::cancel_all([&**second], Duration::MAX);
    BoundPath::remove_all([&**second], Duration::MAX);
    assert_eq!(count(&directory), 0);
}
