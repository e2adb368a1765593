//! The reactor's operations on listeners.

use super::Reactor;
use crate::closer::close_elsewhere;
use crate::error::poll_errno;
use crate::interest::READ;
use crate::listener::{AcceptFilter, Listener, Next};
use crate::socket::Socket;
use crate::{Id, fault};
use mio::unix::SourceFd;
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use udsock::is_exhaustion;
use udsock::transfer::Shutdown;

/// Clients at most that are turned away when a listener closes: usually the kernel's own limit of a backlog.
const MOST_TURNED_AWAY: usize = 4096;

/// The outcome of [`Reactor::accept`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// The next connection, which has joined the reactor.
    Connection(Id),
    /// The listener's filter refused the next connection, which was closed.
    Refused,
    /// The listener pauses after an exhaustion, for [`Reactor::paused_for`]. No client is lost.
    Paused,
    /// No client waits. An `Acceptable` event follows when one does.
    Empty,
}

impl Reactor {
    /// Accepts the next connection of a listener.
    ///
    /// # Errors
    ///
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM and ENOSPC begin a pause of the listener, and no client is lost. EBADF; what the poll
    /// object reports of the new descriptor, which is closed then; what `setsockopt(2)` reports of it.
    pub fn accept(&mut self, id: Id) -> Result<Accepted, Errno> {
        let accepted = match self.listener(id)?.accept() {
            Ok(Next::Connection(fd)) => self.admit(id, fd),
            nothing => {
                if fault::owes_readiness() {
                    let fd = self.fd(id)?.as_raw_fd();
                    let registry = self.poll.registry();
                    registry.reregister(&mut SourceFd(&fd), id.token(), READ).map_err(poll_errno)?;
                }
                nothing.map(|next| if let Next::Paused = next { Accepted::Paused } else { Accepted::Empty })
            }
        };
        if self.listener(id)?.paused_for().is_some() && !self.paused.contains(&id) {
            self.paused.push(id);
        }
        accepted
    }

    fn admit(&mut self, id: Id, fd: OwnedFd) -> Result<Accepted, Errno> {
        let listener = self.listener(id)?;
        let input = listener.inheritance.input(&fd);
        let is_refused = listener.filter.as_ref().is_some_and(|filter| !filter(fd.as_fd()));
        let connection =
            Socket::connected(fd, listener.socket_type, input, false).map_err(|(_closed, errno)| errno)?;
        if is_refused {
            listener.end_exhaustion();
            self.turn_away(connection);
            return Ok(Accepted::Refused);
        }
        match self.join(connection) {
            Ok(connection) => {
                self.listener(id)?.end_exhaustion();
                Ok(Accepted::Connection(connection))
            }
            Err((connection, errno)) => {
                if is_exhaustion(errno.raw_os_error()) {
                    self.listener(id)?.keep(connection.into_fd());
                }
                Err(errno)
            }
        }
    }

    /// Has every connection of a listener pass `filter` before [`accept`](Reactor::accept) hands it out.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open listener.
    pub fn set_accept_filter(&mut self, id: Id, filter: AcceptFilter) -> Result<(), Errno> {
        self.listener(id)?.filter = Some(filter);
        Ok(())
    }

    /// Closes a connection that is not handed out. Its peer reads an end, whatever it sends meanwhile.
    fn turn_away(&mut self, connection: Socket) {
        if let Some(connection) = connection.connection() {
            let _ = connection.shutdown(Shutdown::Read);
        }
        self.drain.close(connection);
    }

    /// How long a listener still pauses after an exhaustion: zero when the pause is over, `None` after no exhaustion.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open listener.
    pub fn paused_for(&mut self, id: Id) -> Result<Option<Duration>, Errno> {
        Ok(self.listener(id)?.paused_for())
    }

    /// Has the kernel refuse new clients of a listener, in every process that has its socket. Clients that are queued can
    /// be accepted, and [`is_acceptable`](Reactor::is_acceptable) is true from then on.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP elsewhere than on Linux, and where another process may have the socket, too; EBADF when the id names no open listener.
    pub fn refuse_newcomers(&mut self, id: Id) -> Result<(), Errno> {
        self.listener(id)?.refuse_newcomers()
    }

    /// Whether [`accept`](Reactor::accept) would find a connection. Takes nothing.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open listener.
    pub fn is_acceptable(&mut self, id: Id) -> Result<bool, Errno> {
        Ok(self.listener(id)?.is_acceptable())
    }

    /// Closes a listener. Where the messages of queued clients may hold descriptors, which the kernel would close on this
    /// thread, the clients are turned away first; if that fails, another thread closes the listener.
    pub(super) fn close_listener(&mut self, mut listener: Listener) {
        if !listener.inheritance.may_hold_rights() {
            return;
        }
        if listener.is_inherited {
            // Another process may accept the queued clients.
            if listener.is_acceptable() {
                close_elsewhere(listener.fd);
            }
            return;
        }
        listener.end_pause();
        let _ = listener.refuse_newcomers();
        for _ in 0..MOST_TURNED_AWAY {
            let fd = match listener.accept() {
                Ok(Next::Connection(fd)) => fd,
                Ok(_) => return,
                Err(_) => break,
            };
            let input = listener.inheritance.input(&fd);
            match Socket::connected(fd, listener.socket_type, input, false) {
                Ok(connection) => self.turn_away(connection),
                Err((fd, _)) => close_elsewhere(fd),
            }
        }
        // Clients may be left.
        close_elsewhere(listener.fd);
    }
}
