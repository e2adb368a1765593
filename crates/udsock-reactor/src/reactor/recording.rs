//! The reactor's operations on sockets of records.

use super::Reactor;
use crate::Id;
use rustix::io::Errno;
use std::io::IoSlice;
use udsock::Address;
use udsock::records::SentRecords;
use udsock::transfer::RawSlice;

impl Reactor {
    /// Sets the bytes of the longest record that is received whole; 64 KiB unless it is set. With 128 bytes more, it must fit into the scratch
    /// memory of a poll.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open socket of records.
    pub fn set_longest_record(&mut self, id: Id, longest: usize) -> Result<(), Errno> {
        self.records(id)?.longest = longest;
        Ok(())
    }

    /// Sends records in order, each whole or not at all: to the peer, or datagrams to `to`. If the kernel does not take all of them, one `Writable`
    /// event follows when there is room; none with `to`, because the kernel does not report the receiver's room then.
    ///
    /// # Errors
    ///
    /// They concern the first record alone, which was not sent: EMSGSIZE when the kernel takes none as long; EPIPE or ECONNRESET when the peer
    /// is gone; ECONNREFUSED, ENOENT or ENOTCONN without a receiver; EBADF; what `sendmmsg(2)` reports.
    pub fn send_records(
        &mut self,
        id: Id,
        records: &[IoSlice<'_>],
        to: Option<&Address>,
    ) -> Result<SentRecords, Errno> {
        // SAFETY: the slices are borrowed for the whole call.
        unsafe { self.send_records_raw(id, RawSlice::of(records), to) }
    }

    /// [`send_records`](Reactor::send_records), from memory that other threads may write to meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`send_records`](Reactor::send_records).
    ///
    /// # Safety
    ///
    /// Every slice must be readable during the call.
    pub unsafe fn send_records_raw(
        &mut self,
        id: Id,
        records: &[RawSlice],
        to: Option<&Address>,
    ) -> Result<SentRecords, Errno> {
        // SAFETY: by this function's contract.
        let sent = unsafe { self.records(id)?.send(records, &[], to) };
        self.await_room(id, matches!(sent, Ok(SentRecords::Records(0) | SentRecords::Full)))?;
        sent
    }
}
