//! Non-blocking receive and send on a connected stream socket: the system calls, and nothing else.

use crate::fault;
use rustix::io::Errno;
use rustix::net::Shutdown;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What one receive brought.
pub(crate) struct Received {
    /// Bytes; 0 is the end of the stream.
    pub(crate) length: usize,
    /// Ancillary data was there and has been discarded. It ends a read early, so a short one does not mean "drained".
    pub(crate) split: bool,
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Receives at most `memory.len()` bytes. Descriptors that a peer sends unasked are closed by the kernel; unless there can
/// be none (`bytes_alone`), the dearer `recvmsg` tells whether some were there.
pub(crate) fn receive(fd: BorrowedFd<'_>, memory: &mut [u8], bytes_alone: bool) -> Result<Received, Errno> {
    loop {
        let received = fault::transfer("recv", |most| match most {
            None => receive_once(fd, memory, bytes_alone),
            // An empty read would not be the end of the stream.
            Some(0) => Ok(Received { length: 0, split: false }),
            // What is left ends no read early but at ancillary data.
            Some(most) => {
                let part = memory.get_mut(..most).unwrap_or_default();
                receive_once(fd, part, bytes_alone).map(|received| Received { split: true, ..received })
            }
        });
        match received {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

fn receive_once(fd: BorrowedFd<'_>, memory: &mut [u8], bytes_alone: bool) -> Result<Received, Errno> {
    let (length, flags) = if bytes_alone {
        // SAFETY: the memory is exclusively borrowed for the whole call.
        let length = unsafe {
            libc::recv(fd.as_raw_fd(), memory.as_mut_ptr().cast(), memory.len(), libc::MSG_DONTWAIT)
        };
        (length, 0)
    } else {
        receive_message(fd, memory)
    };
    let length = usize::try_from(length).map_err(|_| last_errno())?;
    Ok(Received { length, split: flags & libc::MSG_CTRUNC != 0 })
}

/// Without room for ancillary data, so that its flags tell that there was some.
fn receive_message(fd: BorrowedFd<'_>, memory: &mut [u8]) -> (libc::ssize_t, libc::c_int) {
    let mut vector = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
    // SAFETY: `msghdr` is a plain C structure for which all zeroes is a valid, empty value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut vector;
    message.msg_iovlen = 1;
    // SAFETY: `message` names one vector, which is exactly the exclusive borrow `memory`; both outlive the call.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, libc::MSG_DONTWAIT) };
    (length, message.msg_flags)
}

/// Refuses descriptors that peers send unasked: their send fails with EPERM. A listener's connections inherit it.
/// False where the kernel cannot: Linux can from 6.16 on.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn refuse_rights(fd: BorrowedFd<'_>) -> bool {
    /// From asm-generic/socket.h, which most architectures share; not yet in the libc crate.
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    let refused = fault::call("setsockopt", || {
        // SAFETY: the option's value is one integer, which lives during the call.
        let status = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_PASSRIGHTS,
                (&raw const off).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if status == 0 { Ok(()) } else { Err(last_errno()) }
    });
    refused.is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn refuse_rights(_fd: BorrowedFd<'_>) -> bool {
    false
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
// No MSG_NOSIGNAL there: SO_NOSIGPIPE is set when the socket joins the reactor.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT;

/// Sends the slices in order with one system call and without SIGPIPE; returns how many bytes the kernel took.
pub(crate) fn send(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
    loop {
        let sent = fault::transfer("send", |most| match most {
            None => send_once(fd, slices),
            Some(most) => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                let part = first.and_then(|slice| slice.get(..most)).unwrap_or_default();
                send_once(fd, &[IoSlice::new(part)])
            }
        });
        match sent {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

fn send_once(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let sent = match slices {
        // A tenth cheaper than the general call: it shows in ping.
        // SAFETY: the slice's memory is borrowed for the whole call.
        [only] => unsafe { libc::send(fd.as_raw_fd(), only.as_ptr().cast(), only.len(), SEND_FLAGS) },
        _ => send_message(fd, slices),
    };
    usize::try_from(sent).map_err(|_| last_errno())
}

fn send_message(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> libc::ssize_t {
    // SAFETY: `msghdr` is a plain C structure for which all zeroes is a valid, empty value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // `IoSlice` is guaranteed to have the layout of `iovec`; sendmsg only reads through it.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    // SAFETY: `message` names exactly the vectors of `slices`, whose memory is borrowed for the whole call.
    unsafe { libc::sendmsg(fd.as_raw_fd(), &message, SEND_FLAGS) }
}

/// Ends a direction, or both.
pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: Shutdown) -> Result<(), Errno> {
    loop {
        match fault::call("shutdown", || rustix::net::shutdown(fd, how)) {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

/// Readies a descriptor for [`send`]: where a send cannot say "no SIGPIPE", the socket does.
pub(crate) fn prepare(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "tvos", target_os = "watchos"))]
    {
        rustix::net::sockopt::set_socket_nosigpipe(fd, true)?;
    }
    let _ = fd;
    Ok(())
}
