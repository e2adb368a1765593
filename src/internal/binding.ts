/** The addon's functions, typed. What they return from 0 up is a count or an id; below 0 it is a negative errno, or INTERNAL after a panic. */
import { unsupportedPlatform } from './errors.js'
import { loadAttempts, type Native, native } from './native.js'

export type Driver = InstanceType<Native['Driver']>

/** The functions that bypass napi's macros. */
export interface RawFunctions {
  /**
   * Fills the ring, and polls for up to so many microseconds while there is no event. Returns the number of events, plus `MORE` when
   * another poll is due before the engine sleeps.
   */
  poll(microseconds: number): number
  /** The same for what the last poll left. The kernel is not asked for new events. */
  pollRest(): number
  /** Has the doorbell ring for the next event. */
  arm(): number
  /** Sets whether the engine keeps the process alive. */
  keepAlive(on: 0 | 1): number
  /** Has the engine's `closing` called once in the event loop's closing phase, what was asked for last first. Returns 0 where there is none. */
  callWhenClosing(): number
  /** Connects, if that is possible at once. Returns the connection's id; -EAGAIN when it has to wait. `discard`: see `Driver.connect`. */
  connect(address: Uint8Array, discard: 0 | 1, socketType: number): number
  /** Returns 1 when something waits already. `own`: 1 to have every read announced as bulk. */
  readStart(id: number, own: 0 | 1): number
  /** Returns 1 when a poll is due for which nothing wakes the engine. */
  readStop(id: number): number
  /** Returns the number of bytes read, 0 at the end. */
  read(id: number, memory: Uint8Array): number
  /** Returns 1 when a read would find bytes, an end or an error; takes nothing. */
  hasInput(id: number): number
  /** Returns the number of bytes that the kernel took. */
  write(id: number, chunk: Uint8Array, start: number, end: number): number
  /** The same for `count` chunks, without the first `skip` bytes. -EFAULT: a chunk is no longer as long as `lengths` says. */
  writev(id: number, chunks: Uint8Array[], lengths: number[], count: number, skip: number): number
  /** The same as `write`, with the first `count` of `descriptors`, which the addon holds; it releases them with the first byte that the kernel takes. */
  writeWith(
    id: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    descriptors: readonly number[],
    count: number,
  ): number
  /** The same as `write`, with the first `count` of `numbers`, open descriptors, which stay open. */
  writeLent(
    id: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    numbers: readonly number[],
    count: number,
  ): number
  /** Closes a descriptor that the addon holds, on another thread. */
  closeDescriptor(id: number): number
  /** Returns how many descriptors the oldest read has brought, or one of the `Lost` numbers. Writes two doubles for each, its id and its number. */
  takeDescriptors(id: number, memory: Uint8Array): number
  /**
   * Returns the number of records that the kernel took, of `count` in `memory` from `first` on. `bounds`: the bytes of two 32-bit integers for each
   * record, where it begins and ends. `to`: the address of their receiver. An error concerns the first record.
   */
  sendRecords(
    id: number,
    memory: Uint8Array,
    bounds: Uint8Array,
    first: number,
    count: number,
    to: Uint8Array | undefined,
  ): number
  /** Sends one record with the first `count` of `descriptors`, which the addon holds, and releases when the kernel takes it. Returns 1 then. */
  sendRecordWith(
    id: number,
    record: Uint8Array,
    start: number,
    end: number,
    descriptors: readonly number[],
    count: number,
    to: Uint8Array | undefined,
  ): number
  /** Returns a connection's id, or one of the `Accepted` numbers. */
  accept(id: number): number
  /** Writes uid, gid and pid (0: unknown) to the ring's first integers. */
  peer(id: number): number
  /** `how`: 0 the read side, 1 the write side. */
  shutdown(id: number, how: 0 | 1): number
  /** Returns 1 when a poll is due; -EBADF when the id names no open socket. */
  close(id: number): number
  /** Returns the nanoseconds of processor time that this thread has used. */
  threadTime(): number
  /** Returns how many processors this process may use. */
  processors(): number
  /** Returns by how many threads the machine has more to run than processors. */
  crowd(): number
}

/** Returns the addon. Throws ERR_UNSUPPORTED_PLATFORM where there is none. */
export function binding(): Native {
  if (native === undefined) throw unsupportedPlatform(loadAttempts)
  return native
}
