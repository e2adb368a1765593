//! Who may be at the other end.

use std::os::fd::AsFd;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::sync::OnceLock;

use crate::PeerCredentials;
use crate::peer::peer_groups;

/// The users and groups that may be at the other end of a connection.
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
    /// Allows the users `uids`, and who has one of the groups `gids`, be it his effective or a supplementary one.
    ///
    /// The overflow user and group ([`overflow_ids`]) are never allowed, listed or not: they stand for whoever has no
    /// number in this user namespace.
    pub fn new(uids: impl IntoIterator<Item = u32>, gids: impl IntoIterator<Item = u32>) -> Self {
        let overflow = overflow_ids();
        Allowed {
            uids: uids.into_iter().filter(|&uid| overflow.is_none_or(|(nobody, _)| uid != nobody)).collect(),
            gids: gids
                .into_iter()
                .filter(|&gid| overflow.is_none_or(|(_, nogroup)| gid != nogroup))
                .collect(),
        }
    }

    /// May the peer of this connected socket be there? No, where the system does not say who it is. Supplementary
    /// groups are asked for only if they decide; Linux tells them since 4.13, macOS and FreeBSD tell the first 16 groups.
    pub fn admits(&self, fd: impl AsFd) -> bool {
        let fd = fd.as_fd();
        let Ok(peer) = PeerCredentials::of(fd) else { return false };
        if self.uids.contains(&peer.uid) {
            return true;
        }
        // A group of somebody without a number here vouches for nobody.
        if self.gids.is_empty() || overflow_ids().is_some_and(|(nobody, _)| peer.uid == nobody) {
            return false;
        }
        self.gids.contains(&peer.gid)
            || peer_groups(fd).is_ok_and(|groups| groups.iter().any(|gid| self.gids.contains(gid)))
    }
}

/// What the kernel puts in the place of users and groups that have no number in this user namespace, as it was when this
/// was first asked; 65534 unless the administrator changed it. Only Linux has such.
///
/// Source: `/proc/sys/kernel/overflowuid` and `overflowgid` of proc(5).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn overflow_ids() -> Option<(u32, u32)> {
    static IDS: OnceLock<(u32, u32)> = OnceLock::new();
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(65534)
    };
    Some(*IDS.get_or_init(|| (read("overflowuid"), read("overflowgid"))))
}

/// What the kernel puts in the place of users and groups that have no number here: this one has numbers for all.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn overflow_ids() -> Option<(u32, u32)> {
    None
}
