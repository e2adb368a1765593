/** What the writer asks of the stream that it works for. */
import { type Duplex } from 'node:stream'
import { callError, ownWrites, touch } from './hooks.js'

/** The socket of a writer, as the writer uses it. */
export interface WritableSocket extends Duplex {
  readonly [ownWrites]: Pick<Duplex, '_write' | '_writev'>
  [touch](): void
  [callError](errno: number, syscall: string): Error
}

/** A chunk as Writable hands it over. */
export interface WrittenChunk {
  readonly chunk: Uint8Array | string
  readonly encoding: BufferEncoding
}

/** Whether Writable has nothing to do: nothing buffered, not corked, not ending, no 'drain' due. */
export function isIdleStream(stream: Duplex): boolean {
  return (
    stream.writableLength === 0 &&
    stream.writableCorked === 0 &&
    !stream.writableNeedDrain &&
    !stream.writableEnded &&
    !stream.destroyed &&
    stream.errored === null
  )
}

/** Whether `_write` or `_writev` is overridden: the override may hold chunks, change them, or hand them over one by one. */
export function isOverridden(socket: WritableSocket): boolean {
  const own = socket[ownWrites]
  return socket._write !== own._write || socket._writev !== own._writev
}
