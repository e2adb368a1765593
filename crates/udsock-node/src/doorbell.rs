//! The waker where there is no libuv: a task of the control plane watches the reactor and rings a thread-safe function.
//!
//! When to ring is decided by [`udsock_reactor::Bell`]; this module owns the thread-safe function and the call into JavaScript.
//! The function carries no payload and is weak. No thread touches it once its environment has begun to close.

use crate::outcome::errno_of;
use crate::ready::report_exception;
use napi::sys;
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;
use udsock::control;
use udsock::panics::{self, catch_panic, catch_panic_of};
use udsock_reactor::{Bell, Errno, Oneshot, Revocable, Watcher};

/// Rings that may wait for the JavaScript thread. A queue of one would swallow reminders.
const RINGS: usize = 16;

struct ThreadSafeFunction(sys::napi_threadsafe_function);

// SAFETY: Node-API allows calls of a thread-safe function from any thread; revoking it ends them in time.
unsafe impl Send for ThreadSafeFunction {}

impl ThreadSafeFunction {
    fn call(&self) {
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: the function is valid while the environment is open, and closing waits until this call is over.
        // It fails when the queue is full; rings are under way then, which is enough.
        let _ = unsafe { sys::napi_call_threadsafe_function(self.0, ptr::null_mut(), mode) };
    }
}

/// The watch on a reactor. It is used on the JavaScript thread alone.
pub(crate) struct Doorbell {
    env: sys::napi_env,
    function: sys::napi_threadsafe_function,
    readiness: Arc<Oneshot>,
    bell: Arc<Bell>,
    /// Revoked when the environment begins to close.
    ringer: Arc<Revocable<ThreadSafeFunction>>,
    watch: AbortHandle,
}

impl Doorbell {
    /// Begins to watch `fd`, armed and weak.
    ///
    /// # Errors
    ///
    /// Those of starting the runtime, of [`Oneshot::new`] and of registering with the runtime; ENOTSUP when Node-API makes no
    /// thread-safe function.
    ///
    /// # Safety
    ///
    /// On the thread of `env`, which must be open; `ready` must be a function of it.
    pub(crate) unsafe fn start(
        env: sys::napi_env,
        fd: BorrowedFd<'_>,
        ready: sys::napi_value,
    ) -> Result<Doorbell, Errno> {
        let runtime = control::runtime().map_err(errno_of)?;
        let readiness = Arc::new(Oneshot::new(fd)?);
        let _context = runtime.enter();
        // SAFETY: the descriptor is owned by what is registered, and is not exchanged.
        let watched = unsafe { AsyncFd::register_with_interest(Arc::clone(&readiness), Interest::READABLE) }
            .map_err(|error| errno_of(error.into()))?;
        let bell = Arc::new(Bell::default());
        // SAFETY: by this function's contract.
        let function = unsafe { make_function(env, ready, Arc::clone(&bell)) }?;
        let ringer = Arc::new(Revocable::new(ThreadSafeFunction(function)));
        let watcher = Watcher::new(Arc::clone(&bell), Instant::now());
        let watch = runtime.spawn(keep_watching(watched, watcher, Arc::clone(&ringer))).abort_handle();
        Ok(Doorbell { env, function, readiness, bell, ringer, watch })
    }

    /// Has the next event ring, and one that came since the last poll.
    pub(crate) fn arm(&self) -> Result<(), Errno> {
        self.bell.arm(|| self.readiness.arm())
    }

    /// Sets whether the doorbell keeps the event loop alive.
    pub(crate) fn keep_alive(&self, on: bool) {
        let set = if on { sys::napi_ref_threadsafe_function } else { sys::napi_unref_threadsafe_function };
        // SAFETY: on the JavaScript thread, before `close`.
        unsafe { set(self.env, self.function) };
    }

    /// Ends the rings, and waits for one that is being made. The function itself goes with its environment.
    pub(crate) fn close(self) {
        self.ringer.revoke();
        self.watch.abort();
    }
}

/// Makes a weak thread-safe function that answers `bell` with `ready`, and owns a count of `bell`.
///
/// # Safety
///
/// On the thread of `env`, which must be open; `ready` must be a function of it.
unsafe fn make_function(
    env: sys::napi_env,
    ready: sys::napi_value,
    bell: Arc<Bell>,
) -> Result<sys::napi_threadsafe_function, Errno> {
    let (mut name, mut function) = (ptr::null_mut(), ptr::null_mut());
    let (none, on_ring) = (ptr::null_mut(), Some(on_ring as _));
    let context = Arc::into_raw(bell).cast_mut().cast::<c_void>();
    // SAFETY: by this function's contract. `on_finalize` takes back the count in `context`.
    let status = unsafe {
        sys::napi_create_string_utf8(env, c"udsock".as_ptr(), 6, &mut name);
        let finalize = Some(on_finalize as _);
        sys::napi_create_threadsafe_function(
            env,
            ready,
            none,
            name,
            RINGS,
            1,
            context,
            finalize,
            context,
            on_ring,
            &mut function,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: the count that was for the function, which does not exist.
        drop(unsafe { Arc::from_raw(context.cast_const().cast::<Bell>()) });
        return Err(Errno::NOTSUP);
    }
    // SAFETY: the function was just made on this thread.
    unsafe { sys::napi_unref_threadsafe_function(env, function) };
    Ok(function)
}

type Readiness = AsyncFd<Arc<Oneshot>>;

async fn keep_watching(
    readiness: Readiness,
    mut watcher: Watcher,
    ringer: Arc<Revocable<ThreadSafeFunction>>,
) {
    while catch_panic_of(watch(&readiness, &mut watcher, &ringer)).await.is_err() {
        tokio::time::sleep(panics::PAUSE).await;
        watcher.recover(Instant::now());
    }
}

/// Rings as `watcher` says, until the function is revoked.
async fn watch(readiness: &Readiness, watcher: &mut Watcher, ringer: &Revocable<ThreadSafeFunction>) {
    loop {
        panics::reach("watch");
        let must_ring = watcher.must_ring(readiness.get_ref().take(), Instant::now());
        if must_ring && ringer.with(|function| Bell::ring(|| function.call())).is_none() {
            return;
        }
        let event = async { readiness.readable().await.map(|mut guard| guard.clear_ready()) };
        let outcome = match watcher.deadline() {
            None => Ok(event.await),
            Some(deadline) => timeout_at(deadline.into(), event).await,
        };
        if let Ok(Err(_)) = outcome {
            return;
        }
    }
}

unsafe extern "C" fn on_ring(
    env: sys::napi_env,
    ready: sys::napi_value,
    bell: *mut c_void,
    _data: *mut c_void,
) {
    if env.is_null() || ready.is_null() {
        return;
    }
    // SAFETY: the function owns a count of the bell until `on_finalize`.
    let bell = unsafe { &*bell.cast_const().cast::<Bell>() };
    bell.answer(|| {
        catch_panic(|| {
            panics::reach("on_ring");
            // SAFETY: Node-API calls this on the JavaScript thread with the function's environment and an open scope.
            unsafe { call_engine(env, ready) }
        })
    });
}

unsafe extern "C" fn on_finalize(_env: sys::napi_env, bell: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the count that `make_function` gave to the function, which is not called any more.
    drop(unsafe { Arc::from_raw(bell.cast_const().cast::<Bell>()) });
}

/// Calls the engine. Returns whether that ended without an exception; one is reported.
///
/// # Safety
///
/// On the thread of `env`, which must be open and have an open scope; `ready` must be a function of it.
unsafe fn call_engine(env: sys::napi_env, ready: sys::napi_value) -> bool {
    let (mut global, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: by this function's contract.
    unsafe {
        let called = sys::napi_get_global(env, &mut global) == sys::Status::napi_ok
            && sys::napi_call_function(env, global, ready, 0, ptr::null(), &mut result)
                == sys::Status::napi_ok;
        if !called {
            report_exception(env);
        }
        called
    }
}
