// The outcome of each promise that the package made: kept, broken with an error that was reported, or neither.
import { readdirSync } from 'node:fs'

/** Milliseconds in which everything is over, one way or the other. */
const patience = 10_000

export const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** The open descriptors of this process. The listing itself has one open. */
export const descriptors = () => readdirSync('/proc/self/fd').length - 1

/** The descriptors, when they have been as many for a while: closing takes a moment. */
export async function settled() {
  let [last, times] = [descriptors(), 0]
  for (; times < 10; times++) {
    await sleep(10)
    const now = descriptors()
    if (now !== last) times = 0
    last = now
  }
  return last
}

export class Ledger {
  /** Streams, messages and connections that were all that they should be. */
  exact = 0
  /** By operation and code: errors that reached their owner. */
  surfaced = {}
  /** Streams that ended early without an error at this end: the other end must have had one. */
  cut = 0
  /** Connections on which an accepting end saw an error. */
  failedPeers = 0
  uncaught = 0
  /** Failures. */
  broken = []

  fail(operation, error) {
    const key = `${operation} ${error.code ?? error}`
    this.surfaced[key] = (this.surfaced[key] ?? 0) + 1
    // A bug in the test has no code.
    if (error.code === undefined || error.code === 'ERR_INTERNAL')
      this.broken.push(`${operation}: ${error.stack}`)
  }

  /** Resolves as `promise` does, or with undefined after the limit. */
  async inTime(what, promise) {
    let timer
    const late = new Promise(resolve => {
      timer = setTimeout(() => {
        this.broken.push(`hangs: ${what}`)
        resolve(undefined)
      }, patience)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether the sums agree once everything has settled. `ends`: ends of stream that no end sent. */
  close(ends = 0) {
    if (this.cut > this.failedPeers + ends)
      this.broken.push(`lost in silence: ${this.cut} streams were cut, ${this.failedPeers} peers failed`)
  }
}

/** A number generator of its own, from 0 up to and without 1, so that a seed repeats a run. */
export function randomOf(seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
