//! Exhausted descriptors and memory: the errors that say so, and the pauses that an accept loop makes after them.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// Whether an error says that descriptors, memory or the user's places in epoll(7) have run out: `EMFILE`, `ENFILE`,
/// `ENOBUFS`, `ENOMEM` or `ENOSPC`.
///
/// `accept` has then taken nothing, and will succeed later.
pub fn is_exhaustion(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::ENOSPC)
}

/// The growing pauses between attempts to accept: 5 ms, doubling to 1 s.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use udsock::AcceptBackoff;
///
/// let mut backoff = AcceptBackoff::new();
/// assert_eq!(backoff.pause(), Duration::from_millis(5));
/// assert_eq!(backoff.pause(), Duration::from_millis(10));
/// backoff.reset();
/// assert_eq!(backoff.pause(), Duration::from_millis(5));
/// ```
#[derive(Clone, Debug)]
pub struct AcceptBackoff {
    next: Duration,
    longest: Duration,
}

impl AcceptBackoff {
    /// Starts with the shortest pause.
    pub const fn new() -> Self {
        Self::up_to(LONGEST)
    }

    /// The same with another limit than 1 s.
    pub const fn up_to(longest: Duration) -> Self {
        Self { next: SHORTEST, longest }
    }

    /// The pause to make now. The next one is twice as long, up to the limit.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.next = SHORTEST;
    }
}

impl Default for AcceptBackoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_second_and_start_over() {
        let mut backoff = AcceptBackoff::default();
        let pauses: Vec<_> = (0..10).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.pause(), SHORTEST);
    }

    #[test]
    fn a_limit_may_be_as_long_as_a_duration() {
        let mut backoff = AcceptBackoff::up_to(Duration::MAX);
        assert_eq!((0..100).map(|_| backoff.pause()).last(), Some(Duration::MAX));
    }

    #[test]
    fn no_pause_is_longer_than_its_limit() {
        let limit = Duration::from_millis(1);
        let mut backoff = AcceptBackoff::up_to(limit);
        assert_eq!([backoff.pause(), backoff.pause()], [limit; 2]);
        backoff.reset();
        assert_eq!(backoff.pause(), limit);
    }

    #[test]
    fn exhaustion_is_exactly_five_errors() {
        let exhausted: Vec<_> = (0..200).filter(|&errno| is_exhaustion(errno)).collect();
        let mut expected = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::ENOSPC];
        expected.sort_unstable();
        assert_eq!(exhausted, expected);
    }
}
