import { markAsUntransferable } from 'node:worker_threads'
import { bufferChanged, frameTooLarge, frameTruncated } from './errors.js'

/** A frame is its payload's length, 4 bytes big-endian, and the payload. */
export const headerLength = 4
/** Memory that a header alone can make us hold; beyond it a frame's memory grows with the bytes that have come. */
const firstPart = 16 * 1024

/**
 * Cuts chunks into the payloads of length-delimited frames: `push` a chunk, then take with `next` until there is none.
 *
 * A payload within one chunk is a view of it. One that comes in parts is gathered in memory of its own.
 */
export class FrameDecoder {
  readonly #maxFrameLength: number
  /** What was pushed and is not looked at yet is from `start` to its end, at least one byte. */
  #chunk: Buffer | undefined
  #start = 0
  /** Bytes of the header that are in `length` already, when a chunk ended inside it. */
  #headerFilled = 0
  #length = 0
  /** The payload's bytes that came with earlier chunks. */
  #payload: Buffer | undefined
  #filled = 0

  constructor(maxFrameLength: number) {
    this.#maxFrameLength = maxFrameLength
  }

  /** Has everything been looked at that was pushed? */
  get isEmpty(): boolean {
    return this.#chunk === undefined
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunk =
      this.#chunk === undefined ? chunk : Buffer.concat([this.#chunk.subarray(this.#start), chunk])
    this.#start = 0
  }

  /** The next whole payload; undefined when more has to come. Throws ERR_FRAME_TOO_LARGE, ERR_BUFFER_CHANGED. */
  next(): Buffer | undefined {
    const chunk = this.#chunk
    if (chunk === undefined) return undefined
    const start = this.#start
    const left = chunk.length - start
    // Somebody detached the memory of a view that he was given.
    if (left <= 0) throw bufferChanged()
    if (this.#headerFilled > 0 || left < headerLength) return this.#gather(chunk)
    const length =
      ((chunk[start]! << 24) | (chunk[start + 1]! << 16) | (chunk[start + 2]! << 8) | chunk[start + 3]!) >>> 0
    if (length > this.#maxFrameLength) throw frameTooLarge(length, this.#maxFrameLength)
    if (length > left - headerLength) return this.#gather(chunk)
    this.#advance(chunk, headerLength + length)
    // Its other frames would be lost with it. As Node does with the memory that its small Buffers share.
    if (start === 0 && this.#chunk !== undefined) markAsUntransferable(chunk.buffer)
    return chunk.subarray(start + headerLength, start + headerLength + length)
  }

  /** No more will come. Throws ERR_FRAME_TRUNCATED inside a frame. */
  end(): void {
    if (this.#headerFilled === headerLength) throw frameTruncated(this.#filled, this.#length)
    if (this.#headerFilled > 0) throw frameTruncated(this.#headerFilled, headerLength)
  }

  /** Takes what the chunk has of a frame that began in an earlier one, or ends in a later one. */
  #gather(chunk: Buffer): Buffer | undefined {
    let start = this.#start
    while (this.#headerFilled < headerLength && start < chunk.length) {
      this.#length = ((this.#length << 8) | chunk[start++]!) >>> 0
      this.#headerFilled++
    }
    this.#advance(chunk, start - this.#start)
    if (this.#headerFilled < headerLength) return undefined
    const length = this.#length
    if (length > this.#maxFrameLength) throw frameTooLarge(length, this.#maxFrameLength)
    const taken = Math.min(chunk.length - start, length - this.#filled)
    const payload = this.#room(this.#filled + taken)
    chunk.copy(payload, this.#filled, start, start + taken)
    this.#filled += taken
    if (taken > 0) this.#advance(chunk, taken)
    if (this.#filled < length) return undefined
    this.#headerFilled = this.#length = this.#filled = 0
    this.#payload = undefined
    return payload
  }

  /** The payload's memory, with room for `needed` bytes: twice that at most, and exactly the frame's length in the end. */
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
