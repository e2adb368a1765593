//! The queues of callers that wait to connect, one per address, first come first served.
//!
//! Attempts are made by *drivers*: tasks that try on behalf of the first caller in the queue and send it the outcome. So a
//! caller whose future is never polled again delays no other. Each runtime with a caller in a queue has a driver for that
//! queue; they share its pace, so two of them try no more often than one.
//!
//! What must always hold:
//! - a queue is in the map exactly while a caller waits in it;
//! - the map's lock is never held during a system call;
//! - a connection is sent to the caller for which it was made, or closed.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::{ConnectOptions, attempt};
use crate::address::Address;
use crate::backoff::descriptor_closed;
use crate::error::errno;
use crate::pauses::Pauses;

/// Milliseconds between two attempts to connect to a full listener, at most.
const LONGEST_PAUSE: u32 = 50;

static QUEUES: Mutex<Queues> = Mutex::new(Queues { by_address: BTreeMap::new(), next: 0 });

/// How many queues there were when the lock of [`QUEUES`] was last released. Spares callers the lock while no caller waits.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

struct Queues {
    by_address: BTreeMap<Address, Queue>,
    /// The number of the next queue or caller.
    next: u64,
}

struct Queue {
    /// Distinguishes this queue from an earlier one for the same address.
    number: u64,
    /// In the order in which they came.
    callers: BTreeMap<u64, Caller>,
    /// Runtimes that have a driver for this queue.
    runtimes: Vec<Id>,
    /// Attempts so far.
    attempts: u64,
    pauses: Pauses,
    /// The pause that follows the last attempt.
    pause: Duration,
}

struct Caller {
    options: ConnectOptions,
    outcome: oneshot::Sender<io::Result<OwnedFd>>,
}

impl Queues {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The queue with this number, if a caller still waits in it.
    fn queue(&mut self, address: &Address, number: u64) -> Option<&mut Queue> {
        self.by_address.get_mut(address).filter(|queue| queue.number == number)
    }

    /// Takes a caller out of its queue, and the queue out of the map after the last caller.
    fn remove(&mut self, address: &Address, queue: u64, caller: u64) -> Option<Caller> {
        let waiting = self.queue(address, queue)?;
        let removed = waiting.callers.remove(&caller);
        if waiting.callers.is_empty() {
            self.by_address.remove(address);
        }
        IN_USE.store(self.by_address.len(), Ordering::Release);
        removed
    }
}

/// A panic elsewhere leaves the map usable: no operation on it stops half-way.
fn queues() -> MutexGuard<'static, Queues> {
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a caller waits to connect to `address`.
pub(super) fn is_waited_for(address: &Address) -> bool {
    IN_USE.load(Ordering::Acquire) != 0 && queues().by_address.contains_key(address)
}

/// A caller's place in the queue of an address. Dropping it gives the place up.
pub(super) struct Place {
    address: Address,
    queue: u64,
    caller: u64,
    outcome: oneshot::Receiver<io::Result<OwnedFd>>,
}

impl Place {
    /// Takes the last place in the queue for `address`.
    pub(super) fn take(address: Address, options: ConnectOptions) -> Self {
        let (sender, outcome) = oneshot::channel();
        let mut queues = queues();
        let (caller, number) = (queues.number(), queues.number());
        let queue = queues.by_address.entry(address.clone()).or_insert_with(|| Queue {
            number,
            callers: BTreeMap::new(),
            runtimes: Vec::new(),
            attempts: 0,
            pauses: Pauses::up_to(LONGEST_PAUSE),
            pause: Duration::ZERO,
        });
        queue.callers.insert(caller, Caller { options, outcome: sender });
        let queue = queue.number;
        IN_USE.store(queues.by_address.len(), Ordering::Release);
        Self { address, queue, caller, outcome }
    }

    /// Returns a handle by which another thread gives this place up before its owner is dropped.
    pub(super) fn canceller(&self) -> Canceller {
        Canceller { address: self.address.clone(), queue: self.queue, caller: self.caller }
    }

    /// Waits for the outcome of the attempts.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a later call goes on waiting.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub(super) async fn connected(&mut self) -> io::Result<OwnedFd> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        // At every poll, because the future may have moved to another runtime.
        self.ensure_driver();
        let outcome = Pin::new(&mut self.outcome).poll(context);
        // A driver never drops a sender without an outcome.
        outcome.map(|outcome| outcome.unwrap_or_else(|_| Err(errno(libc::ECANCELED))))
    }

    fn ensure_driver(&self) {
        let runtime = Handle::current();
        let mut queues = queues();
        let Some(queue) = queues.queue(&self.address, self.queue) else { return };
        if !queue.runtimes.contains(&runtime.id()) {
            queue.runtimes.push(runtime.id());
            let driver = Driver { address: self.address.clone(), queue: self.queue, runtime: runtime.id() };
            // A runtime that shuts down drops the driver here, which takes the lock.
            drop(queues);
            runtime.spawn(driver.run());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // First, so that dropping the sender wakes no task.
        self.outcome.close();
        drop(queues().remove(&self.address, self.queue, self.caller));
        // The driver may have been faster.
        if let Ok(Ok(connection)) = self.outcome.try_recv() {
            drop(connection);
            descriptor_closed();
        }
    }
}

/// Gives up a caller's place at once, on any thread: afterwards no attempt is begun for the caller. Its future then fails
/// with ECANCELED, unless the outcome of an attempt was sent before.
pub(crate) struct Canceller {
    address: Address,
    queue: u64,
    caller: u64,
}

impl Canceller {
    pub(crate) fn cancel(&self) {
        let removed = queues().remove(&self.address, self.queue, self.caller);
        drop(removed);
    }
}

/// A runtime's task for one queue.
struct Driver {
    address: Address,
    queue: u64,
    runtime: Id,
}

/// The next step of a driver.
enum Next {
    Attempt { caller: u64, options: ConnectOptions },
    Pause(Duration),
}

impl Driver {
    async fn run(self) {
        let mut attempts_seen = 0;
        while let Some(next) = self.next(&mut attempts_seen) {
            match next {
                Next::Pause(pause) => sleep(pause).await,
                Next::Attempt { caller, options } => {
                    let outcome = attempt(&self.address, options);
                    match self.settle(caller, outcome) {
                        Some(pause) => sleep(pause).await,
                        None => yield_now().await,
                    }
                }
            }
        }
    }

    /// Returns `None` when no caller waits any more. A driver tries only if no other did since it last looked.
    fn next(&self, attempts_seen: &mut u64) -> Option<Next> {
        let mut queues = queues();
        let queue = queues.queue(&self.address, self.queue)?;
        if queue.attempts != *attempts_seen {
            *attempts_seen = queue.attempts;
            return Some(Next::Pause(queue.pause));
        }
        let (&caller, Caller { options, .. }) = queue.callers.first_key_value()?;
        let options = *options;
        queue.attempts += 1;
        *attempts_seen = queue.attempts;
        Some(Next::Attempt { caller, options })
    }

    /// Sends a caller the outcome of its attempt, or returns how long to wait for room.
    fn settle(&self, caller: u64, outcome: io::Result<OwnedFd>) -> Option<Duration> {
        let mut queues = queues();
        if let Some(queue) = queues.queue(&self.address, self.queue) {
            if matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                queue.pause = queue.pauses.next_pause();
                return Some(queue.pause);
            }
            // The next caller starts with short pauses.
            queue.pauses = Pauses::up_to(LONGEST_PAUSE);
            queue.pause = Duration::ZERO;
        }
        let waiting = queues.remove(&self.address, self.queue, caller);
        drop(queues);
        let unwanted = match waiting {
            Some(Caller { outcome: sender, .. }) => sender.send(outcome).err(),
            None => Some(outcome),
        };
        if let Some(Ok(connection)) = unwanted {
            drop(connection);
            descriptor_closed();
        }
        None
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(queue) = queues().queue(&self.address, self.queue) {
            queue.runtimes.retain(|runtime| *runtime != self.runtime);
        }
    }
}
