//! The fallback: one thread that looks at all paths that the kernel does not watch, some 100 times a minute. It runs while
//! there are such paths.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;

use crate::bind::{FileState, SocketFile};
use crate::error::numbered;
use crate::fault;

/// Time between two looks at a path.
pub(super) const INTERVAL: Duration = Duration::from_millis(600);

#[derive(Clone)]
struct Entry {
    file: SocketFile,
    /// The state that was reported. The watch is notified of any other.
    state: FileState,
    signal: Arc<Notify>,
}

struct State {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    is_running: bool,
}

static STATE: Mutex<State> = Mutex::new(State { entries: BTreeMap::new(), next: 0, is_running: false });

/// No operation on the state stops half-way.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path that the thread looks at until this is dropped.
pub(super) struct Registration(u64);

impl Drop for Registration {
    fn drop(&mut self) {
        state().entries.remove(&self.0);
    }
}

/// Notifies `signal` while the state of the file's path differs from `known`.
///
/// # Errors
///
/// `EAGAIN`, or another error of the system, when no thread runs yet and none can be started.
pub(super) fn register(
    file: &SocketFile,
    known: FileState,
    signal: &Arc<Notify>,
) -> io::Result<Registration> {
    let mut state = state();
    if !state.is_running {
        let start = || thread::Builder::new().name("udsock-paths".into()).spawn(run).map(drop);
        fault::call("thread", start).map_err(numbered)?;
        state.is_running = true;
    }
    let number = state.next;
    state.next += 1;
    state.entries.insert(number, Entry { file: file.clone(), state: known, signal: Arc::clone(signal) });
    Ok(Registration(number))
}

fn run() {
    loop {
        thread::sleep(INTERVAL);
        let entries: Vec<_> = {
            let mut state = state();
            if state.entries.is_empty() {
                state.is_running = false;
                return;
            }
            state.entries.values().cloned().collect()
        };
        // Without the lock: a file system may be slow.
        for Entry { file, state, signal } in entries {
            // An unknown state is no change.
            if file.state().is_ok_and(|now| now != state) {
                signal.notify_one();
            }
        }
    }
}
