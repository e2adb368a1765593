//! The kernel's watch on files and directories: one descriptor that reports events, and the tasks to notify of them. The
//! module `platform` knows the system's events.

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "inotify.rs"]
mod platform;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "kqueue.rs"]
mod platform;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::sleep;

pub(super) use self::platform::reports_every_change;
use self::platform::{Table, Watch};
use crate::sys;

/// How long to wait after events could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// The tasks to notify of one watch, by the numbers of their registrations.
type Signals = HashMap<u64, Arc<Notify>>;

/// A descriptor that reports events, and what is watched by it.
pub(super) struct Kernel {
    events: AsyncFd<OwnedFd>,
    table: Mutex<Table>,
}

impl Kernel {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { events: sys::watch_readable(platform::open()?)?, table: Mutex::default() })
    }

    /// No operation on the table stops half-way.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies `signal` when the file may have lost its name. May block, as a file system may.
    pub(super) fn watch_file(
        self: &Arc<Self>,
        path: &Path,
        signal: &Arc<Notify>,
    ) -> io::Result<Registration> {
        self.register(|number| self.add_file(path, number, signal))
    }

    /// Notifies `signal` when a directory, or a symbolic link on the way to it, loses its name. May block, as a file system
    /// may.
    pub(super) fn watch_step(
        self: &Arc<Self>,
        path: &Path,
        signal: &Arc<Notify>,
    ) -> io::Result<Registration> {
        self.register(|number| self.add_step(path, number, signal))
    }

    fn register(self: &Arc<Self>, add: impl FnOnce(u64) -> io::Result<Watch>) -> io::Result<Registration> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Registration { watch: add(number)?, kernel: Arc::clone(self), number })
    }

    /// Notifies tasks of events, for ever.
    pub(super) async fn read(self: Arc<Self>) {
        while let Ok(mut ready) = self.events.readable().await {
            match self.read_events() {
                Ok(()) => ready.clear_ready(),
                Err(_) => {
                    // The events that could not be read may concern any path.
                    self.table().notify_all();
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

fn notify(signals: &Signals) {
    signals.values().for_each(|signal| signal.notify_one());
}

/// A watch for one path. Dropping it ends the watch.
pub(super) struct Registration {
    kernel: Arc<Kernel>,
    watch: Watch,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.kernel.remove(self.watch, self.number);
    }
}
