//! The call into JavaScript: one of the engine's functions, without arguments.
//!
//! What must always hold: no borrow of the environment's state is alive during the call; and an exception that it throws is
//! reported as uncaught, never left pending.

use napi::sys;
use std::ptr;

/// A function of the engine's, and the environment to call it in. It is used on the JavaScript thread alone.
pub(crate) struct Ready {
    env: sys::napi_env,
    callback: sys::napi_ref,
}

impl Ready {
    /// Keeps `callback`. Returns none when Node-API makes no reference.
    ///
    /// # Safety
    ///
    /// `env` must be the current environment and `callback` a function of it.
    pub(crate) unsafe fn new(env: sys::napi_env, callback: sys::napi_value) -> Option<Ready> {
        let mut reference = ptr::null_mut();
        // SAFETY: both values are live, by this function's contract.
        let status = unsafe { sys::napi_create_reference(env, callback, 1, &mut reference) };
        (status == sys::Status::napi_ok).then_some(Ready { env, callback: reference })
    }

    /// Frees the callback, which is not called any more.
    ///
    /// # Safety
    ///
    /// Once, on the environment's own thread, while the environment is open or closing.
    pub(crate) unsafe fn release(&self) {
        // SAFETY: by this function's contract. A call that is under way has read the reference already.
        unsafe { sys::napi_delete_reference(self.env, self.callback) };
    }

    /// Calls the engine; ticks and microtasks run afterwards.
    ///
    /// # Safety
    ///
    /// On the environment's own thread, while the environment is open, with no borrow of its state alive: JavaScript
    /// calls back in.
    pub(crate) unsafe fn call(&self) {
        let mut scope = ptr::null_mut();
        // SAFETY: the environment is open.
        if unsafe { sys::napi_open_handle_scope(self.env, &mut scope) } != sys::Status::napi_ok {
            return;
        }
        // SAFETY: by this function's contract; the scope is open.
        unsafe { self.call_in_scope() };
        // SAFETY: the scope that was opened above, whose handles are not used any more.
        unsafe { sys::napi_close_handle_scope(self.env, scope) };
    }

    /// # Safety
    ///
    /// That of [`call`](Self::call); a handle scope must be open.
    unsafe fn call_in_scope(&self) {
        let env = self.env;
        let (none, mut callback, mut global) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the reference is alive until `release`, and the handles live in the scope.
        let is_found = unsafe {
            sys::napi_get_reference_value(env, self.callback, &mut callback) == sys::Status::napi_ok
                && sys::napi_get_global(env, &mut global) == sys::Status::napi_ok
        };
        if !is_found {
            return;
        }
        // SAFETY: both handles are live; no borrow of the environment's state is alive.
        let status =
            unsafe { sys::napi_make_callback(env, none, global, callback, 0, ptr::null(), ptr::null_mut()) };
        if status != sys::Status::napi_ok {
            // SAFETY: the environment and a scope are open.
            unsafe { report_exception(env) };
        }
    }
}

/// Reports a pending exception as uncaught, unless it is null. The engine throws none; in Deno null ends JavaScript after an
/// uncaught exception, and would replace that one in the report.
///
/// # Safety
///
/// On the environment's own thread, while it is open and a handle scope is.
pub(crate) unsafe fn report_exception(env: sys::napi_env) {
    let mut pending = false;
    let mut exception = ptr::null_mut();
    let mut kind = sys::ValueType::napi_undefined;
    // SAFETY: by this function's contract.
    unsafe {
        if sys::napi_is_exception_pending(env, &mut pending) == sys::Status::napi_ok
            && pending
            && sys::napi_get_and_clear_last_exception(env, &mut exception) == sys::Status::napi_ok
            && sys::napi_typeof(env, exception, &mut kind) == sys::Status::napi_ok
            && kind != sys::ValueType::napi_null
        {
            sys::napi_fatal_exception(env, exception);
        }
    }
}
