//! Helpers of the tests. Each test file uses some of them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file is a crate of its own and uses a part of this"
)]

use std::fs;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use udsock::{Address, BindOptions, Bound, OnExisting, bind_with, try_connect};

/// A private directory with a short name, removed with everything in it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("us-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The address of a file in the directory.
    pub fn address(&self, name: &str) -> Address {
        Address::try_from(self.0.join(name).as_path()).unwrap()
    }

    /// The address of a file whose whole pathname has `length` bytes, if the directory's is shorter.
    pub fn address_of_length(&self, length: usize) -> Option<Address> {
        let name = length.checked_sub(self.0.as_os_str().len() + 1).filter(|&name| name > 0)?;
        Some(self.address(&"x".repeat(name)))
    }

    /// The names of the files in the directory, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub const EVERY: [OnExisting; 3] = [OnExisting::Error, OnExisting::ReplaceStale, OnExisting::TakeOver];

pub fn options(on_existing: OnExisting) -> BindOptions {
    // Room for the knocks of the losers.
    BindOptions::new(16).on_existing(on_existing)
}

pub fn start(address: &Address, on_existing: OnExisting) -> io::Result<Bound> {
    bind_with(address, &options(on_existing), &AtomicBool::new(false))
}

pub fn refusal<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

/// What tells a file from another one at the same path.
pub fn identity(path: &Path) -> (u64, u64, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.dev(), metadata.ino(), metadata.mode())
}

/// Waits for what should happen soon; the limit is only reached by a failure.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it should have happened by now")
}

/// Lets everything run that can run, the runtime's reactor included.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future once and counts how often it was woken since.
pub struct Probe {
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Probe {
    pub fn new() -> Self {
        Self { wakes: Arc::default() }
    }

    pub fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        self.wakes.0.store(0, Ordering::SeqCst);
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.wakes))))
    }

    pub fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

/// Repeats what fails with `EADDRINUSE`: the shortest abstract names cannot be unique, and other tests use
/// them too.
pub fn when_free<T>(bind: impl Fn() -> io::Result<T>) -> T {
    for _ in 0..2000 {
        match bind() {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome.unwrap(),
        }
    }
    panic!("the address should have been free by now");
}

/// Connects until the listener's backlog is full. The connections stay queued while the result lives.
pub fn fill(address: &Address) -> Vec<OwnedFd> {
    let mut queued = Vec::new();
    loop {
        match try_connect(address) {
            Ok(connection) => queued.push(connection),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
                return queued;
            }
        }
    }
}

pub fn is_nonblocking(fd: impl AsFd) -> bool {
    flags(fd, libc::F_GETFL) & libc::O_NONBLOCK != 0
}

pub fn is_close_on_exec(fd: impl AsFd) -> bool {
    flags(fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0
}

fn flags(fd: impl AsFd, which: i32) -> i32 {
    use std::os::fd::AsRawFd;
    // SAFETY: both queries take no further argument, and the descriptor is borrowed.
    let flags = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), which) };
    assert!(flags >= 0);
    flags
}

/// How many descriptors this process has open.
#[cfg(target_os = "linux")]
pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
