//! The parser of control messages: whatever is in the memory that a kernel has written, no byte beyond it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;

const HEADER: usize = 16;
const SOL_SOCKET: i32 = 1;
/// SCM_RIGHTS and SCM_PIDFD.
const DESCRIPTORS: [i32; 2] = [1, 4];

fn number(bytes: &[u8]) -> i32 {
    i32::from_ne_bytes(bytes.try_into().unwrap())
}

/// The same by slices, for Linux with 64 bits: a length of 8 bytes, a level and a type, then the data.
fn expected(memory: &[u8]) -> Vec<i32> {
    let (mut numbers, mut rest) = (Vec::new(), memory);
    while rest.len() >= HEADER {
        let length = u64::from_ne_bytes(rest[..8].try_into().unwrap());
        let length = usize::try_from(length).unwrap().min(rest.len());
        if length < HEADER {
            break;
        }
        if number(&rest[8..12]) == SOL_SOCKET && DESCRIPTORS.contains(&number(&rest[12..16])) {
            numbers.extend(rest[HEADER..length].chunks_exact(4).map(number).filter(|&number| number >= 0));
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    numbers
}

fuzz_target!(|memory: &[u8]| {
    assert_eq!(udsock::fuzzing::descriptor_numbers(memory), expected(memory));
});
