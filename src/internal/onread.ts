/**
 * The option `onread`: memory of the user's, which bytes are read into without a chunk.
 */
import { types } from 'node:util'
import { invalidType, invalidValue } from './errors.js'

/** Memory of the user's, and the function that gets what was read into it. */
export interface OnRead {
  /**
   * The memory that every read fills, or a function that returns the memory for the next read; `this` is the socket. The memory must not be
   * empty, and not be shared with other threads.
   */
  buffer: Uint8Array | (() => Uint8Array)
  /** Is called with the bytes of one read: the first `bytesRead` of `buffer`. `this` is the socket. Returning `false` pauses the socket. */
  callback: (bytesRead: number, buffer: Uint8Array) => boolean | void
}

/** Throws unless `onread` is valid. */
export function validateOnRead(onread: unknown): asserts onread is OnRead | undefined {
  if (onread === undefined) return
  if (typeof onread !== 'object' || onread === null) throw invalidType('options.onread', 'an object', onread)
  const { buffer, callback } = onread as Record<string, unknown>
  if (typeof callback !== 'function') throw invalidType('options.onread.callback', 'a function', callback)
  const error = typeof buffer === 'function' ? undefined : memoryError('options.onread.buffer', buffer)
  if (error !== undefined) throw error
}

/** Returns the error of memory that cannot be read into. */
export function memoryError(name: string, memory: unknown): Error | undefined {
  if (!types.isUint8Array(memory)) return invalidType(name, 'a Uint8Array', memory)
  if (memory.length === 0) return invalidValue(name, 'it has no bytes')
  return types.isSharedArrayBuffer(memory.buffer)
    ? invalidValue(name, 'its memory is shared with other threads')
    : undefined
}
