//! macOS and its relatives: `getpeereid`, `LOCAL_PEERPID` and `LOCAL_PEERCRED`.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::PeerCredentials;

pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both pointers are to live integers of the types that the call wants.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PeerCredentials { uid, gid, pid: peer_pid(socket) })
}

/// The process, or `None`: unlike user and group it is not worth an error.
fn peer_pid(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut pid: libc::pid_t = 0;
    let mut length = size_of::<libc::pid_t>() as libc::socklen_t;
    // SAFETY: the buffer is a live integer, and `length` is its size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_LOCAL,
            libc::LOCAL_PEERPID,
            (&raw mut pid).cast(),
            &raw mut length,
        )
    };
    if result == 0 { PeerCredentials::visible(pid) } else { None }
}

/// The first 16 of the peer's groups.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // SAFETY: every field of `xucred` is an integer or an array of integers, for which zero is a value.
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
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(credentials.cr_ngroups).unwrap_or(0);
    Ok(credentials.cr_groups.into_iter().take(count).collect())
}
