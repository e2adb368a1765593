//! macOS and FreeBSD: EVFILT_VNODE of kqueue(2). A socket file cannot be opened there, so its directory is watched for
//! changes of any name in it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::event::kqueue::VnodeEvents;
use tokio::sync::Notify;

use super::{Kernel, Signals, notify};
use crate::fault;
use crate::sys;

const LOST: VnodeEvents = VnodeEvents::DELETE.union(VnodeEvents::RENAME).union(VnodeEvents::REVOKE);

/// Opens a directory without permission to read it, where the system can.
#[cfg(target_vendor = "apple")]
const WATCHING: i32 = libc::O_EVTONLY;
#[cfg(not(target_vendor = "apple"))]
const WATCHING: i32 = 0;

/// Whether the kernel reports every change at `path`. It does not report changes by other machines; network file systems
/// are rare places for sockets and are not detected.
pub(in crate::watch) fn reports_every_change(_path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// The descriptor of a directory in the table.
pub(super) type Watch = RawFd;

#[derive(Default)]
pub(super) struct Table {
    directories: HashMap<Watch, Directory>,
    /// Directories by device and inode: one descriptor serves all paths that lead through one.
    open: HashMap<(u64, u64), Watch>,
}

struct Directory {
    file: File,
    identity: (u64, u64),
    /// Whether changes of the names in it are reported.
    has_files: bool,
    signals: Signals,
}

impl Table {
    pub(super) fn notify_all(&self) {
        self.directories.values().for_each(|directory| notify(&directory.signals));
    }
}

pub(super) fn open() -> io::Result<OwnedFd> {
    Ok(fault::call("kqueue", sys::kqueue)?)
}

impl Kernel {
    pub(super) fn add_file(&self, path: &Path, number: u64, signal: &Arc<Notify>) -> io::Result<Watch> {
        self.add(path.parent().unwrap_or(path), true, number, signal)
    }

    /// A symbolic link cannot be watched.
    pub(super) fn add_step(&self, path: &Path, number: u64, signal: &Arc<Notify>) -> io::Result<Watch> {
        if path.is_symlink() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.add(path, false, number, signal)
    }

    fn add(&self, directory: &Path, has_files: bool, number: u64, signal: &Arc<Notify>) -> io::Result<Watch> {
        let flags = libc::O_DIRECTORY | WATCHING;
        let file = fault::call("open", || OpenOptions::new().read(true).custom_flags(flags).open(directory))?;
        let metadata = fault::call("fstat", || file.metadata())?;
        let identity = (metadata.dev(), metadata.ino());
        let mut table = self.table();
        let fd = table.open.get(&identity).copied().unwrap_or(file.as_raw_fd());
        let directory = table.directories.entry(fd).or_insert_with(|| Directory {
            file,
            identity,
            has_files: false,
            signals: Signals::new(),
        });
        let has_files = has_files || directory.has_files;
        let events = if has_files { LOST | VnodeEvents::WRITE } else { LOST };
        let outcome =
            fault::call("kevent", || sys::watch_vnode(self.events.get_ref(), &directory.file, events));
        match outcome {
            Ok(()) => {
                directory.has_files = has_files;
                directory.signals.insert(number, Arc::clone(signal));
                table.open.insert(identity, fd);
                Ok(fd)
            }
            Err(error) => {
                if directory.signals.is_empty() {
                    table.directories.remove(&fd);
                }
                Err(error.into())
            }
        }
    }

    pub(super) fn remove(&self, watch: Watch, number: u64) {
        let mut table = self.table();
        let Some(directory) = table.directories.get_mut(&watch) else { return };
        directory.signals.remove(&number);
        if directory.signals.is_empty() {
            let identity = directory.identity;
            table.open.remove(&identity);
            // Closing the descriptor removes its events from the kqueue.
            table.directories.remove(&watch);
        }
    }

    /// Reads until no event is left.
    pub(super) fn read_events(&self) -> io::Result<()> {
        while let Some(fd) = sys::changed_vnode(self.events.get_ref())? {
            if let Some(directory) = self.table().directories.get(&fd) {
                notify(&directory.signals);
            }
        }
        Ok(())
    }
}
