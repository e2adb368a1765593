//! JavaScript memory that Rust reads and writes: the engine's own, which is pinned, and buffers, which are looked up anew.

use napi::sys;
use std::ptr;
use udsock_reactor::{Errno, Event};

/// Memory that only the engine sees: the one kind whose address may be kept.
pub(crate) struct Memory {
    /// Four integers before the first event, for answers of more than one number.
    pub(crate) answer: *mut [i32; 4],
    pub(crate) ring: *mut Event,
    pub(crate) places: usize,
    pub(crate) scratch: *mut u8,
    pub(crate) scratch_length: usize,
    env: sys::napi_env,
    references: [sys::napi_ref; 2],
}

impl Memory {
    /// Pins both buffers until `release`.
    ///
    /// # Safety
    ///
    /// `ring` and `scratch` must be `Uint8Array`s over memory of their own, which nobody detaches or resizes.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        ring: sys::napi_value,
        scratch: sys::napi_value,
    ) -> Result<Memory, Errno> {
        // SAFETY: by this function's contract; the alignment and length of the ring are checked before it is used.
        unsafe {
            let (head, length) = buffer(env, ring);
            let (memory, scratch_length) = buffer(env, scratch);
            let places = (length / size_of::<Event>()).saturating_sub(1);
            if places == 0 || scratch_length == 0 || !head.cast::<Event>().is_aligned() {
                return Err(Errno::INVAL);
            }
            let mut references = [ptr::null_mut(); 2];
            for (value, reference) in [ring, scratch].into_iter().zip(&mut references) {
                if sys::napi_create_reference(env, value, 1, reference) != sys::Status::napi_ok {
                    return Err(Errno::NOMEM);
                }
            }
            Ok(Memory {
                answer: head.cast(),
                ring: head.cast::<Event>().add(1),
                places,
                scratch: memory,
                scratch_length,
                env,
                references,
            })
        }
    }

    /// Unpins both: nobody reads or writes them any more. Node frees no reference of its own accord.
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

/// Address and length of a `Uint8Array`'s memory as they are now; a detached one has no length.
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
