//! Addresses. An [`Address`] always holds exactly the bytes that the kernel compares, in the form in which system calls
//! take them, and is valid from the start: it is never truncated or padded.

mod convert;
mod error;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use self::error::AddressError;
use crate::sys;

/// The longest pathname in bytes, without a terminator: 108 on Linux and Android, 104 on macOS and FreeBSD.
pub const MAX_PATHNAME: usize = sys::PATH_CAPACITY;

/// The longest abstract name in bytes, without the zero byte that precedes it.
const MAX_ABSTRACT_NAME: usize = MAX_PATHNAME - 1;

/// The address of a Unix-domain socket: a pathname, an abstract name, or none.
///
/// Two addresses are equal if their bytes are. Different pathnames may still name the same file. The kernel resolves a
/// relative pathname against the working directory at the time of use.
///
/// # Examples
///
/// ```
/// use udsock::{Address, AddressError};
///
/// let address = Address::pathname("/run/app.sock")?;
/// assert_eq!(address.as_pathname(), Some("/run/app.sock".as_ref()));
/// assert_eq!(Address::pathname("a\0b"), Err(AddressError::ContainsNul { position: 1 }));
/// # Ok::<(), AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Empty: unnamed. A leading zero byte: abstract. Anything else: a pathname without NUL.
    bytes: Box<[u8]>,
}

impl Address {
    /// The address of a socket in the file system.
    ///
    /// # Errors
    ///
    /// [`Empty`](AddressError::Empty), [`ContainsNul`](AddressError::ContainsNul), or
    /// [`TooLong`](AddressError::TooLong) beyond [`MAX_PATHNAME`] bytes.
    pub fn pathname(path: impl AsRef<[u8]>) -> Result<Self, AddressError> {
        let path = path.as_ref();
        if path.is_empty() {
            return Err(AddressError::Empty);
        }
        if let Some(position) = path.iter().position(|&byte| byte == 0) {
            return Err(AddressError::ContainsNul { position });
        }
        if path.len() > MAX_PATHNAME {
            return Err(AddressError::TooLong { limit: MAX_PATHNAME, length: path.len() });
        }
        Ok(Self { bytes: path.into() })
    }

    /// An address in Linux's abstract namespace, which has no file.
    ///
    /// `name` comes without the zero byte that marks it. Every byte of it counts, zero bytes included, and it
    /// may be empty.
    ///
    /// # Errors
    ///
    /// [`TooLong`](AddressError::TooLong) beyond 107 bytes, and
    /// [`AbstractUnsupported`](AddressError::AbstractUnsupported) where the platform has no such namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(any(target_os = "linux", target_os = "android"))] {
    /// let address = udsock::Address::abstract_name(b"app\0control")?;
    /// assert_eq!(address.as_abstract_name(), Some(&b"app\0control"[..]));
    /// assert_eq!(address.as_bytes(), b"\0app\0control");
    /// # }
    /// # Ok::<(), udsock::AddressError>(())
    /// ```
    pub fn abstract_name(name: &[u8]) -> Result<Self, AddressError> {
        if !sys::HAS_ABSTRACT_NAMES {
            return Err(AddressError::AbstractUnsupported);
        }
        if name.len() > MAX_ABSTRACT_NAME {
            return Err(AddressError::TooLong { limit: MAX_ABSTRACT_NAME, length: name.len() });
        }
        Ok(Self { bytes: [&[0], name].concat().into() })
    }

    /// The address that [`as_bytes`](Self::as_bytes) describes: behind a leading zero byte an abstract name,
    /// else a pathname.
    ///
    /// # Errors
    ///
    /// Those of [`pathname`](Self::pathname) and [`abstract_name`](Self::abstract_name). No bytes at all are
    /// [`Empty`](AddressError::Empty): only the kernel gives out unnamed addresses.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddressError> {
        match bytes {
            [0, name @ ..] => Self::abstract_name(name),
            path => Self::pathname(path),
        }
    }

    /// The address of a socket that was never bound. Only the kernel and std give it out.
    fn unnamed() -> Self {
        Self { bytes: Box::default() }
    }

    /// The bytes of the address: a pathname's, or a zero byte and the abstract name, or none if it is
    /// unnamed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// [`as_bytes`](Self::as_bytes), owned.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// The pathname, if the address is one.
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        match self.as_bytes() {
            [] | [0, ..] => None,
            path => Some(Path::new(OsStr::from_bytes(path))),
        }
    }

    /// The abstract name without its leading zero byte, if the address is one.
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        match self.as_bytes() {
            [0, name @ ..] => Some(name),
            _ => None,
        }
    }

    /// Whether this is the address of a socket that was never bound, as most clients' are.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The address that a socket is bound to.
    ///
    /// A pathname is the one given to `bind`, even if the file has been renamed or removed since.
    ///
    /// # Errors
    ///
    /// `ENOTSOCK` if `fd` is no socket, `EAFNOSUPPORT` if it is one of another family, and whatever else
    /// `getsockname` reports.
    pub fn local(fd: impl AsFd) -> io::Result<Self> {
        Self::from_kernel(&sys::local_name(fd.as_fd())?)
    }

    /// The address that the other end of a connection is bound to.
    ///
    /// For a connection made by [`connect`](crate::connect()) this is the listener's. For an accepted one it
    /// is what the client bound itself to: usually nothing, otherwise the client's choice, which proves nothing.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` if the socket is not connected, `ENOTSOCK` if `fd` is no socket, `EAFNOSUPPORT` if it is
    /// one of another family, and whatever else `getpeername` reports.
    pub fn peer(fd: impl AsFd) -> io::Result<Self> {
        Self::from_kernel(&sys::peer_name(fd.as_fd())?)
    }

    /// Decodes the bytes that follow the family in an address of the kernel's.
    ///
    /// A pathname ends at its terminator; one that fills the field has none, or has it one byte behind the
    /// field, which is why Linux reports lengths up to 111.
    pub(crate) fn from_kernel(bytes: &[u8]) -> io::Result<Self> {
        match significant(bytes) {
            [] => Ok(Self::unnamed()),
            bytes => Ok(Self::from_bytes(bytes)?),
        }
    }
}

/// Returns the bytes of an address among those that follow the family in one of the kernel's.
pub(crate) fn significant(bytes: &[u8]) -> &[u8] {
    if sys::HAS_ABSTRACT_NAMES && bytes.first() == Some(&0) {
        return bytes;
    }
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.as_pathname(), self.as_abstract_name()) {
            (Some(path), _) => write!(f, "{path:?} (pathname)"),
            (_, Some(name)) => write!(f, "\"{}\" (abstract)", name.escape_ascii()),
            (None, None) => f.write_str("(unnamed)"),
        }
    }
}

#[cfg(test)]
#[path = "address/tests.rs"]
mod tests;

#[cfg(test)]
mod properties;
