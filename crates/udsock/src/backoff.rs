//! The early end of an accept loop's pause, when a descriptor is closed.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Notified by every [`descriptor_closed`].
static CLOSED: Notify = Notify::const_new();

/// Reports that a descriptor was closed, which ends the pauses of listeners that ran out of descriptors.
///
/// The crate's own types call it. A program may call it after closing a descriptor of its own (a tokio stream, a file), so that
/// listeners go on at once instead of after up to a second. It costs some nanoseconds when no listener waits.
pub fn descriptor_closed() {
    CLOSED.notify_waiters();
}

/// A pause that any [`descriptor_closed`] since its creation ends early. Create it before the attempt that may fail; otherwise a
/// descriptor that is closed in between goes unnoticed.
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

/// Calls [`descriptor_closed`] when dropped. As the last field of a structure it does so after the other fields have
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

    #[tokio::test]
    async fn a_descriptor_closed_before_the_pause_begins_ends_it() {
        let freed = Freed::watch();
        descriptor_closed();
        // Far beyond any test's patience: only the notification can end this.
        freed.or_after(Duration::from_secs(3600)).await;
    }
}
