//! macOS and FreeBSD: a record a system call.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::Result;

use crate::sys::platform::{RECEIVE_FLAGS, SEND_FLAGS};
use crate::sys::transfer::counted;

/// A message, and its length once it was received.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) msg_hdr: libc::msghdr,
    pub(super) msg_len: libc::c_uint,
}

/// Records that one receive takes.
pub(crate) const MOST_RECORDS: usize = 1;

/// Whether every record comes with a control message. An empty record looks like an end here.
pub(crate) const MARKS_RECORDS: bool = false;

pub(crate) fn mark_records(_socket: BorrowedFd<'_>, _on: bool) -> Result<()> {
    Ok(())
}

/// An empty record looks like the end here.
pub(crate) fn is_record_next(_socket: BorrowedFd<'_>) -> Result<bool> {
    Ok(false)
}

pub(super) fn header(message: libc::msghdr) -> Header {
    Header { msg_hdr: message, msg_len: 0 }
}

/// Fills the first header.
///
/// # Safety
///
/// It must name memory that is writable during the call.
pub(super) unsafe fn receive(socket: RawFd, headers: &mut [Header]) -> Result<usize> {
    let Some(header) = headers.first_mut() else { return Ok(0) };
    // SAFETY: by this function's contract.
    let length = counted(unsafe { libc::recvmsg(socket, &raw mut header.msg_hdr, RECEIVE_FLAGS) })?;
    header.msg_len = length as libc::c_uint;
    Ok(1)
}

/// Sends what the headers name, up to the first that fails, and returns how many. The error of a later one comes back when it is sent
/// first.
///
/// # Safety
///
/// The headers must name memory that is readable during the call.
pub(super) unsafe fn send(socket: RawFd, headers: &mut [Header]) -> Result<usize> {
    for (index, header) in headers.iter().enumerate() {
        // SAFETY: by this function's contract.
        match counted(unsafe { libc::sendmsg(socket, &raw const header.msg_hdr, SEND_FLAGS) }) {
            Ok(_) => {}
            Err(errno) if index == 0 => return Err(errno),
            Err(_) => return Ok(index),
        }
    }
    Ok(headers.len())
}
