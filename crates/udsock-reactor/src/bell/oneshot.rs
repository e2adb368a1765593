//! Readiness that is reported once, until it is asked for again: EPOLLONESHOT of epoll(7), EV_ONESHOT of kqueue(2).

use crate::fault;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::Errno;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "oneshot/epoll.rs"]
mod sys;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "oneshot/kqueue.rs"]
mod sys;

/// A poll object for one descriptor. It becomes readable when that descriptor does, stays so until that is taken, and then not
/// again until it is armed. Arming wakes nothing unless there is something to read. Any thread may use it.
#[derive(Debug)]
pub struct Oneshot {
    poll: OwnedFd,
    watched: OwnedFd,
}

impl Oneshot {
    /// Watches a duplicate of `fd`, armed.
    ///
    /// # Errors
    ///
    /// EMFILE, ENFILE, ENOMEM and ENOSPC (too many watched descriptors).
    pub fn new(fd: BorrowedFd<'_>) -> Result<Oneshot, Errno> {
        let watched = fault::call("fcntl", || rustix::io::fcntl_dupfd_cloexec(fd, 0))?;
        let poll = fault::call("epoll_create", sys::create)?;
        fault::call("epoll_ctl", || sys::add(&poll, &watched))?;
        Ok(Oneshot { poll, watched })
    }

    /// Returns whether the descriptor has become readable since it was armed, once.
    ///
    /// # Errors
    ///
    /// Those of epoll_wait(2) or kevent(2); nothing is taken then.
    pub fn take(&self) -> Result<bool, Errno> {
        fault::call("epoll_wait", || sys::take(&self.poll))
    }

    /// Arms it for the next report, which comes at once if the descriptor is readable now.
    ///
    /// # Errors
    ///
    /// Those of epoll_ctl(2) or kevent(2); it is not armed then.
    pub fn arm(&self) -> Result<(), Errno> {
        fault::call("epoll_ctl", || sys::arm(&self.poll, &self.watched))
    }
}

impl AsRawFd for Oneshot {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
