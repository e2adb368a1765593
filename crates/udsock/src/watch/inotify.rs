//! Linux: inotify(7).

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::sync::Notify;

use super::{Kernel, Signals, notify};
use crate::fault;

/// The link count of an inode changes, which is an attribute, when a name of it is removed or replaced.
const ITSELF: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::DONT_FOLLOW);

/// Without attributes, which for a directory are those of every file in it.
const DIRECTORY: WatchFlags =
    WatchFlags::MOVE_SELF.union(WatchFlags::DELETE_SELF).union(WatchFlags::DONT_FOLLOW);

/// File systems that only this kernel changes, by their numbers in statfs(2): ext2 to ext4, XFS, Btrfs, tmpfs, ramfs,
/// overlayfs, F2FS, ZFS, bcachefs, JFS. On NFS, SMB, FUSE, 9P and the like another machine or process may change files, which
/// inotify does not report.
const LOCAL: [u64; 10] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0x0102_1994,
    0x8584_58F6,
    0x794C_7630,
    0xF2F5_2010,
    0x2FC1_2FC1,
    0xCA45_1A4E,
    0x3153_464A,
];

/// Whether inotify reports every change at `path`.
pub(in crate::watch) fn reports_every_change(path: &Path) -> io::Result<bool> {
    let directory = path.parent().unwrap_or(path);
    let kind = fault::call("statfs", || rustix::fs::statfs(directory))?.f_type;
    // The type of the number differs by platform; its lower 32 bits are the same.
    Ok(LOCAL.contains(&(kind as u64 & 0xFFFF_FFFF)))
}

/// The kernel's number of a watch.
pub(super) type Watch = i32;

#[derive(Default)]
pub(super) struct Table {
    /// An inode that several paths lead through has one watch.
    watches: HashMap<Watch, Signals>,
    /// Watches that were removed so far.
    removals: u64,
}

impl Table {
    pub(super) fn notify_all(&self) {
        self.watches.values().for_each(notify);
    }
}

pub(super) fn open() -> io::Result<OwnedFd> {
    Ok(fault::call("inotify_init", || inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC))?)
}

impl Kernel {
    pub(super) fn add_file(&self, path: &Path, number: u64, signal: &Arc<Notify>) -> io::Result<Watch> {
        self.add(path, ITSELF, number, signal)
    }

    pub(super) fn add_step(&self, path: &Path, number: u64, signal: &Arc<Notify>) -> io::Result<Watch> {
        self.add(path, if path.is_symlink() { ITSELF } else { DIRECTORY }, number, signal)
    }

    fn add(&self, path: &Path, flags: WatchFlags, number: u64, signal: &Arc<Notify>) -> io::Result<Watch> {
        loop {
            let removals = self.table().removals;
            let watch = fault::call("inotify_add_watch", || {
                inotify::add_watch(self.events.as_fd(), path, flags | WatchFlags::MASK_ADD)
            })?;
            let mut table = self.table();
            // Another thread may have removed the last registration of this inode in between, and its watch with it.
            if table.removals != removals {
                continue;
            }
            table.watches.entry(watch).or_default().insert(number, Arc::clone(signal));
            return Ok(watch);
        }
    }

    pub(super) fn remove(&self, watch: Watch, number: u64) {
        let mut table = self.table();
        let Some(signals) = table.watches.get_mut(&watch) else { return };
        signals.remove(&number);
        if signals.is_empty() {
            table.watches.remove(&watch);
            table.removals += 1;
            // The kernel has removed the watch of an inode that is gone.
            let _ = inotify::remove_watch(self.events.as_fd(), watch);
        }
    }

    /// Reads until no event is left.
    pub(super) fn read_events(&self) -> io::Result<()> {
        // Events have no names, because no directory is watched for its entries: 16 bytes each.
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(self.events.as_fd(), &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let table = self.table();
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                table.notify_all();
            } else if let Some(signals) = table.watches.get(&event.wd()) {
                // A change before the entry was made is found by the look that follows.
                notify(signals);
            }
        }
    }
}
