//! The reactor's operations on descriptors that are passed from socket to socket, or that leave the reactor.

use super::Reactor;
use crate::descriptors::Descriptors;
use crate::error::errno;
use crate::received::{Lost, ReceivedDescriptors};
use crate::socket::Socket;
use crate::{Id, Rights, Role};
use mio::unix::SourceFd;
use rustix::io::Errno;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use udsock::records::{self, SentRecords};
use udsock::transfer::{self, RawSlice, Sent};
use udsock::{Address, SocketType};

/// The outcome of [`Reactor::take_descriptors`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakenDescriptors {
    /// The number of descriptors that were handed out.
    Count(usize),
    /// The peer sent descriptors that are lost.
    Lost(Lost),
    /// There are none.
    None,
}

impl Reactor {
    /// Sends the slices in order, and held descriptors with their first byte, on a stream. When the kernel takes a byte, the descriptors are
    /// released, and closed on another thread; otherwise they stay held. If it does not take all, one `Writable` event follows.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Reactor::write); EBADF when an id names no held descriptor; EINVAL for no bytes and no descriptors, and for too many;
    /// ETOOMANYREFS while too many descriptors of this user are under way, of which no event reports the end.
    pub fn write_with(&mut self, id: Id, slices: &[IoSlice<'_>], descriptors: &[Id]) -> Result<Sent, Errno> {
        // SAFETY: the slices are borrowed for the whole call.
        unsafe { self.write_with_raw(id, RawSlice::of(slices), descriptors) }
    }

    /// [`write_with`](Reactor::write_with), from memory that other threads may write to meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`write_with`](Reactor::write_with).
    ///
    /// # Safety
    ///
    /// Every slice must be readable during the call.
    pub unsafe fn write_with_raw(
        &mut self,
        id: Id,
        slices: &[RawSlice],
        descriptors: &[Id],
    ) -> Result<Sent, Errno> {
        let Some(Socket::Stream(stream)) = self.sockets.get_mut(id) else { return Err(Errno::BADF) };
        let borrowed = borrow(&self.descriptors, descriptors)?;
        // SAFETY: by this function's contract.
        let sent = unsafe { stream.write(slices, &borrowed) };
        if matches!(sent, Ok(Sent::Bytes(1..))) {
            for &descriptor in descriptors {
                // One that was named twice is closed already.
                let _ = self.descriptors.close(descriptor);
            }
        }
        self.await_room(id, matches!(sent, Ok(Sent::Bytes(0) | Sent::Full)))?;
        sent
    }

    /// [`write_with_raw`](Reactor::write_with_raw), with descriptors that stay the caller's.
    ///
    /// # Errors
    ///
    /// Those of [`write_with`](Reactor::write_with); EBADF when a number is no open descriptor.
    ///
    /// # Safety
    ///
    /// Every slice must be readable during the call.
    pub unsafe fn write_lent_raw(
        &mut self,
        id: Id,
        slices: &[RawSlice],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Sent, Errno> {
        let Some(Socket::Stream(stream)) = self.sockets.get_mut(id) else { return Err(Errno::BADF) };
        if descriptors.is_empty() {
            return Err(Errno::INVAL);
        }
        // SAFETY: by this function's contract.
        let sent = unsafe { stream.write(slices, descriptors) };
        self.await_room(id, matches!(sent, Ok(Sent::Bytes(0) | Sent::Full)))?;
        sent
    }

    /// Sends one record with held descriptors, whole or not at all: to the peer, or a datagram to `to`. When the kernel takes it, the descriptors are
    /// released, and closed on another thread; otherwise they stay held. `Writable` follows as after [`send_records`](Reactor::send_records).
    ///
    /// # Errors
    ///
    /// Those of [`send_records`](Reactor::send_records), and those of [`write_with`](Reactor::write_with) about the descriptors.
    ///
    /// # Safety
    ///
    /// The record must be readable during the call.
    pub unsafe fn send_record_with_raw(
        &mut self,
        id: Id,
        record: RawSlice,
        descriptors: &[Id],
        to: Option<&Address>,
    ) -> Result<SentRecords, Errno> {
        let Some(Socket::Records(records)) = self.sockets.get_mut(id) else { return Err(Errno::BADF) };
        let borrowed = borrow(&self.descriptors, descriptors)?;
        // SAFETY: by this function's contract.
        let sent = unsafe { records.send(&[record], &borrowed, to) };
        if matches!(sent, Ok(SentRecords::Records(1..))) {
            for &descriptor in descriptors {
                let _ = self.descriptors.close(descriptor);
            }
        }
        self.await_room(id, matches!(sent, Ok(SentRecords::Records(0) | SentRecords::Full)))?;
        sent
    }

    /// Holds a duplicate of a listener's descriptor, for another process. From then on the listener is one that others have, too.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no listener; EMFILE, ENFILE.
    pub fn duplicate_listener(&mut self, id: Id) -> Result<Id, Errno> {
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(id) else { return Err(Errno::BADF) };
        let held = self.descriptors.duplicate(listener.fd.as_fd())?;
        listener.share();
        Ok(held)
    }

    /// Where the descriptors go that a connection receives, and its owner has not taken.
    fn received(&mut self, id: Id) -> Result<&mut Option<Box<ReceivedDescriptors>>, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Stream(stream)) => Ok(&mut stream.descriptors),
            Some(Socket::Records(records)) => Ok(&mut records.descriptors),
            _ => Err(Errno::BADF),
        }
    }

    /// Keeps the descriptors that come with the bytes of a stream, or with records, for [`take_descriptors`](Reactor::take_descriptors), at most
    /// `limit` at once; 0: they are closed. The kernel must not refuse them: see [`Rights::Discard`].
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn receive_descriptors(&mut self, id: Id, limit: usize) -> Result<(), Errno> {
        let kept = (limit > 0).then(|| Box::new(ReceivedDescriptors::new(limit)));
        *self.received(id)? = kept;
        Ok(())
    }

    /// Takes the descriptors of the oldest read that brought some: they are held from then on, and `each` gets their ids and numbers.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn take_descriptors(
        &mut self,
        id: Id,
        mut each: impl FnMut(Id, RawFd),
    ) -> Result<TakenDescriptors, Errno> {
        let lot = self.received(id)?.as_mut().and_then(|descriptors| descriptors.take());
        match lot {
            None => Ok(TakenDescriptors::None),
            Some(Err(lost)) => Ok(TakenDescriptors::Lost(lost)),
            Some(Ok(descriptors)) => {
                let count = descriptors.len();
                for descriptor in descriptors {
                    let number = descriptor.as_raw_fd();
                    each(self.descriptors.hold(descriptor)?, number);
                }
                Ok(TakenDescriptors::Count(count))
            }
        }
    }

    /// Makes two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// EMFILE; those of [`add`](Reactor::add).
    pub fn add_pair(&mut self, socket_type: SocketType, rights: Rights) -> Result<(Id, Id), Errno> {
        let (one, other) = transfer::pair(socket_type, rights == Rights::Refuse).map_err(errno)?;
        let one = self.add(one, Role::Connection(socket_type, rights))?;
        match self.add(other, Role::Connection(socket_type, rights)) {
            Ok(other) => Ok((one, other)),
            Err(errno) => {
                let _ = self.close(one);
                Err(errno)
            }
        }
    }

    /// Has a connection, or a socket for datagrams, leave the reactor: no call on it is made any more, it is not shut down, and its descriptor,
    /// which waits in calls as a new one does, is held. What was reported stays with the owner; all else is in the kernel.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open socket of these kinds.
    pub fn detach(&mut self, id: Id) -> Result<Id, Errno> {
        self.connection(id)?;
        let socket = self.sockets.remove(id).ok_or(Errno::BADF)?;
        let is_of_records = matches!(socket, Socket::Records(_));
        let fd = socket.into_fd();
        // A descriptor that is not watched need not be deregistered.
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
        let _ = transfer::restore(&fd);
        if is_of_records {
            let _ = records::unmark_records(&fd);
        }
        self.descriptors.hold(fd)
    }
}

/// Returns held descriptors, at least one.
fn borrow<'a>(descriptors: &'a Descriptors, ids: &[Id]) -> Result<Vec<BorrowedFd<'a>>, Errno> {
    if ids.is_empty() {
        return Err(Errno::INVAL);
    }
    ids.iter().map(|&id| descriptors.get(id)).collect()
}
