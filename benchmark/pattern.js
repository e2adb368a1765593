// The bytes that travel, and how their arrival is checked. Client and server make the same pseudo-random pattern
// and send it over and over in slices; a byte that is missing, doubled or changed shows at its position.
import { createCipheriv, createHash } from 'node:crypto'

const key = Buffer.from('udsock benchmark')

/** Deno's Buffer.compare() refuses ranges of the target that the source does not have, so it gets views. */
const differs = process.versions.deno
  ? (chunk, from, data, start, length) =>
      !chunk.subarray(from, from + length).equals(data.subarray(start, start + length))
  : (chunk, from, data, start, length) =>
      chunk.compare(data, start, start + length, from, from + length) !== 0

export class Pattern {
  /** `count` slices of `size` bytes each. */
  constructor(size, count) {
    this.data = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size * count))
    this.slices = Array.from({ length: count }, (_, i) => this.data.subarray(i * size, (i + 1) * size))
    this.position = 0
  }

  /** The next slice to send. */
  next() {
    const slice = this.slices[this.position]
    this.position = this.position + 1 === this.slices.length ? 0 : this.position + 1
    return slice
  }
}

/** Compares what arrives with the pattern: every chunk, or one in `every` while bulk throughput is timed. */
export class Arrivals {
  constructor(data) {
    this.data = data
    this.offset = 0
    this.bytes = 0
    this.every = 1
    this.chunks = 0
  }

  /** Throws at the first chunk that differs. */
  take(chunk) {
    let from = 0
    const checked = this.chunks++ % this.every === 0
    while (from < chunk.length) {
      const length = Math.min(chunk.length - from, this.data.length - this.offset)
      if (checked && differs(chunk, from, this.data, this.offset, length))
        throw new Error(`wrong bytes within ${length} bytes of position ${this.bytes + from}`)
      this.offset = (this.offset + length) % this.data.length
      from += length
    }
    this.bytes += chunk.length
  }

  /** Called when a step is over; here everything has been compared on arrival. */
  finish() {}
}

/**
 * Keeps what arrives during a step, at most the pattern's length, and compares SHA-256 digests when the step is over,
 * so that hashing is outside the time that is measured.
 */
export class HashedArrivals {
  constructor(data) {
    this.data = data
    this.landing = Buffer.alloc(data.length)
    this.start = 0
    this.length = 0
    this.bytes = 0
  }

  take(chunk) {
    if (this.length + chunk.length > this.landing.length) throw new Error('more bytes arrived than were sent')
    this.length += chunk.copy(this.landing, this.length)
  }

  finish() {
    const end = this.start + this.length
    const expected = createHash('sha256').update(this.data.subarray(this.start, end))
    if (end > this.data.length) expected.update(this.data.subarray(0, end - this.data.length))
    const received = createHash('sha256').update(this.landing.subarray(0, this.length))
    if (expected.digest('hex') !== received.digest('hex'))
      throw new Error(`wrong SHA-256 of the ${this.length} bytes from position ${this.bytes} on`)
    this.bytes += this.length
    this.start = end % this.data.length
    this.length = 0
  }
}
