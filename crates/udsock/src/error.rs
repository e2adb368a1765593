//! Errors of the crate. Every error that leaves it has the number of a system error.

use std::io;

/// Makes an error with the number `errno`.
pub(crate) fn errno(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// Adds a number to an error without one. tokio has such errors only for a runtime that is shutting down.
#[cfg(any(feature = "tokio", test))]
pub(crate) fn numbered(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() { error } else { errno(libc::ECANCELED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_number() {
        assert_eq!(numbered(io::Error::other("shutting down")).raw_os_error(), Some(libc::ECANCELED));
        assert_eq!(numbered(errno(libc::EPIPE)).raw_os_error(), Some(libc::EPIPE));
    }
}
