//! Reading one connection without asking the kernel which connections are readable.
//!
//! Request/response traffic reuses one connection, and a speculative read is cheaper than epoll_wait(2). A speculative read
//! takes no edge from the kernel, so a wrong guess loses nothing.

use crate::Id;

/// Polls in a row in which a connection must have been the only readable socket before it is read speculatively.
const BELIEVED: u8 = 4;
/// Speculative reads in a row before the kernel is asked about the other sockets.
const GUESSES: u8 = 16;

#[derive(Default)]
pub(crate) struct ReadSpeculation {
    id: Option<Id>,
    polls: u8,
    guesses: u8,
}

impl ReadSpeculation {
    /// Records a poll of the kernel: `lone` is the connection that was the only readable socket.
    pub(crate) fn note(&mut self, lone: Option<Id>) {
        self.guesses = 0;
        if lone.is_some() && lone == self.id {
            self.polls = self.polls.saturating_add(1);
        } else {
            *self = ReadSpeculation { id: lone, polls: 1, guesses: 0 };
        }
    }

    /// Returns the connection to read before the kernel is asked.
    pub(crate) fn guess(&mut self) -> Option<Id> {
        if self.polls < BELIEVED || self.guesses == GUESSES {
            return None;
        }
        self.guesses += 1;
        self.id
    }

    /// Records a wrong guess.
    pub(crate) fn end(&mut self) {
        *self = ReadSpeculation::default();
    }
}
