/**
 * Assigns the descriptors that come with the chunks of a stream to the messages in these chunks.
 *
 * A message with descriptors is sent by a system call of its own, and they come with its first byte. On Linux the read that brings them ends, at the
 * latest, where the bytes of that system call end; elsewhere it begins where they begin. A chunk is what one read brought. So they belong to the
 * last message that begins in their chunk, or to the first one.
 */
import { type Descriptor } from '../descriptor.js'

interface Lot {
  readonly descriptors: readonly Descriptor[]
  /** Where their chunk begins and ends; the end is 0 until the chunk is pushed. */
  readonly start: number
  end: number
}

const belongToLast = process.platform === 'linux' || process.platform === 'android'

export class DescriptorLots {
  readonly #lots: Lot[] = []

  /** Adds the descriptors of the chunk that begins at `start`. */
  add(descriptors: readonly Descriptor[], start: number): void {
    this.#lots.push({ descriptors, start, end: 0 })
  }

  /** Takes notice of a chunk of `length` bytes that begins at `start`. */
  push(start: number, length: number): void {
    for (const lot of this.#lots) if (lot.end === 0 && lot.start <= start) lot.end = start + length
  }

  /** Returns the descriptors of the next message, which ends at `end`; undefined if it has none. */
  take(end: number): Descriptor[] | undefined {
    let taken: Descriptor[] | undefined
    for (let lot = this.#lots[0]; lot !== undefined; lot = this.#lots[0]) {
      if (lot.end === 0 || (belongToLast ? lot.end > end : lot.start >= end)) break
      ;(taken ??= []).push(...lot.descriptors)
      this.#lots.shift()
    }
    return taken
  }

  /** Closes the descriptors that no message was given. */
  discard(): void {
    for (const { descriptors } of this.#lots.splice(0))
      for (const descriptor of descriptors) descriptor.close()
  }
}
