//! How other threads hand descriptors to a reactor.

use crate::{Revocable, Role, fault};
use mio::Waker;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;

/// What another thread has to say of a request.
#[derive(Debug)]
pub struct Arrival {
    /// Whatever the owner of the reactor called its request.
    pub request: u32,
    /// The answer, or why there is none.
    pub outcome: Result<Answer, Errno>,
}

/// Takes back a descriptor that could not join the reactor, still open, and why; on the reactor's thread.
pub type Refused = Box<dyn FnOnce(OwnedFd, Errno) + Send>;

/// What a request brought.
pub enum Answer {
    /// A descriptor that joins the reactor in this role.
    Socket(OwnedFd, Role),
    /// A listener. If it cannot join, there is no `Completed` event: the answer is up to whoever takes it back.
    Listener(OwnedFd, Refused),
    /// A number whose meaning is a matter of the two ends; a request may have any number of them.
    Note(i32),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Socket(fd, role) => f.debug_tuple("Socket").field(fd).field(role).finish(),
            Answer::Listener(fd, _) => f.debug_tuple("Listener").field(fd).finish_non_exhaustive(),
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
    /// Arrivals that may wait. Whoever finds the box full keeps what it has and tries again.
    pub const CAPACITY: usize = 1024;

    pub(crate) fn new(waker: Waker) -> Self {
        Mailbox { queue: Queue::new(Mailbox::CAPACITY), waker }
    }

    /// Puts an arrival in and wakes the reactor's owner. When the reactor is gone, the arrival is dropped, and with it
    /// its descriptor.
    ///
    /// # Errors
    ///
    /// Gives the arrival back when [`CAPACITY`](Mailbox::CAPACITY) arrivals wait already, or when the owner cannot be woken.
    pub fn deliver(&self, arrival: Arrival) -> Result<(), Arrival> {
        self.queue.push(arrival, || fault::call("wake", || self.waker.wake()).is_ok())
    }

    /// The oldest arrival, and whether others wait behind it.
    pub(crate) fn take(&self) -> Option<(Arrival, bool)> {
        self.queue.pop()
    }

    /// Drops what waits and whatever still comes.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

/// The queue by itself, whose first item rings.
struct Queue<T> {
    items: Revocable<VecDeque<T>>,
    capacity: usize,
}

impl<T> Queue<T> {
    fn new(capacity: usize) -> Self {
        Queue { items: Revocable::new(VecDeque::new()), capacity }
    }

    /// Drops the item when the queue is closed, and gives it back when the queue is full or `ring` says that nobody hears.
    /// It is called under the lock, when there was nothing before, and before the item is in: what nobody was woken for
    /// must not look as if somebody had been.
    fn push(&self, item: T, ring: impl FnOnce() -> bool) -> Result<(), T> {
        let pushed = self.items.with(|items| {
            if items.len() >= self.capacity || (items.is_empty() && !ring()) {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        });
        pushed.unwrap_or(Ok(()))
    }

    /// The oldest item, and whether others wait behind it.
    fn pop(&self) -> Option<(T, bool)> {
        self.items.with(|items| items.pop_front().map(|item| (item, !items.is_empty()))).flatten()
    }

    /// Drops what waits and whatever still comes.
    fn close(&self) {
        drop(self.items.revoke());
    }
}

#[cfg(all(test, loom))]
mod models;
