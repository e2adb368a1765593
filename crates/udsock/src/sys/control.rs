//! Control messages: the parts of a received message that are not bytes.

use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::platform::{DESCRIPTOR_MESSAGES, credentials, received};
use crate::peer::PeerCredentials;

/// Room for as many descriptors as one message carries (253 on Linux), and for all that the kernel says of a sender.
const LENGTH: usize = 2048;

/// Descriptors that one message carries at most: `SCM_MAX_FD` of Linux.
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// Memory for the control messages of one receive or send.
#[repr(C, align(16))]
pub(super) struct Control(MaybeUninit<[u8; LENGTH]>);

impl Control {
    pub(super) fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Makes the memory that of `message`, which must not outlive `self`.
    pub(super) fn lend(&mut self, message: &mut libc::msghdr) {
        message.msg_control = self.0.as_mut_ptr().cast();
        message.msg_controllen = LENGTH as _;
    }

    /// Lends memory that begins with `bytes`, of which `message` then has that many, as if the kernel had written them.
    #[cfg(fuzzing)]
    pub(super) fn lend_filled(&mut self, message: &mut libc::msghdr, bytes: &[u8]) {
        let bytes = bytes.get(..LENGTH).unwrap_or(bytes);
        self.0 = MaybeUninit::zeroed();
        self.lend(message);
        message.msg_controllen = bytes.len() as _;
        // SAFETY: the memory is `LENGTH` bytes long, and nothing else refers to it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_mut_ptr().cast(), bytes.len()) };
    }

    /// Makes `descriptors`, at most [`MOST_DESCRIPTORS`], the control message of `message`, which must not outlive `self`.
    pub(super) fn give(&mut self, message: &mut libc::msghdr, descriptors: &[BorrowedFd<'_>]) {
        let descriptors = descriptors.get(..MOST_DESCRIPTORS).unwrap_or(descriptors);
        // At most 1012.
        let length = size_of_val(descriptors) as libc::c_uint;
        self.0 = MaybeUninit::zeroed();
        message.msg_control = self.0.as_mut_ptr().cast();
        // SAFETY: these compute lengths.
        let (space, whole) = unsafe { (libc::CMSG_SPACE(length), libc::CMSG_LEN(length)) };
        message.msg_controllen = space as _;
        // SAFETY: the memory, which is aligned for a header, has room for one and its data: at most `LENGTH` bytes. A
        // `BorrowedFd` has the layout of the number.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = whole as _;
            ptr::copy_nonoverlapping(
                descriptors.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                length as usize,
            );
        }
    }
}

const _: () = assert!(MOST_DESCRIPTORS * size_of::<RawFd>() + 64 <= LENGTH);

/// Gives the descriptors of a message to `sink`. Returns whether the message had control messages, including such as
/// were cut off.
///
/// # Safety
///
/// A successful receive must have filled `message` into the memory of a [`Control`] that is alive, and its descriptors
/// must not be taken twice.
pub(super) unsafe fn take(message: &libc::msghdr, mut sink: impl FnMut(OwnedFd)) -> bool {
    if message.msg_controllen == 0 {
        return message.msg_flags & libc::MSG_CTRUNC != 0;
    }
    let visit = |header: *const libc::cmsghdr, kind, length| {
        if DESCRIPTOR_MESSAGES.contains(&kind) {
            // SAFETY: the header is one of the message's, and `length` counts it and its data.
            unsafe { each_descriptor(header, length, &mut sink) };
        }
    };
    // SAFETY: by this function's contract.
    unsafe { each_of_socket(message, visit) };
    true
}

/// Returns the sender's credentials, if the kernel has added them to a message.
///
/// # Safety
///
/// A successful receive must have filled `message` into the memory of a [`Control`] that is alive.
pub(super) unsafe fn sender(message: &libc::msghdr) -> Option<PeerCredentials> {
    let mut sender = None;
    if message.msg_controllen > 0 {
        let visit = |header: *const libc::cmsghdr, kind, length| {
            // SAFETY: the header is one of the message's, and `length` counts it and its data.
            sender = sender.or(unsafe { credentials(header, kind, length) });
        };
        // SAFETY: by this function's contract.
        unsafe { each_of_socket(message, visit) };
    }
    sender
}

/// Visits the control messages of the level `SOL_SOCKET`, with their type, and their length, header included. It does not rely on
/// the lengths in the memory: a message ends where the memory ends.
///
/// # Safety
///
/// `message` must name control memory that is alive and initialized for its length.
unsafe fn each_of_socket(
    message: &libc::msghdr,
    mut visit: impl FnMut(*const libc::cmsghdr, libc::c_int, usize),
) {
    #[allow(clippy::unnecessary_cast, reason = "the system decides how wide they are")]
    // SAFETY: this computes a length.
    let (whole, least) = (message.msg_controllen as usize, unsafe { libc::CMSG_LEN(0) } as usize);
    let mut offset = 0;
    while offset + size_of::<libc::cmsghdr>() <= whole {
        // SAFETY: a whole header lies within the memory.
        let header = unsafe { message.msg_control.cast::<u8>().cast_const().add(offset) }.cast();
        // SAFETY: as above; a header is integers.
        let libc::cmsghdr { cmsg_len, cmsg_level, cmsg_type, .. } = unsafe { ptr::read_unaligned(header) };
        #[allow(clippy::unnecessary_cast, reason = "the system decides how wide it is")]
        let length = (cmsg_len as usize).min(whole - offset);
        if length < least {
            return;
        }
        if cmsg_level == libc::SOL_SOCKET {
            visit(header, cmsg_type, length);
        }
        // SAFETY: this computes a length.
        offset += unsafe { libc::CMSG_SPACE((length - least) as libc::c_uint) } as usize;
    }
}

/// # Safety
///
/// `header` must be that of a message of descriptors which is `length` bytes long, header included, and whose descriptors
/// are not owned yet.
unsafe fn each_descriptor(header: *const libc::cmsghdr, length: usize, sink: &mut impl FnMut(OwnedFd)) {
    let mut own = |number| {
        // SAFETY: the kernel has just opened it for this message.
        sink(received(unsafe { OwnedFd::from_raw_fd(number) }));
    };
    // SAFETY: by this function's contract.
    unsafe { each_number(header, length, &mut own) };
}

/// # Safety
///
/// `header` must be that of a message which is `length` bytes long, header included.
unsafe fn each_number(header: *const libc::cmsghdr, length: usize, sink: &mut impl FnMut(RawFd)) {
    // SAFETY: the data follows the header.
    let (data, padded) = unsafe { (libc::CMSG_DATA(header).cast::<RawFd>(), libc::CMSG_LEN(0) as usize) };
    for index in 0..length.saturating_sub(padded) / size_of::<RawFd>() {
        // SAFETY: within the data, by this function's contract.
        let number = unsafe { data.add(index).read_unaligned() };
        if number >= 0 {
            sink(number);
        }
    }
}

/// Returns the numbers of the descriptors in control memory, as if the kernel had written it.
#[cfg(fuzzing)]
pub(crate) fn numbers_in(bytes: &[u8]) -> Vec<RawFd> {
    // Of its own, so that a sanitizer sees every read beyond it.
    let mut memory = vec![0_u128; bytes.len().div_ceil(16)];
    let mut numbers = Vec::new();
    // SAFETY: the memory is at least as long, and aligned as that of `Control`; the message names nothing else.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), memory.as_mut_ptr().cast(), bytes.len());
        let mut message = super::transfer::empty_message();
        message.msg_control = memory.as_mut_ptr().cast();
        message.msg_controllen = bytes.len() as _;
        each_of_socket(&message, |header, kind, length| {
            if DESCRIPTOR_MESSAGES.contains(&kind) {
                each_number(header, length, &mut |number| numbers.push(number));
            }
        });
        let _ = sender(&message);
    }
    numbers
}
