//! Linux and Android: many records a system call, recvmmsg(2) and sendmmsg(2).

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use rustix::io::Result;

use crate::sys::option::switch;
use crate::sys::platform::{RECEIVE_FLAGS, SEND_FLAGS};
use crate::sys::transfer::{counted, empty_message, last_errno};

pub(super) type Header = libc::mmsghdr;

/// Records that one receive takes.
pub(crate) const MOST_RECORDS: usize = 64;

/// Whether every record comes with a control message, which the end of a connection has not.
pub(crate) const MARKS_RECORDS: bool = true;

/// Has every record come with the time of its receipt (SO_TIMESTAMP), or with none. The alternative, SO_PASSCRED, gives the socket a name when it
/// sends.
pub(crate) fn mark_records(socket: BorrowedFd<'_>, on: bool) -> Result<()> {
    switch(socket, libc::SO_TIMESTAMP, on)
}

/// Whether a record is next, and not the end. It stays in the kernel, which reports that there is no room here for what marks it.
pub(crate) fn is_record_next(socket: BorrowedFd<'_>) -> Result<bool> {
    let mut message = empty_message();
    // SAFETY: the message names no memory.
    let received =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, RECEIVE_FLAGS | libc::MSG_PEEK) };
    counted(received).map(|_| message.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) != 0)
}

pub(super) fn header(message: libc::msghdr) -> Header {
    libc::mmsghdr { msg_hdr: message, msg_len: 0 }
}

/// Fills headers, and returns how many.
///
/// # Safety
///
/// The headers must name memory that is writable during the call.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "musl has the flags unsigned")]
pub(super) unsafe fn receive(socket: RawFd, headers: &mut [Header]) -> Result<usize> {
    let count = headers.len() as libc::c_uint;
    // SAFETY: by this function's contract; there is no timeout.
    let filled =
        unsafe { libc::recvmmsg(socket, headers.as_mut_ptr(), count, RECEIVE_FLAGS as _, ptr::null_mut()) };
    usize::try_from(filled).map_err(|_| last_errno())
}

/// Sends what the headers name, and returns how many of them.
///
/// # Safety
///
/// The headers must name memory that is readable during the call.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "musl has the flags unsigned")]
pub(super) unsafe fn send(socket: RawFd, headers: &mut [Header]) -> Result<usize> {
    let count = headers.len() as libc::c_uint;
    // SAFETY: by this function's contract.
    let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), count, SEND_FLAGS as _) };
    usize::try_from(sent).map_err(|_| last_errno())
}
