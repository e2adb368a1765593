//! The name of a socket inside one reactor.

use mio::Token;

const SLOT_BITS: u32 = 21;

/// The name of a socket: a slot of the table and the generation of its tenant.
///
/// Its [`bits`](Id::bits) fit 53 bits, so that JavaScript can hold them as an exact number, and are the poll's token as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

const _: () = assert!(usize::BITS >= 64, "the poll's token has to hold a slot and a 32-bit generation");

impl Id {
    /// Sockets that one reactor can hold: 2^21 - 1; the last slot's name is the mailbox's token.
    pub const MAX_SLOTS: u32 = (1 << SLOT_BITS) - 1;

    /// The token of the mailbox's waker, which no socket can have.
    pub(crate) const MAILBOX: Token = Token(usize::MAX);

    /// The slot, which is free again, under another generation, once the socket is closed.
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// How often the slot had been used before.
    pub fn generation(self) -> u32 {
        self.generation
    }

    /// Generation and slot in one number below 2^53.
    pub fn bits(self) -> u64 {
        (u64::from(self.generation) << SLOT_BITS) | u64::from(self.slot)
    }

    /// The inverse of [`bits`](Id::bits). Any number is accepted; one that names nothing is found out when it is used.
    pub fn from_bits(bits: u64) -> Id {
        Id { slot: (bits as u32) & Id::MAX_SLOTS, generation: (bits >> SLOT_BITS) as u32 }
    }

    pub(crate) fn token(self) -> Token {
        Token(self.bits() as usize)
    }

    pub(crate) fn from_token(token: Token) -> Id {
        Id::from_bits(token.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_hold_slot_and_generation_below_2_to_the_53() {
        for (slot, generation) in [(0, 0), (1, 7), (Id::MAX_SLOTS - 1, u32::MAX), (0, u32::MAX)] {
            let id = Id { slot, generation };
            assert!(id.bits() < 1 << 53);
            assert_eq!(Id::from_bits(id.bits()), id);
            assert_eq!(Id::from_token(id.token()), id);
            assert_ne!(id.token(), Id::MAILBOX);
        }
    }
}
