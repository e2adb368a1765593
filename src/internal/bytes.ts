/**
 * Bytes from values that a user controls. An object's own `length`, and the chunk of a stream, are never trusted.
 */
import { types } from 'node:util'

const { isUint8Array } = types
const getter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'byteLength')!

/** Returns the length that the JavaScript engine keeps; `length` may be a property that the user has defined. */
export function byteLength(bytes: Uint8Array): number {
  return getter.get!.call(bytes) as number
}

/** Returns `bytes`, or a copy if the `length` of `bytes` is wrong. */
export function truthful(bytes: Uint8Array): Uint8Array {
  return bytes.length === byteLength(bytes) ? bytes : new Uint8Array(bytes)
}

/** Returns a stream's chunk as bytes. A string has `encoding`, or `byDefault`. Returns undefined for a chunk that the stream refuses. */
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

const oneByteEncodings: ReadonlySet<string> = new Set(['latin1', 'binary', 'ascii'])

/** Returns an upper bound of a text's bytes in the most used encodings, and Infinity for other encodings. */
export function longestText(text: string, encoding: BufferEncoding): number {
  if (encoding === 'utf8' || encoding === 'utf-8') return 3 * text.length
  return oneByteEncodings.has(encoding) ? text.length : Infinity
}
