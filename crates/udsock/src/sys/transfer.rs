//! recv(2), recvmsg(2), send(2) and sendmsg(2), each made once. Nothing here waits or raises SIGPIPE.
//!
//! `#[inline]` has the caller's crate compile these functions: this crate is optimized for size, the reactor for speed.

use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};

use super::control::{self, Control};
use super::platform::{RECEIVE_FLAGS, SEND_FLAGS};
use crate::transfer::RawSlice;

/// Receives bytes, and returns how many. Descriptors that came with them are closed by the kernel, on this thread.
///
/// # Safety
///
/// `memory` must be writable during the call.
#[inline]
pub(crate) unsafe fn recv(socket: BorrowedFd<'_>, memory: *mut [u8]) -> Result<usize> {
    let (start, length) = (memory.cast(), memory.len());
    // SAFETY: the kernel writes what this function's contract calls writable.
    counted(unsafe { libc::recv(socket.as_raw_fd(), start, length, libc::MSG_DONTWAIT) })
}

/// The control messages that came with bytes.
pub(crate) struct Beside {
    /// Whether there was a control message.
    pub(crate) has_control: bool,
    /// Whether a part of the control messages was lost.
    pub(crate) is_cut: bool,
}

/// Receives bytes and control messages. Returns how many bytes, and what came with them; `sink` takes the descriptors.
///
/// # Safety
///
/// `memory` must be writable during the call.
pub(crate) unsafe fn recvmsg(
    socket: BorrowedFd<'_>,
    memory: *mut [u8],
    sink: impl FnMut(OwnedFd),
) -> Result<(usize, Beside)> {
    let mut vector = libc::iovec { iov_base: memory.cast(), iov_len: memory.len() };
    let mut control = Control::new();
    let mut message = empty_message();
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    control.lend(&mut message);
    // SAFETY: `message` names one vector, which is exactly `memory`, writable by this function's contract, and `control`,
    // which outlives the call.
    let length = counted(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, RECEIVE_FLAGS) })?;
    // SAFETY: the call has filled `message`, `control` is alive, and no other code takes the descriptors.
    let has_control = unsafe { control::take(&message, sink) };
    Ok((length, Beside { has_control, is_cut: message.msg_flags & libc::MSG_CTRUNC != 0 }))
}

/// Sends the slices in order, and returns how many bytes the kernel took.
///
/// # Safety
///
/// Every slice must be readable during the call. Other threads may write to it meanwhile.
#[inline]
pub(crate) unsafe fn send(socket: BorrowedFd<'_>, slices: &[RawSlice]) -> Result<usize> {
    let socket = socket.as_raw_fd();
    counted(match slices {
        // A tenth cheaper than the general call: it shows in ping.
        // SAFETY: the kernel reads what this function's contract calls readable.
        [only] => unsafe { libc::send(socket, only.start().cast(), only.len(), SEND_FLAGS) },
        _ => {
            let mut message = empty_message();
            // `RawSlice` is an `iovec`, through which sendmsg only reads.
            message.msg_iov = slices.as_ptr().cast_mut().cast();
            message.msg_iovlen = slices.len() as _;
            // SAFETY: `message` names exactly the vectors of `slices`, which this function's contract calls readable.
            unsafe { libc::sendmsg(socket, &raw const message, SEND_FLAGS) }
        }
    })
}

/// Sends the slices in order, with descriptors, and returns how many bytes the kernel took: with at least one byte, it
/// has taken the descriptors, too.
///
/// # Safety
///
/// That of [`send`].
pub(crate) unsafe fn send_with(
    socket: BorrowedFd<'_>,
    slices: &[RawSlice],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize> {
    let mut control = Control::new();
    let mut message = empty_message();
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    control.give(&mut message, descriptors);
    // SAFETY: `message` names exactly the vectors of `slices`, which this function's contract calls readable, and
    // `control`, which outlives the call.
    counted(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, SEND_FLAGS) })
}

#[inline]
pub(super) fn empty_message() -> libc::msghdr {
    // SAFETY: `msghdr` is a plain C structure of integers and pointers, for which zero is a value.
    unsafe { zeroed() }
}

#[inline]
pub(super) fn counted(outcome: libc::ssize_t) -> Result<usize> {
    usize::try_from(outcome).map_err(|_| last_errno())
}

#[inline]
pub(super) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
