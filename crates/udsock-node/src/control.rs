//! The control plane: a runtime of our own on one background thread, started at first use and never stopped, because it
//! outlives every environment. What it finds goes into the mailbox of the reactor that asked.

use std::collections::HashMap;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use udsock::Address;
use udsock_reactor::{Arrival, Errno, Mailbox, Role};

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
    let own = Builder::new_current_thread().enable_all().build().map_err(errno)?;
    let handle = own.handle().clone();
    std::thread::Builder::new()
        .name("udsock".into())
        .spawn(move || own.block_on(std::future::pending::<()>()))
        .map_err(errno)?;
    *runtime = Some(handle.clone());
    Ok(handle)
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// What this environment waits for. Dropping it gives everything up.
pub(crate) struct Requests {
    mailbox: Arc<Mailbox>,
    running: HashMap<u32, AbortHandle>,
}

impl Requests {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Requests { mailbox, running: HashMap::new() }
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
        // Its place in the queue is taken here: newcomers of this thread stand behind it.
        self.run(request, Role::Connection, udsock::connect_in_turn(address, deadline))
    }

    /// Binds and listens: on a thread that may block, because a file system may.
    pub(crate) fn listen(&mut self, request: u32, address: Address, backlog: i32) -> Result<(), Errno> {
        self.run(request, Role::Listener, async move {
            tokio::task::spawn_blocking(move || udsock::bind(&address, backlog))
                .await
                .unwrap_or_else(|_| Err(Errno::IO.into()))
        })
    }

    fn run(
        &mut self,
        request: u32,
        role: Role,
        work: impl Future<Output = std::io::Result<OwnedFd>> + Send + 'static,
    ) -> Result<(), Errno> {
        let mailbox = Arc::clone(&self.mailbox);
        let runtime = runtime()?;
        let task = runtime.spawn(work);
        self.running.insert(request, task.abort_handle());
        // Apart, so that a panic of the work is an answer too.
        runtime.spawn(async move {
            let outcome = match task.await {
                Ok(outcome) => outcome.map(|fd| (fd, role)).map_err(errno),
                Err(error) if error.is_cancelled() => return,
                Err(_) => Err(Errno::NOTRECOVERABLE),
            };
            deliver(&mailbox, Arrival { request, outcome }).await;
        });
        Ok(())
    }

    /// Gives a request up, or forgets one that was answered.
    pub(crate) fn forget(&mut self, request: u32) {
        if let Some(task) = self.running.remove(&request) {
            task.abort();
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        for task in self.running.values() {
            task.abort();
        }
    }
}

/// Waits for room. Cancel safe: an arrival that was not delivered is dropped, and with it its descriptor.
async fn deliver(mailbox: &Mailbox, mut arrival: Arrival) {
    while let Err(back) = mailbox.deliver(arrival) {
        arrival = back;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
