//! The functions that move bytes and connections, on Node-API itself: a macro export costs three to six times as much.
//!
//! Each returns a number: a count or an id from 0 up, or a negative errno, of which `i32::MIN` is a panic. None calls into JavaScript while the
//! environment's state is borrowed. Each function object owns a count of its environment, so that none outlives it.

use crate::contain::contain;
use crate::environment::{Environment, Open, Waker};
use crate::memory::buffer;
use napi::sys;
use std::ffi::{CStr, c_void};
use std::io::IoSlice;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;
use udsock::PeerCredentials;
use udsock_reactor::{Destination, Errno, Id, Shutdown, negative, panics};

/// Slices that one send takes; Linux refuses more than 1,024.
const MOST_SLICES: usize = 256;
/// Added to the number of events when there is, or may be, more.
const MORE: i64 = 1 << 30;

/// The arguments of one call.
struct Call<const N: usize> {
    env: sys::napi_env,
    arguments: [sys::napi_value; N],
}

impl<const N: usize> Call<N> {
    fn value(&self, index: usize) -> sys::napi_value {
        self.arguments.get(index).copied().unwrap_or(ptr::null_mut())
    }

    fn number(&self, index: usize) -> f64 {
        let mut number = 0.0;
        // SAFETY: the argument is live during the call; what is no number leaves 0.
        unsafe { sys::napi_get_value_double(self.env, self.value(index), &mut number) };
        number
    }

    fn id(&self) -> Id {
        Id::from_bits(self.number(0) as u64)
    }

    /// The bytes of a `Uint8Array` argument from `start` up to `end`, looked up now.
    ///
    /// # Errors
    ///
    /// EFAULT when the memory no longer reaches that far: it was detached or shrunk.
    ///
    /// # Safety
    ///
    /// The slice must not be used after anything that can run JavaScript.
    unsafe fn bytes<'a>(&self, value: sys::napi_value, start: usize, end: usize) -> Result<&'a [u8], Errno> {
        // SAFETY: the engine passes `Uint8Array`s alone.
        let (data, length) = unsafe { buffer(self.env, value) };
        if start > end || end > length || data.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: within the memory that was looked up in this call. Only the kernel reads it: if it is shared with another
        // thread's JavaScript, what is sent is what that thread makes of it.
        Ok(unsafe { std::slice::from_raw_parts(data.add(start), end - start) })
    }
}

type Work<const N: usize> = fn(&Call<N>, &mut Open) -> Result<i64, Errno>;

/// What every raw function does around its work.
///
/// # Safety
///
/// Called by Node-API, for a function that [`define`] made.
unsafe fn run<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    work: Work<N>,
) -> sys::napi_value {
    let mut call = Call { env, arguments: [ptr::null_mut(); N] };
    let (mut count, mut data) = (N, ptr::null_mut());
    // SAFETY: `define` gave the function a count of its environment, which its finalizer takes back.
    let environment = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, call.arguments.as_mut_ptr(), ptr::null_mut(), &mut data);
        &*data.cast::<Environment>()
    };
    let worked = environment.with(|open| work(&call, open));
    let result = worked.unwrap_or_else(|errno| i64::from(negative(errno)));
    let mut value = ptr::null_mut();
    // SAFETY: the environment is in a call.
    unsafe { sys::napi_create_int64(env, result, &mut value) };
    value
}

macro_rules! raw {
    ($($name:ident as $export:literal ($count:literal) = |$call:ident, $open:pat_param| $work:expr;)*) => {
        $(unsafe extern "C" fn $name(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
            let work: Work<$count> = |$call, $open| {
                panics::reach(stringify!($name));
                $work
            };
            // SAFETY: Node-API calls this for a function that `define` made.
            unsafe { run(env, info, work) }
        })*

        /// An object of all raw functions.
        ///
        /// # Safety
        ///
        /// On the thread of `env`, which must be open and the one of `environment`.
        pub(crate) unsafe fn functions(env: sys::napi_env, environment: &Rc<Environment>) -> sys::napi_value {
            let mut object = ptr::null_mut();
            // SAFETY: by this function's contract.
            unsafe {
                sys::napi_create_object(env, &mut object);
                $(define(env, object, $export, $name, Rc::clone(environment));)*
            }
            object
        }
    };
}

raw! {
    // poll(microseconds): events, MORE added when the engine has to poll again before it sleeps. Asks for so long while
    // there are none; with 0 once.
    poll as c"poll" (1) = |call, Open { reactor, memory, .. }| {
        // SAFETY: the engine's own memory, of these lengths, which no other borrow of Rust reaches.
        let (ring, scratch) = unsafe {
            (
                std::slice::from_raw_parts_mut(memory.ring, memory.places),
                std::slice::from_raw_parts_mut(memory.scratch, memory.scratch_length),
            )
        };
        let patience = Duration::from_micros(call.number(0) as u64);
        let polled = reactor.poll_for(ring, scratch, patience)?;
        Ok(polled.events as i64 + if polled.more { MORE } else { 0 })
    };
    // arm(): everything was seen; only the doorbell needs to know.
    arm as c"arm" (0) = |_call, Open { waker, .. }| {
        if let Waker::Doorbell(doorbell) = waker {
            doorbell.arm()?;
        }
        Ok(0)
    };
    // readStart(id, own): 1 when something waits already. With `own` not 0, every read goes into memory of the reader's.
    read_start as c"readStart" (2) = |call, Open { reactor, .. }| {
        let into = if call.number(1) == 0.0 { Destination::Scratch } else { Destination::Own };
        reactor.read_start(call.id(), into).map(i64::from)
    };
    read_stop as c"readStop" (1) = |call, Open { reactor, .. }| reactor.read_stop(call.id()).map(|()| 0);
    // read(id, memory): bytes.
    read as c"read" (2) = |call, Open { reactor, .. }| {
        // SAFETY: memory of this thread's JavaScript, looked up now and shared with no other thread, which the engine sees to;
        // nothing up to the read can run JavaScript.
        let memory = unsafe {
            let (data, length) = buffer(call.env, call.value(1));
            if data.is_null() {
                return Err(Errno::FAULT);
            }
            std::slice::from_raw_parts_mut(data, length)
        };
        reactor.read(call.id(), memory).map(|length| length as i64)
    };
    // write(id, chunk, start, end): bytes that the kernel took.
    write as c"write" (4) = |call, Open { reactor, .. }| {
        // SAFETY: nothing between here and the write can run JavaScript.
        let bytes = unsafe { call.bytes(call.value(1), call.number(2) as usize, call.number(3) as usize)? };
        reactor.write(call.id(), &[IoSlice::new(bytes)]).map(|sent| sent as i64)
    };
    // writev(id, chunks, lengths, count, skip): the first `skip` bytes were sent before. A chunk whose length is not what it
    // was when it was written has been detached or shrunk: EFAULT.
    writev as c"writev" (5) = |call, Open { reactor, .. }| {
        let count = (call.number(3) as usize).min(MOST_SLICES);
        let mut skip = call.number(4) as usize;
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        for (index, slice) in (0_u32..).zip(slices.iter_mut().take(count)) {
            let (mut chunk, mut length, mut expected) = (ptr::null_mut(), ptr::null_mut(), 0.0);
            // SAFETY: both are plain arrays of the engine, in whose elements no user code can hide.
            let bytes = unsafe {
                sys::napi_get_element(call.env, call.value(1), index, &mut chunk);
                sys::napi_get_element(call.env, call.value(2), index, &mut length);
                sys::napi_get_value_double(call.env, length, &mut expected);
                call.bytes(chunk, skip, expected as usize)?
            };
            *slice = IoSlice::new(bytes);
            skip = 0;
        }
        let slices = slices.get(..count).unwrap_or_default();
        reactor.write(call.id(), slices).map(|sent| sent as i64)
    };
    // accept(id): the new connection's id; -ECONNREFUSED when it was one that the listener does not allow, -EBUSY during the
    // pause after a shortage.
    accept as c"accept" (1) = |call, Open { reactor, .. }| reactor.accept(call.id()).map(|id| id.bits() as i64);
    // peer(id): uid, gid and pid (0: not known) in the answer.
    peer as c"peer" (1) = |call, Open { reactor, memory, .. }| {
        let peer = PeerCredentials::of(reactor.fd(call.id())?).map_err(|error| {
            Errno::from_io_error(&error).unwrap_or(Errno::IO)
        })?;
        // SAFETY: the engine's own memory, aligned for an event.
        unsafe { *memory.answer = [peer.uid as i32, peer.gid as i32, peer.pid.unwrap_or(0) as i32, 0] };
        Ok(0)
    };
    // shutdown(id, how): 0 the read side, 1 the write side.
    shutdown as c"shutdown" (2) = |call, Open { reactor, .. }| {
        let how = if call.number(1) == 0.0 { Shutdown::Read } else { Shutdown::Write };
        reactor.shutdown(call.id(), how).map(|()| 0)
    };
    // close(id): 1 when listeners that waited for a descriptor want a poll now.
    close as c"close" (1) = |call, Open { reactor, .. }| Ok(i64::from(reactor.close(call.id())));
}

/// Adds a function to `object` that owns `environment`.
///
/// # Safety
///
/// On the thread of `env`, which must be open; `function` must take its data for an [`Environment`].
unsafe fn define(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &CStr,
    function: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    environment: Rc<Environment>,
) {
    let data = Rc::into_raw(environment).cast_mut().cast::<c_void>();
    let mut value = ptr::null_mut();
    // SAFETY: by this function's contract. The finalizer runs once, after the last call; if it cannot be set, the count
    // is never given back, which is a leak and no fault.
    unsafe {
        let length = name.to_bytes().len() as isize;
        sys::napi_create_function(env, name.as_ptr(), length, Some(function), data, &mut value);
        sys::napi_add_finalizer(env, value, data, Some(release), ptr::null_mut(), ptr::null_mut());
        sys::napi_set_named_property(env, object, name.as_ptr(), value);
    }
}

unsafe extern "C" fn release(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    let _ = contain(|| {
        panics::reach("release");
        // SAFETY: the count that `define` gave to the function.
        drop(unsafe { Rc::from_raw(data.cast::<Environment>()) });
    });
}
