//! The reactor: which sockets have something to say, in turns.

use crate::connection::{Connection, READ_SIZE, SMALLEST_READ};
use crate::event::{PANICKED, Ring, negative};
use crate::fault;
use crate::listener::{Gate, Listener, is_shortage};
use crate::streak::Streak;
use crate::table::Table;
use crate::{Answer, Arrival, Event, EventKind, Id, Mailbox, panics, stream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::io::Errno;
use rustix::net::Shutdown;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Readiness reports taken from the kernel by one poll.
const POLL_EVENTS: usize = 256;
/// A read into memory of its own that brings less than this ends bulk reading.
const SMALLEST_BULK: usize = 32 << 10;

/// Out-of-band bytes, which Linux lets a peer send, end a read early and say so as priority.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READ: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READ: Interest = Interest::READABLE;

/// What a descriptor that joins a reactor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A connected stream socket.
    Connection,
    /// A listening stream socket.
    Listener,
    /// A listening stream socket that other processes may have, too: no option of it is changed.
    SharedListener,
}

/// Where a connection's bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Into the scratch memory of a poll, while they are few.
    Scratch,
    /// Into memory that the reader brings to [`Reactor::read`], always.
    Own,
}

enum Socket {
    Connection(Connection),
    // Few, and large: the table has room for thousands of connections.
    Listener(Box<Listener>),
}

impl Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Connection(connection) => connection.fd.as_fd(),
            Socket::Listener(listener) => listener.fd.as_fd(),
        }
    }
}

/// What the kernel says of one descriptor.
#[derive(Clone, Copy)]
struct Report {
    token: Token,
    readable: bool,
    writable: bool,
    /// From here on a short read does not mean "drained": the peer hung up, or sends out of band.
    unsteady: bool,
}

impl From<&mio::event::Event> for Report {
    fn from(event: &mio::event::Event) -> Report {
        let unsteady = event.is_read_closed() || event.is_error() || event.is_priority();
        Report {
            token: event.token(),
            readable: event.is_readable() || unsteady,
            writable: event.is_writable() || event.is_write_closed() || event.is_error(),
            unsteady,
        }
    }
}

/// What a poll left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Polled {
    /// Events written.
    pub events: usize,
    /// There is, or may be, more: no edge will tell, so poll again before sleeping.
    pub more: bool,
}

/// All sockets of one thread.
pub struct Reactor {
    poll: Poll,
    reports: Events,
    /// The reports of one poll, as far as they matter here.
    seen: Vec<Report>,
    sockets: Table<Socket>,
    /// Connections that are to be read, in order; each at most once.
    readable: VecDeque<Id>,
    /// Listeners whose pause after a shortage ended early.
    resumed: Vec<Id>,
    /// Connections whose write may go on: collected here, because listeners come first.
    writable: Vec<Id>,
    /// Listeners that paused since the last close. A hint: `resumed` is made from those that still do.
    paused: Vec<Id>,
    streak: Streak,
    mailbox: Arc<Mailbox>,
    has_mail: bool,
    drain: Vec<u8>,
    /// The last poll panicked.
    panicked: bool,
}

impl Reactor {
    /// Events that [`poll`](Reactor::poll) needs room for.
    pub const SMALLEST_RING: usize = 2 * POLL_EVENTS;

    /// An empty reactor.
    ///
    /// # Errors
    ///
    /// EMFILE, ENFILE or ENOMEM, when the poll object or its waker cannot be had.
    pub fn new() -> Result<Reactor, Errno> {
        let poll = fault::call("epoll_create", Poll::new).map_err(errno)?;
        let waker = fault::call("eventfd", || Waker::new(poll.registry(), Id::MAILBOX)).map_err(errno)?;
        Ok(Reactor {
            poll,
            reports: Events::with_capacity(POLL_EVENTS),
            seen: Vec::with_capacity(POLL_EVENTS),
            sockets: Table::new(),
            readable: VecDeque::new(),
            resumed: Vec::new(),
            writable: Vec::new(),
            paused: Vec::new(),
            streak: Streak::default(),
            mailbox: Arc::new(Mailbox::new(waker)),
            has_mail: false,
            drain: Vec::new(),
            panicked: false,
        })
    }

    /// Where other threads put descriptors for this reactor.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    /// Takes in a non-blocking descriptor.
    ///
    /// # Errors
    ///
    /// EMFILE when the table is full, ENOMEM or ENOSPC when the kernel cannot watch one more. The descriptor is closed then.
    pub fn add(&mut self, fd: OwnedFd, role: Role) -> Result<Id, Errno> {
        self.register(fd.as_fd())?;
        self.insert(match role {
            Role::Connection => {
                stream::prepare(fd.as_fd())?;
                let refuses_rights = stream::refuse_rights(fd.as_fd());
                Socket::Connection(Connection::new(fd, refuses_rights))
            }
            Role::Listener => Socket::Listener(Box::new(Listener::new(fd))),
            Role::SharedListener => Socket::Listener(Box::new(Listener::shared(fd))),
        })
    }

    /// What has been registered.
    fn insert(&mut self, socket: Socket) -> Result<Id, Errno> {
        self.sockets.insert(socket).ok_or(Errno::MFILE)
    }

    /// Watches what is to be inserted next.
    fn register(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let id = self.sockets.vacancy().ok_or(Errno::MFILE)?;
        let (fd, registry) = (fd.as_raw_fd(), self.poll.registry());
        fault::call("epoll_ctl", || registry.register(&mut SourceFd(&fd), id.token(), READ)).map_err(errno)
    }

    /// A socket's descriptor, for questions to the kernel.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open socket.
    pub fn fd(&self, id: Id) -> Result<BorrowedFd<'_>, Errno> {
        self.sockets.get(id).map(Socket::fd).ok_or(Errno::BADF)
    }

    /// Is the descriptor of this number one of the reactor's? Such a one must not be added again.
    pub fn has_fd(&self, fd: RawFd) -> bool {
        self.sockets.iter().any(|socket| socket.fd().as_raw_fd() == fd)
    }

    fn connection(&mut self, id: Id) -> Result<&mut Connection, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Connection(connection)) => Ok(connection),
            _ => Err(Errno::BADF),
        }
    }

    fn listener(&mut self, id: Id) -> Result<&mut Listener, Errno> {
        match self.sockets.get_mut(id) {
            Some(Socket::Listener(listener)) => Ok(listener),
            _ => Err(Errno::BADF),
        }
    }

    /// Begins to deliver what arrives, `into` the scratch memory or, announced by a `Bulk` event, the reader's own. Returns whether something waits already, so that the owner has to poll without
    /// being told.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn read_start(&mut self, id: Id, into: Destination) -> Result<bool, Errno> {
        self.connection(id)?.start_reading(into);
        self.enqueue_if_ready(id);
        Ok(!self.readable.is_empty())
    }

    /// Leaves in the kernel what arrives from now on.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection.
    pub fn read_stop(&mut self, id: Id) -> Result<(), Errno> {
        self.connection(id)?.reading = false;
        Ok(())
    }

    /// Reads into the caller's memory, after a `Bulk` event. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// EAGAIN when nothing is there; EINVAL for no memory; EBADF; what `recvmsg(2)` reports.
    pub fn read(&mut self, id: Id, memory: &mut [u8]) -> Result<usize, Errno> {
        if memory.is_empty() {
            return Err(Errno::INVAL);
        }
        let connection = self.connection(id)?;
        let received = connection.read(memory);
        if received.is_ok_and(|length| length < SMALLEST_BULK) {
            connection.bulk = connection.destination == Destination::Own;
        }
        self.enqueue_if_ready(id);
        received
    }

    /// Sends the slices in order; returns how many bytes the kernel took. If that is not all, or on EAGAIN, one
    /// `Writable` event follows when there is room.
    ///
    /// # Errors
    ///
    /// EAGAIN; EPIPE or ECONNRESET when the peer is gone; EBADF; what `sendmsg(2)` reports.
    pub fn write(&mut self, id: Id, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let connection = self.connection(id)?;
        let sent = connection.write(slices);
        // Watched already, and yet nothing was taken: room was there, so the kernel has none to report.
        let in_vain = matches!(sent, Ok(0) | Err(Errno::AGAIN));
        if connection.wants_write && (in_vain || !connection.watches_write) {
            connection.watches_write = true;
            let fd = connection.fd.as_raw_fd();
            self.watch(fd, id, READ | Interest::WRITABLE)?;
        }
        sent
    }

    /// Writable is watched only while somebody waits for it: AF_UNIX reports it each time the peer reads.
    fn watch(&self, fd: RawFd, id: Id, interest: Interest) -> Result<(), Errno> {
        let registry = self.poll.registry();
        fault::call("epoll_ctl", || registry.reregister(&mut SourceFd(&fd), id.token(), interest))
            .map_err(errno)
    }

    /// Ends a direction, or both, of a connection. Ending the read side throws away what the kernel holds unread.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open connection; ENOTCONN on some systems when the peer is gone.
    pub fn shutdown(&mut self, id: Id, how: Shutdown) -> Result<(), Errno> {
        let mut memory = self.drain_memory();
        let done = self.connection(id).and_then(|connection| {
            let done = connection.shutdown(how);
            if how != Shutdown::Write {
                connection.reading = false;
                connection.drain(&mut memory);
            }
            done
        });
        self.drain = memory;
        done
    }

    fn drain_memory(&mut self) -> Vec<u8> {
        let mut memory = std::mem::take(&mut self.drain);
        memory.resize(READ_SIZE, 0);
        memory
    }

    /// The next waiting connection, which joins the reactor.
    ///
    /// # Errors
    ///
    /// EAGAIN when none waits; ECONNREFUSED when the listener's gate refused the one that did, which is closed then; EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC in a shortage, after which the listener pauses for
    /// [`paused_for`](Reactor::paused_for), and nobody is lost; EBUSY during that pause; EBADF; what the poll object reports of the new descriptor, which is closed then.
    pub fn accept(&mut self, id: Id) -> Result<Id, Errno> {
        let accepted = match self.listener(id)?.accept() {
            Ok(fd) => self.admit(id, fd),
            Err(errno) => {
                if fault::owes_readiness() {
                    let fd = self.fd(id)?.as_raw_fd();
                    self.poll
                        .registry()
                        .reregister(&mut SourceFd(&fd), id.token(), READ)
                        .map_err(self::errno)?;
                }
                Err(errno)
            }
        };
        if self.listener(id)?.paused_for().is_some() && !self.paused.contains(&id) {
            self.paused.push(id);
        }
        accepted
    }

    fn admit(&mut self, id: Id, fd: OwnedFd) -> Result<Id, Errno> {
        let listener = self.listener(id)?;
        let refuses_rights = listener.refuse_rights(fd.as_fd());
        if let Some(gate) = &listener.gate
            && !gate(fd.as_fd())
        {
            listener.end_shortage();
            self.turn_away(Connection::new(fd, refuses_rights));
            return Err(Errno::CONNREFUSED);
        }
        stream::prepare(fd.as_fd())?;
        if let Err(errno) = self.register(fd.as_fd()) {
            if is_shortage(errno) {
                self.listener(id)?.keep(fd);
            }
            return Err(errno);
        }
        self.listener(id)?.end_shortage();
        self.insert(Socket::Connection(Connection::new(fd, refuses_rights)))
    }

    /// Has every connection of a listener pass `gate` before [`accept`](Reactor::accept) hands it out.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open listener.
    pub fn set_gate(&mut self, id: Id, gate: Gate) -> Result<(), Errno> {
        self.listener(id)?.gate = Some(gate);
        Ok(())
    }

    /// Closes a connection that nobody is to have; its peer reads an end, whatever it sends meanwhile.
    fn turn_away(&mut self, mut connection: Connection) {
        let mut memory = self.drain_memory();
        let _ = connection.shutdown(Shutdown::Read);
        connection.drain(&mut memory);
        self.drain = memory;
    }

    /// How long a listener still pauses after a shortage; zero when the pause is over, none when there was no shortage.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open listener.
    pub fn paused_for(&mut self, id: Id) -> Result<Option<Duration>, Errno> {
        Ok(self.listener(id)?.paused_for())
    }

    /// Has the kernel refuse newcomers of a listener, whoever else has its socket. Those that wait can be accepted, and
    /// [`is_acceptable`](Reactor::is_acceptable) is true from then on.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP elsewhere than on Linux; EBADF when the id names no open listener.
    pub fn refuse_newcomers(&mut self, id: Id) -> Result<(), Errno> {
        self.listener(id)?.refuse_newcomers()
    }

    /// Would [`accept`](Reactor::accept) find a connection? Takes nothing.
    ///
    /// # Errors
    ///
    /// EBADF when the id names no open listener.
    pub fn is_acceptable(&mut self, id: Id) -> Result<bool, Errno> {
        Ok(self.listener(id)?.is_acceptable())
    }

    /// Closes a socket; its unread input is thrown away first. Closing what is not there does nothing. Returns whether
    /// listeners that waited for a descriptor want a poll now.
    pub fn close(&mut self, id: Id) -> bool {
        if let Some(Socket::Connection(mut connection)) = self.sockets.remove(id) {
            let mut memory = self.drain_memory();
            connection.drain(&mut memory);
            self.drain = memory;
        }
        for id in std::mem::take(&mut self.paused) {
            if self.listener(id).is_ok_and(Listener::end_pause) {
                self.resumed.push(id);
            }
        }
        !self.resumed.is_empty()
    }

    /// Collects what happened since the last call, without waiting: events into `ring`, bytes into `scratch`.
    /// `scratch` is overwritten from its beginning.
    ///
    /// # Errors
    ///
    /// EINVAL when `ring` has fewer than [`SMALLEST_RING`](Reactor::SMALLEST_RING) places or `scratch` less than 16 KiB;
    /// [`PANICKED`] after the second panic in a row, when events may be lost.
    pub fn poll(&mut self, ring: &mut [Event], scratch: &mut [u8]) -> Result<Polled, Errno> {
        if ring.len() < Reactor::SMALLEST_RING || scratch.len() < SMALLEST_READ {
            return Err(Errno::INVAL);
        }
        let mut ring = Ring { places: ring, used: 0 };
        // What is in the ring after a panic stays: the kernel has those bytes no more.
        let more = match catch_unwind(AssertUnwindSafe(|| self.collect(&mut ring, scratch))) {
            Ok(collected) => {
                self.panicked = false;
                collected?
            }
            Err(_) if self.panicked => return Err(PANICKED),
            Err(_) => {
                self.panicked = true;
                self.look_at_all_again();
                true
            }
        };
        Ok(Polled { events: ring.used, more })
    }

    /// Fills the ring; is there, or may there be, more?
    fn collect(&mut self, ring: &mut Ring<'_>, scratch: &mut [u8]) -> Result<bool, Errno> {
        self.sockets.recycle();
        if self.is_idle() && self.enqueue_guess() {
            let more = self.collect_input(ring, scratch);
            if ring.used > 0 {
                return Ok(more);
            }
            self.streak.end();
        }
        let mut more = false;
        self.collect_reports(ring)?;
        panics::reach("collect");
        more |= self.collect_resumed(ring);
        more |= self.collect_writable(ring);
        more |= self.collect_mail(ring);
        more |= self.collect_input(ring, scratch);
        Ok(more)
    }

    /// After a panic nobody knows what the kernel has reported and was not noted; it does not report it again.
    fn look_at_all_again(&mut self) {
        self.streak.end();
        self.readable.clear();
        self.writable.clear();
        self.has_mail = true;
        for id in self.sockets.ids() {
            match self.sockets.get_mut(id) {
                None => {}
                Some(Socket::Listener(_)) => self.resumed.push(id),
                Some(Socket::Connection(connection)) => {
                    connection.mark_readable(true);
                    connection.queued = false;
                    if connection.watches_write {
                        connection.wants_write = false;
                        self.writable.push(id);
                    }
                    self.enqueue_if_ready(id);
                }
            }
        }
    }

    /// What the kernel reports. At most one event a report, so the ring has room for all. Listeners come first, before
    /// anything that can make somebody stop waiting for a connection.
    fn collect_reports(&mut self, ring: &mut Ring<'_>) -> Result<(), Errno> {
        match fault::call("epoll_wait", || self.poll.poll(&mut self.reports, Some(Duration::ZERO)))
            .map_err(errno)
        {
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        self.seen.clear();
        self.seen.extend(self.reports.iter().map(Report::from));
        self.streak.note(match *self.seen {
            [] => return Ok(()),
            [Report { token, readable: true, .. }] if token != Id::MAILBOX => Some(Id::from_token(token)),
            _ => None,
        });
        for index in 0..self.seen.len() {
            let Some(&report) = self.seen.get(index) else { break };
            self.note(report, ring);
        }
        Ok(())
    }

    /// Polls until there is something, or for so long: trades the processor's time for the latency of a sleep. Lets another
    /// thread run between polls, which on one processor may be the one that answers.
    ///
    /// # Errors
    ///
    /// As [`poll`](Reactor::poll).
    pub fn poll_for(
        &mut self,
        ring: &mut [Event],
        scratch: &mut [u8],
        patience: Duration,
    ) -> Result<Polled, Errno> {
        if patience.is_zero() {
            // Without the clock, which costs as much as the poll itself: see ping.
            return self.poll(ring, scratch);
        }
        let start = Instant::now();
        loop {
            let polled = self.poll(ring, scratch)?;
            if polled.events > 0 || polled.more || start.elapsed() >= patience {
                return Ok(polled);
            }
            std::thread::yield_now();
        }
    }

    /// Is nothing left from the last poll?
    fn is_idle(&self) -> bool {
        self.readable.is_empty() && self.resumed.is_empty() && self.writable.is_empty() && !self.has_mail
    }

    /// Puts the connection that the streak names into the queue; false if there is none, or it does not want to be read.
    fn enqueue_guess(&mut self) -> bool {
        let Some(id) = self.streak.guess() else { return false };
        match self.connection(id) {
            Ok(connection) if connection.reading && !connection.bulk && !connection.watches_write => {
                connection.mark_readable(false);
                self.enqueue_if_ready(id);
                !self.readable.is_empty()
            }
            _ => false,
        }
    }

    fn note(&mut self, report: Report, ring: &mut Ring<'_>) {
        if report.token == Id::MAILBOX {
            self.has_mail = true;
            return;
        }
        let id = Id::from_token(report.token);
        match self.sockets.get_mut(id) {
            None => {}
            Some(Socket::Listener(_)) => ring.push(id.slot, EventKind::Acceptable, 0, 0),
            Some(Socket::Connection(connection)) => {
                if report.readable {
                    connection.mark_readable(report.unsteady);
                }
                if report.writable && connection.wants_write {
                    connection.wants_write = false;
                    self.writable.push(id);
                } else if report.writable && connection.watches_write {
                    // If that fails, the watch stays, and with it needless reports.
                    let fd = connection.fd.as_raw_fd();
                    let still = self.watch(fd, id, READ).is_err();
                    if let Ok(connection) = self.connection(id) {
                        connection.watches_write = still;
                    }
                }
                self.enqueue_if_ready(id);
            }
        }
    }

    fn collect_resumed(&mut self, ring: &mut Ring<'_>) -> bool {
        while let Some(id) = self.resumed.pop() {
            if ring.room() <= self.writable.len() {
                self.resumed.push(id);
                return true;
            }
            ring.push(id.slot, EventKind::Acceptable, 0, 0);
        }
        false
    }

    fn collect_writable(&mut self, ring: &mut Ring<'_>) -> bool {
        let count = self.writable.len().min(ring.room());
        for id in self.writable.drain(..count) {
            ring.push(id.slot, EventKind::Writable, 0, 0);
        }
        !self.writable.is_empty()
    }

    fn collect_mail(&mut self, ring: &mut Ring<'_>) -> bool {
        while self.has_mail && !ring.is_full() {
            let Some((Arrival { request, outcome }, waiting)) = self.mailbox.take() else {
                self.has_mail = false;
                return false;
            };
            self.has_mail = waiting;
            let added = match outcome {
                Ok(Answer::Note(note)) => {
                    ring.push(request, EventKind::Note, note, 0);
                    continue;
                }
                Ok(Answer::Socket(fd, role)) => contained(|| self.add(fd, role)),
                Ok(Answer::Listener(fd, refused)) => match contained(|| self.register(fd.as_fd())) {
                    Ok(()) => self.insert(Socket::Listener(Box::new(Listener::new(fd)))),
                    Err(errno) => {
                        refused(fd, errno);
                        continue;
                    }
                },
                Err(errno) => Err(errno),
            };
            match added {
                // A slot number is below 2^21.
                Ok(id) => ring.push(request, EventKind::Completed, id.slot as i32, id.generation),
                Err(errno) => ring.push(request, EventKind::Completed, negative(errno), 0),
            }
        }
        self.has_mail
    }

    fn enqueue_if_ready(&mut self, id: Id) {
        if let Ok(connection) = self.connection(id)
            && connection.is_ready()
            && !connection.queued
        {
            connection.queued = true;
            self.readable.push_back(id);
        }
    }

    /// Reads the connections that wait for it, each once around, while ring and scratch memory last.
    fn collect_input(&mut self, ring: &mut Ring<'_>, scratch: &mut [u8]) -> bool {
        let mut used = 0;
        for _ in 0..self.readable.len() {
            let Some(id) = self.readable.pop_front() else { break };
            let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else { continue };
            let turn = AssertUnwindSafe(|| connection.read_in_turn(id.slot, ring, scratch, &mut used));
            match catch_unwind(turn) {
                Ok(true) => {}
                Ok(false) => {
                    // No room: this connection is the first of the next turn.
                    self.readable.push_front(id);
                    return true;
                }
                Err(_) => {
                    connection.give_up();
                    ring.push(id.slot, EventKind::Error, negative(PANICKED), 0);
                    continue;
                }
            }
            connection.queued = false;
            if connection.bulk {
                // Whoever answers the event reads it on and thereby puts it back in the queue.
                if connection.is_ready() {
                    ring.push(id.slot, EventKind::Bulk, 0, 0);
                }
            } else {
                self.enqueue_if_ready(id);
            }
        }
        // Also after `Bulk`, whose reader may leave something.
        !self.readable.is_empty() || ring.has_bulk()
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl AsFd for Reactor {
    /// The poll object's descriptor: readable when a poll would find something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the poll object is open for as long as `self`, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(self.poll.as_raw_fd()) }
    }
}

/// Whatever becomes of the work, its request is answered.
fn contained<T>(work: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    catch_unwind(AssertUnwindSafe(|| {
        panics::reach("mail");
        work()
    }))
    .unwrap_or(Err(PANICKED))
}

/// Of the poll object. Its EAGAIN would be taken for a socket's, which says that readiness follows.
fn errno(error: std::io::Error) -> Errno {
    match Errno::from_io_error(&error) {
        Some(Errno::AGAIN) => Errno::NOBUFS,
        errno => errno.unwrap_or(Errno::IO),
    }
}
