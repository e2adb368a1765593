//! What a poll reports, and into what.

use rustix::io::Errno;

/// What stands for a panic among the errnos: no call on a socket or a file reports it.
pub const PANICKED: Errno = Errno::from_raw_os_error(libc::ENOTRECOVERABLE);

/// An errno as readers in other languages have it: below 0, and `i32::MIN` for [`PANICKED`], whose number is the system's.
pub fn negative(errno: Errno) -> i32 {
    if errno == PANICKED { i32::MIN } else { -errno.raw_os_error() }
}

/// One report of [`Reactor::poll`](crate::Reactor::poll), laid out as four 32-bit integers for readers in other languages.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// The socket's slot; for `Completed` and `Note`, the request.
    pub subject: u32,
    /// What happened.
    pub kind: EventKind,
    /// `Data`: bytes, at least 1. `Error`: the [`negative`] errno. `Completed`: the new socket's slot, or the negative errno.
    /// `Note`: its number.
    pub value: i32,
    /// `Data`: where the bytes begin in the scratch memory. `Completed`: the new socket's generation.
    pub detail: u32,
}

/// What an [`Event`] says.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EventKind {
    /// Bytes were read into the scratch memory.
    #[default]
    Data = 0,
    /// The peer has ended its side; nothing more will be read.
    End = 1,
    /// Reading failed; nothing more will be read.
    Error = 2,
    /// Much is waiting: read it with [`Reactor::read`](crate::Reactor::read) into memory of its own.
    Bulk = 3,
    /// A write that the kernel did not take whole may go on.
    Writable = 4,
    /// A listener may have a connection to accept.
    Acceptable = 5,
    /// Another thread answered a request.
    Completed = 6,
    /// Another thread has news of a request.
    Note = 7,
}

/// The places of a ring and how many of them are taken.
pub(crate) struct Ring<'a> {
    pub(crate) places: &'a mut [Event],
    pub(crate) used: usize,
}

impl Ring<'_> {
    /// Places left; one is kept for the `Bulk` that follows the `Data` of the same connection.
    pub(crate) fn room(&self) -> usize {
        self.places.len().saturating_sub(self.used + 1)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    pub(crate) fn push(&mut self, subject: u32, kind: EventKind, value: i32, detail: u32) {
        if let Some(place) = self.places.get_mut(self.used) {
            *place = Event { subject, kind, value, detail };
            self.used += 1;
        }
    }

    pub(crate) fn has_bulk(&self) -> bool {
        self.places.iter().take(self.used).any(|event| event.kind == EventKind::Bulk)
    }
}
