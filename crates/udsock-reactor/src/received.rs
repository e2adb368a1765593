//! Descriptors that came with the bytes of a stream or with records, until the owner of the reactor takes them.
//!
//! What always holds: there is one lot for each read that brought descriptors, in the order of the reads; descriptors that are not taken
//! are closed on another thread.

use crate::closer::{close_elsewhere, close_queued, queued};
use rustix::process::{Resource, getrlimit};
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};

/// Why descriptors that a peer sent were closed instead of received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The process had no room for all of them.
    NoRoom,
    /// There were more than [`Reactor::receive_descriptors`](crate::Reactor::receive_descriptors) allows.
    TooMany,
}

/// The descriptors of one read.
pub(crate) type Lot = Result<Vec<OwnedFd>, Lost>;

pub(crate) struct ReceivedDescriptors {
    /// How many descriptors one read may bring, at least 1.
    limit: usize,
    lots: VecDeque<Lot>,
    /// The largest number among the descriptors of the last lot.
    highest: usize,
}

impl ReceivedDescriptors {
    pub(crate) fn new(limit: usize) -> Self {
        ReceivedDescriptors { limit, lots: VecDeque::new(), highest: 0 }
    }

    /// Makes room for the descriptors of a read that comes next: where the process's table may be too full for them, those that wait to be
    /// closed are closed now.
    pub(crate) fn make_room(&self) {
        let needed = self.highest + 2 * self.limit + queued();
        let places = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if needed as u64 >= places {
            close_queued();
        }
    }

    /// Keeps the descriptors of one read. `is_cut`: whether the kernel has dropped some. Returns whether there is a lot for the owner.
    pub(crate) fn keep(&mut self, descriptors: Vec<OwnedFd>, is_cut: bool) -> bool {
        if descriptors.is_empty() && !is_cut {
            return false;
        }
        let numbers = descriptors.iter().map(AsRawFd::as_raw_fd);
        self.highest = numbers.max().map_or(self.highest, |highest| highest as usize);
        let lost = match (is_cut, descriptors.len() > self.limit) {
            (true, _) => Some(Lost::NoRoom),
            (false, true) => Some(Lost::TooMany),
            (false, false) => None,
        };
        self.lots.push_back(match lost {
            None => Ok(descriptors),
            Some(lost) => {
                descriptors.into_iter().for_each(close_elsewhere);
                Err(lost)
            }
        });
        true
    }

    /// Returns the oldest lot.
    pub(crate) fn take(&mut self) -> Option<Lot> {
        self.lots.pop_front()
    }
}

impl Drop for ReceivedDescriptors {
    fn drop(&mut self) {
        self.lots.drain(..).flatten().flatten().for_each(close_elsewhere);
    }
}
