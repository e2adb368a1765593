//! Arguments from JavaScript as Rust has them. A number that is negative, fractional, too large or NaN is an error, never a cast.

use crate::constants::{SOCKET_DATAGRAM, SOCKET_PACKET, SOCKET_STREAM};
use std::time::Duration;
use udsock::Address;
use udsock_reactor::{Errno, LARGEST_WHOLE, Rights, SocketType, whole};

/// An integer from 0 to `u32::MAX`.
pub(crate) fn number(number: f64) -> Result<u32, Errno> {
    number_up_to(number, u32::MAX)
}

/// An integer from 0 to `most`.
pub(crate) fn number_up_to(number: f64, most: u32) -> Result<u32, Errno> {
    let number = whole(number, most.into())?;
    u32::try_from(number).map_err(|_| Errno::INVAL)
}

/// A backlog: an integer from 0 to `i32::MAX`.
pub(crate) fn backlog_of(backlog: f64) -> Result<i32, Errno> {
    i32::try_from(number(backlog)?).map_err(|_| Errno::INVAL)
}

/// A descriptor: an integer from 0 to `i32::MAX`. Any other number is EBADF.
pub(crate) fn descriptor_of(fd: f64) -> Result<i32, Errno> {
    backlog_of(fd).map_err(|_| Errno::BADF)
}

/// Numbers of users or groups.
pub(crate) fn numbers(given: Vec<f64>) -> Result<Vec<u32>, Errno> {
    given.into_iter().map(number).collect()
}

/// A limit in milliseconds, which may be a fraction of one; -1 is none.
pub(crate) fn timeout_of(milliseconds: f64) -> Result<Option<Duration>, Errno> {
    if milliseconds == -1.0 {
        return Ok(None);
    }
    if !(0.0..=LARGEST_WHOLE as f64).contains(&milliseconds) {
        return Err(Errno::INVAL);
    }
    Duration::try_from_secs_f64(milliseconds / 1e3).map(Some).map_err(|_| Errno::INVAL)
}

/// How descriptors that a peer sends are treated: they are closed (`discard`), or the kernel refuses them where it can.
pub(crate) fn rights_of(discard: bool) -> Rights {
    if discard { Rights::Discard } else { Rights::Refuse }
}

/// The type of a socket: one of the SOCKET numbers, a stream unless it is given.
pub(crate) fn socket_type_of(number: Option<f64>) -> Result<SocketType, Errno> {
    match number_up_to(number.unwrap_or(SOCKET_STREAM.into()), SOCKET_DATAGRAM)? {
        SOCKET_STREAM => Ok(SocketType::Stream),
        SOCKET_PACKET => Ok(SocketType::Packet),
        _ => Ok(SocketType::Datagram),
    }
}

/// An address, byte for byte.
pub(crate) fn address_of(bytes: &[u8]) -> Result<Address, Errno> {
    Address::from_bytes(bytes).map_err(|error| Errno::from_raw_os_error(error.errno()))
}
