//! A listening descriptor of a reactor, and its pause when descriptors or memory run out.

use crate::error::errno;
use crate::input::Inheritance;
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use udsock::{AcceptBackoff, AcceptedNow, SocketType, accept_now, transfer};

/// Short enough that a client is accepted within a second after the exhaustion ends.
const LONGEST_PAUSE: Duration = Duration::from_millis(640);

/// Whether this connection may be handed out. It must neither read nor write.
pub type AcceptFilter = Box<dyn Fn(BorrowedFd<'_>) -> bool>;

struct Pause {
    backoff: AcceptBackoff,
    until: Instant,
}

/// The outcome of [`Listener::accept`].
pub(crate) enum Next {
    Connection(OwnedFd),
    Paused,
    Empty,
}

pub(crate) struct Listener {
    pub(crate) fd: OwnedFd,
    /// The type of the connections.
    pub(crate) socket_type: SocketType,
    /// Whether other processes may have the socket, too: no option of it is changed.
    pub(crate) is_inherited: bool,
    pub(crate) inheritance: Inheritance,
    /// The connections to hand out; without it, all.
    pub(crate) filter: Option<AcceptFilter>,
    pause: Option<Pause>,
    /// A connection that was accepted and could not be watched yet: the next one to hand out.
    kept: Option<OwnedFd>,
}

impl Listener {
    pub(crate) fn new(
        fd: OwnedFd,
        socket_type: SocketType,
        inheritance: Inheritance,
        is_inherited: bool,
    ) -> Self {
        Listener { fd, socket_type, is_inherited, inheritance, filter: None, pause: None, kept: None }
    }

    /// Takes the next connection. After an exhaustion it leaves the kernel alone until the pause is over (5 ms, doubling to
    /// 640 ms), so that an exhaustion is reported once each time the kernel reports it, however many clients come meanwhile.
    pub(crate) fn accept(&mut self) -> Result<Next, Errno> {
        if self.pause.as_ref().is_some_and(|pause| Instant::now() < pause.until) {
            return Ok(Next::Paused);
        }
        if let Some(fd) = self.kept.take() {
            return Ok(Next::Connection(fd));
        }
        match accept_now(&self.fd).map_err(errno)? {
            AcceptedNow::Connection(fd) => Ok(Next::Connection(fd)),
            AcceptedNow::Empty => Ok(Next::Empty),
            AcceptedNow::Exhausted(error) => {
                self.begin_pause();
                Err(errno(error))
            }
        }
    }

    /// Takes back a connection of [`accept`](Self::accept), because of an exhaustion: it is the next after the pause.
    pub(crate) fn keep(&mut self, fd: OwnedFd) {
        self.kept = Some(fd);
        self.begin_pause();
    }

    fn begin_pause(&mut self) {
        let now = Instant::now();
        let pause = self
            .pause
            .get_or_insert_with(|| Pause { backoff: AcceptBackoff::up_to(LONGEST_PAUSE), until: now });
        pause.until = now + pause.backoff.pause();
    }

    /// Records that a connection was dealt with, which proves that the exhaustion is over.
    pub(crate) fn end_exhaustion(&mut self) {
        self.pause = None;
    }

    /// How long the pause still lasts; `None` after no exhaustion.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        self.pause.as_ref().map(|pause| pause.until.saturating_duration_since(Instant::now()))
    }

    /// Ends the pause, and not the doubling: only a connection proves that the exhaustion is over. Returns whether there was
    /// a pause.
    pub(crate) fn end_pause(&mut self) -> bool {
        if let Some(pause) = &mut self.pause {
            pause.until = Instant::now();
        }
        self.pause.is_some()
    }

    /// Records that another process gets the socket, too.
    pub(crate) fn share(&mut self) {
        self.is_inherited = true;
        self.inheritance.share();
    }

    /// EOPNOTSUPP where another process may have the socket, too, because its clients would be refused.
    pub(crate) fn refuse_newcomers(&self) -> Result<(), Errno> {
        if self.is_inherited {
            return Err(Errno::OPNOTSUPP);
        }
        transfer::refuse_newcomers(&self.fd).map_err(errno)
    }

    /// Whether [`accept`](Self::accept) would find a connection now. Takes nothing.
    pub(crate) fn is_acceptable(&self) -> bool {
        // If poll fails, assume that a client is queued: a false negative would strand it.
        self.kept.is_some() || transfer::is_readable(&self.fd).unwrap_or(true)
    }
}
