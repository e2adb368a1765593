//! Connecting. Linux reports a full backlog to a non-blocking client by `EAGAIN` and offers nothing to wait for, so callers
//! that wait queue up, and attempts are made in order, with growing pauses ([`queue`]).

mod queue;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::io::Errno;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::queue::Canceller;
use self::queue::Place;
use crate::address::Address;
use crate::backoff::descriptor_closed;
use crate::error::{errno, numbered};
use crate::socket_type::SocketType;
use crate::sys::{self, Sockaddr};

/// How to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Whether the kernel refuses descriptors that the server sends, where it can: see
    /// [`refuse_rights`](crate::refuse_rights). This is set before the socket connects.
    pub refuse_rights: bool,
    /// The type of the socket, which is the listener's. No socket connects in turn with [`SocketType::Datagram`]: see
    /// [`connect_datagrams`](crate::connect_datagrams).
    pub socket_type: SocketType,
}

impl ConnectOptions {
    /// Returns the defaults: a stream socket, descriptors are not refused.
    #[must_use]
    pub const fn new() -> Self {
        Self { refuse_rights: false, socket_type: SocketType::Stream }
    }

    /// Sets [`refuse_rights`](Self::refuse_rights).
    #[must_use]
    pub const fn refuse_rights(self, refuse_rights: bool) -> Self {
        Self { refuse_rights, ..self }
    }

    /// Sets [`socket_type`](Self::socket_type).
    #[must_use]
    pub const fn socket_type(self, socket_type: SocketType) -> Self {
        Self { socket_type, ..self }
    }
}

/// Connects without waiting.
///
/// The descriptor is non-blocking and close-on-exec. Needs no runtime.
///
/// # Errors
///
/// * `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): the listener's backlog is full, or earlier callers in this
///   process wait for the same address; then no attempt is made. macOS and FreeBSD report a full backlog as
///   `ECONNREFUSED` instead.
/// * `EINVAL`: the address is unnamed.
/// * `ECONNREFUSED`, `ENOENT`, `EACCES` and any other error of `socket` and `connect`.
///
/// # Examples
///
/// ```
/// use udsock::{Address, bind, try_connect};
///
/// # let path = std::env::temp_dir().join(format!("udsock-doc-try-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let listener = bind(&address, 0)?;
/// let first = try_connect(&address)?;
/// # #[cfg(target_os = "linux")] {
/// let second = try_connect(&address);
/// assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
/// # }
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn try_connect(address: &Address) -> io::Result<OwnedFd> {
    try_connect_with(address, ConnectOptions::default())
}

/// Connects without waiting, as [`try_connect`], with options.
///
/// # Errors
///
/// Those of [`try_connect`].
pub fn try_connect_with(address: &Address, options: ConnectOptions) -> io::Result<OwnedFd> {
    if queue::is_waited_for(address) {
        return Err(errno(libc::EAGAIN));
    }
    attempt(address, options)
}

/// Connects, and waits while the listener's backlog is full.
///
/// Callers in this process that wait for one address are served in the order in which their futures were first polled.
/// A task of the runtime makes the attempts for the first of them, at intervals that grow from 1 to 50 ms, and holds no
/// descriptor in between. `deadline` limits the whole wait; without one there is no limit.
///
/// A future that waits need not be polled for the queue to move: its connection is kept for it, and the next caller has
/// its turn.
///
/// # Errors
///
/// `ETIMEDOUT` ([`TimedOut`](io::ErrorKind::TimedOut)) if the deadline passes first. Otherwise those of
/// [`try_connect`], except `EAGAIN`.
///
/// # Cancel safety
///
/// If the future is dropped, its place in the queue goes to the next caller and no descriptor is left. A connection that
/// was made for it by then is closed.
///
/// # Panics
///
/// Outside a tokio runtime with I/O enabled and, if it has to wait, time enabled.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio::time::Instant;
/// use udsock::{Address, bind, connect};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("udsock-doc-connect-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let _listener = bind(&address, 4)?;
/// let stream = connect(&address, Some(Instant::now() + Duration::from_secs(5))).await?;
/// assert_eq!(Address::peer(&stream)?, address);
/// # std::fs::remove_file(path)
/// # }
/// ```
pub async fn connect(address: &Address, deadline: Option<Instant>) -> io::Result<UnixStream> {
    into_stream(connect_fd(address, deadline).await?)
}

/// Connects as [`connect()`], and returns a descriptor that is registered with no reactor.
///
/// # Errors
///
/// Those of [`connect()`].
///
/// # Cancel safety
///
/// That of [`connect()`].
///
/// # Panics
///
/// If it has to wait, outside a tokio runtime with time enabled.
pub async fn connect_fd(address: &Address, deadline: Option<Instant>) -> io::Result<OwnedFd> {
    match try_connect(address) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        outcome => return outcome,
    }
    connect_in_turn(address.clone(), deadline).await
}

/// Joins the queue of callers that wait for an address, now and not at the first poll, and connects when its turn has
/// come.
///
/// For callers that got `EAGAIN` from [`try_connect`]. Until this caller is served, [`try_connect`] returns `EAGAIN` to
/// later ones. Attempts begin when the future of any caller in the queue is polled.
///
/// # Errors
///
/// Those of [`connect()`].
///
/// # Cancel safety
///
/// That of [`connect()`].
///
/// # Panics
///
/// When polled outside a tokio runtime with time enabled.
///
/// # Examples
///
/// ```
/// use udsock::{Address, bind, connect_in_turn, try_connect};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("udsock-doc-turn-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let _listener = bind(&address, 4)?;
/// let connection = match try_connect(&address) {
///     Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => connect_in_turn(address.clone(), None).await?,
///     outcome => outcome?,
/// };
/// # drop(connection);
/// # std::fs::remove_file(path)
/// # }
/// ```
pub fn connect_in_turn(
    address: Address,
    deadline: Option<Instant>,
) -> impl Future<Output = io::Result<OwnedFd>> + Send + 'static {
    connect_in_turn_with(address, ConnectOptions::default(), deadline)
}

/// Connects in turn, as [`connect_in_turn`], with options.
///
/// # Errors
///
/// Those of [`connect()`].
///
/// # Cancel safety
///
/// That of [`connect()`].
///
/// # Panics
///
/// When polled outside a tokio runtime with time enabled.
pub fn connect_in_turn_with(
    address: Address,
    options: ConnectOptions,
    deadline: Option<Instant>,
) -> impl Future<Output = io::Result<OwnedFd>> + Send + 'static {
    cancellable_connect(address, options, deadline).0
}

/// [`connect_in_turn_with`], and what gives the place in the queue up at once, though the future is dropped later.
pub(crate) fn cancellable_connect(
    address: Address,
    options: ConnectOptions,
    deadline: Option<Instant>,
) -> (impl Future<Output = io::Result<OwnedFd>> + Send + 'static, Canceller) {
    let mut place = Place::take(address, options);
    let canceller = place.canceller();
    let connected = async move {
        match deadline {
            None => place.connected().await,
            Some(deadline) => {
                timeout_at(deadline, place.connected()).await.unwrap_or_else(|_| Err(errno(libc::ETIMEDOUT)))
            }
        }
    };
    (connected, canceller)
}

/// A connected or accepted descriptor as tokio's stream.
pub(crate) fn into_stream(connection: OwnedFd) -> io::Result<UnixStream> {
    UnixStream::from_std(StdUnixStream::from(connection)).map_err(numbered)
}

/// Makes one attempt, whether or not other callers wait.
fn attempt(address: &Address, options: ConnectOptions) -> io::Result<OwnedFd> {
    let target = Sockaddr::new(address.as_bytes())?;
    let socket = sys::socket(options.socket_type)?;
    if options.refuse_rights {
        // Where the kernel cannot refuse descriptors, the reader of the connection closes them.
        let _ = sys::refuse_rights(socket.as_fd());
    }
    let error = loop {
        match sys::connect(socket.as_fd(), &target) {
            // The interrupted call may have gone through all the same.
            Ok(()) | Err(Errno::ISCONN) => return Ok(socket),
            Err(Errno::INTR) => {}
            Err(error) => break error,
        }
    };
    drop(socket);
    descriptor_closed();
    Err(error.into())
}
