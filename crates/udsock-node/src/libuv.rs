//! The waker in Node and Electron: one `uv_poll_t` on the descriptor of the reactor's poll object.
//!
//! libuv's functions are looked up at run time, so that the addon loads where they are missing. Sizes of handles come from libuv,
//! because only it knows them.
//!
//! What must always hold: memory of a handle is freed by its close callback alone; and the reactor's descriptor stays open until
//! libuv has closed the handle that watches it.

use crate::ready::Ready;
use napi::sys;
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::rc::Rc;
use udsock::panics::{self, catch_panic};
use udsock_reactor::Reactor;

/// `UV_IDLE` and `UV_POLL` of `uv_handle_type` and `UV_READABLE`, which libuv 1 never renumbers.
const UV_IDLE: c_int = 6;
const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;

type Handle = *mut c_void;
type CloseCallback = unsafe extern "C" fn(Handle);
type PollCallback = unsafe extern "C" fn(Handle, c_int, c_int);

macro_rules! functions {
    ($($field:ident = $symbol:literal: $type:ty;)*) => {
        #[derive(Clone, Copy)]
        struct Functions {
            $($field: $type,)*
        }

        impl Functions {
            /// Returns none where a function is missing, or where libuv's major version is not 1: the ABI is that of 1.
            fn load() -> Option<Functions> {
                // SAFETY: the signatures are those of uv.h in libuv 1, and the version is checked before others are used.
                unsafe {
                    let version = symbol(c"uv_version")?;
                    let version = std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_uint>(version);
                    if version() >> 16 != 1 {
                        return None;
                    }
                    Some(Functions { $($field: std::mem::transmute::<*mut c_void, $type>(symbol($symbol)?),)* })
                }
            }
        }
    };
}

functions! {
    handle_size = c"uv_handle_size": unsafe extern "C" fn(c_int) -> usize;
    handle_set_data = c"uv_handle_set_data": unsafe extern "C" fn(Handle, *mut c_void);
    idle_init = c"uv_idle_init": unsafe extern "C" fn(*mut c_void, Handle) -> c_int;
    poll_init = c"uv_poll_init": unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int;
    poll_start = c"uv_poll_start": unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int;
    poll_stop = c"uv_poll_stop": unsafe extern "C" fn(Handle) -> c_int;
    close = c"uv_close": unsafe extern "C" fn(Handle, CloseCallback);
    reference = c"uv_ref": unsafe extern "C" fn(Handle);
    unreference = c"uv_unref": unsafe extern "C" fn(Handle);
}

impl Functions {
    /// Makes zeroed memory for a handle of this type.
    fn memory(&self, handle_type: c_int) -> Vec<u64> {
        // SAFETY: the signature is that of uv.h in libuv 1.
        let bytes = unsafe { (self.handle_size)(handle_type) };
        vec![0; bytes.div_ceil(size_of::<u64>())]
    }
}

/// Looks a function up. Returns none where it is missing.
fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `name` is a C string; the default scope is the process and what it loaded.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// The data of the poll handle. It belongs to the handle until `on_closed`.
struct Owned {
    ready: Ready,
    /// Moved here by `close`: its descriptor has to stay open until libuv has closed the handle.
    reactor: Option<Reactor>,
    /// The handle's own memory.
    _memory: Vec<u64>,
}

/// The engine's callback for the closing phase.
struct Closer {
    ready: Ready,
    /// Whether the environment is open.
    open: Cell<bool>,
}

/// The data of an idle handle. It belongs to the handle until `on_closing`.
struct Closing {
    closer: Rc<Closer>,
    /// The handle's own memory.
    _memory: Vec<u64>,
}

/// A started poll handle. It keeps the event loop alive only while that is asked for.
pub(crate) struct PollHandle {
    functions: Functions,
    handle: Handle,
    event_loop: *mut c_void,
    closer: Rc<Closer>,
}

impl PollHandle {
    /// Begins to watch `fd`. Returns none where libuv cannot be used.
    ///
    /// # Safety
    ///
    /// On the thread of `env`, which must be open; `ready` and `closing` must be functions of it. `fd` must stay open
    /// until the handle is closed.
    pub(crate) unsafe fn start(
        env: sys::napi_env,
        fd: BorrowedFd<'_>,
        ready: sys::napi_value,
        closing: sys::napi_value,
    ) -> Option<PollHandle> {
        let functions = Functions::load()?;
        let mut event_loop: *mut sys::uv_loop_s = ptr::null_mut();
        // SAFETY: the environment is open.
        let status = unsafe { sys::napi_get_uv_event_loop(env, &mut event_loop) };
        if status != sys::Status::napi_ok || event_loop.is_null() {
            return None;
        }
        // SAFETY: by this function's contract.
        let ready = unsafe { Ready::new(env, ready) }?;
        // SAFETY: by this function's contract.
        let Some(closing) = (unsafe { Ready::new(env, closing) }) else {
            // SAFETY: the environment is open, and nothing calls `ready`.
            unsafe { ready.release() };
            return None;
        };
        let mut memory = functions.memory(UV_POLL);
        let handle: Handle = memory.as_mut_ptr().cast();
        // SAFETY: the memory is as large and as aligned as libuv asks for, does not move, and is freed by `on_closed` alone,
        // unless this fails, after which libuv does not use it.
        if unsafe { (functions.poll_init)(event_loop.cast(), handle, fd.as_raw_fd()) } != 0 {
            // SAFETY: the environment is open, and nothing calls either.
            unsafe {
                ready.release();
                closing.release();
            }
            return None;
        }
        let closer = Rc::new(Closer { ready: closing, open: Cell::new(true) });
        let owned = Box::into_raw(Box::new(Owned { ready, reactor: None, _memory: memory }));
        // SAFETY: the handle is initialized. `poll_start` fails only for a handle that is closing.
        unsafe {
            (functions.handle_set_data)(handle, owned.cast());
            (functions.poll_start)(handle, UV_READABLE, on_readable);
            (functions.unreference)(handle);
        }
        Some(PollHandle { functions, handle, event_loop: event_loop.cast(), closer })
    }

    /// Sets whether the handle keeps the event loop alive.
    pub(crate) fn keep_alive(&self, on: bool) {
        let function = if on { self.functions.reference } else { self.functions.unreference };
        // SAFETY: the handle is open: `close` takes `self`.
        unsafe { function(self.handle) }
    }

    /// Calls the engine once in the event loop's closing phase: after the immediates that are due, and before the loop waits.
    /// The loop lives until then. Calls that were asked for last come first, as with the handles of Node's sockets.
    pub(crate) fn call_when_closing(&self) {
        let mut memory = self.functions.memory(UV_IDLE);
        let handle: Handle = memory.as_mut_ptr().cast();
        let closing = Box::new(Closing { closer: Rc::clone(&self.closer), _memory: memory });
        // SAFETY: on the loop's thread, while the environment is open. The memory is as large and as aligned as libuv asks
        // for, does not move, and is freed by `on_closing` alone. `uv_idle_init` never fails.
        unsafe {
            (self.functions.idle_init)(self.event_loop, handle);
            (self.functions.handle_set_data)(handle, Box::into_raw(closing).cast());
            (self.functions.close)(handle, on_closing);
        }
    }

    /// Stops the callbacks now. The reactor is dropped when libuv has closed the handle.
    pub(crate) fn close(self, reactor: Reactor) {
        // SAFETY: the handle is open and its data is the `Owned` of `start`; libuv calls `on_closed` once, later. The
        // environment is closing, and nothing calls the engine once the handle is stopped.
        unsafe {
            (*owned(self.handle)).reactor = Some(reactor);
            (self.functions.poll_stop)(self.handle);
            (*owned(self.handle)).ready.release();
            self.closer.open.set(false);
            self.closer.ready.release();
            (self.functions.close)(self.handle, on_closed);
        }
    }
}

/// The data pointer of a handle, which libuv documents as the first field.
///
/// # Safety
///
/// `handle` must be one of ours, before its `on_closed` has returned.
unsafe fn owned(handle: Handle) -> *mut Owned {
    // SAFETY: `uv_handle_t` begins with `void* data`, by libuv's ABI.
    unsafe { *handle.cast::<*mut Owned>() }
}

unsafe extern "C" fn on_readable(handle: Handle, _status: c_int, _events: c_int) {
    // After a panic before the call libuv calls again, because the descriptor stays readable.
    let _ = catch_panic(|| {
        panics::reach("on_readable");
        // SAFETY: called on the loop's thread between `start` and `close`, so the environment is open. The reference does
        // not reach into the environment's state; `close` during the call does not free it.
        unsafe { (*owned(handle)).ready.call() }
    });
}

unsafe extern "C" fn on_closed(handle: Handle) {
    let _ = catch_panic(|| {
        panics::reach("on_closed");
        // SAFETY: libuv has closed the handle. Nothing here touches Node-API, because the environment may be gone.
        drop(unsafe { Box::from_raw(owned(handle)) });
    });
}

unsafe extern "C" fn on_closing(handle: Handle) {
    let _ = catch_panic(|| {
        panics::reach("on_closing");
        // SAFETY: the data is the `Closing` of `call_when_closing`, and libuv has closed the handle.
        let closing = unsafe { Box::from_raw(*handle.cast::<*mut Closing>()) };
        if closing.closer.open.get() {
            // SAFETY: on the loop's thread, while the environment is open. `close` during the call does not free the callback.
            unsafe { closing.closer.ready.call() };
        }
    });
}
