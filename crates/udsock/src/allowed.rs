//! Which users and groups are admitted.

use std::os::fd::AsFd;

use crate::PeerCredentials;
use crate::sys;

/// The users and groups that are admitted as peers.
///
/// # Examples
///
/// ```
/// use udsock::{Allowed, PeerCredentials};
///
/// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
/// let uid = PeerCredentials::of(&ours)?.uid;
/// assert!(Allowed::new([uid], []).admits(&ours));
/// assert!(!Allowed::new([uid + 1], []).admits(&ours));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    uids: Vec<u32>,
    gids: Vec<u32>,
}

impl Allowed {
    /// Admits the users `uids`, and users with one of the groups `gids`, effective or supplementary.
    ///
    /// The overflow user and group ([`overflow_ids`]) are never admitted, even if listed: they stand for every user and group
    /// without a number in this user namespace.
    #[must_use]
    pub fn new(uids: impl IntoIterator<Item = u32>, gids: impl IntoIterator<Item = u32>) -> Self {
        let overflow = overflow_ids();
        Allowed {
            uids: uids.into_iter().filter(|&uid| overflow.is_none_or(|(user, _)| uid != user)).collect(),
            gids: gids.into_iter().filter(|&gid| overflow.is_none_or(|(_, group)| gid != group)).collect(),
        }
    }

    /// Whether the peer of this connected socket is admitted. A peer whose credentials the system does not report is not.
    ///
    /// Supplementary groups are read only if they decide. Linux reports them since 4.13, macOS and FreeBSD the first 16 groups.
    #[must_use]
    pub fn admits(&self, fd: impl AsFd) -> bool {
        let fd = fd.as_fd();
        let Ok(peer) = PeerCredentials::of(fd) else { return false };
        if self.uids.contains(&peer.uid) {
            return true;
        }
        // The groups of a user without a number in this namespace do not count.
        if self.gids.is_empty() || overflow_ids().is_some_and(|(user, _)| peer.uid == user) {
            return false;
        }
        self.gids.contains(&peer.gid)
            || sys::peer_groups(fd).is_ok_and(|groups| groups.iter().any(|gid| self.gids.contains(gid)))
    }
}

/// Returns the numbers of the user and the group that stand for those without a number in this user namespace: 65534, unless
/// the administrator changed it before the first call. Only Linux has them.
///
/// Source: `/proc/sys/kernel/overflowuid` and `overflowgid` of proc(5).
pub fn overflow_ids() -> Option<(u32, u32)> {
    sys::overflow_ids()
}
