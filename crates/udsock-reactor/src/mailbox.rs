//! How other threads hand descriptors to a reactor.

use crate::{Role, fault};
use mio::Waker;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// `None` once the reactor is gone.
    queue: Mutex<Option<VecDeque<Arrival>>>,
    waker: Waker,
}

impl Mailbox {
    /// Arrivals that may wait. Whoever finds the box full keeps what it has and tries again.
    pub const CAPACITY: usize = 1024;

    pub(crate) fn new(waker: Waker) -> Self {
        Mailbox { queue: Mutex::new(Some(VecDeque::new())), waker }
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<Arrival>>> {
        // The queue is valid at every point where its holder could panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an arrival in and wakes the reactor's owner. When the reactor is gone, the arrival is dropped, and with it
    /// its descriptor.
    ///
    /// # Errors
    ///
    /// Gives the arrival back when [`CAPACITY`](Mailbox::CAPACITY) arrivals wait already, or when the owner cannot be woken.
    pub fn deliver(&self, arrival: Arrival) -> Result<(), Arrival> {
        let mut queue = self.lock();
        let Some(waiting) = queue.as_mut() else { return Ok(()) };
        if waiting.len() >= Mailbox::CAPACITY {
            return Err(arrival);
        }
        // Before it is in: what nobody was woken for must not look as if somebody had been.
        if waiting.is_empty() && fault::call("wake", || self.waker.wake()).is_err() {
            return Err(arrival);
        }
        waiting.push_back(arrival);
        Ok(())
    }

    /// The oldest arrival, and whether others wait behind it.
    pub(crate) fn take(&self) -> Option<(Arrival, bool)> {
        let mut queue = self.lock();
        let waiting = queue.as_mut()?;
        let arrival = waiting.pop_front()?;
        Some((arrival, !waiting.is_empty()))
    }

    /// Drops what waits and whatever still comes.
    pub(crate) fn close(&self) {
        let waiting = self.lock().take();
        drop(waiting);
    }
}
