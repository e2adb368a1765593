//! The permissions of a new socket file, and the fate of the file that exists at its path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Directory, EVERY, fill, identity, is_close_on_exec, is_nonblocking, options, refusal, start};
use udsock::{Address, BindOptions, FileState, OnExisting, bind, bind_with, try_connect};

const REPLACING: [OnExisting; 2] = [OnExisting::ReplaceStale, OnExisting::TakeOver];

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
        assert_eq!(directory.names(), ["s"]);
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
        assert_eq!(directory.names(), ["s"]);
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
    let before: Vec<_> = directory.names().iter().map(|name| identity(&at(name))).collect();
    for name in directory.names() {
        if ["live", "stale"].contains(&name.as_str()) {
            continue;
        }
        for on_existing in EVERY {
            let outcome = start(&directory.address(&name), on_existing);
            assert_eq!(refusal(outcome), Some(libc::EADDRINUSE), "{name} {on_existing:?}");
        }
    }
    let after: Vec<_> = directory.names().iter().map(|name| identity(&at(name))).collect();
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
fn a_temporary_name_is_cleared_of_the_dead_and_respected_otherwise() {
    let directory = Directory::new();
    let address = directory.address("s");
    let _live = start(&address, OnExisting::Error).unwrap();
    let name = format!(".udsock-{}", rustix::process::geteuid().as_raw());
    drop(bind(&directory.address(&name), 1).unwrap());
    start(&address, OnExisting::TakeOver).unwrap();
    assert_eq!(directory.names(), ["s"]);
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
    assert_eq!(directory.names().len(), 2);
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
    assert!(directory.names().is_empty());
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
    assert_eq!(directory.names(), ["s"]);
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
    assert!(directory.names().is_empty());
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
