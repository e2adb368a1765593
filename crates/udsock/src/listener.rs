//! Accepting.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::net::UnixStream;
use tokio::task::coop::consume_budget;

use crate::address::Address;
use crate::backoff::{AcceptBackoff, ClosedOnDrop, Freed, is_exhaustion};
use crate::bind::{adopt, bind};
use crate::connect::into_stream;
use crate::error::{errno, numbered};
use crate::fault;
use crate::sys;

/// A listening socket on tokio's reactor.
///
/// Dropping it closes the socket. Connections that nobody has accepted are reset, a pathname's file stays.
///
/// # Examples
///
/// ```no_run
/// use udsock::{Address, Listener};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = Listener::bind(&Address::pathname("/run/app.sock")?, 128)?;
/// loop {
///     let stream = listener.accept().await?;
///     tokio::spawn(async move { drop(stream) });
/// }
/// # }
/// ```
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
    /// Last, so that the socket is closed by then.
    _closed: ClosedOnDrop,
}

impl Listener {
    /// [`bind()`], and [`from_fd`](Self::from_fd).
    ///
    /// # Errors
    ///
    /// Those of [`bind()`] and [`from_fd`](Self::from_fd).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind(address: &Address, backlog: i32) -> io::Result<Self> {
        Self::from_fd(bind(address, backlog)?)
    }

    /// Takes over a socket that listens already, such as one that a service manager passed on.
    ///
    /// It is made non-blocking and close-on-exec.
    ///
    /// # Errors
    ///
    /// * `EINVAL`: it does not listen (macOS says so only at [`accept`](Self::accept)).
    /// * `EPROTOTYPE`: it is no stream socket.
    /// * `EAFNOSUPPORT`: it is no Unix-domain socket.
    /// * `ENOTSOCK`: it is no socket.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        let socket = adopt(socket).map_err(|(_closed, error)| error)?;
        Ok(Self { socket: sys::watch_readable(socket).map_err(numbered)?, _closed: ClosedOnDrop })
    }

    /// Accepts one connection.
    ///
    /// Any number of tasks may wait at once; each connection goes to one of them. Connections that ended
    /// while they were queued are accepted too, or skipped where the system reports them (`ECONNABORTED`).
    ///
    /// When descriptors or memory have run out ([`is_exhaustion`]), the connection stays in the kernel's
    /// queue and this waits: 5 ms, doubling to 1 s, less if [`descriptor_closed`](crate::descriptor_closed)
    /// is called.
    ///
    /// # Errors
    ///
    /// * `EINVAL`: the listener is shut down, and nothing is queued.
    /// * `ECANCELED`: the runtime is shutting down.
    /// * Whatever else `accept` reports, or the reactor for a connection that it cannot take (which is
    ///   closed).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, no connection has been taken.
    ///
    /// # Panics
    ///
    /// If descriptors have run out, in a runtime without time enabled.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let mut backoff = AcceptBackoff::new();
        loop {
            // Before the attempt: a descriptor that is freed after it shortens the pause.
            let freed = Freed::watch();
            let mut cached = self.readable().await?;
            match take(self.as_fd()) {
                // Nothing may be awaited from here on: the connection has left the kernel's queue.
                Ok(connection) => return into_stream(connection),
                // Linux says EAGAIN for a listener that is shut down, too; tokio never clears this readiness.
                Err(Errno::AGAIN) if cached.ready().is_read_closed() => return Err(errno(libc::EINVAL)),
                Err(Errno::AGAIN) if fault::owes_readiness() => {}
                Err(Errno::AGAIN) => cached.clear_ready(),
                Err(error) if is_exhaustion(error.raw_os_error()) => {
                    freed.or_after(backoff.pause()).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until [`accept`](Self::accept) would not have to wait for a client, and takes nothing.
    ///
    /// That is so when a connection is queued, or when the listener has failed. Another task or process may
    /// still be faster to accept it.
    ///
    /// # Errors
    ///
    /// Whatever `poll` reports. `ECANCELED` if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is ever taken, so nothing can be lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use udsock::{Address, Listener, connect};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("udsock-doc-ready-{}", std::process::id()));
    /// let address = Address::try_from(path.as_path())?;
    /// let listener = Listener::bind(&address, 4)?;
    /// let _client = connect(&address, None).await?;
    /// listener.ready().await?;
    /// listener.ready().await?; // still, because nothing has been taken
    /// let _server = listener.accept().await?;
    /// # std::fs::remove_file(path)
    /// # }
    /// ```
    pub async fn ready(&self) -> io::Result<()> {
        loop {
            let mut cached = self.readable().await?;
            if has_news(self.as_fd())? {
                return Ok(());
            }
            // The client that this readiness announced has been accepted already.
            cached.clear_ready();
        }
    }

    /// The address that the listener is bound to.
    ///
    /// # Errors
    ///
    /// Those of [`Address::local`].
    pub fn local_address(&self) -> io::Result<Address> {
        Address::local(self)
    }

    /// What the reactor remembers as readiness, which may be over. Leaves room for other tasks while clients
    /// throng.
    async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        consume_budget().await;
        self.socket.readable().await.map_err(numbered)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.local_address();
        f.debug_struct("Listener").field("address", &address).field("fd", &self.as_raw_fd()).finish()
    }
}

/// One connection, or the error that is not over by trying again at once.
fn take(listener: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    loop {
        match sys::accept(listener) {
            Ok(connection) => return Ok(connection),
            Err(Errno::CONNABORTED | Errno::INTR) => {}
            // The kernel looks for a descriptor before it looks for a client. Without one to pause for, it is
            // the next client that is waited for.
            Err(error) if is_exhaustion(error.raw_os_error()) && !has_news(listener)? => {
                return Err(Errno::AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether `accept` would return at once: tokio's readiness only says that it would have at some time.
fn has_news(listener: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let mut descriptors = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
    loop {
        match fault::call("poll", || poll(&mut descriptors, Some(&Timespec::default()))) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
