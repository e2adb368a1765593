//! JavaScript memory that Rust reads and writes: the engine's own, which is pinned, and buffers, which are looked up in each call.
//!
//! It is touched on its own thread alone, during a call, while no JavaScript runs, by raw pointers: it is shared with JavaScript,
//! some of it with JavaScript of other threads, so there is never a Rust reference to it.

use napi::sys;
use std::ptr;
use udsock_reactor::{Errno, Event, PollMemory, RawSlice};

/// Memory that only the engine sees, and no other thread: the one kind whose address may be kept.
pub(crate) struct Memory {
    /// Integers for answers of more than one number; the ring's events follow.
    answer: *mut [i32; 4],
    poll: PollMemory<'static>,
    env: sys::napi_env,
    references: [sys::napi_ref; 2],
}

impl Memory {
    /// Pins both buffers until `release`.
    ///
    /// # Errors
    ///
    /// EINVAL for memory that is too small or not aligned for events; ENOMEM when Node-API makes no reference.
    ///
    /// # Safety
    ///
    /// `ring` and `scratch` must be `Uint8Array`s over memory of their own, which is shared with no other thread and never
    /// detached or resized.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        ring: sys::napi_value,
        scratch: sys::napi_value,
    ) -> Result<Memory, Errno> {
        // SAFETY: by this function's contract.
        let ((head, length), (scratch_start, scratch_length)) =
            unsafe { (buffer(env, ring), buffer(env, scratch)) };
        let places = (length / size_of::<Event>()).saturating_sub(1);
        if places == 0 || scratch_length == 0 || !head.cast::<Event>().is_aligned() {
            return Err(Errno::INVAL);
        }
        let mut references = [ptr::null_mut(); 2];
        for (value, reference) in [ring, scratch].into_iter().zip(&mut references) {
            // SAFETY: both values are live.
            let status = unsafe { sys::napi_create_reference(env, value, 1, reference) };
            if status != sys::Status::napi_ok {
                return Err(Errno::NOMEM);
            }
        }
        // SAFETY: the ring has at least one place behind the answer.
        let first = unsafe { head.cast::<Event>().add(1) };
        let ring = ptr::slice_from_raw_parts_mut(first, places);
        let scratch = ptr::slice_from_raw_parts_mut(scratch_start, scratch_length);
        // SAFETY: aligned, pinned until `release`, and of this thread alone, by this function's contract.
        let poll = unsafe { PollMemory::raw(ring, scratch) };
        Ok(Memory { answer: head.cast(), poll, env, references })
    }

    /// Returns the ring and the scratch memory, for one poll.
    pub(crate) fn for_poll(&mut self) -> &mut PollMemory<'static> {
        &mut self.poll
    }

    /// Writes an answer, on the environment's own thread.
    pub(crate) fn answer(&mut self, answer: [i32; 4]) {
        // SAFETY: pinned memory, by `new`, aligned for an event.
        unsafe { self.answer.write(answer) };
    }

    /// Unpins both, which are not used any more. Node frees no reference of its own accord.
    ///
    /// # Safety
    ///
    /// On the environment's own thread, while it is open or closing.
    pub(crate) unsafe fn release(self) {
        for reference in self.references {
            // SAFETY: a reference of this environment, deleted once because `self` is taken.
            unsafe { sys::napi_delete_reference(self.env, reference) };
        }
    }
}

/// Returns the address and length of a `Uint8Array`'s memory as they are now; a detached one has no length.
///
/// # Safety
///
/// `value` must be a live `Uint8Array` of `env`. The memory may go with the next call into JavaScript.
pub(crate) unsafe fn buffer(env: sys::napi_env, value: sys::napi_value) -> (*mut u8, usize) {
    let (mut data, mut length) = (ptr::null_mut(), 0);
    // SAFETY: by this function's contract.
    let status = unsafe { sys::napi_get_buffer_info(env, value, &mut data, &mut length) };
    if status != sys::Status::napi_ok || data.is_null() {
        (ptr::null_mut(), 0)
    } else {
        (data.cast(), length)
    }
}

/// Returns a part of memory with this address and length.
///
/// # Errors
///
/// EFAULT when the memory does not reach that far.
///
/// # Safety
///
/// The memory must be as long as it says.
pub(crate) unsafe fn part(
    (data, length): (*mut u8, usize),
    start: usize,
    end: usize,
) -> Result<RawSlice, Errno> {
    if start > end || end > length {
        return Err(Errno::FAULT);
    }
    if data.is_null() {
        return Ok(RawSlice::EMPTY);
    }
    // SAFETY: by this function's contract.
    Ok(RawSlice::new(unsafe { data.add(start) }, end - start))
}
