//! Numbers that Rust and TypeScript share. TypeScript reads each of them once, in src/internal/native.ts, and repeats none.

use napi_derive::napi;
use udsock::control::Notice;
use udsock_reactor::{DatagramHead, Event, EventKind, Id, MOST_IN_SEND, Reactor, TRUNCATED};

/// The number that reports a panic, among the negative errnos.
#[napi]
pub const INTERNAL: i32 = i32::MIN;

/// Added to the number of events of a poll when another poll is due before the engine sleeps.
#[napi]
pub const MORE: u32 = 1 << 30;

/// An id is its generation times this, plus its slot.
#[napi]
pub const SLOTS: u32 = Id::MAX_SLOTS + 1;

/// 32-bit integers of one event in the ring, and of the answer before the first event: subject, kind, value, detail.
#[napi]
pub const INTEGERS_PER_EVENT: u32 = (size_of::<Event>() / size_of::<i32>()) as u32;

/// Kind of an event: bytes are in the scratch memory.
#[napi]
pub const EVENT_DATA: u32 = EventKind::Data as u32;
/// Kind of an event: the peer has ended its side.
#[napi]
pub const EVENT_END: u32 = EventKind::End as u32;
/// Kind of an event: reading has failed.
#[napi]
pub const EVENT_ERROR: u32 = EventKind::Error as u32;
/// Kind of an event: much is waiting to be read into memory of the reader's.
#[napi]
pub const EVENT_BULK: u32 = EventKind::Bulk as u32;
/// Kind of an event: a write may go on.
#[napi]
pub const EVENT_WRITABLE: u32 = EventKind::Writable as u32;
/// Kind of an event: a listener may have a connection.
#[napi]
pub const EVENT_ACCEPTABLE: u32 = EventKind::Acceptable as u32;
/// Kind of an event: a request has its outcome.
#[napi]
pub const EVENT_COMPLETED: u32 = EventKind::Completed as u32;
/// Kind of an event: a listener's notice.
#[napi]
pub const EVENT_NOTE: u32 = EventKind::Note as u32;
/// Kind of an event: the peer of a socket that is not read has ended its side, and nothing is left to read.
#[napi]
pub const EVENT_HANG_UP: u32 = EventKind::HangUp as u32;

/// Kind of an event: descriptors came with the bytes of the next event.
#[napi]
pub const EVENT_DESCRIPTORS: u32 = EventKind::Descriptors as u32;

/// Descriptors that one message carries at most.
#[napi]
pub const MOST_DESCRIPTORS: u32 = udsock::transfer::MOST_DESCRIPTORS as u32;
/// `writeWith` returns this while too many descriptors of this user are under way.
#[napi]
pub const TOO_MANY_REFERENCES: i32 = -libc::ETOOMANYREFS;
/// `takeDescriptors` returns this when the process had no room for descriptors that the peer sent.
#[napi]
pub const DESCRIPTORS_NO_ROOM: i32 = -libc::EMFILE;
/// `takeDescriptors` returns this when the peer sent more descriptors than are received.
#[napi]
pub const DESCRIPTORS_TOO_MANY: i32 = -libc::E2BIG;
/// Kind of an event: a record is in the scratch memory.
#[napi]
pub const EVENT_RECORD: u32 = EventKind::Record as u32;
/// Added to the place of a record in the scratch memory when it was longer than the longest one, and its rest is lost.
#[napi]
pub const RECORD_TRUNCATED: u32 = TRUNCATED;
/// Bytes in front of each datagram in the scratch memory: 32-bit integers with the sender's process (0: not known), user (2^32 - 1: not known)
/// and group, and the length of its address; then the address.
#[napi]
pub const DATAGRAM_HEAD: u32 = size_of::<DatagramHead>() as u32;
/// The largest number of records that one `sendRecords` sends.
#[napi]
pub const MOST_RECORDS: u32 = MOST_IN_SEND as u32;

/// Type of a socket: a stream of bytes.
#[napi]
pub const SOCKET_STREAM: u32 = 0;
/// Type of a socket: connections of records.
#[napi]
pub const SOCKET_PACKET: u32 = 1;
/// Type of a socket: datagrams.
#[napi]
pub const SOCKET_DATAGRAM: u32 = 2;

/// Notice: the listener's file is removed, if it was still its own.
#[napi]
pub const NOTICE_FILE_REMOVED: i32 = Notice::FileRemoved as i32;
/// Notice: the listener's file is gone from its path.
#[napi]
pub const NOTICE_PATH_LOST: i32 = Notice::PathLost as i32;
/// Notice: another listener of the same user has taken the path.
#[napi]
pub const NOTICE_SUPERSEDED: i32 = Notice::Superseded as i32;

/// `accept` returns this when no client waits.
#[napi]
pub const ACCEPT_EMPTY: i32 = -libc::EAGAIN;
/// `accept` returns this after closing a connection that the listener does not allow.
#[napi]
pub const ACCEPT_REFUSED: i32 = -libc::ECONNREFUSED;
/// `accept` returns this during the pause that follows an exhaustion; the kernel was not asked.
#[napi]
pub const ACCEPT_PAUSED: i32 = -libc::EBUSY;

/// `onExisting` of `listen`: an existing file is an error.
#[napi]
pub const ON_EXISTING_ERROR: u32 = 0;
/// `onExisting` of `listen`: the file of a listener that is gone is replaced.
#[napi]
pub const ON_EXISTING_REPLACE_STALE: u32 = 1;
/// `onExisting` of `listen`: a live listener of the same user is replaced, too.
#[napi]
pub const ON_EXISTING_TAKE_OVER: u32 = 2;

/// `flags` of `listen`: the socket file is removed at the end of the environment.
#[napi]
pub const LISTEN_UNLINKING: u32 = 1;
/// `flags` of `listen`: descriptors that clients send are closed unless they are received, and the bytes with them delivered; otherwise the
/// kernel refuses both where it can.
#[napi]
pub const LISTEN_DISCARDING: u32 = 2;
/// Flag of `listen`: connections of records.
#[napi]
pub const LISTEN_PACKETS: u32 = 4;
/// Flag of `listen`: a socket for datagrams, which is bound and does not listen.
#[napi]
pub const LISTEN_DATAGRAMS: u32 = 8;
/// Flag of `listen`: every record comes with its sender's credentials.
#[napi]
pub const LISTEN_CREDENTIALS: u32 = 16;
/// The sum of the flags of `listen`.
pub(crate) const LISTEN_ALL: u32 =
    LISTEN_UNLINKING | LISTEN_DISCARDING | LISTEN_PACKETS | LISTEN_DATAGRAMS | LISTEN_CREDENTIALS;

/// The largest number of chunks that one `writev` sends. Linux refuses more than 1,024.
#[napi]
pub const MOST_CHUNKS: u32 = 256;

/// Bytes that one read of the reactor asks for.
#[napi]
pub const READ_SIZE: u32 = Reactor::READ_SIZE as u32;

/// Kind of a descriptor: a regular file.
#[napi]
pub const KIND_FILE: i32 = 0;
/// Kind of a descriptor: a directory.
#[napi]
pub const KIND_DIRECTORY: i32 = 1;
/// Kind of a descriptor: a pipe.
#[napi]
pub const KIND_PIPE: i32 = 2;
/// Kind of a descriptor: a socket.
#[napi]
pub const KIND_SOCKET: i32 = 3;
/// Kind of a descriptor: a character device.
#[napi]
pub const KIND_CHARACTER_DEVICE: i32 = 4;
/// Kind of a descriptor: a block device.
#[napi]
pub const KIND_BLOCK_DEVICE: i32 = 5;
/// Kind of a descriptor: none of the other ones.
#[napi]
pub const KIND_OTHER: i32 = 6;
