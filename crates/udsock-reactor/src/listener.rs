//! A listening descriptor of a reactor, and its pause when descriptors or memory run out.

use crate::{fault, stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// Short enough that within a second after the shortage somebody is accepted.
const LONGEST_PAUSE: Duration = Duration::from_millis(640);

/// May this connection be handed out? It must neither read nor write.
pub type Gate = Box<dyn Fn(BorrowedFd<'_>) -> bool>;

struct Pause {
    length: Duration,
    until: Instant,
}

pub(crate) struct Listener {
    pub(crate) fd: OwnedFd,
    /// Others may have the socket, too: nothing of it is changed.
    is_shared: bool,
    /// Its connections can have no descriptors sent to them.
    refuses_rights: bool,
    /// Who may come; none: everybody.
    pub(crate) gate: Option<Gate>,
    pause: Option<Pause>,
    /// Accepted, though it could not be watched yet: the next.
    kept: Option<OwnedFd>,
}

/// Is this a shortage that passes when something is released, rather than a fault of the listener? ENOSPC: of descriptors
/// that epoll(7) may watch for the user.
pub(crate) fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC)
}

impl Listener {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        let refuses_rights = stream::refuse_rights(fd.as_fd());
        Listener { fd, is_shared: false, refuses_rights, gate: None, pause: None, kept: None }
    }

    pub(crate) fn shared(fd: OwnedFd) -> Self {
        Listener { fd, is_shared: true, refuses_rights: false, gate: None, pause: None, kept: None }
    }

    /// Has a connection of its own refuse descriptors, if it does not already.
    pub(crate) fn refuse_rights(&self, accepted: BorrowedFd<'_>) -> bool {
        if self.is_shared { stream::refuse_rights(accepted) } else { self.refuses_rights }
    }

    /// The next connection, non-blocking and close-on-exec. After a shortage the kernel is left alone until the pause
    /// is over (5 ms, doubling to 640 ms), and the answer is EBUSY, so that a shortage is told once each time the kernel
    /// tells it, however many clients come meanwhile. The client's address is not asked for:
    /// the kernel's answer may be longer than its own structure.
    pub(crate) fn accept(&mut self) -> Result<OwnedFd, Errno> {
        if self.pause.as_ref().is_some_and(|pause| Instant::now() < pause.until) {
            return Err(Errno::BUSY);
        }
        if let Some(fd) = self.kept.take() {
            return Ok(fd);
        }
        loop {
            match fault::call("accept", || accept_non_blocking(&self.fd)) {
                Ok(fd) => return Ok(fd),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // Linux wants a descriptor before it looks whether anybody is there.
                Err(errno) if is_shortage(errno) && !self.is_acceptable() => return Err(Errno::AGAIN),
                Err(errno) => {
                    if is_shortage(errno) {
                        self.begin_pause();
                    }
                    return Err(errno);
                }
            }
        }
    }

    /// Takes back what `accept` gave, because of a shortage: after the pause it is the next.
    pub(crate) fn keep(&mut self, fd: OwnedFd) {
        self.kept = Some(fd);
        self.begin_pause();
    }

    fn begin_pause(&mut self) {
        let length = self.pause.as_ref().map_or(SHORTEST_PAUSE, |pause| pause.length * 2).min(LONGEST_PAUSE);
        self.pause = Some(Pause { length, until: Instant::now() + length });
    }

    /// A connection has been dealt with, so the shortage is over.
    pub(crate) fn end_shortage(&mut self) {
        self.pause = None;
    }

    /// How long the pause still lasts; none if there is none.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        self.pause.as_ref().map(|pause| pause.until.saturating_duration_since(Instant::now()))
    }

    /// Ends the waiting, though not the doubling: only a connection proves that the shortage is over.
    pub(crate) fn end_pause(&mut self) -> bool {
        match &mut self.pause {
            Some(pause) => {
                pause.until = Instant::now();
                true
            }
            None => false,
        }
    }

    /// Has the kernel refuse newcomers, and keep those that wait: `shutdown(2)` with `SHUT_RD`, which Linux takes for a
    /// listening Unix-domain socket. It holds for the socket, whoever else has it. `poll(2)` calls it readable from then
    /// on, with an empty queue, too.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn refuse_newcomers(&self) -> Result<(), Errno> {
        fault::call("shutdown", || rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Read))
    }

    /// Only closing refuses newcomers here.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn refuse_newcomers(&self) -> Result<(), Errno> {
        Err(Errno::OPNOTSUPP)
    }

    /// Would `accept` find a connection now, as far as can be known? Takes nothing.
    pub(crate) fn is_acceptable(&self) -> bool {
        if self.kept.is_some() {
            return true;
        }
        let mut fds = [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN)];
        let polled = fault::call("poll", || poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })));
        // Who cannot be asked about may be there: a "no" would leave him waiting.
        polled != Ok(0)
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept_non_blocking(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    use rustix::net::SocketFlags;
    rustix::net::accept_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept_non_blocking(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    let accepted = rustix::net::accept(fd)?;
    rustix::io::fcntl_setfd(&accepted, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&accepted, true)?;
    Ok(accepted)
}
