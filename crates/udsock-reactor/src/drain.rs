//! Closing connections that have unread input.

use crate::closer::close_elsewhere;
use crate::connection::Drained;
use crate::socket::Socket;
use crate::stream::READ_SIZE;
use std::time::{Duration, Instant};
use udsock::records::RecordBatch;

/// Unread input that is drained in one turn, over all sockets: four times the largest buffer that Linux grants by default.
const BYTES_PER_TURN: usize = 16 << 20;
/// After this time it is another turn, even without a poll in between.
const LONGEST_TURN: Duration = Duration::from_millis(50);

/// The budget that all closes of one turn share, so that a turn is bounded. When it is spent, sockets are closed with their
/// unread input, and their peers read ECONNRESET.
pub(crate) struct Drain {
    memory: Vec<u8>,
    batch: RecordBatch,
    /// Bytes that may still be drained in this turn.
    budget: usize,
    /// When the budget was spent.
    spent: Option<Instant>,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Drain { memory: Vec::new(), batch: RecordBatch::new(), budget: BYTES_PER_TURN, spent: None }
    }

    pub(crate) fn begin_turn(&mut self) {
        self.budget = BYTES_PER_TURN;
        self.spent = None;
    }

    /// Takes a connection's unread input out of the kernel.
    pub(crate) fn empty(&mut self, socket: &mut Socket) -> Drained {
        if self.spent.is_some_and(|spent| spent.elapsed() >= LONGEST_TURN) {
            self.begin_turn();
        }
        self.memory.resize(READ_SIZE, 0);
        let drained = match socket {
            Socket::Stream(stream) => stream.drain(&mut self.memory, &mut self.budget),
            Socket::Records(records) => records.drain(&mut self.memory, &mut self.batch, &mut self.budget),
            Socket::Listener(_) => Drained::Empty,
        };
        if self.budget == 0 && self.spent.is_none() {
            self.spent = Some(Instant::now());
        }
        drained
    }

    /// Takes a connection's unread input out of the kernel, and closes it.
    pub(crate) fn close(&mut self, mut socket: Socket) {
        let blocks = if socket.is_inherited() {
            // The unread input may be for another process.
            socket.may_hold_rights()
        } else {
            self.empty(&mut socket) == Drained::Rights
        };
        if blocks {
            close_elsewhere(socket.into_fd());
        }
    }
}
