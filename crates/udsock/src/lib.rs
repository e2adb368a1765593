//! Unix-domain stream sockets for tokio.
//!
//! * [`Address`]: every address the platform has, valid by construction, byte for byte.
//! * [`connect`]: connects, and waits its turn when the listener's backlog is full.
//! * [`bind_with`]: listens with an exact mode, in the place of what is stale, or of a live listener that is
//!   replaced without a gap; [`SocketFile`] tells whether the path is still its own.
//! * [`Listener`]: a cancel-safe [`accept`](Listener::accept) that outlives exhausted descriptor tables and
//!   clients with unusual addresses.
//! * [`PeerCredentials`]: who is at the other end; [`Allowed`]: who may be.
//!
//! Established connections are tokio's own [`UnixStream`](tokio::net::UnixStream). The functions named
//! [`try_connect`], [`connect_in_turn`], [`connect_fd`], [`bind`] and [`adopt`] deal in plain descriptors, for programs that have a reactor
//! of their own; [`AcceptBackoff`], [`is_exhaustion`] and [`descriptor_closed`] are what their accept loops
//! need.
//!
//! Descriptors are non-blocking and close-on-exec from birth. Every [`std::io::Error`] of this crate carries
//! the number of the system's error ([`raw_os_error`](std::io::Error::raw_os_error) is `Some`).
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

mod address;
mod allowed;
mod backoff;
mod bind;
mod connect;
mod error;
mod fault;
mod listener;
mod peer;
mod sys;

pub use address::{Address, AddressError, MAX_PATHNAME};
pub use allowed::{Allowed, overflow_ids};
pub use backoff::{AcceptBackoff, descriptor_closed, is_exhaustion};
pub use bind::{
    BindOptions, Bound, FileState, OnExisting, SocketFile, adopt, adopt_connection, bind, bind_with, inspect,
    inspect_connection,
};
pub use connect::{connect, connect_fd, connect_in_turn, try_connect};
pub use listener::Listener;
pub use peer::PeerCredentials;

/// What only the kernel calls, for the fuzz targets (`cfg(fuzzing)`).
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
}
