//! The control plane: does the work that may wait, for event loops that must not wait.
//!
//! [`runtime`] is one background thread with a tokio runtime. It starts at first use and never ends, because it outlives every
//! event loop of the process. [`Requests`] are those of one event loop. Each has an [`Outcome`], which
//! goes into that loop's [`Mailbox`].
//!
//! What must always hold:
//! - a request has exactly one outcome, unless it is forgotten first; a listener's may be followed by notices;
//! - a descriptor in an outcome that no mailbox takes is closed;
//! - a panic on the thread fails the request that it concerns, and no other.

mod requests;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle};

use crate::error::numbered;
use crate::panics::{self, catch_panic};

pub use requests::Requests;

/// The outcome of a request.
pub enum Outcome {
    /// A connection, made with these options.
    Connected(OwnedFd, crate::ConnectOptions),
    /// A listener, or a bound socket for datagrams, made with these options. The function takes it back if the mailbox's owner cannot use it, with
    /// the reason: it removes the socket file
    /// while the listener is open, closes it, and delivers the reason as the outcome.
    Listening(OwnedFd, crate::BindOptions, ReturnListener),
    /// News of a listener, after `Listening`.
    Notice(Notice),
    /// The request has failed.
    Failed(io::Error),
    /// A panic ended the request.
    Panicked,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Connected(fd, options) => f.debug_tuple("Connected").field(fd).field(options).finish(),
            Outcome::Listening(fd, options, _) => {
                f.debug_tuple("Listening").field(fd).field(options).finish_non_exhaustive()
            }
            Outcome::Notice(notice) => f.debug_tuple("Notice").field(notice).finish(),
            Outcome::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            Outcome::Panicked => f.write_str("Panicked"),
        }
    }
}

/// Takes back a listener, still open, with the reason.
pub type ReturnListener = Box<dyn FnOnce(OwnedFd, io::Error) + Send>;

/// News of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Notice {
    /// Its file is removed, if it was still its own.
    FileRemoved = 0,
    /// Its file is gone from the path, or another file is there.
    PathLost = 1,
    /// Another listener of the same user has taken the path.
    Superseded = 2,
}

/// Where outcomes go. It is used on the control plane's thread.
pub trait Mailbox: Send + Sync + 'static {
    /// An outcome as the mailbox keeps it.
    type Letter: Send;

    /// Makes the letter of a request's outcome.
    fn letter(&self, request: u32, outcome: Outcome) -> Self::Letter;

    /// Takes a letter.
    ///
    /// # Errors
    ///
    /// Returns the letter while there is no room; it is delivered again a millisecond later.
    fn deliver(&self, letter: Self::Letter) -> Result<(), Self::Letter>;
}

static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Returns the handle of the process's runtime, and starts its thread with the first call.
///
/// # Errors
///
/// EAGAIN, ENOMEM or EMFILE when the system has no thread or descriptors to give; a later call tries again.
pub fn runtime() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = runtime.as_ref() {
        return Ok(handle.clone());
    }
    let own = Builder::new_current_thread().enable_all().build().map_err(numbered)?;
    let handle = own.handle().clone();
    std::thread::Builder::new()
        .name("udsock".into())
        .spawn(move || {
            // Tasks and descriptors outlive a panic of the thread, because the runtime is not dropped.
            while catch_panic(|| own.block_on(run_tasks())).is_err() {
                std::thread::sleep(panics::PAUSE);
            }
        })
        .map_err(numbered)?;
    *runtime = Some(handle.clone());
    Ok(handle)
}

/// Keeps the thread running its tasks; never ends.
async fn run_tasks() {
    panics::reach("runtime");
    std::future::pending().await
}
