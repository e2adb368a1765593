//! Why bytes are no address.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::errno;

/// Why an [`Address`](crate::Address) could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressError {
    /// There is not a single byte.
    Empty,
    /// A pathname has a NUL byte in it, where the kernel would cut it off.
    ContainsNul {
        /// How many bytes precede the first NUL.
        position: usize,
    },
    /// There are more bytes than the platform's addresses hold.
    TooLong {
        /// The most bytes there may be.
        limit: usize,
        /// The bytes there are; an abstract name's do not include its leading zero byte.
        length: usize,
    },
    /// The platform has no abstract namespace.
    AbstractUnsupported,
}

impl AddressError {
    /// The number of the system's error that says the same: `EINVAL`, `ENAMETOOLONG` or `EOPNOTSUPP`.
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
