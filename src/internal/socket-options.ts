/**
 * The options of sockets: those that users give (`SocketOptions`), and what the package makes a socket with (`InternalSocketOptions`). The
 * accepted sockets of a listener share one object of the second kind, which never changes.
 */
import { type DuplexOptions } from 'node:stream'
import { MOST_DESCRIPTORS } from './native.js'
import { type OnRead } from './onread.js'
import { invalidType, outOfRange } from './errors.js'
import { aBoolean, integer, type Rule, type Rules } from './validation.js'

export interface SocketOptions {
  /** Whether the writable side stays open after the peer has ended. Default true: the two directions are independent. */
  allowHalfOpen?: boolean | undefined
  /** Bytes that each direction buffers before it applies backpressure. Default 65,536. */
  highWaterMark?: number | undefined
  /**
   * Bytes that a socket may hold unsent beyond `highWaterMark`, for a peer that does not read. A write or an end that exceeds it destroys the
   * socket with ERR_BACKPRESSURE_LIMIT: the write's callback gets the error first, then 'error' and 'close' follow. Only a write made between
   * a `write()` that returned false and 'drain', with more than `highWaterMark` unsent, can exceed it: a program that waits for 'drain' may
   * write chunks of any length. 0 allows none; Infinity sets no limit. Default 16,777,216 (16 MiB).
   */
  writeLimit?: number | undefined
  /**
   * Whether the process polls for an answer before it sleeps. 'auto', the default: while a test from time to time finds that this takes less
   * time and no more of the processor's. A number: for so many microseconds after bytes were sent or received, up to 1,000,000, but seldom while
   * it does not pay. 0: never. Timers, immediates and other sockets run in between.
   */
  busyPoll?: 'auto' | number | undefined
  /**
   * The most descriptors to receive at once, up to 253. They are handed over by 'descriptors' events. More at once destroy the socket with
   * ERR_DESCRIPTORS_LOST. Default 0: the kernel refuses descriptors, and the peer's send fails (Linux 6.16 or later), or they are closed.
   */
  receiveDescriptors?: number | undefined
}

/** What the package makes a socket with. */
export interface InternalSocketOptions {
  /** The options of the Duplex. */
  readonly stream: DuplexOptions
  /** Bytes that Writable and the send queue may hold together: `highWaterMark + writeLimit`. */
  readonly unsentLimit: number
  readonly busyPoll: number | 'auto'
  readonly receiveDescriptors: number
  readonly onread: OnRead | undefined
}

const defaultHighWaterMark = 65_536
const defaultWriteLimit = 16 * 1024 * 1024

const bytesOrNoLimit: Rule = (name, value) => {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (value !== Infinity && !(Number.isSafeInteger(value) && value >= 0))
    throw outOfRange(name, 'an integer of 0 or more, or Infinity', value)
}

const microseconds = integer(0, 1_000_000)
const autoOrMicroseconds: Rule = (name, value) => {
  if (value === 'auto') return
  if (typeof value !== 'number') throw invalidType(name, "'auto' or a number of microseconds", value)
  microseconds(name, value)
}

/** The rules of `SocketOptions`, which `connect()` and `listen()` share. */
export const socketRules: Rules<SocketOptions> = {
  allowHalfOpen: aBoolean,
  highWaterMark: integer(0, 2 ** 31 - 1),
  writeLimit: bytesOrNoLimit,
  busyPoll: autoOrMicroseconds,
  receiveDescriptors: integer(0, MOST_DESCRIPTORS),
}

/** Returns what a socket is made with, given valid options of `connect()` or `listen()`. */
export function internalSocketOptions(options: SocketOptions, onread?: OnRead): InternalSocketOptions {
  const {
    allowHalfOpen = true,
    highWaterMark = defaultHighWaterMark,
    writeLimit = defaultWriteLimit,
    busyPoll = 'auto',
    receiveDescriptors = 0,
  } = options
  const stream = { allowHalfOpen, highWaterMark, decodeStrings: false }
  return { stream, unsentLimit: highWaterMark + writeLimit, busyPoll, receiveDescriptors, onread }
}
