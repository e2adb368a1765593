//! Several binds of one path at the same time, and removals of its file meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Directory, EVERY, options, refusal, start};
use udsock::{FileState, OnExisting, bind, bind_with, try_connect};

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
        assert_eq!(directory.names(), ["s"]);
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
    assert!(directory.names().is_empty());
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
        assert!(directory.names().is_empty());
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
    assert_eq!(directory.names(), ["s"]);
}
