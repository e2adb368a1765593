//! The credentials of the process at the other end of a connection.

use std::io;
use std::os::fd::AsFd;

use crate::sys;

/// The process that was at the other end when the connection was made.
///
/// The kernel recorded them then (at `connect` for a client, at `listen` for a listener). They do not change
/// when that process changes its user, passes the descriptor on, or ends. The `pid` may therefore belong
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
    /// The process; `None` where the system does not report it, or where this process cannot see it (as from within a
    /// container).
    pub pid: Option<u32>,
}

impl PeerCredentials {
    /// Returns the credentials of the peer of a connected socket.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` if the socket has never been connected, `ENOTSOCK` if `fd` is no socket, and whatever else
    /// the system call reports.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        Ok(sys::peer_credentials(fd.as_fd())?)
    }

    /// Returns the process `pid`; `None` for 0 and less, which mean a process that cannot be seen.
    pub(crate) fn visible(pid: libc::pid_t) -> Option<u32> {
        u32::try_from(pid).ok().filter(|&pid| pid != 0)
    }
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
