//! Events, and the memory that a poll writes them to. The binding's JavaScript reads both by their layout.

use std::marker::PhantomData;
use std::ptr;
use udsock::PeerCredentials;
use udsock::records::Record;

/// One report of [`Reactor::poll`](crate::Reactor::poll), laid out as four 32-bit integers for readers in other languages.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// The socket's slot; for `Completed` and `Note`, the request.
    pub subject: u32,
    /// The kind of the event.
    pub kind: EventKind,
    /// `Data`: bytes, at least 1. `Record`: bytes. `Error`: the [`negative`](crate::negative) errno. `Completed`: the new socket's slot, or the negative errno.
    /// `Note`: its number.
    pub value: i32,
    /// `Data`: where the bytes begin in the scratch memory. `Record`: the same, and [`TRUNCATED`](crate::TRUNCATED). `Completed`: the new socket's generation.
    pub detail: u32,
}

/// The kind of an [`Event`].
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EventKind {
    /// Bytes were read into the scratch memory.
    #[default]
    Data = 0,
    /// The peer has ended its side; nothing more will be read.
    End = 1,
    /// Reading failed; nothing more will be read.
    Error = 2,
    /// Many bytes are waiting: read them with [`Reactor::read`](crate::Reactor::read) into memory of its own.
    Bulk = 3,
    /// A write may go on that the kernel did not take whole.
    Writable = 4,
    /// A listener may have a connection to accept.
    Acceptable = 5,
    /// Another thread has answered a request.
    Completed = 6,
    /// Another thread has news of a request.
    Note = 7,
    /// The peer of a connection that is not being read has ended its side, and the kernel holds no input of it. Reported
    /// once. A connection with unread input is not reported.
    HangUp = 8,
    /// A record was received into the scratch memory. A datagram has a [`DatagramHead`] directly in front of it.
    Record = 9,
    /// Descriptors came with the bytes of the next `Data` event: take them with
    /// [`Reactor::take_descriptors`](crate::Reactor::take_descriptors).
    Descriptors = 10,
}

/// The header in front of each datagram in the scratch memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DatagramHead {
    /// The sender's process, 0 if it is not known.
    pub pid: u32,
    /// The sender's user; [`u32::MAX`] if its credentials are not known.
    pub uid: u32,
    /// The sender's group.
    pub gid: u32,
    /// Bytes of the sender's address, 0 for an unbound one.
    pub length: u32,
    /// The address, byte for byte.
    pub address: [u8; 112],
}

impl DatagramHead {
    /// Returns the head of a record, for the fuzz targets.
    #[cfg(fuzzing)]
    #[must_use]
    pub fn fuzzed(record: Record<'_>) -> Self {
        Self::of(record)
    }

    pub(crate) fn of(record: Record<'_>) -> Self {
        let (pid, uid, gid) = match record.sender {
            Some(PeerCredentials { pid, uid, gid }) => (pid.unwrap_or(0), uid, gid),
            None => (0, u32::MAX, u32::MAX),
        };
        let mut address = [0; 112];
        // No kernel has a longer one: Linux's longest is 109 bytes.
        let length = record.from.len().min(address.len());
        for (slot, &byte) in address.iter_mut().zip(record.from) {
            *slot = byte;
        }
        DatagramHead { pid, uid, gid, length: length as u32, address }
    }
}

/// Set in an event's `detail`: the record was longer than the longest one, and its rest is lost.
pub const TRUNCATED: u32 = 1 << 31;

/// The owner's memory that a poll fills: a ring of events, and scratch memory for bytes. There is no reference to it during the
/// poll, because the owner may share it with another language.
#[derive(Debug)]
pub struct PollMemory<'a> {
    ring: *mut [Event],
    scratch: *mut [u8],
    borrows: PhantomData<&'a mut [Event]>,
}

impl<'a> PollMemory<'a> {
    /// Memory of Rust's.
    pub fn of(ring: &'a mut [Event], scratch: &'a mut [u8]) -> Self {
        PollMemory { ring, scratch, borrows: PhantomData }
    }

    /// Memory that another language owns, too.
    ///
    /// # Safety
    ///
    /// Both must be aligned, and writable during each poll; no other thread may use them then.
    pub unsafe fn raw(ring: *mut [Event], scratch: *mut [u8]) -> Self {
        PollMemory { ring, scratch, borrows: PhantomData }
    }

    /// The number of events that the ring holds.
    pub(crate) fn places(&self) -> usize {
        self.ring.len()
    }

    /// The number of bytes that the scratch memory holds.
    pub(crate) fn bytes(&self) -> usize {
        self.scratch.len()
    }

    /// Empties both.
    pub(crate) fn begin(&mut self) -> (Ring<'_>, Scratch<'_>) {
        let ring = Ring { places: self.ring, used: 0, reserved: 0, has_bulk: false, borrows: PhantomData };
        (ring, Scratch { memory: self.scratch, used: 0, borrows: PhantomData })
    }
}

/// The places of a ring and how many of them are taken: `used <= places.len()`.
pub(crate) struct Ring<'a> {
    places: *mut [Event],
    pub(crate) used: usize,
    /// Places kept for events that are collected later in the same poll.
    pub(crate) reserved: usize,
    /// Whether a `Bulk` event was written.
    pub(crate) has_bulk: bool,
    borrows: PhantomData<&'a mut [Event]>,
}

impl Ring<'_> {
    /// Returns how many places are left. One is kept for the `Bulk` that follows the `Data` of the same stream.
    pub(crate) fn room(&self) -> usize {
        self.places.len().saturating_sub(self.used + self.reserved + 1)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    pub(crate) fn push(&mut self, subject: u32, kind: EventKind, value: i32, detail: u32) {
        if self.used == self.places.len() {
            return;
        }
        let event = Event { subject, kind, value, detail };
        // SAFETY: the place is within the ring, which is writable by the contract of `PollMemory`.
        unsafe { self.places.cast::<Event>().add(self.used).write(event) };
        self.used += 1;
        self.has_bulk |= kind == EventKind::Bulk;
    }
}

/// The scratch memory and how much of it is taken: `used <= memory.len()`.
pub(crate) struct Scratch<'a> {
    memory: *mut [u8],
    pub(crate) used: usize,
    borrows: PhantomData<&'a mut [u8]>,
}

impl Scratch<'_> {
    /// Returns the memory that is left, at most `most` bytes. It is writable during the poll.
    pub(crate) fn room(&self, most: usize) -> *mut [u8] {
        let length = (self.memory.len() - self.used).min(most);
        // SAFETY: `used` is within the memory.
        let start = unsafe { self.memory.cast::<u8>().add(self.used) };
        ptr::slice_from_raw_parts_mut(start, length)
    }

    /// Moves `length` bytes, which begin at `from` in the memory, down to the first bytes of the room, behind `head`, and takes all that.
    /// Returns where the bytes begin.
    pub(crate) fn compact(&mut self, from: usize, length: usize, head: Option<&DatagramHead>) -> usize {
        let in_front = head.map_or(0, size_of_val);
        let offset = self.used + in_front;
        if offset > from || length > self.memory.len().saturating_sub(from) {
            debug_assert!(false, "a record lies behind what was taken, and within the memory");
            return self.used;
        }
        let start = self.memory.cast::<u8>();
        if let Some(head) = head {
            // SAFETY: `offset` is within the memory, which is writable during the poll.
            unsafe { start.add(self.used).cast::<DatagramHead>().write_unaligned(*head) };
        }
        if offset < from {
            // SAFETY: both are within the memory, which is writable during the poll.
            unsafe { start.add(from).copy_to(start.add(offset), length) };
        }
        self.take(in_front + length);
        offset
    }

    /// Takes the first bytes of the room. The next ones begin aligned.
    pub(crate) fn take(&mut self, length: usize) {
        self.used = (self.used + length.next_multiple_of(8)).min(self.memory.len());
    }
}
