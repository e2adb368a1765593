//! A descriptor that tokio's reactor watches.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::fault;

/// Registers `socket` for readability. It must not be swapped for another through `get_mut` afterwards.
///
/// Panics outside a tokio runtime with I/O enabled.
pub(crate) fn watch_readable(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    fault::call("epoll_ctl", || {
        // SAFETY: an `OwnedFd` is open as long as it lives, it moves into the `AsyncFd`, and no code replaces it
        // there.
        let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        watched.map_err(io::Error::from)
    })
}
