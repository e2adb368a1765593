//! Moving bytes on connected sockets, and asking what a socket has to read. No function here waits or needs a runtime, and
//! none raises `SIGPIPE` on a socket that this crate has made or [`prepare`]d.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, ioctl_fionread};
pub use rustix::net::Shutdown;

use crate::{SocketType, fault, sys};

/// The outcome of a receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// At least one byte was received.
    Bytes {
        /// How many bytes.
        length: usize,
        /// Whether a control message came with the bytes. It ends a receive early, so that a short one does not mean that
        /// nothing is left.
        is_split: bool,
        /// Whether descriptors, or other control messages, were lost on the way: this process had no room for them
        /// (`EMFILE`).
        is_cut: bool,
    },
    /// The stream has ended.
    End,
    /// Nothing has arrived (`EAGAIN`).
    Empty,
}

impl Received {
    fn new(length: usize, is_split: bool, is_cut: bool) -> Self {
        if length == 0 { Self::End } else { Self::Bytes { length, is_split, is_cut } }
    }
}

/// Descriptors that one message carries at most.
pub const MOST_DESCRIPTORS: usize = sys::MOST_DESCRIPTORS;

/// The outcome of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The kernel took this many bytes.
    Bytes(usize),
    /// The kernel has no room and took nothing (`EAGAIN`).
    Full,
}

/// Memory to send from: a start and a length that carry no lifetime. It may be memory that other threads write to, such as
/// a `SharedArrayBuffer`, to which there must be no Rust reference.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct RawSlice(libc::iovec);

impl RawSlice {
    /// No bytes.
    pub const EMPTY: Self = Self::new(std::ptr::null(), 0);

    /// The `length` bytes from `start`.
    pub const fn new(start: *const u8, length: usize) -> Self {
        Self(libc::iovec { iov_base: start.cast_mut().cast(), iov_len: length })
    }

    /// The first byte.
    pub const fn start(&self) -> *const u8 {
        self.0.iov_base.cast_const().cast()
    }

    /// How many bytes.
    pub const fn len(&self) -> usize {
        self.0.iov_len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same memory as slices that can be sent.
    pub fn of<'a>(slices: &'a [IoSlice<'_>]) -> &'a [Self] {
        // SAFETY: `IoSlice` has the layout of `iovec`, as the standard library guarantees, and so has `RawSlice`.
        unsafe { std::slice::from_raw_parts(slices.as_ptr().cast(), slices.len()) }
    }
}

/// Readies a socket that another process or library has made for [`send()`]: where a send cannot say "no `SIGPIPE`", the
/// socket does. A socket whose peer has gone takes no options there, and raises no signal.
///
/// # Errors
///
/// Those of `setsockopt`.
pub fn prepare(socket: impl AsFd) -> io::Result<()> {
    Ok(sys::without_sigpipe(socket.as_fd())?)
}

/// Receives at most `memory.len()` bytes, which must not be 0. Descriptors that came with the bytes are closed on this
/// thread, which may block.
///
/// # Errors
///
/// `ECONNRESET`, and whatever else `recv` reports.
pub fn receive(socket: impl AsFd, memory: &mut [u8]) -> io::Result<Received> {
    // SAFETY: the memory is exclusively borrowed for the whole call.
    unsafe { receive_raw(socket, memory) }
}

/// [`receive`] into memory to which there is no reference.
///
/// # Errors
///
/// Those of [`receive`].
///
/// # Safety
///
/// `memory` must be writable during the call.
pub unsafe fn receive_raw(socket: impl AsFd, memory: *mut [u8]) -> io::Result<Received> {
    let socket = socket.as_fd();
    transferred(memory, |memory| {
        // SAFETY: a part of the memory that this function's contract calls writable.
        unsafe { sys::recv(socket, memory) }.map(|length| Received::new(length, false, false))
    })
}

/// Receives at most `memory.len()` bytes, which must not be 0; `sink` takes the descriptors that came with them. It costs
/// more than [`receive`].
///
/// # Errors
///
/// `ECONNRESET`, and whatever else `recvmsg` reports.
pub fn receive_message(
    socket: impl AsFd,
    memory: &mut [u8],
    sink: impl FnMut(OwnedFd),
) -> io::Result<Received> {
    // SAFETY: the memory is exclusively borrowed for the whole call.
    unsafe { receive_message_raw(socket, memory, sink) }
}

/// [`receive_message`] into memory to which there is no reference.
///
/// # Errors
///
/// Those of [`receive_message`].
///
/// # Safety
///
/// `memory` must be writable during the call.
pub unsafe fn receive_message_raw(
    socket: impl AsFd,
    memory: *mut [u8],
    mut sink: impl FnMut(OwnedFd),
) -> io::Result<Received> {
    let socket = socket.as_fd();
    transferred(memory, |memory| {
        // SAFETY: a part of the memory that this function's contract calls writable.
        let received = unsafe { sys::recvmsg(socket, memory, &mut sink) };
        received.map(|(length, beside)| Received::new(length, beside.has_control, beside.is_cut))
    })
}

/// Receives into `memory`, or a first part of it, until it is not interrupted.
#[inline(always)]
fn transferred(
    memory: *mut [u8],
    mut receive: impl FnMut(*mut [u8]) -> Result<Received, Errno>,
) -> io::Result<Received> {
    loop {
        let received = fault::transfer("recv", |most| match most {
            None => receive(memory),
            Some(0) => Ok(Received::End),
            // A read that was shortened leaves bytes behind, as one that a control message ended.
            Some(most) => Ok(match receive(first_part(memory, most))? {
                Received::Bytes { length, is_cut, .. } => Received::Bytes { length, is_split: true, is_cut },
                nothing => nothing,
            }),
        });
        match received {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Received::Empty),
            outcome => return Ok(outcome?),
        }
    }
}

/// The first bytes of `memory`, at most `length`.
fn first_part(memory: *mut [u8], length: usize) -> *mut [u8] {
    std::ptr::slice_from_raw_parts_mut(memory.cast(), length.min(memory.len()))
}

/// Sends the slices in order with one system call.
///
/// # Errors
///
/// `EPIPE` or `ECONNRESET` when the peer is gone, and whatever else `sendmsg` reports.
pub fn send(socket: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<Sent> {
    // SAFETY: the slices are borrowed for the whole call.
    unsafe { send_raw(socket, RawSlice::of(slices)) }
}

/// [`send()`], from memory that other threads may write to meanwhile.
///
/// # Errors
///
/// Those of [`send()`].
///
/// # Safety
///
/// Every slice must be readable during the call.
pub unsafe fn send_raw(socket: impl AsFd, slices: &[RawSlice]) -> io::Result<Sent> {
    let socket = socket.as_fd();
    // SAFETY: by this function's contract; a part of a slice is as readable as the whole.
    sent(slices, |slices| unsafe { sys::send(socket, slices) })
}

/// Sends the slices in order, and descriptors, with one system call. With at least one byte the kernel has taken the descriptors, too.
/// They stay open here.
///
/// # Errors
///
/// * `EINVAL`: there are no bytes, no descriptors, or more than [`MOST_DESCRIPTORS`].
/// * `ETOOMANYREFS`: too many descriptors of this user are under way, and have not been received.
/// * Those of [`send()`].
///
/// # Examples
///
/// ```
/// use std::io::IoSlice;
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
/// use udsock::transfer::{Received, Sent, receive_message, send_message};
///
/// let (one, other) = UnixStream::pair()?;
/// let file = std::fs::File::open("/dev/null")?;
/// assert_eq!(send_message(&one, &[IoSlice::new(b"a file")], &[file.as_fd()])?, Sent::Bytes(6));
///
/// let (mut memory, mut descriptors) = ([0; 64], Vec::new());
/// let received = receive_message(&other, &mut memory, |descriptor| descriptors.push(descriptor))?;
/// assert!(matches!(received, Received::Bytes { length: 6, .. }));
/// assert_eq!(descriptors.len(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn send_message(
    socket: impl AsFd,
    slices: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<Sent> {
    // SAFETY: the slices are borrowed for the whole call.
    unsafe { send_message_raw(socket, RawSlice::of(slices), descriptors) }
}

/// [`send_message`], from memory that other threads may write to meanwhile.
///
/// # Errors
///
/// Those of [`send_message`].
///
/// # Safety
///
/// Every slice must be readable during the call.
pub unsafe fn send_message_raw(
    socket: impl AsFd,
    slices: &[RawSlice],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<Sent> {
    let is_possible = (1..=MOST_DESCRIPTORS).contains(&descriptors.len());
    if !is_possible || slices.iter().all(RawSlice::is_empty) {
        return Err(Errno::INVAL.into());
    }
    let socket = socket.as_fd();
    // SAFETY: by this function's contract; a part of a slice is as readable as the whole.
    sent(slices, |slices| unsafe { sys::send_with(socket, slices, descriptors) })
}

/// Sends slices, or a first part of them, until it is not interrupted.
#[inline(always)]
fn sent(slices: &[RawSlice], mut send: impl FnMut(&[RawSlice]) -> Result<usize, Errno>) -> io::Result<Sent> {
    loop {
        let sent = fault::transfer("send", |most| {
            let part;
            let slices = match most {
                None => slices,
                Some(most) => {
                    let first = slices.iter().find(|slice| !slice.is_empty()).unwrap_or(&RawSlice::EMPTY);
                    part = [RawSlice::new(first.start(), first.len().min(most))];
                    &part
                }
            };
            send(slices)
        });
        match sent {
            Ok(sent) => return Ok(Sent::Bytes(sent)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Sent::Full),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Returns two sockets that are connected to each other, non-blocking and close-on-exec. `refuse_rights`: see
/// [`refuse_rights`](crate::refuse_rights).
///
/// # Errors
///
/// `EMFILE`, and whatever else `socketpair` reports.
pub fn pair(socket_type: SocketType, refuse_rights: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = sys::socketpair(socket_type)?;
    if refuse_rights {
        // Where the kernel cannot refuse descriptors, the readers close them.
        let _ = sys::refuse_rights(one.as_fd());
        let _ = sys::refuse_rights(other.as_fd());
    }
    Ok((one, other))
}

/// Makes a socket as the kernel makes new ones: calls on it wait, and it takes descriptors. For a socket that leaves this program.
///
/// # Errors
///
/// Those of `ioctl`; what `setsockopt` reports of descriptors is left.
pub fn restore(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    let _ = sys::pass_rights(socket);
    Ok(fault::call("ioctl", || ioctl_fionbio(socket, false))?)
}

/// Ends a direction of a connection, or both.
///
/// # Errors
///
/// `ENOTCONN` on some systems when the peer is gone.
pub fn shutdown(socket: impl AsFd, how: Shutdown) -> io::Result<()> {
    let socket = socket.as_fd();
    Ok(uninterrupted(|| fault::call("shutdown", || rustix::net::shutdown(socket, how)))?)
}

/// Has the kernel refuse new clients of a listener, and keep those that are queued. It holds for the socket, in every
/// process that has it. From then on `poll` reports the listener as readable, also with an empty queue.
///
/// # Errors
///
/// `EOPNOTSUPP` elsewhere than on Linux, where only closing refuses clients.
pub fn refuse_newcomers(listener: impl AsFd) -> io::Result<()> {
    let listener = listener.as_fd();
    Ok(uninterrupted(|| fault::call("shutdown", || sys::refuse_newcomers(listener)))?)
}

/// Whether a read would find bytes, an end or an error, or an accept a client. Takes nothing, not even a pending error.
///
/// # Errors
///
/// Whatever `poll` reports.
pub fn is_readable(socket: impl AsFd) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(&socket, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(uninterrupted(|| fault::call("poll", || poll(&mut descriptors, Some(&now))))? > 0)
}

/// How many bytes of the peer's the kernel holds. It measures the queue and does not peek, because a peek would take the
/// error that the next read has to report.
///
/// # Errors
///
/// Whatever `ioctl` reports.
pub fn unread_bytes(socket: impl AsFd) -> io::Result<u64> {
    let socket = socket.as_fd();
    Ok(fault::call("ioctl", || ioctl_fionread(socket))?)
}

/// Raises the send buffer to `size` bytes if it is smaller. It stays where the kernel refuses.
pub fn raise_send_buffer(socket: impl AsFd, size: usize) {
    use rustix::net::sockopt::{set_socket_send_buffer_size, socket_send_buffer_size};
    let socket = socket.as_fd();
    let current = fault::call("getsockopt", || socket_send_buffer_size(socket));
    if current.is_ok_and(|current| current < size) {
        let _ = fault::call("setsockopt", || set_socket_send_buffer_size(socket, size));
    }
}

fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}
