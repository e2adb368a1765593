//! The lock of a directory: a `flock` on its descriptor. It leaves no file and ends with its process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::fault;

/// Tries to take the lock, without waiting. It is held until the file is closed. `None` while another caller holds it.
pub(super) fn attempt(directory: &Path) -> io::Result<Option<File>> {
    // Anything but a directory is refused without opening it, which may block.
    let directory = fault::call("open", || {
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(directory)
    })?;
    match fault::call("flock", || flock(&directory, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(Some(directory)),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
