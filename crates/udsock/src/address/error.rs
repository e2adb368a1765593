//! Why bytes are not an address.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::errno;

/// Why an [`Address`](crate::Address) could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AddressError {
    /// There are no bytes.
    Empty,
    /// A pathname contains a NUL byte, at which the kernel would truncate it.
    ContainsNul {
        /// How many bytes precede the first NUL.
        position: usize,
    },
    /// There are more bytes than the platform's addresses hold.
    TooLong {
        /// The largest number of bytes.
        limit: usize,
        /// The number of bytes, without the leading zero byte of an abstract name.
        length: usize,
    },
    /// The platform has no abstract namespace.
    AbstractUnsupported,
}

impl AddressError {
    /// Returns the number of the matching system error: `EINVAL`, `ENAMETOOLONG` or `EOPNOTSUPP`.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Empty | Self::ContainsNul { .. } => libc::EINVAL,
            Self::TooLong { .. } => libc::ENAMETOOLONG,
            Self::AbstractUnsupported => libc::EOPNOTSUPP,
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the address is empty"),
            Self::ContainsNul { position } => write!(f, "the pathname has a NUL byte at position {position}"),
            Self::TooLong { limit, length } => {
                write!(f, "the address has {length} bytes, more than the {limit} that fit")
            }
            Self::AbstractUnsupported => f.write_str("this platform has no abstract socket names"),
        }
    }
}

impl Error for AddressError {}

impl From<AddressError> for io::Error {
    /// An error with the number [`errno`](AddressError::errno), without the details.
    fn from(error: AddressError) -> Self {
        errno(error.errno())
    }
}
