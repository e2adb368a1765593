//! The id of a socket within one reactor, and the numbers that JavaScript passes.

use mio::Token;
use rustix::io::Errno;

const SLOT_BITS: u32 = 21;

/// The generation of a slot's first tenant. It makes 2^31 the first id: V8 represents whole numbers below differently, and would
/// throw optimized code away when the first larger one comes.
pub(crate) const FIRST_GENERATION: u32 = 1 << (31 - SLOT_BITS);

/// The id of a socket: a slot of the table and the generation of its tenant.
///
/// Its [`bits`](Id::bits) fit into 53 bits, so that a JavaScript number holds them exactly. They are also the token of the
/// poll object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

const _: () =
    assert!(usize::BITS >= 64, "the token of the poll object has to hold a slot and a 32-bit generation");

impl Id {
    /// Sockets that one reactor can hold: 2^21 - 1. The last slot is that of the mailbox's token.
    pub const MAX_SLOTS: u32 = (1 << SLOT_BITS) - 1;

    /// The token of the mailbox's waker, which no socket has.
    pub(crate) const MAILBOX: Token = Token(usize::MAX);

    /// Returns the slot. After the socket is closed it is used again, with another generation.
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// Returns the count of the slot's tenants, from 2^10, so that no small number is an id.
    pub fn generation(self) -> u32 {
        self.generation
    }

    /// Returns generation and slot in one number below 2^53.
    pub fn bits(self) -> u64 {
        (u64::from(self.generation) << SLOT_BITS) | u64::from(self.slot)
    }

    /// The inverse of [`bits`](Id::bits); `None` for a number that [`bits`](Id::bits) never returns.
    pub fn from_bits(bits: u64) -> Option<Id> {
        let id =
            Id { slot: (bits as u32) & Id::MAX_SLOTS, generation: u32::try_from(bits >> SLOT_BITS).ok()? };
        (id.generation >= FIRST_GENERATION && id.slot != Id::MAX_SLOTS).then_some(id)
    }

    /// Returns the id that a number from JavaScript means.
    ///
    /// # Errors
    ///
    /// EBADF for a number that is negative, fractional, NaN or otherwise no possible id.
    pub fn from_number(number: f64) -> Result<Id, Errno> {
        let bits = whole(number, LARGEST_WHOLE).map_err(|_| Errno::BADF)?;
        Id::from_bits(bits).ok_or(Errno::BADF)
    }

    pub(crate) fn token(self) -> Token {
        Token(self.bits() as usize)
    }

    pub(crate) fn from_token(token: Token) -> Id {
        let bits = token.0 as u64;
        Id { slot: (bits as u32) & Id::MAX_SLOTS, generation: (bits >> SLOT_BITS) as u32 }
    }
}

/// The largest whole number that JavaScript holds exactly.
pub const LARGEST_WHOLE: u64 = (1 << 53) - 1;

/// Returns a number from JavaScript as an integer from 0 to `most`, or to [`LARGEST_WHOLE`] if that is less. -0 is 0.
///
/// # Errors
///
/// EINVAL for a number that is negative, fractional, larger or NaN. No such number is cast.
pub fn whole(number: f64, most: u64) -> Result<u64, Errno> {
    if number >= 0.0 && number <= most.min(LARGEST_WHOLE) as f64 && number.fract() == 0.0 {
        Ok(number as u64)
    } else {
        Err(Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first whole number that a JavaScript number does not distinguish from its successor. The precision of
    /// `powi` is unspecified, so it is not used here.
    const BEYOND_WHOLE: f64 = (1_u64 << 53) as f64;
    const FIRST_ID: f64 = (1_u64 << 31) as f64;

    #[test]
    fn bits_hold_slot_and_generation_below_2_to_the_53() {
        for (slot, generation) in
            [(0, FIRST_GENERATION), (1, FIRST_GENERATION + 7), (Id::MAX_SLOTS - 1, u32::MAX), (0, u32::MAX)]
        {
            let id = Id { slot, generation };
            assert!(id.bits() < 1 << 53);
            assert_eq!(Id::from_bits(id.bits()), Some(id));
            assert_eq!(Id::from_number(id.bits() as f64), Ok(id));
            assert_eq!(Id::from_token(id.token()), id);
            assert_ne!(id.token(), Id::MAILBOX);
        }
    }

    #[test]
    fn a_number_that_no_socket_can_have_names_none() {
        let small = f64::from((1_u32 << 31) - 1);
        let mailbox = f64::from(Id::MAX_SLOTS) + FIRST_ID;
        let odd = [-1.0, f64::NAN, 0.5, BEYOND_WHOLE, -0.0, f64::INFINITY, f64::NEG_INFINITY];
        for number in odd.into_iter().chain([0.0, 1.0, small, mailbox, FIRST_ID + 0.5]) {
            assert_eq!(Id::from_number(number), Err(Errno::BADF), "{number}");
        }
    }

    #[test]
    fn a_whole_number_is_taken_as_it_is_and_any_other_is_refused() {
        assert_eq!(whole(-0.0, 7), Ok(0));
        assert_eq!(whole(7.0, 7), Ok(7));
        assert_eq!(whole(LARGEST_WHOLE as f64, u64::MAX), Ok(LARGEST_WHOLE));
        for number in [8.0, -1.0, 0.5, f64::NAN, f64::INFINITY, BEYOND_WHOLE] {
            assert_eq!(whole(number, 7), Err(Errno::INVAL), "{number}");
        }
        assert_eq!(whole(BEYOND_WHOLE, u64::MAX), Err(Errno::INVAL));
    }
}
