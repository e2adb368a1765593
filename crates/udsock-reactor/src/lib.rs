//! The data plane: readiness, accept, read and write for many Unix-domain sockets on one thread.
//!
//! A [`Reactor`] owns its descriptors and one `mio::Poll`. It never sleeps by itself and starts no thread: its owner
//! watches the poll object's descriptor, and *pulls* with [`Reactor::poll`] when that becomes readable. Everything here
//! is non-blocking and belongs to one thread, except the [`Mailbox`], through which other threads hand in descriptors.
//!
//! What must always hold:
//! - a descriptor has exactly one owner, from the system call that made it to the one that closes it;
//! - an event for a socket that is gone is dropped, never delivered to its successor ([`Id`] carries a generation);
//! - nothing is read from a connection that was not asked for ([`Reactor::read_start`]);
//! - one call to `poll` is bounded by the events and the scratch memory it is given, and sockets take turns;
//! - a panic while a connection is read is that connection's failure, and no other event is lost to it.

mod connection;
mod event;
mod fault;
mod id;
mod listener;
mod mailbox;
pub mod panics;
mod reactor;
mod revocable;
mod streak;
mod stream;
mod table;

pub use event::{Event, EventKind, PANICKED, negative};
pub use id::Id;
pub use listener::Gate;
pub use mailbox::{Answer, Arrival, Mailbox, Refused};
pub use reactor::{Destination, Polled, Reactor, Role};
pub use revocable::Revocable;
pub use rustix::io::Errno;
pub use rustix::net::Shutdown;
