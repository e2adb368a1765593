import { createRequire } from 'node:module'
import { unsupportedPlatform } from './errors.js'

type Native = typeof import('../binding.js')
export type Reactor = InstanceType<Native['Reactor']>

/** The functions that bypass the macros. Each returns a count or an id from 0 up, or a negative errno; INTERNAL after a panic. */
export interface RawFunctions {
  /** Fills the ring, asking for so long while there is nothing; how many events, `MORE` added when another poll is due before sleeping. */
  poll(microseconds: number): number
  arm(): number
  /** 1 when something waits already. `own`: 1 to have every read announced as bulk. */
  readStart(id: number, own: 0 | 1): number
  readStop(id: number): number
  read(id: number, memory: Uint8Array): number
  write(id: number, chunk: Uint8Array, start: number, end: number): number
  /** -EFAULT when a chunk is no longer as long as `lengths` says. */
  writev(id: number, chunks: Uint8Array[], lengths: number[], count: number, skip: number): number
  /** -ECONNREFUSED: one that is not allowed was closed. */
  accept(id: number): number
  /** uid, gid and pid (0: unknown) in the ring's first integers. */
  peer(id: number): number
  /** `how`: 0 the read side, 1 the write side. */
  shutdown(id: number, how: 0 | 1): number
  /** 1 when a poll is due. */
  close(id: number): number
}

export const MORE = 2 ** 30

let native: Native | undefined
let failure: unknown
try {
  // Synchronous, so that `require('udsock')` works too; and here a missing build is no failure of the import.
  native = createRequire(import.meta.url)('../binding.js') as Native
} catch (error) {
  failure = error
}

/** Can this platform and build open Unix-domain sockets? A constant; importing the package never throws. */
export const isSupported: boolean = native !== undefined

/** The addon; throws ERR_UNSUPPORTED_PLATFORM where there is none. */
export function binding(): Native {
  if (native === undefined) throw unsupportedPlatform(failure)
  return native
}
