//! Functions for tests, in builds with the features `faults` and `panics`, which no release has.

use napi_derive::napi;

/// Makes these rules, with this seed, the process's plan by which system calls fail. Throws for a rule that is invalid.
#[cfg(feature = "faults")]
#[napi(catch_unwind)]
pub fn set_faults(rules: String, seed: u32) -> napi::Result<()> {
    udsock::fault::set(&rules, seed.into()).map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// Returns lines of `site calls faults`, counted since the plan was set.
#[cfg(feature = "faults")]
#[napi(catch_unwind)]
pub fn fault_report() -> String {
    udsock::fault::report()
}

/// A symbol that tells a build with faults from a release: `nm -D` shows it.
#[cfg(feature = "faults")]
#[unsafe(no_mangle)]
pub extern "C" fn udsock_faults() {}

/// Makes the next `times` passes of `place` panic.
#[cfg(feature = "panics")]
#[napi]
pub fn want_panic(place: String, times: u32) {
    udsock::panics::want(place, times);
}

/// Returns how many of these panics are still to come.
#[cfg(feature = "panics")]
#[napi]
pub fn wanted_panics() -> u32 {
    udsock::panics::wanted()
}
