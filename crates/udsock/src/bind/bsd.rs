//! Socket files on macOS and FreeBSD: a file gets its mode in a private directory, or under the lock of its directory.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, RawMode, chmodat};
use rustix::io::fcntl_dupfd_cloexec;

use super::file::SocketFile;
use super::{BindOptions, Bound, create_then, listen, staging_dir};
use crate::fault;

/// Whether a client of a listener with a full backlog is refused as if there were none.
pub(super) const REFUSES_WHEN_FULL: bool = true;

/// Makes a listener at a path where no file exists. The system cannot create a socket file with fewer permissions, so one with
/// a mode is made where no other user can reach it.
pub(super) fn create(path: &Path, options: &BindOptions) -> io::Result<Bound> {
    match options.mode {
        Some(_) => staging_dir::create(path, options),
        None => create_then(path, options, |socket| listen(socket, options)),
    }
}

/// The system ignores the socket's permissions.
pub(super) fn before_bind(_socket: BorrowedFd<'_>, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Returns a descriptor that keeps the inode of the file. A socket file cannot be opened, so it is the socket itself.
pub(super) fn keep_inode(_file: &SocketFile, socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(fault::call("fcntl", || fcntl_dupfd_cloexec(socket, 0))?)
}

/// The file at a path. No symbolic link is followed.
pub(super) struct Held(PathBuf);

impl Held {
    pub(super) fn open(file: &SocketFile) -> io::Result<Self> {
        Ok(Self(file.path().into()))
    }

    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        // A mode has no bits beyond 0o7777.
        let mode = Mode::from_raw_mode(mode as RawMode);
        Ok(fault::call("chmod", || chmodat(CWD, &self.0, mode, AtFlags::SYMLINK_NOFOLLOW))?)
    }
}
