//! The binding: one reactor per JavaScript environment, and the ways in which it is driven. It converts arguments and outcomes,
//! and decides nothing that a cargo test could check: that is in `udsock` and `udsock_reactor`.
//!
//! - [`driver`]: the class that JavaScript sees, by napi's macros, and the environment's beginning and end;
//! - `raw`: the functions that move bytes and connections, on Node-API itself;
//! - `arguments` and `outcome`: numbers from JavaScript, and numbers for it;
//! - [`constants`]: numbers that Rust and TypeScript share;
//! - `environment`: the state behind both kinds of functions, which outlives every function that can reach it;
//! - `memory`: JavaScript memory that Rust reads and writes;
//! - `mailbox`: how outcomes of the control plane get into the reactor;
//! - `libuv`, `doorbell` and `ready`: the two wakers, and the call into JavaScript;
//! - `processor`: what adaptive polling measures;
//! - [`process`] and [`malloc`]: functions that need no reactor.
//!
//! What must always hold: no panic unwinds into Node-API, libuv or the runtime; and no Rust reference to the environment's state
//! is alive while JavaScript runs.

mod arguments;
pub mod constants;
mod doorbell;
pub mod driver;
mod environment;
mod libuv;
mod mailbox;
pub mod malloc;
mod memory;
mod outcome;
pub mod process;
mod processor;
mod raw;
mod ready;
#[cfg(any(feature = "faults", feature = "panics"))]
pub mod test_hooks;
