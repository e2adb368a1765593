//! The memory of one receive of many records, and the sends of many. Nothing here waits or raises SIGPIPE.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod mmsg;
#[cfg(any(target_os = "linux", target_os = "android"))]
use mmsg as platform;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod one;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use one as platform;

use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::io::Result;
use rustix::net::addr::SocketAddrArg;

use super::Sockaddr;
use super::control::{self, Control};
use super::platform::SEND_FLAGS;
use super::sockaddr::name_of;
use super::transfer::{counted, empty_message};
use crate::peer::PeerCredentials;
use crate::transfer::RawSlice;
use platform::Header;
pub(crate) use platform::{MARKS_RECORDS, MOST_RECORDS, is_record_next, mark_records};

/// Where one receive puts its records: places of equal size, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    /// The memory of all places.
    pub(crate) memory: *mut [u8],
    /// Bytes from one place to the next.
    pub(crate) stride: usize,
    /// Bytes of a place in front of its record.
    pub(crate) offset: usize,
    /// Bytes of the longest record. `offset + longest <= stride`.
    pub(crate) longest: usize,
}

impl Places {
    /// Returns how many places the memory has.
    pub(crate) fn count(self) -> usize {
        (self.memory.len() / self.stride.max(1)).min(MOST_RECORDS)
    }

    fn vector(self, index: usize) -> libc::iovec {
        let start = (index * self.stride + self.offset).min(self.memory.len());
        // SAFETY: at most the end of the memory.
        let start = unsafe { self.memory.cast::<u8>().add(start) };
        libc::iovec { iov_base: start.cast(), iov_len: self.longest }
    }
}

/// The kernel's description of a record.
pub(crate) struct Described<'a> {
    pub(crate) length: usize,
    pub(crate) is_truncated: bool,
    /// Whether a part of the control messages was lost.
    pub(crate) is_cut: bool,
    /// Whether the kernel has added a control message.
    pub(crate) is_marked: bool,
    /// The bytes that follow the family in the sender's address.
    pub(crate) name: &'a [u8],
    pub(crate) sender: Option<PeerCredentials>,
}

/// The headers, names and control messages of one receive. What always holds: all four have the same length, and the first
/// `filled` headers are what the last receive has filled in; their pointers are not used after it.
#[derive(Default)]
pub(crate) struct Batch {
    headers: Vec<Header>,
    vectors: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    filled: usize,
}

// SAFETY: the pointers lead into the batch's own memory, which moves with it, or are not used after their receive.
unsafe impl Send for Batch {}
// SAFETY: a shared batch is only read.
unsafe impl Sync for Batch {}

impl Batch {
    /// Has room for `count` records.
    fn grow(&mut self, count: usize) {
        while self.headers.len() < count {
            self.headers.push(platform::header(empty_message()));
            self.vectors.push(libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 });
            // SAFETY: integers and arrays of integers, for which zero is a value.
            self.names.push(unsafe { zeroed() });
            self.controls.push(Control::new());
        }
    }

    /// Receives records, at most `most`, and returns how many. `with_names`: asks for the senders' addresses. `sink` takes the descriptors.
    ///
    /// # Safety
    ///
    /// The memory of the places must be writable during the call.
    pub(crate) unsafe fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        places: Places,
        most: usize,
        with_names: bool,
        mut sink: impl FnMut(OwnedFd),
    ) -> Result<usize> {
        let count = places.count().min(most);
        self.filled = 0;
        self.grow(count);
        let parts =
            self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.names).zip(&mut self.controls);
        for (index, (((header, vector), name), control)) in parts.take(count).enumerate() {
            *vector = places.vector(index);
            let mut message = empty_message();
            message.msg_iov = vector;
            message.msg_iovlen = 1;
            control.lend(&mut message);
            if with_names {
                message.msg_name = ptr::from_mut(name).cast();
                message.msg_namelen = size_of_val(name) as _;
            }
            *header = platform::header(message);
        }
        let headers = self.headers.get_mut(..count).unwrap_or_default();
        // SAFETY: each header names a vector within the places, which are writable by this function's contract, and a name and
        // control memory of this batch.
        let filled = unsafe { platform::receive(socket.as_raw_fd(), headers) }?;
        self.filled = filled.min(count);
        for header in self.headers.iter().take(self.filled) {
            // SAFETY: the call has filled the header, its control memory is alive, and no other code takes the descriptors.
            unsafe { control::take(&header.msg_hdr, &mut sink) };
        }
        Ok(self.filled)
    }

    /// Makes an empty record the outcome of the last receive, as if the kernel had written its address, of which it says that it has `named`
    /// bytes, its control messages and its flags.
    #[cfg(fuzzing)]
    pub(crate) fn fill(&mut self, name: &[u8], named: usize, control: &[u8], flags: libc::c_int) {
        self.grow(1);
        let parts = self.headers.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        for ((header, storage), memory) in parts.take(1) {
            let mut message = empty_message();
            memory.lend_filled(&mut message, control);
            let name = name.get(..size_of_val(storage)).unwrap_or(name);
            // SAFETY: integers and arrays of integers, for which every value is one; the name is at most as long.
            unsafe {
                *storage = zeroed();
                ptr::copy_nonoverlapping(name.as_ptr(), ptr::from_mut(storage).cast(), name.len());
            }
            message.msg_name = ptr::from_mut(storage).cast();
            message.msg_namelen = named as _;
            message.msg_flags = flags;
            *header = platform::header(message);
        }
        self.filled = 1;
    }

    /// Describes a record of the last receive.
    pub(crate) fn describe(&self, index: usize) -> Option<Described<'_>> {
        let header = self.headers.get(index).filter(|_| index < self.filled)?;
        let message = &header.msg_hdr;
        #[allow(clippy::unnecessary_cast, reason = "the system decides how wide it is")]
        let named = if message.msg_name.is_null() { 0 } else { message.msg_namelen as usize };
        Some(Described {
            length: header.msg_len as usize,
            is_truncated: message.msg_flags & libc::MSG_TRUNC != 0,
            is_cut: message.msg_flags & libc::MSG_CTRUNC != 0,
            is_marked: message.msg_controllen > 0 || message.msg_flags & libc::MSG_CTRUNC != 0,
            name: self.names.get(index).map_or(&[], |storage| name_of(storage, named)),
            // SAFETY: the last receive has filled the header, and its control memory is that of this batch.
            sender: unsafe { control::sender(message) },
        })
    }
}

/// Sends records, each whole or not at all, and returns how many the kernel took: at least one. `to`: the receiver of them all; without it,
/// the one that the socket is connected to.
///
/// # Safety
///
/// Every slice must be readable during the call. Other threads may write to it meanwhile.
pub(crate) unsafe fn send_records(
    socket: BorrowedFd<'_>,
    records: &[RawSlice],
    to: Option<&Sockaddr>,
) -> Result<usize> {
    let socket = socket.as_raw_fd();
    if let ([only], None) = (records, to) {
        // SAFETY: the kernel reads what this function's contract calls readable.
        return counted(unsafe { libc::send(socket, only.start().cast(), only.len(), SEND_FLAGS) })
            .map(|_| 1);
    }
    if let ([only], Some(to)) = (records, to) {
        // SAFETY: the kernel reads what this function's contract calls readable, and `to`, which outlives the call.
        let sent = unsafe {
            to.with_sockaddr(|name, length| {
                libc::sendto(socket, only.start().cast(), only.len(), SEND_FLAGS, name.cast(), length)
            })
        };
        return counted(sent).map(|_| 1);
    }
    let mut headers = [platform::header(empty_message()); MOST_SENT];
    let count = records.len().min(MOST_SENT);
    let mut send = |name: *mut libc::c_void, length: usize| {
        for (header, record) in headers.iter_mut().zip(records) {
            header.msg_hdr.msg_name = name;
            header.msg_hdr.msg_namelen = length as _;
            // `RawSlice` is an `iovec`, through which sendmsg only reads.
            header.msg_hdr.msg_iov = ptr::from_ref(record).cast_mut().cast();
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: each header names one of the slices, which this function's contract calls readable, and `to`, which outlives
        // the call.
        unsafe { platform::send(socket, headers.get_mut(..count).unwrap_or_default()) }
    };
    match to {
        None => send(ptr::null_mut(), 0),
        // SAFETY: the pointer is used during the call alone.
        Some(to) => unsafe { to.with_sockaddr(|name, length| send(name.cast_mut().cast(), length as usize)) },
    }
}

/// Sends one record with descriptors, whole or not at all. `to`: as for [`send_records`].
///
/// # Safety
///
/// That of [`send_records`].
pub(crate) unsafe fn send_record_with(
    socket: BorrowedFd<'_>,
    record: RawSlice,
    descriptors: &[BorrowedFd<'_>],
    to: Option<&Sockaddr>,
) -> Result<()> {
    let mut control = Control::new();
    let mut message = empty_message();
    message.msg_iov = (&raw const record).cast_mut().cast();
    message.msg_iovlen = 1;
    control.give(&mut message, descriptors);
    let mut send = |name: *mut libc::c_void, length: usize| {
        message.msg_name = name;
        message.msg_namelen = length as _;
        // SAFETY: `message` names the record, which this function's contract calls readable, and `control` and `to`, which outlive
        // the call.
        counted(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, SEND_FLAGS) }).map(drop)
    };
    match to {
        None => send(ptr::null_mut(), 0),
        // SAFETY: the pointer is used during the call alone.
        Some(to) => unsafe { to.with_sockaddr(|name, length| send(name.cast_mut().cast(), length as usize)) },
    }
}

/// Records that one send takes.
pub(crate) const MOST_SENT: usize = 64;
