//! The C library's allocator: how much of the memory that is freed it keeps.

use napi_derive::napi;
use std::hint::black_box;
use std::sync::Once;

/// The largest block whose size glibc adopts is 32 MiB with its own header.
const LARGEST_BLOCK: usize = (32 << 20) - (64 << 10);

/// Has glibc keep up to 64 MiB of freed memory. By default it returns the end of its heap to the system as soon as 128 KiB of it
/// are free. V8 frees chunks that were received in bulk many at a time, and the next ones then cost a page fault every 4 KiB.
///
/// glibc raises that threshold to twice the size of the largest mapped block that was freed, unless the user has set it
/// (mallopt(3), `M_MMAP_THRESHOLD`). So this makes and frees one block, whose memory is never touched. With other allocators that
/// has no effect.
#[napi(catch_unwind)]
pub fn keep_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut block = Vec::<u8>::new();
        // Where there is no room for the block, freed memory is returned as before.
        let _ = block.try_reserve_exact(LARGEST_BLOCK);
        drop(black_box(block));
    });
}
