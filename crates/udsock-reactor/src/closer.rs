//! Closes descriptors that peers have sent, on other threads.
//!
//! The last close of a descriptor can block: a TCP socket with SO_LINGER waits for its peer, a file for its server.
//! A few threads, which exist only while there is something to close, take the descriptors from one bounded queue.
//!
//! A descriptor wakes a thread up. While many come in quick succession, the threads pause between looks at the queue instead, because a wake-up costs
//! more than a close. What always holds: `attentive + idle <= threads <= MOST_THREADS`, and while the queue is not empty a thread is attentive,
//! unless all threads are inside a close.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Descriptors that may be queued: as many as two messages carry. Each has a place in the process's table meanwhile.
const CAPACITY: usize = 512;
/// Queued descriptors that end a pause.
const HURRY: usize = 128;
/// Threads at most. A close that blocks one of them must not keep the other descriptors open.
const MOST_THREADS: usize = 4;
/// Wake-ups in quick succession, each within `SOON` of the one before, after which threads pause instead of sleeping.
const STREAK: u32 = 8;
const SOON: Duration = Duration::from_millis(1);
/// How long the first thread pauses, and how long others do, in case that it blocks.
const PAUSE: Duration = Duration::from_micros(250);
const LONG_PAUSE: Duration = Duration::from_millis(4);
/// How long an idle thread waits before it ends.
const IDLE: Duration = Duration::from_secs(1);

static CLOSER: Closer = Closer::new();

/// Closes a descriptor without blocking the caller.
///
/// If no thread starts, or too many descriptors are queued, it is closed here after all. The linger time of a socket is
/// cleared first, so that its close does not block; a close that waits for a file system does.
pub(crate) fn close_elsewhere(fd: OwnedFd) {
    if let Err(fd) = CLOSER.push(fd) {
        close_here(fd);
    }
}

/// How many descriptors wait to be closed.
pub(crate) fn queued() -> usize {
    CLOSER.lock().queue.len()
}

/// Closes what is queued, on this thread after all: for a caller that finds no place in the process's table.
pub(crate) fn close_queued() {
    let queue = std::mem::take(&mut CLOSER.lock().queue);
    queue.into_iter().for_each(close_here);
}

fn close_here(fd: OwnedFd) {
    let _ = rustix::net::sockopt::set_socket_linger(&fd, None);
}

struct Closer {
    state: Mutex<State>,
    /// Wakes an idle thread.
    wake: Condvar,
    /// Ends a pause.
    hurry: Condvar,
}

struct State {
    queue: VecDeque<OwnedFd>,
    threads: usize,
    /// Threads that wait to be woken up, without those for which there is a call.
    idle: usize,
    /// Wake-ups that no thread has taken.
    calls: usize,
    /// Threads that will look at the queue by themselves: they pause, or were woken up or started.
    attentive: usize,
    pausing: usize,
    /// Wake-ups in quick succession, and when the last one was.
    streak: u32,
    roused: Option<Instant>,
}

impl Closer {
    const fn new() -> Self {
        let state = State {
            queue: VecDeque::new(),
            threads: 0,
            idle: 0,
            calls: 0,
            attentive: 0,
            pausing: 0,
            streak: 0,
            roused: None,
        };
        Closer { state: Mutex::new(state), wake: Condvar::new(), hurry: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the descriptor and has a thread take it. Gives it back if no thread will close it.
    fn push(&'static self, fd: OwnedFd) -> Result<(), OwnedFd> {
        let mut state = self.lock();
        if state.queue.len() >= CAPACITY {
            return Err(fd);
        }
        state.queue.push_back(fd);
        if state.queue.len() == HURRY {
            self.hurry.notify_one();
        }
        // A thread inside a close may be blocked, so it does not count.
        self.rouse(&mut state);
        if state.threads == 0 {
            return state.queue.pop_back().map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// Has a thread look at the queue, unless one will or all are inside a close.
    fn rouse(&'static self, state: &mut State) {
        if state.attentive > 0 {
            return;
        }
        let now = Instant::now();
        let is_soon = state.roused.is_some_and(|last| now.duration_since(last) < SOON);
        state.streak = if is_soon { state.streak.saturating_add(1) } else { 0 };
        state.roused = Some(now);
        if state.idle > 0 {
            state.idle -= 1;
            state.calls += 1;
            state.attentive += 1;
            self.wake.notify_one();
        } else if state.threads < MOST_THREADS {
            let spawned = std::thread::Builder::new().name("udsock-close".into()).spawn(|| self.run());
            if spawned.is_ok() {
                state.threads += 1;
                state.attentive += 1;
            }
        }
    }

    /// A thread, which is attentive from its start on.
    fn run(&'static self) {
        let mut state = self.lock();
        loop {
            if state.queue.is_empty() && state.streak >= STREAK {
                state = self.pause(state);
            }
            if state.queue.is_empty() {
                state.attentive -= 1;
                state.idle += 1;
                state = self.wait(state, &self.wake, IDLE);
                if state.calls == 0 {
                    state.idle -= 1;
                    state.threads -= 1;
                    return;
                }
                state.calls -= 1;
            }
            state = self.close_all(state);
        }
    }

    /// Waits for a while, and ends the streak if nothing has come.
    fn pause<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let limit = if state.pausing == 0 { PAUSE } else { LONG_PAUSE };
        state.pausing += 1;
        state = self.wait(state, &self.hurry, limit);
        state.pausing -= 1;
        if state.queue.is_empty() && limit == PAUSE {
            state.streak = 0;
        }
        state
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, on: &Condvar, limit: Duration) -> MutexGuard<'a, State> {
        on.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Closes what is queued. Another thread takes over while a close blocks.
    fn close_all<'a>(&'static self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while let Some(fd) = state.queue.pop_front() {
            state.attentive -= 1;
            if !state.queue.is_empty() {
                self.rouse(&mut state);
            }
            drop(state);
            drop(fd);
            state = self.lock();
            state.attentive += 1;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, PipeReader, Read};

    /// Waits for the end that a closed descriptor means.
    fn expect_end(mut reader: PipeReader) -> io::Result<()> {
        assert_eq!(reader.read(&mut [0])?, 0);
        Ok(())
    }

    #[test]
    fn descriptors_in_quick_succession_are_closed_one_by_one_and_together() -> io::Result<()> {
        for _ in 0..100 {
            let (reader, writer) = io::pipe()?;
            close_elsewhere(writer.into());
            expect_end(reader)?;
        }
        for count in [1, HURRY, 2 * HURRY] {
            let mut readers = Vec::new();
            for _ in 0..count {
                let (reader, writer) = io::pipe()?;
                close_elsewhere(writer.into());
                readers.push(reader);
            }
            readers.into_iter().try_for_each(expect_end)?;
        }
        Ok(())
    }
}
