//! getsockopt(2) and setsockopt(2), for the options and structures that rustix does not have.

use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Result;

use super::transfer::last_errno;

/// A type whose values are all bit patterns of its size, so that the kernel may write any.
///
/// # Safety
///
/// It consists of integers, pointers, and arrays and unions of them.
pub(super) unsafe trait Plain {}

// SAFETY: an integer.
unsafe impl Plain for i32 {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}

/// Reads an option into `values`. Returns how many bytes the kernel speaks of: those that it wrote or, after `ERANGE`, those
/// that it has.
pub(super) fn get<T: Plain>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    values: &mut [T],
) -> (usize, Result<()>) {
    let mut length = size_of_val(values) as libc::socklen_t;
    let memory = values.as_mut_ptr().cast();
    // SAFETY: the memory is exclusively borrowed, `length` is its size, and the kernel may write any bytes to it.
    let status = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, memory, &raw mut length) };
    (length as usize, if status == 0 { Ok(()) } else { Err(last_errno()) })
}

/// Reads an option into one value.
pub(super) fn get_one<T: Plain>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    mut value: T,
) -> Result<T> {
    get(socket, level, option, std::slice::from_mut(&mut value)).1.map(|()| value)
}

/// Turns an option of `SOL_SOCKET` on or off.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn switch(socket: BorrowedFd<'_>, option: libc::c_int, on: bool) -> Result<()> {
    let on = libc::c_int::from(on);
    let (value, length) = ((&raw const on).cast(), size_of_val(&on) as libc::socklen_t);
    // SAFETY: the option's value is one integer, which lives during the call.
    let status = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length) };
    if status == 0 { Ok(()) } else { Err(last_errno()) }
}
