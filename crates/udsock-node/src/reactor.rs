//! What JavaScript sees beside the raw functions: setting up, asking, and everything that may wait.

use crate::contain::contain;
use crate::control::Requests;
use crate::doorbell::Doorbell;
use crate::environment::{Environment, Open, Waker};
use crate::libuv::PollHandle;
use crate::memory::Memory;
use crate::raw;
use napi::bindgen_prelude::{JsValue, Object, Uint8Array, Unknown};
use napi::{Env, sys};
use napi_derive::napi;
use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use udsock::{Address, Allowed, BindOptions, Bound, OnExisting};
use udsock_reactor::{Errno, Id, Role, negative, panics};

/// The environment's reactor. Numbers below 0 are negative errnos throughout, and `i32::MIN` is a panic; the engine makes
/// errors of them.
#[napi]
pub struct Reactor {
    environment: Rc<Environment>,
}

/// Its `code` is the errno, in digits.
fn failed(what: &str, errno: Errno) -> napi::Error<String> {
    napi::Error::new(errno.raw_os_error().to_string(), format!("{what} failed: {errno}"))
}

fn io_errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn code(result: Result<(), Errno>) -> i32 {
    result.map_or_else(negative, |()| 0)
}

fn id_or_errno(result: Result<Id, Errno>) -> f64 {
    // An id is below 2^53.
    result.map_or_else(|errno| f64::from(negative(errno)), |id| id.bits() as f64)
}

#[napi]
impl Reactor {
    /// `ready` is called without arguments when there is something to poll for. `ring` holds 16 bytes for answers and 16
    /// for each event; it and `scratch` are memory of the engine's own that is never detached.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "() => void")] ready: Unknown<'_>,
        #[napi(ts_arg_type = "Uint8Array")] ring: Unknown<'_>,
        #[napi(ts_arg_type = "Uint8Array")] scratch: Unknown<'_>,
        doorbell: bool,
    ) -> napi::Result<Reactor, String> {
        let made = contain(|| {
            panics::reach("new");
            // SAFETY: on the environment's thread, in a call; the engine passes what the signature says.
            unsafe { Reactor::make(env.raw(), ready.raw(), ring.raw(), scratch.raw(), doorbell) }
        });
        made.unwrap_or_else(|_| {
            let reason = "udsock failed internally in starting; this is a bug, please report it";
            Err(napi::Error::new("ERR_INTERNAL".to_string(), reason))
        })
    }

    /// The functions that move bytes and connections; their types are in src/binding.ts.
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

    /// Does the reactor keep the process alive?
    #[napi(catch_unwind)]
    pub fn keep_alive(&self, on: bool) -> i32 {
        code(self.with("keep_alive", |open| {
            match &open.waker {
                Waker::Libuv(handle) => handle.keep_alive(on),
                Waker::Doorbell(doorbell) => doorbell.keep_alive(on),
            }
            Ok(())
        }))
    }

    /// Connects if that is possible at once: the connection's id. -EAGAIN: the listener's backlog is full, or others wait for it.
    #[napi(catch_unwind)]
    pub fn try_connect(&self, address: Uint8Array) -> f64 {
        let connected = self.with("try_connect", |open| {
            let address = decode(&address)?;
            let fd = udsock::try_connect(&address).map_err(io_errno)?;
            open.reactor.add(fd, Role::Connection)
        });
        id_or_errno(connected)
    }

    /// Connects, waiting for a full backlog: 0, and a `Completed` event with this request later. `timeout` in milliseconds; below 0: none.
    #[napi(catch_unwind)]
    pub fn connect(&self, request: u32, address: Uint8Array, timeout: f64) -> i32 {
        code(self.with("connect", |open| {
            let timeout = Duration::try_from_secs_f64(timeout / 1e3).ok();
            open.requests.connect(request, decode(&address)?, timeout)
        }))
    }

    /// Binds and listens: 0, and a `Completed` event with this request later, then `Note` events until it is forgotten.
    /// `mode` below 0: none. `on_existing`: 0 error, 1 replace what is stale, 2 take over.
    #[napi(catch_unwind)]
    pub fn listen(
        &self,
        request: u32,
        address: Uint8Array,
        backlog: i32,
        mode: i32,
        on_existing: u32,
        unlink_on_close: bool,
    ) -> i32 {
        let options = BindOptions {
            mode: u32::try_from(mode).ok(),
            on_existing: match on_existing {
                0 => OnExisting::Error,
                1 => OnExisting::ReplaceStale,
                _ => OnExisting::TakeOver,
            },
            ..BindOptions::new(backlog)
        };
        code(self.with("listen", |open| {
            open.requests.listen(request, decode(&address)?, options, unlink_on_close)
        }))
    }

    /// Asks for an end of binding. The `Completed` event comes all the same, with -ECANCELED or, if it was too late, an id.
    #[napi(catch_unwind)]
    pub fn cancel_listen(&self, request: u32) -> i32 {
        code(self.with("cancel_listen", |open| {
            open.requests.cancel(request);
            Ok(())
        }))
    }

    /// Removes a listener's file if it is still its own: 0, and a `Note` 0 of its request when that is done. The listener
    /// must be open until then, so that no other file can have its device and inode.
    #[napi(catch_unwind)]
    pub fn remove_file(&self, request: u32) -> i32 {
        code(self.with("remove_file", |open| open.requests.remove_file(request)))
    }

    /// Refuses a listener's newcomers from now on, and keeps those that wait. -EOPNOTSUPP elsewhere than on Linux.
    #[napi(catch_unwind)]
    pub fn refuse_newcomers(&self, id: f64) -> i32 {
        code(self.with("refuse_newcomers", |open| open.reactor.refuse_newcomers(Id::from_bits(id as u64))))
    }

    /// Removes the files of open listeners that wished it, and waits until that is done: for the end of the process.
    #[napi(catch_unwind)]
    pub fn remove_files(&self) -> i32 {
        code(self.with("remove_files", |open| {
            open.requests.remove_files();
            Ok(())
        }))
    }

    /// Binds and listens, now and on this thread: the listener's id. Its file is removed by `remove_file_now` or
    /// `remove_files`. The path is not watched.
    #[napi(catch_unwind)]
    pub fn listen_now(&self, address: Uint8Array, backlog: i32) -> f64 {
        let listening = self.with("listen_now", |open| {
            let options = BindOptions::new(backlog);
            let Bound { socket, file } =
                udsock::bind_with(&decode(&address)?, &options, &AtomicBool::new(false)).map_err(io_errno)?;
            let added = open.reactor.add(socket, Role::Listener);
            match (added, file) {
                (Ok(id), Some(file)) => open.requests.keep_file(id, file),
                (Err(_), Some(file)) => drop(file.remove()),
                (_, None) => {}
            }
            added
        });
        id_or_errno(listening)
    }

    /// Removes the file of a listener of `listen_now`, which is open still, if it is still its own.
    #[napi(catch_unwind)]
    pub fn remove_file_now(&self, id: f64) -> i32 {
        code(self.with("remove_file_now", |open| {
            open.requests.remove_kept_file(Id::from_bits(id as u64));
            Ok(())
        }))
    }

    /// Takes a listening descriptor of this process over: its id. After an errno that says what it is, it is as it was.
    /// -EBUSY: it is in use here already.
    #[napi(catch_unwind)]
    pub fn adopt(&self, fd: i32) -> f64 {
        self.take_over(fd, udsock::inspect, udsock::adopt, Role::SharedListener)
    }

    /// The same for the descriptor of a connection.
    #[napi(catch_unwind)]
    pub fn adopt_connection(&self, fd: i32) -> f64 {
        self.take_over(fd, udsock::inspect_connection, udsock::adopt_connection, Role::Connection)
    }

    /// Has `accept` hand out none but these users, and who has one of these groups. None listed: everybody is refused.
    #[napi(catch_unwind)]
    pub fn allow(&self, id: f64, uids: Vec<u32>, gids: Vec<u32>) -> i32 {
        let allowed = Allowed::new(uids, gids);
        code(self.with("allow", |open| {
            open.reactor.set_gate(Id::from_bits(id as u64), Box::new(move |fd| allowed.admits(fd)))
        }))
    }

    /// Gives up a request, or forgets one that was answered.
    #[napi(catch_unwind)]
    pub fn forget(&self, request: u32) -> i32 {
        code(self.with("forget", |open| {
            open.requests.forget(request);
            Ok(())
        }))
    }

    /// Would accept find a connection now, or fail? Takes nothing.
    #[napi(catch_unwind)]
    pub fn is_acceptable(&self, id: f64) -> bool {
        self.with("is_acceptable", |open| open.reactor.is_acceptable(Id::from_bits(id as u64)))
            .unwrap_or(true)
    }

    /// Milliseconds until a listener tries again after a shortage, rounded up; 0 when it does not pause.
    #[napi(catch_unwind)]
    pub fn paused_for(&self, id: f64) -> u32 {
        let paused = self.with("paused_for", |open| open.reactor.paused_for(Id::from_bits(id as u64)));
        // A pause is at most a second.
        paused.ok().flatten().map_or(0, |paused| paused.as_micros().div_ceil(1000) as u32)
    }

    /// The address that a connection's peer is bound to, as bytes; empty for none.
    #[napi(catch_unwind)]
    pub fn peer_address(&self, id: f64) -> Uint8Array {
        self.address(id, |fd| Address::peer(fd))
    }

    /// The address that a socket is bound to, as bytes; empty for none.
    #[napi(catch_unwind)]
    pub fn local_address(&self, id: f64) -> Uint8Array {
        self.address(id, |fd| Address::local(fd))
    }
}

impl Reactor {
    /// # Safety
    ///
    /// On the thread of `env`, which must be open; `ready` must be a function of it, and `ring` and `scratch` what
    /// [`Memory::new`] wants.
    unsafe fn make(
        env: sys::napi_env,
        ready: sys::napi_value,
        ring: sys::napi_value,
        scratch: sys::napi_value,
        doorbell: bool,
    ) -> napi::Result<Reactor, String> {
        let reactor =
            udsock_reactor::Reactor::new().map_err(|errno| failed("making the poll object", errno))?;
        let requests = Requests::new(reactor.mailbox());
        // SAFETY: by this function's contract.
        unsafe {
            let memory = Memory::new(env, ring, scratch).map_err(|errno| failed("taking the ring", errno))?;
            let handle = match doorbell {
                false => PollHandle::start(env, reactor.as_fd(), ready),
                true => None,
            };
            let waker = match handle {
                Some(handle) => Waker::Libuv(handle),
                None => match Doorbell::start(env, reactor.as_fd(), ready) {
                    Ok(doorbell) => Waker::Doorbell(doorbell),
                    Err(errno) => {
                        memory.release();
                        return Err(failed("starting the background thread", errno));
                    }
                },
            };
            let environment = Environment::new(Open { reactor, waker, requests, memory });
            let hook = Rc::into_raw(Rc::clone(&environment)).cast_mut().cast();
            sys::napi_add_env_cleanup_hook(env, Some(on_cleanup), hook);
            Ok(Reactor { environment })
        }
    }

    /// Runs the work of the export of this name.
    fn with<T>(&self, export: &str, work: impl FnOnce(&mut Open) -> Result<T, Errno>) -> Result<T, Errno> {
        self.environment.with(|open| {
            panics::reach(export);
            work(open)
        })
    }

    fn take_over(
        &self,
        fd: i32,
        inspect: fn(BorrowedFd<'_>) -> std::io::Result<()>,
        adopt: fn(OwnedFd) -> Result<OwnedFd, (OwnedFd, std::io::Error)>,
        role: Role,
    ) -> f64 {
        let adopted = self.with("adopt", |open| {
            if fd < 0 {
                return Err(Errno::BADF);
            }
            if open.reactor.has_fd(fd) {
                return Err(Errno::BUSY);
            }
            // SAFETY: borrowed for these questions alone, which no JavaScript can interrupt; a number that is no open
            // descriptor is answered with EBADF.
            inspect(unsafe { BorrowedFd::borrow_raw(fd) }).map_err(io_errno)?;
            // SAFETY: it is open, and a socket of the role. That nothing else in the process owns it is what the caller
            // of `listen({ fd })` and `new Socket({ fd })` promises, as with node:net; the reactor does not.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            match adopt(socket) {
                Ok(socket) => open.reactor.add(socket, role),
                Err((socket, error)) => {
                    // It stays the caller's.
                    let _ = socket.into_raw_fd();
                    Err(io_errno(error))
                }
            }
        });
        id_or_errno(adopted)
    }

    fn address(&self, id: f64, ask: fn(BorrowedFd<'_>) -> std::io::Result<Address>) -> Uint8Array {
        let address = self.with("address", |open| {
            let fd = open.reactor.fd(Id::from_bits(id as u64))?;
            ask(fd).map_err(io_errno)
        });
        address.map_or_else(
            |_| Uint8Array::new(Vec::new()),
            |address| Uint8Array::from(address.to_bytes().to_vec()),
        )
    }
}

fn decode(address: &[u8]) -> Result<Address, Errno> {
    Address::from_bytes(address).map_err(|error| Errno::from_raw_os_error(error.errno()))
}

/// Reports an error as an uncaught exception, now, and returns: for callbacks that have no caller to throw to.
#[napi(catch_unwind)]
pub fn uncaught(env: Env, #[napi(ts_arg_type = "unknown")] error: Unknown<'_>) {
    // SAFETY: on the environment's thread, in a call, with a live value.
    unsafe { sys::napi_fatal_exception(env.raw(), error.raw()) };
}

/// The user and the group that stand for those without a number here; empty where there are no such.
#[napi(catch_unwind)]
pub fn overflow_ids() -> Vec<u32> {
    udsock::overflow_ids().map_or_else(Vec::new, |(uid, gid)| vec![uid, gid])
}

unsafe extern "C" fn on_cleanup(hook: *mut c_void) {
    // SAFETY: the count that the constructor gave to the hook, which runs once.
    let environment = unsafe { Rc::from_raw(hook.cast_const().cast::<Environment>()) };
    let _ = contain(|| environment.close());
}

/// Has the next `times` panics happen at `place`: for tests.
#[cfg(feature = "panics")]
#[napi]
pub fn want_panic(place: String, times: u32) {
    panics::want(place, times);
}

/// How many of them are still to come.
#[cfg(feature = "panics")]
#[napi]
pub fn wanted_panics() -> u32 {
    panics::wanted()
}
