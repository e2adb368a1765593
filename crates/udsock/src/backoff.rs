//! What an accept loop does when the process or the system is out of descriptors or memory: pause, try again,
//! and do so early when a descriptor has become free.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// Rings at every [`descriptor_closed`].
static CLOSED: Notify = Notify::const_new();

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
}

impl AcceptBackoff {
    /// Starts with the shortest pause.
    pub const fn new() -> Self {
        Self { next: SHORTEST }
    }

    /// The pause to make now. The next one is twice as long, up to 1 s.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Default for AcceptBackoff {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an error says that descriptors or memory have run out: `EMFILE`, `ENFILE`, `ENOBUFS` or `ENOMEM`.
///
/// `accept` has then taken nothing, and will succeed later.
pub fn is_exhaustion(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
}

/// Says that a descriptor was just closed, which ends the pauses of listeners that had none left.
///
/// The crate's own types do so. A program that closes descriptors of its own (a tokio stream, a file) may,
/// for listeners to go on at once instead of after up to a second. It costs some nanoseconds when no listener
/// waits.
pub fn descriptor_closed() {
    CLOSED.notify_waiters();
}

/// Pauses end early by any [`descriptor_closed`] since this value was made: make it before the attempt that
/// may fail, or a descriptor freed in between goes unnoticed.
pub(crate) struct Freed(tokio::sync::futures::Notified<'static>);

impl Freed {
    pub(crate) fn watch() -> Self {
        Self(CLOSED.notified())
    }

    /// Waits for a closed descriptor, at most `limit`. Cancel safe.
    pub(crate) async fn or_after(self, limit: Duration) {
        // Either end of the wait is a reason to try again.
        let _ = timeout(limit, self.0).await;
    }
}

/// Calls [`descriptor_closed`] when dropped. As a structure's last field it does so after the others have
/// closed theirs.
#[derive(Debug)]
pub(crate) struct ClosedOnDrop;

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        descriptor_closed();
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
    fn exhaustion_is_exactly_four_errors() {
        let exhausted: Vec<_> = (0..200).filter(|&errno| is_exhaustion(errno)).collect();
        let mut expected = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
        expected.sort_unstable();
        assert_eq!(exhausted, expected);
    }

    #[tokio::test]
    async fn a_descriptor_closed_before_the_pause_begins_ends_it() {
        let freed = Freed::watch();
        descriptor_closed();
        // Far beyond any test's patience: only the notification can end this.
        freed.or_after(Duration::from_secs(3600)).await;
    }
}
