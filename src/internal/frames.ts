/**
 * The codec of length-delimited frames. A frame is the length of its payload, 4 bytes big-endian, and the payload.
 *
 * The decoder allocates at most twice the bytes that have arrived, whatever length a header announces.
 */
import { type Descriptor } from '../descriptor.js'
import { builtin } from './builtins.js'
import { frameTooLarge, frameTruncated, messageDetached } from './errors.js'
import { DescriptorLots } from './descriptor-lots.js'
import { type MessageInfo, plainInfo } from './message-info.js'

/** Bytes of a frame's header. */
export const headerLength = 4
/** Bytes that a header alone makes the decoder allocate at most; beyond that, memory grows with the bytes that arrive. */
const firstPart = 16 * 1024

/**
 * Cuts chunks into the payloads of frames: `push` a chunk, then take payloads with `next` until it returns undefined.
 *
 * A payload within one chunk is a view of the chunk. A payload of several chunks is gathered in memory of its own.
 */
export class FrameDecoder {
  #info = plainInfo
  /** Bytes that were pushed. */
  #pushed = 0
  /** Descriptors for messages that come; made when there are some. */
  #lots: DescriptorLots | undefined
  #delivered = 0
  readonly #maxMessageLength: number
  /** Pushed bytes that were not examined yet are those from `start` to the end, at least one. */
  #chunk: Buffer | undefined
  #start = 0
  /** Bytes of the header that `length` contains already, after a chunk that ended inside the header. */
  #headerFilled = 0
  #length = 0
  /** The payload's bytes of earlier chunks: the first `filled` ones. */
  #payload: Buffer | undefined
  #filled = 0

  constructor(maxMessageLength: number) {
    this.#maxMessageLength = maxMessageLength
  }

  /** Whether every pushed byte has been examined. */
  get isEmpty(): boolean {
    return this.#chunk === undefined
  }

  /** Pushed bytes that are not those of messages which `next()` has returned. */
  get heldBytes(): number {
    const unexamined = this.#chunk === undefined ? 0 : this.#chunk.length - this.#start
    return this.#headerFilled + this.#filled + unexamined
  }

  /** What came with the payload that `next()` returned last. */
  get info(): MessageInfo {
    return this.#info
  }

  /** Takes descriptors that came with the chunk that begins at `position`, and is pushed later. */
  receive(descriptors: readonly Descriptor[], position: number): void {
    ;(this.#lots ??= new DescriptorLots()).add(descriptors, position)
  }

  /** Closes the descriptors that no message was given. */
  discard(): void {
    this.#lots?.discard()
  }

  get incomplete(): number | undefined {
    return this.#headerFilled > 0 ? this.#delivered : undefined
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#lots?.push(this.#pushed, chunk.length)
    this.#pushed += chunk.length
    this.#chunk =
      this.#chunk === undefined ? chunk : Buffer.concat([this.#chunk.subarray(this.#start), chunk])
    this.#start = 0
  }

  /**
   * Returns the next whole payload, or undefined when more bytes have to arrive.
   *
   * @throws ERR_FRAME_TOO_LARGE, ERR_BUFFER_CHANGED.
   */
  next(): Buffer | undefined {
    const payload = this.#next()
    if (this.#lots !== undefined && payload !== undefined) this.#setInfo(this.#lots)
    return payload
  }

  #setInfo(lots: DescriptorLots): void {
    const unexamined = this.#chunk === undefined ? 0 : this.#chunk.length - this.#start
    const descriptors = lots.take(this.#pushed - unexamined)
    this.#info = descriptors === undefined ? plainInfo : { descriptors, truncated: false }
  }

  #next(): Buffer | undefined {
    const chunk = this.#chunk
    if (chunk === undefined) return undefined
    const start = this.#start
    const left = chunk.length - start
    // The user has detached the memory of a delivered message, which this chunk shares.
    if (left <= 0) throw messageDetached()
    if (this.#headerFilled > 0 || left < headerLength) return this.#gather(chunk)
    const length =
      ((chunk[start]! << 24) | (chunk[start + 1]! << 16) | (chunk[start + 2]! << 8) | chunk[start + 3]!) >>> 0
    if (length > this.#maxMessageLength) throw frameTooLarge(length, this.#maxMessageLength)
    if (length > left - headerLength) return this.#gather(chunk)
    this.#advance(chunk, headerLength + length)
    this.#delivered++
    // Transferring one message would take the chunk's other frames with it. Node marks its pool of small Buffers likewise.
    if (start === 0 && this.#chunk !== undefined)
      builtin('node:worker_threads').markAsUntransferable(chunk.buffer)
    return chunk.subarray(start + headerLength, start + headerLength + length)
  }

  /** Accepts the end of the stream. Throws ERR_FRAME_TRUNCATED inside a frame. */
  end(): void {
    if (this.#headerFilled === headerLength) throw frameTruncated(this.#filled, this.#length)
    if (this.#headerFilled > 0) throw frameTruncated(this.#headerFilled, headerLength)
  }

  /** Takes the chunk's part of a frame that began in an earlier chunk or ends in a later one. */
  #gather(chunk: Buffer): Buffer | undefined {
    let start = this.#start
    while (this.#headerFilled < headerLength && start < chunk.length) {
      this.#length = ((this.#length << 8) | chunk[start++]!) >>> 0
      this.#headerFilled++
    }
    this.#advance(chunk, start - this.#start)
    if (this.#headerFilled < headerLength) return undefined
    const length = this.#length
    if (length > this.#maxMessageLength) throw frameTooLarge(length, this.#maxMessageLength)
    const taken = Math.min(chunk.length - start, length - this.#filled)
    const payload = this.#room(this.#filled + taken)
    chunk.copy(payload, this.#filled, start, start + taken)
    this.#filled += taken
    if (taken > 0) this.#advance(chunk, taken)
    if (this.#filled < length) return undefined
    this.#headerFilled = this.#length = this.#filled = 0
    this.#payload = undefined
    this.#delivered++
    return payload
  }

  /** Returns the payload's memory with room for `needed` bytes: twice that at most, and in the end exactly the frame's length. */
  #room(needed: number): Buffer {
    const payload = this.#payload
    if (payload !== undefined && payload.length >= needed) return payload
    if (needed === 0) return (this.#payload = Buffer.alloc(0))
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#length, Math.max(firstPart, 2 * needed)))
    payload?.copy(larger, 0, 0, this.#filled)
    return (this.#payload = larger)
  }

  #advance(chunk: Buffer, taken: number): void {
    this.#start += taken
    if (this.#start >= chunk.length) this.#chunk = undefined
  }
}
