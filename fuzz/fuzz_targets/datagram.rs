//! What a received datagram has beside its bytes: its sender's address and credentials, from the memory that a kernel has written to the head that
//! JavaScript reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use udsock_reactor::DatagramHead;

/// Bytes of the memory for an address, and of the family in front of it.
const STORAGE: usize = 128;
const FAMILY: usize = 2;
const HEADER: usize = 16;
/// Bytes for the control messages of one receive.
const ROOM: usize = 2048;
const SOL_SOCKET: u32 = 1;
const SCM_CREDENTIALS: u32 = 2;
const TRUNCATED: i32 = 0x20;
const CUT: i32 = 8;

fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes.try_into().unwrap())
}

/// Control messages, mostly of credentials, with right and wrong lengths: a fuzzer finds the numbers of a header too seldom.
fn messages(mut bytes: &[u8]) -> Vec<u8> {
    let mut memory = Vec::new();
    while let [kind, length, rest @ ..] = bytes {
        let (data, rest) = rest.split_at(rest.len().min(usize::from(length % 40)));
        let choose = |bit: u8, usual: u32| if kind & bit == 0 { usual } else { u32::from(*kind) };
        let wrong = if kind & 4 == 0 { 0 } else { u64::from(*kind) };
        memory.extend((HEADER as u64 + data.len() as u64 + wrong).to_ne_bytes());
        memory.extend(choose(1, SOL_SOCKET).to_ne_bytes());
        memory.extend(choose(2, SCM_CREDENTIALS).to_ne_bytes());
        memory.extend(data);
        memory.resize(memory.len().next_multiple_of(8), 0);
        bytes = rest;
    }
    memory
}

/// The process, user and group of the first control message that has them, by slices: see the target `control`.
fn credentials(memory: &[u8]) -> Option<[u32; 3]> {
    let mut rest = memory;
    while rest.len() >= HEADER {
        let length = u64::from_ne_bytes(rest[..8].try_into().unwrap());
        let length = usize::try_from(length).unwrap().min(rest.len());
        if length < HEADER {
            break;
        }
        let is_sender = number(&rest[8..12]) == SOL_SOCKET && number(&rest[12..16]) == SCM_CREDENTIALS;
        if is_sender && length >= HEADER + 12 {
            let pid = number(&rest[16..20]);
            let is_visible = i32::try_from(pid).is_ok();
            return Some([if is_visible { pid } else { 0 }, number(&rest[20..24]), number(&rest[24..28])]);
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    None
}

/// The bytes of an address: an abstract name has its length, a path ends at its terminator.
fn address(name: &[u8], named: usize) -> Vec<u8> {
    let mut storage = [0; STORAGE];
    storage[..name.len()].copy_from_slice(name);
    let bytes = storage[..named.min(STORAGE)].get(FAMILY..).unwrap_or_default();
    if bytes.first() == Some(&0) {
        return bytes.to_vec();
    }
    bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

fuzz_target!(|bytes: &[u8]| {
    let [flags, named, rest @ ..] = bytes else { return };
    let (name, control) = rest.split_at(rest.len().min(STORAGE));
    let (flags, named) = (i32::from(*flags), usize::from(*named));
    let mut control = if flags & 1 == 0 { messages(control) } else { control.to_vec() };
    control.truncate(ROOM);
    let batch = udsock::fuzzing::received(name, named, &control, flags);
    let record = batch.record(0).unwrap();
    assert_eq!(record.from, address(name, named));
    assert_eq!([record.is_truncated, record.is_cut], [flags & TRUNCATED != 0, flags & CUT != 0]);

    let head = DatagramHead::fuzzed(record);
    let length = head.length as usize;
    assert_eq!(length, record.from.len().min(head.address.len()));
    assert_eq!(&head.address[..length], &record.from[..length]);
    // The user that stands for unknown credentials has no process and no group.
    let expected = credentials(&control).unwrap_or([0, u32::MAX, u32::MAX]);
    assert_eq!([head.pid, head.uid, head.gid], expected);
});
