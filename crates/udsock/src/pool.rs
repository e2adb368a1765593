//! Threads for system calls on files, which may block because a file system may be slow. No job waits for another process or
//! for time. The pool is the process's. It starts a thread when a job has none to run on, one at a time and at most [`MOST`];
//! a thread ends after [`IDLE`] without a job.
//!
//! tokio's own pool panics when the system has no thread to give; here the caller gets `EAGAIN`.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{errno, numbered};
use crate::fault;

/// The most threads. Further jobs wait.
const MOST: usize = 16;
/// How long a thread waits for another job.
const IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Whether a thread has not taken its first job yet. No other thread starts until then: on a busy machine it would come too
    /// late for a burst of short jobs.
    is_starting: bool,
    /// Threads that wait for a job, or that were woken for one.
    idle: usize,
}

static STATE: Mutex<State> =
    Mutex::new(State { jobs: VecDeque::new(), threads: 0, is_starting: false, idle: 0 });
static WORK: Condvar = Condvar::new();

/// A job's panic is caught outside the lock, and no operation on the state stops half-way.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `job` on a thread of the pool.
///
/// # Errors
///
/// `EAGAIN`, or another error of the system, when the pool has no thread and cannot start one. `job` has not run.
///
/// # Cancel safety
///
/// Dropping the future does not stop the job; its result is dropped.
///
/// # Panics
///
/// If `job` does.
pub(crate) async fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, outcome) = oneshot::channel::<Result<T, Box<dyn Any + Send>>>();
    submit(Box::new(move || {
        // The receiver is gone when the caller has given up.
        let _ = done.send(catch_unwind(AssertUnwindSafe(job)));
    }))?;
    match outcome.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(errno(libc::ECANCELED)),
    }
}

/// Has a thread of the pool run `job`, which must not panic.
///
/// # Errors
///
/// Those of [`run`]. `job` has not run.
pub(crate) fn submit(job: Job) -> io::Result<()> {
    let mut state = state();
    state.jobs.push_back(job);
    if let Err(error) = grow(&mut state) {
        // Otherwise one of the existing threads takes the job.
        if state.threads == 0 {
            state.jobs.pop_back();
            return Err(numbered(error));
        }
    }
    drop(state);
    WORK.notify_one();
    Ok(())
}

/// Starts a thread if there are more jobs than idle threads.
fn grow(state: &mut State) -> io::Result<()> {
    if state.jobs.len() <= state.idle || state.is_starting || state.threads == MOST {
        return Ok(());
    }
    fault::call("thread", start)?;
    state.threads += 1;
    state.is_starting = true;
    Ok(())
}

fn start() -> io::Result<()> {
    thread::Builder::new().name("udsock-files".into()).spawn(work).map(drop)
}

fn work() {
    let mut state = state();
    state.is_starting = false;
    loop {
        if let Some(job) = state.jobs.pop_front() {
            // The job may block. If no thread can be started, the other jobs wait for the existing ones.
            let _ = grow(&mut state);
            drop(state);
            job();
            state = self::state();
            continue;
        }
        state.idle += 1;
        let (next, wait) = WORK.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state = next;
        state.idle -= 1;
        if wait.timed_out() && state.jobs.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    #[tokio::test]
    async fn jobs_run_on_a_bounded_number_of_threads_and_all_end() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..100)
            .map(|number| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                tokio::spawn(run(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                    running.fetch_sub(1, Ordering::SeqCst);
                    number
                }))
            })
            .collect();
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap().unwrap(), number);
        }
        assert!(most.load(Ordering::SeqCst) <= MOST);
    }

    #[tokio::test]
    async fn a_job_waits_for_no_other_while_there_are_threads() {
        let together = Arc::new(Barrier::new(MOST));
        let jobs: Vec<_> = (0..MOST)
            .map(|_| {
                let together = Arc::clone(&together);
                tokio::spawn(run(move || together.wait().is_leader()))
            })
            .collect();
        let mut leaders = 0;
        for job in jobs {
            leaders += usize::from(job.await.unwrap().unwrap());
        }
        assert_eq!(leaders, 1);
    }

    #[tokio::test]
    async fn a_panic_is_its_caller_s_alone() {
        let job = tokio::spawn(run(|| resume_unwind(Box::new("a job's panic"))));
        assert!(job.await.unwrap_err().is_panic());
        assert_eq!(run(|| 1).await.unwrap(), 1);
    }
}
