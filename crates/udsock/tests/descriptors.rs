//! No descriptor is held without need, and none is left. The counts are the process's, so the tests take
//! turns.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Directory, Probe, fill, open_descriptors, soon};
use udsock::{Listener, bind, connect, connect_fd};

fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_a_runtime(test: impl Future<Output = ()>) {
    let _alone = alone();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_waiting_connect_holds_no_descriptor_and_leaves_none() {
    on_a_runtime(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let _listener = bind(&address, 0).unwrap();
        let _filler = fill(&address);
        let before = open_descriptors();
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(connect_fd(&address, None))).collect();
        for future in &mut waiting {
            assert!(Probe::new().poll(future.as_mut()).is_pending());
        }
        assert_eq!(open_descriptors(), before);
        drop(waiting);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_failed_bind_or_connect_leaves_no_descriptor() {
    on_a_runtime(async {
        let directory = Directory::new();
        let address = directory.address("s");
        let _listener = bind(&address, 1).unwrap();
        let before = open_descriptors();
        bind(&address, 1).unwrap_err();
        Listener::bind(&address, 1).unwrap_err();
        soon(connect(&directory.address("missing"), None)).await.unwrap_err();
        Listener::from_fd(std::fs::File::open("/dev/null").unwrap().into()).unwrap_err();
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn connections_and_listeners_leave_no_descriptor() {
    on_a_runtime(async {
        let directory = Directory::new();
        let before = open_descriptors();
        for number in 0..20 {
            let address = directory.address(&number.to_string());
            let listener = Listener::bind(&address, 1).unwrap();
            let client = soon(connect(&address, None)).await.unwrap();
            let server = soon(listener.accept()).await.unwrap();
            let mut waiting = Box::pin(listener.accept());
            assert!(Probe::new().poll(waiting.as_mut()).is_pending());
            drop(waiting);
            drop((server, client, listener));
        }
        assert_eq!(open_descriptors(), before);
    });
}
