//! One socket of records of a reactor, connected (`SOCK_SEQPACKET`) or for datagrams: many records a system call, and an event for each.

use crate::closer::close_elsewhere;
use crate::connection::{Connection, Drained};
use crate::error::{errno, negative};
use crate::event::{DatagramHead, Ring, Scratch, TRUNCATED};
use crate::received::ReceivedDescriptors;
use crate::{EventKind, panics};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use udsock::records::{self, MOST_RECEIVED, ReceivedRecords, Record, RecordBatch, RecordPlaces, SentRecords};
use udsock::transfer::{self, RawSlice};
use udsock::{Address, SocketType};

/// Bytes of the longest record that is received whole, unless the owner changes it.
pub(crate) const LONGEST: usize = 64 << 10;
/// Receives in a row before the next socket has its turn.
const RECEIVES_PER_TURN: usize = 4;

pub(crate) struct Records {
    pub(crate) connection: Connection,
    socket_type: SocketType,
    /// Bytes of the longest record that is received whole.
    pub(crate) longest: usize,
    /// Descriptors for the owner, if it wants any.
    pub(crate) descriptors: Option<Box<ReceivedDescriptors>>,
    /// Whether the last receive has brought descriptors for the owner.
    brought_descriptors: bool,
    /// What the kernel reports of the peer's end before the records that arrived before it: its error, which takes the end's place.
    failure: Option<Errno>,
}

impl Records {
    pub(crate) fn new(connection: Connection, socket_type: SocketType) -> Self {
        Records {
            connection,
            socket_type,
            longest: LONGEST,
            descriptors: None,
            brought_descriptors: false,
            failure: None,
        }
    }

    fn is_connection(&self) -> bool {
        self.socket_type == SocketType::Packet
    }

    /// Bytes in front of each record in the scratch memory.
    fn head(&self) -> usize {
        if self.is_connection() { 0 } else { size_of::<DatagramHead>() }
    }

    /// Receives into the rest of the scratch memory, for as long as it is this socket's turn. Returns false when the ring or the
    /// memory is full.
    pub(crate) fn read_in_turn(
        &mut self,
        slot: u32,
        ring: &mut Ring<'_>,
        scratch: &mut Scratch<'_>,
        batch: &mut RecordBatch,
    ) -> bool {
        for _ in 0..RECEIVES_PER_TURN {
            if !self.connection.is_ready() {
                return true;
            }
            // With descriptors a record at a time: each descriptor has a place in the process's table.
            let most = match self.descriptors {
                None => ring.room().min(MOST_RECEIVED),
                Some(_) => ring.room().saturating_sub(1).min(1),
            };
            let (memory, base) = (scratch.room(usize::MAX), scratch.used);
            // SAFETY: the room is writable during the poll.
            let places = unsafe { RecordPlaces::raw(memory, self.head(), self.longest) };
            if most == 0 || places.count() == 0 {
                if base > 0 || most == 0 {
                    return false;
                }
                // It would never fit.
                self.connection.is_ended = true;
                ring.push(slot, EventKind::Error, negative(Errno::MSGSIZE), 0);
                return true;
            }
            panics::reach("connection");
            match self.receive(batch, places, most) {
                Ok(ReceivedRecords::Records { count, .. }) => {
                    if self.brought_descriptors {
                        ring.push(slot, EventKind::Descriptors, 0, 0);
                    }
                    for index in 0..count {
                        if let Some(record) = batch.record(index) {
                            self.report(record, base, slot, ring, scratch);
                        }
                    }
                    if self.brought_descriptors {
                        // The owner takes these before more are received.
                        return true;
                    }
                }
                Ok(ReceivedRecords::Empty) => {}
                Ok(ReceivedRecords::End) => ring.push(slot, EventKind::End, 0, 0),
                Err(errno) => ring.push(slot, EventKind::Error, negative(errno), 0),
            }
        }
        true
    }

    /// Moves a record down to the others in the scratch memory, and reports it. `base`: where the receive began.
    fn report(
        &self,
        record: Record<'_>,
        base: usize,
        slot: u32,
        ring: &mut Ring<'_>,
        scratch: &mut Scratch<'_>,
    ) {
        let truncated = if record.is_truncated { TRUNCATED } else { 0 };
        let head = (!self.is_connection()).then(|| DatagramHead::of(record));
        let offset = scratch.compact(base + record.start, record.length, head.as_ref());
        // A record is shorter than the scratch memory.
        ring.push(slot, EventKind::Record, record.length as i32, offset as u32 | truncated);
    }

    /// Puts an error of a connection off until its end. Returns whether it was put off.
    fn put_off(&mut self, errno: Errno) -> bool {
        let is_first = self.is_connection() && errno == Errno::CONNRESET && self.failure.is_none();
        if is_first {
            self.failure = Some(errno);
        }
        is_first
    }

    /// Whether a `HangUp` event is due: no read will find the end, and no record is left.
    pub(crate) fn owes_hang_up(&mut self) -> bool {
        if !self.connection.owes_hang_up() {
            return false;
        }
        let mut is_next = self.is_record_next();
        if is_next.is_err_and(|errno| self.put_off(errno)) {
            is_next = self.is_record_next();
        }
        !is_next.unwrap_or(false)
    }

    fn is_record_next(&self) -> Result<bool, Errno> {
        records::is_record_next(&self.connection.fd).map_err(errno)
    }

    /// Receives once and keeps account of readiness. A connection that has failed or ended is not read again; a socket for datagrams is.
    fn receive(
        &mut self,
        batch: &mut RecordBatch,
        places: RecordPlaces<'_>,
        most: usize,
    ) -> Result<ReceivedRecords, Errno> {
        let mut received = self.take(batch, places, most);
        if received.is_err_and(|errno| self.put_off(errno)) {
            received = self.take(batch, places, most);
        }
        if let (Ok(ReceivedRecords::End | ReceivedRecords::Empty), Some(errno)) = (received, self.failure) {
            received = Err(errno);
        }
        let connection = &mut self.connection;
        match received {
            Ok(ReceivedRecords::Records { was_last, .. }) => {
                if was_last {
                    connection.is_readable = connection.is_unsteady;
                    connection.input.note_short_read(&connection.fd);
                }
            }
            Ok(ReceivedRecords::Empty) => connection.note_empty(),
            // A receiver has closed to which this socket was connected.
            Err(Errno::CONNRESET | Errno::CONNREFUSED) if self.socket_type == SocketType::Datagram => {}
            Ok(ReceivedRecords::End) | Err(_) => connection.is_ended = true,
        }
        received
    }

    /// Receives once, and keeps the descriptors that the owner wants.
    fn take(
        &mut self,
        batch: &mut RecordBatch,
        places: RecordPlaces<'_>,
        most: usize,
    ) -> Result<ReceivedRecords, Errno> {
        let (fd, socket_type) = (&self.connection.fd, self.socket_type);
        let received = match &mut self.descriptors {
            None => batch.receive(fd, socket_type, places, most, close_elsewhere),
            Some(kept) => {
                kept.make_room();
                let mut descriptors = Vec::new();
                let received = batch.receive(fd, socket_type, places, most, |fd| descriptors.push(fd));
                let is_record = matches!(received, Ok(ReceivedRecords::Records { .. }));
                let is_cut = is_record && batch.record(0).is_some_and(|record| record.is_cut);
                self.brought_descriptors = kept.keep(descriptors, is_cut);
                received
            }
        };
        received.map_err(errno)
    }

    /// Sends what the kernel takes; with descriptors, one record. If that is not all, and the kernel reports room for the rest, it waits for
    /// `Writable`.
    ///
    /// # Safety
    ///
    /// Every slice must be readable during the call.
    pub(crate) unsafe fn send(
        &mut self,
        slices: &[RawSlice],
        descriptors: &[BorrowedFd<'_>],
        to: Option<&Address>,
    ) -> Result<SentRecords, Errno> {
        let fd = &self.connection.fd;
        let send = || match slices {
            // SAFETY: by this function's contract.
            [record] if !descriptors.is_empty() => unsafe {
                records::send_with_raw(fd, *record, descriptors, to)
            },
            // SAFETY: by this function's contract.
            _ => unsafe { records::send_raw(fd, slices, to) },
        };
        let mut sent = send().map_err(errno);
        if sent == Err(Errno::MSGSIZE)
            && let Some(first) = slices.first()
        {
            // The kernel counts its own part of a record, too.
            transfer::raise_send_buffer(fd, first.len().saturating_add(4 << 10));
            sent = send().map_err(errno);
        }
        self.connection.wants_write = to.is_none()
            && match sent {
                Ok(SentRecords::Records(count)) => count < slices.len(),
                Ok(SentRecords::Full) => true,
                Err(_) => false,
            };
        sent
    }

    /// Whether the kernel may hold descriptors of the peer's that a close would close. A record that has them may be empty.
    pub(crate) fn may_hold_rights(&self) -> bool {
        let Connection { fd, input, is_ended, .. } = &self.connection;
        !is_ended && !input.is_bytes_alone() && transfer::is_readable(fd).unwrap_or(true)
    }

    /// [`Connection::drain`], of records.
    pub(crate) fn drain(
        &mut self,
        memory: &mut [u8],
        batch: &mut RecordBatch,
        budget: &mut usize,
    ) -> Drained {
        if !self.is_connection() && self.connection.input.is_bytes_alone() {
            // No sender notices.
            return Drained::Empty;
        }
        let socket_type = self.socket_type;
        let largest = memory.len();
        self.connection.drain(largest, budget, |connection| {
            let places = RecordPlaces::of(memory, 0, largest);
            let mut take = || batch.receive(&connection.fd, socket_type, places, 1, close_elsewhere);
            // An error comes before the records that arrived before it.
            match take().or_else(|_| take()) {
                Ok(ReceivedRecords::Records { .. }) => {
                    Some(batch.record(0).map_or(0, |record| record.length))
                }
                _ => None,
            }
        })
    }
}
