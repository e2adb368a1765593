//! The doorbell's protocol: how a thread that watches the reactor wakes the JavaScript thread, where no event loop can watch it.
//!
//! The *watching thread* waits for the poll object's [`Oneshot`] readiness and rings. A ring carries nothing; the JavaScript
//! thread answers it by polling the reactor, and arms the bell again when the reactor has nothing left. Between the ring and
//! the arming no event wakes a thread. A [`Bell`] holds the state that both threads share, a [`Watcher`] the state of the watching
//! thread alone. Neither of them calls into JavaScript or sleeps.
//!
//! What must always hold:
//! - an event that becomes ready while the bell is armed leads to a ring, and so does one that was ready when it was armed;
//! - a ring that was not answered is repeated, because it can be lost: Deno takes the pending calls of a thread-safe function
//!   before it registers to be woken by new ones, and sleeps through a call made in between;
//! - of several rings only the first is answered: the second answer could precede promises that the first one settled.

mod oneshot;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering};

use crate::{fault, panics};
use rustix::io::Errno;
use std::sync::Arc;
use std::time::{Duration, Instant};
use udsock::panics::Panicked;

pub use oneshot::Oneshot;

/// Time until the first reminder of a ring. Each later one takes twice as long, up to [`LAST_REMINDER`]: a JavaScript thread
/// that is busy for long needs no reminders.
const FIRST_REMINDER: Duration = Duration::from_millis(2);
const LAST_REMINDER: Duration = Duration::from_secs(1);

/// Where a [`Bell`] is between an event and its handling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum BellState {
    /// The next event rings.
    Armed,
    /// A ring is due or was made, and is not answered yet.
    Rung,
    /// The JavaScript thread has answered and polls the reactor. Nothing rings until it arms the bell.
    Answered,
}

/// The state that the watching thread and the JavaScript thread share.
#[derive(Debug)]
pub struct Bell(AtomicU8);

impl Default for Bell {
    /// Returns an armed bell.
    fn default() -> Self {
        Bell(AtomicU8::new(BellState::Armed as u8))
    }
}

impl Bell {
    fn is(&self, state: BellState) -> bool {
        self.0.load(Ordering::Acquire) == state as u8
    }

    /// Goes from one state to another. Returns whether the bell was in the first.
    fn change(&self, from: BellState, to: BellState) -> bool {
        self.0.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Makes the call that rings, on the watching thread.
    pub fn ring(call: impl FnOnce()) {
        panics::reach("ring");
        let _ = fault::call("ring", || {
            call();
            Ok::<(), Errno>(())
        });
    }

    /// Answers a ring on the JavaScript thread: calls `poll` unless an earlier ring was answered and the bell not armed since.
    /// `poll` returns whether it ran to its end. After a panic it is called a second time. When it did
    /// not run to its end, a reminder is due, because nothing may arm the bell.
    pub fn answer(&self, mut poll: impl FnMut() -> Result<bool, Panicked>) {
        if !self.change(BellState::Rung, BellState::Answered) {
            return;
        }
        let outcome = poll().or_else(|_| poll());
        if outcome != Ok(true) {
            self.change(BellState::Answered, BellState::Rung);
        }
    }

    /// Arms the bell on the JavaScript thread, after a poll that left nothing: the next event rings, and so does one since that
    /// poll. `rearm` arms the [`Oneshot`]. While a ring is not answered this does nothing: its answer polls, and arms afterwards.
    ///
    /// # Errors
    ///
    /// Those of `rearm`; the bell is not armed then.
    pub fn arm(&self, rearm: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        if !self.change(BellState::Answered, BellState::Armed) {
            return Ok(());
        }
        rearm().inspect_err(|_| {
            self.change(BellState::Armed, BellState::Answered);
        })
    }
}

/// The state of the watching thread alone.
#[derive(Debug)]
pub struct Watcher {
    bell: Arc<Bell>,
    /// Time between the last ring and the next reminder.
    pause: Duration,
    due: Instant,
    /// Whether the last look at the readiness failed, so that no event may be reported.
    is_blind: bool,
}

impl Watcher {
    /// Returns the watcher of an armed bell.
    pub fn new(bell: Arc<Bell>, now: Instant) -> Self {
        Watcher { bell, pause: FIRST_REMINDER, due: now, is_blind: false }
    }

    /// Returns whether the watching thread has to ring now. `taken` is what [`Oneshot::take`] returned just before. On an error
    /// it assumes an event: a spurious ring is harmless, a lost one hangs.
    pub fn must_ring(&mut self, taken: Result<bool, Errno>, now: Instant) -> bool {
        self.is_blind = taken.is_err();
        if taken.unwrap_or(true) && self.bell.change(BellState::Armed, BellState::Rung) {
            self.pause = FIRST_REMINDER;
        } else if self.due <= now {
            self.pause = (2 * self.pause).min(LAST_REMINDER);
        } else {
            return false;
        }
        self.due = now + self.pause;
        self.bell.is(BellState::Rung)
    }

    /// Returns when to look again if no event comes first; none when only an event can ask for a ring.
    pub fn deadline(&self) -> Option<Instant> {
        (self.is_blind || !self.bell.is(BellState::Armed)).then_some(self.due)
    }

    /// Recovers after a panic between [`Oneshot::take`] and the ring, which loses the event: makes a reminder due now.
    pub fn recover(&mut self, now: Instant) {
        self.bell.change(BellState::Armed, BellState::Rung);
        self.pause = FIRST_REMINDER;
        self.due = now;
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
