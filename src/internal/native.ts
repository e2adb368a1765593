/**
 * Loads the addon, and reads the numbers that Rust shares with TypeScript.
 *
 * - Importing this module never throws. Where the addon is missing, `native` and all numbers are undefined.
 * - Each number is read once, when this module is loaded: a property of a native object costs too much for each event.
 */
import { attempts, native as loaded } from '../../addon.cjs'

export type Native = typeof import('../../binding.cjs')

export const native: Native | undefined = loaded
/** The errors of the attempts to load the addon. */
export const loadAttempts = attempts

const numbers = native ?? ({} as Native)

/** The errno that stands for a panic in Rust. No errno of a system is that low. */
export const INTERNAL = numbers.INTERNAL
/** Added to the number of events of a poll when another poll is due before the engine sleeps. */
export const MORE = numbers.MORE
/** An id is its generation times this, plus its slot. */
export const SLOTS = numbers.SLOTS
/** Integers of one event in the ring, and of the answer before the first event. */
export const INTEGERS_PER_EVENT = numbers.INTEGERS_PER_EVENT
/** The largest number of chunks that one `writev` sends. */
export const MOST_CHUNKS = numbers.MOST_CHUNKS

/** Descriptors that one message carries at most; the limit of other platforms is not lower than Linux's. */
export const MOST_DESCRIPTORS = numbers.MOST_DESCRIPTORS ?? 253

/** `writeWith` returns this while the kernel takes no more descriptors of this user. Node's constants lack ETOOMANYREFS. */
export const TOO_MANY_REFERENCES = numbers.TOO_MANY_REFERENCES

/** Bytes that one read of the reactor asks for. */
export const READ_SIZE = numbers.READ_SIZE

/** The largest number of records that one `sendRecords` sends. */
export const MOST_RECORDS = numbers.MOST_RECORDS
/** Bytes in front of each datagram in the scratch memory. */
export const DATAGRAM_HEAD = numbers.DATAGRAM_HEAD
/** The bits of the detail of a record's event that say where it is in the scratch memory. The sign bit marks a truncated record. */
export const RECORD_PLACE = numbers.RECORD_TRUNCATED - 1

/** The types of sockets. */
export const SocketType = {
  stream: numbers.SOCKET_STREAM,
  packet: numbers.SOCKET_PACKET,
  datagram: numbers.SOCKET_DATAGRAM,
} as const

/** The kinds of events in the ring. */
export const Kind = {
  data: numbers.EVENT_DATA,
  end: numbers.EVENT_END,
  error: numbers.EVENT_ERROR,
  bulk: numbers.EVENT_BULK,
  writable: numbers.EVENT_WRITABLE,
  acceptable: numbers.EVENT_ACCEPTABLE,
  completed: numbers.EVENT_COMPLETED,
  note: numbers.EVENT_NOTE,
  hangUp: numbers.EVENT_HANG_UP,
  descriptors: numbers.EVENT_DESCRIPTORS,
  record: numbers.EVENT_RECORD,
} as const

/** What descriptors are, by the numbers that `descriptorKind` returns. */
export const descriptorKinds: Readonly<
  Record<number, 'file' | 'directory' | 'pipe' | 'socket' | 'character' | 'block' | 'other'>
> = {
  [numbers.KIND_FILE]: 'file',
  [numbers.KIND_DIRECTORY]: 'directory',
  [numbers.KIND_PIPE]: 'pipe',
  [numbers.KIND_SOCKET]: 'socket',
  [numbers.KIND_CHARACTER_DEVICE]: 'character',
  [numbers.KIND_BLOCK_DEVICE]: 'block',
  [numbers.KIND_OTHER]: 'other',
}

/** What the control plane reports about a listener after it is made. */
export const Note = {
  fileRemoved: numbers.NOTICE_FILE_REMOVED,
  pathLost: numbers.NOTICE_PATH_LOST,
  superseded: numbers.NOTICE_SUPERSEDED,
} as const

/** Why descriptors that a peer sent are lost. */
export const Lost = {
  noRoom: numbers.DESCRIPTORS_NO_ROOM,
  tooMany: numbers.DESCRIPTORS_TOO_MANY,
} as const

/** Outcomes of `accept` that are no connection. */
export const Accepted = {
  /** No client waits. */
  empty: numbers.ACCEPT_EMPTY,
  /** A peer that `allow` does not admit was closed. */
  refused: numbers.ACCEPT_REFUSED,
  /** The listener pauses after an exhaustion; the kernel was not asked. */
  paused: numbers.ACCEPT_PAUSED,
} as const

/** Flags of `listen`. */
export const Listen = {
  unlinking: numbers.LISTEN_UNLINKING,
  discarding: numbers.LISTEN_DISCARDING,
  packets: numbers.LISTEN_PACKETS,
  datagrams: numbers.LISTEN_DATAGRAMS,
  credentials: numbers.LISTEN_CREDENTIALS,
} as const

/** What `listen` does when the path exists. */
export const onExistingCodes = {
  error: numbers.ON_EXISTING_ERROR,
  replaceStale: numbers.ON_EXISTING_REPLACE_STALE,
  takeOver: numbers.ON_EXISTING_TAKE_OVER,
} as const
