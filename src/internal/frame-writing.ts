/**
 * Writes messages behind their lengths, as FrameDecoder reads them. A message is written as a whole or, if it is refused, not at all.
 */
import { byteLength } from './bytes.js'
import { type WriteCallback } from './callback-queue.js'
import { headerLength } from './frames.js'
import { nextTick } from './scheduling.js'
import { takeFrame } from './shortcut.js'
import { bind, exceedsLimit, limitError, refuse } from './write-guard.js'
import { type Writer } from './writer.js'

/** Writes `message`; returns false when the caller should wait for 'drain'. */
export function writeFramed(writer: Writer, message: Uint8Array, callback?: WriteCallback): boolean {
  const length = byteLength(message)
  const bound = bind(writer.reader, callback)
  if (takeFrame(writer, message, length, bound)) return true
  if (exceedsLimit(writer, headerLength + length)) {
    // A stream of messages may go on without one of them, if its sender gets the error.
    if (typeof bound !== 'function') return refuse(writer, bound)
    nextTick(bound, limitError(writer))
    return false
  }
  const { socket } = writer
  const header = Buffer.allocUnsafe(headerLength)
  header.writeUInt32BE(length)
  socket.cork()
  socket.write(header)
  const more = socket.write(message, callback)
  socket.uncork()
  return more
}
