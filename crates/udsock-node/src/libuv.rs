//! Node's event loop watches the reactor: one `uv_poll_t` on the poll object's descriptor.
//!
//! The few functions are looked up at run time, so that the addon loads where they are missing.

use crate::contain::contain;
use crate::ready::Ready;
use napi::sys;
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use udsock_reactor::{Reactor, panics};

/// `UV_POLL` of `uv_handle_type` and `UV_READABLE`, which libuv 1 never renumbers.
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
            /// None where a function is missing or libuv's major version is not 1, whose ABI this is.
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
    poll_init = c"uv_poll_init": unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int;
    poll_start = c"uv_poll_start": unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int;
    poll_stop = c"uv_poll_stop": unsafe extern "C" fn(Handle) -> c_int;
    close = c"uv_close": unsafe extern "C" fn(Handle, CloseCallback);
    reference = c"uv_ref": unsafe extern "C" fn(Handle);
    unreference = c"uv_unref": unsafe extern "C" fn(Handle);
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `name` is a C string; the default scope is the process and what it loaded.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// What a handle's callbacks need. It belongs to the handle until its close callback.
struct Owned {
    ready: Ready,
    /// Put here by `close`: the descriptor has to stay open until libuv has let go of it.
    reactor: Option<Reactor>,
    /// The handle's own memory, of a size that only libuv knows.
    _memory: Vec<u64>,
}

/// A started, unreferenced poll handle.
pub(crate) struct PollHandle {
    functions: Functions,
    handle: Handle,
}

impl PollHandle {
    /// Begins to watch `fd`. None where libuv cannot be used.
    ///
    /// # Safety
    ///
    /// On the thread of `env`, which must be open; `ready` must be a function of it. `fd` must stay open until the
    /// handle is closed.
    pub(crate) unsafe fn start(
        env: sys::napi_env,
        fd: BorrowedFd<'_>,
        ready: sys::napi_value,
    ) -> Option<PollHandle> {
        let functions = Functions::load()?;
        let mut event_loop: *mut sys::uv_loop_s = ptr::null_mut();
        // SAFETY: the environment is open. The memory is as large and as aligned as libuv asks for, does not move, and is
        // freed by `on_closed` alone, unless `poll_init` fails, after which libuv knows nothing of it.
        unsafe {
            if sys::napi_get_uv_event_loop(env, &mut event_loop) != sys::Status::napi_ok
                || event_loop.is_null()
            {
                return None;
            }
            let ready = Ready::new(env, ready)?;
            let mut memory = vec![0_u64; (functions.handle_size)(UV_POLL).div_ceil(size_of::<u64>())];
            let handle: Handle = memory.as_mut_ptr().cast();
            if (functions.poll_init)(event_loop.cast(), handle, fd.as_raw_fd()) != 0 {
                ready.release();
                return None;
            }
            let owned = Box::into_raw(Box::new(Owned { ready, reactor: None, _memory: memory }));
            (functions.handle_set_data)(handle, owned.cast());
            // It fails only for a handle that is closing.
            (functions.poll_start)(handle, UV_READABLE, on_readable);
            (functions.unreference)(handle);
            Some(PollHandle { functions, handle })
        }
    }

    /// Does the handle keep the event loop alive?
    pub(crate) fn keep_alive(&self, on: bool) {
        let function = if on { self.functions.reference } else { self.functions.unreference };
        // SAFETY: the handle is open: `close` takes `self`.
        unsafe { function(self.handle) }
    }

    /// Stops the callbacks now; the reactor goes when libuv has let go of its descriptor.
    pub(crate) fn close(self, reactor: Reactor) {
        // SAFETY: the handle is open and its data is the `Owned` of `start`; libuv calls `on_closed` once, later. The
        // environment is closing, and nothing calls the engine once the handle is stopped.
        unsafe {
            (*owned(self.handle)).reactor = Some(reactor);
            (self.functions.poll_stop)(self.handle);
            (*owned(self.handle)).ready.release();
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
    // A panic before the call is no loss: the descriptor stays readable, so libuv calls again.
    let _ = contain(|| {
        panics::reach("on_readable");
        // SAFETY: called on the loop's thread between `start` and `close`, so the environment is open. The reference does
        // not reach into the environment's state; `close` during the call does not free it.
        unsafe { (*owned(handle)).ready.call() }
    });
}

unsafe extern "C" fn on_closed(handle: Handle) {
    let _ = contain(|| {
        panics::reach("on_closed");
        // SAFETY: libuv has let go of the handle. Nothing here touches Node-API: the environment may be gone.
        drop(unsafe { Box::from_raw(owned(handle)) });
    });
}
