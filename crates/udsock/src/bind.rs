//! Binding: what the socket file is born with, and what happens to one that is there already.

mod adopt;
mod claim;
mod file;
mod lock;
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod nursery;
mod permissions;
mod probe;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use self::adopt::{adopt, adopt_connection, inspect, inspect_connection};
pub use self::file::{FileState, SocketFile};
use crate::address::Address;
use crate::error::errno;
use crate::sys::{self, Sockaddr};

/// What to do with what stands at a path already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnExisting {
    /// `EADDRINUSE`, whatever it is.
    #[default]
    Error,
    /// Replace a socket file of this process's user that nobody listens on. Anything else is `EADDRINUSE`.
    ReplaceStale,
    /// Put the new listener in the place of a stream socket of this process's user, live or not, so that no
    /// client finds the path without a listener. Anything else is `EADDRINUSE`.
    TakeOver,
}

/// How to bind.
///
/// # Examples
///
/// ```
/// use udsock::{BindOptions, OnExisting};
///
/// let options = BindOptions { mode: Some(0o600), on_existing: OnExisting::ReplaceStale, ..BindOptions::new(4) };
/// assert_eq!(options.backlog, 4);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BindOptions {
    /// Connections that the kernel may hold, passed to it as it is.
    pub backlog: i32,
    /// The permission bits of the file, at most `0o777`, exact whatever the umask, and never wider for an
    /// instant. Without it: `0o777 & !umask`.
    pub mode: Option<u32>,
    /// What to do with what stands at the path.
    pub on_existing: OnExisting,
    /// How long to wait for the lock of the directory, which [`OnExisting::ReplaceStale`] and
    /// [`OnExisting::TakeOver`] hold while they work. Usually they need it for some microseconds.
    pub lock_timeout: Duration,
}

impl BindOptions {
    /// No mode, [`OnExisting::Error`], 5 s for the lock.
    pub const fn new(backlog: i32) -> Self {
        Self { backlog, mode: None, on_existing: OnExisting::Error, lock_timeout: Duration::from_secs(5) }
    }
}

/// A listening socket, and the file that stands for it. Dropping it closes the socket; the file stays.
#[derive(Debug)]
pub struct Bound {
    /// Non-blocking and close-on-exec.
    pub socket: OwnedFd,
    /// `None` for an abstract name.
    pub file: Option<SocketFile>,
}

impl Bound {
    /// Removes the file if it is still this socket's, then closes the socket. The lock may be held already.
    fn undo(self) {
        if let Some(file) = &self.file {
            // What made this necessary is the failure to report.
            let _ = file.remove_locked();
        }
    }
}

/// Binds a new socket to `address` and listens. Needs no runtime.
///
/// [`bind_with`], with nothing but a backlog: the file is made with the process's umask, and removing it is
/// the caller's business; only if nothing comes of listening it is removed here.
///
/// # Errors
///
/// * `EINVAL` ([`InvalidInput`](io::ErrorKind::InvalidInput)): the backlog is negative, or the address
///   unnamed.
/// * `EADDRINUSE`: the file exists, whether or not anybody listens, or the abstract name is taken.
/// * `ENOENT`, `EACCES`, `EROFS` and whatever else `socket`, `bind` and `listen` report.
///
/// # Examples
///
/// ```
/// use udsock::{Address, bind};
///
/// # let path = std::env::temp_dir().join(format!("udsock-doc-bind-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let listener = bind(&address, 4)?;
/// assert_eq!(Address::local(&listener)?, address);
/// assert_eq!(bind(&address, -1).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn bind(address: &Address, backlog: i32) -> io::Result<OwnedFd> {
    bind_with(address, &BindOptions::new(backlog), &AtomicBool::new(false)).map(|bound| bound.socket)
}

/// Binds a new socket to `address` and listens, as `options` say. It may block: a file system may, and
/// [`OnExisting::ReplaceStale`] and [`OnExisting::TakeOver`] wait for a lock. In a runtime, call it through
/// `spawn_blocking`.
///
/// The umask is never changed, a symbolic link never followed, and what is no socket, or another user's, never
/// touched. The lock is a `flock` on the directory's descriptor: no lock file is left, and a process that is
/// killed leaves no lock. [`OnExisting::TakeOver`] binds at the name `.udsock-<uid>` beside the path, listens,
/// and renames over; [`Address::local`] of the socket says that name.
///
/// A socket file is stale when connecting to it is refused and its owner is not about to listen: a socket that
/// is bound there and does not listen yet is given 200 ms.
///
/// # Errors
///
/// After any of them nothing is left behind: no file, no lock, no descriptor.
///
/// * `EINVAL`: the backlog is negative, the mode has bits beyond `0o777`, the address is unnamed, or it is an
///   abstract name and the options ask for a mode or [`OnExisting::TakeOver`].
/// * `EADDRINUSE`: as [`OnExisting`] says, or the abstract name is taken.
/// * `ETIMEDOUT`: somebody else held the lock of the directory for the whole of `lock_timeout`.
/// * `ENAMETOOLONG`: the temporary name beside the path has more bytes than fit into an address.
/// * `EEXIST`: something else stands at the temporary name.
/// * `ESTALE`: others removed or replaced the new file before it could be finished, or go on changing what stands at
///   the path.
/// * `ECANCELED`: `cancelled` became true.
/// * `ENOENT`, `EACCES` (also for a directory that cannot be read, and so not be locked), `EROFS`, `ENOSPC` and
///   whatever else `socket`, `bind`, `listen`, `flock`, `rename` and their like report.
///
/// # Cancel safety
///
/// A future of `spawn_blocking` that is dropped does not end the call; setting `cancelled` does, before its next
/// step or within milliseconds while it waits. What it has made by then is undone.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use udsock::{Address, BindOptions, OnExisting, bind_with};
///
/// # let path = std::env::temp_dir().join(format!("udsock-doc-with-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let options = BindOptions { mode: Some(0o600), on_existing: OnExisting::ReplaceStale, ..BindOptions::new(4) };
/// let never = AtomicBool::new(false);
/// drop(bind_with(&address, &options, &never)?); // its file is stale now
/// let bound = bind_with(&address, &options, &never)?;
/// let file = bound.file.ok_or(std::io::ErrorKind::NotFound)?;
/// assert!(file.remove()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn bind_with(address: &Address, options: &BindOptions, cancelled: &AtomicBool) -> io::Result<Bound> {
    if options.backlog < 0 || options.mode.is_some_and(|mode| mode > 0o777) {
        return Err(errno(libc::EINVAL));
    }
    let bound = match address.as_pathname() {
        None if options.mode.is_some() || options.on_existing == OnExisting::TakeOver => {
            return Err(errno(libc::EINVAL));
        }
        None => {
            let socket = sys::stream_socket()?;
            sys::bind(&socket, &Sockaddr::new(address.as_bytes())?)?;
            sys::listen(socket.as_fd(), options.backlog)?;
            Bound { socket, file: None }
        }
        Some(path) if options.on_existing == OnExisting::Error => {
            check(cancelled)?;
            create(path, options)?
        }
        Some(path) => claim::claim(path, options, cancelled)?,
    };
    if let Err(error) = check(cancelled) {
        bound.undo();
        return Err(error);
    }
    Ok(bound)
}

/// `ECANCELED` once the caller wants no more.
fn check(cancelled: &AtomicBool) -> io::Result<()> {
    if cancelled.load(Ordering::Relaxed) { Err(errno(libc::ECANCELED)) } else { Ok(()) }
}

/// A listener at a path where nothing stands.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn create(path: &Path, options: &BindOptions) -> io::Result<Bound> {
    create_then(path, options.mode, |socket| sys::listen(socket, options.backlog))
}

/// A listener at a path where nothing stands. The system does not let a file be born with fewer permissions, so
/// one with a mode is made where nobody else can reach it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn create(path: &Path, options: &BindOptions) -> io::Result<Bound> {
    match options.mode {
        Some(mode) => nursery::create(path, mode, options.backlog),
        None => create_then(path, None, |socket| sys::listen(socket, options.backlog)),
    }
}

/// Binds at `path`, gives the file its mode, and undoes it if `start` fails.
fn create_then(
    path: &Path,
    mode: Option<u32>,
    start: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
) -> io::Result<Bound> {
    let name = Sockaddr::of(path)?;
    let socket = sys::stream_socket()?;
    if let Some(mode) = mode {
        permissions::before_bind(socket.as_fd(), mode)?;
    }
    sys::bind(&socket, &name)?;
    // Asked once more if that fails: a file that nobody knows stays.
    let found = SocketFile::find(path).or_else(|_| SocketFile::find(path))?;
    // What is no socket has come in its place: neither to be given a mode nor ever to be removed.
    let file = found.filter(SocketFile::is_socket).ok_or_else(|| errno(libc::ESTALE))?;
    // Nobody can connect to our own file yet. If somebody took over in between, this is theirs.
    let is_anothers = probe::listens(&name);
    if let Ok(true) = is_anothers {
        return Err(errno(libc::ESTALE));
    }
    let finished = match mode {
        Some(mode) => permissions::after_bind(&file, mode),
        None => Ok(()),
    };
    let bound = Bound { socket, file: Some(file) };
    match is_anothers.and(finished).and_then(|()| Ok(start(bound.socket.as_fd())?)) {
        Ok(()) => Ok(bound),
        Err(error) => {
            bound.undo();
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use super::*;
    use rustix::io::Errno;
    use std::fs;

    #[test]
    fn a_failure_to_listen_removes_the_file_that_bind_made() {
        let path = std::env::temp_dir().join(format!("udsock-undo-{}", std::process::id()));
        let error = create_then(&path, Some(0o600), |_| {
            assert!(path.exists());
            Err(Errno::OPNOTSUPP)
        })
        .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
        assert!(!path.exists());
    }

    #[test]
    fn a_failure_to_listen_leaves_the_file_that_another_put_there() {
        let path = std::env::temp_dir().join(format!("udsock-other-{}", std::process::id()));
        create_then(&path, None, |_| {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "another's").unwrap();
            Err(Errno::OPNOTSUPP)
        })
        .unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_failure_to_bind_leaves_the_file_that_was_there() {
        let path = std::env::temp_dir().join(format!("udsock-keep-{}", std::process::id()));
        let address = Address::try_from(path.as_path()).unwrap();
        let first = bind(&address, 1).unwrap();
        assert_eq!(bind(&address, 1).unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
        assert!(path.exists());
        drop(first);
        fs::remove_file(path).unwrap();
    }
}
