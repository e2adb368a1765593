//! Requests of the control plane, whose outcomes arrive in a mailbox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::Directory;
use rustix::fs::{FlockOperation, flock};
use udsock::control::{Mailbox, Notice, Outcome, Requests, ReturnListener};
use udsock::{Address, BindOptions, ConnectOptions, OnExisting, bind, bind_with, try_connect};

const REPLACE: BindOptions = BindOptions::new(4).on_existing(OnExisting::ReplaceStale);

/// A mailbox that refuses each letter a number of times.
struct Letters {
    sender: Mutex<Sender<(u32, Outcome)>>,
    refusals: Arc<Mutex<usize>>,
}

impl Mailbox for Letters {
    type Letter = (u32, Outcome);

    fn letter(&self, request: u32, outcome: Outcome) -> Self::Letter {
        (request, outcome)
    }

    fn deliver(&self, letter: Self::Letter) -> Result<(), Self::Letter> {
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err(letter);
        }
        // After the test the receiver is gone.
        let _ = self.sender.lock().unwrap().send(letter);
        Ok(())
    }
}

struct Loop {
    requests: Requests<Letters>,
    letters: Receiver<(u32, Outcome)>,
    refusals: Arc<Mutex<usize>>,
}

impl Loop {
    fn new() -> Self {
        let (sender, letters) = channel();
        let refusals = Arc::new(Mutex::new(0));
        let mailbox = Letters { sender: Mutex::new(sender), refusals: Arc::clone(&refusals) };
        Loop { requests: Requests::new(mailbox), letters, refusals }
    }

    /// The next outcome, which must be that of `request`; the limit is only reached by a failure.
    fn next(&self, request: u32) -> Outcome {
        let (number, outcome) = self.letters.recv_timeout(Duration::from_secs(20)).expect("an outcome");
        assert_eq!(number, request);
        outcome
    }

    fn listener(&self, request: u32) -> (OwnedFd, ReturnListener) {
        match self.next(request) {
            Outcome::Listening(socket, _, back) => (socket, back),
            Outcome::Failed(error) => panic!("{error}"),
            _ => panic!("no listener"),
        }
    }

    fn notice(&self, request: u32) -> Notice {
        let Outcome::Notice(notice) = self.next(request) else { panic!("no notice") };
        notice
    }

    fn error(&self, request: u32) -> Option<i32> {
        let Outcome::Failed(error) = self.next(request) else { panic!("no error") };
        error.raw_os_error()
    }

    fn listen(&mut self, request: u32, address: &Address, unlinks: bool) -> OwnedFd {
        self.requests.listen(request, address.clone(), REPLACE, unlinks).unwrap();
        self.listener(request).0
    }
}

/// A listener whose backlog is full, and the connections that fill it.
fn full(address: &Address) -> (OwnedFd, Vec<OwnedFd>) {
    let listener = bind(address, 0).unwrap();
    let mut clients = Vec::new();
    loop {
        match try_connect(address) {
            Ok(client) => clients.push(client),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (listener, clients),
            Err(error) => panic!("{error}"),
        }
    }
}

fn lock(directory: &Directory) -> File {
    let held = File::open(directory.path()).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();
    held
}

fn is_empty(directory: &Directory) -> bool {
    fs::read_dir(directory.path()).unwrap().next().is_none()
}

fn until(condition: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < limit, "it should have happened by now");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn connecting_waits_for_a_full_backlog_and_has_one_outcome() {
    let directory = Directory::new();
    let address = directory.address("s");
    let (listener, _clients) = full(&address);
    let mut own = Loop::new();
    let options = ConnectOptions::new().refuse_rights(true);
    own.requests.connect(1, address.clone(), options, None).unwrap();
    assert_eq!(try_connect(&address).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(udsock::try_accept(listener.as_fd()).unwrap());
    let Outcome::Connected(_socket, made_with) = own.next(1) else { panic!("no connection") };
    assert_eq!(made_with, options);
    own.requests.forget(1);
    assert!(own.letters.try_recv().is_err());
}

#[test]
fn a_connect_that_is_given_up_leaves_room_to_others_at_once() {
    let directory = Directory::new();
    let address = directory.address("s");
    let (listener, _clients) = full(&address);
    let mut own = Loop::new();
    for round in 0..200 {
        own.requests.connect(round, address.clone(), ConnectOptions::default(), None).unwrap();
        std::thread::sleep(Duration::from_micros(u64::from(round) * 20));
        own.requests.forget(round);
        drop(udsock::try_accept(listener.as_fd()).unwrap());
        // No caller waits, so the room is for the first to come, unless an attempt that was under way has taken it.
        if try_connect(&address).is_err() {
            drop(udsock::try_accept(listener.as_fd()).unwrap());
            drop(try_connect(&address).unwrap());
        }
    }
}

#[test]
fn connecting_fails_with_the_system_s_error_or_after_its_timeout() {
    let directory = Directory::new();
    let mut own = Loop::new();
    own.requests.connect(1, directory.address("none"), ConnectOptions::default(), None).unwrap();
    assert_eq!(own.error(1), Some(libc::ENOENT));
    let address = directory.address("s");
    let _full = full(&address);
    let timeout = Some(Duration::from_millis(5));
    own.requests.connect(2, address, ConnectOptions::default(), timeout).unwrap();
    assert_eq!(own.error(2), Some(libc::ETIMEDOUT));
}

#[test]
fn a_forgotten_request_gives_its_place_up_and_has_no_outcome() {
    let directory = Directory::new();
    let address = directory.address("s");
    let (listener, _clients) = full(&address);
    let mut own = Loop::new();
    own.requests.connect(1, address.clone(), ConnectOptions::default(), None).unwrap();
    own.requests.forget(1);
    drop(udsock::try_accept(listener.as_fd()).unwrap());
    until(|| try_connect(&address).is_ok());
    assert!(matches!(own.letters.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout)));
}

#[test]
fn an_outcome_waits_for_room_in_the_mailbox() {
    let directory = Directory::new();
    let mut own = Loop::new();
    *own.refusals.lock().unwrap() = 3;
    let _listener = own.listen(1, &directory.address("s"), true);
    assert_eq!(*own.refusals.lock().unwrap(), 0);
}

#[test]
fn a_listener_reports_that_its_path_is_lost() {
    let directory = Directory::new();
    let mut own = Loop::new();
    let _listener = own.listen(1, &directory.address("s"), false);
    fs::remove_file(directory.path().join("s")).unwrap();
    assert_eq!(own.notice(1), Notice::PathLost);
}

#[test]
fn a_listener_reports_that_another_has_taken_its_path() {
    let directory = Directory::new();
    let address = directory.address("s");
    let mut own = Loop::new();
    let _first = own.listen(1, &address, false);
    let options = BindOptions::new(4).on_existing(OnExisting::TakeOver);
    own.requests.listen(2, address, options, false).unwrap();
    let _second = own.listener(2);
    assert_eq!(own.notice(1), Notice::Superseded);
}

#[test]
fn removing_a_file_is_reported_when_it_is_done() {
    let directory = Directory::new();
    let mut own = Loop::new();
    let _listener = own.listen(1, &directory.address("s"), false);
    own.requests.remove_file(1).unwrap();
    assert_eq!(own.notice(1), Notice::FileRemoved);
    assert!(is_empty(&directory));
    assert_eq!(own.requests.remove_file(7).unwrap_err().raw_os_error(), Some(libc::EBADF));
}

#[test]
fn a_cancelled_listen_has_an_outcome_and_leaves_no_file() {
    let directory = Directory::new();
    let held = lock(&directory);
    let mut own = Loop::new();
    own.requests.listen(1, directory.address("s"), REPLACE, true).unwrap();
    own.requests.cancel(1);
    assert_eq!(own.error(1), Some(libc::ECANCELED));
    drop(held);
    assert!(is_empty(&directory));
}

#[test]
fn a_listener_that_is_returned_fails_with_the_reason_after_its_file_is_removed() {
    let directory = Directory::new();
    let mut own = Loop::new();
    own.requests.listen(1, directory.address("s"), REPLACE, false).unwrap();
    let (socket, back) = own.listener(1);
    back(socket, io::Error::from_raw_os_error(libc::ENOSPC));
    assert_eq!(own.error(1), Some(libc::ENOSPC));
    assert!(is_empty(&directory));
}

#[test]
fn the_end_of_the_loop_removes_the_files_that_it_owns() {
    let directory = Directory::new();
    let mut own = Loop::new();
    let _unlinks = own.listen(1, &directory.address("a"), true);
    let _stays = own.listen(2, &directory.address("b"), false);
    let cancelled = std::sync::atomic::AtomicBool::new(false);
    let bound = bind_with(&directory.address("c"), &BindOptions::new(4), &cancelled).unwrap();
    own.requests.keep_file(3, bound.file.unwrap());
    drop(own);
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["b"]);
}

#[test]
fn a_kept_file_is_removed_at_once_or_when_the_directory_is_no_longer_locked() {
    let directory = Directory::new();
    let mut own = Loop::new();
    let cancelled = std::sync::atomic::AtomicBool::new(false);
    for is_locked in [false, true] {
        let bound = bind_with(&directory.address("s"), &BindOptions::new(4), &cancelled).unwrap();
        own.requests.keep_file(1, bound.file.unwrap());
        let held = is_locked.then(|| lock(&directory));
        own.requests.remove_kept_file(1, bound.socket.as_fd());
        assert_eq!(is_empty(&directory), !is_locked);
        drop(held);
        until(|| is_empty(&directory));
    }
}
