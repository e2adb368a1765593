//! macOS and FreeBSD: one descriptor in a kqueue, with EV_ONESHOT.

use rustix::event::Timespec;
use rustix::event::kqueue::{Event, EventFilter, EventFlags, kevent_timespec, kqueue};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use std::mem::MaybeUninit;
use std::ptr;

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

pub(super) fn create() -> Result<OwnedFd, Errno> {
    let poll = kqueue()?;
    fcntl_setfd(&poll, FdFlags::CLOEXEC)?;
    Ok(poll)
}

pub(super) fn add(poll: &OwnedFd, fd: &OwnedFd) -> Result<(), Errno> {
    let flags = EventFlags::ADD | EventFlags::ONESHOT;
    let change = Event::new(EventFilter::Read(fd.as_raw_fd()), flags, ptr::null_mut());
    let mut events: [MaybeUninit<Event>; 0] = [];
    // SAFETY: the registered descriptor is open, because the caller borrows its owner.
    unsafe { kevent_timespec(poll, &[change], &mut events, Some(&NOW)) }.map(|_| ())
}

/// Registers again: a report of EV_ONESHOT removes the registration.
pub(super) fn arm(poll: &OwnedFd, fd: &OwnedFd) -> Result<(), Errno> {
    add(poll, fd)
}

pub(super) fn take(poll: &OwnedFd) -> Result<bool, Errno> {
    let mut events = [MaybeUninit::uninit()];
    // SAFETY: no descriptor is registered by this call.
    let (taken, _) = unsafe { kevent_timespec(poll, &[], &mut events, Some(&NOW)) }?;
    Ok(!taken.is_empty())
}
