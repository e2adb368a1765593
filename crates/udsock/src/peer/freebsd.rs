//! FreeBSD: `LOCAL_PEERCRED`, whose first group is the effective one, and which tells the process since 13.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::PeerCredentials;

pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let credentials = ask(socket)?;
    let [gid, ..] = credentials.cr_groups;
    // SAFETY: all bits of the union are initialized (with zeros at least), and every pattern is a `pid_t`.
    let pid = unsafe { credentials.cr_pid__c_anonymous_union.cr_pid };
    Ok(PeerCredentials { uid: credentials.cr_uid, gid, pid: PeerCredentials::visible(pid) })
}

/// The first 16 of the peer's groups.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let credentials = ask(socket)?;
    let count = usize::try_from(credentials.cr_ngroups).unwrap_or(0);
    Ok(credentials.cr_groups.into_iter().take(count).collect())
}

fn ask(socket: BorrowedFd<'_>) -> io::Result<libc::xucred> {
    // SAFETY: every field of `xucred` is an integer, an array of integers or a union with a pointer, for
    // which zero is a value.
    let mut credentials: libc::xucred = unsafe { zeroed() };
    let mut length = size_of::<libc::xucred>() as libc::socklen_t;
    // SAFETY: the buffer is a live `xucred`, and `length` is its size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_LOCAL,
            libc::LOCAL_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(credentials) } else { Err(io::Error::last_os_error()) }
}
