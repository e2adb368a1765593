//! Connecting. Linux tells a non-blocking client of a full backlog by `EAGAIN` and offers nothing to wait
//! for, so those who wait try again: in order, one at a time per address, with growing pauses ([`queue`],
//! [`pause`]).

mod pause;
mod queue;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::io::Errno;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};

use self::pause::Pauses;
use self::queue::Place;
use crate::address::Address;
use crate::backoff::descriptor_closed;
use crate::error::{errno, numbered};
use crate::sys::{self, Sockaddr};

/// Connects without waiting.
///
/// The descriptor is non-blocking and close-on-exec. Needs no runtime.
///
/// # Errors
///
/// * `EAGAIN` ([`WouldBlock`](io::ErrorKind::WouldBlock)): the listener's backlog is full, or others of this
///   process already wait for the same address. They were here first, so nothing has been tried. macOS and
///   FreeBSD report a full backlog as `ECONNREFUSED` instead.
/// * `EINVAL`: the address is unnamed.
/// * `ECONNREFUSED`, `ENOENT`, `EACCES` and whatever else `socket` and `connect` report.
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
    if queue::is_waited_for(address) {
        return Err(errno(libc::EAGAIN));
    }
    attempt(address)
}

/// Connects, and waits while the listener's backlog is full.
///
/// Those who wait for one address are served in the order in which their futures were first polled; later
/// callers queue behind them. One of them tries, at intervals that grow from 1 to 50 ms, and holds no
/// descriptor in between. The others wait for its success, failure or end. `deadline` limits all of that;
/// without one there is no limit.
///
/// A future that waits and is not polled keeps its place, and with it those behind.
///
/// # Errors
///
/// `ETIMEDOUT` ([`TimedOut`](io::ErrorKind::TimedOut)) if the deadline passes first. Otherwise those of
/// [`try_connect`], except `EAGAIN`.
///
/// # Cancel safety
///
/// If the future is dropped, no connection is made, no descriptor is left, and its place in the queue goes to
/// the next.
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

/// [`connect()`] without tokio's `UnixStream`: the descriptor joins no reactor.
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

/// Joins those who wait for an address, now and not at the first poll, and connects when its turn has come.
///
/// For callers that have had `EAGAIN` from [`try_connect`]: from this call on, that answers `EAGAIN` to newcomers.
/// Turns come in the order of the first polls.
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
pub fn connect_in_turn(
    address: Address,
    deadline: Option<Instant>,
) -> impl Future<Output = io::Result<OwnedFd>> + Send + 'static {
    let place = Place::take(address);
    async move {
        match deadline {
            None => wait(place).await,
            Some(deadline) => {
                timeout_at(deadline, wait(place)).await.unwrap_or_else(|_| Err(errno(libc::ETIMEDOUT)))
            }
        }
    }
}

/// A connected or accepted descriptor as tokio's stream.
pub(crate) fn into_stream(connection: OwnedFd) -> io::Result<UnixStream> {
    UnixStream::from_std(StdUnixStream::from(connection)).map_err(numbered)
}

/// Waits its turn, then tries until the answer is not "full".
async fn wait(place: Place) -> io::Result<OwnedFd> {
    // Declared after the place, so dropped before it: the next in the queue has its turn before the queue can
    // vanish.
    let _turn = place.turn().await;
    let mut pauses = Pauses::new();
    loop {
        match attempt(place.address()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pauses.next_pause()).await,
            outcome => return outcome,
        }
    }
}

/// One attempt, whoever waits.
fn attempt(address: &Address) -> io::Result<OwnedFd> {
    let target = Sockaddr::new(address.as_bytes())?;
    let socket = sys::stream_socket()?;
    let error = loop {
        match sys::connect(&socket, &target) {
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
