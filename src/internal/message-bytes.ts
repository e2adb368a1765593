/** The bytes of a message that a user sends. */
import { types } from 'node:util'
import { truthful } from './bytes.js'
import { frameTooLarge, invalidType } from './errors.js'

const { isUint8Array } = types

/** Returns the bytes of a message. Throws ERR_FRAME_TOO_LARGE beyond `limit` bytes, and ERR_INVALID_ARG_TYPE. */
export function messageBytes(message: unknown, limit: number): Uint8Array {
  const bytes = isUint8Array(message) ? truthful(message) : encoded(message, limit)
  if (bytes.length > limit) throw frameTooLarge(bytes.length, limit)
  return bytes
}

function encoded(message: unknown, limit: number): Uint8Array {
  if (typeof message !== 'string') throw invalidType('message', 'a string or a Uint8Array', message)
  // UTF-8 has at most three bytes for a UTF-16 unit, so counting is needed near the limit only.
  if (message.length * 3 > limit) {
    const length = Buffer.byteLength(message)
    if (length > limit) throw frameTooLarge(length, limit)
  }
  return Buffer.from(message)
}
