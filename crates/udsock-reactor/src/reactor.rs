//! The reactor's operations on sockets, by id. [`collecting`] is the other half: one poll, and the order of what it finds.

mod accepting;
mod collecting;
mod passing;
mod recording;

use crate::closer::close_elsewhere;
use crate::connection::Connection;
use crate::descriptors::Descriptors;
use crate::drain::Drain;
use crate::error::poll_errno;
use crate::interest::READ;
use crate::listener::Listener;
use crate::read_speculation::ReadSpeculation;
use crate::records::Records;
use crate::socket::{Role, Socket};
use crate::stream::Stream;
use crate::table::Table;
use crate::{Id, Mailbox, fault};
pub use accepting::Accepted;
pub use collecting::Polled;
use collecting::Report;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};
pub use passing::TakenDescriptors;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use udsock::records::RecordBatch;
use udsock::transfer::{self, RawSlice, Received, Sent, Shutdown};

/// Readiness reports taken from the kernel by one poll.
const POLL_EVENTS: usize = 256;
/// A read into memory of its own that brings less than this ends bulk reading.
const SMALLEST_BULK: usize = 32 << 10;

/// Where a connection's bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Into the scratch memory of a poll, while they are few.
    Scratch,
    /// Into memory that the reader brings to [`Reactor::read`], always.
    Own,
}

/// All sockets of one thread.
pub struct Reactor {
    poll: Poll,
    reports: Events,
    /// The reports of one poll, as far as they matter here.
    seen: Vec<Report>,
    sockets: Table<Socket>,
    /// Connections to read, in order; each at most once.
    readable: VecDeque<Id>,
    /// Listeners whose pause after an exhaustion ended early.
    resumed: Vec<Id>,
    /// Connections whose write may go on: collected here, because listeners and input come first.
    writable: Vec<Id>,
    /// Connections that are not read and whose peer has ended its side: a hint.
    hung_up: Vec<Id>,
    /// Listeners that paused since the last close. A hint: `resumed` is made from those that still do.
    paused: Vec<Id>,
    speculation: ReadSpeculation,
    mailbox: Arc<Mailbox>,
    has_mail: bool,
    drain: Drain,
    descriptors: Descriptors,
    /// Memory for the headers of records.
    batch: RecordBatch,
    /// Whether the last poll panicked.
    panicked: bool,
}

impl Reactor {
    /// Events that [`poll`](Reactor::poll) needs room for.
    pub const SMALLEST_RING: usize = 2 * POLL_EVENTS;

    /// Bytes that one read into the scratch memory asks for.
    pub const READ_SIZE: usize = crate::stream::READ_SIZE;

    /// An empty reactor.
    ///
    /// # Errors
    ///
    /// EMFILE, ENFILE or ENOMEM for the poll object or its waker.
    pub fn new() -> Result<Reactor, Errno> {
        let poll = fault::call("epoll_create", Poll::new).map_err(poll_errno)?;
        let waker =
            fault::call("eventfd", || Waker::new(poll.registry(), Id::MAILBOX)).map_err(poll_errno)?;
        Ok(Reactor {
            poll,
            reports: Events::with_capacity(POLL_EVENTS),
            seen: Vec::with_capacity(POLL_EVENTS),
            sockets: Table::new(),
            readable: VecDeque::new(),
            resumed: Vec::new(),
            writable: Vec::new(),
            hung_up: Vec::new(),
            paused: Vec::new(),
            speculation: ReadSpeculation::default(),
            mailbox: Arc::new(Mailbox::new(waker)),
            has_mail: false,
            drain: Drain::new(),
            descriptors: Descriptors::new(),
            batch: RecordBatch::new(),
            panicked: false,
        })
    }

    /// Returns the queue through which other threads hand in descriptors.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    /// The descriptors that are no sockets of the reactor, and that its owner holds.
    pub fn descriptors(&mut self) -> &mut Descriptors {
        &mut self.descriptors
    }

    /// Takes in a non-blocking descriptor.
    ///
    /// # Errors
    ///
    /// EMFILE when the table is full; ENOMEM or ENOSPC when the kernel cannot watch one more; what `setsockopt(2)` reports.
    /// The descriptor is closed then.
    pub fn add(&mut self, fd: OwnedFd, role: Role) -> Result<Id, Errno> {
        self.take_over(fd, role).map_err(|(_closed, errno)| errno)
    }

    /// [`add`](Reactor::add), of a descriptor that stays the caller's after an error.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Reactor::add), with the descriptor, still open.
    pub fn take_over(&mut self, fd: OwnedFd, role: Role) -> Result<Id, (OwnedFd, Errno)> {
        let socket = Socket::new(fd, role)?;
        self.join(socket).map_err(|(socket, errno)| (socket.into_fd(), errno))
    }

    /// Watches a socket and gives it an id, or gives it back.
    fn join(&mut self, socket: Socket) -> Result<Id, (Socket, Errno)> {
        match self.register(socket.fd()) {
            Ok(id) => {
                self.sockets.insert(socket);
                Ok(id)
            }
            Err(errno) => Err((socket, errno)),
        }
    }

    /// Watches the socket to insert next, and returns its id.
    fn register(&self, fd: BorrowedFd<'_>) -> Result<Id, Errno> {
        let id = self.sockets.vacancy().ok_or(Errno::MFILE)?;
        let (fd, registry) = (fd.as_raw_fd(), self.poll.registry());
        fault::call("epoll_ctl", || registry.register(&mut SourceFd(&fd), id.token(), READ))
            .map_err(poll_errno)?;
        Ok(id)
    }

    /// Stops watching a descriptor that is about to be closed. If another process has it, too, the poll object would go on
    /// reporting what happens to it.
    fn deregister(&self, socket: &Socket) {
        if socket.is_inherited() {
            let fd = socket.fd().as_raw_fd();
            // A descriptor that is not watched need not be deregistered.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Returns a socket's descriptor, for questions to the kernel.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open socket.
    pub fn fd(&self, id: Id) -> Result<BorrowedFd<'_>, Errno> {
        self.sockets.get(id).map(Socket::fd).ok_or(Errno::BADF)
    }

    /// Whether the descriptor of this number is one of the reactor's, which must not be added again.
    pub fn has_fd(&self, fd: RawFd) -> bool {
        self.sockets.iter().any(|socket| socket.fd().as_raw_fd() == fd)
    }

    fn stream(&mut self, id: Id) -> Result<&mut Stream, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Stream(stream)) => Ok(stream),
            _ => Err(Errno::BADF),
        }
    }

    fn records(&mut self, id: Id) -> Result<&mut Records, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Records(records)) => Ok(records),
            _ => Err(Errno::BADF),
        }
    }

    fn connection(&mut self, id: Id) -> Result<&mut Connection, Errno> {
        self.sockets.get_mut(id).and_then(Socket::connection_mut).ok_or(Errno::BADF)
    }

    fn listener(&mut self, id: Id) -> Result<&mut Listener, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Listener(listener)) => Ok(listener),
            _ => Err(Errno::BADF),
        }
    }

    /// Begins to deliver what arrives, `into` the scratch memory or, announced by a `Bulk` event, the reader's own. Returns
    /// whether something waits already, so that the owner has to poll without being woken.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn read_start(&mut self, id: Id, into: Destination) -> Result<bool, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Stream(stream)) => stream.start_reading(into),
            Some(Socket::Records(records)) => records.connection.is_reading = true,
            _ => return Err(Errno::BADF),
        }
        self.enqueue_if_ready(id);
        Ok(!self.readable.is_empty())
    }

    /// Leaves in the kernel what arrives from now on. A `HangUp` event follows when the peer has ended its side and
    /// nothing but that end is left to read. Returns whether the owner has to poll for it without being
    /// woken.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn read_stop(&mut self, id: Id) -> Result<bool, Errno> {
        self.connection(id)?.is_reading = false;
        if !self.sockets.get_mut(id).is_some_and(Socket::owes_hang_up) {
            return Ok(false);
        }
        // The kernel has reported it already and does not again.
        self.hung_up.push(id);
        Ok(!self.mailbox.wake())
    }

    /// Reads into the caller's memory, after a `Bulk` event.
    ///
    /// # Errors
    ///
    /// EINVAL for no memory; EBADF; what `recvmsg(2)` reports.
    pub fn read(&mut self, id: Id, memory: &mut [u8]) -> Result<Received, Errno> {
        // SAFETY: the memory is exclusively borrowed for the whole call.
        unsafe { self.read_raw(id, memory) }
    }

    /// [`read`](Reactor::read) into memory to which there is no reference.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Reactor::read).
    ///
    /// # Safety
    ///
    /// `memory` must be writable during the call.
    pub unsafe fn read_raw(&mut self, id: Id, memory: *mut [u8]) -> Result<Received, Errno> {
        if memory.is_empty() {
            return Err(Errno::INVAL);
        }
        let stream = self.stream(id)?;
        // SAFETY: by this function's contract.
        let received = unsafe { stream.read(memory) };
        let is_little = match received {
            Ok(Received::Bytes { length, .. }) => length < SMALLEST_BULK,
            Ok(Received::End) => true,
            Ok(Received::Empty) | Err(_) => false,
        };
        if is_little {
            stream.is_bulk = stream.destination == Destination::Own;
        }
        self.enqueue_if_ready(id);
        received
    }

    /// Whether a read of a connection would find bytes, an end or an error. Takes nothing.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn has_input(&mut self, id: Id) -> Result<bool, Errno> {
        // If poll fails, assume readiness: a needless read is harmless.
        Ok(transfer::is_readable(&self.connection(id)?.fd).unwrap_or(true))
    }

    /// Sends the slices in order. If the kernel does not take all, one `Writable` event follows when there is room.
    ///
    /// # Errors
    ///
    /// EPIPE or ECONNRESET when the peer is gone; EBADF; what `sendmsg(2)` reports.
    pub fn write(&mut self, id: Id, slices: &[IoSlice<'_>]) -> Result<Sent, Errno> {
        // SAFETY: the slices are borrowed for the whole call.
        unsafe { self.write_raw(id, RawSlice::of(slices)) }
    }

    /// [`write`](Reactor::write), from memory that other threads may write to meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Reactor::write).
    ///
    /// # Safety
    ///
    /// Every slice must be readable during the call.
    pub unsafe fn write_raw(&mut self, id: Id, slices: &[RawSlice]) -> Result<Sent, Errno> {
        let stream = self.stream(id)?;
        // SAFETY: by this function's contract.
        let sent = unsafe { stream.write(slices, &[]) };
        self.await_room(id, matches!(sent, Ok(Sent::Bytes(0) | Sent::Full)))?;
        sent
    }

    /// Has the kernel report room if a write waits for it. `in_vain`: the last write was not taken at all. If writable was watched
    /// already, there was room, so the kernel has none to report.
    fn await_room(&mut self, id: Id, in_vain: bool) -> Result<(), Errno> {
        let connection = self.connection(id)?;
        if connection.wants_write && (in_vain || !connection.watches_write) {
            connection.watches_write = true;
            let fd = connection.fd.as_raw_fd();
            self.watch(fd, id, READ | Interest::WRITABLE)?;
        }
        Ok(())
    }

    /// Changes what the kernel reports of a socket. Writable is watched only while a write waits for it: AF_UNIX reports it
    /// each time the peer reads.
    fn watch(&self, fd: RawFd, id: Id, interest: Interest) -> Result<(), Errno> {
        let registry = self.poll.registry();
        fault::call("epoll_ctl", || registry.reregister(&mut SourceFd(&fd), id.token(), interest))
            .map_err(poll_errno)
    }

    /// Ends a direction, or both, of a connection. Ending the read side throws away what the kernel holds unread.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection; ENOTCONN on some systems when the peer is gone.
    pub fn shutdown(&mut self, id: Id, how: Shutdown) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(id).ok_or(Errno::BADF)?;
        let connection = socket.connection_mut().ok_or(Errno::BADF)?;
        let done = connection.shutdown(how);
        if how != Shutdown::Write {
            connection.is_reading = false;
            self.drain.empty(socket);
        }
        done
    }

    /// Closes a socket; its unread input is thrown away first. Returns whether listeners that waited for a
    /// descriptor want a poll now.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open socket; nothing is closed then.
    pub fn close(&mut self, id: Id) -> Result<bool, Errno> {
        let socket = self.sockets.remove(id).ok_or(Errno::BADF)?;
        self.deregister(&socket);
        match socket {
            Socket::Listener(listener) => self.close_listener(*listener),
            connection => self.drain.close(connection),
        }
        for id in std::mem::take(&mut self.paused) {
            if self.listener(id).is_ok_and(Listener::end_pause) {
                self.resumed.push(id);
            }
        }
        Ok(!self.resumed.is_empty())
    }

    fn enqueue_if_ready(&mut self, id: Id) {
        if let Ok(connection) = self.connection(id)
            && connection.is_ready()
            && !connection.is_queued
        {
            connection.is_queued = true;
            self.readable.push_back(id);
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.mailbox.close();
        for socket in self.sockets.take_all() {
            self.deregister(&socket);
            if socket.may_hold_rights() {
                close_elsewhere(socket.into_fd());
            }
        }
    }
}

impl AsFd for Reactor {
    /// The poll object's descriptor: readable when a poll would find something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the poll object is open for as long as `self`, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(self.poll.as_raw_fd()) }
    }
}
