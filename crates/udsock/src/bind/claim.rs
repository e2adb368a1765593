//! Taking a path at which something stands, under the lock of its directory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::process::geteuid;

use super::file::SocketFile;
use super::{BindOptions, Bound, OnExisting, check, create, lock, probe};
use crate::error::errno;
use crate::fault;
use crate::sys::Sockaddr;

/// Attempts while others, who do not take the lock, change what stands at the path.
const ATTEMPTS: u32 = 16;

/// One name for all takeovers of a user in a directory, because the lock lets one work at a time: what a killed
/// process left at it is found again.
fn temporary_beside(path: &Path) -> PathBuf {
    path.with_file_name(OsString::from(format!(".udsock-{}", geteuid().as_raw())))
}

pub(super) fn claim(path: &Path, options: &BindOptions, cancelled: &AtomicBool) -> io::Result<Bound> {
    let temporary = temporary_beside(path);
    // Also when nothing is to be replaced now: a path is not to fail at the second start.
    if options.on_existing == OnExisting::TakeOver {
        Sockaddr::of(&temporary)?;
    }
    let _lock = lock::acquire(lock::directory_of(path), options.lock_timeout, || check(cancelled))?;
    for _ in 0..ATTEMPTS {
        check(cancelled)?;
        let Some(existing) = SocketFile::find(path)? else {
            match create(path, options) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
                outcome => return outcome,
            }
        };
        if !existing.is_own_socket() {
            return Err(errno(libc::EADDRINUSE));
        }
        if options.on_existing == OnExisting::TakeOver {
            if !probe::may_be_stream(path)? {
                return Err(errno(libc::EADDRINUSE));
            }
            if let Some(bound) = replace(path, &existing, &temporary, options, cancelled)? {
                return Ok(bound);
            }
        } else {
            if probe::is_alive(path, cancelled)? {
                return Err(errno(libc::EADDRINUSE));
            }
            existing.remove_locked()?;
        }
    }
    Err(errno(libc::ESTALE))
}

/// Puts a new listener in the place of `existing`; `None` if that is not what stands there any more.
fn replace(
    path: &Path,
    existing: &SocketFile,
    temporary: &Path,
    options: &BindOptions,
    cancelled: &AtomicBool,
) -> io::Result<Option<Bound>> {
    // What a killed process left; a listener of that very name is none of it.
    if let Some(left) = SocketFile::find(temporary)?
        && left.is_own_socket()
        && !probe::is_alive(temporary, cancelled)?
    {
        left.remove_locked()?;
    }
    let bound = create(temporary, options).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => errno(libc::EEXIST),
        _ => error,
    })?;
    let placed = match SocketFile::find(path) {
        Ok(Some(now)) if now == *existing => {
            fault::call("rename", || fs::rename(temporary, path)).map(|()| true)
        }
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    if !matches!(placed, Ok(true)) {
        bound.undo();
        return placed.map(|_| None);
    }
    let Bound { socket, file } = bound;
    Ok(Some(Bound { socket, file: file.map(|file| file.moved_to(path)) }))
}
