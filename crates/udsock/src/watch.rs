//! Reports of what happens to the paths of socket files. The kernel watches them where it can, and an idle process sleeps.
//! Where it cannot, one timer looks at all paths ([`timer`]).

mod kernel;
mod timer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use self::kernel::Kernel;
use crate::bind::{FileState, SocketFile};
use crate::pool;

/// The pause after each look, so that a path that keeps changing keeps no thread busy.
const REST: Duration = Duration::from_millis(20);

/// The watch on paths: one descriptor for any number of them.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use udsock::{Address, BindOptions, FileState, PathWatcher, bind_with};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("udsock-doc-watch-{}", std::process::id()));
/// let address = Address::try_from(path.as_path())?;
/// let bound = bind_with(&address, &BindOptions::new(4), &AtomicBool::new(false))?;
/// let file = bound.file.ok_or(std::io::ErrorKind::NotFound)?;
/// let mut watch = PathWatcher::shared().watch(file);
/// std::fs::remove_file(&path)?;
/// assert_eq!(watch.changed().await, FileState::Lost);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct PathWatcher {
    /// `None` before the first path is watched, and while the system has no descriptor to give.
    kernel: Mutex<Option<(Arc<Kernel>, AbortHandle)>>,
}

impl PathWatcher {
    /// A watcher for any number of paths. A process needs one.
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }

    /// Opens the watcher's descriptor, if there is none yet.
    ///
    /// # Errors
    ///
    /// `EMFILE` when the process has too many descriptors or the user too many watchers, `ENFILE`, `ENOMEM`. A later call, or
    /// the watching of a path, tries again.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn open(&self) -> io::Result<()> {
        self.kernel().map(drop)
    }

    fn kernel(&self) -> io::Result<Arc<Kernel>> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kernel, reader)) = kernel.as_ref()
            && !reader.is_finished()
        {
            return Ok(Arc::clone(kernel));
        }
        let new = Arc::new(Kernel::new()?);
        let reader = tokio::spawn(Arc::clone(&new).read()).abort_handle();
        *kernel = Some((Arc::clone(&new), reader));
        Ok(new)
    }

    /// Returns a watch on the path of `file`.
    pub fn watch(self: &Arc<Self>, file: SocketFile) -> PathWatch {
        PathWatch {
            watcher: Arc::clone(self),
            file,
            last: FileState::Own,
            signal: Arc::default(),
            watched: Watched::default(),
        }
    }
}

impl fmt::Debug for PathWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathWatcher").finish_non_exhaustive()
    }
}

impl Drop for PathWatcher {
    fn drop(&mut self) {
        let kernel = self.kernel.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reader)) = kernel.take() {
            reader.abort();
        }
    }
}

/// A watch on one path.
#[must_use = "a path is looked at only while `changed()` is awaited"]
pub struct PathWatch {
    watcher: Arc<PathWatcher>,
    file: SocketFile,
    /// The state that was reported last.
    last: FileState,
    /// Notified when it is time for a look.
    signal: Arc<Notify>,
    watched: Watched,
}

/// The registrations that notify a watch. Dropping them ends that.
#[derive(Default)]
struct Watched {
    _registrations: Vec<kernel::Registration>,
    _timer: Option<timer::Registration>,
    /// Whether every change is noticed.
    is_complete: bool,
}

/// The result of a look at a path that was taken after registering for later changes.
struct Look {
    /// `None` when it is unknown.
    state: Option<FileState>,
    watched: Watched,
}

impl PathWatch {
    /// Waits until the state of the path differs from the one that was reported last, which at first is
    /// [`FileState::Own`].
    ///
    /// # Cancel safety
    ///
    /// A change that was not reported when the future is dropped is reported by the next call.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn changed(&mut self) -> FileState {
        loop {
            let mut is_watched = false;
            // Without a thread the next look reports it.
            if let Ok(Look { state, watched }) = self.look().await {
                is_watched = watched.is_complete;
                // The old watches go after the new ones are in place.
                self.watched = watched;
                if let Some(state) = state.filter(|state| *state != self.last) {
                    self.last = state;
                    return state;
                }
            }
            if is_watched {
                self.signal.notified().await;
            } else {
                // Any end of the wait is a reason to look.
                let _ = timeout(timer::INTERVAL, self.signal.notified()).await;
            }
            sleep(REST).await;
        }
    }

    async fn look(&self) -> io::Result<Look> {
        let kernel = self.watcher.kernel();
        let (file, signal, last) = (self.file.clone(), Arc::clone(&self.signal), self.last);
        pool::run(move || Look::take(kernel.ok().as_ref(), &file, &signal, last)).await
    }
}

impl fmt::Debug for PathWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathWatch")
            .field("file", &self.file)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Look {
    /// May block, as a file system may.
    fn take(kernel: Option<&Arc<Kernel>>, file: &SocketFile, signal: &Arc<Notify>, last: FileState) -> Self {
        let registrations = kernel.and_then(|kernel| register_all(kernel, file.path(), signal).ok());
        // After registering: an earlier change is seen now.
        let state = file.state().ok();
        let is_enough = state == Some(FileState::Own) && registrations.is_some();
        let timer = match is_enough {
            true => None,
            false => timer::register(file, state.unwrap_or(last), signal).ok(),
        };
        let is_complete = is_enough || timer.is_some();
        let registrations = registrations.unwrap_or_default();
        Self { state, watched: Watched { _registrations: registrations, _timer: timer, is_complete } }
    }
}

/// Watches everything whose change can change which file is at `path`: the file, and the directories and symbolic links on
/// the way to it.
fn register_all(
    kernel: &Arc<Kernel>,
    path: &Path,
    signal: &Arc<Notify>,
) -> io::Result<Vec<kernel::Registration>> {
    // A relative path depends on the working directory, and changes by another machine are not reported.
    if !path.is_absolute() || !kernel::reports_every_change(path)? {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut registrations = vec![kernel.watch_file(path, signal)?];
    let Some(directory) = path.parent() else { return Ok(registrations) };
    for step in steps_to(directory)? {
        registrations.push(kernel.watch_step(&step, signal)?);
    }
    Ok(registrations)
}

/// The directories and symbolic links that lead to a directory, without the root.
fn steps_to(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let resolved = directory.canonicalize()?;
    let is_step = |path: &&Path| path.parent().is_some();
    let mut steps: Vec<PathBuf> = resolved.ancestors().filter(is_step).map(PathBuf::from).collect();
    if resolved != directory {
        let named = directory.ancestors().filter(is_step).map(PathBuf::from);
        steps.extend(named.filter(|path| path.is_symlink()));
    }
    Ok(steps)
}
