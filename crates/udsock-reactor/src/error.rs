//! Numbers of the system's errors.

use rustix::io::Errno;
use std::io;

/// Stands for a panic among the errnos: no call on a socket or a file reports it.
pub const PANICKED: Errno = Errno::from_raw_os_error(libc::ENOTRECOVERABLE);

/// Returns an errno as readers in other languages have it: below 0, and `i32::MIN` for [`PANICKED`].
pub fn negative(errno: Errno) -> i32 {
    if errno == PANICKED { i32::MIN } else { -errno.raw_os_error() }
}

/// Returns the number of an error of a socket.
pub(crate) fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Returns the number of an error of the poll object. Its EAGAIN must not be taken for a socket's, which promises that
/// readiness follows.
pub(crate) fn poll_errno(error: io::Error) -> Errno {
    match errno(error) {
        Errno::AGAIN => Errno::NOBUFS,
        errno => errno,
    }
}
