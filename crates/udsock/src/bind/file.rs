//! A socket's file, identified by device and inode, because another file may take its name.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use super::{lock, platform};
use crate::allowed::overflow_ids;
use crate::error::errno;
use crate::fault;

/// How long a removal waits for the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A file at a path, as it was when it was found there.
///
/// A relative path is resolved against the working directory at each call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    owner: u32,
    is_socket: bool,
    /// With the bits beyond the permissions.
    mode: u32,
}

/// The state of the path of a [`SocketFile`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FileState {
    /// The file itself is there.
    Own,
    /// Another socket of the same user is there: a listener that took over.
    Superseded,
    /// No file is there, or an unrelated one.
    Lost,
}

impl SocketFile {
    /// Returns the file at `path` now. A symbolic link is not followed.
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
            mode: metadata.mode() & 0o7777,
        }
    }

    /// The path at which the file was found.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn permissions(&self) -> u32 {
        self.mode & 0o777
    }

    pub(super) fn mode(&self) -> u32 {
        self.mode
    }

    /// Returns the same file under the name to which it was moved.
    pub(super) fn moved_to(self, path: &Path) -> Self {
        Self { path: path.into(), ..self }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.is_socket
    }

    /// Whether it is a socket of this process's effective user. The overflow user ([`overflow_ids`]) owns no socket here,
    /// because it stands for every user without a number in this user namespace.
    pub(super) fn is_own_socket(&self) -> bool {
        self.is_socket && self.owner == geteuid().as_raw() && !is_overflow(self.owner)
    }

    /// Whether both are the same file, whatever its mode has become.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    /// Whether `metadata` is of this very file.
    pub(super) fn is(&self, metadata: &Metadata) -> bool {
        self.device == metadata.dev() && self.inode == metadata.ino()
    }

    /// Returns what is at the path now. May block, as a file system may.
    ///
    /// # Errors
    ///
    /// Those of `lstat`, except `ENOENT` and `ENOTDIR`, which mean that no file is there. `EACCES` does not mean that the file
    /// is gone: the process may have given up the right to see it.
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
        } else if metadata.file_type().is_socket() && metadata.uid() == self.owner && !is_overflow(self.owner)
        {
            FileState::Superseded
        } else {
            FileState::Lost
        })
    }

    /// Removes the file if it is still at the path, and returns whether it did. Blocks for up to a second while another caller
    /// holds the lock of the directory.
    ///
    /// Call it while the socket is open: afterwards the system may give another file the same inode.
    ///
    /// # Errors
    ///
    /// Those of [`try_remove`](Self::try_remove), with `ETIMEDOUT` when another caller keeps the lock.
    pub fn remove(&self) -> io::Result<bool> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match self.try_remove() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            if Instant::now() >= deadline {
                return Err(errno(libc::ETIMEDOUT));
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// [`remove`](Self::remove), without waiting for the lock.
    ///
    /// It holds the lock of [`bind_with`](crate::bind_with) meanwhile, so that it cannot remove the file of a listener that
    /// takes the path over at the same time. A directory that cannot be read, or whose file system has no locks, cannot be
    /// locked; no process can take a path over there, so the file is removed without the lock.
    ///
    /// # Errors
    ///
    /// `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)) while another caller holds the lock: the file stays. Those of
    /// [`state`](Self::state) and of `unlink`.
    pub fn try_remove(&self) -> io::Result<bool> {
        match lock::attempt(lock::directory_of(&self.path)) {
            Ok(None) => Err(errno(libc::EAGAIN)),
            _lock => self.remove_locked(),
        }
    }

    /// Returns a descriptor that keeps the system from giving the inode to another file, for a socket that is closed before
    /// its file is removed.
    ///
    /// # Errors
    ///
    /// `ESTALE`: another file is at the path now (Linux). Those of `open` and `fstat`, or of `fcntl`.
    pub fn keep_inode(&self, socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        platform::keep_inode(self, socket)
    }

    /// [`remove`](Self::remove), for a caller that holds the lock.
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

/// Whether `uid` stands for every user without a number in this user namespace.
fn is_overflow(uid: u32) -> bool {
    overflow_ids().is_some_and(|(overflow, _)| uid == overflow)
}
