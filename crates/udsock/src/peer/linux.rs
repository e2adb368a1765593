//! Linux and Android: `SO_PEERCRED`. rustix's structure for it cannot represent the process 0 (one outside
//! our namespace), hence libc's.

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::PeerCredentials;
use crate::error::errno;

/// What the kernel answers where there is no user or group.
const NOBODY: u32 = u32::MAX;
#[cfg(not(target_os = "android"))]
use libc::SO_PEERGROUPS;
/// From asm-generic/socket.h: the libc crate has it for Linux alone.
#[cfg(target_os = "android")]
const SO_PEERGROUPS: libc::c_int = 59;
/// Most users have fewer groups.
const FEW_GROUPS: usize = 32;

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

/// The peer's supplementary groups, which Linux tells since 4.13.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; FEW_GROUPS];
    loop {
        let mut length = size_of_val(groups.as_slice()) as libc::socklen_t;
        // SAFETY: the buffer is a live slice of integers, and `length` is its size.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // Then it says how many there are; they cannot change any more.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}
