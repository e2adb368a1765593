//! One connected stream socket of a reactor: what is known of its readiness, and what follows from that.

use crate::closer::close_elsewhere;
use crate::connection::{Connection, Drained};
use crate::error::{errno, negative};
use crate::event::{Ring, Scratch};
use crate::received::ReceivedDescriptors;
use crate::{Destination, EventKind, panics};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use udsock::transfer::{self, RawSlice, Received, Sent};

/// Bytes that one read into the scratch memory asks for.
pub(crate) const READ_SIZE: usize = 64 << 10;
/// Less scratch memory than this is not worth a read: the turn goes on with an empty one.
pub(crate) const SMALLEST_READ: usize = 16 << 10;
/// Reads in a row before the next stream has its turn.
const READS_PER_TURN: usize = 4;
/// A write that leaves at least this much behind is bulk.
const BULK_REST: usize = 16 << 10;
/// Bulk writes that met a full buffer before the buffer is raised. An idle or slow peer takes long to get there.
const STALLS: u8 = 8;
/// The size that the buffer is raised to: beyond it, more brings nothing in the workloads receive and send.
const BULK_SEND_BUFFER: usize = 1 << 20;

pub(crate) struct Stream {
    pub(crate) connection: Connection,
    /// Whether the next read goes into memory of its own: the last one was as large as one may be, or the reader wants it so.
    pub(crate) is_bulk: bool,
    pub(crate) destination: Destination,
    /// Bulk writes that met a full buffer, up to `STALLS`.
    stalls: u8,
    /// Descriptors for the owner, if it wants any.
    pub(crate) descriptors: Option<Box<ReceivedDescriptors>>,
    /// Whether the last read has brought descriptors for the owner.
    brought_descriptors: bool,
}

impl Stream {
    pub(crate) fn new(connection: Connection) -> Self {
        Stream {
            connection,
            is_bulk: false,
            destination: Destination::Scratch,
            stalls: 0,
            descriptors: None,
            brought_descriptors: false,
        }
    }

    pub(crate) fn start_reading(&mut self, into: Destination) {
        self.connection.is_reading = true;
        self.destination = into;
        self.is_bulk |= into == Destination::Own;
    }

    /// Reads into the rest of the scratch memory, for as long as it is this stream's turn. Returns false when the ring or the
    /// memory is full.
    pub(crate) fn read_in_turn(&mut self, slot: u32, ring: &mut Ring<'_>, scratch: &mut Scratch<'_>) -> bool {
        for _ in 0..READS_PER_TURN {
            if ring.room() < 1 + usize::from(self.descriptors.is_some()) {
                return false;
            }
            if !self.connection.is_ready() || self.is_bulk {
                return true;
            }
            let room = scratch.room(READ_SIZE);
            if room.len() < SMALLEST_READ {
                return false;
            }
            panics::reach("connection");
            // SAFETY: the room is writable during the poll.
            match unsafe { self.read(room) } {
                Ok(Received::Bytes { length, .. }) => {
                    self.is_bulk = length == READ_SIZE;
                    if self.brought_descriptors {
                        ring.push(slot, EventKind::Descriptors, 0, 0);
                    }
                    ring.push(slot, EventKind::Data, length as i32, scratch.used as u32);
                    scratch.take(length);
                    if self.brought_descriptors {
                        // Each has a place in the process's table: the owner takes these before more are read.
                        return true;
                    }
                }
                Ok(Received::Empty) => {}
                Ok(Received::End) => ring.push(slot, EventKind::End, 0, 0),
                Err(errno) => ring.push(slot, EventKind::Error, negative(errno), 0),
            }
        }
        true
    }

    /// Reads once and keeps account of readiness. A failed or ended stream is not read again.
    ///
    /// # Safety
    ///
    /// `memory` must be writable during the call.
    pub(crate) unsafe fn read(&mut self, memory: *mut [u8]) -> Result<Received, Errno> {
        // SAFETY: by this function's contract.
        let received = unsafe { self.receive(memory) };
        let connection = &mut self.connection;
        match received {
            Ok(Received::Bytes { length, is_split, .. }) => {
                let is_short = length < memory.len() && !is_split;
                if is_short && connection.input.note_short_read(&connection.fd) {
                    connection.is_readable = connection.is_unsteady;
                }
            }
            Ok(Received::Empty) => connection.note_empty(),
            Ok(Received::End) | Err(_) => connection.is_ended = true,
        }
        received
    }

    /// Receives bytes, and descriptors for the owner. Those that the peer sends unasked are closed on another thread.
    ///
    /// # Safety
    ///
    /// `memory` must be writable during the call.
    unsafe fn receive(&mut self, memory: *mut [u8]) -> Result<Received, Errno> {
        let Some(kept) = &mut self.descriptors else {
            // SAFETY: by this function's contract.
            return unsafe { receive_bytes(&self.connection, memory) };
        };
        kept.make_room();
        let mut descriptors = Vec::new();
        let fd = &self.connection.fd;
        // SAFETY: by this function's contract.
        let received = unsafe { transfer::receive_message_raw(fd, memory, |fd| descriptors.push(fd)) };
        let is_cut = matches!(received, Ok(Received::Bytes { is_cut: true, .. }));
        self.brought_descriptors = kept.keep(descriptors, is_cut);
        received.map_err(errno)
    }

    /// Sends what the kernel takes, and with its first byte the descriptors. If that is not all, the rest waits for `Writable`.
    ///
    /// # Safety
    ///
    /// Every slice must be readable during the call.
    pub(crate) unsafe fn write(
        &mut self,
        slices: &[RawSlice],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Sent, Errno> {
        let sent = if descriptors.is_empty() {
            // SAFETY: by this function's contract.
            unsafe { transfer::send_raw(&self.connection.fd, slices) }
        } else {
            // SAFETY: by this function's contract.
            unsafe { transfer::send_message_raw(&self.connection.fd, slices, descriptors) }
        };
        let sent = sent.map_err(errno);
        let taken = match sent {
            Ok(Sent::Bytes(taken)) => taken,
            Ok(Sent::Full) => 0,
            Err(_) => {
                self.connection.wants_write = false;
                return sent;
            }
        };
        let rest = slices.iter().map(RawSlice::len).sum::<usize>() - taken;
        self.connection.wants_write = rest > 0 || sent == Ok(Sent::Full);
        if rest >= BULK_REST && self.stalls < STALLS {
            self.stalls += 1;
            if self.stalls == STALLS {
                // A buffer that the system's default has made larger stays as it is.
                transfer::raise_send_buffer(&self.connection.fd, BULK_SEND_BUFFER);
            }
        }
        sent
    }

    /// [`Connection::drain`], of bytes.
    pub(crate) fn drain(&mut self, memory: &mut [u8], budget: &mut usize) -> Drained {
        let largest = memory.len();
        self.connection.drain(largest, budget, |connection| {
            // SAFETY: the memory is exclusively borrowed.
            match unsafe { receive_bytes(connection, memory) } {
                Ok(Received::Bytes { length, .. }) => Some(length),
                _ => None,
            }
        })
    }
}

/// Receives bytes. Descriptors are closed on another thread.
///
/// # Safety
///
/// `memory` must be writable during the call.
unsafe fn receive_bytes(connection: &Connection, memory: *mut [u8]) -> Result<Received, Errno> {
    let received = if connection.input.is_bytes_alone() {
        // SAFETY: by this function's contract.
        unsafe { transfer::receive_raw(&connection.fd, memory) }
    } else {
        // SAFETY: by this function's contract.
        unsafe { transfer::receive_message_raw(&connection.fd, memory, close_elsewhere) }
    };
    received.map_err(errno)
}
