//! Linux and Android: `SO_PEERCRED`. rustix's structure for it cannot represent the process 0 (one outside
//! our namespace), hence libc's.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::PeerCredentials;
use crate::error::errno;

/// What the kernel answers where there is no user or group.
const NOBODY: u32 = u32::MAX;

pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let mut credentials = libc::ucred { pid: 0, uid: NOBODY, gid: NOBODY };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the buffer is a live `ucred`, made of integers only, and `length` is its size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let libc::ucred { pid, uid, gid } = credentials;
    if uid == NOBODY && gid == NOBODY {
        return Err(errno(libc::ENOTCONN));
    }
    Ok(PeerCredentials { uid, gid, pid: PeerCredentials::visible(pid) })
}
