//! The permissions of a new socket file, and the fate of the file that exists at its path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Directory, fill, is_close_on_exec, is_nonblocking};
use udsock::{
    Address, BindOptions, Bound, FileState, OnExisting, SocketType, adopt, adopt_connection, bind, bind_with,
    try_connect,
};

const EVERY: [OnExisting; 3] = [OnExisting::Error, OnExisting::ReplaceStale, OnExisting::TakeOver];
const REPLACING: [OnExisting; 2] = [OnExisting::ReplaceStale, OnExisting::TakeOver];

fn options(on_existing: OnExisting) -> BindOptions {
    // Room for the knocks of the losers.
    BindOptions::new(16).on_existing(on_existing)
}

fn start(address: &Address, on_existing: OnExisting) -> io::Result<Bound> {
    bind_with(address, &options(on_existing), &AtomicBool::new(false))
}

fn refusal<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

fn names(directory: &Directory) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn identity(path: &Path) -> (u64, u64, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.dev(), metadata.ino(), metadata.mode())
}

#[test]
fn every_way_binds_where_nothing_stands() {
    for on_existing in EVERY {
        let directory = Directory::new();
        let address = directory.address("s");
        let bound = start(&address, on_existing).unwrap();
        assert!(is_nonblocking(&bound.socket));
        assert!(is_close_on_exec(&bound.socket));
        assert_eq!(Address::local(&bound.socket).unwrap(), address);
        try_connect(&address).unwrap();
        let file = bound.file.unwrap();
        assert_eq!(file.state().unwrap(), FileState::Own);
        assert_eq!(names(&directory), ["s"]);
        assert!(file.remove().unwrap());
        assert!(!file.remove().unwrap());
        assert_eq!(file.state().unwrap(), FileState::Lost);
    }
}

#[test]
fn a_stale_file_is_replaced_only_on_request() {
    for on_existing in EVERY {
        let directory = Directory::new();
        let address = directory.address("s");
        drop(bind(&address, 1).unwrap());
        let outcome = start(&address, on_existing);
        if on_existing == OnExisting::Error {
            assert_eq!(refusal(outcome), Some(libc::EADDRINUSE));
        } else {
            let bound = outcome.unwrap();
            try_connect(&address).unwrap();
            assert_eq!(bound.file.unwrap().state().unwrap(), FileState::Own);
        }
        assert_eq!(names(&directory), ["s"]);
    }
}

#[test]
fn what_is_no_stream_socket_is_refused_and_left_as_it_is() {
    let directory = Directory::new();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), "text").unwrap();
    fs::create_dir(at("directory")).unwrap();
    symlink("file", at("link")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let live = bind(&directory.address("live"), 4).unwrap();
    symlink("live", at("live-link")).unwrap();
    let stale = bind(&directory.address("stale"), 4).unwrap();
    drop(stale);
    symlink("stale", at("stale-link")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    #[cfg(target_os = "linux")]
    rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let datagrams = UnixDatagram::bind(at("datagrams")).unwrap();
    let before: Vec<_> = names(&directory).iter().map(|name| identity(&at(name))).collect();
    for name in names(&directory) {
        if ["live", "stale"].contains(&name.as_str()) {
            continue;
        }
        for on_existing in EVERY {
            let outcome = start(&directory.address(&name), on_existing);
            assert_eq!(refusal(outcome), Some(libc::EADDRINUSE), "{name} {on_existing:?}");
        }
    }
    let after: Vec<_> = names(&directory).iter().map(|name| identity(&at(name))).collect();
    assert_eq!(before, after);
    assert_eq!(fs::read(at("file")).unwrap(), b"text");
    UnixDatagram::unbound().unwrap().send_to(b"x", at("datagrams")).unwrap();
    let mut byte = [0];
    assert_eq!(datagrams.recv(&mut byte).unwrap(), 1);
    drop(live);
}

#[test]
fn a_live_listener_is_not_stale_and_not_even_with_a_full_backlog() {
    let directory = Directory::new();
    let address = directory.address("s");
    let live = bind(&address, 1).unwrap();
    let before = identity(address.as_pathname().unwrap());
    for _ in 0..20 {
        assert_eq!(refusal(start(&address, OnExisting::ReplaceStale)), Some(libc::EADDRINUSE));
    }
    let clients = fill(&address);
    assert_eq!(refusal(start(&address, OnExisting::ReplaceStale)), Some(libc::EADDRINUSE));
    assert_eq!(identity(address.as_pathname().unwrap()), before);
    drop((live, clients));
}

#[test]
#[cfg(target_os = "linux")]
fn a_socket_between_bind_and_listen_is_not_stale() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, socket};
    let directory = Directory::new();
    let address = directory.address("s");
    let slow = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&slow, &SocketAddrUnix::new(address.as_pathname().unwrap()).unwrap()).unwrap();
    thread::scope(|scope| {
        let rival = scope.spawn(|| start(&address, OnExisting::ReplaceStale));
        thread::sleep(Duration::from_millis(50));
        rustix::net::listen(&slow, 4).unwrap();
        assert_eq!(refusal(rival.join().unwrap()), Some(libc::EADDRINUSE));
    });
    try_connect(&address).unwrap();
}

#[test]
fn of_starters_on_a_stale_path_exactly_one_wins() {
    for (starters, rounds) in [(2, 1000), (8, 200)] {
        let directory = Directory::new();
        let address = directory.address("s");
        drop(bind(&address, 4).unwrap());
        for round in 0..rounds {
            let barrier = Barrier::new(starters);
            let outcomes: Vec<_> = thread::scope(|scope| {
                let running: Vec<_> = (0..starters)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            start(&address, OnExisting::ReplaceStale)
                        })
                    })
                    .collect();
                running.into_iter().map(|starter| starter.join().unwrap()).collect()
            });
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, starters - 1), "round {round}");
            assert!(lost.into_iter().all(|outcome| refusal(outcome) == Some(libc::EADDRINUSE)));
            let winner = won.into_iter().next().unwrap().unwrap();
            try_connect(&address).unwrap();
            assert_eq!(winner.file.unwrap().state().unwrap(), FileState::Own);
        }
        assert_eq!(names(&directory), ["s"]);
    }
}

#[test]
fn a_start_that_takes_no_lock_and_one_that_does_do_not_both_win() {
    let directory = Directory::new();
    let address = directory.address("s");
    for round in 0..1000 {
        let barrier = Barrier::new(2);
        let [plain, other] = thread::scope(|scope| {
            [OnExisting::Error, OnExisting::ReplaceStale]
                .map(|on_existing| {
                    let (barrier, address) = (&barrier, &address);
                    scope.spawn(move || {
                        barrier.wait();
                        start(address, on_existing)
                    })
                })
                .map(|starter| starter.join().unwrap())
        });
        assert!(plain.is_ok() != other.is_ok(), "round {round}");
        let winner = plain.or(other).unwrap();
        try_connect(&address).unwrap();
        assert!(winner.file.unwrap().remove().unwrap());
    }
}

#[test]
fn a_start_that_takes_no_lock_and_a_takeover_agree_on_whose_file_it_is() {
    let directory = Directory::new();
    let address = directory.address("s");
    for round in 0..1000 {
        let barrier = Barrier::new(2);
        let [plain, taken] = thread::scope(|scope| {
            [OnExisting::Error, OnExisting::TakeOver]
                .map(|on_existing| {
                    let (barrier, address) = (&barrier, &address);
                    scope.spawn(move || {
                        barrier.wait();
                        start(address, on_existing)
                    })
                })
                .map(|starter| starter.join().unwrap())
        });
        let file = taken.as_ref().unwrap().file.as_ref().unwrap();
        assert_eq!(file.state().unwrap(), FileState::Own, "round {round}");
        match plain {
            Ok(plain) => assert_eq!(plain.file.unwrap().state().unwrap(), FileState::Superseded),
            Err(error) => {
                assert!(matches!(error.raw_os_error(), Some(libc::EADDRINUSE | libc::ESTALE)), "{error}");
            }
        }
        assert!(file.remove().unwrap());
    }
    assert!(names(&directory).is_empty());
}

#[test]
fn a_removal_that_races_a_start_spares_the_newcomers_file() {
    for on_existing in EVERY {
        let directory = Directory::new();
        let address = directory.address("s");
        for round in 0..1000 {
            let old = start(&address, OnExisting::Error).unwrap();
            let barrier = Barrier::new(2);
            let newcomer = thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    old.file.as_ref().unwrap().remove().unwrap();
                    drop(old);
                });
                barrier.wait();
                loop {
                    match start(&address, on_existing) {
                        Ok(newcomer) => break newcomer,
                        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE)),
                    }
                }
            });
            let file = newcomer.file.unwrap();
            assert_eq!(file.state().unwrap(), FileState::Own, "{on_existing:?}, round {round}");
            assert!(file.remove().unwrap());
        }
        assert!(names(&directory).is_empty());
    }
}

#[test]
fn a_takeover_leaves_no_gap_and_tells_the_other_by_its_file() {
    let directory = Directory::new();
    let address = directory.address("s");
    let mut current = start(&address, OnExisting::TakeOver).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut connections = 0;
            while !done.load(Ordering::Relaxed) {
                match UnixStream::connect(address.as_pathname().unwrap()) {
                    Ok(_) => connections += 1,
                    Err(error) => panic!("after {connections}: {error}"),
                }
            }
            connections
        });
        let mut old = Vec::new();
        for _ in 0..200 {
            let options = options(OnExisting::TakeOver).backlog(4096);
            let next = bind_with(&address, &options, &AtomicBool::new(false)).unwrap();
            assert_eq!(current.file.as_ref().unwrap().state().unwrap(), FileState::Superseded);
            assert!(!current.file.as_ref().unwrap().remove().unwrap());
            old.push(std::mem::replace(&mut current, next));
            // A blocking client waits in the kernel while no listener accepts.
            while rustix::net::accept(&old.last().unwrap().socket).is_ok() {}
        }
        done.store(true, Ordering::Relaxed);
        // It may have filled a queue meanwhile.
        while !client.is_finished() {
            for listener in old.iter().chain([&current]) {
                while rustix::net::accept(&listener.socket).is_ok() {}
            }
            thread::yield_now();
        }
        assert!(client.join().unwrap() > 0);
    });
    assert_eq!(current.file.unwrap().state().unwrap(), FileState::Own);
    assert_eq!(names(&directory), ["s"]);
}

#[test]
fn a_temporary_name_is_cleared_of_the_dead_and_respected_otherwise() {
    let directory = Directory::new();
    let address = directory.address("s");
    let _live = start(&address, OnExisting::Error).unwrap();
    let name = format!(".udsock-{}", rustix::process::geteuid().as_raw());
    drop(bind(&directory.address(&name), 1).unwrap());
    start(&address, OnExisting::TakeOver).unwrap();
    assert_eq!(names(&directory), ["s"]);
    fs::write(directory.path().join(&name), "text").unwrap();
    assert_eq!(refusal(start(&address, OnExisting::TakeOver)), Some(libc::EEXIST));
    assert_eq!(fs::read(directory.path().join(&name)).unwrap(), b"text");
}

#[test]
fn a_listener_at_the_temporary_name_is_not_replaced() {
    let directory = Directory::new();
    let address = directory.address("s");
    let _live = start(&address, OnExisting::Error).unwrap();
    let other = directory.address(&format!(".udsock-{}", rustix::process::geteuid().as_raw()));
    let neighbour = start(&other, OnExisting::Error).unwrap();
    for taken in [&address, &other] {
        assert_eq!(refusal(start(taken, OnExisting::TakeOver)), Some(libc::EEXIST));
        assert_eq!(neighbour.file.as_ref().unwrap().state().unwrap(), FileState::Own);
        try_connect(&other).unwrap();
    }
    drop(neighbour);
    let _heir = start(&other, OnExisting::TakeOver).unwrap();
    try_connect(&other).unwrap();
    assert_eq!(names(&directory).len(), 2);
}

#[test]
fn a_temporary_name_that_does_not_fit_is_refused_before_anything_is_made() {
    let directory = Directory::new();
    let long = directory.path().join("d".repeat(100 - directory.path().as_os_str().len()));
    fs::create_dir(&long).unwrap();
    let address = Address::try_from(long.join("s").as_path()).unwrap();
    assert_eq!(refusal(start(&address, OnExisting::TakeOver)), Some(libc::ENAMETOOLONG));
    assert!(fs::read_dir(&long).unwrap().next().is_none());
    start(&address, OnExisting::ReplaceStale).unwrap();
}

#[test]
fn a_directory_that_somebody_else_keeps_locked_is_waited_for_until_the_deadline_or_the_cancellation() {
    let directory = Directory::new();
    let address = directory.address("s");
    let held = fs::File::open(directory.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for on_existing in REPLACING {
        let short = options(on_existing).lock_timeout(Duration::from_millis(20));
        let never = AtomicBool::new(false);
        assert_eq!(refusal(bind_with(&address, &short, &never)), Some(libc::ETIMEDOUT));
        let cancelled = AtomicBool::new(false);
        let long = short.lock_timeout(Duration::from_secs(3600));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| bind_with(&address, &long, &cancelled));
            thread::sleep(Duration::from_millis(20));
            cancelled.store(true, Ordering::Relaxed);
            assert_eq!(refusal(waiting.join().unwrap()), Some(libc::ECANCELED));
        });
    }
    assert!(names(&directory).is_empty());
    // The default does not lock.
    let bound = start(&address, OnExisting::Error).unwrap();
    drop(held);
    let newcomer = start(&address, OnExisting::TakeOver).unwrap();
    assert!(!bound.file.unwrap().remove().unwrap());
    assert!(newcomer.file.unwrap().remove().unwrap());
}

#[test]
fn a_file_is_not_removed_while_another_holds_the_lock() {
    let directory = Directory::new();
    let address = directory.address("s");
    let file = start(&address, OnExisting::Error).unwrap().file.unwrap();
    let held = fs::File::open(directory.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockShared).unwrap();
    assert_eq!(refusal(file.try_remove()), Some(libc::EAGAIN));
    assert_eq!(refusal(file.remove()), Some(libc::ETIMEDOUT));
    assert_eq!(names(&directory), ["s"]);
    drop(held);
    assert!(file.try_remove().unwrap());
}

#[test]
fn a_cancelled_start_makes_nothing() {
    let directory = Directory::new();
    for on_existing in EVERY {
        let outcome = bind_with(&directory.address("s"), &options(on_existing), &AtomicBool::new(true));
        assert_eq!(refusal(outcome), Some(libc::ECANCELED));
    }
    assert!(names(&directory).is_empty());
}

#[test]
fn a_mode_is_exact_and_a_bad_one_refused() {
    for mode in [0, 0o600, 0o660, 0o666, 0o777] {
        for on_existing in EVERY {
            let directory = Directory::new();
            let address = directory.address("s");
            if on_existing != OnExisting::Error {
                drop(bind(&address, 1).unwrap());
            }
            let options = options(on_existing).mode(mode);
            let _bound = bind_with(&address, &options, &AtomicBool::new(false)).unwrap();
            let metadata = fs::symlink_metadata(address.as_pathname().unwrap()).unwrap();
            assert_eq!(metadata.mode() & 0o7777, mode);
            assert!(metadata.file_type().is_socket());
        }
    }
    let directory = Directory::new();
    let wide = BindOptions::new(1).mode(0o1000);
    let never = AtomicBool::new(false);
    assert_eq!(refusal(bind_with(&directory.address("s"), &wide, &never)), Some(libc::EINVAL));
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_takes_the_options_that_apply_to_it() {
    let name = format!("udsock-bind-{}", std::process::id());
    let address = Address::abstract_name(name.as_bytes()).unwrap();
    let never = AtomicBool::new(false);
    let moded = BindOptions::new(1).mode(0o600);
    assert_eq!(refusal(bind_with(&address, &moded, &never)), Some(libc::EINVAL));
    assert_eq!(refusal(start(&address, OnExisting::TakeOver)), Some(libc::EINVAL));
    let bound = start(&address, OnExisting::ReplaceStale).unwrap();
    assert!(bound.file.is_none());
    assert_eq!(refusal(start(&address, OnExisting::ReplaceStale)), Some(libc::EADDRINUSE));
}

#[test]
fn a_file_reports_the_state_of_its_path() {
    let directory = Directory::new();
    let path = directory.path().join("s");
    let bound = start(&directory.address("s"), OnExisting::Error).unwrap();
    let file = bound.file.unwrap();
    let aside = directory.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    assert_eq!(file.state().unwrap(), FileState::Lost);
    fs::write(&path, "text").unwrap();
    assert_eq!(file.state().unwrap(), FileState::Lost);
    assert!(!file.remove().unwrap());
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert_eq!(file.state().unwrap(), FileState::Superseded);
    assert!(!file.remove().unwrap());
    fs::rename(&aside, &path).unwrap();
    assert_eq!(file.state().unwrap(), FileState::Own);
}

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
