//! The one call into JavaScript: "ready", without arguments.

use napi::sys;
use std::ptr;

/// The engine's callback, and the environment to call it in. Used on the JavaScript thread alone.
pub(crate) struct Ready {
    env: sys::napi_env,
    callback: sys::napi_ref,
}

impl Ready {
    /// # Safety
    ///
    /// `env` must be the current environment and `callback` a function of it.
    pub(crate) unsafe fn new(env: sys::napi_env, callback: sys::napi_value) -> Option<Ready> {
        let mut reference = ptr::null_mut();
        // SAFETY: both values are live, by this function's contract.
        let status = unsafe { sys::napi_create_reference(env, callback, 1, &mut reference) };
        (status == sys::Status::napi_ok).then_some(Ready { env, callback: reference })
    }

    /// Lets go of the callback, which is not called any more.
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
        let env = self.env;
        let (mut scope, mut callback, mut global) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the environment is open; every handle lives in the scope, which is closed at the end.
        unsafe {
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            if sys::napi_get_reference_value(env, self.callback, &mut callback) == sys::Status::napi_ok
                && sys::napi_get_global(env, &mut global) == sys::Status::napi_ok
            {
                let status = sys::napi_make_callback(
                    env,
                    ptr::null_mut(),
                    global,
                    callback,
                    0,
                    ptr::null(),
                    ptr::null_mut(),
                );
                if status != sys::Status::napi_ok {
                    report_exception(env);
                }
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}

/// Makes a pending exception an uncaught one.
///
/// # Safety
///
/// On the environment's own thread, while it is open and a handle scope is.
pub(crate) unsafe fn report_exception(env: sys::napi_env) {
    let mut pending = false;
    let mut exception = ptr::null_mut();
    // SAFETY: by this function's contract.
    unsafe {
        if sys::napi_is_exception_pending(env, &mut pending) == sys::Status::napi_ok
            && pending
            && sys::napi_get_and_clear_last_exception(env, &mut exception) == sys::Status::napi_ok
        {
            sys::napi_fatal_exception(env, exception);
        }
    }
}
