//! The processor time of the calling thread and the load of the machine: the measurements by which adaptive polling decides.

use rustix::time::{ClockId, clock_gettime};
use std::thread::available_parallelism;

/// Returns the nanoseconds of processor time that this thread has used.
pub(crate) fn thread_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Returns how many processors this process may use: by its affinity and, on Linux, its cgroup's quota.
pub(crate) fn processors() -> i64 {
    available_parallelism().map_or(1, |count| i64::try_from(count.get()).unwrap_or(i64::MAX))
}

/// Returns the number of runnable threads beyond the number of processors; 0 where the system does not report it.
///
/// Linux reports it in `/proc/loadavg`: see `proc_loadavg(5)`.
pub(crate) fn crowd() -> i64 {
    let Ok(load) = std::fs::read_to_string("/proc/loadavg") else { return 0 };
    let running = load.split(' ').nth(3).and_then(|counts| counts.split('/').next());
    let Some(running) = running.and_then(|count| count.parse::<i64>().ok()) else { return 0 };
    // SAFETY: takes and returns numbers.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    (running - online.max(1) as i64).max(0)
}
