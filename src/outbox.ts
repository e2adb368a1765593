import { constants } from 'node:os'
import { type Engine, unconnected } from './engine.js'

/** A chunk up to this length is copied when it is written, so that its memory is the caller's again at once. */
export const smallChunk = 8192
const memoryLength = 32 * 1024
/**
 * Copies that are sent before the turn ends: the first soon, so that the peer wakes up and works meanwhile, then twice as many
 * each time, because every wake-up costs. See pipeline.
 */
const firstFlush = 1024
const largestFlush = 8 * 1024
/** The same for frames, whose reader wants many at once: so many of them, or so many bytes. See framed-64 and framed-1024. */
const framesAtOnce = 60
const frameBytesAtOnce = 28 * 1024
/** As many as there may be dirty sockets: a turn over many connections must not allocate. */
const spareLimit = 256
/** Slices of one send: MOST_SLICES of the crate udsock-node. */
const slicesPerSend = 256
const wouldBlock = -constants.errno.EAGAIN

const spares: Buffer[] = []
/** What most outboxes hold. Never changed. */
const none: never[] = []

/**
 * The bytes that a socket wrote and the kernel has not taken yet: small chunks copied one behind the other, large ones by
 * reference between them. It counts what was put in and what was sent; by these positions the socket knows which of its
 * writes are done.
 */
export class Outbox {
  readonly #engine: Engine
  #id: number
  /** In order; what is in `memory` from `start` on comes behind. */
  #slices: Uint8Array[] = none
  /** What the slices' lengths have to be still when they are sent. */
  #lengths: number[] = none
  /** Bytes of the first slice that the kernel has. */
  #skip = 0
  #memory: Buffer | undefined
  #start = 0
  #filled = 0
  /** Frames since the last send. */
  #frames = 0
  #nextFlush = firstFlush
  /** While corked, how many slices were there before: they alone may leave. */
  #uncorked: number | undefined
  #blocked = false
  #failure = 0
  #written = 0
  #sent = 0

  constructor(engine: Engine, id: number) {
    this.#engine = engine
    this.#id = id
    this.#blocked = id === unconnected
  }

  /** It has a connection now. */
  connect(id: number): void {
    this.#id = id
    this.#blocked = false
  }

  /** Bytes put in, since the beginning. */
  get written(): number {
    return this.#written
  }

  /** Bytes that the kernel has taken, since the beginning. */
  get sent(): number {
    return this.#sent
  }

  /** Bytes that wait for the kernel. */
  get held(): number {
    return this.#written - this.#sent
  }

  /** Is the kernel full, or is there no connection yet? Then `unblock` or `connect` has to come before anything is sent. */
  get isBlocked(): boolean {
    return this.#blocked
  }

  /** 0, or the negative errno that a send failed with: nothing is sent any more. */
  get failure(): number {
    return this.#failure
  }

  /** A small chunk; `length`: its own, in truth. */
  put(chunk: Uint8Array, length: number): void {
    this.#written += length
    this.#room(length).set(chunk, this.#filled)
    this.#filled += length
  }

  /** Text that takes `longest` bytes at most; returns how many it took. */
  putText(text: string, encoding: BufferEncoding, longest: number): number {
    const length = this.#room(longest).write(text, this.#filled, longest, encoding)
    this.#written += length
    this.#filled += length
    return length
  }

  /** A small chunk behind its length, 4 bytes big-endian. */
  putFrame(chunk: Uint8Array, length: number): void {
    this.#written += 4 + length
    const memory = this.#room(4 + length)
    const start = this.#filled
    memory[start] = length >>> 24
    memory[start + 1] = length >>> 16
    memory[start + 2] = length >>> 8
    memory[start + 3] = length
    memory.set(chunk, start + 4)
    this.#filled = start + 4 + length
    this.#frames++
  }

  /** The copies' memory, with room for `length` bytes more. */
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

  /** What is put in from now on stays until `uncork`. */
  cork(): void {
    this.#seal()
    this.#uncorked = this.#slices.length
  }

  uncork(): void {
    this.#uncorked = undefined
  }

  /** There is room again. */
  unblock(): void {
    this.#blocked = false
  }

  /** Is there so much that it should not wait for the end of the turn? */
  get isFilling(): boolean {
    return this.#slices.length > 0 || this.#filled - this.#start >= this.#nextFlush
  }

  /** The same of frames. */
  get isLoaded(): boolean {
    return (
      this.#slices.length > 0 ||
      this.#frames >= framesAtOnce ||
      this.#filled - this.#start >= frameBytesAtOnce
    )
  }

  /** Gives the kernel what it takes without waiting. */
  send(): void {
    this.#frames = 0
    this.#nextFlush = Math.min(2 * this.#nextFlush, largestFlush)
    if (this.#blocked || this.#failure !== 0) return
    if (this.#uncorked === undefined && this.#slices.length === 0) this.#sendCopies()
    else this.#sendSlices()
  }

  /** Puts a large chunk in, and sends. What leaves at once, with nothing before it, needs no list. See send. */
  sendChunk(chunk: Uint8Array, length: number): void {
    const isAlone = this.held === 0 && this.#uncorked === undefined && !this.#blocked && this.#failure === 0
    this.#written += length
    if (!isAlone) {
      this.#seal()
      this.#push(chunk, length)
      this.send()
      return
    }
    const sent = this.#engine.raw.write(this.#id, chunk, 0, length)
    if (sent === length) {
      this.#sent += length
    } else {
      this.#push(chunk, length)
      this.#advance(sent, 1)
    }
  }

  /** The turn ends. Gives memory back to those that write in it: what has to wait moves into memory of its own. */
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

  /** Nothing more will be sent. */
  discard(): void {
    this.#slices = none
    this.#lengths = none
    this.#start = this.#filled
    this.#blocked = false
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

  /** Makes a slice of the copies. */
  #seal(): void {
    const length = this.#filled - this.#start
    if (this.#memory === undefined || length === 0) return
    this.#push(this.#memory.subarray(this.#start, this.#filled), length)
    this.#start = this.#filled
  }

  #sendCopies(): void {
    const length = this.#filled - this.#start
    if (this.#memory === undefined || length === 0) return
    const sent = this.#engine.raw.write(this.#id, this.#memory, this.#start, this.#filled)
    if (sent === length) {
      this.#sent += length
      this.#start = this.#filled = 0
    } else {
      this.#seal()
      this.#advance(sent, 1)
    }
  }

  #sendSlices(): void {
    if (this.#uncorked === undefined) this.#seal()
    for (;;) {
      const count = Math.min(this.#uncorked ?? this.#slices.length, slicesPerSend)
      if (count === 0) return
      const sent = this.#engine.raw.writev(this.#id, this.#slices, this.#lengths, count, this.#skip)
      if (!this.#advance(sent, count)) return
    }
  }

  /** Notes what a send of `count` slices came to; tells whether the kernel took them all. */
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
    if (this.#uncorked !== undefined) this.#uncorked -= finished
    this.#blocked = finished < count
    return !this.#blocked
  }
}
