//! System calls that fail, come short or come late by rule: for tests. The other crates have it under their feature
//! `faults` alone, and no release has that.
//!
//! Each system call stands in a [`call`] or a [`transfer`] that names its *site*, such as `accept`. What happens there
//! says the process's plan ([`set`]). The `n`th call of a site has the same fate whenever the plan, with its seed, is the same,
//! whatever other sites do meanwhile.
//!
//! # Rules
//!
//! `SITE:KIND[:when...]`, several behind commas. `*` is every site. For one call the first rule that applies counts.
//!
//! | kind | the call |
//! |---|---|
//! | `ENOMEM` and its kin | is not made, and fails with that |
//! | `short` | moves one byte at most ([`transfer`] alone) |
//! | `zero` | is not made, and moves nothing ([`transfer`] alone); of a read that is the end of the stream |
//! | `delay=MS` | is made so many milliseconds later |
//!
//! | when | |
//! |---|---|
//! | `every=N` | the Nth call and its multiples; default 1 |
//! | `p=P` | each with the probability P, instead |
//! | `times=N` | no more than so often |
//!
//! An EAGAIN says that readiness will follow. A call that was never made will not bring it: see [`owes_readiness`].

mod plan;

use std::cell::Cell;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;

use plan::{Fate, Transfers};
pub use plan::{InvalidRule, Plan};
use rustix::io::Errno;

static PLAN: Mutex<Option<Plan>> = Mutex::new(None);

thread_local! {
    /// Did the last call of this thread fail with an EAGAIN that the kernel knows nothing of?
    static OWES_READINESS: Cell<bool> = const { Cell::new(false) };
}

fn plan() -> MutexGuard<'static, Option<Plan>> {
    // A plan is valid at every point.
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes `rules` with `seed` the process's plan, from now on; none: nothing fails any more. Forgets what was counted.
///
/// # Errors
///
/// The rule that cannot be understood; the plan stays as it was.
pub fn set(rules: &str, seed: u64) -> Result<(), InvalidRule> {
    let new = Plan::new(rules, seed)?;
    *plan() = Some(new);
    Ok(())
}

/// What happened since the last [`set`]: lines of `site calls faults`, in the order of their names.
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

/// Makes the system call of a site, unless it is to fail.
///
/// # Errors
///
/// Those of `run`, or the plan's.
pub fn call<T, E: From<Errno>>(site: &'static str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    decide(site, Transfers::No)?;
    run()
}

/// The same for one that moves bytes: as many as it may, where `run` gets none, or so many at most.
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

/// Did this thread's last call fail with an EAGAIN of the plan's? Then whoever waits for readiness has to ask for it anew,
/// because the kernel, which has no reason to, will not say it. Answers once.
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
