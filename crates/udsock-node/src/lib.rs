//! The binding: one reactor per JavaScript environment, and the ways it is driven. No logic of its own.
//!
//! - [`reactor`]: what JavaScript sees, by napi's macros, and the environment's life cycle;
//! - `raw`: the functions that move bytes and connections, on Node-API itself;
//! - `environment`: the state behind both, which outlives every function that can reach it;
//! - `memory`: what of JavaScript's memory Rust touches, and when;
//! - [`heap`]: what the C library does with memory that is freed;
//! - `libuv` and `doorbell`: the two ways to learn that the reactor has something to say;
//! - `control`: the runtime thread on which everything waits that has to wait;
//! - `contain`: where panics end, wherever Rust is entered.

mod contain;
mod control;
mod doorbell;
mod environment;
mod fault;
pub mod heap;
mod libuv;
mod memory;
mod oneshot;
#[cfg(feature = "faults")]
pub mod plan;
mod raw;
pub mod reactor;
mod ready;
