import { constants } from 'node:os'
import { type Engine } from './engine.js'

/** A chunk up to this length is copied when it is written, so that its memory is the caller's again at once. */
export const smallChunk = 8192
const memoryLength = 16 * 1024
/** Copies that are sent before the turn ends, so that the peer wakes up and works meanwhile: see pipeline, on two CPUs. */
const earlyFlush = 2048
/** As many as there may be dirty sockets: a turn over many connections must not allocate. */
const spareLimit = 256
/** Slices of one send: MOST_SLICES of the crate udsock-node. */
const slicesPerSend = 256
const wouldBlock = -constants.errno.EAGAIN

const zeroes = new ArrayBuffer(smallChunk)
const placeholders: (Buffer | undefined)[] = []

/** Stands in a stream's buffer for bytes that are in the outbox: only its length and its identity mean something. */
function placeholder(length: number): Buffer {
  return (placeholders[length] ??= Buffer.from(zeroes, 0, length))
}

const spares: Buffer[] = []

/**
 * What a socket wrote and the kernel has not taken yet.
 *
 * Small chunks are copied in when they are written (`substitute`, `keep`); the stream's own buffer holds a placeholder for
 * each, so that accounting, callbacks and order stay the stream's. When the stream hands its buffer over (`load`), the
 * copies are joined, with large chunks between them by reference, and `send` gives all of it to the kernel at once.
 */
export class Outbox {
  readonly #engine: Engine
  readonly #id: number
  /** Copies of small chunks, in order, that the stream has not handed over. */
  #memory: Buffer | undefined
  #filled = 0
  /** The lengths, when they were written, of what is in the stream's buffer and not a copy. */
  #references: number[] = []
  /** Handed over, and not sent at the first attempt. */
  #slices: Uint8Array[] = []
  /** What the slices' lengths have to be still when they are sent. */
  #lengths: number[] = []
  /** Bytes of the first slice that the kernel has. */
  #skip = 0
  #sent = 0

  constructor(engine: Engine, id: number) {
    this.#engine = engine
    this.#id = id
  }

  /** Bytes that the kernel has taken. */
  get sent(): number {
    return this.#sent
  }

  /** What to write to the stream in place of `chunk`; `keep` follows when the stream has taken it. */
  substitute(chunk: Uint8Array): Uint8Array {
    const length = chunk.byteLength
    if (length > smallChunk) return chunk
    if (this.#filled + length > memoryLength) return Buffer.from(chunk)
    return placeholder(length)
  }

  /** The stream has taken `substitute` for `chunk`. */
  keep(chunk: Uint8Array, substitute: Uint8Array): void {
    const length = substitute.length
    if (substitute !== placeholders[length]) {
      this.#references.push(length)
      return
    }
    this.#memory ??= spares.pop() ?? Buffer.allocUnsafeSlow(memoryLength)
    this.#memory.set(chunk, this.#filled)
    this.#filled += length
  }

  /** Is there so much that it should not wait for the end of the turn? */
  get isFilling(): boolean {
    return this.#filled >= earlyFlush
  }

  /** The stream hands over its buffer, all of it. */
  load(chunks: readonly { chunk: Uint8Array }[]): void {
    if (this.#references.length === 0) return
    let start = 0
    let end = 0
    let reference = 0
    for (const { chunk } of chunks) {
      if (chunk === placeholders[chunk.length]) {
        end += chunk.length
      } else {
        this.#pushCopies(start, end)
        this.#push(chunk, this.#references[reference++]!)
        start = end
      }
    }
    this.#pushCopies(start, end)
  }

  /** As `load`, for a buffer of one chunk. */
  loadOne(chunk: Uint8Array): void {
    if (this.#references.length > 0) this.#push(chunk, this.#references[0]!)
  }

  /** Sends what was just handed over: 0 when the kernel has all of it, 1 when the rest waits for room, or a negative errno. */
  send(): number {
    const result = this.#slices.length === 0 ? this.#sendCopies() : this.#sendSlices()
    if (result === 1) this.#detain()
    this.#release()
    return result
  }

  /** Goes on with what waits; answers as `send`. What was written meanwhile is the stream's to hand over afterwards. */
  resume(): number {
    return this.#sendSlices()
  }

  /** Nothing more will be sent. */
  discard(): void {
    this.#slices = []
    this.#lengths = []
    this.#release()
  }

  #push(slice: Uint8Array, length: number): void {
    this.#slices.push(slice)
    this.#lengths.push(length)
  }

  #pushCopies(start: number, end: number): void {
    if (end > start) this.#push(this.#memory!.subarray(start, end), end - start)
  }

  #sendCopies(): number {
    const length = this.#filled
    if (length === 0) return 0
    const sent = this.#engine.raw.write(this.#id, this.#memory!, 0, length)
    if (sent === length) {
      this.#sent += sent
      return 0
    }
    if (sent < 0 && sent !== wouldBlock) return sent
    this.#pushCopies(0, length)
    this.#advance(Math.max(sent, 0))
    return 1
  }

  #sendSlices(): number {
    while (this.#slices.length > 0) {
      const count = Math.min(this.#slices.length, slicesPerSend)
      const sent = this.#engine.raw.writev(this.#id, this.#slices, this.#lengths, count, this.#skip)
      if (sent < 0 && sent !== wouldBlock) return sent
      if (this.#advance(Math.max(sent, 0)) < count) return 1
    }
    return 0
  }

  /** The kernel took so many bytes: drops the slices that it has whole, and returns how many. */
  #advance(sent: number): number {
    this.#sent += sent
    let left = sent + this.#skip
    let finished = 0
    while (finished < this.#lengths.length && left >= this.#lengths[finished]!)
      left -= this.#lengths[finished++]!
    this.#slices.splice(0, finished)
    this.#lengths.splice(0, finished)
    this.#skip = left
    return finished
  }

  /** What has to wait leaves the outbox's memory. */
  #detain(): void {
    for (let index = 0; index < this.#slices.length; index++) {
      const slice = this.#slices[index]!
      if (slice.buffer === this.#memory?.buffer) this.#slices[index] = Buffer.from(slice)
    }
  }

  #release(): void {
    this.#filled = 0
    if (this.#references.length > 0) this.#references = []
    if (this.#memory !== undefined && spares.length < spareLimit) spares.push(this.#memory)
    this.#memory = undefined
  }
}
