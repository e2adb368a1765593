//! Who is at the other end of a connection.

#[cfg(target_vendor = "apple")]
#[path = "peer/apple.rs"]
mod platform;
#[cfg(target_os = "freebsd")]
#[path = "peer/freebsd.rs"]
mod platform;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "peer/linux.rs"]
mod platform;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::fault;

/// The process that was at the other end when the connection was made.
///
/// The kernel recorded them then (at `connect` for a client, at `listen` for a listener); they do not change
/// if that process changes its user, hands the descriptor to another, or ends. A `pid` may therefore belong
/// to another process by now: decide by `uid` and `gid`.
///
/// # Examples
///
/// ```
/// use udsock::PeerCredentials;
///
/// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
/// let peer = PeerCredentials::of(&ours)?;
/// assert_eq!(peer.pid, Some(std::process::id()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerCredentials {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The process, unless the system does not tell or it cannot be seen from this process (as from within a
    /// container).
    pub pid: Option<u32>,
}

impl PeerCredentials {
    /// The credentials of the peer of a connected socket.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` if the socket has never been connected, `ENOTSOCK` if `fd` is no socket, and whatever else
    /// the system's query reports.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        fault::call("getsockopt", || platform::peer_credentials(fd.as_fd()))
    }

    /// The process `pid`, where zero and less stand for one that cannot be seen.
    fn visible(pid: libc::pid_t) -> Option<u32> {
        u32::try_from(pid).ok().filter(|&pid| pid != 0)
    }
}

/// The peer's supplementary groups.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    fault::call("getsockopt", || platform::peer_groups(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invisible_process_has_no_pid() {
        assert_eq!(PeerCredentials::visible(0), None);
        assert_eq!(PeerCredentials::visible(-1), None);
        assert_eq!(PeerCredentials::visible(1), Some(1));
    }
}
