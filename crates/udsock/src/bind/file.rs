//! The file that stands for a socket, known by device and inode: a name can come to mean another file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;

use super::lock;
use crate::fault;

/// For a removal, which goes on without the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A file at a path, as it was when it was found there.
///
/// A relative path means what it does from the working directory at the time of each question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    owner: u32,
    is_socket: bool,
    permissions: u32,
}

/// What stands at the path of a [`SocketFile`] now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileState {
    /// The file itself.
    Own,
    /// Another socket of the same user: a listener that took over.
    Superseded,
    /// Nothing, or something else.
    Lost,
}

impl SocketFile {
    /// What stands at `path` now; a symbolic link is not followed.
    pub(super) fn find(path: &Path) -> io::Result<Option<Self>> {
        match fault::call("lstat", || fs::symlink_metadata(path)) {
            Ok(metadata) => Ok(Some(Self::new(path, &metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn new(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.into(),
            device: metadata.dev(),
            inode: metadata.ino(),
            owner: metadata.uid(),
            is_socket: metadata.file_type().is_socket(),
            permissions: metadata.mode() & 0o777,
        }
    }

    /// The path at which the file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn permissions(&self) -> u32 {
        self.permissions
    }

    /// The same file under the name to which it was moved.
    pub(super) fn moved_to(self, path: &Path) -> Self {
        Self { path: path.into(), ..self }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.is_socket
    }

    /// A socket of the user for whom this process works?
    pub(super) fn is_own_socket(&self) -> bool {
        self.is_socket && self.owner == geteuid().as_raw()
    }

    /// Whether `metadata` is of this very file.
    pub(super) fn is(&self, metadata: &Metadata) -> bool {
        self.device == metadata.dev() && self.inode == metadata.ino()
    }

    /// What stands at the path now. It may block, as a file system may.
    ///
    /// # Errors
    ///
    /// Whatever `lstat` reports, except that nothing is there (`ENOENT`, `ENOTDIR`). `EACCES` does not say that
    /// the file is gone: the process may have given up the right to see it.
    pub fn state(&self) -> io::Result<FileState> {
        let metadata = match fault::call("lstat", || fs::symlink_metadata(&self.path)) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
                return Ok(FileState::Lost);
            }
            Err(error) => return Err(error),
        };
        Ok(if self.is(&metadata) {
            FileState::Own
        } else if metadata.file_type().is_socket() && metadata.uid() == self.owner {
            FileState::Superseded
        } else {
            FileState::Lost
        })
    }

    /// Removes the file if it still stands at the path, and says whether it did. It may block.
    ///
    /// It holds the lock of [`bind_with`](crate::bind_with) meanwhile, so that it cannot remove the file of one who
    /// takes the path over in this instant; if the lock cannot be had within a second, it does without. To be called
    /// while the socket is open: afterwards the system may give another file its inode.
    ///
    /// # Errors
    ///
    /// Those of [`state`](Self::state), and whatever `unlink` reports.
    pub fn remove(&self) -> io::Result<bool> {
        let _lock = lock::acquire(lock::directory_of(&self.path), LOCK_TIMEOUT, || Ok(()));
        self.remove_locked()
    }

    /// [`remove`](Self::remove), for whoever has the lock.
    pub(super) fn remove_locked(&self) -> io::Result<bool> {
        if self.state()? != FileState::Own {
            return Ok(false);
        }
        match fault::call("unlink", || fs::remove_file(&self.path)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
