//! Who is likely to speak next.

use crate::Id;

/// Polls in a row that one connection has to be alone in before it is read without asking the kernel who is readable.
const BELIEVED: u8 = 4;
/// Such reads in a row, after which everybody else is asked for.
const GUESSES: u8 = 16;

/// In a conversation the same connection speaks each time, and a read costs less than the question who it is. A guess
/// takes no edge from the kernel, so nothing is lost by it.
#[derive(Default)]
pub(crate) struct Streak {
    id: Option<Id>,
    polls: u8,
    guesses: u8,
}

impl Streak {
    /// A poll was over: `lone` is the connection that alone had something to read.
    pub(crate) fn note(&mut self, lone: Option<Id>) {
        self.guesses = 0;
        if lone.is_some() && lone == self.id {
            self.polls = self.polls.saturating_add(1);
        } else {
            *self = Streak { id: lone, polls: 1, guesses: 0 };
        }
    }

    /// The connection to read before anybody is asked.
    pub(crate) fn guess(&mut self) -> Option<Id> {
        if self.polls < BELIEVED || self.guesses == GUESSES {
            return None;
        }
        self.guesses += 1;
        self.id
    }

    /// The guess was wrong.
    pub(crate) fn end(&mut self) {
        *self = Streak::default();
    }
}
