/** The memory that the reactor receives into. It never leaves this module, but for the driver: a socket gets copies. */
import { Buffer } from 'node:buffer'
import { pathFromBytes, type UnixSocketPath } from '../path.js'
import { type PeerCredentials, peerCredentials } from '../peer.js'
import { DATAGRAM_HEAD } from './native.js'

const scratchLength = 512 * 1024
/**
 * Bytes up to which V8 keeps a new typed array's memory in its own heap, until its `buffer` is read: at a sixth of an ArrayBuffer's cost.
 * Source: V8's typed_array_max_size_in_heap.
 */
const lengthInHeap = 64
const { slice } = Uint8Array.prototype
/** The uid that stands for unknown credentials. */
const unknown = 0xffff_ffff
/** Where the address begins in a datagram's head. */
const addressOffset = 16

export class Scratch {
  readonly #memory = Buffer.allocUnsafeSlow(scratchLength)
  /** The address of the last datagram's sender, and the same as users get it. */
  #lastAddress = Buffer.alloc(0)
  #lastPath: UnixSocketPath | undefined

  /** Calls `take` with the memory, for the driver. */
  handOver<T>(take: (memory: Buffer) => T): T {
    return take(this.#memory)
  }

  /** Copies bytes out of the memory. */
  chunk(offset: number, length: number): Buffer {
    if (length <= lengthInHeap) {
      const chunk = Buffer.alloc(length)
      // `set` and `copy` would ask for its buffer, and thereby move it out of the heap.
      for (let index = 0; index < length; index++) chunk[index] = this.#memory[offset + index]!
      return chunk
    }
    // A Buffer in memory of its own, by one call. Source: the example of `buf.slice()` in Node's documentation.
    return slice.call(this.#memory, offset, offset + length) as Buffer
  }

  /** Returns the address of the sender of the datagram at `offset`; undefined for an unbound sender. */
  senderPath(offset: number): UnixSocketPath | undefined {
    const head = offset - DATAGRAM_HEAD
    const length = this.#memory.readUInt32LE(head + 12)
    if (length === 0) return undefined
    const start = head + addressOffset
    if (!this.#isLast(start, length)) {
      this.#lastAddress = Buffer.from(this.#memory.subarray(start, start + length))
      this.#lastPath = pathFromBytes(this.#lastAddress)
    }
    const path = this.#lastPath
    return typeof path === 'object' ? Uint8Array.from(this.#lastAddress) : path
  }

  #isLast(start: number, length: number): boolean {
    const last = this.#lastAddress
    if (last.length !== length) return false
    for (let index = length - 1; index >= 0; index--)
      if (last[index] !== this.#memory[start + index]) return false
    return true
  }

  /** Returns the credentials of the sender of the datagram at `offset`; undefined if they are not known. */
  senderCredentials(offset: number): PeerCredentials | undefined {
    const head = offset - DATAGRAM_HEAD
    const uid = this.#memory.readUInt32LE(head + 4)
    if (uid === unknown) return undefined
    const pid = this.#memory.readUInt32LE(head)
    return peerCredentials({ uid, gid: this.#memory.readUInt32LE(head + 8), pid })
  }
}
