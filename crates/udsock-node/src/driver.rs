//! The class by which JavaScript uses its environment's reactor: setup, sockets and requests. [`raw`] has the other functions.

mod descriptors;
mod records;
mod requests;
mod sockets;

use crate::doorbell::Doorbell;
use crate::environment::{Environment, Open, Waker};
use crate::libuv::PollHandle;
use crate::mailbox::ReactorMailbox;
use crate::memory::Memory;
use crate::raw;
use napi::bindgen_prelude::{JsValue, Object, Unknown};
use napi::{Env, sys};
use napi_derive::napi;
use std::ffi::c_void;
use std::os::fd::AsFd;
use std::rc::Rc;
use udsock::control::Requests;
use udsock::panics::{self, catch_panic};
use udsock_reactor::{Errno, Reactor};

/// Drives the environment's reactor. Numbers below 0 are negative errnos throughout, and INTERNAL is a panic; the engine makes
/// errors of them.
#[napi]
pub struct Driver {
    environment: Rc<Environment>,
}

/// Makes an error whose `code` is the errno, in digits.
fn failed(what: &str, errno: Errno) -> napi::Error<String> {
    napi::Error::new(errno.raw_os_error().to_string(), format!("{what} failed: {errno}"))
}

#[napi]
impl Driver {
    /// `ready` is called without arguments when there is something to poll for, `closing` as `call_when_closing` says. `ring`
    /// holds INTEGERS_PER_EVENT integers for answers, and as many for each event; it and `scratch` are the engine's own memory,
    /// which is never detached. `doorbell`: whether libuv is not to be used.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "() => void")] ready: Unknown<'_>,
        #[napi(ts_arg_type = "() => void")] closing: Unknown<'_>,
        #[napi(ts_arg_type = "Uint8Array")] ring: Unknown<'_>,
        #[napi(ts_arg_type = "Uint8Array")] scratch: Unknown<'_>,
        doorbell: bool,
    ) -> napi::Result<Driver, String> {
        let made = catch_panic(|| {
            panics::reach("new");
            // SAFETY: on the environment's thread, in a call; the engine passes what the signature says.
            unsafe {
                Driver::make(env.raw(), [ready.raw(), closing.raw()], ring.raw(), scratch.raw(), doorbell)
            }
        });
        made.unwrap_or_else(|_| {
            let reason = "udsock failed internally in starting; this is a bug, please report it";
            Err(napi::Error::new("ERR_INTERNAL".to_string(), reason))
        })
    }

    /// Returns the functions that move bytes and connections; their types are in src/internal/binding.ts.
    #[napi(catch_unwind, ts_return_type = "object")]
    pub fn functions(&self, env: &Env) -> Object<'static> {
        // SAFETY: on the environment's thread, in a call of one of its objects.
        unsafe { Object::from_raw(env.raw(), raw::functions(env.raw(), &self.environment)) }
    }

    /// `'libuv'` or `'doorbell'`.
    #[napi(getter, catch_unwind)]
    pub fn waker(&self) -> &'static str {
        let libuv = self.with("waker", |open| Ok(matches!(open.waker, Waker::Libuv(_))));
        if libuv == Ok(true) { "libuv" } else { "doorbell" }
    }
}

impl Driver {
    /// # Safety
    ///
    /// On the thread of `env`, which must be open; `ready` and `closing` must be functions of it, and `ring` and `scratch` what
    /// [`Memory::new`] wants.
    unsafe fn make(
        env: sys::napi_env,
        [ready, closing]: [sys::napi_value; 2],
        ring: sys::napi_value,
        scratch: sys::napi_value,
        doorbell: bool,
    ) -> napi::Result<Driver, String> {
        let reactor = Reactor::new().map_err(|errno| failed("making the poll object", errno))?;
        let requests = Requests::new(ReactorMailbox(reactor.mailbox()));
        // SAFETY: by this function's contract.
        let memory = unsafe { Memory::new(env, ring, scratch) };
        let memory = memory.map_err(|errno| failed("taking the ring", errno))?;
        // SAFETY: by this function's contract. The reactor, which owns the descriptor, outlives the waker in `Open`.
        match unsafe { start_waker(env, &reactor, ready, closing, doorbell) } {
            Ok(waker) => {
                let environment = Environment::new(Open { reactor, waker, requests, memory });
                let hook = Rc::into_raw(Rc::clone(&environment)).cast_mut().cast();
                // SAFETY: the environment is open; `on_cleanup` takes back the count in `hook`.
                unsafe { sys::napi_add_env_cleanup_hook(env, Some(on_cleanup), hook) };
                Ok(Driver { environment })
            }
            Err(errno) => {
                // SAFETY: on the environment's thread, while it is open.
                unsafe { memory.release() };
                Err(failed("starting the background thread", errno))
            }
        }
    }

    /// Runs the work of the export of this name.
    fn with<T>(&self, export: &str, work: impl FnOnce(&mut Open) -> Result<T, Errno>) -> Result<T, Errno> {
        self.environment.with(|open| {
            panics::reach(export);
            work(open)
        })
    }
}

/// Starts libuv's watch on the reactor, or the doorbell where there is no libuv or `doorbell` asks for it.
///
/// # Safety
///
/// On the thread of `env`, which must be open; `ready` and `closing` must be functions of it. The reactor must live until the
/// waker is closed.
unsafe fn start_waker(
    env: sys::napi_env,
    reactor: &Reactor,
    ready: sys::napi_value,
    closing: sys::napi_value,
    doorbell: bool,
) -> Result<Waker, Errno> {
    if !doorbell {
        // SAFETY: by this function's contract.
        let handle = unsafe { PollHandle::start(env, reactor.as_fd(), ready, closing) };
        if let Some(handle) = handle {
            return Ok(Waker::Libuv(handle));
        }
    }
    // SAFETY: by this function's contract.
    unsafe { Doorbell::start(env, reactor.as_fd(), ready) }.map(Waker::Doorbell)
}

unsafe extern "C" fn on_cleanup(hook: *mut c_void) {
    // SAFETY: the count that `make` gave to the hook, which runs once.
    let environment = unsafe { Rc::from_raw(hook.cast_const().cast::<Environment>()) };
    let _ = catch_panic(|| environment.close());
}
