/**
 * The checks of `write()` and `end()` before Writable gets a chunk: they bind its callback to the caller's context, refuse what exceeds
 * `writeLimit`, and copy what the caller may change. `pipe()` bypasses them: it obeys backpressure and passes no callback.
 */
import { types } from 'node:util'
import { byteLength, bytesOf, truthful } from './bytes.js'
import { type WriteCallback } from './callback-queue.js'
import { backpressureLimit } from './errors.js'
import { type Reader } from './reader.js'
import { CallbackResource } from './resource.js'
import { nextTick } from './scheduling.js'
import { smallChunk } from './send-queue.js'
import { type Writer } from './writer.js'

const { isUint8Array } = types

/** Returns a callback that runs in the caller's context. It gets the failure that waits for `reader`, because its chunk may be dropped then. */
export function bind(reader: Reader, callback: WriteCallback | undefined): WriteCallback | undefined {
  if (typeof callback !== 'function') return callback
  // AsyncResource.bind() costs ten times as much on Node 20: see http.
  const resource = new CallbackResource('UnixSocketWrite')
  return error => resource.runInAsyncScope(callback, undefined, error ?? reader.heldFailure?.error ?? error)
}

/** Returns whether `length` bytes more would exceed `writeLimit`. They never do for a caller that waits for 'drain'. */
export function exceedsLimit(writer: Writer, length: number): boolean {
  const { unsentLimit } = writer.handle.options
  if (unsentLimit === Infinity || !writer.socket.writableNeedDrain) return false
  const unsent = unsentBytes(writer)
  return unsent > writer.socket.writableHighWaterMark && unsent + length > unsentLimit
}

/** Returns whether a write of `chunk` would exceed `writeLimit`. */
export function chunkExceedsLimit(writer: Writer, chunk: unknown, encoding: BufferEncoding): boolean {
  if (!exceedsLimit(writer, Infinity)) return false
  const bytes = bytesOf(chunk, undefined, encoding)
  return bytes !== undefined && exceedsLimit(writer, byteLength(bytes))
}

/** Makes the error of a write that exceeds `writeLimit`. */
export function limitError(writer: Writer): Error {
  return backpressureLimit(unsentBytes(writer), writer.handle.options.unsentLimit)
}

function unsentBytes({ socket, bytesUnaccounted }: Writer): number {
  return socket.writableLength + bytesUnaccounted
}

/** Refuses a write. A stream of bytes cannot go on behind a hole: the socket is destroyed, and `callback` gets the error first. */
export function refuse(writer: Writer, callback: WriteCallback | undefined): false {
  const error = limitError(writer)
  if (typeof callback === 'function') nextTick(callback, error)
  writer.socket.destroy(error)
  return false
}

/**
 * Copies a small chunk that Writable is going to hold: its memory is the caller's again when `write()` returns. Copies any chunk whose `length`
 * is not true, because Writable relies on it.
 */
export function owned(writer: Writer, chunk: unknown): unknown {
  if (!isUint8Array(chunk)) return chunk
  const length = byteLength(chunk)
  if (chunk.length !== length) return truthful(chunk)
  if (length === 0 || length > smallChunk) return chunk
  const { handle, socket } = writer
  const isPassedOn =
    handle.isOpen && socket.writableLength === 0 && socket.writableCorked === 0 && !writer.isWaiting
  return isPassedOn ? chunk : Buffer.from(chunk)
}
