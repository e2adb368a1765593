//! Whether anybody is behind a socket file, by knocking: a connection attempt that is closed at once.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SocketType;

use super::check;
use crate::sys::{self, Sockaddr};

/// How long a socket that is bound may take to listen.
const GRACE: Duration = Duration::from_millis(200);

/// Where a full backlog is refused like an absent listener, only an unbound file proves that nobody listens.
const REFUSES_WHEN_FULL: bool = !cfg!(any(target_os = "linux", target_os = "android"));

/// What the kernel says to a socket of type `kind` that connects to `name`.
fn knock(name: &Sockaddr, kind: SocketType) -> io::Result<Result<(), Errno>> {
    let socket = sys::socket(kind)?;
    loop {
        match sys::probe(&socket, name) {
            Err(Errno::INTR) => {}
            answer => return Ok(answer),
        }
    }
}

/// Is there certainly a listener at `name`?
pub(super) fn listens(name: &Sockaddr) -> io::Result<bool> {
    Ok(matches!(knock(name, SocketType::STREAM)?, Ok(()) | Err(Errno::AGAIN)))
}

/// Does somebody listen at the socket file at `path`, or may be about to?
pub(super) fn is_alive(path: &Path, cancelled: &AtomicBool) -> io::Result<bool> {
    let name = Sockaddr::of(path)?;
    let deadline = Instant::now() + GRACE;
    loop {
        match knock(&name, SocketType::STREAM)? {
            Err(Errno::CONNREFUSED) => {}
            // The caller finds out what is there now.
            Err(Errno::NOENT) => return Ok(false),
            _ => return Ok(true),
        }
        // Nobody listens. A socket that is bound to the file answers the wrong type with EPROTOTYPE all the same:
        // its owner may be between bind and listen.
        if knock(&name, SocketType::DGRAM)? == Err(Errno::CONNREFUSED) {
            return Ok(false);
        }
        if Instant::now() >= deadline {
            return Ok(REFUSES_WHEN_FULL);
        }
        check(cancelled)?;
        sleep(Duration::from_millis(1));
    }
}

/// Is the socket at `path`, as far as it can be known, a stream socket or nobody's? Only the wrong types knock:
/// a live listener notices nothing.
pub(super) fn may_be_stream(path: &Path) -> io::Result<bool> {
    let name = Sockaddr::of(path)?;
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        match knock(&name, kind) {
            // EACCES: its own user has taken the right to connect away.
            Ok(Err(Errno::PROTOTYPE | Errno::CONNREFUSED | Errno::ACCESS | Errno::NOENT)) => {}
            Ok(_) => return Ok(false),
            // Some systems have no SEQPACKET.
            Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
