//! Readiness that is told once, until it is asked for again: EPOLLONESHOT of epoll(7), EV_ONESHOT of kqueue(2).

use crate::fault;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use udsock_reactor::Errno;

/// A poll object for one descriptor. Itself it is readable once that is, until that is taken, and then not again until it was
/// armed. Arming wakes nobody unless there is something to read, and is for any thread.
pub(crate) struct Oneshot {
    poll: OwnedFd,
    watched: OwnedFd,
}

impl Oneshot {
    /// Watches `fd`, armed.
    ///
    /// # Errors
    ///
    /// EMFILE, ENFILE, ENOMEM and ENOSPC (too many watched descriptors).
    pub(crate) fn new(fd: BorrowedFd<'_>) -> Result<Oneshot, Errno> {
        let watched = fault::call("fcntl", || rustix::io::fcntl_dupfd_cloexec(fd, 0))?;
        let poll = fault::call("epoll_create", sys::create)?;
        fault::call("epoll_ctl", || sys::add(&poll, &watched))?;
        Ok(Oneshot { poll, watched })
    }

    /// Has it become readable since it was armed? Says so once.
    pub(crate) fn take(&self) -> Result<bool, Errno> {
        fault::call("epoll_wait", || sys::take(&self.poll))
    }

    /// To be told once more; at once if it is readable now.
    pub(crate) fn arm(&self) -> Result<(), Errno> {
        fault::call("epoll_ctl", || sys::arm(&self.poll, &self.watched))
    }
}

impl AsRawFd for Oneshot {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys {
    use super::{Errno, OwnedFd};
    use rustix::event::{Timespec, epoll};
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
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sys {
    use super::{AsRawFd, Errno, OwnedFd};
    use rustix::event::Timespec;
    use rustix::event::kqueue::{Event, EventFilter, EventFlags, kevent_timespec, kqueue};
    use rustix::io::{FdFlags, fcntl_setfd};
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
        // SAFETY: the descriptor is open: the same value owns both.
        unsafe { kevent_timespec(poll, &[change], &mut events, Some(&NOW)) }.map(|_| ())
    }

    /// What was told is gone from the kqueue.
    pub(super) fn arm(poll: &OwnedFd, fd: &OwnedFd) -> Result<(), Errno> {
        add(poll, fd)
    }

    pub(super) fn take(poll: &OwnedFd) -> Result<bool, Errno> {
        let mut events = [MaybeUninit::uninit()];
        // SAFETY: nothing is registered.
        let (taken, _) = unsafe { kevent_timespec(poll, &[], &mut events, Some(&NOW)) }?;
        Ok(!taken.is_empty())
    }
}
