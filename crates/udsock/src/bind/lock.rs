//! The lock of a directory: a `flock` on its descriptor. It leaves no file, and ends with its process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::errno;
use crate::fault;

/// Held until it is closed. `ETIMEDOUT` after `limit`; `go_on` may end the waiting before.
pub(super) fn acquire(
    directory: &Path,
    limit: Duration,
    go_on: impl Fn() -> io::Result<()>,
) -> io::Result<File> {
    let start = Instant::now();
    // Anything but a directory is refused without opening it, which may block.
    let directory = fault::call("open", || {
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(directory)
    })?;
    loop {
        match fault::call("flock", || flock(&directory, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => return Ok(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        go_on()?;
        if start.elapsed() >= limit {
            return Err(errno(libc::ETIMEDOUT));
        }
        sleep(Duration::from_millis(1));
    }
}

/// The directory in which a file stands.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
