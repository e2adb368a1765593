//! Descriptors of any kind: what one is, and duplicates.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, fstat};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use crate::fault;

/// The first number for duplicates: the standard streams keep theirs, also while one of them is closed.
const BEHIND_STANDARD_STREAMS: i32 = 3;

/// The kind of file that a descriptor refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DescriptorKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe, with or without a name.
    Pipe,
    /// A socket of any family.
    Socket,
    /// A character device, such as a terminal.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// An object without a file type, such as an epoll object.
    Other,
}

impl DescriptorKind {
    /// Asks the kernel about a descriptor.
    ///
    /// # Errors
    ///
    /// Those of `fstat`.
    ///
    /// # Examples
    ///
    /// ```
    /// use udsock::DescriptorKind;
    ///
    /// let file = std::fs::File::open("/dev/null")?;
    /// assert_eq!(DescriptorKind::of(&file)?, DescriptorKind::CharacterDevice);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(descriptor: impl AsFd) -> io::Result<Self> {
        let status = fault::call("fstat", || fstat(&descriptor))?;
        Ok(match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Fifo => Self::Pipe,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharacterDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Symlink | FileType::Unknown => Self::Other,
        })
    }
}

/// Returns a close-on-exec duplicate.
///
/// # Errors
///
/// `EMFILE`; `EBADF` when the descriptor is closed.
pub fn duplicate(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    Ok(fault::call("fcntl", || fcntl_dupfd_cloexec(&descriptor, BEHIND_STANDARD_STREAMS))?)
}

/// Has a descriptor closed when this process executes another program.
///
/// # Errors
///
/// `EBADF` when the descriptor is closed.
pub fn close_on_exec(descriptor: impl AsFd) -> io::Result<()> {
    Ok(fault::call("fcntl", || fcntl_setfd(&descriptor, FdFlags::CLOEXEC))?)
}
