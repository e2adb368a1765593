//! How to bind.

use std::time::Duration;

use crate::socket_type::SocketType;

/// What to do with a file that exists at the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum OnExisting {
    /// Fail with `EADDRINUSE`, whatever the file is.
    #[default]
    Error,
    /// Replace a socket file of this process's user on which no process listens. Any other file is `EADDRINUSE`.
    ReplaceStale,
    /// Replace a socket of the same type and of this process's user, live or not, so that at no instant a client finds the
    /// path without a listener. Any other file is `EADDRINUSE`.
    TakeOver,
}

/// How to bind.
///
/// # Examples
///
/// ```
/// use udsock::{BindOptions, OnExisting};
///
/// let options = BindOptions::new(4).mode(0o600).on_existing(OnExisting::ReplaceStale);
/// assert_eq!(options.backlog, 4);
/// assert_eq!(options.mode, Some(0o600));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BindOptions {
    /// The connections that the kernel queues for the listener, passed to it unchanged.
    pub backlog: i32,
    /// The permission bits of the file, at most `0o777`. They are exact whatever the umask is, and never wider for an
    /// instant. `None`: `0o777 & !umask`.
    pub mode: Option<u32>,
    /// What to do with a file that exists at the path.
    pub on_existing: OnExisting,
    /// How long to wait for the lock of the directory, which [`OnExisting::ReplaceStale`] and [`OnExisting::TakeOver`] hold
    /// for some microseconds, usually.
    pub lock_timeout: Duration,
    /// Whether the kernel refuses descriptors that clients send, where it can: see
    /// [`refuse_rights`](crate::refuse_rights). This is set before the socket is bound, so that it holds for the first
    /// client, too.
    pub refuse_rights: bool,
    /// Whether every record comes with its sender's credentials: see [`pass_credentials`](crate::pass_credentials). This is set before the socket is
    /// bound, so that it holds for the first record, too.
    pub pass_credentials: bool,
    /// The type of the socket. One of type [`SocketType::Datagram`] is bound and does not listen.
    pub socket_type: SocketType,
}

impl BindOptions {
    /// Returns the defaults: no mode, [`OnExisting::Error`], 5 s for the lock, a stream socket, descriptors are not refused,
    /// no credentials.
    #[must_use]
    pub const fn new(backlog: i32) -> Self {
        Self {
            backlog,
            mode: None,
            on_existing: OnExisting::Error,
            lock_timeout: Duration::from_secs(5),
            refuse_rights: false,
            pass_credentials: false,
            socket_type: SocketType::Stream,
        }
    }

    /// Sets [`backlog`](Self::backlog).
    #[must_use]
    pub const fn backlog(self, backlog: i32) -> Self {
        Self { backlog, ..self }
    }

    /// Sets [`mode`](Self::mode).
    #[must_use]
    pub fn mode(self, mode: impl Into<Option<u32>>) -> Self {
        Self { mode: mode.into(), ..self }
    }

    /// Sets [`on_existing`](Self::on_existing).
    #[must_use]
    pub const fn on_existing(self, on_existing: OnExisting) -> Self {
        Self { on_existing, ..self }
    }

    /// Sets [`lock_timeout`](Self::lock_timeout).
    #[must_use]
    pub const fn lock_timeout(self, lock_timeout: Duration) -> Self {
        Self { lock_timeout, ..self }
    }

    /// Sets [`refuse_rights`](Self::refuse_rights).
    #[must_use]
    pub const fn refuse_rights(self, refuse_rights: bool) -> Self {
        Self { refuse_rights, ..self }
    }

    /// Sets [`pass_credentials`](Self::pass_credentials).
    #[must_use]
    pub const fn pass_credentials(self, pass_credentials: bool) -> Self {
        Self { pass_credentials, ..self }
    }

    /// Sets [`socket_type`](Self::socket_type).
    #[must_use]
    pub const fn socket_type(self, socket_type: SocketType) -> Self {
        Self { socket_type, ..self }
    }
}
