//! What the C library does with memory that is freed.

use napi_derive::napi;
use std::hint::black_box;
use std::sync::Once;

/// The largest block that glibc learns from is 32 MiB with its own header.
const LARGEST_LESSON: usize = (32 << 20) - (64 << 10);

/// Has glibc keep up to 64 MiB of freed memory. By default it gives the end of its heap back as soon as 128 KiB of it are free.
/// V8 frees chunks that were received in bulk many at a time, and the next ones then cost a page fault every 4 KiB.
///
/// glibc raises that threshold to twice the size of the largest mapped block that was freed, unless the user has set it
/// (mallopt(3), `M_MMAP_THRESHOLD`): so one is made and freed, whose memory nobody touches. Other libraries' heaps do not mind.
#[napi(catch_unwind)]
pub fn keep_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut block = Vec::<u8>::new();
        // Where there is no room for it, what is freed goes back as before.
        let _ = block.try_reserve_exact(LARGEST_LESSON);
        drop(black_box(block));
    });
}
