//! The part that macOS and FreeBSD have in common.

use std::mem::zeroed;
use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr;

use rustix::io::{Errno, Result};

use super::option::{Plain, get_one};
use crate::address::AddressError;
use crate::peer::PeerCredentials;

pub(crate) const HAS_ABSTRACT_NAMES: bool = false;

/// Control messages of `SOL_SOCKET` whose data is descriptors.
pub(in crate::sys) const DESCRIPTOR_MESSAGES: &[libc::c_int] = &[libc::SCM_RIGHTS];

/// The kernel adds nothing about the sender unasked.
pub(crate) const SENDER_OPTIONS: &[libc::c_int] = &[];

/// There are no abstract names here.
pub(crate) fn abstract_name(_address: &SocketAddr) -> Option<&[u8]> {
    None
}

pub(crate) fn from_abstract_name(_name: &[u8]) -> std::io::Result<SocketAddr> {
    Err(AddressError::AbstractUnsupported.into())
}

/// Sets the structure's own length, which is at most its size.
pub(in crate::sys) fn set_length(raw: &mut libc::sockaddr_un, length: usize) {
    raw.sun_len = length as u8;
}

/// The kernel does not say whether it passes descriptors on.
pub(crate) fn passes_rights(_socket: BorrowedFd<'_>) -> Result<i32> {
    Err(Errno::NOPROTOOPT)
}

pub(crate) fn option(_socket: BorrowedFd<'_>, _option: libc::c_int) -> Result<i32> {
    Err(Errno::NOPROTOOPT)
}

/// The kernel cannot refuse descriptors.
pub(crate) fn refuse_rights(_socket: BorrowedFd<'_>) -> Result<()> {
    Err(Errno::NOPROTOOPT)
}

/// The kernel passes descriptors on in any case.
pub(crate) fn pass_rights(_socket: BorrowedFd<'_>) -> Result<()> {
    Ok(())
}

/// Only closing refuses clients here.
pub(crate) fn refuse_newcomers(_listener: BorrowedFd<'_>) -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

/// The kernel adds no credentials of this form.
///
/// # Safety
///
/// None is needed.
pub(in crate::sys) unsafe fn credentials(
    _header: *const libc::cmsghdr,
    _kind: libc::c_int,
    _length: usize,
) -> Option<PeerCredentials> {
    None
}

pub(crate) fn pass_credentials(_socket: BorrowedFd<'_>, _on: bool) -> Result<()> {
    Err(Errno::OPNOTSUPP)
}

// SAFETY: integers, an array of integers, and a union of an integer and a pointer.
unsafe impl Plain for libc::xucred {}

/// The credentials of a socket's peer, with the first 16 of its groups.
pub(in crate::sys) fn local_peercred(socket: BorrowedFd<'_>) -> Result<libc::xucred> {
    // SAFETY: `xucred` is `Plain`, for which zero is a value.
    let none = unsafe { zeroed() };
    get_one(socket, libc::SOL_LOCAL, libc::LOCAL_PEERCRED, none)
}

/// The first 16 of the peer's groups.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> Result<Vec<u32>> {
    let credentials = local_peercred(socket)?;
    let count = usize::try_from(credentials.cr_ngroups).unwrap_or(0);
    Ok(credentials.cr_groups.into_iter().take(count).collect())
}

/// Every user and group has a number here.
pub(crate) fn overflow_ids() -> Option<(u32, u32)> {
    None
}
