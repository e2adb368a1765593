//! How other threads hand descriptors to a reactor: a bounded queue, and the waker of the reactor's poll object.
//!
//! What must always hold:
//! - an arrival is taken by the reactor, returned to its sender, or dropped with its descriptor when the reactor is gone;
//! - while arrivals wait, the reactor has been woken for the first of them, or its last `take` has reported that more are waiting.

use crate::{Revocable, Role, fault};
use mio::Waker;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;

/// The outcome of a request, from another thread.
#[derive(Debug)]
pub struct Arrival {
    /// The number that the reactor's owner gave to the request.
    pub request: u32,
    /// The answer, or the error.
    pub outcome: Result<Answer, Errno>,
}

/// Takes back a descriptor that could not join the reactor, still open, with the reason. Called on the reactor's thread.
pub type Refused = Box<dyn FnOnce(OwnedFd, Errno) + Send>;

/// The result of a request.
pub enum Answer {
    /// A descriptor that joins the reactor in this role.
    Socket(OwnedFd, Role),
    /// A listener that joins the reactor in this role. If it cannot join, there is no `Completed` event: `Refused` is called.
    Listener(OwnedFd, Role, Refused),
    /// A number whose meaning the sender and the reactor's owner agree on. A request may have any number of them.
    Note(i32),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Socket(fd, role) => f.debug_tuple("Socket").field(fd).field(role).finish(),
            Answer::Listener(fd, role, _) => {
                f.debug_tuple("Listener").field(fd).field(role).finish_non_exhaustive()
            }
            Answer::Note(note) => f.debug_tuple("Note").field(note).finish(),
        }
    }
}

/// A bounded queue into a reactor, for any thread. Its arrivals come out of [`Reactor::poll`](crate::Reactor::poll).
pub struct Mailbox {
    /// Revoked when the reactor goes.
    queue: Queue<Arrival>,
    waker: Waker,
}

impl Mailbox {
    /// Arrivals that may wait. A sender that finds the mailbox full keeps its arrival and tries again.
    pub const CAPACITY: usize = 1024;

    pub(crate) fn new(waker: Waker) -> Self {
        Mailbox { queue: Queue::new(Mailbox::CAPACITY), waker }
    }

    /// Puts an arrival in and wakes the reactor's owner. When the reactor is gone, the arrival is dropped, and with it
    /// its descriptor.
    ///
    /// # Errors
    ///
    /// Returns the arrival when [`CAPACITY`](Mailbox::CAPACITY) arrivals wait already, or when the owner cannot be woken.
    pub fn deliver(&self, arrival: Arrival) -> Result<(), Arrival> {
        self.queue.push(arrival, || self.wake())
    }

    /// Wakes the reactor's owner. Returns whether that was possible.
    pub(crate) fn wake(&self) -> bool {
        fault::call("wake", || self.waker.wake()).is_ok()
    }

    /// Takes the oldest arrival. Returns it, and whether more are waiting.
    pub(crate) fn take(&self) -> Option<(Arrival, bool)> {
        self.queue.pop()
    }

    /// Drops what is waiting, and from now on what is pushed.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

/// The queue alone, without the waker. Its first item wakes the consumer.
struct Queue<T> {
    items: Revocable<VecDeque<T>>,
    capacity: usize,
}

impl<T> Queue<T> {
    fn new(capacity: usize) -> Self {
        Queue { items: Revocable::new(VecDeque::new()), capacity }
    }

    /// Drops the item when the queue is closed, and returns it when the queue is full or `wake` returns false. `wake` is called
    /// under the lock, for the first item alone, and before the item is in: so a failed wake-up never leaves an item that
    /// suppresses later ones.
    fn push(&self, item: T, wake: impl FnOnce() -> bool) -> Result<(), T> {
        let pushed = self.items.with(|items| {
            if items.len() >= self.capacity || (items.is_empty() && !wake()) {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        });
        pushed.unwrap_or(Ok(()))
    }

    /// Takes the oldest item. Returns it, and whether more are waiting.
    fn pop(&self) -> Option<(T, bool)> {
        self.items.with(|items| items.pop_front().map(|item| (item, !items.is_empty()))).flatten()
    }

    /// Drops what is waiting, and from now on what is pushed.
    fn close(&self) {
        drop(self.items.revoke());
    }
}

#[cfg(all(test, loom))]
mod models;
