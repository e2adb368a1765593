//! Taking one connection, for accept loops of every kind.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use crate::exhaustion::is_exhaustion;
use crate::{sys, transfer};

/// Takes the next connection of a listening socket, which has to be non-blocking. Needs no runtime.
///
/// The connection is non-blocking and close-on-exec, and sends on it raise no `SIGPIPE` where that is an option of
/// the socket. A client that has gone meanwhile leaves a connection that can be read to its end. The client's
/// address is not asked for: the kernel's answer may be longer than its own structure.
///
/// # Errors
///
/// * `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): no client waits.
/// * `ECONNABORTED`, `EINTR`: try again.
/// * `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`: the client goes on waiting.
/// * `EINVAL`: the socket does not listen.
pub fn try_accept(listener: impl AsFd) -> io::Result<OwnedFd> {
    Ok(sys::accept(listener.as_fd())?)
}

/// The outcome of [`accept_now`].
#[derive(Debug)]
pub enum AcceptedNow {
    /// The next connection, as [`try_accept`] describes it.
    Connection(OwnedFd),
    /// No client waits.
    Empty,
    /// A client waits and there is no descriptor or memory for it ([`is_exhaustion`]): try again after a pause.
    Exhausted(io::Error),
}

/// Takes the next connection that was not aborted, and distinguishes an exhausted system from an empty queue. Needs no
/// runtime.
///
/// # Errors
///
/// `EINVAL` when the socket does not listen, and whatever else `accept` reports that a pause does not mend.
pub fn accept_now(listener: impl AsFd) -> io::Result<AcceptedNow> {
    let listener = listener.as_fd();
    loop {
        let error = match sys::accept(listener) {
            Ok(connection) => return Ok(AcceptedNow::Connection(connection)),
            Err(Errno::CONNABORTED | Errno::INTR) => continue,
            Err(Errno::AGAIN) => return Ok(AcceptedNow::Empty),
            Err(error) => error,
        };
        if !is_exhaustion(error.raw_os_error()) {
            return Err(error.into());
        }
        // Linux takes a descriptor before it looks for a client. If poll fails, assume that a client is queued: a false
        // negative would strand it.
        return Ok(match transfer::is_readable(listener) {
            Ok(false) => AcceptedNow::Empty,
            _ => AcceptedNow::Exhausted(error.into()),
        });
    }
}
