//! Listening and accepting on tokio's reactor.
//!
//! What must always hold: between the system call that takes a connection and its return to the caller nothing is awaited,
//! so that a dropped future has taken none.

mod convert;
#[cfg(feature = "stream")]
mod incoming;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::task::coop::consume_budget;

#[cfg(feature = "stream")]
pub use self::incoming::Incoming;
use crate::accept::{AcceptedNow, accept_now};
use crate::address::Address;
use crate::backoff::{ClosedOnDrop, Freed};
use crate::bind::{BindOptions, Bound, BoundPath, SocketFile, adopt, bind_with};
use crate::connect::into_stream;
use crate::error::{errno, numbered};
use crate::exhaustion::AcceptBackoff;
use crate::fault;
use crate::socket_type::SocketType;
use crate::sys;
use crate::transfer::is_readable;

/// How long a failed [`Listener::bind_with`] waits for the lock of the directory to remove the file again.
const UNDO_LIMIT: Duration = Duration::from_secs(1);

/// A listening stream socket on tokio's reactor.
///
/// Dropping it closes the socket and resets the connections that were not accepted. The file of a pathname stays; see
/// [`file`](Self::file).
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
#[must_use = "dropping a listener closes it"]
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
    file: Option<SocketFile>,
    /// The pause of [`poll_accept`](Self::poll_accept).
    rest: Mutex<Rest>,
    /// Last, so that the socket is closed by then.
    _closed: ClosedOnDrop,
}

#[derive(Default)]
struct Rest {
    backoff: AcceptBackoff,
    /// The pause under way.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// The outcome of an attempt to accept.
enum Attempt {
    Done(io::Result<UnixStream>),
    /// No client waits; readiness was cleared.
    Empty,
    /// Descriptors or memory have run out. The client stays queued.
    Exhausted,
}

impl Listener {
    /// Binds a new socket to `address` and listens, as [`bind()`](crate::bind()) does.
    ///
    /// # Errors
    ///
    /// Those of [`bind()`](crate::bind()), and those of the reactor. No file is left, unless another caller holds the lock
    /// of the directory at that moment.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind(address: &Address, backlog: i32) -> io::Result<Self> {
        // Panics outside a runtime before a file is made.
        let _ = Handle::current();
        let Bound { socket, file } = bind_with(address, &BindOptions::new(backlog), &AtomicBool::new(false))?;
        Self::watched(socket, file.clone()).inspect_err(|_| {
            // The error that led here is the one to report.
            let _ = file.map(|file| file.try_remove());
        })
    }

    /// Binds a new socket to `address` and listens, as [`bind_with`](crate::bind_with()) does, without blocking the runtime's
    /// thread: work on files is done by a pool of threads, and no thread waits for a lock.
    ///
    /// # Errors
    ///
    /// Those of [`BoundPath::bind`], and those of the reactor. `EPROTOTYPE` if the options ask for anything but a stream
    /// socket. No file is left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what was made is undone: no socket and no file is left.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use udsock::{Address, BindOptions, Listener, OnExisting};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("udsock-doc-bind-with-{}", std::process::id()));
    /// let address = Address::try_from(path.as_path())?;
    /// let options = BindOptions::new(128).mode(0o600).on_existing(OnExisting::ReplaceStale);
    /// drop(Listener::bind_with(&address, &options).await?); // its file stays, and is stale now
    /// let listener = Listener::bind_with(&address, &options).await?;
    /// let file = listener.file().ok_or(std::io::ErrorKind::NotFound)?;
    /// assert!(file.remove()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bind_with(address: &Address, options: &BindOptions) -> io::Result<Self> {
        if options.socket_type != SocketType::Stream {
            return Err(errno(libc::EPROTOTYPE));
        }
        // Panics outside a runtime before a file is made.
        let _ = Handle::current();
        let path = Arc::new(BoundPath::new());
        let socket = path.bind(address, options).await?;
        match Self::watched(socket, path.file()) {
            Ok(listener) => Ok(listener),
            Err(error) => {
                path.remove(UNDO_LIMIT).await;
                Err(error)
            }
        }
    }

    /// Takes over a socket that listens already, such as one from a service manager, and makes it non-blocking and
    /// close-on-exec.
    ///
    /// # Errors
    ///
    /// * `EINVAL`: the socket does not listen (macOS reports this only at [`accept`](Self::accept)).
    /// * `EPROTOTYPE`: it is not a stream socket.
    /// * `EAFNOSUPPORT`: it is not a Unix-domain socket.
    /// * `ENOTSOCK`: it is not a socket.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        let socket = adopt(socket, SocketType::Stream).map_err(|(_closed, error)| error)?;
        Self::watched(socket, None)
    }

    fn watched(socket: OwnedFd, file: Option<SocketFile>) -> io::Result<Self> {
        let socket = sys::watch_readable(socket).map_err(numbered)?;
        Ok(Self { socket, file, rest: Mutex::default(), _closed: ClosedOnDrop })
    }

    /// Accepts one connection.
    ///
    /// Any number of tasks may wait at once; each connection goes to one of them. A connection that ended while it was
    /// queued is accepted too, or skipped where the system reports it (`ECONNABORTED`).
    ///
    /// When descriptors or memory have run out ([`is_exhaustion`](crate::is_exhaustion)), the connection stays in the kernel's queue and this
    /// waits: 5 ms, doubling to 1 s, less if [`descriptor_closed`](crate::descriptor_closed) is called.
    ///
    /// # Errors
    ///
    /// * `EINVAL`: the listener is shut down, and no connection is queued.
    /// * `ECANCELED`: the runtime is shutting down.
    /// * Any other error of `accept`, or of the reactor for a connection that it cannot take (which is closed).
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
            match self.attempt(&mut cached) {
                Attempt::Done(outcome) => return outcome,
                Attempt::Empty => {}
                Attempt::Exhausted => freed.or_after(backoff.pause()).await,
            }
        }
    }

    /// Polls for a connection: [`accept`](Self::accept) for callers that are no async functions.
    ///
    /// Only the task of the latest call is woken.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// If descriptors have run out, in a runtime without time enabled.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        // A backoff and its pause are valid at every point.
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(pause) = &mut rest.pause {
                ready!(pause.as_mut().poll(context));
                rest.pause = None;
            }
            let freed = Freed::watch();
            let mut cached = ready!(self.socket.poll_read_ready(context)).map_err(numbered)?;
            match self.attempt(&mut cached) {
                Attempt::Done(outcome) => {
                    rest.backoff.reset();
                    return Poll::Ready(outcome);
                }
                Attempt::Empty => {}
                Attempt::Exhausted => {
                    let pause = rest.backoff.pause();
                    rest.pause = Some(Box::pin(freed.or_after(pause)));
                }
            }
        }
    }

    /// Turns the listener into a stream of its connections.
    #[cfg(feature = "stream")]
    pub fn incoming(self) -> Incoming {
        Incoming::new(self)
    }

    /// Waits until [`accept`](Self::accept) would not have to wait for a client, and takes no connection.
    ///
    /// That is the case when a connection is queued, or when the listener has failed. Another task or process may still be
    /// faster to accept it.
    ///
    /// # Errors
    ///
    /// Those of `poll`. `ECANCELED` if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// No connection is taken, so none can be lost.
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
            if is_readable(self)? {
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

    /// The socket file that [`bind`](Self::bind) or [`bind_with`](Self::bind_with) made: `None` for an abstract name and for
    /// a socket that was taken over.
    ///
    /// [`SocketFile::remove`] removes it while the listener is open.
    #[must_use]
    pub fn file(&self) -> Option<&SocketFile> {
        self.file.as_ref()
    }

    /// Waits until the reactor remembers the socket as readable, which it may no longer be. Yields to other tasks while many
    /// clients connect.
    async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        consume_budget().await;
        self.socket.readable().await.map_err(numbered)
    }

    fn attempt(&self, cached: &mut AsyncFdReadyGuard<'_, OwnedFd>) -> Attempt {
        match accept_now(self) {
            Ok(AcceptedNow::Connection(connection)) => Attempt::Done(into_stream(connection)),
            // Linux reports EAGAIN for a listener that is shut down, too; tokio never clears this readiness.
            Ok(AcceptedNow::Empty) if cached.ready().is_read_closed() => {
                Attempt::Done(Err(errno(libc::EINVAL)))
            }
            Ok(AcceptedNow::Empty) => {
                if !fault::owes_readiness() {
                    cached.clear_ready();
                }
                Attempt::Empty
            }
            Ok(AcceptedNow::Exhausted(_)) => Attempt::Exhausted,
            Err(error) => Attempt::Done(Err(error)),
        }
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
