//! Functions of the process, which need no reactor.

use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, sys};
use napi_derive::napi;

/// Reports an error as an uncaught exception, now, and returns: for callbacks that have no caller to throw to.
#[napi(catch_unwind)]
pub fn uncaught(env: Env, #[napi(ts_arg_type = "unknown")] error: Unknown<'_>) {
    // SAFETY: on the environment's thread, in a call, with a live value.
    unsafe { sys::napi_fatal_exception(env.raw(), error.raw()) };
}

/// Returns the user and the group that stand for those without a number in this user namespace; empty where there are none.
#[napi(catch_unwind)]
pub fn overflow_ids() -> Vec<u32> {
    udsock::overflow_ids().map_or_else(Vec::new, |(uid, gid)| vec![uid, gid])
}

/// Returns whether a positive errno reports that descriptors or memory have run out, which passes.
#[napi(catch_unwind)]
pub fn is_exhaustion(errno: i32) -> bool {
    udsock::is_exhaustion(errno)
}
