//! `sockaddr_un`, to the kernel and back.

use std::io;
use std::mem::{offset_of, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::slice;

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};

use super::platform::set_length;
use crate::error::errno;
use crate::fault;

const PATH_OFFSET: usize = offset_of!(libc::sockaddr_un, sun_path);

/// How many bytes may follow the family in an address.
pub(crate) const PATH_CAPACITY: usize = size_of::<libc::sockaddr_un>() - PATH_OFFSET;

/// An address in the form that `bind` and `connect` take.
pub(crate) struct Sockaddr {
    raw: libc::sockaddr_un,
    length: SocketAddrLen,
}

impl Sockaddr {
    /// Encodes an address from `path`, which are the bytes that follow the family. The kernel gets their exact length and needs
    /// no terminator.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no bytes (an unnamed address), and `ENAMETOOLONG` for too many.
    pub(crate) fn new(path: &[u8]) -> io::Result<Self> {
        if path.is_empty() {
            return Err(errno(libc::EINVAL));
        }
        if path.len() > PATH_CAPACITY {
            return Err(errno(libc::ENAMETOOLONG));
        }
        let mut address = Self::unnamed();
        for (slot, &byte) in address.raw.sun_path.iter_mut().zip(path) {
            *slot = byte as libc::c_char;
        }
        let length = PATH_OFFSET + path.len();
        set_length(&mut address.raw, length);
        address.length = length as SocketAddrLen;
        Ok(address)
    }

    /// The address of no name, which has the kernel of Linux give one.
    pub(crate) fn unnamed() -> Self {
        // SAFETY: every field of `sockaddr_un` is an integer or an array of integers, for which zero is a
        // value.
        let mut raw: libc::sockaddr_un = unsafe { zeroed() };
        raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
        set_length(&mut raw, PATH_OFFSET);
        Self { raw, length: PATH_OFFSET as SocketAddrLen }
    }

    /// Encodes the address of a file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::new(path.as_os_str().as_bytes())
    }
}

// SAFETY: the pointer is to `raw`, an initialized `sockaddr_un` borrowed for the whole call, and `length`
// never exceeds its size: `new` bounds it by `PATH_OFFSET + PATH_CAPACITY`.
unsafe impl SocketAddrArg for Sockaddr {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f((&raw const self.raw).cast(), self.length)
    }
}

/// Returns the bytes that follow the family in the address that the socket is bound to.
pub(crate) fn local_name(socket: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // SAFETY: `name` passes a buffer and its size, as `getsockname` wants them.
    let query = |address, length| unsafe { libc::getsockname(socket.as_raw_fd(), address, length) };
    fault::call("getsockname", || name(query))
}

/// Returns the bytes that follow the family in the address that the peer is bound to.
pub(crate) fn peer_name(socket: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // SAFETY: `name` passes a buffer and its size, as `getpeername` wants them.
    let query = |address, length| unsafe { libc::getpeername(socket.as_raw_fd(), address, length) };
    fault::call("getpeername", || name(query))
}

/// Queries an address into a buffer that also has room for Linux's terminator behind a full `sun_path`.
fn name(query: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> i32) -> io::Result<Vec<u8>> {
    // SAFETY: every field of `sockaddr_storage` is an integer or an array of integers, for which zero is a
    // value.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let capacity = size_of::<libc::sockaddr_storage>();
    let mut length = capacity as libc::socklen_t;
    if query((&raw mut storage).cast(), &raw mut length) != 0 {
        return Err(io::Error::last_os_error());
    }
    let length = length as usize;
    // Some systems report an unnamed socket with no address at all, not even a family.
    if length > 0 && i32::from(storage.ss_family) != libc::AF_UNIX {
        return Err(errno(libc::EAFNOSUPPORT));
    }
    if length > capacity {
        return Err(errno(libc::ENAMETOOLONG));
    }
    Ok(name_of(&storage, length).to_vec())
}

/// Returns the bytes that follow the family in an address of `length` bytes that the kernel has written.
pub(super) fn name_of(storage: &libc::sockaddr_storage, length: usize) -> &[u8] {
    let length = length.min(size_of_val(storage));
    // SAFETY: `storage` is initialized throughout (first with zeros), and `length` is within it.
    let bytes = unsafe { slice::from_raw_parts(ptr::from_ref(storage).cast::<u8>(), length) };
    bytes.get(PATH_OFFSET..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use super::*;

    #[test]
    fn every_length_is_encoded_exactly() {
        for length in 1..=PATH_CAPACITY {
            let path: Vec<u8> = (1..=length as u8).collect();
            let address = Sockaddr::new(&path).unwrap();
            assert_eq!(i32::from(address.raw.sun_family), libc::AF_UNIX);
            // SAFETY: the pointer and length describe `address`, which outlives the copy.
            let bytes = unsafe {
                address.with_sockaddr(|start, length| {
                    slice::from_raw_parts(start.cast::<u8>(), length as usize).to_vec()
                })
            };
            assert_eq!(bytes.get(PATH_OFFSET..), Some(&path[..]));
        }
    }

    #[test]
    fn what_cannot_be_encoded_is_refused() {
        let refused =
            |length| Sockaddr::new(&vec![b'x'; length]).err().and_then(|error| error.raw_os_error());
        assert_eq!(refused(0), Some(libc::EINVAL));
        assert_eq!(refused(PATH_CAPACITY + 1), Some(libc::ENAMETOOLONG));
    }
}
