//! Binding in steps. A step makes system calls on files, which may block, and waits for nothing else. The caller decides how to
//! pause between two steps.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use super::file::SocketFile;
use super::platform::{REFUSES_WHEN_FULL, create};
use super::probe::{self, Liveness};
use super::{BindOptions, Bound, OnExisting, check, listen, lock, socket};
use crate::address::Address;
use crate::error::errno;
use crate::fault;
use crate::sys::{self, Sockaddr};

/// Attempts while processes that do not take the lock change the file at the path.
const ATTEMPTS: u32 = 16;

/// How long a socket that is bound may take to listen.
const GRACE: Duration = Duration::from_millis(200);

/// The result of a step.
pub(super) enum Step {
    Bound(Bound),
    /// Another caller holds the lock of the directory. The next step is due after a pause.
    Locked,
    /// A socket that is bound at the path may be about to listen. The next step is due after a pause.
    Starting,
}

/// One name for all takeovers of a user in a directory, because the lock lets one work at a time: what a killed
/// process left at it is found again.
fn temporary_beside(path: &Path) -> PathBuf {
    path.with_file_name(OsString::from(format!(".udsock-{}", geteuid().as_raw())))
}

/// A binding under way. It keeps the lock of the directory, once taken, until it is dropped.
pub(super) struct Binder {
    address: Address,
    options: BindOptions,
    lock: Option<File>,
    attempts: u32,
    /// The file whose socket is bound and does not listen, and since when.
    starting: Option<(SocketFile, Instant)>,
}

impl Binder {
    /// Checks the arguments, before any system call on files.
    pub(super) fn new(address: &Address, options: &BindOptions) -> io::Result<Self> {
        let takes_over = options.on_existing == OnExisting::TakeOver;
        if options.backlog < 0 || options.mode.is_some_and(|mode| mode > 0o777) {
            return Err(errno(libc::EINVAL));
        }
        match address.as_pathname() {
            None if options.mode.is_some() || takes_over => return Err(errno(libc::EINVAL)),
            // Even if no file exists now, so that a path does not fail only at the second start.
            Some(path) if takes_over => {
                Sockaddr::of(&temporary_beside(path))?;
            }
            _ => {}
        }
        Ok(Self { address: address.clone(), options: *options, lock: None, attempts: 0, starting: None })
    }

    /// The directory whose lock is needed and not held yet.
    pub(super) fn awaited_directory(&self) -> Option<&Path> {
        let path = self.address.as_pathname().filter(|_| self.options.on_existing != OnExisting::Error)?;
        self.lock.is_none().then(|| lock::directory_of(path))
    }

    /// Proceeds as far as possible without waiting. After an error no file is left.
    pub(super) fn step(&mut self, cancelled: &AtomicBool) -> io::Result<Step> {
        check(cancelled)?;
        if let Some(directory) = self.awaited_directory() {
            match lock::attempt(directory)? {
                None => return Ok(Step::Locked),
                lock => self.lock = lock,
            }
        }
        let options = self.options;
        let address = self.address.clone();
        let Some(path) = address.as_pathname() else {
            let socket = socket(&options)?;
            sys::bind(socket.as_fd(), &Sockaddr::new(address.as_bytes())?)?;
            listen(socket.as_fd(), &options)?;
            return Ok(Step::Bound(Bound { socket, file: None }));
        };
        if options.on_existing == OnExisting::Error {
            return create(path, &options).map(Step::Bound);
        }
        while self.attempts < ATTEMPTS {
            check(cancelled)?;
            if let Some(step) = self.attempt(path)? {
                return Ok(step);
            }
            self.attempts += 1;
        }
        Err(errno(libc::ESTALE))
    }

    /// Returns `None` when another file is at the path now.
    fn attempt(&mut self, path: &Path) -> io::Result<Option<Step>> {
        let Some(existing) = SocketFile::find(path)? else {
            return match create(path, &self.options) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
                outcome => outcome.map(|bound| Some(Step::Bound(bound))),
            };
        };
        if !existing.is_own_socket() {
            return Err(errno(libc::EADDRINUSE));
        }
        if self.options.on_existing == OnExisting::TakeOver {
            if !probe::may_be(&existing, self.options.socket_type)? {
                return Err(errno(libc::EADDRINUSE));
            }
            return self.replace(path, &existing);
        }
        match self.liveness(&existing)? {
            Liveness::Live => Err(errno(libc::EADDRINUSE)),
            Liveness::Starting => Ok(Some(Step::Starting)),
            Liveness::Dead => existing.remove_locked().map(|_| None),
        }
    }

    /// Returns whether a process is behind the file. A socket that does not listen within [`GRACE`] counts as dead.
    fn liveness(&mut self, file: &SocketFile) -> io::Result<Liveness> {
        let liveness = probe::liveness(file, self.options.socket_type)?;
        if liveness != Liveness::Starting {
            return Ok(liveness);
        }
        let since = match &self.starting {
            Some((starting, since)) if starting.is_same(file) => *since,
            _ => {
                let now = Instant::now();
                self.starting = Some((file.clone(), now));
                now
            }
        };
        Ok(match since.elapsed() < GRACE {
            true => Liveness::Starting,
            // Only an unbound file proves that there is no listener.
            false if REFUSES_WHEN_FULL => Liveness::Live,
            false => Liveness::Dead,
        })
    }

    /// Replaces `existing` by a new listener. Returns `None` if another file is there now.
    fn replace(&mut self, path: &Path, existing: &SocketFile) -> io::Result<Option<Step>> {
        let temporary = temporary_beside(path);
        // A killed process may have left a file there. A live listener of that name is not such a file.
        if let Some(left) = SocketFile::find(&temporary)?
            && left.is_own_socket()
        {
            match self.liveness(&left)? {
                Liveness::Live => {}
                Liveness::Starting => return Ok(Some(Step::Starting)),
                Liveness::Dead => drop(left.remove_locked()?),
            }
        }
        let bound = create(&temporary, &self.options).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => errno(libc::EEXIST),
            _ => error,
        })?;
        let placed = match SocketFile::find(path) {
            Ok(Some(now)) if now.is_same(existing) && now.is_own_socket() => {
                fault::call("rename", || fs::rename(&temporary, path)).map(|()| true)
            }
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        if !matches!(placed, Ok(true)) {
            bound.undo();
            return placed.map(|_| None);
        }
        let Bound { socket, file } = bound;
        Ok(Some(Step::Bound(Bound { socket, file: file.map(|file| file.moved_to(path)) })))
    }
}
