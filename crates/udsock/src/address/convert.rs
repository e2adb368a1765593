//! Conversions between [`Address`] and text, paths and std's addresses.

use std::fmt::{self, Write};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use super::{Address, AddressError};
use crate::error::errno;
use crate::sys;

impl TryFrom<&Path> for Address {
    type Error = AddressError;

    /// As [`Address::pathname`].
    fn try_from(path: &Path) -> Result<Self, AddressError> {
        Self::pathname(path.as_os_str().as_bytes())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Parses the form that `ss`, systemd and D-Bus use, too: an abstract name behind `@`, otherwise a pathname. A relative
    /// pathname that begins with `@` is written `./@name`.
    ///
    /// # Examples
    ///
    /// ```
    /// use udsock::Address;
    ///
    /// let address: Address = "/run/app.sock".parse()?;
    /// assert_eq!(address, Address::pathname("/run/app.sock")?);
    /// # #[cfg(any(target_os = "linux", target_os = "android"))]
    /// assert_eq!("@app".parse::<Address>()?, Address::abstract_name(b"app")?);
    /// # Ok::<(), udsock::AddressError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('@') {
            Some(name) => Self::abstract_name(name.as_bytes()),
            None => Self::pathname(text),
        }
    }
}

impl fmt::Display for Address {
    /// Writes the form that [`FromStr`] parses; an unnamed address is written `(unnamed)`. What is no UTF-8 in a pathname and
    /// what is no printable ASCII in an abstract name is replaced or escaped, so not every text leads back to its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.as_pathname(), self.as_abstract_name()) {
            (Some(path), _) => {
                let prefix = if self.as_bytes().starts_with(b"@") { "./" } else { "" };
                write!(f, "{prefix}{}", path.display())
            }
            (_, Some(name)) => {
                f.write_str("@")?;
                name.iter().try_for_each(|&byte| match byte {
                    b' '..=b'~' => f.write_char(char::from(byte)),
                    _ => write!(f, "{}", byte.escape_ascii()),
                })
            }
            (None, None) => f.write_str("(unnamed)"),
        }
    }
}

impl TryFrom<&SocketAddr> for Address {
    type Error = AddressError;

    /// Converts an address of std or, by its `From`, of tokio. It fails for no address that either can hold.
    fn try_from(address: &SocketAddr) -> Result<Self, AddressError> {
        match (address.as_pathname(), sys::abstract_name(address)) {
            (Some(path), _) => Self::try_from(path),
            (_, Some(name)) => Self::abstract_name(name),
            (None, None) => Ok(Self::unnamed()),
        }
    }
}

impl TryFrom<&Address> for SocketAddr {
    type Error = io::Error;

    /// Converts to an address of std, which does not hold a pathname of the full [`MAX_PATHNAME`](crate::MAX_PATHNAME) bytes
    /// (`EINVAL`).
    fn try_from(address: &Address) -> io::Result<Self> {
        let converted = match address.as_abstract_name() {
            Some(name) => sys::from_abstract_name(name),
            None => Self::from_pathname(address.as_pathname().unwrap_or(Path::new(""))),
        };
        // std's own error has no number.
        converted.map_err(|_| errno(libc::EINVAL))
    }
}
