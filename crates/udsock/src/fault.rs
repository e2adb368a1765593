//! The place where system calls are made, so that tests can have them fail, come short or come late by rule. Without the
//! feature `faults` every function here is its closure; no release has the feature.
//!
//! Each system call is made in a [`call`] or a [`transfer`] that names its *site*, such as `accept`. What happens there
//! is the process's plan (`set`). The `n`th call of a site has the same fate whenever the plan and its seed are the same,
//! independent of other sites.
//!
//! # Rules
//!
//! `SITE:KIND[:when...]`, separated by commas. `*` is every site. The first rule that applies to a call decides.
//!
//! | kind | the call |
//! |---|---|
//! | `ENOMEM` and the like | is not made, and fails with that error |
//! | `short` | moves at most one byte ([`transfer`] alone) |
//! | `zero` | is not made, and moves nothing ([`transfer`] alone); for a read that is the end of the stream |
//! | `delay=MS` | is made that many milliseconds later |
//!
//! | when | |
//! |---|---|
//! | `every=N` | the Nth call and its multiples; default 1 |
//! | `p=P` | each call with the probability P, instead |
//! | `times=N` | at most N times |
//!
//! An `EAGAIN` promises that readiness will follow. The kernel does not keep that promise for a call that was never made:
//! see [`owes_readiness`].

#[cfg(any(feature = "faults", test))]
#[cfg_attr(
    not(feature = "faults"),
    allow(dead_code, unreachable_pub, reason = "its own tests run without the feature")
)]
mod plan;

#[cfg(feature = "faults")]
pub use self::plan::InvalidRule;
#[cfg(feature = "faults")]
pub use injected::{call, owes_readiness, report, set, transfer};
#[cfg(not(feature = "faults"))]
pub use untouched::{call, owes_readiness, transfer};

#[cfg(not(feature = "faults"))]
mod untouched {
    /// Makes a system call.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    #[inline(always)]
    pub fn call<T, E>(_site: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        run()
    }

    /// Makes a system call that moves bytes.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    #[inline(always)]
    pub fn transfer<T, E>(_site: &str, run: impl FnOnce(Option<usize>) -> Result<T, E>) -> Result<T, E> {
        run(None)
    }

    /// Whether the last call failed with an `EAGAIN` that is not the kernel's: never.
    #[inline(always)]
    pub fn owes_readiness() -> bool {
        false
    }
}

#[cfg(feature = "faults")]
mod injected {
    use std::cell::Cell;
    use std::fmt::Write;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::thread::sleep;

    use rustix::io::Errno;

    use super::plan::{Fate, InvalidRule, Plan, Transfers};

    static PLAN: Mutex<Option<Plan>> = Mutex::new(None);

    thread_local! {
        /// Whether the last call of this thread failed with an `EAGAIN` of the plan.
        static OWES_READINESS: Cell<bool> = const { Cell::new(false) };
    }

    fn plan() -> MutexGuard<'static, Option<Plan>> {
        // A plan is valid at every point.
        PLAN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `rules` with `seed` the process's plan and resets the counts. Empty rules: no call fails any more.
    ///
    /// # Errors
    ///
    /// The invalid rule; the plan stays as it was.
    pub fn set(rules: &str, seed: u64) -> Result<(), InvalidRule> {
        let new = Plan::new(rules, seed)?;
        *plan() = Some(new);
        Ok(())
    }

    /// Returns what happened since the last [`set`]: lines of `site calls faults`, in the order of the sites' names.
    pub fn report() -> String {
        let mut lines = String::new();
        if let Some(plan) = plan().as_ref() {
            for (site, calls, faults) in plan.counts() {
                // Writing to a string does not fail.
                let _ = writeln!(lines, "{site} {calls} {faults}");
            }
        }
        lines
    }

    /// Makes the system call of a site, unless the plan has it fail.
    ///
    /// # Errors
    ///
    /// Those of `run`, or the plan's.
    pub fn call<T, E: From<Errno>>(site: &'static str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        decide(site, Transfers::No)?;
        run()
    }

    /// Makes a system call that moves bytes: any number where `run` gets `None`, otherwise at most that number.
    ///
    /// # Errors
    ///
    /// Those of `run`, or the plan's.
    pub fn transfer<T, E: From<Errno>>(
        site: &'static str,
        run: impl FnOnce(Option<usize>) -> Result<T, E>,
    ) -> Result<T, E> {
        let most = decide(site, Transfers::Yes)?;
        run(most)
    }

    /// Whether the last call of this thread failed with an `EAGAIN` of the plan. The kernel reports no readiness after it,
    /// so the caller has to try again by itself. True once for each failure.
    pub fn owes_readiness() -> bool {
        OWES_READINESS.replace(false)
    }

    fn decide(site: &'static str, transfers: Transfers) -> Result<Option<usize>, Errno> {
        OWES_READINESS.set(false);
        let fate = plan().as_mut().map_or(Fate::Untouched, |plan| plan.fate(site, transfers));
        match fate {
            Fate::Untouched => Ok(None),
            Fate::AtMost(bytes) => Ok(Some(bytes)),
            Fate::Late(delay) => {
                sleep(delay);
                Ok(None)
            }
            Fate::Fails(errno) => {
                OWES_READINESS.set(errno == Errno::AGAIN);
                Err(errno)
            }
        }
    }
}
