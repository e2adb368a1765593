//! The life of a listener's path: it is bound, and later its file is removed. Several threads take part.
//!
//! What must always hold: at most one thread makes system calls for a path at a time, and a file that was bound for a caller
//! that has given up is removed.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::sleep;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::binder::{Binder, Step};
use super::{BindOptions, SocketFile, lock};
use crate::address::Address;
use crate::error::errno;
use crate::panics;
use crate::pauses::Pauses;
use crate::pool;
use crate::turns::Turns;

/// For each directory one caller in this process tries to take the lock, and the others wait for it. Ten thousand callers cost
/// no more system calls than one.
static TURNS: Turns<PathBuf> = Turns::new();

/// Milliseconds between two attempts to take a lock, at most.
const LONGEST_PAUSE: u32 = 10;

/// How long a file that was bound for a caller that has given up waits for the lock.
const UNDO_LIMIT: Duration = Duration::from_secs(5);

/// How long a call that was cancelled or is late waits for the system calls of its attempt. They are undone even if they take
/// longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A listener's path, from the request to bind it to the removal of its file.
///
/// A pool of the crate's threads does the work on files. None of them waits for a lock or for time, so calls that wait delay no
/// call in another directory.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use udsock::{Address, BindOptions, BoundPath, OnExisting};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("udsock-doc-path-{}", std::process::id()));
/// let options = BindOptions::new(4).on_existing(OnExisting::ReplaceStale);
/// let bound = Arc::new(BoundPath::new());
/// let listener = bound.bind(&Address::try_from(path.as_path())?, &options).await?;
/// bound.remove(Duration::from_secs(1)).await;
/// drop(listener);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
pub struct BoundPath {
    state: Mutex<State>,
    /// Signalled when `is_busy` becomes false.
    idle: Condvar,
    /// Written under the lock of the state.
    cancelled: AtomicBool,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// Whether a thread makes system calls for the path.
    is_busy: bool,
    /// Whether it was bound, so that a later cancellation undoes nothing.
    is_bound: bool,
    /// A binding between two attempts. It may hold the lock of the directory, so it is dropped as soon as it has ended.
    binder: Option<Binder>,
    /// Whether [`BoundPath::cancel_all`] was called, after which tasks do no more work.
    is_ending: bool,
    /// The file to remove.
    file: Option<SocketFile>,
}

/// The result of an attempt to bind.
enum Attempt {
    Bound(OwnedFd),
    Locked,
    Starting,
}

impl BoundPath {
    /// Returns a path that is not bound yet.
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            idle: Condvar::new(),
            cancelled: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Returns a path that was bound by [`bind_with`](crate::bind_with).
    pub fn of(file: SocketFile) -> Self {
        let path = Self::new();
        *path.state() = State { is_bound: true, file: Some(file), ..State::default() };
        path
    }

    /// No operation on the state stops half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, unless it was removed or given up.
    pub fn file(&self) -> Option<SocketFile> {
        self.state().file.clone()
    }

    /// Binds and listens, as [`bind_with`](crate::bind_with) does. It may be called once.
    ///
    /// # Errors
    ///
    /// Those of [`bind_with`](crate::bind_with): `ECANCELED` after [`cancel`](Self::cancel). `EAGAIN` when the system has no
    /// thread for the work on files. A cancelled call ends at once, or when the system calls of the current attempt end, at
    /// most 500 ms later.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels: what was made is undone.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled, and if the hook does.
    pub async fn bind(self: &Arc<Self>, address: &Address, options: &BindOptions) -> io::Result<OwnedFd> {
        let binder = Binder::new(address, options)?;
        let directory = binder.awaited_directory().map(PathBuf::from);
        self.state().binder = Some(binder);
        let unfinished = Unfinished(self);
        let mut work = pin!(self.attempts(directory, options.lock_timeout));
        let mut cancelled = pin!(self.wake.notified());
        let first = std::future::poll_fn(|context| {
            // Polled first, so that a cancelled call begins no attempt when its turn comes. An earlier notification is kept.
            match cancelled.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => work.as_mut().poll(context).map(Some),
            }
        });
        let outcome = match first.await {
            Some(outcome) => outcome,
            None if self.is_settling() => match timeout(PATIENCE, work).await {
                Ok(outcome) => outcome,
                Err(_) => Err(errno(libc::ECANCELED)),
            },
            None => Err(errno(libc::ECANCELED)),
        };
        if outcome.is_ok() {
            std::mem::forget(unfinished);
        }
        outcome
    }

    /// Makes attempts until one succeeds or fails. `directory` is the one whose lock is needed.
    async fn attempts(self: &Arc<Self>, directory: Option<PathBuf>, limit: Duration) -> io::Result<OwnedFd> {
        let mut awaits_lock = directory.is_some();
        let place = directory.map(|directory| TURNS.take(directory));
        let turn = match &place {
            Some(place) => Some(place.turn_while_moving(limit).await.ok_or_else(|| errno(libc::ETIMEDOUT))?),
            None => None,
        };
        let since = turn.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        // A limit beyond the range of the clock is no limit.
        let deadline = since.checked_add(limit);
        let mut pauses = Pauses::up_to(LONGEST_PAUSE);
        loop {
            let path = Arc::clone(self);
            let attempt = pool::run(move || path.attempt());
            let outcome = if awaits_lock {
                // A free lock is taken however short the limit is. An attempt that ends too late is undone.
                let late = Instant::now() + PATIENCE;
                let deadline = deadline.map(|deadline| deadline.max(late));
                before(deadline, attempt).await.inspect_err(|_| self.cancel())??
            } else {
                attempt.await?
            };
            if let Some(place) = place.as_ref().filter(|_| !matches!(outcome, Ok(Attempt::Locked))) {
                place.was_of_use();
            }
            match outcome? {
                Attempt::Bound(socket) => return Ok(socket),
                Attempt::Locked if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Err(errno(libc::ETIMEDOUT));
                }
                Attempt::Locked => {}
                Attempt::Starting => awaits_lock = false,
            }
            tokio::time::sleep(pauses.next_pause()).await;
        }
    }

    /// On a thread of the pool.
    fn attempt(&self) -> io::Result<Attempt> {
        let cancelled = || errno(libc::ECANCELED);
        let _busy = self.begin(Work::Bind).ok_or_else(cancelled)?;
        let mut binder = self.state().binder.take().ok_or_else(cancelled)?;
        panics::reach("bind");
        let outcome = match binder.step(&self.cancelled)? {
            Step::Bound(bound) => {
                let mut state = self.state();
                if !self.is_cancelled() {
                    state.is_bound = true;
                    state.file = bound.file;
                    return Ok(Attempt::Bound(bound.socket));
                }
                drop(state);
                bound.undo();
                return Err(cancelled());
            }
            Step::Locked => Attempt::Locked,
            Step::Starting => Attempt::Starting,
        };
        let mut state = self.state();
        if self.is_cancelled() {
            return Err(cancelled());
        }
        state.binder = Some(binder);
        Ok(outcome)
    }

    /// Reliable under the lock of the state.
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Ends [`bind`](Self::bind) if it has not bound yet. Otherwise it does nothing.
    pub fn cancel(&self) {
        let mut state = self.state();
        self.cancelled.store(true, Ordering::Relaxed);
        let binder = state.binder.take();
        drop(state);
        drop(binder);
        self.wake.notify_one();
    }

    fn end(&self) {
        self.state().is_ending = true;
        self.cancel();
    }

    fn is_settling(&self) -> bool {
        let state = self.state();
        state.is_busy || state.is_bound
    }

    /// Removes the file if it is still its own, waiting for the lock of the directory for at most `limit`. The socket must be
    /// open until then; afterwards the file is gone or given up.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the file may be removed or not.
    pub async fn remove(self: &Arc<Self>, limit: Duration) {
        let is_removed = self.removals(limit).await.is_some();
        if !is_removed {
            self.state().file = None;
        }
    }

    /// Returns `None` when the lock could not be taken.
    async fn removals(self: &Arc<Self>, limit: Duration) -> Option<()> {
        let directory = PathBuf::from(lock::directory_of(self.file()?.path()));
        let place = TURNS.take(directory);
        let (_turn, since) = place.turn_while_moving(limit).await?;
        let mut pauses = Pauses::up_to(LONGEST_PAUSE);
        loop {
            let path = Arc::clone(self);
            let is_done = match pool::run(move || path.try_remove_as(Work::Remove)).await {
                Ok(is_done) => is_done,
                // Without a thread the work is done here: a file that stays is worse than a pause.
                Err(_) => self.try_remove_as(Work::Remove),
            };
            if is_done {
                place.was_of_use();
                return Some(());
            }
            if since.elapsed() >= limit {
                return None;
            }
            tokio::time::sleep(pauses.next_pause()).await;
        }
    }

    /// Removes the file if it is still its own, unless another caller holds the lock of the directory or another thread works on
    /// the path. Returns whether nothing is left to do; a file that cannot be removed stays. May block, as a file system may.
    pub fn try_remove(&self) -> bool {
        self.try_remove_as(Work::RemoveLast)
    }

    fn try_remove_as(&self, work: Work) -> bool {
        let Some(busy) = self.begin(work) else { return false };
        let Some(file) = self.file() else { return true };
        let is_locked = matches!(file.try_remove(), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if !is_locked {
            self.state().file = None;
        }
        drop(busy);
        !is_locked
    }

    /// Cancels the binding of these paths, ends the work of tasks on them, and waits, for at most `limit` in all, until no thread
    /// makes system calls for them. These take microseconds, except where a file system hangs. Blocks: for the end of a process.
    pub fn cancel_all<'a>(paths: impl IntoIterator<Item = &'a Self>, limit: Duration) {
        let start = std::time::Instant::now();
        let paths: Vec<_> = paths.into_iter().inspect(|path| path.end()).collect();
        for path in paths {
            path.wait_until_idle(limit.saturating_sub(start.elapsed()));
        }
    }

    /// Removes these files, waiting for the locks of their directories for at most `limit` in all. Blocks: for the end of a
    /// process.
    pub fn remove_all<'a>(paths: impl IntoIterator<Item = &'a Self>, limit: Duration) {
        let start = std::time::Instant::now();
        let mut left: Vec<_> = paths.into_iter().collect();
        loop {
            left.retain(|path| !path.try_remove());
            if left.is_empty() || start.elapsed() >= limit {
                return;
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn wait_until_idle(&self, limit: Duration) {
        let waited = self.idle.wait_timeout_while(self.state(), limit, |state| state.is_busy);
        drop(waited);
    }

    /// Returns `None` when another thread is busy, or when this kind of work has ended.
    fn begin(&self, work: Work) -> Option<Busy<'_>> {
        let mut state = self.state();
        let is_over = match work {
            Work::Bind => self.is_cancelled(),
            Work::Remove => state.is_ending,
            Work::RemoveLast => false,
        };
        if state.is_busy || is_over {
            return None;
        }
        state.is_busy = true;
        Some(Busy(self))
    }
}

impl fmt::Debug for BoundPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundPath").field("file", &self.file()).finish_non_exhaustive()
    }
}

impl Default for BoundPath {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Bind,
    /// Removal by a task.
    Remove,
    /// Removal by a caller that no task can delay.
    RemoveLast,
}

/// Marks the path as busy until it is dropped.
struct Busy<'a>(&'a BoundPath);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.state().is_busy = false;
        self.0.idle.notify_all();
    }
}

/// A binding whose outcome was not returned yet.
struct Unfinished<'a>(&'a Arc<BoundPath>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.cancel();
        if self.0.file().is_none() {
            return;
        }
        // It was bound, and the descriptor is closed now or soon. The pool removes the file, because a runtime that is shutting
        // down runs no further task.
        let (path, runtime) = (Arc::clone(self.0), Handle::try_current().ok());
        let job = Box::new(move || undo(&path, runtime));
        if pool::submit(job).is_err() {
            // Without a thread the work is done here: a file that stays is worse than a pause.
            undo(self.0, Handle::try_current().ok());
        }
    }
}

/// Removes the file of a binding that was given up. While another caller holds the lock of the directory, a task of the runtime
/// waits for it.
fn undo(path: &Arc<BoundPath>, runtime: Option<Handle>) {
    // The thread that bound it has made its last system call.
    path.wait_until_idle(PATIENCE);
    if !path.try_remove_as(Work::Remove)
        && let Some(runtime) = runtime
    {
        let path = Arc::clone(path);
        runtime.spawn(async move { path.remove(UNDO_LIMIT).await });
    }
}

/// Returns the outcome of `work`, or `ETIMEDOUT` at the deadline.
async fn before<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> io::Result<T> {
    match deadline {
        None => Ok(work.await),
        Some(deadline) => timeout_at(deadline, work).await.map_err(|_| errno(libc::ETIMEDOUT)),
    }
}
