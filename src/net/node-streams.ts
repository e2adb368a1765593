/**
 * Undocumented members of Node's streams, as node:net's sockets use them.
 */
import { type Duplex } from 'node:stream'
import { type WriteCallback } from '../internal/callback-queue.js'
import { type WrittenChunk } from '../internal/writable-stream.js'
import { type WriteOptions } from '../internal/write-options.js'
import { nextTick } from '../internal/scheduling.js'
import { UnixSocket } from '../socket.js'
import { endedByPeer } from './errors.js'

/** Undoes the destruction of a stream. */
export function reopen(socket: Duplex): void {
  const { _undestroy } = socket as unknown as { _undestroy(): void }
  _undestroy.call(socket)
}

/** Returns the count of the bytes that Writable buffers. */
export function bufferedBytes(socket: Duplex): number {
  const { writableBuffer } = socket as unknown as { writableBuffer: WrittenChunk[] | undefined }
  return bytesOf(writableBuffer ?? [])
}

/** Returns the count of the bytes of chunks. */
export function bytesOf(chunks: readonly WrittenChunk[]): number {
  let bytes = 0
  for (const { chunk, encoding } of chunks)
    bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length
  return bytes
}

/** Has a write behind the peer's end fail, unless `allowHalfOpen`: the peer's end ends the writable side, too. */
export function endWithPeer(socket: UnixSocket): void {
  socket.on('end', onEnd)
}

function onEnd(this: UnixSocket): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd
}

/** Undoes what `endWithPeer` did at the end of the last connection. */
export function restoreWrite(socket: UnixSocket): void {
  Reflect.deleteProperty(socket, 'write')
}

function writeAfterEnd(
  this: UnixSocket,
  chunk: unknown,
  encoding?: BufferEncoding | WriteOptions | WriteCallback,
  callback?: WriteCallback,
): boolean {
  if (!this.writableEnded) return UnixSocket.prototype.write.call(this, chunk, encoding as never, callback)
  const given = typeof encoding === 'function' ? encoding : callback
  const error = endedByPeer()
  if (typeof given === 'function') nextTick(given, error)
  this.destroy(error)
  return false
}
