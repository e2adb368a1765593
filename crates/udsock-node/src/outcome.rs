//! Outcomes as the numbers that JavaScript gets: counts and ids from 0 up, errnos below 0, INTERNAL after a panic. No other
//! module makes an errno of an outcome that is no error.

use crate::constants::{
    ACCEPT_EMPTY, ACCEPT_PAUSED, ACCEPT_REFUSED, DESCRIPTORS_NO_ROOM, DESCRIPTORS_TOO_MANY, MORE,
};
use udsock_reactor::{
    Accepted, Errno, Id, Lost, Polled, Received, Sent, SentRecords, TakenDescriptors, negative,
};

/// The number of an error. Every error of udsock has one.
pub(crate) fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// 0, or a negative errno.
pub(crate) fn code(result: Result<(), Errno>) -> i32 {
    result.map_or_else(negative, |()| 0)
}

/// An id, which is below 2^53, or a negative errno.
pub(crate) fn id_or_errno(result: Result<Id, Errno>) -> f64 {
    result.map_or_else(|errno| f64::from(negative(errno)), |id| id.bits() as f64)
}

/// Bytes; 0 at the end of the stream; -EAGAIN when nothing has arrived.
pub(crate) fn received(received: Received) -> i64 {
    match received {
        Received::Bytes { length, .. } => length as i64,
        Received::End => 0,
        Received::Empty => negative(Errno::AGAIN).into(),
    }
}

/// Bytes that the kernel took; -EAGAIN when it has no room.
pub(crate) fn sent(sent: Sent) -> i64 {
    match sent {
        Sent::Bytes(length) => length as i64,
        Sent::Full => negative(Errno::AGAIN).into(),
    }
}

/// How many descriptors were taken, or why they are lost.
pub(crate) fn taken_descriptors(taken: TakenDescriptors) -> i64 {
    match taken {
        TakenDescriptors::Count(count) => count as i64,
        TakenDescriptors::None => 0,
        TakenDescriptors::Lost(Lost::NoRoom) => DESCRIPTORS_NO_ROOM.into(),
        TakenDescriptors::Lost(Lost::TooMany) => DESCRIPTORS_TOO_MANY.into(),
    }
}

/// Records that the kernel took; -EAGAIN when it has no room.
pub(crate) fn sent_records(sent: SentRecords) -> i64 {
    match sent {
        SentRecords::Records(count) => count as i64,
        SentRecords::Full => negative(Errno::AGAIN).into(),
    }
}

/// The connection's id, or why there is none.
pub(crate) fn accepted(accepted: Accepted) -> i64 {
    match accepted {
        Accepted::Connection(id) => id.bits() as i64,
        Accepted::Refused => ACCEPT_REFUSED.into(),
        Accepted::Paused => ACCEPT_PAUSED.into(),
        Accepted::Empty => ACCEPT_EMPTY.into(),
    }
}

/// The number of events, plus MORE when another poll is due before the engine sleeps.
pub(crate) fn polled(polled: Polled) -> i64 {
    polled.events as i64 + if polled.more { MORE.into() } else { 0 }
}
