//! What tests have of the plan by which system calls fail.

use napi_derive::napi;

/// Makes these rules, with this seed, the process's plan. Throws for what is no rule.
#[napi(catch_unwind)]
pub fn set_faults(rules: String, seed: u32) -> napi::Result<()> {
    udsock_faults::set(&rules, seed.into()).map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// Lines of `site calls faults`, since the plan was set.
#[napi(catch_unwind)]
pub fn fault_report() -> String {
    udsock_faults::report()
}

/// A symbol by which a build with faults is known: `nm -D` of a release does not show it.
#[unsafe(no_mangle)]
pub extern "C" fn udsock_faults() {}
