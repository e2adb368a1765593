//! How other threads hand descriptors to a reactor.

use crate::{Revocable, Role};
use mio::Waker;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// What another thread has to say of a request.
#[derive(Debug)]
pub struct Arrival {
    /// Whatever the owner of the reactor called its request.
    pub request: u32,
    /// The answer, or why there is none.
    pub outcome: Result<Answer, Errno>,
}

/// What a request brought.
#[derive(Debug)]
pub enum Answer {
    /// A descriptor that joins the reactor in this role.
    Socket(OwnedFd, Role),
    /// A number whose meaning is a matter of the two ends; a request may have any number of them.
    Note(i32),
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
    /// Gives the arrival back when [`CAPACITY`](Mailbox::CAPACITY) arrivals wait already.
    pub fn deliver(&self, arrival: Arrival) -> Result<(), Arrival> {
        // It fails only if the counter would overflow, and then it is set: the owner is awake already.
        self.queue.push(arrival, || drop(self.waker.wake()))
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

    /// Drops the item when the queue is closed, and gives it back when the queue is full. `ring` is called under the
    /// lock, when there was nothing before.
    fn push(&self, item: T, ring: impl FnOnce()) -> Result<(), T> {
        let pushed = self.items.with(|items| {
            if items.len() >= self.capacity {
                return Err(item);
            }
            items.push_back(item);
            if items.len() == 1 {
                ring();
            }
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
