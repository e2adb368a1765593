//! Linux and Android: flags are given at birth, and names may be abstract.

use std::fs::read_to_string;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::OnceLock;

use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SocketType, accept_with, socket_with};

pub(crate) use super::flags::*;
use super::option::{Plain, get, get_one, switch};
use super::transfer::last_errno;
use crate::peer::PeerCredentials;

pub(crate) const HAS_ABSTRACT_NAMES: bool = true;

/// From asm-generic/socket.h, which most architectures share; not yet in the libc crate.
const SO_PASSRIGHTS: libc::c_int = 83;
const SO_PASSPIDFD: libc::c_int = 76;
/// From linux/socket.h; not in every libc crate.
const SCM_PIDFD: libc::c_int = 4;
#[cfg(not(target_os = "android"))]
use libc::SO_PEERGROUPS;
/// From asm-generic/socket.h: the libc crate has it for Linux alone.
#[cfg(target_os = "android")]
const SO_PEERGROUPS: libc::c_int = 59;

/// Options by which the kernel adds something about the sender to what a reader receives.
pub(crate) const SENDER_OPTIONS: &[libc::c_int] = &[libc::SO_PASSCRED, libc::SO_PASSSEC, SO_PASSPIDFD];

/// Control messages of `SOL_SOCKET` whose data is descriptors.
pub(super) const DESCRIPTOR_MESSAGES: &[libc::c_int] = &[libc::SCM_RIGHTS, SCM_PIDFD];

/// The user and the group that the kernel reports where there is none.
const NOBODY: u32 = u32::MAX;
/// Most users have fewer groups.
const FEW_GROUPS: usize = 32;

/// The structure has no length field here.
pub(super) fn set_length(_raw: &mut libc::sockaddr_un, _length: usize) {}

/// Returns the abstract name in std's address.
pub(crate) fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
    address.as_abstract_name()
}

/// Returns std's address of an abstract name.
pub(crate) fn from_abstract_name(name: &[u8]) -> std::io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

/// Returns a new socket, non-blocking and close-on-exec.
pub(crate) fn socket(kind: SocketType) -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, kind, NEW, None)
}

/// Returns two sockets that are connected to each other, non-blocking and close-on-exec.
pub(crate) fn socketpair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(AddressFamily::UNIX, kind, NEW, None)
}

/// Takes one connection, non-blocking and close-on-exec, without asking for the client's address.
#[inline]
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    accept_with(listener, NEW)
}

/// Calls fchmodat2(2) on the file of an `O_PATH` descriptor: Linux 6.6, on every architecture that this package supports.
pub(crate) fn chmod_held(file: BorrowedFd<'_>, mode: u32) -> Result<()> {
    const FCHMODAT2: libc::c_long = 452;
    // SAFETY: the kernel reads the empty name, which is static, and nothing else of this process's memory.
    let outcome =
        unsafe { libc::syscall(FCHMODAT2, file.as_raw_fd(), c"".as_ptr(), mode, libc::AT_EMPTY_PATH) };
    if outcome == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The value of SO_PASSRIGHTS.
pub(crate) fn passes_rights(socket: BorrowedFd<'_>) -> Result<i32> {
    option(socket, SO_PASSRIGHTS)
}

/// Returns the value of a socket option that is one integer; -1 where the kernel reports success and writes none.
pub(crate) fn option(socket: BorrowedFd<'_>, option: libc::c_int) -> Result<i32> {
    let mut value = [-1];
    let (length, outcome) = get(socket, libc::SOL_SOCKET, option, &mut value);
    let [value] = value;
    outcome.map(|()| if length == size_of_val(&value) { value } else { -1 })
}

/// Clears SO_PASSRIGHTS, which Linux has from 6.16 on. A listener's connections inherit it.
pub(crate) fn refuse_rights(socket: BorrowedFd<'_>) -> Result<()> {
    switch(socket, SO_PASSRIGHTS, false)
}

/// Sets SO_PASSRIGHTS, as it is for a new socket.
pub(crate) fn pass_rights(socket: BorrowedFd<'_>) -> Result<()> {
    switch(socket, SO_PASSRIGHTS, true)
}

/// Calls shutdown(2) with SHUT_RD, which Linux takes for a listening Unix-domain socket.
pub(crate) fn refuse_newcomers(listener: BorrowedFd<'_>) -> Result<()> {
    rustix::net::shutdown(listener, rustix::net::Shutdown::Read)
}

// SAFETY: three integers.
unsafe impl Plain for libc::ucred {}

/// Returns the credentials in a control message of `SOL_SOCKET`, if it has them. The kernel reports the overflow user where it has recorded none:
/// of what was sent before the socket asked for credentials.
///
/// # Safety
///
/// `header` must be that of a control message which is `length` bytes long, header included.
pub(super) unsafe fn credentials(
    header: *const libc::cmsghdr,
    kind: libc::c_int,
    length: usize,
) -> Option<PeerCredentials> {
    // SAFETY: this only computes lengths and addresses.
    let (data, padded) =
        unsafe { (libc::CMSG_DATA(header).cast::<libc::ucred>(), libc::CMSG_LEN(0) as usize) };
    if kind != libc::SCM_CREDENTIALS || length < padded + size_of::<libc::ucred>() {
        return None;
    }
    // SAFETY: within the data, by this function's contract.
    let libc::ucred { pid, uid, gid } = unsafe { data.read_unaligned() };
    if pid == 0 && Some((uid, gid)) == overflow_ids() {
        return None;
    }
    Some(PeerCredentials { uid, gid, pid: PeerCredentials::visible(pid) })
}

/// Has every record come with its sender's credentials.
pub(crate) fn pass_credentials(socket: BorrowedFd<'_>, on: bool) -> Result<()> {
    rustix::net::sockopt::set_socket_passcred(socket, on)
}

/// rustix's structure cannot represent the process 0, which is one outside our namespace, hence libc's.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> Result<PeerCredentials> {
    let none = libc::ucred { pid: 0, uid: NOBODY, gid: NOBODY };
    let libc::ucred { pid, uid, gid } = get_one(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, none)?;
    if uid == NOBODY && gid == NOBODY {
        return Err(Errno::NOTCONN);
    }
    Ok(PeerCredentials { uid, gid, pid: PeerCredentials::visible(pid) })
}

/// The peer's supplementary groups, which Linux reports since 4.13.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; FEW_GROUPS];
    loop {
        let (length, outcome) = get(socket, libc::SOL_SOCKET, SO_PEERGROUPS, &mut groups);
        let count = length / size_of::<libc::gid_t>();
        match outcome {
            Ok(()) => {
                groups.truncate(count);
                return Ok(groups);
            }
            // The length is what all groups need; they do not change any more.
            Err(Errno::RANGE) if count > groups.len() => groups.resize(count, 0),
            Err(error) => return Err(error),
        }
    }
}

/// Reads the overflow user and group once: `/proc/sys/kernel/overflowuid` and `overflowgid` of proc(5).
pub(crate) fn overflow_ids() -> Option<(u32, u32)> {
    static IDS: OnceLock<(u32, u32)> = OnceLock::new();
    let read = |name: &str| {
        let text = read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(65534)
    };
    Some(*IDS.get_or_init(|| (read("overflowuid"), read("overflowgid"))))
}
