//! Conversions between [`Listener`] and the listeners of std and tokio. Connections need none: they are tokio's own type.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;

use tokio::net::UnixListener;

use super::Listener;
use crate::error::numbered;

impl Listener {
    /// Takes the socket out of the reactor as std's listener. It stays non-blocking, and its file stays.
    #[must_use]
    pub fn into_std(self) -> StdUnixListener {
        self.socket.into_inner().into()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.socket.into_inner()
    }
}

impl From<Listener> for StdUnixListener {
    /// As [`Listener::into_std`].
    fn from(listener: Listener) -> Self {
        listener.into_std()
    }
}

impl TryFrom<OwnedFd> for Listener {
    type Error = io::Error;

    /// As [`Listener::from_fd`].
    fn try_from(socket: OwnedFd) -> io::Result<Self> {
        Self::from_fd(socket)
    }
}

impl TryFrom<StdUnixListener> for Listener {
    type Error = io::Error;

    /// As [`Listener::from_fd`]: the socket becomes non-blocking.
    fn try_from(listener: StdUnixListener) -> io::Result<Self> {
        Self::from_fd(listener.into())
    }
}

impl TryFrom<UnixListener> for Listener {
    type Error = io::Error;

    /// Registers the socket anew, with the current runtime.
    fn try_from(listener: UnixListener) -> io::Result<Self> {
        listener.into_std().map_err(numbered)?.try_into()
    }
}

impl TryFrom<Listener> for UnixListener {
    type Error = io::Error;

    /// Registers the socket anew, with the current runtime. tokio's `accept` panics for clients that are bound to a pathname
    /// of the full 108 bytes; [`Listener::accept`] does not.
    fn try_from(listener: Listener) -> io::Result<Self> {
        Self::from_std(listener.into_std()).map_err(numbered)
    }
}
