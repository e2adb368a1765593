//! The control plane: a runtime of our own on one background thread, started at first use and never stopped, because it
//! outlives every environment. What it finds goes into the mailbox of the reactor that asked.

use crate::contain::{REST, contain, contain_future};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use udsock::{Address, BindOptions, Bound, FileState, SocketFile};
use udsock_reactor::{Answer, Arrival, Errno, Id, Mailbox, PANICKED, Refused, Role, panics};

/// Threads for what may block, which is work on files and the waiting for a directory's lock; more work queues. The default,
/// 512, is a thread for each of many listeners that begin or end at once.
const MOST_BLOCKED: usize = 16;

static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// The runtime's handle; the thread starts with the first call.
///
/// # Errors
///
/// EAGAIN, ENOMEM or EMFILE when the thread or the runtime's descriptors cannot be had; a later call tries again.
pub(crate) fn runtime() -> Result<Handle, Errno> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = runtime.as_ref() {
        return Ok(handle.clone());
    }
    let own = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_BLOCKED)
        .build()
        .map_err(errno)?;
    let handle = own.handle().clone();
    std::thread::Builder::new()
        .name("udsock".into())
        .spawn(move || {
            // Tasks and descriptors outlive a panic of the thread: the runtime is not dropped.
            while contain(|| own.block_on(nothing())).is_err() {
                std::thread::sleep(REST);
            }
        })
        .map_err(errno)?;
    *runtime = Some(handle.clone());
    Ok(handle)
}

/// What the thread itself does, for ever, while tasks run on it.
async fn nothing() {
    panics::reach("runtime");
    std::future::pending().await
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// How often a listener's path is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// What the notes of a listener's request say.
#[derive(Clone, Copy)]
enum Note {
    /// Its file is removed, if that was still its own.
    FileRemoved = 0,
    /// Its file is gone from the path, or something else stands there.
    PathLost = 1,
    /// Another listener of the same user has taken the path.
    Superseded = 2,
}

/// A listener's claim on a path. The environment's thread, its binding and its watching share it.
struct Claim {
    cancelled: AtomicBool,
    unlink_on_close: bool,
    /// Locked while it is removed, so that it is removed once.
    file: Mutex<Option<SocketFile>>,
}

impl Claim {
    fn bind(&self, address: &Address, options: &BindOptions) -> std::io::Result<OwnedFd> {
        panics::reach("bind");
        let Bound { socket, file } = udsock::bind_with(address, options, &self.cancelled)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        // Who cancelled a moment ago found no file to remove.
        if self.cancelled.load(Ordering::Relaxed) {
            self.remove();
            return Err(std::io::Error::from_raw_os_error(Errno::CANCELED.raw_os_error()));
        }
        Ok(socket)
    }

    fn file(&self) -> Option<SocketFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes the file if it is still the listener's own. May block; the socket must be open.
    fn remove(&self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = file.take() {
            // What cannot be removed stays; closing goes on.
            let _ = file.remove();
        }
    }
}

struct Running {
    task: AbortHandle,
    /// A listener's.
    claim: Option<Arc<Claim>>,
}

/// What this environment waits for, and the listeners whose paths are watched for it. Dropping it gives everything up.
pub(crate) struct Requests {
    mailbox: Arc<Mailbox>,
    running: HashMap<u32, Running>,
    /// Of listeners that were bound without a request: by their ids.
    files: HashMap<Id, SocketFile>,
}

impl Requests {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Requests { mailbox, running: HashMap::new(), files: HashMap::new() }
    }

    /// Connects, waiting for a full backlog, for as long as `timeout` allows.
    pub(crate) fn connect(
        &mut self,
        request: u32,
        address: Address,
        timeout: Option<Duration>,
    ) -> Result<(), Errno> {
        // A timeout beyond what the clock can name is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mailbox = Arc::clone(&self.mailbox);
        let runtime = runtime()?;
        // Its place in the queue is taken here: newcomers of this thread stand behind it.
        let connected = udsock::connect_in_turn(address, deadline);
        let task = runtime.spawn(async move {
            let attempt = contain_future(async {
                panics::reach("connecting");
                connected.await.map(|fd| Answer::Socket(fd, Role::Connection)).map_err(errno)
            });
            let outcome = attempt.await.unwrap_or_else(Err);
            deliver(&mailbox, Arrival { request, outcome }).await;
        });
        self.running.insert(request, Running { task: task.abort_handle(), claim: None });
        Ok(())
    }

    /// Binds and listens: on a thread that may block, because a file system may. Then watches the path until the request
    /// is forgotten.
    pub(crate) fn listen(
        &mut self,
        request: u32,
        address: Address,
        options: BindOptions,
        unlink_on_close: bool,
    ) -> Result<(), Errno> {
        let mailbox = Arc::clone(&self.mailbox);
        let cancelled = AtomicBool::new(false);
        let claim = Arc::new(Claim { cancelled, unlink_on_close, file: Mutex::new(None) });
        let shared = Arc::clone(&claim);
        let runtime = runtime()?;
        let refused = refused(runtime.clone(), Arc::clone(&mailbox), request, Arc::clone(&claim));
        let task = runtime.spawn(async move {
            let binding = Arc::clone(&claim);
            let bound = contain_future(async {
                panics::reach("listening");
                match tokio::task::spawn_blocking(move || binding.bind(&address, &options)).await {
                    Ok(outcome) => outcome.map(|fd| Answer::Listener(fd, refused)).map_err(errno),
                    Err(_) => Err(PANICKED),
                }
            });
            let outcome = bound.await.unwrap_or_else(Err);
            deliver(&mailbox, Arrival { request, outcome }).await;
            if let Some(file) = claim.file() {
                while contain_future(watch(&file, &mailbox, request)).await.is_err() {}
            }
        });
        self.running.insert(request, Running { task: task.abort_handle(), claim: Some(shared) });
        Ok(())
    }

    /// Asks the binding of a listener to end; its answer comes all the same.
    pub(crate) fn cancel(&self, request: u32) {
        if let Some(Running { claim: Some(claim), .. }) = self.running.get(&request) {
            claim.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Removes a listener's file if it is still its own, on a thread that may block, and watches the path no more. A note
    /// says when that is done; until then the listener must be open.
    ///
    /// # Errors
    ///
    /// EBADF when the request is no listener's.
    pub(crate) fn remove_file(&mut self, request: u32) -> Result<(), Errno> {
        let mailbox = Arc::clone(&self.mailbox);
        let Some(Running { task, claim: Some(claim) }) = self.running.get_mut(&request) else {
            return Err(Errno::BADF);
        };
        task.abort();
        let claim = Arc::clone(claim);
        *task = runtime()?
            .spawn(async move {
                // After a panic the file stays.
                let removed = contain_future(async {
                    panics::reach("removing");
                    tokio::task::spawn_blocking(move || claim.remove()).await
                });
                let _ = removed.await;
                note(&mailbox, request, Note::FileRemoved).await;
            })
            .abort_handle();
        Ok(())
    }

    /// Remembers the file of a listener that is to be removed when it closes, or when the environment ends.
    pub(crate) fn keep_file(&mut self, listener: Id, file: SocketFile) {
        self.files.insert(listener, file);
    }

    /// Removes that file, if it is still the listener's own, which must be open. May block.
    pub(crate) fn remove_kept_file(&mut self, listener: Id) {
        if let Some(file) = self.files.remove(&listener) {
            // What cannot be removed stays; closing goes on.
            let _ = file.remove();
        }
    }

    /// Removes the files of the listeners that wished it, when nobody is left who could wait: blocks.
    pub(crate) fn remove_files(&mut self) {
        for (_, file) in self.files.drain() {
            let _ = file.remove();
        }
        for claim in self.running.values().filter_map(|running| running.claim.as_ref()) {
            if claim.unlink_on_close {
                claim.remove();
            }
        }
    }

    /// Gives a request up, or forgets one that was answered.
    pub(crate) fn forget(&mut self, request: u32) {
        if let Some(Running { task, .. }) = self.running.remove(&request) {
            task.abort();
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        for Running { task, claim } in self.running.values() {
            task.abort();
            if let Some(claim) = claim {
                claim.cancelled.store(true, Ordering::Relaxed);
            }
        }
        self.remove_files();
    }
}

/// For a listener that could not join its reactor: its file goes first, while it is open, and then the failure is told.
fn refused(runtime: Handle, mailbox: Arc<Mailbox>, request: u32, claim: Arc<Claim>) -> Refused {
    Box::new(move |socket, errno| {
        runtime.spawn(async move {
            let removal = tokio::task::spawn_blocking(move || {
                claim.remove();
                drop(socket);
            });
            // After a panic the file stays.
            let _ = removal.await;
            deliver(&mailbox, Arrival { request, outcome: Err(errno) }).await;
        });
    })
}

/// Tells what becomes of a listener's path, until another listener has it. Rests first, so it can be begun anew at once.
async fn watch(file: &SocketFile, mailbox: &Mailbox, request: u32) {
    let mut last = FileState::Own;
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        panics::reach("path");
        let asked = file.clone();
        // What cannot be known now is no news.
        let Ok(Ok(state)) = tokio::task::spawn_blocking(move || asked.state()).await else { continue };
        match state {
            FileState::Superseded => return note(mailbox, request, Note::Superseded).await,
            FileState::Lost if last != state => note(mailbox, request, Note::PathLost).await,
            FileState::Lost | FileState::Own => {}
        }
        last = state;
    }
}

async fn note(mailbox: &Mailbox, request: u32, note: Note) {
    deliver(mailbox, Arrival { request, outcome: Ok(Answer::Note(note as i32)) }).await;
}

/// Waits for room. Cancel safe: an arrival that was not delivered is dropped, and with it its descriptor.
async fn deliver(mailbox: &Mailbox, mut arrival: Arrival) {
    while let Err(back) = mailbox.deliver(arrival) {
        arrival = back;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
