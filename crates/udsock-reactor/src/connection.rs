//! One connected descriptor of a reactor: what is known of its readiness, and what follows from that.

use crate::event::{Ring, negative};
use crate::stream::{self, Received};
use crate::{Destination, EventKind};
use crate::{fault, panics};
use rustix::io::Errno;
use rustix::net::Shutdown;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

/// Bytes that one read into the scratch memory asks for.
pub(crate) const READ_SIZE: usize = 64 << 10;
/// Less scratch memory than this is not worth a read: the turn goes on with an empty one.
pub(crate) const SMALLEST_READ: usize = 16 << 10;
/// Reads in a row before the next connection has its turn.
const READS_PER_TURN: usize = 4;
/// A write that leaves that much behind is bulk.
const BULK_REST: usize = 16 << 10;
/// Bulk writes that met a full buffer, before the buffer is raised: an idle or slow peer takes long to get there.
const STALLS: u8 = 8;
/// What it is raised to: from there on, more brings nothing; see receive and send.
const BULK_SEND_BUFFER: usize = 1 << 20;

/// Unread input that a close takes out of the kernel at most, 16 MiB: four times the largest buffer that Linux grants by default.
const DRAIN_LIMIT: usize = 16 << 20;

pub(crate) struct Connection {
    pub(crate) fd: OwnedFd,
    /// Somebody wants bytes.
    pub(crate) reading: bool,
    /// The kernel may have some: set by an edge, cleared by finding nothing.
    pub(crate) readable: bool,
    /// It stands in the reactor's queue of readable connections.
    pub(crate) queued: bool,
    /// The last read was as large as one may be, or the reader wants it so: the next goes into memory of its own.
    pub(crate) bulk: bool,
    pub(crate) destination: Destination,
    /// Writable is registered with the poll.
    pub(crate) watches_write: bool,
    /// A write waits for the kernel.
    pub(crate) wants_write: bool,
    /// Bulk writes that met a full buffer, up to `STALLS`.
    stalls: u8,
    /// The peer hung up, or sends out of band. Data and that share an edge, so from here on only an empty read means drained.
    unsteady: bool,
    /// The end of the stream, or an error, was read.
    ended: bool,
    /// The kernel refuses descriptors that the peer sends along.
    refuses_rights: bool,
    /// It was read empty since it refuses them: none are under way.
    emptied: bool,
}

impl Connection {
    pub(crate) fn new(fd: OwnedFd, refuses_rights: bool) -> Self {
        Connection {
            fd,
            reading: false,
            readable: false,
            queued: false,
            bulk: false,
            destination: Destination::Scratch,
            watches_write: false,
            wants_write: false,
            stalls: 0,
            unsteady: false,
            ended: false,
            refuses_rights,
            emptied: false,
        }
    }

    pub(crate) fn start_reading(&mut self, into: Destination) {
        self.reading = true;
        self.destination = into;
        self.bulk |= into == Destination::Own;
    }

    /// An edge says that there is something to read.
    pub(crate) fn mark_readable(&mut self, unsteady: bool) {
        self.readable = true;
        self.unsteady |= unsteady;
    }

    /// It is not to be read again.
    pub(crate) fn give_up(&mut self) {
        self.ended = true;
        self.queued = false;
    }

    /// Would a read make sense now?
    pub(crate) fn is_ready(&self) -> bool {
        self.reading && self.readable && !self.ended
    }

    /// Reads into what is left of the scratch memory, for as long as it is this connection's turn; false when ring or memory
    /// are full.
    pub(crate) fn read_in_turn(
        &mut self,
        slot: u32,
        ring: &mut Ring<'_>,
        scratch: &mut [u8],
        used: &mut usize,
    ) -> bool {
        for _ in 0..READS_PER_TURN {
            if ring.is_full() {
                return false;
            }
            if !self.is_ready() || self.bulk {
                return true;
            }
            let room = scratch.get_mut(*used..).unwrap_or_default();
            if room.len() < SMALLEST_READ {
                return false;
            }
            let end = room.len().min(READ_SIZE);
            let memory = room.get_mut(..end).unwrap_or_default();
            panics::reach("connection");
            match self.read(memory) {
                Ok(0) => ring.push(slot, EventKind::End, 0, 0),
                Ok(length) => {
                    self.bulk = length == READ_SIZE;
                    ring.push(slot, EventKind::Data, length as i32, *used as u32);
                    // Rounded up, so that each chunk begins aligned.
                    *used += length.next_multiple_of(8);
                }
                Err(Errno::AGAIN) => {}
                Err(errno) => ring.push(slot, EventKind::Error, negative(errno), 0),
            }
        }
        true
    }

    /// Reads once and keeps account of readiness; `Ok(0)` is the end of the stream. A failed or ended connection is not read again.
    pub(crate) fn read(&mut self, memory: &mut [u8]) -> Result<usize, Errno> {
        match self.receive(memory) {
            Ok(Received { length, split }) => {
                if length == 0 {
                    self.ended = true;
                } else if length < memory.len() && !split {
                    self.emptied = true;
                    self.readable = self.unsteady;
                }
                Ok(length)
            }
            Err(Errno::AGAIN) => {
                self.readable = fault::owes_readiness();
                self.emptied |= !self.readable;
                Err(Errno::AGAIN)
            }
            Err(errno) => {
                self.ended = true;
                Err(errno)
            }
        }
    }

    fn receive(&self, memory: &mut [u8]) -> Result<Received, Errno> {
        stream::receive(self.fd.as_fd(), memory, self.refuses_rights && self.emptied)
    }

    /// Sends what the kernel takes; less than all of it, or EAGAIN, means that the rest waits for `Writable`.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let sent = stream::send(self.fd.as_fd(), slices);
        self.wants_write = match sent {
            Ok(sent) => sent < length,
            Err(errno) => errno == Errno::AGAIN,
        };
        if self.wants_write && self.stalls < STALLS && length - sent.unwrap_or(0) >= BULK_REST {
            self.stalls += 1;
            if self.stalls == STALLS {
                self.raise_send_buffer();
            }
        }
        sent
    }

    /// A buffer that is larger already, by the system's default, stays. So it does if the kernel will not.
    fn raise_send_buffer(&self) {
        use rustix::net::sockopt::{set_socket_send_buffer_size, socket_send_buffer_size};
        let size = fault::call("getsockopt", || socket_send_buffer_size(&self.fd));
        if size.is_ok_and(|size| size < BULK_SEND_BUFFER) {
            let _ = fault::call("setsockopt", || set_socket_send_buffer_size(&self.fd, BULK_SEND_BUFFER));
        }
    }

    pub(crate) fn shutdown(&mut self, how: Shutdown) -> Result<(), Errno> {
        stream::shutdown(self.fd.as_fd(), how)
    }

    /// Takes unread input out of the kernel, so that the peer reads an end after this close and not ECONNRESET.
    pub(crate) fn drain(&mut self, memory: &mut [u8]) {
        let mut drained = 0;
        while !self.ended && drained < DRAIN_LIMIT {
            match self.receive(memory) {
                Ok(Received { length: 0, .. }) | Err(_) => self.ended = true,
                Ok(Received { length, .. }) => {
                    if drained == 0 {
                        // From here on nothing is added, so the loop ends.
                        let _ = self.shutdown(Shutdown::Read);
                    }
                    drained += length;
                }
            }
        }
    }
}
