/**
 * The records that a socket has to send and the kernel has not taken: small ones are copied side by side into blocks, a large one stays where it
 * is.
 *
 * Two positions count records since the socket was made: `queued`, those that were put in, and `sent`, those that the kernel has taken or refused.
 * `sent <= queued` always holds. Records leave in the order in which they were put in.
 */
import { constants } from 'node:os'
import { type Handle } from './handle.js'
import { MOST_RECORDS } from './native.js'
import { type Parcel } from './parcels.js'
import { smallChunk } from './send-queue.js'

/** Bytes of a block. */
const blockLength = 32 * 1024
/** Empty blocks that are kept for reuse. */
const spareLimit = 64
/** What a record counts for beside its bytes, so that empty ones are not free. */
const recordOverhead = 16
const wouldBlock = -constants.errno.EAGAIN

/** Records of one receiver. Those from `first` up to `count` are unsent. */
interface Block {
  readonly memory: Uint8Array
  /** Where each record begins and ends in the memory. */
  readonly bounds: Uint32Array
  /** The memory of `bounds`. */
  readonly boundsBytes: Uint8Array
  to: Uint8Array | undefined
  /** The descriptors of its only record. */
  readonly parcel: Parcel | undefined
  filled: number
  first: number
  count: number
}

const spares: Block[] = []

function blockOf(memory: Uint8Array, places: number, to: Uint8Array | undefined, parcel?: Parcel): Block {
  const bounds = new Uint32Array(2 * places)
  return {
    memory,
    bounds,
    boundsBytes: new Uint8Array(bounds.buffer),
    to,
    parcel,
    filled: 0,
    first: 0,
    count: 0,
  }
}

export class RecordQueue {
  readonly #handle: Handle
  readonly #blocks: Block[] = []
  #queued = 0
  #sent = 0
  #unsentBytes = 0
  #sentBytes = 0

  constructor(handle: Handle) {
    this.#handle = handle
  }

  get queued(): number {
    return this.#queued
  }

  get sent(): number {
    return this.#sent
  }

  get isEmpty(): boolean {
    return this.#sent === this.#queued
  }

  /** Bytes of the records that the kernel has taken. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /** What the unsent records count for: their bytes, and 16 for each. */
  get unsentBytes(): number {
    return this.#unsentBytes
  }

  /**
   * Puts in a record of `length` bytes, for the receiver at the address `to` or for the peer. Returns whether so many are gathered that they should
   * be sent. A record with a parcel is sent alone.
   */
  put(record: Uint8Array, length: number, to?: Uint8Array, parcel?: Parcel): boolean {
    this.#queued++
    this.#unsentBytes += length + recordOverhead
    if (length > smallChunk || parcel !== undefined) {
      const block = blockOf(length > smallChunk ? record : Buffer.from(record), 1, to, parcel)
      this.#blocks.push(block)
      append(block, length)
      return true
    }
    let block = this.#blocks.at(-1)
    if (block === undefined || block.to !== to || !hasRoom(block, length)) {
      block = spares.pop() ?? blockOf(Buffer.allocUnsafeSlow(blockLength), MOST_RECORDS, to)
      block.to = to
      this.#blocks.push(block)
    }
    block.memory.set(record, block.filled)
    append(block, length)
    return block.count === MOST_RECORDS || block.filled > blockLength - smallChunk
  }

  /**
   * Sends. Returns 0 when everything is sent, -EAGAIN when the kernel has no room, or the negative errno with which it has refused the first
   * unsent record.
   */
  send(): number {
    for (let block = this.#blocks[0]; block !== undefined; block = this.#blocks[0]) {
      const { memory, bounds, boundsBytes, first, count, to, parcel } = block
      const taken =
        parcel === undefined
          ? this.#handle.sendRecords(memory, boundsBytes, first, count - first, to)
          : this.#handle.sendRecordWith(memory, 0, bounds[1]!, parcel.descriptors, to)
      if (taken <= 0) return taken === 0 ? wouldBlock : taken
      this.#sentBytes += this.#advance(block, taken)
    }
    return 0
  }

  /** Drops the first unsent record, which the kernel has refused. */
  dropFirst(): void {
    const block = this.#blocks[0]
    if (block === undefined) return
    this.close(block.parcel)
    this.#advance(block, 1)
  }

  /** Takes out the first records, and returns how many bytes these have. */
  #advance(block: Block, records: number): number {
    const { bounds, first } = block
    block.first += records
    // Records of one block lie side by side.
    const bytes = bounds[2 * block.first - 1]! - bounds[2 * first]!
    this.#unsentBytes -= bytes + records * recordOverhead
    this.#sent += records
    if (block.first === block.count) {
      this.#blocks.shift()
      release(block)
    }
    return bytes
  }

  /** Sends the unsent records to the address `to`, or to the peer. */
  redirect(to: Uint8Array | undefined): void {
    for (const block of this.#blocks) block.to = to
  }

  /** Whether the first unsent record waits while the kernel takes no more descriptors of this user. */
  get waitsForOthers(): boolean {
    return this.#blocks[0]?.parcel?.whenTooMany === 'wait'
  }

  /** Closes the descriptors of a record that is not sent. */
  close(parcel: Parcel | undefined): void {
    for (const id of parcel?.descriptors ?? []) this.#handle.engine.raw.closeDescriptor(id)
  }

  /** Drops everything that is unsent. */
  discard(): void {
    for (const block of this.#blocks.splice(0)) {
      this.close(block.parcel)
      release(block)
    }
    this.#unsentBytes = 0
    this.#sent = this.#queued
  }
}

function hasRoom(block: Block, length: number): boolean {
  return 2 * block.count < block.bounds.length && block.filled + length <= block.memory.length
}

function append(block: Block, length: number): void {
  block.bounds[2 * block.count] = block.filled
  block.filled += length
  block.bounds[2 * block.count + 1] = block.filled
  block.count++
}

function release(block: Block): void {
  if (block.bounds.length === 2 || spares.length >= spareLimit) return
  block.filled = block.first = block.count = 0
  spares.push(block)
}
