//! Unix-domain sockets for tokio, and for programs with a reactor of their own.
//!
//! With the feature `tokio`, which is on by default:
//!
//! * [`connect`]: connects, and waits in a queue while the listener's backlog is full.
//! * [`Listener`]: listens with [`bind`](Listener::bind) or [`bind_with`](Listener::bind_with), and has a cancel-safe
//!   [`accept`](Listener::accept) that survives exhausted descriptors and takes clients with unusual addresses. With the
//!   feature `stream` it becomes a `Stream` of connections.
//! * [`BoundPath`] and [`PathWatcher`]: the life of a listener's socket file, and reports of its removal or replacement.
//! * [`control`]: all of this for an event loop that must not wait.
//!
//! With and without it:
//!
//! * [`Address`]: every address that the platform has, valid by construction, byte for byte.
//! * [`bind()`] and [`bind_with`]: listen with an exact mode, in the place of a stale socket file, or of a live listener that
//!   is replaced without a gap. They return plain descriptors; [`SocketFile`] reports whether the path still belongs to one.
//! * [`adopt`] and [`adopt_connection`]: sockets that another program made.
//! * [`PeerCredentials`]: user, group and process at the other end; [`Allowed`]: which users and groups are admitted.
//! * [`DescriptorKind`], [`duplicate`] and [`close_on_exec`]: descriptors of any kind.
//! * [`datagram_socket`] and its like: sockets for datagrams, which [`bind_with`] binds to a path.
//! * [`accept_now`], [`AcceptBackoff`], [`transfer`], [`records`], [`Ancillary`] and [`refuse_rights`]: the parts of accept and read loops
//!   of other reactors.
//!
//! Established connections are tokio's own [`UnixStream`](tokio::net::UnixStream), or plain descriptors
//! ([`try_connect`], [`connect_fd`], [`connect_in_turn`]).
//!
//! Descriptors are non-blocking and close-on-exec from the start. Every [`std::io::Error`] of this crate carries the number
//! of the system's error ([`raw_os_error`](std::io::Error::raw_os_error) is `Some`).
//!
//! # Examples
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use udsock::{Address, Listener, connect};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let path = std::env::temp_dir().join(format!("udsock-doc-lib-{}", std::process::id()));
//! let address = Address::try_from(path.as_path())?;
//! let listener = Listener::bind(&address, 16)?;
//!
//! let mut client = connect(&address, None).await?;
//! let mut server = listener.accept().await?;
//! client.write_all(b"hello").await?;
//! drop(client);
//!
//! let mut text = String::new();
//! server.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # std::fs::remove_file(path)
//! # }
//! ```

#![warn(missing_debug_implementations)]

mod accept;
mod address;
mod allowed;
mod ancillary;
#[cfg(feature = "tokio")]
mod backoff;
mod bind;
#[cfg(feature = "tokio")]
mod connect;
#[cfg(feature = "tokio")]
pub mod control;
mod datagram;
mod descriptor;
mod error;
mod exhaustion;
#[doc(hidden)]
pub mod fault;
#[cfg(feature = "tokio")]
mod listener;
#[doc(hidden)]
pub mod panics;
#[cfg(feature = "tokio")]
mod pauses;
mod peer;
#[cfg(feature = "tokio")]
mod pool;
pub mod records;
mod socket_type;
mod sys;
pub mod transfer;
#[cfg(feature = "tokio")]
mod turns;
#[cfg(feature = "tokio")]
mod watch;

pub use accept::{AcceptedNow, accept_now, try_accept};
pub use address::{Address, AddressError, MAX_PATHNAME};
pub use allowed::{Allowed, overflow_ids};
pub use ancillary::{Ancillary, Passed, refuse_rights};
#[cfg(feature = "tokio")]
pub use backoff::descriptor_closed;
#[cfg(feature = "tokio")]
pub use bind::BoundPath;
pub use bind::{
    BindOptions, Bound, FileState, OnExisting, SocketFile, adopt, adopt_connection, bind, bind_with, inspect,
    inspect_connection,
};
#[cfg(feature = "tokio")]
pub use connect::{
    ConnectOptions, connect, connect_fd, connect_in_turn, connect_in_turn_with, try_connect, try_connect_with,
};
pub use datagram::{
    autobind, bind_datagrams, connect_datagrams, datagram_socket, disconnect_datagrams, pass_credentials,
};
pub use descriptor::{DescriptorKind, close_on_exec, duplicate};
pub use exhaustion::{AcceptBackoff, is_exhaustion};
#[cfg(feature = "stream")]
pub use listener::Incoming;
#[cfg(feature = "tokio")]
pub use listener::Listener;
pub use peer::PeerCredentials;
pub use socket_type::SocketType;
#[cfg(feature = "tokio")]
pub use watch::{PathWatch, PathWatcher};

/// Has the README's examples tested.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Decoders of the kernel's data, for the fuzz targets (`cfg(fuzzing)`).
#[cfg(fuzzing)]
pub mod fuzzing {
    use std::io;

    /// Decodes what follows the family in an address of the kernel's.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG` where no address can be as long.
    pub fn from_kernel(bytes: &[u8]) -> io::Result<crate::Address> {
        crate::Address::from_kernel(bytes)
    }

    /// Returns the numbers of the descriptors in the control messages of a received message.
    #[must_use]
    pub fn descriptor_numbers(control: &[u8]) -> Vec<i32> {
        crate::sys::numbers_in(control)
    }

    /// Returns a batch whose last receive has brought an empty record: with an address, of which the kernel says that it has `named` bytes, with
    /// control messages and flags.
    #[must_use]
    pub fn received(name: &[u8], named: usize, control: &[u8], flags: i32) -> crate::records::RecordBatch {
        crate::records::RecordBatch::filled(name, named, control, flags)
    }
}
