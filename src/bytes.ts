import { types } from 'node:util'

const { isUint8Array } = types
const getter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'byteLength')!

/** The length that the engine knows; `length` may be anything that somebody made a property of. */
export function byteLength(bytes: Uint8Array): number {
  return getter.get!.call(bytes) as number
}

/** `bytes`, or a copy whose `length` is true. */
export function truthful(bytes: Uint8Array): Uint8Array {
  return bytes.length === byteLength(bytes) ? bytes : new Uint8Array(bytes)
}

/** A stream's chunk as bytes; `encoding` is for strings, or else `byDefault`. Undefined for what the stream is to refuse. */
export function bytesOf(
  chunk: unknown,
  encoding: BufferEncoding | undefined,
  byDefault: BufferEncoding,
): Uint8Array | undefined {
  if (typeof chunk === 'string') {
    if (!encoding) return Buffer.from(chunk, byDefault)
    return Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : undefined
  }
  if (encoding && (encoding as string) !== 'buffer' && !Buffer.isEncoding(encoding)) return undefined
  if (isUint8Array(chunk)) return truthful(chunk)
  return ArrayBuffer.isView(chunk)
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : undefined
}

/** Bytes that a text can take at most in the encodings that are most used; Infinity: to be found out. */
export function longestText(text: string, encoding: BufferEncoding): number {
  if (encoding === 'utf8') return 3 * text.length
  return encoding === 'latin1' ? text.length : Infinity
}
