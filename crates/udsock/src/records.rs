//! Records: the messages of sockets of type [`Packet`](crate::SocketType::Packet) and [`Datagram`](crate::SocketType::Datagram), many a
//! system call. No function here waits or needs a runtime, and none raises `SIGPIPE` on a socket that this crate has made or
//! [`prepare`](crate::transfer::prepare)d.
//!
//! A record is sent whole or not at all. It may be empty; on Linux, the reader of a connection distinguishes an empty one from the end, because
//! every record comes with a control message once [`mark_records`] was called, and the end with none.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::address::{Address, significant};
use crate::peer::PeerCredentials;
use crate::sys::records::{
    Batch, MARKS_RECORDS, MOST_RECORDS, MOST_SENT, Places, send_record_with, send_records,
};
use crate::sys::{self, Sockaddr};
use crate::transfer::RawSlice;
use crate::{SocketType, fault};

/// Records that one receive takes at most: 1 where the system has no call for more.
pub const MOST_RECEIVED: usize = MOST_RECORDS;

/// Records that one send takes at most.
pub const MOST_IN_SEND: usize = MOST_SENT;

/// The outcome of a receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceivedRecords {
    /// At least one record was received.
    Records {
        /// How many records.
        count: usize,
        /// Whether nothing was left behind them.
        was_last: bool,
    },
    /// The connection has ended.
    End,
    /// Nothing has arrived (`EAGAIN`).
    Empty,
}

/// The outcome of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SentRecords {
    /// The kernel took this many records, the first ones.
    Records(usize),
    /// The kernel has no room and took nothing (`EAGAIN`).
    Full,
}

/// A record that was received.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it begins in the memory of the receive.
    pub start: usize,
    /// How many bytes of it there are.
    pub length: usize,
    /// Whether it was longer than [`RecordPlaces::longest`], and its rest is lost.
    pub is_truncated: bool,
    /// Whether descriptors, or other control messages, were lost on the way: this process had no room for them (`EMFILE`).
    pub is_cut: bool,
    /// The sender's address as [`Address::as_bytes`] has it; none for a connection, and from an unbound sender.
    pub from: &'a [u8],
    /// The sender, after [`pass_credentials`](crate::pass_credentials).
    pub sender: Option<PeerCredentials>,
}

/// Memory to receive into: as many places as fit, one after the other, each for one record.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlaces<'a> {
    memory: *mut [u8],
    borrows: PhantomData<&'a mut [u8]>,
    /// Bytes in front of each record that are left for the caller's use.
    pub head: usize,
    /// Bytes of the longest record; the rest of a longer one is lost.
    pub longest: usize,
}

impl<'a> RecordPlaces<'a> {
    /// Places start at multiples of this.
    pub const ALIGNMENT: usize = 8;

    /// Memory of Rust's.
    pub fn of(memory: &'a mut [u8], head: usize, longest: usize) -> Self {
        Self { memory, borrows: PhantomData, head, longest }
    }

    /// Memory to which there is no reference.
    ///
    /// # Safety
    ///
    /// It must be writable during each receive into it.
    pub unsafe fn raw(memory: *mut [u8], head: usize, longest: usize) -> Self {
        Self { memory, borrows: PhantomData, head, longest }
    }

    /// Bytes that a record of this length takes, with what is in front of it: [`usize::MAX`] if they are more than that.
    pub fn size(self, length: usize) -> usize {
        let size =
            self.head.checked_add(length).and_then(|size| size.checked_next_multiple_of(Self::ALIGNMENT));
        size.unwrap_or(usize::MAX).max(Self::ALIGNMENT)
    }

    fn places(self) -> Places {
        let stride = self.size(self.longest);
        Places { memory: self.memory, stride, offset: self.head, longest: self.longest }
    }

    /// How many records fit, at most [`MOST_RECEIVED`].
    pub fn count(self) -> usize {
        self.places().count()
    }
}

/// The headers, addresses and control messages of a receive, to be used for many receives. It grows with the places that it is used for, up to
/// 150 KiB.
#[derive(Default)]
pub struct RecordBatch {
    batch: Batch,
    /// Bytes from one place to the next, and in front of each record.
    layout: [usize; 2],
}

impl RecordBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Receives records, at most `most` and one for each place; `sink` takes the descriptors that came with them.
    ///
    /// # Errors
    ///
    /// * `EINVAL`: no place fits into the memory, or `most` is 0.
    /// * `ECONNRESET`, and whatever else `recvmmsg` or `recvmsg` report. An error that follows records comes with the next
    ///   receive.
    pub fn receive(
        &mut self,
        socket: impl AsFd,
        socket_type: SocketType,
        places: RecordPlaces<'_>,
        most: usize,
        mut sink: impl FnMut(OwnedFd),
    ) -> io::Result<ReceivedRecords> {
        let socket = socket.as_fd();
        let within = places.places();
        let asked = within.count().min(most);
        if asked == 0 {
            return Err(Errno::INVAL.into());
        }
        self.layout = [within.stride, within.offset];
        let with_names = socket_type == SocketType::Datagram;
        loop {
            let mut is_shortened = false;
            let received = fault::transfer("recvmmsg", |at_most| {
                let asked = at_most.map_or(asked, |at_most| asked.min(at_most));
                is_shortened = at_most.is_some();
                if asked == 0 {
                    return Ok(0);
                }
                // SAFETY: the memory is writable, by the contract of `RecordPlaces`.
                unsafe { self.batch.receive(socket, within, asked, with_names, &mut sink) }
            });
            let count = match received {
                Ok(0) if socket_type != SocketType::Datagram => return Ok(ReceivedRecords::End),
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(ReceivedRecords::Empty),
                Err(errno) => return Err(errno.into()),
            };
            // Every place behind the end of a connection is filled with the end.
            let end = match socket_type {
                SocketType::Datagram => None,
                _ => (0..count).position(|index| self.is_end(index)),
            };
            let was_last = MOST_RECORDS > 1 && count < asked && !is_shortened;
            return Ok(match end {
                None => ReceivedRecords::Records { count, was_last },
                Some(0) => ReceivedRecords::End,
                Some(count) => ReceivedRecords::Records { count, was_last: false },
            });
        }
    }

    fn is_end(&self, index: usize) -> bool {
        let is_record =
            |record: sys::records::Described<'_>| record.length > 0 || (MARKS_RECORDS && record.is_marked);
        !self.batch.describe(index).is_some_and(is_record)
    }

    /// A batch whose last receive has brought an empty record, of which the kernel has written the rest.
    #[cfg(fuzzing)]
    pub(crate) fn filled(name: &[u8], named: usize, control: &[u8], flags: i32) -> Self {
        let mut filled = Self::new();
        filled.batch.fill(name, named, control, flags);
        filled
    }

    /// Returns a record of the last receive.
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        let described = self.batch.describe(index)?;
        let [stride, head] = self.layout;
        Some(Record {
            start: index * stride + head,
            length: described.length,
            is_truncated: described.is_truncated,
            is_cut: described.is_cut,
            from: significant(described.name),
            sender: described.sender,
        })
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch").finish_non_exhaustive()
    }
}

/// Readies a connection of type [`Packet`](SocketType::Packet) for receiving: on Linux, every record then comes with a control message
/// (`SO_TIMESTAMP`), also where another process receives it.
///
/// # Errors
///
/// Those of `setsockopt`.
pub fn mark_records(socket: impl AsFd) -> io::Result<()> {
    Ok(sys::mark_records(socket.as_fd(), true)?)
}

/// Whether the next receive on a connection after [`mark_records`] finds a record, which may be empty, and not the end. Takes nothing, but an error.
/// Where records have no marks the answer is no.
///
/// # Errors
///
/// `EAGAIN` when nothing has arrived; `ECONNRESET`, and whatever else `recvmsg` reports.
pub fn is_record_next(socket: impl AsFd) -> io::Result<bool> {
    Ok(fault::call("recvmsg", || sys::records::is_record_next(socket.as_fd()))?)
}

/// Undoes [`mark_records`] and [`pass_credentials`](crate::pass_credentials): records come as they do on a socket that the kernel has just made. For
/// a socket that leaves this program.
///
/// # Errors
///
/// Those of `setsockopt`.
pub fn unmark_records(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    // Only Linux has credentials with each record.
    let _ = sys::pass_credentials(socket, false);
    Ok(sys::mark_records(socket, false)?)
}

/// Sends records in order, at most [`MOST_IN_SEND`], to the receiver that the socket is connected to, or to `to`.
///
/// # Errors
///
/// They concern the first record alone, of which nothing was sent.
///
/// * `EMSGSIZE`: it is longer than the send buffer.
/// * `EPIPE` or `ECONNRESET`: the peer of a connection is gone.
/// * `ECONNREFUSED`, `ENOENT`, `ENOTCONN`: there is no receiver of datagrams.
/// * Whatever else `send`, `sendmsg` or `sendmmsg` report.
///
/// # Safety
///
/// Every slice must be readable during the call. Other threads may write to it meanwhile.
pub unsafe fn send_raw(
    socket: impl AsFd,
    records: &[RawSlice],
    to: Option<&Address>,
) -> io::Result<SentRecords> {
    let socket = socket.as_fd();
    send(to, |most, to| {
        let count = most.unwrap_or(usize::MAX).min(records.len());
        match records.get(..count) {
            None | Some([]) => Ok(0),
            // SAFETY: by this function's contract.
            Some(records) => unsafe { send_records(socket, records, to) },
        }
    })
}

/// Sends one record with descriptors, at most [`MOST_DESCRIPTORS`](crate::transfer::MOST_DESCRIPTORS), whole or not at all. They stay open here.
///
/// # Errors
///
/// * `EINVAL`: there are no descriptors, or too many.
/// * `ETOOMANYREFS`: too many descriptors of this user are under way, and have not been received.
/// * Those of [`send_raw`].
///
/// # Safety
///
/// The record must be readable during the call. Other threads may write to it meanwhile.
pub unsafe fn send_with_raw(
    socket: impl AsFd,
    record: RawSlice,
    descriptors: &[BorrowedFd<'_>],
    to: Option<&Address>,
) -> io::Result<SentRecords> {
    if !(1..=crate::transfer::MOST_DESCRIPTORS).contains(&descriptors.len()) {
        return Err(Errno::INVAL.into());
    }
    let socket = socket.as_fd();
    send(to, |most, to| {
        if most == Some(0) {
            return Ok(0);
        }
        // SAFETY: by this function's contract.
        unsafe { send_record_with(socket, record, descriptors, to) }.map(|()| 1)
    })
}

/// Sends by `run`, which gets the most records to send, if a fault limits them, and returns how many the kernel has taken.
#[inline]
fn send(
    to: Option<&Address>,
    run: impl Fn(Option<usize>, Option<&Sockaddr>) -> Result<usize, Errno>,
) -> io::Result<SentRecords> {
    let to = to.map(|to| Sockaddr::new(to.as_bytes())).transpose()?;
    loop {
        match fault::transfer("sendmmsg", |most| run(most, to.as_ref())) {
            Ok(count) => return Ok(SentRecords::Records(count)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(SentRecords::Full),
            Err(errno) => return Err(errno.into()),
        }
    }
}
