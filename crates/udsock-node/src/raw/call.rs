//! One call of a raw function: its arguments, its environment, and how such a function is made.

use crate::arguments::address_of;
use crate::environment::{Environment, Open};
use crate::memory::{buffer, part};
use napi::sys;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::rc::Rc;
use std::slice;
use udsock::Address;
use udsock::panics::{self, catch_panic};
use udsock_reactor::{Errno, Id, LARGEST_WHOLE, RawSlice, negative, whole};

/// The arguments of one call.
pub(super) struct Call<const N: usize> {
    env: sys::napi_env,
    arguments: [sys::napi_value; N],
}

impl<const N: usize> Call<N> {
    fn value(&self, index: usize) -> sys::napi_value {
        self.arguments.get(index).copied().unwrap_or(ptr::null_mut())
    }

    /// Returns a number; NaN for a value that is none.
    fn number(&self, value: sys::napi_value) -> f64 {
        let mut number = f64::NAN;
        // SAFETY: the value is live during the call, or null, which Node-API refuses; any other type leaves NaN.
        unsafe { sys::napi_get_value_double(self.env, value, &mut number) };
        number
    }

    /// Returns the argument of this index as an integer from 0 to `most`.
    ///
    /// # Errors
    ///
    /// EINVAL for any other number.
    pub(super) fn whole(&self, index: usize, most: u64) -> Result<u64, Errno> {
        whole(self.number(self.value(index)), most)
    }

    /// The same for a length or position in memory.
    pub(super) fn length(&self, index: usize) -> Result<usize, Errno> {
        self.whole(index, LARGEST_WHOLE).map(|length| length as usize)
    }

    /// Returns the first argument as an id.
    ///
    /// # Errors
    ///
    /// EBADF for a number that can name no socket.
    pub(super) fn id(&self) -> Result<Id, Errno> {
        Id::from_number(self.number(self.value(0)))
    }

    /// Returns the bytes of the `Uint8Array` at this index, from `start` up to `end`, as they are now. No reference is made to
    /// them, because another thread's JavaScript may share and change them.
    ///
    /// # Errors
    ///
    /// EFAULT when the memory no longer reaches that far: it was detached or shrunk.
    ///
    /// # Safety
    ///
    /// The slice must not be used after anything that can run JavaScript.
    pub(super) unsafe fn bytes(&self, index: usize, start: usize, end: usize) -> Result<RawSlice, Errno> {
        // SAFETY: by this function's contract.
        unsafe { self.bytes_of(self.value(index), start, end) }
    }

    /// # Safety
    ///
    /// That of [`bytes`](Self::bytes); `value` must be a live value of the environment.
    unsafe fn bytes_of(&self, value: sys::napi_value, start: usize, end: usize) -> Result<RawSlice, Errno> {
        // SAFETY: the engine passes `Uint8Array`s alone; the memory was looked up in this call.
        unsafe { part(buffer(self.env, value), start, end) }
    }

    /// Returns element `position` of an array of `Uint8Array`s, the argument `chunks`, from `skip` on. It must be as long as the
    /// same element of the argument `lengths`.
    ///
    /// # Errors
    ///
    /// EFAULT when it is shorter: it was detached or shrunk.
    ///
    /// # Safety
    ///
    /// That of [`bytes`](Self::bytes).
    pub(super) unsafe fn chunk(
        &self,
        [chunks, lengths]: [usize; 2],
        position: u32,
        skip: usize,
    ) -> Result<RawSlice, Errno> {
        let (mut chunk, mut length) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both are plain arrays of the engine, whose elements are data properties: reading one runs no JavaScript.
        unsafe {
            sys::napi_get_element(self.env, self.value(chunks), position, &mut chunk);
            sys::napi_get_element(self.env, self.value(lengths), position, &mut length);
        }
        let length = whole(self.number(length), LARGEST_WHOLE)? as usize;
        // SAFETY: by this function's contract; the element is a live value.
        unsafe { self.bytes_of(chunk, skip, length) }
    }

    /// Returns the first elements of an array of numbers, at most `most`, as `of` makes them: the arguments `array` and `count`.
    ///
    /// # Errors
    ///
    /// EINVAL for a count that is none or too large; those of `of`.
    pub(super) fn list<T>(
        &self,
        [array, count]: [usize; 2],
        most: usize,
        of: impl Fn(f64) -> Result<T, Errno>,
    ) -> Result<Vec<T>, Errno> {
        let count = self.whole(count, most as u64)? as u32;
        let at = |position| {
            let mut element = ptr::null_mut();
            // SAFETY: a plain array of the engine, whose elements are data properties: reading one runs no JavaScript.
            unsafe { sys::napi_get_element(self.env, self.value(array), position, &mut element) };
            of(self.number(element))
        };
        (0..count).map(at).collect()
    }

    /// Fills `records` with those of the `Uint8Array` `memory` from `first` on. The `Uint8Array` `bounds` has two 32-bit integers for each record,
    /// where it begins and ends.
    ///
    /// # Errors
    ///
    /// EFAULT when either is too short: it was detached or shrunk.
    ///
    /// # Safety
    ///
    /// That of [`bytes`](Self::bytes).
    pub(super) unsafe fn records(
        &self,
        [memory, bounds]: [usize; 2],
        first: usize,
        records: &mut [RawSlice],
    ) -> Result<(), Errno> {
        // SAFETY: the engine passes `Uint8Array`s alone.
        let [memory, (bounds, bounds_length)] =
            unsafe { [memory, bounds].map(|index| buffer(self.env, self.value(index))) };
        let last = first.saturating_add(records.len());
        if last > bounds_length / size_of::<[u32; 2]>() {
            return Err(Errno::FAULT);
        }
        for (record, index) in records.iter_mut().zip(first..last) {
            // SAFETY: within the memory that was looked up in this call, which only the engine has.
            let [start, end] = unsafe { bounds.cast::<[u32; 2]>().add(index).read_unaligned() };
            // SAFETY: by this function's contract.
            *record = unsafe { part(memory, start as usize, end as usize) }?;
        }
        Ok(())
    }

    /// Returns the address whose bytes are the `Uint8Array` at this index; `None` for another value.
    ///
    /// # Errors
    ///
    /// EINVAL or ENAMETOOLONG for bytes that are no address.
    pub(super) fn address(&self, index: usize) -> Result<Option<Address>, Errno> {
        // SAFETY: the engine passes a `Uint8Array` or undefined.
        let (data, length) = unsafe { buffer(self.env, self.value(index)) };
        if data.is_null() {
            return Ok(None);
        }
        // SAFETY: memory that only the engine has, and that nothing changes while the copy is made.
        let bytes = unsafe { slice::from_raw_parts(data, length) };
        address_of(bytes).map(Some)
    }

    /// Returns the memory of the `Uint8Array` at this index, to be written to. It may go with the next call into JavaScript.
    ///
    /// # Errors
    ///
    /// EFAULT for memory that was detached.
    pub(super) fn memory(&self, index: usize) -> Result<*mut [u8], Errno> {
        // SAFETY: the engine passes `Uint8Array`s alone.
        let (data, length) = unsafe { buffer(self.env, self.value(index)) };
        if data.is_null() { Err(Errno::FAULT) } else { Ok(ptr::slice_from_raw_parts_mut(data, length)) }
    }
}

/// The work of one raw function. It returns the number for JavaScript.
pub(super) type Work<const N: usize> = fn(&Call<N>, &mut Open) -> Result<i64, Errno>;

/// Does `work` on the environment's state, and makes JavaScript's number of its result.
///
/// # Safety
///
/// Called by Node-API, for a function that [`define`] made.
pub(super) unsafe fn run<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    work: Work<N>,
) -> sys::napi_value {
    let mut call = Call { env, arguments: [ptr::null_mut(); N] };
    let (mut count, mut data) = (N, ptr::null_mut());
    let arguments = call.arguments.as_mut_ptr();
    // SAFETY: there is room for `count` arguments, and Node-API fills the rest of them with undefined.
    unsafe { sys::napi_get_cb_info(env, info, &mut count, arguments, ptr::null_mut(), &mut data) };
    // SAFETY: `define` gave the function a count of its environment, which its finalizer takes back.
    let environment = unsafe { &*data.cast::<Environment>() };
    let worked = environment.with(|open| work(&call, open));
    let result = worked.unwrap_or_else(|errno| i64::from(negative(errno)));
    let mut value = ptr::null_mut();
    // SAFETY: the environment is in a call.
    unsafe { sys::napi_create_int64(env, result, &mut value) };
    value
}

/// Adds a function to `object` that owns a count of `environment`.
///
/// # Safety
///
/// On the thread of `env`, which must be open; `function` must take its data for an [`Environment`].
pub(super) unsafe fn define(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &CStr,
    function: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    environment: Rc<Environment>,
) {
    let data = Rc::into_raw(environment).cast_mut().cast::<c_void>();
    let length = name.to_bytes().len() as isize;
    let mut value = ptr::null_mut();
    // SAFETY: by this function's contract. The finalizer runs once, after the last call; if it cannot be set, the count
    // is never given back, which is a leak and no fault.
    unsafe {
        sys::napi_create_function(env, name.as_ptr(), length, Some(function), data, &mut value);
        sys::napi_add_finalizer(env, value, data, Some(release), ptr::null_mut(), ptr::null_mut());
        sys::napi_set_named_property(env, object, name.as_ptr(), value);
    }
}

unsafe extern "C" fn release(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    let _ = catch_panic(|| {
        panics::reach("release");
        // SAFETY: the count that `define` gave to the function.
        drop(unsafe { Rc::from_raw(data.cast::<Environment>()) });
    });
}
