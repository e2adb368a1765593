/**
 * The bytes that a socket has written and the kernel has not taken: small chunks are copied one behind the other, large ones stay
 * between them by reference.
 *
 * Two positions count bytes since the connection began: `queued`, the end of what was put in, and `sent`, the end of what the kernel has taken.
 * `sent <= queued` always holds, and both only grow, except that `takeBack` sets `queued` to `sent`. Nothing is sent after a failure.
 */
import { constants } from 'node:os'
import { byteLength } from './bytes.js'
import { type Handle } from './handle.js'
import { MOST_CHUNKS } from './native.js'

/** A chunk up to this length is copied when it is written: the caller may change its memory at once. */
export const smallChunk = 8192
const memoryLength = 32 * 1024
/**
 * Copied bytes after which the queue is sent before the turn ends. The first send comes early, so that the peer works meanwhile; the next ones
 * take twice as many bytes each, because every wake-up of the peer costs. See the benchmark pipeline.
 */
const firstFlush = 1024
const largestFlush = 8 * 1024
/** The same for frames, which are read faster when many arrive at once. See the benchmarks framed-64 and framed-1024. */
const framesAtOnce = 60
const frameBytesAtOnce = 28 * 1024
/** Memories that are kept for reuse: as many as sockets that can be unflushed, so that a turn over many connections does not allocate. */
const spareLimit = 256
const wouldBlock = -constants.errno.EAGAIN

const spares: Buffer[] = []
/** The slices of a queue that has none. It is never changed. */
const none: never[] = []

export class SendQueue {
  readonly #handle: Handle
  /** In the order of the stream; the copies in `#memory` from `#start` on come after them. */
  #slices: Uint8Array[] = none
  /** The slices' lengths when they were put in. A slice that is shorter when it is sent was detached or shrunk. */
  #lengths: number[] = none
  /** Bytes of the first slice that the kernel has taken. */
  #skip = 0
  #memory: Buffer | undefined
  #start = 0
  #filled = 0
  /** Frames since the last send. */
  #frames = 0
  #nextFlush = firstFlush
  #failure = 0
  #queued = 0
  #sent = 0

  constructor(handle: Handle) {
    this.#handle = handle
  }

  /** Bytes put in since the connection began. */
  get queued(): number {
    return this.#queued
  }

  /** Bytes that the kernel has taken since the connection began. */
  get sent(): number {
    return this.#sent
  }

  /** Bytes that the kernel has not taken. */
  get unsent(): number {
    return this.#queued - this.#sent
  }

  /** 0, or the negative errno of the send that failed. */
  get failure(): number {
    return this.#failure
  }

  /** Puts in a chunk of `length` bytes: a small one is copied, a large one stays where it is. */
  put(chunk: Uint8Array, length: number): void {
    this.#queued += length
    if (length > smallChunk) {
      this.#seal()
      this.#push(chunk, length)
    } else {
      this.#room(length).set(chunk, this.#filled)
      this.#filled += length
    }
  }

  /** Encodes a text that takes at most `longest` bytes. */
  putText(text: string, encoding: BufferEncoding, longest: number): void {
    const length = this.#room(longest).write(text, this.#filled, longest, encoding)
    this.#filled += length
    this.#queued += length
  }

  /** Copies a small chunk behind its length, 4 bytes big-endian. */
  putFrame(chunk: Uint8Array, length: number): void {
    const memory = this.#room(4 + length)
    const start = this.#filled
    memory[start] = length >>> 24
    memory[start + 1] = length >>> 16
    memory[start + 2] = length >>> 8
    memory[start + 3] = length
    memory.set(chunk, start + 4)
    this.#filled = start + 4 + length
    this.#queued += 4 + length
    this.#frames++
  }

  /** Returns the memory of the copies, with room for `length` bytes more. */
  #room(length: number): Buffer {
    if (this.#filled + length > memoryLength) {
      this.#seal()
      this.#memory = undefined
    }
    if (this.#memory === undefined) {
      this.#memory = spares.pop() ?? Buffer.allocUnsafeSlow(memoryLength)
      this.#start = this.#filled = 0
    }
    return this.#memory
  }

  /** Whether enough bytes wait to be sent before the turn ends. */
  get isFilling(): boolean {
    return this.#slices.length > 0 || this.#filled - this.#start >= this.#nextFlush
  }

  /** Whether enough frames wait to be sent before the turn ends. */
  get isFillingWithFrames(): boolean {
    return (
      this.#slices.length > 0 ||
      this.#frames >= framesAtOnce ||
      this.#filled - this.#start >= frameBytesAtOnce
    )
  }

  /** Sends what the kernel takes without waiting. */
  send(): void {
    this.#frames = 0
    this.#nextFlush = Math.min(2 * this.#nextFlush, largestFlush)
    if (this.#handle.isBlocked || this.#failure !== 0) return
    if (this.#slices.length === 0) this.#sendCopies()
    else this.#sendSlices()
  }

  /** Puts in a chunk of `length` bytes, and sends. A chunk that the kernel takes at once is not copied. See the benchmark send. */
  sendChunk(chunk: Uint8Array, length: number): void {
    if (this.unsent > 0 || this.#handle.isBlocked || this.#failure !== 0) {
      this.put(chunk, length)
      this.send()
      return
    }
    const sent = this.#handle.write(chunk, 0, length)
    this.record(sent < length && length <= smallChunk ? Buffer.from(chunk) : chunk, length, sent)
  }

  /** Records the result of a send of `chunk` that was made while nothing was queued. What the kernel did not take is queued. */
  record(chunk: Uint8Array, length: number, sent: number): void {
    this.#queued += length
    if (sent === length) {
      this.#sent += length
      return
    }
    this.#push(chunk, length)
    this.#advance(sent, 1)
  }

  /** Ends a turn: gives the memory back for reuse. Copies that still wait move into memory of their own. */
  settle(): void {
    this.#nextFlush = firstFlush
    const memory = this.#memory
    if (memory === undefined) return
    this.#seal()
    for (let index = 0; index < this.#slices.length; index++) {
      const slice = this.#slices[index]!
      if (slice.buffer === memory.buffer) this.#slices[index] = Buffer.from(slice)
    }
    this.#memory = undefined
    if (spares.length < spareLimit) spares.push(memory)
  }

  /** Removes the unsent bytes, and returns a copy of them. */
  takeBack(): Buffer {
    this.#seal()
    const bytes = Buffer.concat(this.#slices).subarray(this.#skip)
    this.#queued = this.#sent
    this.#slices = none
    this.#lengths = none
    this.#skip = 0
    return bytes
  }

  /** Drops the unsent bytes. */
  discard(): void {
    this.#slices = none
    this.#lengths = none
    this.#start = this.#filled
    this.#handle.isBlocked = false
    this.settle()
  }

  #push(slice: Uint8Array, length: number): void {
    if (this.#slices === none) {
      this.#slices = []
      this.#lengths = []
    }
    this.#slices.push(slice)
    this.#lengths.push(length)
  }

  /** Makes a slice of the copies that are in none. */
  #seal(): void {
    const length = this.#filled - this.#start
    if (this.#memory === undefined || length === 0) return
    this.#push(this.#memory.subarray(this.#start, this.#filled), length)
    this.#start = this.#filled
  }

  #sendCopies(): void {
    const length = this.#filled - this.#start
    if (this.#memory === undefined || length === 0) return
    const sent = this.#handle.write(this.#memory, this.#start, this.#filled)
    if (sent === length) {
      this.#sent += length
      this.#start = this.#filled = 0
    } else {
      this.#seal()
      this.#advance(sent, 1)
    }
  }

  #sendSlices(): void {
    this.#seal()
    for (;;) {
      const count = Math.min(this.#slices.length, MOST_CHUNKS)
      if (count === 0) return
      const sent = this.#handle.writev(this.#slices, this.#lengths, count, this.#skip)
      if (!this.#advance(sent, count)) return
    }
  }

  /** Records the result of sending `count` slices; returns whether the kernel took all of them. */
  #advance(sent: number, count: number): boolean {
    if (sent < 0 && sent !== wouldBlock) {
      this.#failure = sent
      this.discard()
      return false
    }
    const taken = Math.max(sent, 0)
    this.#sent += taken
    let left = taken + this.#skip
    let finished = 0
    while (finished < count && left >= this.#lengths[finished]!) left -= this.#lengths[finished++]!
    if (finished === this.#slices.length) {
      this.#slices = none
      this.#lengths = none
    } else {
      this.#slices.splice(0, finished)
      this.#lengths.splice(0, finished)
    }
    this.#skip = left
    this.#handle.isBlocked = finished < count
    return finished === count
  }
}

const noBytes = new Uint8Array(0)

/** Returns whether a chunk is empty because its memory was transferred or shrunk. Such memory cannot be copied. */
export function isLost(chunk: Uint8Array): boolean {
  if (byteLength(chunk) > 0) return false
  try {
    noBytes.set(chunk)
    return false
  } catch {
    return true
  }
}
