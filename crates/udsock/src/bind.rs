//! Binding: a new listener, the permissions of its socket file, and the file that exists at the path already.
//!
//! What must always hold: after a failure no file, lock or descriptor is left, and no file is removed or changed that is not a
//! socket of this process's user.

mod adopt;
mod binder;
#[cfg(feature = "tokio")]
mod bound_path;
mod file;
mod lock;
mod options;
mod permissions;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "bind/bsd.rs"]
mod platform;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "bind/linux.rs"]
mod platform;
mod probe;
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod staging_dir;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use self::adopt::{adopt, adopt_connection, inspect, inspect_connection};
use self::binder::{Binder, Step};
#[cfg(feature = "tokio")]
pub use self::bound_path::BoundPath;
pub use self::file::{FileState, SocketFile};
pub use self::options::{BindOptions, OnExisting};
use crate::address::Address;
use crate::error::errno;
use crate::socket_type::SocketType;
use crate::sys::{self, Sockaddr};

/// A listening socket and its file. Dropping it closes the socket; the file stays.
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
            // The caller reports the failure that led here.
            let _ = file.remove_locked();
        }
    }
}

/// Binds a new socket to `address` and listens. Needs no runtime.
///
/// As [`bind_with`] with a backlog alone: the file is created with the process's umask. The caller removes it; only if
/// listening fails it is removed here.
///
/// # Errors
///
/// * `EINVAL` ([`InvalidInput`](io::ErrorKind::InvalidInput)): the backlog is negative, or the address
///   unnamed.
/// * `EADDRINUSE`: the file exists, whether or not a process listens, or the abstract name is taken.
/// * `ENOENT`, `EACCES`, `EROFS` and any other error of `socket`, `bind` and `listen`.
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

/// Binds a new socket to `address` and listens, according to `options`. The call may block: a file system may, and
/// [`OnExisting::ReplaceStale`] and [`OnExisting::TakeOver`] wait for a lock. In a runtime use
/// [`Listener::bind_with`](crate::Listener::bind_with) or [`BoundPath::bind`], which block no thread.
///
/// The umask is never changed and a symbolic link never followed. A file that is no socket, or that belongs to another user or
/// to the overflow user ([`overflow_ids`](crate::overflow_ids)), is never touched. The lock is a `flock` on the directory's
/// descriptor: no lock file is left, and a process that is killed leaves no lock. [`OnExisting::TakeOver`] binds at the name
/// `.udsock-<uid>` beside the path, listens, and renames that over the path; [`Address::local`] of the socket returns that
/// name.
///
/// A socket file is stale when the kernel refuses to connect to it and its owner is not about to listen: a socket that is bound
/// there gets 200 ms to listen. A file without its owner's write bit gets the bit while it is examined.
///
/// # Errors
///
/// After an error no file, lock or descriptor is left.
///
/// * `EINVAL`: the backlog is negative, the mode has bits beyond `0o777`, the address is unnamed, or it is an
///   abstract name and the options ask for a mode or [`OnExisting::TakeOver`].
/// * `EADDRINUSE`: see [`OnExisting`]; or the abstract name is taken.
/// * `EOPNOTSUPP`: the umask removed bits of the mode, and the system has neither /proc nor `fchmodat2` (Linux 6.6) to
///   restore them.
/// * `ETIMEDOUT`: another caller held the lock of the directory throughout `lock_timeout`.
/// * `ENAMETOOLONG`: the temporary name beside the path has more bytes than an address holds.
/// * `EEXIST`: another file exists at the temporary name.
/// * `ESTALE`: another process removed or replaced the new file before it was ready, or keeps changing the file at the path.
/// * `ECANCELED`: `cancelled` became true.
/// * `ENOENT`, `EACCES` (also for a directory that cannot be read, and therefore not be locked), `EROFS`, `ENOSPC` and any
///   other error of `socket`, `bind`, `listen`, `flock`, `rename` and the like.
///
/// # Cancel safety
///
/// Dropping a future of `spawn_blocking` does not end the call. Setting `cancelled` does: before its next step, or within
/// milliseconds while it waits. What it has made by then is undone.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use udsock::{Address, BindOptions, OnExisting, bind_with};
///
/// # let path = std::env::temp_dir().join(format!("udsock-doc-with-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let options = BindOptions::new(4).mode(0o600).on_existing(OnExisting::ReplaceStale);
/// let never = AtomicBool::new(false);
/// drop(bind_with(&address, &options, &never)?); // its file is stale now
/// let bound = bind_with(&address, &options, &never)?;
/// let file = bound.file.ok_or(std::io::ErrorKind::NotFound)?;
/// assert!(file.remove()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn bind_with(address: &Address, options: &BindOptions, cancelled: &AtomicBool) -> io::Result<Bound> {
    let mut binder = Binder::new(address, options)?;
    let start = Instant::now();
    loop {
        match binder.step(cancelled)? {
            Step::Bound(bound) => {
                // Before the lock is released.
                if let Err(error) = check(cancelled) {
                    bound.undo();
                    return Err(error);
                }
                return Ok(bound);
            }
            Step::Locked if start.elapsed() >= options.lock_timeout => return Err(errno(libc::ETIMEDOUT)),
            Step::Locked | Step::Starting => sleep(Duration::from_millis(1)),
        }
    }
}

/// Returns a new socket with everything that must hold from the first client or record on.
fn socket(options: &BindOptions) -> rustix::io::Result<OwnedFd> {
    let socket = sys::socket(options.socket_type)?;
    if options.refuse_rights {
        // Where the kernel cannot refuse descriptors, the reader of a connection closes them.
        let _ = sys::refuse_rights(socket.as_fd());
    }
    if options.pass_credentials {
        sys::pass_credentials(socket.as_fd(), true)?;
    }
    Ok(socket)
}

/// Has a bound socket listen, if its type can.
fn listen(socket: BorrowedFd<'_>, options: &BindOptions) -> rustix::io::Result<()> {
    match options.socket_type {
        SocketType::Stream | SocketType::Packet => sys::listen(socket, options.backlog),
        SocketType::Datagram => Ok(()),
    }
}

/// Returns `ECANCELED` once the caller has cancelled.
fn check(cancelled: &AtomicBool) -> io::Result<()> {
    if cancelled.load(Ordering::Relaxed) { Err(errno(libc::ECANCELED)) } else { Ok(()) }
}

/// Binds at `path`, gives the file its mode, and undoes it if `start` fails.
fn create_then(
    path: &Path,
    options: &BindOptions,
    start: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
) -> io::Result<Bound> {
    let name = Sockaddr::of(path)?;
    let socket = socket(options)?;
    if let Some(mode) = options.mode {
        platform::before_bind(socket.as_fd(), mode)?;
    }
    sys::bind(socket.as_fd(), &name)?;
    // Retries once; otherwise the socket file just created would leak.
    let found = SocketFile::find(path).or_else(|_| SocketFile::find(path))?;
    // Another file has replaced it, which must not be given a mode or be removed.
    let file = found.filter(SocketFile::is_socket).ok_or_else(|| errno(libc::ESTALE))?;
    // No client can connect to our own file yet. If one can, another listener has taken the path over.
    let is_anothers = probe::listens(&name, options.socket_type);
    if let Ok(true) = is_anothers {
        return Err(errno(libc::ESTALE));
    }
    let finished = match options.mode {
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
        let error = create_then(&path, &BindOptions::new(1).mode(0o600), |_| {
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
        create_then(&path, &BindOptions::new(1), |_| {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "another's").unwrap();
            Err(Errno::OPNOTSUPP)
        })
        .unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        fs::remove_file(path).unwrap();
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn a_free_lock_is_taken_without_time_to_wait_for_it() {
        let path = std::env::temp_dir().join(format!("udsock-free-{}", std::process::id()));
        let address = Address::try_from(path.as_path()).unwrap();
        let options = BindOptions::new(1).on_existing(OnExisting::ReplaceStale).lock_timeout(Duration::ZERO);
        // These keep every thread of the pool from the binding for longer than a tick of the runtime's clock.
        for _ in 0..16 {
            crate::pool::submit(Box::new(|| sleep(Duration::from_millis(20)))).unwrap();
        }
        let bound = std::sync::Arc::new(BoundPath::new());
        let listener = bound.bind(&address, &options).await.unwrap();
        assert!(bound.file().unwrap().remove().unwrap());
        drop(listener);
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
