//! One poll: what it collects, and in which order. Listeners come first, then the mailbox, input, writable sockets and
//! hang-ups.
//!
//! What always holds: a poll writes no more events than the ring has room for, reads no more bytes than the scratch memory has
//! room for, and leaves the rest queued; a connection is in `readable` exactly when its `is_queued` is set.

use super::{POLL_EVENTS, Reactor};
use crate::error::{PANICKED, negative, poll_errno};
use crate::event::{Ring, Scratch};
use crate::interest::READ;
use crate::socket::Socket;
use crate::stream::SMALLEST_READ;
use crate::{Answer, Arrival, EventKind, Id, PollMemory, fault, panics};
use mio::{Interest, Token};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};
use udsock::panics::catch_panic;

/// The kernel's report on one descriptor.
#[derive(Clone, Copy)]
pub(super) struct Report {
    token: Token,
    readable: bool,
    writable: bool,
    /// Whether a short read no longer means "drained": the peer hung up, or sends out of band.
    unsteady: bool,
    /// Whether the peer has ended its side.
    hung_up: bool,
}

impl From<&mio::event::Event> for Report {
    fn from(event: &mio::event::Event) -> Report {
        let unsteady = event.is_read_closed() || event.is_error() || event.is_priority();
        Report {
            token: event.token(),
            readable: event.is_readable() || unsteady,
            writable: event.is_writable() || event.is_write_closed() || event.is_error(),
            unsteady,
            hung_up: event.is_read_closed(),
        }
    }
}

/// The outcome of a poll.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Polled {
    /// Events written.
    pub events: usize,
    /// Whether there is, or may be, more. No edge reports it, so poll again before sleeping.
    pub more: bool,
}

impl Reactor {
    /// Collects what happened since the last call, without waiting: events into the ring, bytes into the scratch memory, both
    /// of which are overwritten from their beginning.
    ///
    /// # Errors
    ///
    /// EINVAL when the ring has fewer than [`SMALLEST_RING`](Reactor::SMALLEST_RING) places or the scratch memory less than 16 KiB;
    /// [`PANICKED`] after the second panic in a row, when events may be lost.
    pub fn poll(&mut self, memory: &mut PollMemory<'_>) -> Result<Polled, Errno> {
        self.collect_into(memory, true)
    }

    /// Collects what the last poll left, as [`poll`](Reactor::poll) does, without asking the kernel: what follows from a turn,
    /// such as a peer's answer, comes in a later turn.
    ///
    /// # Errors
    ///
    /// As [`poll`](Reactor::poll).
    pub fn poll_rest(&mut self, memory: &mut PollMemory<'_>) -> Result<Polled, Errno> {
        self.collect_into(memory, false)
    }

    fn collect_into(&mut self, memory: &mut PollMemory<'_>, news: bool) -> Result<Polled, Errno> {
        if memory.places() < Reactor::SMALLEST_RING || memory.bytes() < SMALLEST_READ {
            return Err(Errno::INVAL);
        }
        let (mut ring, mut scratch) = memory.begin();
        // The ring keeps its events after a panic: the kernel no longer has those bytes.
        let more = match catch_panic(|| self.collect(&mut ring, &mut scratch, news)) {
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

    /// Fills the ring. `news`: whether the kernel is asked. Returns whether there is, or may be, more.
    fn collect(&mut self, ring: &mut Ring<'_>, scratch: &mut Scratch<'_>, news: bool) -> Result<bool, Errno> {
        self.sockets.recycle();
        self.drain.begin_turn();
        if news && self.is_idle() && self.enqueue_guess() {
            let more = self.collect_input(ring, scratch);
            if ring.used > 0 {
                return Ok(more);
            }
            self.speculation.end();
        }
        let mut more = false;
        if news {
            self.collect_reports(ring)?;
        }
        panics::reach("collect");
        // Input comes before writable: a write that fails because the peer has gone must not overtake the peer's last
        // bytes. The reserve keeps much input from delaying writers.
        ring.reserved = (self.writable.len() + self.hung_up.len()).min(POLL_EVENTS);
        more |= self.collect_resumed(ring);
        more |= self.collect_mail(ring);
        more |= self.collect_input(ring, scratch);
        ring.reserved = 0;
        more |= self.collect_writable(ring);
        more |= self.collect_hung_up(ring);
        Ok(more)
    }

    /// Assumes that every socket is ready. After a panic, reports may be lost, which the kernel does not repeat.
    fn look_at_all_again(&mut self) {
        self.speculation.end();
        self.readable.clear();
        self.writable.clear();
        self.hung_up.clear();
        self.has_mail = true;
        for id in self.sockets.ids() {
            match self.sockets.get_mut(id) {
                None => {}
                Some(Socket::Listener(_)) => self.resumed.push(id),
                Some(socket) => {
                    let Some(connection) = socket.connection_mut() else { continue };
                    connection.mark_readable(true);
                    connection.is_queued = false;
                    if connection.watches_write {
                        connection.wants_write = false;
                        self.writable.push(id);
                    }
                    let interest = if connection.watches_write { READ | Interest::WRITABLE } else { READ };
                    let unread = (!connection.is_reading).then(|| connection.fd.as_raw_fd());
                    self.enqueue_if_ready(id);
                    if let Some(fd) = unread {
                        // Registering again repeats the report of a hang-up. If that fails, a later write finds it.
                        let _ = self.watch(fd, id, interest);
                    }
                }
            }
        }
    }

    /// Collects the kernel's reports. A report makes at most one event, so the ring has room for all. Listeners come first,
    /// before any event whose handler may stop waiting for a connection.
    fn collect_reports(&mut self, ring: &mut Ring<'_>) -> Result<(), Errno> {
        match fault::call("epoll_wait", || self.poll.poll(&mut self.reports, Some(Duration::ZERO)))
            .map_err(poll_errno)
        {
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        self.seen.clear();
        self.seen.extend(self.reports.iter().map(Report::from));
        self.speculation.note(match *self.seen {
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

    /// Polls until there is an event or `patience` is over: busy polling costs processor time and avoids the latency of a sleep.
    /// It yields between polls, because on one processor the peer needs it to answer.
    ///
    /// # Errors
    ///
    /// As [`poll`](Reactor::poll).
    pub fn poll_for(&mut self, memory: &mut PollMemory<'_>, patience: Duration) -> Result<Polled, Errno> {
        if patience.is_zero() {
            // Without the clock, which costs as much as the poll itself: see ping.
            return self.poll(memory);
        }
        let start = Instant::now();
        loop {
            let polled = self.poll(memory)?;
            if polled.events > 0 || polled.more || start.elapsed() >= patience {
                return Ok(polled);
            }
            std::thread::yield_now();
        }
    }

    /// Whether nothing is left from the last poll.
    fn is_idle(&self) -> bool {
        self.readable.is_empty()
            && self.resumed.is_empty()
            && self.writable.is_empty()
            && self.hung_up.is_empty()
            && !self.has_mail
    }

    /// Queues the connection that is likely to have input. Returns false if there is none, or it does not want to be read.
    fn enqueue_guess(&mut self) -> bool {
        let Some(id) = self.speculation.guess() else { return false };
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| !socket.is_bulk()) else { return false };
        match socket.connection_mut() {
            Some(connection) if connection.is_reading && !connection.watches_write => {
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
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let Some(connection) = socket.connection_mut() else {
            ring.push(id.slot, EventKind::Acceptable, 0, 0);
            return;
        };
        if report.readable {
            connection.mark_readable(report.unsteady);
        }
        if report.hung_up {
            connection.mark_hung_up();
            if socket.owes_hang_up() {
                self.hung_up.push(id);
            }
        }
        let Some(connection) = socket.connection_mut() else { return };
        if report.writable && connection.wants_write {
            connection.wants_write = false;
            self.writable.push(id);
        } else if report.writable && connection.watches_write {
            // If that fails, writable stays watched, and its reports are needless.
            let fd = connection.fd.as_raw_fd();
            let still = self.watch(fd, id, READ).is_err();
            if let Ok(connection) = self.connection(id) {
                connection.watches_write = still;
            }
        }
        self.enqueue_if_ready(id);
    }

    fn collect_resumed(&mut self, ring: &mut Ring<'_>) -> bool {
        while let Some(id) = self.resumed.pop() {
            if ring.is_full() {
                self.resumed.push(id);
                return true;
            }
            if self.sockets.get(id).is_some() {
                ring.push(id.slot, EventKind::Acceptable, 0, 0);
            }
        }
        false
    }

    fn collect_writable(&mut self, ring: &mut Ring<'_>) -> bool {
        let count = self.writable.len().min(ring.room());
        for id in self.writable.drain(..count) {
            if self.sockets.get(id).is_some() {
                ring.push(id.slot, EventKind::Writable, 0, 0);
            }
        }
        !self.writable.is_empty()
    }

    fn collect_hung_up(&mut self, ring: &mut Ring<'_>) -> bool {
        let count = self.hung_up.len().min(ring.room());
        for id in self.hung_up.drain(..count) {
            if let Some(socket) = self.sockets.get_mut(id)
                && socket.owes_hang_up()
                && let Some(connection) = socket.connection_mut()
            {
                connection.mark_hang_up_reported();
                ring.push(id.slot, EventKind::HangUp, 0, 0);
            }
        }
        !self.hung_up.is_empty()
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
                Ok(Answer::Listener(fd, role, refused)) => match contained(|| self.register(fd.as_fd())) {
                    Ok(id) => match Socket::new(fd, role) {
                        Ok(socket) => {
                            self.sockets.insert(socket);
                            Ok(id)
                        }
                        Err((_closed, errno)) => Err(errno),
                    },
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

    /// Reads the queued connections, each for one turn, while ring and scratch memory last.
    fn collect_input(&mut self, ring: &mut Ring<'_>, scratch: &mut Scratch<'_>) -> bool {
        for _ in 0..self.readable.len() {
            let Some(id) = self.readable.pop_front() else { break };
            let Some(socket) = self.sockets.get_mut(id) else { continue };
            let batch = &mut self.batch;
            let has_room = catch_panic(|| match socket {
                Socket::Stream(stream) => stream.read_in_turn(id.slot, ring, scratch),
                Socket::Records(records) => records.read_in_turn(id.slot, ring, scratch, batch),
                Socket::Listener(_) => true,
            });
            let is_bulk = socket.is_bulk();
            let Some(connection) = socket.connection_mut() else { continue };
            match has_room {
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
            connection.is_queued = false;
            if is_bulk {
                // The event's handler calls `read`, which queues the stream again.
                if connection.is_ready() {
                    ring.push(id.slot, EventKind::Bulk, 0, 0);
                }
            } else {
                self.enqueue_if_ready(id);
            }
        }
        // Also after `Bulk`, because its reader may leave bytes.
        !self.readable.is_empty() || ring.has_bulk
    }
}

/// Does the work of a request, which is answered even if the work panics.
fn contained<T>(work: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    catch_panic(|| {
        panics::reach("mail");
        work()
    })
    .unwrap_or(Err(PANICKED))
}
