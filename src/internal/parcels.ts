/**
 * Writes with descriptors. Each is a barrier in the stream: it is sent by a system call of its own, when the kernel has taken everything before
 * it, and its descriptors leave with its first byte.
 *
 * - A descriptor is released once: to the kernel, or closed when its write has failed or will not be made.
 * - Chunks that the stream hands over while a parcel waits are held, and queued after it.
 */
import { constants } from 'node:os'
import { byteLength } from './bytes.js'
import { type Handle } from './handle.js'
import { TOO_MANY_REFERENCES } from './native.js'
import { clearTimeout, setTimeout } from './scheduling.js'
import { type SendQueue } from './send-queue.js'

/** A write with descriptors that the addon holds. */
export interface Parcel {
  readonly length: number
  readonly descriptors: readonly number[]
  /** What to do when the kernel takes no more descriptors of this user for now. */
  readonly whenTooMany: 'wait' | 'error'
}

interface HeldChunk {
  readonly chunk: Uint8Array
  /** Its length when it was handed over. */
  readonly length: number
}

const { EAGAIN, EFAULT } = constants.errno
/** Milliseconds until the next attempt, when the kernel takes no more descriptors: it does not report when it does again. */
const firstPause = 1
const longestPause = 64

export class Parcels {
  readonly #handle: Handle
  readonly #resume: () => void
  /** By their chunks, each of which is an object of its own. */
  readonly #parcels = new Map<Uint8Array, Parcel>()
  /** Chunks that the stream has handed over, from the first parcel among them on. */
  #held: HeldChunk[] = []
  #heldLength = 0
  #pause = firstPause
  #timer: NodeJS.Timeout | undefined

  /** `resume`: sends again. */
  constructor(handle: Handle, resume: () => void) {
    this.#handle = handle
    this.#resume = resume
  }

  /** Whether no parcel waits. */
  get isEmpty(): boolean {
    return this.#parcels.size === 0
  }

  /** Has the descriptors leave with `chunk`, which the stream will hand over. */
  add(chunk: Uint8Array, parcel: Parcel): void {
    this.#parcels.set(chunk, parcel)
  }

  /** Closes the descriptors of a chunk that the stream will not hand over. */
  remove(chunk: Uint8Array): void {
    const parcel = this.#parcels.get(chunk)
    this.#parcels.delete(chunk)
    if (parcel !== undefined) this.#close(parcel.descriptors)
  }

  /** Takes a chunk of the stream's, to be sent behind those taken before. */
  hold(given: Uint8Array | string, encoding: BufferEncoding): void {
    const chunk = typeof given === 'string' ? Buffer.from(given, encoding) : given
    const length = this.#parcels.get(chunk)?.length ?? byteLength(chunk)
    if (length === 0) return
    this.#held.push({ chunk, length })
    this.#heldLength += length
  }

  /** Bytes that are held. */
  get heldLength(): number {
    return this.#heldLength
  }

  /** Sends what is held, as far as the kernel takes it. Nothing of the queue may be unsent behind it. */
  proceed(queue: SendQueue): void {
    while (this.#held.length > 0 && queue.unsent === 0 && !this.#handle.isBlocked && queue.failure === 0) {
      const { chunk } = this.#held[0]!
      const parcel = this.#parcels.get(chunk)
      if (parcel === undefined) this.#queueOthers(queue)
      else if (!this.#send(queue, chunk, parcel)) return
    }
  }

  /** Queues and sends the chunks before the next parcel. */
  #queueOthers(queue: SendQueue): void {
    const next = this.#held.findIndex(({ chunk }) => this.#parcels.has(chunk))
    for (const { chunk, length } of this.#held.splice(0, next < 0 ? this.#held.length : next)) {
      this.#heldLength -= length
      if (byteLength(chunk) === length) queue.put(chunk, length)
      else queue.record(chunk, length, -EFAULT)
    }
    queue.send()
  }

  /** Sends a parcel; returns whether that is done. */
  #send(queue: SendQueue, chunk: Uint8Array, { length, descriptors, whenTooMany }: Parcel): boolean {
    const sent = this.#handle.writeWith(chunk, length, descriptors)
    if (sent === 0 || sent === -EAGAIN) {
      this.#handle.isBlocked = true
      return false
    }
    if (sent === TOO_MANY_REFERENCES && whenTooMany === 'wait') {
      this.#sendLater()
      return false
    }
    this.#pause = firstPause
    this.#held.shift()
    this.#heldLength -= length
    this.#parcels.delete(chunk)
    if (sent < 0) this.#close(descriptors)
    queue.record(chunk, length, sent)
    return true
  }

  #sendLater(): void {
    this.#handle.isBlocked = true
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#resume()
    }, this.#pause)
    this.#pause = Math.min(2 * this.#pause, longestPause)
  }

  /** Closes the descriptors of what was not sent. */
  discard(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    this.#held = []
    this.#heldLength = 0
    for (const { descriptors } of this.#parcels.values()) this.#close(descriptors)
    this.#parcels.clear()
  }

  #close(descriptors: readonly number[]): void {
    for (const id of descriptors) this.#handle.engine.raw.closeDescriptor(id)
  }
}
