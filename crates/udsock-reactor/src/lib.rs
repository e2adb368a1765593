//! The data plane: readiness, accept, read and write for many Unix-domain sockets on one thread.
//!
//! A [`Reactor`] owns its descriptors and one `mio::Poll`. It never sleeps by itself and starts no thread: its owner
//! watches the poll object's descriptor, and *pulls* with [`Reactor::poll`] when that becomes readable. Everything here
//! is non-blocking and belongs to one thread, except the [`Mailbox`], through which other threads hand in descriptors.
//!
//! What must always hold:
//! - a descriptor has exactly one owner, from the system call that made it to the one that closes it;
//! - an event for a socket that is gone is dropped, never delivered to its successor ([`Id`] carries a generation);
//! - a connection is read only after [`Reactor::read_start`];
//! - a record is delivered whole, as one event, or marked as truncated;
//! - one call to `poll` is bounded by the room for events and by the scratch memory, and sockets take turns;
//! - a panic while a connection is read fails that connection, and loses no other event.

#![warn(missing_debug_implementations)]

mod bell;
mod closer;
mod connection;
mod descriptors;
mod drain;
mod error;
mod event;
mod id;
mod input;
mod interest;
mod listener;
mod mailbox;
mod reactor;
mod read_speculation;
mod received;
mod records;
mod revocable;
mod socket;
mod stream;
mod table;

use udsock::{fault, panics};

pub use bell::{Bell, Oneshot, Watcher};
pub use descriptors::Descriptors;
pub use error::{PANICKED, negative};
pub use event::{DatagramHead, Event, EventKind, PollMemory, TRUNCATED};
pub use id::{Id, LARGEST_WHOLE, whole};
pub use input::Rights;
pub use listener::AcceptFilter;
pub use mailbox::{Answer, Arrival, Mailbox, Refused};
pub use reactor::{Accepted, Destination, Polled, Reactor, TakenDescriptors};
pub use received::Lost;
pub use revocable::Revocable;
pub use rustix::io::Errno;
pub use socket::Role;
pub use udsock::SocketType;
pub use udsock::records::{MOST_IN_SEND, SentRecords};
pub use udsock::transfer::{RawSlice, Received, Sent, Shutdown};
