//! Linux: one descriptor in an epoll object, with EPOLLONESHOT.

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::mem::MaybeUninit;

const READABLE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);

pub(super) fn create() -> Result<OwnedFd, Errno> {
    epoll::create(epoll::CreateFlags::CLOEXEC)
}

pub(super) fn add(poll: &OwnedFd, fd: &OwnedFd) -> Result<(), Errno> {
    epoll::add(poll, fd, epoll::EventData::new_u64(0), READABLE)
}

pub(super) fn arm(poll: &OwnedFd, fd: &OwnedFd) -> Result<(), Errno> {
    epoll::modify(poll, fd, epoll::EventData::new_u64(0), READABLE)
}

pub(super) fn take(poll: &OwnedFd) -> Result<bool, Errno> {
    let mut events = [MaybeUninit::uninit()];
    let (taken, _) = epoll::wait(poll, &mut events, Some(&Timespec::default()))?;
    Ok(!taken.is_empty())
}
