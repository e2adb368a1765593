//! The requests of one event loop to the control plane.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::{Mailbox, Notice, Outcome, ReturnListener, runtime};
use crate::connect::{Canceller, cancellable_connect};
use crate::error::errno;
use crate::panics::{self, catch_panic_of};
use crate::{Address, BindOptions, BoundPath, ConnectOptions, FileState, PathWatcher, SocketFile};

/// The process's watch on the paths of its listeners.
static PATHS: LazyLock<Arc<PathWatcher>> = LazyLock::new(PathWatcher::shared);

/// How long a listener lives before its path is watched: one that closes soon costs no watch.
const WATCH_DELAY: Duration = Duration::from_millis(100);

/// How long a listener that closes waits for the lock of its file's directory.
const REMOVAL_LIMIT: Duration = Duration::from_secs(1);

/// The same for a listener that has closed already.
const DETACHED_REMOVAL_LIMIT: Duration = Duration::from_secs(5);

/// How long [`Requests::remove_files`] waits for locks, over all its calls.
const LOCK_BUDGET: Duration = Duration::from_millis(50);

/// How long it waits for system calls under way, which are being undone: they take microseconds of a processor that is free.
const UNDO_LIMIT: Duration = Duration::from_millis(500);

/// Time between two attempts to deliver into a full mailbox.
const DELIVERY_PAUSE: Duration = Duration::from_millis(1);

struct Running {
    task: AbortHandle,
    /// A connection's place in the queue of its address.
    place: Option<Canceller>,
    /// A listener's.
    path: Option<ListenerPath>,
}

impl Running {
    /// Ends the task. The runtime drops it later, on another thread, so the place in the queue is given up here: no attempt
    /// begins afterwards. The order matters: the task would deliver the failure of a cancelled attempt.
    fn give_up(&self) {
        self.task.abort();
        if let Some(place) = &self.place {
            place.cancel();
        }
    }
}

struct ListenerPath {
    path: Arc<BoundPath>,
    /// Whether its file is removed at the end of the event loop.
    unlinks: bool,
}

/// The requests of one event loop, by numbers of its choice, and the socket files that it has to remove. Dropping it gives all
/// requests up and calls [`remove_files`](Self::remove_files).
pub struct Requests<M: Mailbox> {
    mailbox: Arc<M>,
    running: HashMap<u32, Running>,
    /// Files of listeners that were bound without a request, by the listeners' numbers.
    files: HashMap<u64, Arc<BoundPath>>,
    /// Files of listeners that closed while another process held the lock of the directory.
    leaving: Vec<Arc<BoundPath>>,
    /// The rest of [`LOCK_BUDGET`].
    lock_budget: Duration,
}

impl<M: Mailbox> Requests<M> {
    /// Makes a set without requests, whose outcomes go into `mailbox`.
    pub fn new(mailbox: M) -> Self {
        let (running, files, leaving) = Default::default();
        Requests { mailbox: Arc::new(mailbox), running, files, leaving, lock_budget: LOCK_BUDGET }
    }

    /// Connects, waiting for a full backlog, for as long as `timeout` allows. The place in the queue for the address is taken
    /// before this returns.
    ///
    /// # Errors
    ///
    /// Those of [`runtime`].
    pub fn connect(
        &mut self,
        request: u32,
        address: Address,
        options: ConnectOptions,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        // A timeout beyond what the clock can name is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mailbox = Arc::clone(&self.mailbox);
        let runtime = runtime()?;
        let (connected, place) = cancellable_connect(address, options, deadline);
        let task = runtime.spawn(async move {
            let outcome = outcome_of(async {
                panics::reach("connecting");
                connected.await.map(|socket| Outcome::Connected(socket, options))
            });
            deliver(&*mailbox, request, outcome.await).await;
        });
        self.running.insert(request, Running { task: task.abort_handle(), place: Some(place), path: None });
        Ok(())
    }

    /// Binds and listens, then watches the path until the request is forgotten. `unlinks`: whether
    /// [`remove_files`](Self::remove_files) removes the socket file.
    ///
    /// # Errors
    ///
    /// Those of [`runtime`].
    pub fn listen(
        &mut self,
        request: u32,
        address: Address,
        options: BindOptions,
        unlinks: bool,
    ) -> io::Result<()> {
        let mailbox = Arc::clone(&self.mailbox);
        let path = Arc::new(BoundPath::new());
        let shared = Arc::clone(&path);
        let runtime = runtime()?;
        let back = return_listener(runtime.clone(), Arc::clone(&mailbox), request, Arc::clone(&path));
        let task = runtime.spawn(async move {
            let outcome = outcome_of(async {
                panics::reach("listening");
                // Opens the watch's descriptor with the first listener; watching tries again if that fails.
                let _ = PATHS.open();
                path.bind(&address, &options).await.map(|socket| Outcome::Listening(socket, options, back))
            });
            deliver(&*mailbox, request, outcome.await).await;
            if let Some(file) = path.file() {
                while catch_panic_of(watch(&file, &*mailbox, request)).await.is_err() {}
            }
        });
        let path = Some(ListenerPath { path: shared, unlinks });
        self.running.insert(request, Running { task: task.abort_handle(), place: None, path });
        Ok(())
    }

    /// Asks the binding of a listener to end. The outcome comes all the same: ECANCELED, or the listener if it was too late.
    pub fn cancel(&self, request: u32) {
        if let Some(Running { path: Some(ListenerPath { path, .. }), .. }) = self.running.get(&request) {
            path.cancel();
        }
    }

    /// Removes a listener's file if it is still its own, and stops watching the path. [`Notice::FileRemoved`] reports that the
    /// file is gone, or stays because another process keeps the lock of the directory; until then the listener must be open.
    ///
    /// # Errors
    ///
    /// EBADF when the request is no listener's; those of [`runtime`].
    pub fn remove_file(&mut self, request: u32) -> io::Result<()> {
        let mailbox = Arc::clone(&self.mailbox);
        let Some(Running { task, path: Some(ListenerPath { path, unlinks }), .. }) =
            self.running.get_mut(&request)
        else {
            return Err(errno(libc::EBADF));
        };
        task.abort();
        *unlinks = true;
        let path = Arc::clone(path);
        let removal = async move {
            // After a panic the file stays.
            let removed = catch_panic_of(async {
                panics::reach("removing");
                path.remove(REMOVAL_LIMIT).await;
            });
            let _ = removed.await;
            deliver(&*mailbox, request, Outcome::Notice(Notice::FileRemoved)).await;
        };
        *task = runtime()?.spawn(removal).abort_handle();
        Ok(())
    }

    /// Keeps the file of a listener that was bound without a request, for [`remove_kept_file`](Self::remove_kept_file) or
    /// [`remove_files`](Self::remove_files) to remove. `listener` is a number of the caller's choice.
    pub fn keep_file(&mut self, listener: u64, file: SocketFile) {
        self.files.insert(listener, Arc::new(BoundPath::of(file)));
    }

    /// Removes the file that was kept for `listener`, if it is still that of `socket`: now, or on the control plane while another
    /// process holds the lock of the directory.
    pub fn remove_kept_file(&mut self, listener: u64, socket: BorrowedFd<'_>) {
        let Some(path) = self.files.remove(&listener) else { return };
        if path.try_remove() {
            return;
        }
        let kept = path.file().map(|file| file.keep_inode(socket));
        // A file that cannot be removed stays; closing goes on.
        let (Some(Ok(kept)), Ok(runtime)) = (kept, runtime()) else { return };
        self.leaving.retain(|path| path.file().is_some());
        self.leaving.push(Arc::clone(&path));
        runtime.spawn(async move {
            let _ = catch_panic_of(path.remove(DETACHED_REMOVAL_LIMIT)).await;
            drop(kept);
        });
    }

    /// Cancels what is being bound, and removes the kept files and those of listeners that unlink: for the end of the event loop.
    /// Blocks for half a second at most, and 50 ms in all for locks: a file whose directory stays locked stays.
    pub fn remove_files(&mut self) {
        let listeners = || self.running.values().filter_map(|running| running.path.as_ref());
        BoundPath::cancel_all(listeners().map(|listener| &*listener.path), UNDO_LIMIT);
        let kept = self.files.values().chain(&self.leaving);
        let removed =
            kept.chain(listeners().filter(|listener| listener.unlinks).map(|listener| &listener.path));
        let start = std::time::Instant::now();
        BoundPath::remove_all(removed.map(Arc::as_ref), self.lock_budget);
        self.lock_budget = self.lock_budget.saturating_sub(start.elapsed());
    }

    /// Gives a request up, or ends the notices of one that has had its outcome.
    pub fn forget(&mut self, request: u32) {
        if let Some(running) = self.running.remove(&request) {
            running.give_up();
        }
    }
}

impl<M: Mailbox> fmt::Debug for Requests<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

impl<M: Mailbox> Drop for Requests<M> {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.give_up();
        }
        self.remove_files();
    }
}

async fn outcome_of(work: impl Future<Output = io::Result<Outcome>>) -> Outcome {
    match catch_panic_of(work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Failed(error),
        Err(_) => Outcome::Panicked,
    }
}

/// Removes the file of a listener that its owner could not use, while the listener is open, and then delivers the failure.
fn return_listener<M: Mailbox>(
    runtime: Handle,
    mailbox: Arc<M>,
    request: u32,
    path: Arc<BoundPath>,
) -> ReturnListener {
    Box::new(move |socket: OwnedFd, error| {
        runtime.spawn(async move {
            // After a panic the file stays.
            let _ = catch_panic_of(path.remove(REMOVAL_LIMIT)).await;
            drop(socket);
            deliver(&*mailbox, request, Outcome::Failed(error)).await;
        });
    })
}

/// Reports what becomes of a listener's path, until another listener has it.
async fn watch(file: &SocketFile, mailbox: &impl Mailbox, request: u32) {
    sleep(WATCH_DELAY).await;
    let mut path = PATHS.watch(file.clone());
    loop {
        let state = path.changed().await;
        panics::reach("path");
        let notice = match state {
            FileState::Own => continue,
            FileState::Lost => Notice::PathLost,
            FileState::Superseded => Notice::Superseded,
        };
        deliver(mailbox, request, Outcome::Notice(notice)).await;
        if notice == Notice::Superseded {
            return;
        }
    }
}

/// Delivers an outcome, waiting for room. Cancel safe: a letter that was not delivered is dropped, and with it its descriptor.
async fn deliver(mailbox: &impl Mailbox, request: u32, outcome: Outcome) {
    let mut letter = mailbox.letter(request, outcome);
    while let Err(back) = mailbox.deliver(letter) {
        letter = back;
        sleep(DELIVERY_PAUSE).await;
    }
}
