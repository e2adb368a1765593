/**
 * The shortcut of `write()`: while Writable is idle, small chunks go directly into the send queue, past Writable, which saves a
 * callback per chunk. It accounts for them only if the kernel has no room.
 *
 * It is an optimization that may be deleted: `_write` is complete by itself. UDSOCK_WITHOUT_SHORTCUT=1 turns it off for tests.
 */
import { types } from 'node:util'
import { byteLength, longestText } from './bytes.js'
import { type WriteCallback } from './callback-queue.js'
import { headerLength } from './frames.js'
import { touch } from './hooks.js'
import { INTERNAL } from './native.js'
import { isLost, type SendQueue, smallChunk } from './send-queue.js'
import { isOverridden } from './writable-stream.js'
import { type Writer } from './writer.js'

const { isUint8Array } = types
/** The encodings that the shortcut takes; Writable checks the other ones. */
const plainEncodings: ReadonlySet<string> = new Set(['utf8', 'utf-8', 'latin1', 'binary', 'ascii', 'buffer'])
/** Undefined until the first write, because programs set the environment before that. */
let isOn: boolean | undefined

/**
 * Takes a small chunk while less than the high-water mark is unsent, and returns whether it did. `callback` is called when the kernel has the
 * bytes, or with the error that kept them.
 */
export function take(
  writer: Writer,
  chunk: unknown,
  encoding: BufferEncoding,
  callback: WriteCallback | undefined,
): boolean {
  if (callback !== undefined && typeof callback !== 'function') return false
  if (encoding !== 'utf8' && !plainEncodings.has(encoding)) return false
  const queue = idleQueue(writer)
  if (queue === undefined) return false
  const limit = writer.socket.writableHighWaterMark
  if (typeof chunk === 'string') {
    const longest = longestText(chunk, encoding)
    if (longest > smallChunk || queue.unsent + longest >= limit) return false
    if (longest > 0) queue.putText(chunk, encoding, longest)
  } else {
    if (!isUint8Array(chunk)) return false
    const length = byteLength(chunk)
    if (length > smallChunk || queue.unsent + length >= limit) return false
    if (length > 0) queue.put(chunk, length)
    else if (isLost(chunk)) return false
  }
  writer.sendSoon(queue.isFilling, callback)
  return true
}

/** Takes a message of `length` bytes behind its length, as `take` does. */
export function takeFrame(
  writer: Writer,
  message: Uint8Array,
  length: number,
  callback: WriteCallback | undefined,
): boolean {
  const framed = headerLength + length
  if (framed > smallChunk) return false
  const queue = idleQueue(writer)
  if (queue === undefined || queue.unsent + framed >= writer.socket.writableHighWaterMark) return false
  queue.putFrame(message, length)
  writer.sendSoon(queue.isFillingWithFrames, callback)
  return true
}

/**
 * Sends a chunk with descriptors that stay the caller's, if nothing waits before it and the kernel takes it at once: that spares a duplicate of
 * each. Returns whether it did; `callback` as for `take`. See the benchmark descriptors.
 */
export function takeLent(
  writer: Writer,
  chunk: Uint8Array,
  length: number,
  numbers: readonly number[],
  callback: WriteCallback | undefined,
): boolean {
  const queue = idleQueue(writer)
  if (queue === undefined) return false
  const { handle, socket } = writer
  writer.sendInOrder()
  if (queue.unsent > 0 || handle.isBlocked || queue.failure !== 0) return false
  const sent = handle.writeLent(chunk, length, numbers)
  // After an error of the kernel nothing is sent. After an internal one that is not known: the connection fails.
  if (sent <= 0 && sent !== INTERNAL) return false
  queue.record(sent < length && length <= smallChunk ? Buffer.from(chunk) : chunk, length, sent)
  socket[touch]()
  handle.engine.sent(handle.options.busyPoll)
  writer.sendSoon(false, callback)
  return true
}

/** Returns undefined also if `_write` or `_writev` is overridden: the override gets every chunk. */
function idleQueue(writer: Writer): SendQueue | undefined {
  isOn ??= process.env['UDSOCK_WITHOUT_SHORTCUT'] !== '1'
  return isOn && !isOverridden(writer.socket) ? writer.idleQueue : undefined
}
