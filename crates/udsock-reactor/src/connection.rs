//! The part that streams and sockets of records share: the descriptor and its readiness.

use crate::error::errno;
use crate::fault;
use crate::input::Input;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use udsock::transfer::{self, Shutdown};

/// The least that a receive counts for while a socket is drained: a message may have one byte and many descriptors.
const SMALLEST_DRAIN: usize = 4 << 10;

/// Whether the peer's hang-up was seen and reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HangUp {
    Unseen,
    Seen,
    /// A `HangUp` event was written.
    Reported,
}

/// The input that [`Connection::drain`] left in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Nothing that matters to this process.
    Empty,
    /// Perhaps descriptors, whose last close may block.
    Rights,
}

pub(crate) struct Connection {
    pub(crate) fd: OwnedFd,
    /// Whether the owner wants what arrives.
    pub(crate) is_reading: bool,
    /// Whether the kernel may have input: set by an edge, cleared by finding nothing.
    pub(crate) is_readable: bool,
    /// Whether it is in the reactor's queue of readable sockets.
    pub(crate) is_queued: bool,
    /// Whether writable is registered with the poll object.
    pub(crate) watches_write: bool,
    /// Whether a write waits for the kernel.
    pub(crate) wants_write: bool,
    /// Whether the peer hung up or sends out of band. Data and that share an edge, so that only an empty read means
    /// drained.
    pub(crate) is_unsteady: bool,
    /// Whether the end of the input or an error was read.
    pub(crate) is_ended: bool,
    hang_up: HangUp,
    pub(crate) input: Input,
    /// Whether other processes may have the socket, too.
    pub(crate) is_inherited: bool,
}

impl Connection {
    pub(crate) fn new(fd: OwnedFd, input: Input, is_inherited: bool) -> Self {
        Connection {
            fd,
            is_reading: false,
            is_readable: false,
            is_queued: false,
            watches_write: false,
            wants_write: false,
            is_unsteady: false,
            is_ended: false,
            hang_up: HangUp::Unseen,
            input,
            is_inherited,
        }
    }

    /// Records an edge: there is something to read.
    pub(crate) fn mark_readable(&mut self, is_unsteady: bool) {
        self.is_readable = true;
        self.is_unsteady |= is_unsteady;
    }

    /// Records that the peer has ended its side.
    pub(crate) fn mark_hung_up(&mut self) {
        if self.hang_up == HangUp::Unseen {
            self.hang_up = HangUp::Seen;
        }
    }

    /// Whether a `HangUp` event is due: no read will find the end, and none of the peer's bytes are left. Records may be left, which have none.
    pub(crate) fn owes_hang_up(&self) -> bool {
        self.hang_up == HangUp::Seen
            && !self.is_reading
            && !self.is_ended
            && transfer::unread_bytes(&self.fd).is_ok_and(|bytes| bytes == 0)
    }

    pub(crate) fn mark_hang_up_reported(&mut self) {
        self.hang_up = HangUp::Reported;
    }

    /// Stops reading the connection for good.
    pub(crate) fn give_up(&mut self) {
        self.is_ended = true;
        self.is_queued = false;
    }

    /// Records a read that found nothing.
    pub(crate) fn note_empty(&mut self) {
        self.is_readable = fault::owes_readiness();
        if !self.is_readable {
            self.input.note_empty();
        }
    }

    /// Whether a read would make sense now.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_reading && self.is_readable && !self.is_ended
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        transfer::shutdown(&self.fd, how).map_err(errno)
    }

    /// Takes unread input out of the kernel, so that the peer reads an end after this close and not ECONNRESET, and so
    /// that this thread does not close descriptors in it. `take` receives once and returns how many bytes, or `None` when
    /// nothing is left. Takes what it reads from `budget`, and stops when that is spent.
    pub(crate) fn drain(
        &mut self,
        largest: usize,
        budget: &mut usize,
        mut take: impl FnMut(&Self) -> Option<usize>,
    ) -> Drained {
        if self.is_ended {
            return Drained::Empty;
        }
        let may_hold_rights = !self.input.is_bytes_alone();
        if may_hold_rights && *budget > 0 {
            // From here on nothing is added, so that everything left behind has been looked at.
            let _ = self.shutdown(Shutdown::Read);
        }
        let mut is_first = true;
        while *budget > 0 {
            let Some(length) = take(self) else {
                self.is_ended = true;
                return Drained::Empty;
            };
            *budget = budget.saturating_sub(length.max(SMALLEST_DRAIN));
            if is_first && !may_hold_rights {
                // From here on nothing is added, so that the loop ends.
                let _ = self.shutdown(Shutdown::Read);
            }
            if is_first && length == largest && self.unread_bytes() > *budget as u64 {
                // Draining a part would be in vain.
                break;
            }
            is_first = false;
        }
        if may_hold_rights { Drained::Rights } else { Drained::Empty }
    }

    /// How many bytes the kernel holds; 0 if the question fails.
    fn unread_bytes(&self) -> u64 {
        transfer::unread_bytes(&self.fd).unwrap_or(0)
    }

    /// Whether the kernel may hold descriptors of the peer's that a close would close.
    pub(crate) fn may_hold_rights(&self) -> bool {
        !self.is_ended && !self.input.is_bytes_alone() && self.unread_bytes() > 0
    }
}
