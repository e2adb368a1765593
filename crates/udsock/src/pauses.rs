//! Random pauses between attempts: to connect to a full listener, and to lock a directory.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

const SHORTEST_US: u64 = 1_000;

/// Pauses from 1 ms up to a limit: each is a random share, between half and all, of a bound that doubles from 2 ms.
///
/// The randomness keeps processes that wait for the same thing from trying in step.
pub(crate) struct Pauses {
    bound_us: u64,
    longest_us: u64,
    random: RandomState,
}

impl Pauses {
    /// Pauses of at most `milliseconds`.
    pub(crate) fn up_to(milliseconds: u32) -> Self {
        Self {
            bound_us: 2 * SHORTEST_US,
            longest_us: u64::from(milliseconds) * 1_000,
            random: RandomState::new(),
        }
    }

    pub(crate) fn next_pause(&mut self) -> Duration {
        let floor = self.bound_us / 2;
        let random = self.random.hash_one(self.bound_us);
        let pause = floor + random % (self.bound_us - floor + 1);
        self.bound_us = (self.bound_us * 2).min(self.longest_us);
        self.random = RandomState::new();
        Duration::from_micros(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_one_to_fifty_milliseconds() {
        for _ in 0..1000 {
            let mut pauses = Pauses::up_to(50);
            for bound_us in [2_000, 4_000, 8_000, 16_000, 32_000, 50_000, 50_000] {
                let pause = pauses.next_pause();
                assert!(pause >= Duration::from_micros(bound_us / 2), "{pause:?} of {bound_us} us");
                assert!(pause <= Duration::from_micros(bound_us), "{pause:?} of {bound_us} us");
            }
        }
    }

    #[test]
    fn pauses_differ() {
        let mut pauses = Pauses { bound_us: 50_000, ..Pauses::up_to(50) };
        let distinct: std::collections::HashSet<_> = (0..100).map(|_| pauses.next_pause()).collect();
        assert!(distinct.len() > 50, "{} of 100 differ", distinct.len());
    }
}
