//! Socket files on Linux and Android: a file is born with the mode of its socket, and a descriptor can name it.

use std::fs::{File, Permissions, set_permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::io::Errno;

use super::file::SocketFile;
use super::{BindOptions, Bound, create_then, listen};
use crate::error::errno;
use crate::{fault, sys};

/// Whether a client of a listener with a full backlog is refused as if there were none.
pub(super) const REFUSES_WHEN_FULL: bool = false;

/// Makes a listener at a path where no file exists.
pub(super) fn create(path: &Path, options: &BindOptions) -> io::Result<Bound> {
    create_then(path, options, |socket| listen(socket, options))
}

/// Gives the socket the mode of its file. The kernel creates the file with that less the umask (`unix_bind_bsd` in the
/// kernel), so it never has a bit more than requested.
pub(super) fn before_bind(socket: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(fault::call("fchmod", || fchmod(socket, Mode::from_raw_mode(mode)))?)
}

/// Returns a descriptor that keeps the inode of the file.
pub(super) fn keep_inode(file: &SocketFile, _socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Held::open(file).map(|held| held.0.into())
}

/// This file and no other, whatever happens to its name: a descriptor that only names it. No symbolic link is followed.
pub(super) struct Held(File);

impl Held {
    pub(super) fn open(file: &SocketFile) -> io::Result<Self> {
        // Not by OpenOptions: with musl, it takes O_PATH for an access mode and drops it.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = File::from(fault::call("open", || open(file.path(), flags, Mode::empty()))?);
        if file.is(&fault::call("fstat", || held.metadata())?) {
            Ok(Self(held))
        } else {
            Err(errno(libc::ESTALE))
        }
    }

    /// fchmod(2) does not take such a descriptor. The kernel resolves a link in /proc to the file itself; where /proc is not
    /// mounted, fchmodat2(2) of Linux 6.6 works. It is the second choice, because filters of system calls may kill a process
    /// that makes an unknown one.
    ///
    /// `EOPNOTSUPP` where neither exists.
    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        let link = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        match fault::call("chmod", || set_permissions(link, Permissions::from_mode(mode))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        match fault::call("fchmodat2", || sys::chmod_held(self.0.as_fd(), mode)) {
            Err(Errno::NOSYS | Errno::PERM) => Err(errno(libc::EOPNOTSUPP)),
            outcome => Ok(outcome?),
        }
    }
}
