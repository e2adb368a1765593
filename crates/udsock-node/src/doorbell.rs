//! The other waker, where there is no libuv to use: the control plane watches the reactor and rings.
//!
//! A ring says "look"; the JavaScript thread looks, and arms the bell again when it has seen everything. In between nobody is
//! woken for what happens. Until it is answered the ring is repeated from time to time, since it can stay unheard: Deno looks
//! for calls of a thread-safe function before it registers to be woken by them, and sleeps on after one that comes in between.
//! The thread-safe function carries nothing, is weak, and is never touched once its environment began to close.

use crate::contain::{REST, contain, contain_future};
use crate::control;
use crate::fault;
use crate::oneshot::Oneshot;
use crate::ready::report_exception;
use napi::sys;
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use udsock_reactor::{Errno, Revocable, panics};

/// How soon it is rung again, and, doubled each time, at most: whoever is busy for long needs no reminders.
const FIRST_REMINDER: Duration = Duration::from_millis(2);
const LAST_REMINDER: Duration = Duration::from_secs(1);
/// Rings that may wait to be heard; a queue of one would swallow the reminders.
const RINGS: usize = 16;

struct Bell(sys::napi_threadsafe_function);

// SAFETY: Node-API allows calls of a thread-safe function from any thread; revoking it ends them in time.
unsafe impl Send for Bell {}

/// What the watching thread and JavaScript know of each other.
struct Stage(AtomicU8);

/// The next event rings.
const ARMED: u8 = 0;
/// It rang, or should have, and the ring is not answered yet.
const RUNG: u8 = 1;
/// A ring was answered by a look. Nobody is woken until it is armed again.
const HEARD: u8 = 2;

impl Stage {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    /// False if it was another.
    fn change(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

struct Shared {
    /// Revoked when the environment begins to close.
    bell: Revocable<Bell>,
    /// The thread-safe function's context, too.
    stage: Arc<Stage>,
}

impl Shared {
    /// Rings. False when there is nobody left to ring for.
    fn ring(&self) -> bool {
        let rung = self.bell.with(|Bell(function)| {
            panics::reach("ring");
            let _ = fault::call("ring", || {
                // A full queue means that rings are under way, which is enough.
                // SAFETY: the function is valid while the environment is open, and closing waits until this is over.
                let _ = unsafe {
                    sys::napi_call_threadsafe_function(
                        *function,
                        ptr::null_mut(),
                        sys::ThreadsafeFunctionCallMode::nonblocking,
                    )
                };
                Ok::<(), Errno>(())
            });
        });
        rung.is_some()
    }
}

/// The watch on a reactor. Used on the JavaScript thread alone.
pub(crate) struct Doorbell {
    env: sys::napi_env,
    function: sys::napi_threadsafe_function,
    readiness: Arc<Oneshot>,
    shared: Arc<Shared>,
    watch: AbortHandle,
}

impl Doorbell {
    /// Begins to watch `fd`, armed and weak.
    ///
    /// # Errors
    ///
    /// What starting the runtime, [`Oneshot::new`] or registering with the runtime reports; ENOTSUP when no thread-safe function can be had.
    ///
    /// # Safety
    ///
    /// On the thread of `env`, which must be open; `ready` must be a function of it.
    pub(crate) unsafe fn start(
        env: sys::napi_env,
        fd: BorrowedFd<'_>,
        ready: sys::napi_value,
    ) -> Result<Doorbell, Errno> {
        let runtime = control::runtime()?;
        let readiness = Arc::new(Oneshot::new(fd)?);
        let _context = runtime.enter();
        // SAFETY: the descriptor is owned by what is registered, and is not exchanged.
        let watched = unsafe { AsyncFd::register_with_interest(Arc::clone(&readiness), Interest::READABLE) }
            .map_err(|error| Errno::from_io_error(&error.into()).unwrap_or(Errno::IO))?;
        let mut name = ptr::null_mut();
        let mut function = ptr::null_mut();
        let stage = Arc::new(Stage(AtomicU8::new(ARMED)));
        let context = Arc::into_raw(Arc::clone(&stage)).cast_mut().cast::<c_void>();
        // SAFETY: by this function's contract.
        let status = unsafe {
            sys::napi_create_string_utf8(env, c"udsock".as_ptr(), 6, &mut name);
            sys::napi_create_threadsafe_function(
                env,
                ready,
                ptr::null_mut(),
                name,
                RINGS,
                1,
                context,
                Some(on_finalize),
                context,
                Some(on_ring),
                &mut function,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: the count that was for the function, which does not exist.
            drop(unsafe { Arc::from_raw(context.cast_const().cast::<Stage>()) });
            return Err(Errno::NOTSUP);
        }
        // SAFETY: the function was just made on this thread.
        unsafe { sys::napi_unref_threadsafe_function(env, function) };
        let shared = Arc::new(Shared { bell: Revocable::new(Bell(function)), stage });
        let watch = runtime.spawn(keep_watching(watched, Arc::clone(&shared))).abort_handle();
        Ok(Doorbell { env, function, readiness, shared, watch })
    }

    /// Everything was seen: the next event rings, or one that has come since. While a ring is under way nothing changes: its
    /// answer is a look, after which it is armed.
    pub(crate) fn arm(&self) -> Result<(), Errno> {
        let stage = &self.shared.stage;
        if !stage.change(HEARD, ARMED) {
            return Ok(());
        }
        self.readiness.arm().inspect_err(|_| {
            stage.change(ARMED, HEARD);
        })
    }

    /// Does the doorbell keep the event loop alive?
    pub(crate) fn keep_alive(&self, on: bool) {
        // SAFETY: on the JavaScript thread, before `close`.
        unsafe {
            if on {
                sys::napi_ref_threadsafe_function(self.env, self.function);
            } else {
                sys::napi_unref_threadsafe_function(self.env, self.function);
            }
        }
    }

    /// After this nobody rings. The function itself goes with its environment.
    pub(crate) fn close(self) {
        self.shared.bell.revoke();
        self.watch.abort();
    }
}

async fn keep_watching(readiness: AsyncFd<Arc<Oneshot>>, shared: Arc<Shared>) {
    while contain_future(watch(&readiness, &shared)).await.is_err() {
        tokio::time::sleep(REST).await;
        // What was taken may not have been rung for. Who has heard a ring arms anew, and a ring that is due is a reminder.
        shared.stage.change(ARMED, RUNG);
    }
}

async fn watch(readiness: &AsyncFd<Arc<Oneshot>>, shared: &Shared) {
    let stage = &shared.stage;
    let mut patience = FIRST_REMINDER;
    let mut due = Instant::now();
    loop {
        panics::reach("watch");
        let taken = readiness.get_ref().take();
        // If it cannot be known, a needless ring does no harm, and a missing one would be the last.
        let is_new = taken.unwrap_or(true) && stage.change(ARMED, RUNG);
        let is_due = due <= Instant::now();
        if is_new || is_due {
            patience = if is_new { FIRST_REMINDER } else { (2 * patience).min(LAST_REMINDER) };
            due = Instant::now() + patience;
            if stage.get() == RUNG && !shared.ring() {
                return;
            }
        }
        let change = async { readiness.readable().await.map(|mut guard| guard.clear_ready()) };
        // Nothing but time ends the wait for an answer, or for arming after one.
        let outcome = match stage.get() {
            ARMED if taken.is_ok() => Ok(change.await),
            _ => timeout_at(due, change).await,
        };
        if let Ok(Err(_)) = outcome {
            return;
        }
    }
}

unsafe extern "C" fn on_ring(
    env: sys::napi_env,
    ready: sys::napi_value,
    context: *mut c_void,
    _data: *mut c_void,
) {
    if env.is_null() || ready.is_null() {
        return;
    }
    // SAFETY: the function's count of it, which goes when the function does.
    let stage = unsafe { &*context.cast_const().cast::<Stage>() };
    // Of several rings the first is answered: a second look could come before the promises that the first one settled.
    if !stage.change(RUNG, HEARD) {
        return;
    }
    // Who panicked instead of looking has to look.
    for _ in 0..2 {
        let looked = contain(|| {
            panics::reach("on_ring");
            // SAFETY: Node-API calls this on the JavaScript thread with the function's environment and an open scope.
            unsafe { look(env, ready) }
        });
        match looked {
            Ok(true) => return,
            Ok(false) => break,
            Err(_) => {}
        }
    }
    // Perhaps nobody will arm the bell: a reminder is due.
    stage.change(HEARD, RUNG);
}

unsafe extern "C" fn on_finalize(_env: sys::napi_env, stage: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the count that `start` gave to the function, which is not called any more.
    drop(unsafe { Arc::from_raw(stage.cast_const().cast::<Stage>()) });
}

/// False if it ended with an exception.
///
/// # Safety
///
/// On the thread of `env`, which must be open and have an open scope; `ready` must be a function of it.
unsafe fn look(env: sys::napi_env, ready: sys::napi_value) -> bool {
    let (mut global, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: by this function's contract.
    unsafe {
        let looked = sys::napi_get_global(env, &mut global) == sys::Status::napi_ok
            && sys::napi_call_function(env, global, ready, 0, ptr::null(), &mut result)
                == sys::Status::napi_ok;
        if !looked {
            report_exception(env);
        }
        looked
    }
}
