//! Helpers of the tests. Each test file uses some of them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file is a crate of its own and uses a part of this"
)]

use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use udsock::{Address, try_connect};

/// A private directory with a short name, removed with everything in it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("us-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
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
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
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
pub fn when_free<T>(bind: impl Fn() -> std::io::Result<T>) -> T {
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
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
